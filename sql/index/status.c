/*
** status.c - attn_status, a row for each index of the connection.
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
  const attnx_index *index =
      attnx_index_find(attns_connection_db(rows->base.connection), schema, name);
  return attns_prepare(
      attns_connection_db(rows->base.connection), &rows->one, error,
      "WITH config AS (SELECT key, value FROM \"%w\".\"%w_config\"),"
      " counts AS (SELECT (SELECT count(*) FROM \"%w\".\"%w_rows\") AS n,"
      "  (SELECT count(*) FROM \"%w\".\"%w_pending\") AS pending,"
      "  %!.15g AS rate)"
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
      schema, name, schema, name, schema, name, index ? index->rate : 0, schema, name,
      schema, name, schema, name, schema, name, schema, name);
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
