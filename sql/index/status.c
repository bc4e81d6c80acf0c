/*
** status.c - what an index is, from outside.
**
**   attn_status                 a row for each index of the connection
**   attn_triggers(table)        the SQL of the triggers that keep an index up to date
**                               with its content table
**   attn_triggers(table, 1)     creates them
**   attn_cache([bytes])         the bytes that codes may take in memory, process-wide
*/
#include "index.h"
#include "../models/store.h"
#include <string.h>

/* -------------------------------------------------------------------- attn_status */

typedef struct status_rows {
  attns_rows base;
  char **schema; /* all; the current one is schema[i] */
  int i;
  sqlite3_stmt *names; /* of the indexes of a schema */
  sqlite3_stmt *one;   /* the row of an index */
} status_rows;

static int open_status(attns_rows *base, sqlite3_value **argument, char **error) {
  status_rows *rows = (status_rows *)base;
  (void)argument;
  rows->i = -1;
  return attns_store_schemas(attns_connection_db(base->connection), error, &rows->schema);
}

static int open_names(status_rows *rows, const char *schema, char **error) {
  return attns_prepare(
      attns_connection_db(rows->base.connection), &rows->names, error,
      "SELECT name FROM \"%w\".sqlite_schema WHERE type = 'table' AND"
      " replace(replace(replace(replace(sql, ' ', ''), char(9), ''),"
      " char(10), ''), char(13), '') LIKE 'CREATEVIRTUALTABLE%%USINGattn(%%'"
      " ORDER BY name",
      schema);
}

/* What is counted is what is stored: views in the place of tables have no end. */
static int require_tables(sqlite3 *db, const char *schema, const char *name,
                          char **error) {
  static const char *const tables[] = {"config", "rows",    "pending", "chunks",
                                       "codes",  "vectors", "lists"};
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof tables / sizeof tables[0]; i++) {
    char *table = sqlite3_mprintf("%s_%s", name, tables[i]);
    rc = table ? attns_store_require(db, schema, table, error) : SQLITE_NOMEM;
    sqlite3_free(table);
  }
  return rc;
}

static int open_one(status_rows *rows, const char *schema, const char *name,
                    char **error) {
  int rc =
      require_tables(attns_connection_db(rows->base.connection), schema, name, error);
  if (rc != SQLITE_OK) return rc;
  return attns_prepare(
      attns_connection_db(rows->base.connection), &rows->one, error,
      "WITH config AS (SELECT key, value FROM \"%w\".\"%w_config\"),"
      " counts AS (SELECT (SELECT count(*) FROM \"%w\".\"%w_rows\") AS n,"
      "  (SELECT count(*) FROM \"%w\".\"%w_pending\") AS pending,"
      "  (SELECT total(value) FROM config WHERE key = 'rate') AS rate)"
      "SELECT %Q, %Q, n, pending, n - pending,"
      " (SELECT total(n_live) FROM \"%w\".\"%w_chunks\"),"
      " nullif(rate, 0), CASE WHEN pending = 0 THEN 0 WHEN rate > 0 THEN "
      "pending / rate END,"
      " (SELECT total(length(data)) FROM \"%w\".\"%w_codes\"),"
      " (SELECT total(length(data)) FROM \"%w\".\"%w_vectors\"),"
      " (SELECT value FROM config WHERE key = 'dimension'),"
      " (SELECT value FROM config WHERE key = 'model'),"
      " (SELECT value FROM config WHERE key = 'sha256'),"
      " (SELECT count(*) FROM \"%w\".\"%w_lists\") FROM counts",
      schema, name, schema, name, schema, name, schema, name, schema, name, schema, name,
      schema, name, schema, name);
}

static int next_status(attns_rows *base, char **error) {
  status_rows *rows = (status_rows *)base;
  sqlite3 *db = attns_connection_db(base->connection);
  int rc;
  sqlite3_finalize(rows->one);
  rows->one = NULL;
  for (;;) {
    rc = rows->names ? sqlite3_step(rows->names) : SQLITE_DONE;
    if (rc == SQLITE_ROW) break;
    if (rc != SQLITE_DONE) return attns_sql_db_error(db, "attn_status", error);
    sqlite3_finalize(rows->names);
    rows->names = NULL;
    if (!rows->schema[rows->i + 1]) return SQLITE_DONE;
    rc = open_names(rows, rows->schema[++rows->i], error);
    if (rc != SQLITE_OK) return rc;
  }
  const char *name = (const char *)sqlite3_column_text(rows->names, 0);
  if (!name) return SQLITE_NOMEM;
  rc = open_one(rows, rows->schema[rows->i], name, error);
  if (rc != SQLITE_OK) return rc;
  rc = sqlite3_step(rows->one);
  return rc == SQLITE_ROW ? rc : attns_sql_db_error(db, "attn_status", error);
}

static void status_column(attns_rows *base, sqlite3_context *ctx, int i) {
  status_rows *rows = (status_rows *)base;
  /* Sums are counts: total() made them real, so that none is 0 and not NULL. */
  if (i == 5 || i == 8 || i == 9) {
    sqlite3_result_int64(ctx, sqlite3_column_int64(rows->one, i));
  } else {
    sqlite3_result_value(ctx, sqlite3_column_value(rows->one, i));
  }
}

static void close_status(attns_rows *base) {
  status_rows *rows = (status_rows *)base;
  sqlite3_finalize(rows->one);
  sqlite3_finalize(rows->names);
  sqlite3_free(rows->schema);
}

const attns_table attns_status_table = {
    .name = "attn_status",
    .declaration = "schema TEXT, name TEXT, rows INTEGER, pending INTEGER, done INTEGER,"
                   " vectors INTEGER, rows_per_second REAL, seconds_left REAL,"
                   " bytes_codes INTEGER, bytes_vectors INTEGER, dimension INTEGER,"
                   " model TEXT, sha256 TEXT, lists INTEGER",
    .n_column = 14,
    .n_byte = sizeof(status_rows),
    .n_expected = 2,
    .open = open_status,
    .next = next_status,
    .column = status_column,
    .close = close_status,
};

/* ------------------------------------------------------------------ attn_triggers */

/* The index of that name.  Reading from a table makes SQLite connect it. */
static int find_index(attns_connection *c, const char *name, char **error,
                      attnx_index **out) {
  sqlite3_stmt *stmt;
  const char *dot = strchr(name, '.');
  char *schema = dot ? sqlite3_mprintf("%.*s", (int)(dot - name), name) : NULL;
  if (dot && !schema) return SQLITE_NOMEM;
  const char *table = dot ? dot + 1 : name;
  int rc = schema ? attns_prepare(attns_connection_db(c), &stmt, error,
                                  "SELECT 1 FROM \"%w\".\"%w\"", schema, table)
                  : attns_prepare(attns_connection_db(c), &stmt, error,
                                  "SELECT 1 FROM \"%w\"", table);
  *out = NULL;
  if (rc == SQLITE_OK) {
    sqlite3_finalize(stmt);
    *out = attnx_index_find(attns_connection_db(c), schema, table);
    if (!*out) rc = attns_sql_fail(error, SQLITE_ERROR, "%s is no attn table", name);
  }
  sqlite3_free(schema);
  return rc;
}

/* Names of the columns that the index reads, each behind `before`. */
static void append_names(sqlite3_str *s, const attnx_config *config, const char *before) {
  for (int i = 0; i < config->n_column; i++) {
    if (config->column[i].kind == ATTNX_COLUMN_PLAIN) continue;
    sqlite3_str_appendf(s, ", %s\"%w\"", before, config->column[i].name);
  }
}

/* A row without a rowid, whose column may be a plain one, is none of the index. */
static void append_insert(sqlite3_str *s, const attnx_config *config) {
  sqlite3_str_appendf(s, "  INSERT INTO \"%w\"(rowid", config->table);
  append_names(s, config, "");
  sqlite3_str_appendf(s, ") SELECT new.\"%w\"", config->content_rowid);
  append_names(s, config, "new.");
  sqlite3_str_appendf(s, " WHERE new.\"%w\" IS NOT NULL;\n", config->content_rowid);
}

static char *make_triggers(const attnx_config *config) {
  static const char *const events[] = {"INSERT", "DELETE", "UPDATE"};
  static const char *const suffix[] = {"insert", "delete", "update"};
  sqlite3_str *s = sqlite3_str_new(NULL);
  for (int i = 0; i < 3; i++) {
    sqlite3_str_appendf(s, "CREATE TRIGGER \"%w\".\"%w_%s\" AFTER %s ON \"%w\" BEGIN\n",
                        config->schema, config->table, suffix[i], events[i],
                        config->content_table);
    if (i == 1) {
      sqlite3_str_appendf(s, "  DELETE FROM \"%w\" WHERE rowid = old.\"%w\";\n",
                          config->table, config->content_rowid);
    } else if (i == 2) {
      sqlite3_str_appendf(s,
                          "  DELETE FROM \"%w\" WHERE rowid = old.\"%w\" AND"
                          " old.\"%w\" IS NOT new.\"%w\";\n",
                          config->table, config->content_rowid, config->content_rowid,
                          config->content_rowid);
    }
    if (i != 1) append_insert(s, config);
    sqlite3_str_appendall(s, "END;\n");
  }
  return sqlite3_str_finish(s);
}

/* The query of all that the triggers read. */
static char *make_check(const attnx_config *config) {
  sqlite3_str *s = sqlite3_str_new(NULL);
  sqlite3_str_appendf(s, "SELECT d.\"%w\"", config->content_rowid);
  append_names(s, config, "d.");
  sqlite3_str_appendf(s, " FROM \"%w\".\"%w\" d", config->schema, config->content_table);
  return sqlite3_str_finish(s);
}

/* A trigger that names columns which are not there would fail at every change. */
static int check_columns(sqlite3 *db, const char *query, char **error) {
  sqlite3_stmt *stmt;
  int rc = sqlite3_prepare_v2(db, query, -1, &stmt, NULL);
  sqlite3_finalize(stmt);
  return rc == SQLITE_OK ? rc : attns_sql_db_error(db, "attn_triggers", error);
}

/* All three or none. */
static int create_triggers(sqlite3 *db, const char *sql, char **error) {
  attns_change change = {0};
  int rc = attns_begin(db, error);
  if (rc != SQLITE_OK) return rc;
  rc = attns_change_ready(db, &change, error);
  if (rc == SQLITE_OK) rc = attns_exec(db, error, "%s", sql);
  return attns_end(db, &change, rc, error);
}

static void triggers(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_connection *c = attns_connection_of(ctx);
  attnx_index *index = NULL;
  attn_text name;
  char *error = NULL, *sql = NULL, *check = NULL;
  sqlite3 *db = attns_connection_db(c);
  int rc = attns_value_name(argv[0], "attn_triggers: table", &error, &name);
  if (rc == SQLITE_OK) rc = find_index(c, name.text, &error, &index);
  if (rc == SQLITE_OK && index->config.content != ATTNX_CONTENT_EXTERNAL) {
    rc = attns_sql_fail(&error, SQLITE_ERROR, "%s has no content table to follow",
                        name.text);
  }
  if (rc == SQLITE_OK) {
    sql = make_triggers(&index->config);
    check = make_check(&index->config);
    if (!sql || !check) rc = SQLITE_NOMEM;
  }
  /* From here on SQLite may let go of the index. */
  if (rc == SQLITE_OK && argc > 1 && sqlite3_value_int(argv[1])) {
    rc = check_columns(db, check, &error);
    if (rc == SQLITE_OK) rc = create_triggers(db, sql, &error);
  }
  sqlite3_free(check);
  if (rc == SQLITE_OK) {
    sqlite3_result_text(ctx, sql, -1, sqlite3_free);
  } else {
    sqlite3_free(sql);
    attns_result_error(ctx, rc, error);
  }
}

/* --------------------------------------------------------------------- attn_cache */

static void cache(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  sqlite3_int64 n = -1;
  char *error = NULL;
  int rc = argc
               ? attns_value_whole(argv[0], "attn_cache: bytes", 0, INT64_MAX, &error, &n)
               : SQLITE_OK;
  if (rc == SQLITE_OK) {
    sqlite3_result_int64(ctx, attnx_code_cache_limit(n));
  } else {
    attns_result_error(ctx, rc, error);
  }
}

const attns_function attns_index_functions[] = {
    {"attn_triggers", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, triggers},
    {"attn_triggers", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, triggers},
    {"attn_cache", 0, SQLITE_UTF8, cache},
    {"attn_cache", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, cache},
    {NULL, 0, 0, NULL},
};
