/*
** json.c - JSON documents as the engine's settings, by SQLite's own parser.
**
** json_tree gives a row a node; each becomes one setting.  Its strings are kept
** in blocks that only ever grow, so that a setting's pointers stay good.
*/
#include "json.h"
#include <string.h>

/* A path as long as that is looked up by nobody (engine/attn.h), and paths as long as
** their document would make memory grow with its square. */
enum { BLOCK = 1 << 16, MAX_PATH = 512 };

void attns_document_free(attns_document *document) {
  for (int i = 0; i < document->n_block; i++) sqlite3_free(document->block[i]);
  sqlite3_free(document->block);
  sqlite3_free(document->settings.entry);
  memset(document, 0, sizeof *document);
}

/* Room for n bytes and a NUL. */
static char *new_string(attns_document *document, size_t n) {
  size_t need = n + 1;
  if (document->n_block == 0 || BLOCK - document->n_used < need) {
    char **block = sqlite3_realloc64(
        document->block, ((sqlite3_uint64)document->n_block + 1) * sizeof *block);
    if (!block) return NULL;
    document->block = block;
    char *p = sqlite3_malloc64(need > BLOCK ? need : BLOCK);
    if (!p) return NULL;
    document->block[document->n_block++] = p;
    document->n_used = 0;
  }
  char *p = document->block[document->n_block - 1] + document->n_used;
  document->n_used = need > BLOCK - document->n_used ? BLOCK : document->n_used + need;
  return p;
}

static const char *copy_column(attns_document *document, sqlite3_stmt *stmt, int i,
                               size_t *n) {
  const unsigned char *text = sqlite3_column_text(stmt, i);
  *n = (size_t)sqlite3_column_bytes(stmt, i);
  if (!text) return NULL;
  char *copy = new_string(document, *n);
  if (!copy) return NULL;
  memcpy(copy, text, *n);
  copy[*n] = 0;
  return copy;
}

/* SQLite's words for them. */
static const char *const kind_names[] = {
    [ATTN_NULL] = "null",       [ATTN_TRUE] = "true",    [ATTN_FALSE] = "false",
    [ATTN_INTEGER] = "integer", [ATTN_REAL] = "real",    [ATTN_TEXT] = "text",
    [ATTN_ARRAY] = "array",     [ATTN_OBJECT] = "object"};

static attn_kind kind_of(const char *type) {
  unsigned kind = ATTN_NULL;
  while (kind != ATTN_OBJECT && strcmp(type, kind_names[kind]) != 0) kind++;
  return (attn_kind)kind;
}

/* ------------------------------------------------------------------------- paths
**
** The fullkey of SQLite 3.38 is $.a.[CLS].b where that of later ones is $.a."[CLS]".b;
** but json_tree gives parents before their children.  So a path is that of the parent,
** and then the element that the fullkey ends with, in the quotes that it may lack. */

/* A node on the way from the root. */
typedef struct ancestor {
  size_t n_key; /* bytes of its fullkey, by which its children name it */
  const char *path;
  size_t n_path;
} ancestor;

typedef struct way {
  ancestor node[MAX_PATH]; /* an element has a byte at least */
  size_t n;
} way;

static int is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int needs_quotes(const char *element) {
  if (*element != '.' || element[1] == '"') return 0;
  if (!is_letter(element[1])) return 1;
  for (element += 2; *element; element++) {
    if (!is_letter(*element) && !(*element >= '0' && *element <= '9')) return 1;
  }
  return 0;
}

/* The path of a row of json_tree (fullkey, type, atom, path of the parent), which is on
** the way then; NULL without memory. */
static const char *add_to_way(attns_document *document, way *way, sqlite3_stmt *stmt) {
  static const ancestor nothing = {0, "", 0};
  const char *key = (const char *)sqlite3_column_text(stmt, 0);
  size_t n_key = (size_t)sqlite3_column_bytes(stmt, 0),
         n_parent = (size_t)sqlite3_column_bytes(stmt, 3);
  while (way->n && way->node[way->n - 1].n_key > n_parent) way->n--;
  const ancestor *parent = way->n ? &way->node[way->n - 1] : &nothing;
  const char *element = key ? key + parent->n_key : "";
  int quotes = needs_quotes(element);
  size_t n = n_key - parent->n_key, n_path = parent->n_path + n + 2 * (size_t)quotes;
  char *path = key ? new_string(document, n_path) : NULL;
  if (!path) return NULL;
  memcpy(path, parent->path, parent->n_path);
  char *end = path + parent->n_path;
  if (quotes) {
    *end++ = '.';
    *end++ = '"';
    memcpy(end, element + 1, n - 1);
    memcpy(end + n - 1, "\"", 2);
  } else {
    memcpy(end, element, n + 1);
  }
  way->node[way->n++] = (ancestor){n_key, path, n_path};
  return path;
}

/* ------------------------------------------------------------------------- nodes */

static int add_node(attns_document *document, way *way, sqlite3_stmt *stmt,
                    char **error) {
  attn_settings *s = &document->settings;
  if (sqlite3_column_bytes(stmt, 0) >= MAX_PATH) return SQLITE_OK;
  if (s->n_entry == document->n_alloc) {
    attn_error err = {""};
    size_t n = 2 * document->n_alloc + 64;
    int rc =
        attns_sql_status(attn_limit_call(n * sizeof(attn_setting), &err), &err, error);
    if (rc != SQLITE_OK) return rc;
    attn_setting *entry = sqlite3_realloc64(s->entry, n * sizeof *entry);
    if (!entry) return SQLITE_NOMEM;
    s->entry = entry;
    document->n_alloc = n;
  }
  attn_setting *node = &s->entry[s->n_entry];
  memset(node, 0, sizeof *node);
  node->path = add_to_way(document, way, stmt);
  const char *type = (const char *)sqlite3_column_text(stmt, 1);
  if (!node->path || !type) return SQLITE_NOMEM;
  node->kind = kind_of(type);
  if (node->kind == ATTN_TEXT) {
    node->text = copy_column(document, stmt, 2, &node->n_text);
    if (!node->text) return SQLITE_NOMEM;
  } else if (node->kind == ATTN_INTEGER || node->kind == ATTN_REAL) {
    /* An integer of more than 64 bits comes as a real number. */
    if (sqlite3_column_type(stmt, 2) == SQLITE_FLOAT) node->kind = ATTN_REAL;
    node->integer = sqlite3_column_int64(stmt, 2);
    node->real = sqlite3_column_double(stmt, 2);
  }
  s->n_entry++;
  return SQLITE_OK;
}

int attns_document_read(sqlite3 *db, const char *json, int n_json, const char *root,
                        const char *what, char **error, attns_document *out) {
  sqlite3_stmt *stmt = NULL;
  way way;
  memset(out, 0, sizeof *out);
  way.n = 0;
  int rc = attns_prepare(db, &stmt, error,
                         "SELECT '$' || substr(fullkey, length(?2) + 1), type, atom,"
                         "  CASE WHEN length(path) >= length(?2)"
                         "    THEN '$' || substr(path, length(?2) + 1) END "
                         "FROM json_tree(?1, ?2)");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, json, n_json, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, root, -1, SQLITE_STATIC);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = add_node(out, &way, stmt, error);
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (rc != SQLITE_NOMEM && !*error) {
    rc = attns_sql_db_error(db, what, error);
  }
  sqlite3_finalize(stmt);
  if (rc == SQLITE_OK && out->settings.n_entry == 0) {
    rc = attns_sql_fail(error, SQLITE_ERROR, "%s: nothing found at %s", what, root);
  }
  return rc;
}

int attns_document_options(sqlite3 *db, sqlite3_value *value, const char *what,
                           char **error, attns_document *out) {
  attn_text json = {"{}", 2};
  int rc = SQLITE_OK;
  memset(out, 0, sizeof *out);
  if (value && sqlite3_value_type(value) != SQLITE_NULL) {
    rc = attns_value_name(value, what, error, &json);
  }
  if (rc != SQLITE_OK) return rc;
  rc = attns_document_read(db, json.text, (int)json.n_text, "$", what, error, out);
  if (rc != SQLITE_OK || out->settings.entry[0].kind == ATTN_OBJECT) return rc;
  return attns_sql_fail(error, SQLITE_ERROR, "%s are a JSON %s; expected an object", what,
                        kind_names[out->settings.entry[0].kind]);
}

int attns_json_type(sqlite3 *db, const attns_bytes *json, char **error, char **out) {
  sqlite3_stmt *stmt;
  *out = NULL;
  if (strlen(json->data) != (size_t)json->n) return SQLITE_OK; /* a NUL inside */
  int rc = attns_prepare(db, &stmt, error, "SELECT json_type(?1)");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text64(stmt, 1, json->data, (sqlite3_uint64)json->n, SQLITE_STATIC,
                      SQLITE_UTF8);
  rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    const char *type = (const char *)sqlite3_column_text(stmt, 0);
    if (type) *out = sqlite3_mprintf("%s", type);
    rc = *out ? SQLITE_OK : SQLITE_NOMEM;
  } else if (rc == SQLITE_ERROR) {
    rc = SQLITE_OK; /* "malformed JSON"; json_valid would say so of lack of memory, too */
  } else {
    rc = attns_sql_db_error(db, "JSON", error);
  }
  sqlite3_finalize(stmt);
  return rc;
}
