/*
** store.c - the model tables: creating them, finding a model, loading it.
*/
#include "store.h"
#include "../json.h"
#include "vocab.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------- tables */

/* %s: the quoted schema.  The triggers say "changed" only where the model's row is
** there already, so that an import, which writes it last, keeps its name. */
#define CHANGED(model)                                                                   \
  "BEGIN UPDATE attn_model SET sha256 = 'changed-' || lower(hex(randomblob(16))) "       \
  "WHERE name = " model "; END;"

static const char *const schema_sql[] = {
    "CREATE TABLE IF NOT EXISTS \"%w\".attn_model("
    "  name TEXT PRIMARY KEY NOT NULL,"
    "  sha256 TEXT NOT NULL,"
    "  architecture TEXT NOT NULL,"
    "  dimension INTEGER NOT NULL,"
    "  max_length INTEGER NOT NULL,"
    "  license TEXT,"
    "  config TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS \"%w\".attn_tensor("
    "  model TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  part INTEGER NOT NULL,"
    "  dtype TEXT NOT NULL,"
    "  shape TEXT NOT NULL,"
    "  data BLOB NOT NULL,"
    "  UNIQUE(model, name, part))",
    "CREATE TABLE IF NOT EXISTS \"%w\".attn_tokenizer("
    "  model TEXT NOT NULL,"
    "  part TEXT NOT NULL,"
    "  data BLOB NOT NULL,"
    "  PRIMARY KEY(model, part))",
    "CREATE TABLE IF NOT EXISTS \"%w\".attn_setting("
    "  name TEXT PRIMARY KEY NOT NULL,"
    "  value)",
    "CREATE TRIGGER IF NOT EXISTS \"%w\".attn_model_changed "
    "AFTER UPDATE OF config ON attn_model "
    "WHEN NEW.config IS NOT OLD.config AND NEW.sha256 IS OLD.sha256 " CHANGED("NEW.name"),
    "CREATE TRIGGER IF NOT EXISTS \"%w\".attn_tensor_inserted "
    "AFTER INSERT ON attn_tensor " CHANGED("NEW.model"),
    "CREATE TRIGGER IF NOT EXISTS \"%w\".attn_tensor_updated "
    "AFTER UPDATE OF name, part, dtype, shape, data ON attn_tensor " CHANGED("NEW.model"),
    "CREATE TRIGGER IF NOT EXISTS \"%w\".attn_tensor_deleted "
    "AFTER DELETE ON attn_tensor " CHANGED("OLD.model"),
    "CREATE TRIGGER IF NOT EXISTS \"%w\".attn_tokenizer_inserted "
    "AFTER INSERT ON attn_tokenizer " CHANGED("NEW.model"),
    "CREATE TRIGGER IF NOT EXISTS \"%w\".attn_tokenizer_updated "
    "AFTER UPDATE OF part, data ON attn_tokenizer " CHANGED("NEW.model"),
    "CREATE TRIGGER IF NOT EXISTS \"%w\".attn_tokenizer_deleted "
    "AFTER DELETE ON attn_tokenizer " CHANGED("OLD.model"),
};

int attns_store_create(sqlite3 *db, const char *schema, char **error) {
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof schema_sql / sizeof schema_sql[0];
       i++) {
    rc = attns_exec(db, error, schema_sql[i], schema);
  }
  return rc;
}

int attns_store_schemas(sqlite3 *db, char **error, char ***out) {
  sqlite3_stmt *stmt;
  char **list = NULL;
  *out = NULL;
  /* The names in one block behind the pointers, each with a NUL behind it.  No name has
  ** one. */
  int rc = attns_prepare(db, &stmt, error,
                         "SELECT group_concat(name || char(0), '') FROM "
                         "(SELECT name FROM pragma_database_list ORDER BY seq)");
  if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    int n_text = sqlite3_column_bytes(stmt, 0);
    size_t n = 0, n_name = 0;
    for (int i = 0; text && i < n_text; i++) n_name += text[i] == 0;
    if (text || sqlite3_column_type(stmt, 0) == SQLITE_NULL) {
      list = sqlite3_malloc64((n_name + 1) * sizeof *list + (size_t)n_text);
    }
    char *name = list ? (char *)(list + n_name + 1) : NULL;
    if (list && text) memcpy(name, text, (size_t)n_text);
    while (list && n < n_name) {
      list[n++] = name;
      name += strlen(name) + 1;
    }
    if (list) list[n] = NULL;
    rc = list ? SQLITE_OK : SQLITE_NOMEM;
  } else if (rc == SQLITE_OK) {
    rc = attns_sql_db_error(db, "libattn", error);
  }
  sqlite3_finalize(stmt);
  *out = list;
  return rc;
}

/* ---------------------------------------------------------------------- finding */

void attns_model_row_free(attns_model_row *row) {
  sqlite3_free(row->schema);
  sqlite3_free(row->name);
  sqlite3_free(row->sha256);
  memset(row, 0, sizeof *row);
}

/* The first column of the first row as new text; NULL where there is no row. */
static int query_text(sqlite3 *db, sqlite3_stmt *stmt, char **error, char **out) {
  int rc = sqlite3_step(stmt);
  *out = NULL;
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    *out = text ? sqlite3_mprintf("%s", text) : NULL;
    rc = *out || sqlite3_column_type(stmt, 0) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
  } else if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else {
    rc = attns_sql_db_error(db, "libattn", error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

int attns_store_require(sqlite3 *db, const char *schema, const char *table,
                        char **error) {
  int there = 0;
  int rc = attns_has_table(db, schema, table, error, &there);
  if (rc != SQLITE_OK || there) return rc;
  return attns_sql_fail(error, SQLITE_CORRUPT_VTAB, "there is no table %s.%s", schema,
                        table);
}

int attns_store_exists(sqlite3 *db, const char *schema, char **error, int *out) {
  return attns_has_table(db, schema, "attn_model", error, out);
}

/* The name that a schema's setting holds, else that of its only model. */
static int default_name(sqlite3 *db, const char *schema, char **error, char **out) {
  sqlite3_stmt *stmt;
  int there;
  *out = NULL;
  int rc = attns_has_table(db, schema, "attn_setting", error, &there);
  if (rc == SQLITE_OK && there) {
    rc = attns_prepare(db, &stmt, error,
                       "SELECT value FROM \"%w\".attn_setting WHERE name = 'default'",
                       schema);
    if (rc == SQLITE_OK) rc = query_text(db, stmt, error, out);
  }
  if (rc != SQLITE_OK || *out) return rc;
  rc = attns_prepare(
      db, &stmt, error,
      "SELECT CASE count(*) WHEN 1 THEN min(name) END FROM \"%w\".attn_model", schema);
  return rc == SQLITE_OK ? query_text(db, stmt, error, out) : rc;
}

/* Looks in one schema; row->sha256 stays NULL where the model is not there. */
static int find_in(sqlite3 *db, const char *schema, const char *wanted, char **error,
                   attns_model_row *row) {
  sqlite3_stmt *stmt;
  int there;
  int rc = attns_store_exists(db, schema, error, &there);
  if (rc != SQLITE_OK || !there) return rc;
  rc = attns_prepare(db, &stmt, error,
                     "SELECT sha256 FROM \"%w\".attn_model WHERE name = %Q", schema,
                     wanted);
  if (rc == SQLITE_OK) rc = query_text(db, stmt, error, &row->sha256);
  if (rc == SQLITE_OK && row->sha256) {
    row->schema = sqlite3_mprintf("%s", schema);
    row->name = sqlite3_mprintf("%s", wanted);
    if (!row->schema || !row->name) rc = SQLITE_NOMEM;
  }
  return rc;
}

static int find_qualified(sqlite3 *db, const char *wanted, char **error,
                          attns_model_row *row) {
  const char *dot = strchr(wanted, '.');
  if (!dot) return SQLITE_OK;
  char *schema = sqlite3_mprintf("%.*s", (int)(dot - wanted), wanted);
  if (!schema) return SQLITE_NOMEM;
  int rc = find_in(db, schema, dot + 1, error, row);
  sqlite3_free(schema);
  return rc;
}

/* A name that holds a dot may still be a plain one: "bge-small-v1.5". */
static int find_name(sqlite3 *db, const char *wanted, char **error,
                     attns_model_row *row) {
  char **schema = NULL;
  int rc = find_qualified(db, wanted, error, row);
  /* Nearly always it is in main, and asking main is quicker than to list schemas. */
  if (rc == SQLITE_OK && !row->sha256) rc = find_in(db, "main", wanted, error, row);
  if (rc != SQLITE_OK || row->sha256) return rc;
  rc = attns_store_schemas(db, error, &schema);
  for (int i = 0; rc == SQLITE_OK && schema[i] && !row->sha256; i++) {
    rc = find_in(db, schema[i], wanted, error, row);
  }
  sqlite3_free(schema);
  return rc;
}

/* The default of main, else of the first schema that has one. */
static int find_default(sqlite3 *db, char **error, attns_model_row *row) {
  char **schema = NULL, *name = NULL;
  int there;
  int rc = attns_store_exists(db, "main", error, &there);
  if (rc == SQLITE_OK && there) rc = default_name(db, "main", error, &name);
  if (rc == SQLITE_OK && name) rc = find_name(db, name, error, row);
  sqlite3_free(name);
  if (rc != SQLITE_OK || row->sha256) return rc;
  rc = attns_store_schemas(db, error, &schema);
  for (int i = 0; rc == SQLITE_OK && schema[i] && !row->sha256; i++) {
    rc = attns_store_exists(db, schema[i], error, &there);
    if (rc != SQLITE_OK || !there) continue;
    rc = default_name(db, schema[i], error, &name);
    if (rc == SQLITE_OK && name) rc = find_in(db, schema[i], name, error, row);
    sqlite3_free(name);
  }
  sqlite3_free(schema);
  return rc;
}

/* "a, b, c": what there is to choose from. */
static int list_names(sqlite3 *db, char **error, char **out) {
  char **schema = NULL;
  *out = NULL;
  int rc = attns_store_schemas(db, error, &schema);
  for (int i = 0; rc == SQLITE_OK && schema[i]; i++) {
    sqlite3_stmt *stmt;
    char *names = NULL;
    int there;
    rc = attns_store_exists(db, schema[i], error, &there);
    if (rc != SQLITE_OK || !there) continue;
    rc = attns_prepare(
        db, &stmt, error,
        "SELECT group_concat(CASE WHEN %Q = 'main' THEN '' ELSE %Q || '.' END"
        " || name, ', ') FROM (SELECT name FROM \"%w\".attn_model"
        " ORDER BY name LIMIT 20)",
        schema[i], schema[i], schema[i]);
    if (rc == SQLITE_OK) rc = query_text(db, stmt, error, &names);
    if (rc == SQLITE_OK && names) {
      char *all =
          *out ? sqlite3_mprintf("%s, %s", *out, names) : sqlite3_mprintf("%s", names);
      sqlite3_free(*out);
      *out = all;
      if (!all) rc = SQLITE_NOMEM;
    }
    sqlite3_free(names);
  }
  sqlite3_free(schema);
  return rc;
}

static int not_found(sqlite3 *db, const char *wanted, char **error) {
  char *names = NULL;
  int rc = list_names(db, error, &names);
  if (rc != SQLITE_OK) {
    sqlite3_free(names);
    return rc;
  }
  if (!names) {
    rc = attns_sql_fail(error, SQLITE_ERROR,
                        "no model%s%s%s: this database has none; import one with "
                        "attn_import(name, folder)",
                        wanted ? " \"" : "", wanted ? wanted : "", wanted ? "\"" : "");
  } else if (wanted) {
    rc = attns_sql_fail(error, SQLITE_ERROR, "no model \"%s\"; there are: %s", wanted,
                        names);
  } else {
    rc =
        attns_sql_fail(error, SQLITE_ERROR,
                       "no default model; choose one with attn_default(name): %s", names);
  }
  sqlite3_free(names);
  return rc;
}

int attns_store_find(sqlite3 *db, const char *wanted, char **error,
                     attns_model_row *out) {
  memset(out, 0, sizeof *out);
  int rc = wanted ? find_name(db, wanted, error, out) : find_default(db, error, out);
  if (rc == SQLITE_OK && !out->sha256) rc = not_found(db, wanted, error);
  if (rc != SQLITE_OK) attns_model_row_free(out);
  return rc;
}

int attns_store_license(sqlite3 *db, const attns_model_row *row, char **error,
                        char **out) {
  sqlite3_stmt *stmt;
  *out = NULL;
  int rc = attns_prepare(db, &stmt, error,
                         "SELECT license FROM \"%w\".attn_model WHERE name = %Q",
                         row->schema, row->name);
  return rc == SQLITE_OK ? query_text(db, stmt, error, out) : rc;
}

int attns_store_describe(sqlite3 *db, const char *config, char **error,
                         attn_model_info *out) {
  attns_document document;
  attn_error err;
  int rc =
      attns_document_read(db, config, -1, "$", "attn_model.config", error, &document);
  if (rc == SQLITE_OK) {
    rc =
        attns_sql_status(attn_model_describe(&document.settings, &err, out), &err, error);
  }
  attns_document_free(&document);
  return rc;
}

int attns_store_config(sqlite3 *db, const attns_model_row *row, char **error,
                       char **out) {
  sqlite3_stmt *stmt;
  *out = NULL;
  int rc = attns_prepare(db, &stmt, error,
                         "SELECT config FROM \"%w\".attn_model WHERE name = %Q",
                         row->schema, row->name);
  if (rc == SQLITE_OK) rc = query_text(db, stmt, error, out);
  if (rc == SQLITE_OK && !*out) {
    rc = attns_sql_fail(error, SQLITE_ERROR, "model \"%s\": attn_model.config is NULL",
                        row->name);
  }
  return rc;
}

int attns_store_check_free(sqlite3 *db, const char *schema, const char *name,
                           char **error) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(db, &stmt, error,
                         "SELECT 1 FROM \"%w\".attn_model WHERE name = %Q", schema, name);
  if (rc != SQLITE_OK) return rc;
  rc = sqlite3_step(stmt);
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (rc == SQLITE_ROW) {
    rc = attns_sql_fail(error, SQLITE_ERROR, "there is a model \"%s\" already", name);
  } else {
    rc = attns_sql_db_error(db, "attn_model", error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

int attns_store_target(sqlite3 *db, const char *wanted, char **error, char **schema,
                       char **name) {
  char **all = NULL;
  const char *dot = strchr(wanted, '.');
  int n_schema = dot ? (int)(dot - wanted) : 0;
  /* temp is listed only when there is something in it. */
  int found = n_schema == 4 && sqlite3_strnicmp(wanted, "temp", 4) == 0;
  int rc = attns_store_schemas(db, error, &all);
  for (int i = 0; rc == SQLITE_OK && dot && all[i]; i++) {
    if ((int)strlen(all[i]) == n_schema &&
        sqlite3_strnicmp(all[i], wanted, n_schema) == 0) {
      found = 1;
    }
  }
  sqlite3_free(all);
  if (rc != SQLITE_OK) return rc;
  *schema = found ? sqlite3_mprintf("%.*s", n_schema, wanted) : sqlite3_mprintf("main");
  *name = sqlite3_mprintf("%s", found ? dot + 1 : wanted);
  if (!*schema || !*name) return SQLITE_NOMEM;
  if (**name) return SQLITE_OK;
  return attns_sql_fail(error, SQLITE_ERROR, "the name of a model is empty");
}

/* ---------------------------------------------------------------------- tensors */

/* A row of attn_tensor: a tensor, or a part of the one before. */
typedef struct tensor_part {
  sqlite3_int64 rowid;
  uint64_t n_byte;
} tensor_part;

/* What the engine reads through: tensors, their parts, and one blob handle that is
** moved from row to row. */
struct attns_tensor_source {
  sqlite3 *db;
  const attns_model_row *row;
  attn_source source; /* of the arrays below */
  attn_tensor *tensor;
  size_t *first_part; /* of each tensor, and one behind the last */
  tensor_part *part;
  char **name;
  const attn_dtype_name **dtype;
  size_t n_tensor, n_part, n_alloc;
  sqlite3_blob *blob;
  sqlite3_int64 open_row;
  int code; /* SQLite's, of a read that failed */
};

typedef attns_tensor_source tensor_source;

void attns_store_close_tensors(attns_tensor_source *s) {
  if (!s) return;
  for (size_t i = 0; i < s->n_tensor; i++) sqlite3_free(s->name[i]);
  sqlite3_free(s->tensor);
  sqlite3_free(s->first_part);
  sqlite3_free(s->part);
  sqlite3_free(s->name);
  sqlite3_free(s->dtype);
  sqlite3_blob_close(s->blob);
  sqlite3_free(s);
}

static int grow(void *list, size_t n, size_t size) {
  void **at = list;
  void *p = sqlite3_realloc64(*at, (sqlite3_uint64)n * size);
  if (!p) return SQLITE_NOMEM;
  *at = p;
  return SQLITE_OK;
}

static int reserve_part(tensor_source *s) {
  if (s->n_part < s->n_alloc) return SQLITE_OK;
  size_t n = 2 * s->n_alloc + 128;
  int rc = grow(&s->tensor, n, sizeof *s->tensor);
  if (rc == SQLITE_OK) rc = grow(&s->first_part, n + 1, sizeof *s->first_part);
  if (rc == SQLITE_OK) rc = grow(&s->part, n, sizeof *s->part);
  if (rc == SQLITE_OK) rc = grow(&s->name, n, sizeof *s->name);
  if (rc == SQLITE_OK) rc = grow(&s->dtype, n, sizeof *s->dtype);
  if (rc == SQLITE_OK) s->n_alloc = n;
  return rc;
}

static int bad_tensor(const tensor_source *s, const char *name, char **error,
                      const char *format, const char *found) {
  char *what = sqlite3_mprintf(format, found);
  if (!what) return SQLITE_NOMEM;
  int rc = attns_sql_fail(error, SQLITE_CORRUPT_VTAB, "model \"%s\", tensor \"%s\": %s",
                          s->row->name, name, what);
  sqlite3_free(what);
  return rc;
}

/* A row (rowid, name, part, dtype, shape, bytes of data or NULL for no blob). */
static int add_tensor(tensor_source *s, sqlite3_stmt *stmt, char **error) {
  const char *name = (const char *)sqlite3_column_text(stmt, 1);
  const char *dtype = (const char *)sqlite3_column_text(stmt, 3);
  const char *shape = (const char *)sqlite3_column_text(stmt, 4);
  if (!name || !dtype || !shape) return SQLITE_NOMEM;
  int rc = reserve_part(s);
  if (rc != SQLITE_OK) return rc;
  if (sqlite3_column_type(stmt, 5) == SQLITE_NULL) {
    return bad_tensor(s, name, error, "data is no blob%s", "");
  }
  size_t last = s->n_tensor - 1;
  int more = s->n_tensor && strcmp(s->name[last], name) == 0;
  sqlite3_int64 want = more ? (sqlite3_int64)(s->n_part - s->first_part[last]) : 0;
  if (sqlite3_column_int64(stmt, 2) != want) {
    return bad_tensor(s, name, error, "part is %s; expected the next in 0, 1, 2 ...",
                      (const char *)sqlite3_column_text(stmt, 2));
  }
  if (!more) {
    attn_tensor *t = &s->tensor[s->n_tensor];
    const attn_dtype_name *d = attn_dtype_find(dtype);
    if (!d) return bad_tensor(s, name, error, "unknown dtype \"%s\"", dtype);
    t->n_dim = attn_shape_parse(shape, t->dim);
    if (t->n_dim < 0) return bad_tensor(s, name, error, "shape is \"%s\"", shape);
    t->dtype = d->dtype;
    t->dtype_name = d->name;
    t->n_byte = 0;
    s->dtype[s->n_tensor] = d;
    s->name[s->n_tensor] = sqlite3_mprintf("%s", name);
    if (!s->name[s->n_tensor]) return SQLITE_NOMEM;
    s->first_part[s->n_tensor++] = s->n_part;
  }
  tensor_part *part = &s->part[s->n_part++];
  part->rowid = sqlite3_column_int64(stmt, 0);
  part->n_byte = (uint64_t)sqlite3_column_int64(stmt, 5);
  s->tensor[s->n_tensor - 1].n_byte += part->n_byte;
  s->first_part[s->n_tensor] = s->n_part;
  return SQLITE_OK;
}

/* Do the bytes that are there make the shape? */
static int check_sizes(tensor_source *s, char **error) {
  for (size_t i = 0; i < s->n_tensor; i++) {
    attn_tensor *t = &s->tensor[i];
    t->name = s->name[i];
    uint64_t n = attn_shape_bytes(t->dim, t->n_dim, s->dtype[i]->size);
    if (n != t->n_byte) {
      char found[64];
      snprintf(found, sizeof found, "%llu bytes; its shape and dtype make %llu",
               (unsigned long long)t->n_byte, (unsigned long long)n);
      return bad_tensor(s, t->name, error, "data has %s", found);
    }
  }
  return SQLITE_OK;
}

static int open_part(tensor_source *s, const tensor_part *part) {
  if (s->blob && s->open_row == part->rowid) return SQLITE_OK;
  int rc = s->blob ? sqlite3_blob_reopen(s->blob, part->rowid)
                   : sqlite3_blob_open(s->db, s->row->schema, "attn_tensor", "data",
                                       part->rowid, 0, &s->blob);
  s->open_row = part->rowid;
  return rc;
}

/* Are there numbers to read?  Else their memory should not be taken: a column that is
** generated has none, however large it says it is. */
static int check_readable(tensor_source *s, char **error) {
  if (s->n_part == 0) return SQLITE_OK;
  int rc = open_part(s, &s->part[0]);
  return rc == SQLITE_OK ? rc : attns_sql_db_error(s->db, "attn_tensor", error);
}

static int list_tensors(tensor_source *s, char **error) {
  sqlite3_stmt *stmt;
  int rc = attns_store_require(s->db, s->row->schema, "attn_tensor", error);
  if (rc != SQLITE_OK) return rc;
  rc = attns_prepare(s->db, &stmt, error,
                     "SELECT rowid, name, part, dtype, shape,"
                     "  CASE typeof(data) WHEN 'blob' THEN length(data) END"
                     " FROM \"%w\".attn_tensor WHERE model = %Q ORDER BY name, part",
                     s->row->schema, s->row->name);
  if (rc != SQLITE_OK) return rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = add_tensor(s, stmt, error);
    if (rc != SQLITE_OK) break;
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (!*error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(s->db, "attn_tensor", error);
  }
  sqlite3_finalize(stmt);
  if (rc == SQLITE_OK) rc = check_sizes(s, error);
  return rc == SQLITE_OK ? check_readable(s, error) : rc;
}

static attn_status read_tensor(void *ctx, size_t i, uint64_t offset, uint64_t n,
                               void *out, attn_error *err) {
  tensor_source *s = ctx;
  char *to = out;
  for (size_t k = s->first_part[i]; n > 0 && k < s->first_part[i + 1]; k++) {
    const tensor_part *part = &s->part[k];
    if (offset >= part->n_byte) {
      offset -= part->n_byte;
      continue;
    }
    uint64_t take = part->n_byte - offset < n ? part->n_byte - offset : n;
    int rc = open_part(s, part);
    if (rc == SQLITE_OK) rc = sqlite3_blob_read(s->blob, to, (int)take, (int)offset);
    if (rc != SQLITE_OK) {
      s->code = rc;
      snprintf(err->message, sizeof err->message, "tensor \"%s\": %s", s->name[i],
               sqlite3_errmsg(s->db));
      return (rc & 0xff) == SQLITE_NOMEM ? ATTN_NOMEM : ATTN_IO;
    }
    to += take;
    n -= take;
    offset = 0;
  }
  return ATTN_OK;
}

int attns_store_open_tensors(sqlite3 *db, const attns_model_row *row, char **error,
                             attns_tensor_source **out) {
  tensor_source *s = *out = sqlite3_malloc64(sizeof *s);
  if (!s) return SQLITE_NOMEM;
  memset(s, 0, sizeof *s);
  s->db = db;
  s->row = row;
  int rc = list_tensors(s, error);
  s->source = (attn_source){s->tensor, s->n_tensor, read_tensor, s};
  return rc;
}

const attn_source *attns_store_source(const attns_tensor_source *s) {
  return &s->source;
}

int attns_store_read_code(const attns_tensor_source *s) {
  return s->code;
}

/* -------------------------------------------------------------------- tokenizer */

static int read_part(sqlite3 *db, sqlite3_stmt *stmt, const attns_model_row *row,
                     int part, char **error, attns_parts *out) {
  sqlite3_bind_text(stmt, 1, attns_part_names[part], -1, SQLITE_STATIC);
  int rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    const void *data = sqlite3_column_blob(stmt, 0);
    sqlite3_int64 n = sqlite3_column_bytes(stmt, 0);
    out->data[part] = sqlite3_malloc64((sqlite3_uint64)n + 1);
    out->n[part] = n;
    rc = out->data[part] && (data || n == 0) ? SQLITE_OK : SQLITE_NOMEM;
    if (rc == SQLITE_OK && data) memcpy(out->data[part], data, (size_t)n);
  } else if (rc == SQLITE_DONE && part == ATTNS_PART_VOCAB) {
    rc = attns_sql_fail(error, SQLITE_CORRUPT_VTAB,
                        "model \"%s\" has no vocab in attn_tokenizer", row->name);
  } else if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else {
    rc = attns_sql_db_error(db, "attn_tokenizer", error);
  }
  sqlite3_reset(stmt);
  return rc;
}

int attns_store_parts(sqlite3 *db, const attns_model_row *row, char **error,
                      attns_parts *out) {
  sqlite3_stmt *stmt;
  memset(out, 0, sizeof *out);
  int rc = attns_store_require(db, row->schema, "attn_tokenizer", error);
  if (rc != SQLITE_OK) return rc;
  rc = attns_prepare(
      db, &stmt, error,
      "SELECT data FROM \"%w\".attn_tokenizer WHERE model = %Q AND part = ?", row->schema,
      row->name);
  for (int i = 0; rc == SQLITE_OK && i < ATTNS_N_PART; i++) {
    rc = read_part(db, stmt, row, i, error, out);
  }
  sqlite3_finalize(stmt);
  return rc;
}

static void hash_parts(const attns_parts *parts, attn_sha256 *hash) {
  for (int i = 0; i < ATTNS_N_PART; i++) {
    attn_sha256_update(hash, &parts->n[i], sizeof parts->n[i]);
    if (parts->data[i]) attn_sha256_update(hash, parts->data[i], (size_t)parts->n[i]);
  }
}

static int load_tokenizer(sqlite3 *db, const attns_model_row *row,
                          attn_settings *settings, char **error, attn_sha256 *hash,
                          attn_tokenizer **out) {
  attn_vocab vocab = {0};
  attn_error err = {0};
  attns_parts parts;
  int rc = attns_store_parts(db, row, error, &parts);
  if (rc == SQLITE_OK) rc = attns_vocab_parse(&parts, row->name, error, &vocab);
  if (rc == SQLITE_OK) {
    rc = attns_sql_status(attn_tokenizer_new(settings, &vocab, &err, out), &err, error);
  }
  hash_parts(&parts, hash);
  attns_vocab_free(&vocab);
  attns_parts_free(&parts);
  return rc;
}

/* ---------------------------------------------------------------------- loading */

static int load_model(sqlite3 *db, const attns_model_row *row, const char *config,
                      char **error, attn_sha256 *hash, attn_model **out) {
  attns_document document = {0}, words = {0};
  attn_tokenizer *tokenizer = NULL;
  attns_tensor_source *tensors = NULL;
  attn_error err = {0};
  int rc = attns_document_read(db, config, -1, "$.tokenizer", "attn_model.config", error,
                               &words);
  /* null: the model was imported without one. */
  if (rc == SQLITE_OK && words.settings.entry[0].kind != ATTN_NULL) {
    rc = load_tokenizer(db, row, &words.settings, error, hash, &tokenizer);
  }
  attns_document_free(&words);
  if (rc == SQLITE_OK) {
    rc = attns_document_read(db, config, -1, "$", "attn_model.config", error, &document);
  }
  if (rc == SQLITE_OK) rc = attns_store_open_tensors(db, row, error, &tensors);
  if (rc == SQLITE_OK) {
    attn_status status = attn_model_load(&document.settings, tokenizer,
                                         attns_store_source(tensors), &err, out);
    rc = attns_sql_status(status, &err, error);
    if (rc == SQLITE_ERROR && attns_store_read_code(tensors)) {
      rc = attns_store_read_code(tensors);
    }
  }
  if (rc != SQLITE_OK) attn_tokenizer_free(tokenizer);
  attns_document_free(&document);
  attns_store_close_tensors(tensors);
  return rc;
}

/* A statement that stands on the row: as long as it does, everything is read from one
** state of the database, whatever other connections commit. */
static int hold_row(sqlite3 *db, const attns_model_row *row, char **error,
                    sqlite3_stmt **out) {
  int rc = attns_prepare(db, out, error,
                         "SELECT sha256 FROM \"%w\".attn_model WHERE name = %Q",
                         row->schema, row->name);
  if (rc != SQLITE_OK) return rc;
  rc = sqlite3_step(*out);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    return attns_sql_db_error(db, "libattn", error);
  const char *sha256 = (const char *)sqlite3_column_text(*out, 0);
  if (sha256 && strcmp(sha256, row->sha256) == 0) return SQLITE_OK;
  return attns_sql_fail(error, SQLITE_BUSY, "model \"%s\" is being changed", row->name);
}

int attns_store_load(sqlite3 *db, const attns_model_row *row, char **error,
                     char words[65], attn_model **out) {
  char *config = NULL;
  sqlite3_stmt *held = NULL;
  attn_sha256 hash;
  *out = NULL;
  attn_sha256_init(&hash);
  int rc = hold_row(db, row, error, &held);
  if (rc == SQLITE_OK) rc = attns_store_config(db, row, error, &config);
  if (rc == SQLITE_OK) {
    attn_sha256_update(&hash, config, strlen(config) + 1);
    rc = load_model(db, row, config, error, &hash, out);
  }
  attn_sha256_final(&hash, words);
  sqlite3_finalize(held);
  sqlite3_free(config);
  if (rc != SQLITE_OK && *error) {
    char *whole = strncmp(*error, "model \"", 7) == 0
                      ? NULL
                      : sqlite3_mprintf("model \"%s\": %s", row->name, *error);
    if (whole) {
      sqlite3_free(*error);
      *error = whole;
    }
  }
  return rc;
}
