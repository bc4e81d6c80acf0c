/*
** config.c - what stands between the parentheses of USING attn(...).
**
**     arguments = argument *("," argument)
**     argument  = column | option
**     column    = name                     text to embed
**               | name type                plain: stored, filtered by, not embedded
**               | name "UNINDEXED"         the same without a type
**               | name "FLOAT[" n "]"      the row's vector
**     option    = word "=" value
**     name, value = word | 'text' | "text" | `text` | [text]
**
** Texts of a row are embedded as one, joined by newlines.  A row whose vector column
** is not NULL has that vector; its texts are embedded only if it is NULL and the
** table has a model.
**
**     model=name        default: attn_default(), as of CREATE; with a vector column: none
**     metric=cosine     or dot, l2
**     content=table     external content: its table, or view, of the same schema
**     content=''        contentless: texts are not kept
**     content_rowid=c   the rowid of the content table; default: rowid
**     prompts=on        the model's query and document prompts
**     deferred=off      on: new texts wait for the command 'step'
**     exact=off         on: what brute force would find, for some of the speed
**     chunk=n           texts are split into windows of n tokens; the best one counts
**     overlap=n         tokens that two windows share; default: a quarter of a window
**     lists=n           lists that 'optimize' makes (ivf.c); default: the square root of
**                       the rows, from a million on
**     probes=n          lists that a search scans, at least
*/
#include "index.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------- scanning */

static int is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static int is_word(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
         (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

static const char *skip_space(const char *p) {
  while (is_space(*p)) p++;
  return p;
}

/* The end of a quoted text that begins at p; NULL if it does not close. */
static const char *quoted_end(const char *p, char *out, size_t *n) {
  char close = *p == '[' ? ']' : *p;
  for (p++; *p; p++) {
    if (*p == close) {
      if (close == ']' || p[1] != close) return p + 1;
      p++;
    }
    out[(*n)++] = *p;
  }
  return NULL;
}

/* Reads a word or quoted text: *end is behind it, NULL if there is none. */
static int read_name(const char *p, const char **end, char **out) {
  size_t n = 0;
  *end = NULL;
  *out = sqlite3_malloc64(strlen(p) + 1);
  if (!*out) return SQLITE_NOMEM;
  if (*p && strchr("'\"`[", *p)) {
    *end = quoted_end(p, *out, &n);
  } else {
    while (is_word(p[n])) {
      (*out)[n] = p[n];
      n++;
    }
    if (n) *end = p + n;
  }
  (*out)[n] = 0;
  return SQLITE_OK;
}

/* ----------------------------------------------------------------------- options */

typedef enum option_kind {
  OPTION_TEXT,
  OPTION_BOOL,
  OPTION_INT,
  OPTION_METRIC
} option_kind;

typedef struct option {
  const char *name;
  option_kind kind;
  size_t offset;
  int least; /* of an OPTION_INT */
} option;

#define AT(member) offsetof(attnx_config, member)

static const option options[] = {
    {"model", OPTION_TEXT, AT(model), 0},
    {"metric", OPTION_METRIC, AT(metric), 0},
    {"content", OPTION_TEXT, AT(content_table), 0},
    {"content_rowid", OPTION_TEXT, AT(content_rowid), 0},
    {"prompts", OPTION_BOOL, AT(prompts), 0},
    {"deferred", OPTION_BOOL, AT(deferred), 0},
    {"exact", OPTION_BOOL, AT(exact), 0},
    {"chunk", OPTION_INT, AT(window), 1},
    {"overlap", OPTION_INT, AT(overlap), 0},
    {"lists", OPTION_INT, AT(lists), 0},
    {"probes", OPTION_INT, AT(probes), 1},
};

enum { N_OPTION = sizeof options / sizeof options[0], MAX_INT_OPTION = 1000000 };

static int read_text(void *to, const char *value) {
  char **text = to;
  sqlite3_free(*text);
  *text = sqlite3_mprintf("%s", value);
  return *text ? SQLITE_OK : SQLITE_NOMEM;
}

static int read_bool(const option *o, int *to, const char *value, char **error) {
  static const char *const words[] = {"off",   "on",   "0",  "1",
                                      "false", "true", "no", "yes"};
  for (int i = 0; i < 8; i++) {
    if (sqlite3_stricmp(value, words[i]) == 0) {
      *to = i & 1;
      return SQLITE_OK;
    }
  }
  return attns_sql_fail(error, SQLITE_ERROR,
                        "attn: option %s is \"%s\"; expected on or off", o->name, value);
}

static int read_int(const option *o, int *to, const char *value, char **error) {
  char *end;
  long n = strtol(value, &end, 10);
  if (end == value || *end || n < o->least || n > MAX_INT_OPTION) {
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "attn: option %s is \"%s\"; expected a whole number from %d to %d", o->name,
        value, o->least, MAX_INT_OPTION);
  }
  *to = (int)n;
  return SQLITE_OK;
}

static int read_metric(attn_metric *to, const char *value, char **error) {
  static const struct {
    const char *name;
    attn_metric metric;
  } metrics[] = {{"cosine", ATTN_COSINE}, {"dot", ATTN_DOT}, {"l2", ATTN_L2}};
  for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
    if (sqlite3_stricmp(value, metrics[i].name) == 0) {
      *to = metrics[i].metric;
      return SQLITE_OK;
    }
  }
  return attns_sql_fail(error, SQLITE_ERROR,
                        "attn: option metric is \"%s\"; expected cosine, dot or l2",
                        value);
}

static int set_option(attnx_config *config, const char *name, const char *value,
                      unsigned *given, char **error) {
  int i = 0;
  while (i < N_OPTION && sqlite3_stricmp(name, options[i].name) != 0) i++;
  if (i == N_OPTION) {
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "attn: unknown option \"%s\"; expected model, metric, content, "
        "content_rowid, prompts, deferred, exact, chunk, overlap, lists or probes",
        name);
  }
  if (*given & 1u << i) {
    return attns_sql_fail(error, SQLITE_ERROR, "attn: option %s is given twice", name);
  }
  *given |= 1u << i;
  void *to = (char *)config + options[i].offset;
  switch (options[i].kind) {
  case OPTION_TEXT:
    return read_text(to, value);
  case OPTION_BOOL:
    return read_bool(&options[i], to, value, error);
  case OPTION_INT:
    return read_int(&options[i], to, value, error);
  default:
    return read_metric(to, value, error);
  }
}

/* ----------------------------------------------------------------------- columns */

static const char *const hidden[] = {"k", "distance", "rank"};
static const char *const hidden_type[] = {"INTEGER", "REAL", ""};

static int check_name(const attnx_config *config, const char *name, char **error) {
  for (int i = 0; i < config->n_column; i++) {
    if (sqlite3_stricmp(config->column[i].name, name) == 0) {
      return attns_sql_fail(error, SQLITE_ERROR, "attn: two columns are named \"%s\"",
                            name);
    }
  }
  int taken =
      sqlite3_stricmp(name, config->table) == 0 || sqlite3_stricmp(name, "rowid") == 0;
  for (int i = 0; i < 3; i++) taken |= sqlite3_stricmp(name, hidden[i]) == 0;
  if (!taken) return SQLITE_OK;
  return attns_sql_fail(
      error, SQLITE_ERROR,
      "attn: a column is named \"%s\", a name that the table itself uses", name);
}

static int has_word(const char *type, const char *word) {
  const int n_word = (int)strlen(word);
  for (const char *p = type; *p; p++) {
    int n = 0;
    while (is_word(p[n])) n++;
    if (n == n_word && sqlite3_strnicmp(p, word, n) == 0) return 1;
    if (n) p += n - 1;
  }
  return 0;
}

/* "FLOAT[384]": 1, and the number. */
static int is_vector_type(const char *type, long *d) {
  if (sqlite3_strnicmp(type, "float", 5) != 0) return 0;
  const char *p = skip_space(type + 5);
  if (strncmp(p, "32", 2) == 0) p = skip_space(p + 2);
  if (*p != '[') return 0;
  char *end;
  *d = strtol(p + 1, &end, 10);
  return *skip_space(end) == ']' && *skip_space(skip_space(end) + 1) == 0;
}

static int set_kind(attnx_config *config, attnx_column *column, char **error) {
  long d = 0;
  if (!*column->type) {
    column->kind = ATTNX_COLUMN_TEXT;
    config->n_text++;
    return SQLITE_OK;
  }
  column->kind = ATTNX_COLUMN_PLAIN;
  if (sqlite3_stricmp(column->type, "unindexed") == 0) {
    *column->type = 0;
    return SQLITE_OK;
  }
  if (is_vector_type(column->type, &d)) {
    if (d < 1 || d > ATTN_MAX_DIMENSION) {
      return attns_sql_fail(error, SQLITE_ERROR,
                            "attn: column %s is a %s; expected 1 to %d numbers",
                            column->name, column->type, ATTN_MAX_DIMENSION);
    }
    if (config->vector >= 0) {
      return attns_sql_fail(error, SQLITE_ERROR,
                            "attn: a second vector column, %s; expected one",
                            column->name);
    }
    column->kind = ATTNX_COLUMN_VECTOR;
    config->vector = (int)(column - config->column);
    config->dimension = (uint32_t)d;
    return SQLITE_OK;
  }
  for (const char *p = column->type; *p; p++) {
    if (!is_word(*p) && !is_space(*p) && !strchr("(),", *p)) {
      return attns_sql_fail(
          error, SQLITE_ERROR,
          "attn: column %s has the type \"%s\"; expected words, or FLOAT[n]",
          column->name, column->type);
    }
  }
  column->is_not_null = has_word(column->type, "NOT");
  return SQLITE_OK;
}

/* Takes the name over. */
static int add_column(attnx_config *config, char *name, const char *type, char **error) {
  int rc = check_name(config, name, error);
  attnx_column *column = NULL;
  if (rc == SQLITE_OK) {
    column = sqlite3_realloc64(config->column,
                               sizeof *column * ((sqlite3_uint64)config->n_column + 1));
    if (!column) rc = SQLITE_NOMEM;
  }
  if (rc != SQLITE_OK) {
    sqlite3_free(name);
    return rc;
  }
  config->column = column;
  column += config->n_column++;
  size_t n = strlen(type);
  while (n && is_space(type[n - 1])) n--;
  *column =
      (attnx_column){name, sqlite3_mprintf("%.*s", (int)n, type), ATTNX_COLUMN_TEXT, 0};
  return column->type ? set_kind(config, column, error) : SQLITE_NOMEM;
}

static int read_argument(attnx_config *config, const char *argument, unsigned *given,
                         char **error) {
  char *name, *value = NULL;
  const char *begin = skip_space(argument), *end;
  int rc = read_name(begin, &end, &name);
  if (rc == SQLITE_OK && !end) {
    rc = attns_sql_fail(error, SQLITE_ERROR,
                        "attn: argument \"%s\"; expected a column or option=value",
                        argument);
  }
  if (rc == SQLITE_OK && *skip_space(end) != '=') {
    return add_column(config, name, skip_space(end), error);
  }
  if (rc == SQLITE_OK) {
    begin = skip_space(skip_space(end) + 1);
    rc = read_name(begin, &end, &value);
  }
  if (rc == SQLITE_OK && (!end || *skip_space(end))) {
    rc = attns_sql_fail(error, SQLITE_ERROR,
                        "attn: option %s is %s; expected one word or quoted text", name,
                        *begin ? begin : "empty");
  }
  if (rc == SQLITE_OK) rc = set_option(config, name, value, given, error);
  sqlite3_free(name);
  sqlite3_free(value);
  return rc;
}

/* ------------------------------------------------------------------- the whole */

/* What the arguments say together. */
static int check_config(attnx_config *config, char **error) {
  if (config->n_text == 0 && config->vector < 0) {
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "attn: no column to search by; expected one for text (a name without "
        "a type) or a vector (FLOAT[n])");
  }
  if (config->n_text == 0 && config->model) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "attn: option model without a column of text to embed");
  }
  if (config->window && (config->vector >= 0 || config->n_text == 0)) {
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "attn: option chunk is for tables of text without a vector column");
  }
  if (config->overlap < 0) config->overlap = config->window / 4;
  if (config->window && config->overlap >= config->window) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "attn: option overlap is %d; expected less than chunk, %d",
                          config->overlap, config->window);
  }
  if (config->content_table) {
    config->content =
        *config->content_table ? ATTNX_CONTENT_EXTERNAL : ATTNX_CONTENT_NONE;
  }
  if (config->content_rowid && config->content != ATTNX_CONTENT_EXTERNAL) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "attn: option content_rowid without a content table");
  }
  if (!config->content_rowid) config->content_rowid = sqlite3_mprintf("rowid");
  return config->content_rowid ? SQLITE_OK : SQLITE_NOMEM;
}

int attnx_config_check_new(const attnx_config *config, char **error) {
  static const char *const words[] = {"AS",         "CHECK",  "CONSTRAINT", "DEFAULT",
                                      "GENERATED",  "HIDDEN", "ON",         "PRIMARY",
                                      "REFERENCES", "UNIQUE"};
  for (int i = 0; i < config->n_column; i++) {
    for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
      if (!has_word(config->column[i].type, words[k])) continue;
      return attns_sql_fail(
          error, SQLITE_ERROR,
          "attn: column %s has %s; expected a type, and NOT NULL or COLLATE "
          "at most",
          config->column[i].name, words[k]);
    }
  }
  return SQLITE_OK;
}

int attnx_config_parse(int argc, const char *const *argv, char **error,
                       attnx_config *out) {
  unsigned given = 0;
  int rc = SQLITE_OK;
  *out = (attnx_config){
      .vector = -1, .metric = ATTN_COSINE, .prompts = 1, .overlap = -1, .lists = -1};
  out->schema = sqlite3_mprintf("%s", argv[1]);
  out->table = sqlite3_mprintf("%s", argv[2]);
  if (!out->schema || !out->table) rc = SQLITE_NOMEM;
  for (int i = 3; rc == SQLITE_OK && i < argc; i++) {
    rc = read_argument(out, argv[i], &given, error);
  }
  if (rc == SQLITE_OK) rc = check_config(out, error);
  if (rc != SQLITE_OK) attnx_config_free(out);
  return rc;
}

void attnx_config_free(attnx_config *config) {
  for (int i = 0; i < config->n_column; i++) {
    sqlite3_free(config->column[i].name);
    sqlite3_free(config->column[i].type);
  }
  sqlite3_free(config->column);
  sqlite3_free(config->schema);
  sqlite3_free(config->table);
  sqlite3_free(config->content_table);
  sqlite3_free(config->content_rowid);
  sqlite3_free(config->model);
  memset(config, 0, sizeof *config);
}

char *attnx_config_declaration(const attnx_config *config) {
  sqlite3_str *s = sqlite3_str_new(NULL);
  sqlite3_str_appendall(s, "CREATE TABLE x(");
  for (int i = 0; i < config->n_column; i++) {
    const attnx_column *column = &config->column[i];
    /* "FLOAT[384]" is no type name that SQLite could parse. */
    sqlite3_str_appendf(s, "\"%w\" %s, ", column->name,
                        column->kind == ATTNX_COLUMN_VECTOR ? "BLOB" : column->type);
  }
  sqlite3_str_appendf(s, "\"%w\" HIDDEN", config->table);
  for (int i = 0; i < 3; i++) {
    sqlite3_str_appendf(s, ", %s %s HIDDEN", hidden[i], hidden_type[i]);
  }
  sqlite3_str_appendall(s, ")");
  return sqlite3_str_finish(s);
}

int attnx_config_keeps(const attnx_config *config, int column) {
  switch (config->column[column].kind) {
  case ATTNX_COLUMN_VECTOR:
    return 0;
  case ATTNX_COLUMN_PLAIN:
    return config->content != ATTNX_CONTENT_EXTERNAL;
  default:
    return config->content == ATTNX_CONTENT_OWN;
  }
}

int attnx_config_forgets(const attnx_config *config, int column) {
  return config->content == ATTNX_CONTENT_NONE &&
         config->column[column].kind == ATTNX_COLUMN_TEXT;
}

int attnx_config_embeds(const attnx_config *config) {
  return config->n_text && (config->vector < 0 || config->model);
}
