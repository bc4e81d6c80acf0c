/*
** models.c - looking after the models of a database.
**
**   attn_models               a table of them
**   attn_drop(name)           removes one
**   attn_rename(old, new)     gives one another name
**   attn_default([name])      gets or sets the model that embed(text) uses
**   attn_create([schema])     makes the empty model tables, to copy rows into
*/
#include "store.h"
#include "../json.h"
#include <string.h>

/* ------------------------------------------------------------------------- drop */

static int drop_rows(sqlite3 *db, const attns_model_row *row, attns_change *change,
                     char **error) {
  static const char *const sql[] = {
      "DELETE FROM \"%w\".attn_model WHERE name = %Q",
      "DELETE FROM \"%w\".attn_tensor WHERE model = %Q",
      "DELETE FROM \"%w\".attn_tokenizer WHERE model = %Q",
      "DELETE FROM \"%w\".attn_setting WHERE name = 'default' AND value = %Q",
  };
  int rc = attns_store_create(db, row->schema, error);
  if (rc == SQLITE_OK) rc = attns_change_ready(db, change, error);
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof sql / sizeof sql[0]; i++) {
    rc = attns_exec(db, error, sql[i], row->schema, row->name);
  }
  return rc;
}

static void drop_model(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_connection *c = attns_connection_of(ctx);
  sqlite3 *db = attns_connection_db(c);
  attns_model_row row = {0};
  attn_text name;
  char *error = NULL;
  (void)argc;
  int rc = attns_value_name(argv[0], "attn_drop: name", &error, &name);
  if (rc == SQLITE_OK) rc = attns_store_find(db, name.text, &error, &row);
  if (rc == SQLITE_OK) rc = attns_begin(db, &error);
  if (rc == SQLITE_OK) {
    attns_change change = {0};
    rc = attns_end(db, &change, drop_rows(db, &row, &change, &error), &error);
  }
  if (rc == SQLITE_OK) {
    attns_connection_forget(c);
    sqlite3_result_text(ctx, row.name, -1, SQLITE_TRANSIENT);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attns_model_row_free(&row);
}

/* ----------------------------------------------------------------------- rename */

static int rename_rows(sqlite3 *db, const attns_model_row *row, const char *name,
                       attns_change *change, char **error) {
  static const char *const sql[] = {
      "UPDATE \"%w\".attn_model SET name = %Q WHERE name = %Q",
      "UPDATE \"%w\".attn_tensor SET model = %Q WHERE model = %Q",
      "UPDATE \"%w\".attn_tokenizer SET model = %Q WHERE model = %Q",
      "UPDATE \"%w\".attn_setting SET value = %Q WHERE name = 'default' AND value = %Q",
  };
  int rc = attns_store_create(db, row->schema, error);
  if (rc == SQLITE_OK) rc = attns_change_ready(db, change, error);
  if (rc == SQLITE_OK) rc = attns_store_check_free(db, row->schema, name, error);
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof sql / sizeof sql[0]; i++) {
    rc = attns_exec(db, error, sql[i], row->schema, name, row->name);
  }
  return rc;
}

static void rename_model(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_connection *c = attns_connection_of(ctx);
  sqlite3 *db = attns_connection_db(c);
  attns_model_row row = {0};
  attn_text old, name;
  char *error = NULL;
  (void)argc;
  int rc = attns_value_name(argv[0], "attn_rename: old name", &error, &old);
  if (rc == SQLITE_OK)
    rc = attns_value_name(argv[1], "attn_rename: new name", &error, &name);
  if (rc == SQLITE_OK && name.n_text == 0) {
    rc = attns_sql_fail(&error, SQLITE_ERROR, "attn_rename: new name is empty");
  }
  if (rc == SQLITE_OK) rc = attns_store_find(db, old.text, &error, &row);
  if (rc == SQLITE_OK) rc = attns_begin(db, &error);
  if (rc == SQLITE_OK) {
    attns_change change = {0};
    rc =
        attns_end(db, &change, rename_rows(db, &row, name.text, &change, &error), &error);
  }
  if (rc == SQLITE_OK) {
    sqlite3_result_value(ctx, argv[1]);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attns_model_row_free(&row);
}

/* ---------------------------------------------------------------------- default */

static void get_default(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  sqlite3 *db = attns_connection_db(attns_connection_of(ctx));
  attns_model_row row = {0};
  char *error = NULL;
  (void)argc, (void)argv;
  int rc = attns_store_find(db, NULL, &error, &row);
  if (rc == SQLITE_OK) {
    char *name = strcmp(row.schema, "main") == 0
                     ? sqlite3_mprintf("%s", row.name)
                     : sqlite3_mprintf("%s.%s", row.schema, row.name);
    if (name) {
      sqlite3_result_text(ctx, name, -1, sqlite3_free);
    } else {
      sqlite3_result_error_nomem(ctx);
    }
  } else if (rc == SQLITE_ERROR) {
    sqlite3_free(error); /* none is no error here: NULL */
  } else {
    attns_result_error(ctx, rc, error);
  }
  attns_model_row_free(&row);
}

static void set_default(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  sqlite3 *db = attns_connection_db(attns_connection_of(ctx));
  attns_model_row row = {0};
  attn_text name;
  char *error = NULL;
  (void)argc;
  int rc = attns_value_name(argv[0], "attn_default: name", &error, &name);
  if (rc == SQLITE_OK) rc = attns_store_find(db, name.text, &error, &row);
  if (rc == SQLITE_OK) rc = attns_store_create(db, "main", &error);
  if (rc == SQLITE_OK) {
    rc = attns_exec(db, &error,
                    "INSERT INTO main.attn_setting(name, value) VALUES('default', %Q) "
                    "ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                    name.text);
  }
  if (rc == SQLITE_OK) {
    sqlite3_result_value(ctx, argv[0]);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attns_model_row_free(&row);
}

/* ----------------------------------------------------------------------- create */

static void create_tables(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  sqlite3 *db = attns_connection_db(attns_connection_of(ctx));
  attn_text schema = {"main", 4};
  attns_change change = {0};
  char *error = NULL;
  int rc = SQLITE_OK;
  if (argc) rc = attns_value_name(argv[0], "attn_create: schema", &error, &schema);
  if (rc == SQLITE_OK) rc = attns_begin(db, &error);
  if (rc == SQLITE_OK) {
    rc = attns_store_create(db, schema.text, &error);
    if (rc == SQLITE_OK) rc = attns_change_ready(db, &change, &error);
    rc = attns_end(db, &change, rc, &error);
  }
  if (rc == SQLITE_OK) {
    sqlite3_result_text(ctx, schema.text, (int)schema.n_text, SQLITE_TRANSIENT);
  } else {
    attns_result_error(ctx, rc, error);
  }
}

#define FLAGS (SQLITE_UTF8 | SQLITE_DIRECTONLY)

const attns_function attns_models_functions[] = {
    {"attn_drop", 1, FLAGS, drop_model},
    {"attn_rename", 2, FLAGS, rename_model},
    {"attn_default", 0, SQLITE_UTF8, get_default},
    {"attn_default", 1, FLAGS, set_default},
    {"attn_create", 0, FLAGS, create_tables},
    {"attn_create", 1, FLAGS, create_tables},
    {NULL, 0, 0, NULL},
};

/* ------------------------------------------------------------------ attn_models */

typedef struct model_rows {
  attns_rows base;
  char **schema; /* all of them; the current one is schema[i] */
  int i;
  sqlite3_stmt *stmt; /* over the current schema */
  attn_model_info info;
} model_rows;

/* A configuration that cannot be read makes NULLs; but first it is seen whether any can,
** which takes SQLite's JSON functions and what the limits of the connection allow. */
static int open_models(attns_rows *base, sqlite3_value **argument, char **error) {
  model_rows *rows = (model_rows *)base;
  sqlite3 *db = attns_connection_db(base->connection);
  attns_document document;
  (void)argument;
  rows->i = -1;
  int rc = attns_document_read(db, "{}", -1, "$", "attn_models", error, &document);
  attns_document_free(&document);
  return rc == SQLITE_OK ? attns_store_schemas(db, error, &rows->schema) : rc;
}

enum { NAME, CONFIG = 1, PARAMETERS, BYTES, SHA256, IS_DEFAULT };

static int open_schema(model_rows *rows, const char *schema, char **error) {
  sqlite3 *db = attns_connection_db(rows->base.connection);
  attns_model_row row = {0};
  char *ignored = NULL;
  int rc = attns_store_find(db, NULL, &ignored, &row);
  sqlite3_free(ignored);
  if (rc != SQLITE_OK && rc != SQLITE_ERROR) return rc;
  rc = attns_store_require(db, schema, "attn_tensor", error);
  if (rc != SQLITE_OK) {
    attns_model_row_free(&row);
    return rc;
  }
  const char *chosen = row.schema && strcmp(row.schema, schema) == 0 ? row.name : NULL;
  rc = attns_prepare(
      db, &rows->stmt, error,
      "SELECT name, config,"
      " (SELECT sum(length(data) / CASE dtype WHEN 'F32' THEN 4 WHEN 'I8' THEN 1 ELSE 2 "
      "END)"
      "  FROM \"%w\".attn_tensor WHERE model = m.name"
      "  AND dtype IN ('F32', 'F16', 'BF16', 'I8') AND name NOT LIKE '%%.weight$_scale'"
      "  ESCAPE '$'),"
      " (SELECT sum(length(data)) FROM \"%w\".attn_tensor WHERE model = m.name),"
      /* "+": sorted before the first row, so that a row that is renamed does not come
      ** again. */
      " sha256, name IS %Q FROM \"%w\".attn_model m ORDER BY +name",
      schema, schema, chosen, schema);
  attns_model_row_free(&row);
  return rc;
}

/* A row whose configuration is damaged is listed all the same, without what only
** the configuration can tell. */
static int describe_row(model_rows *rows) {
  sqlite3 *db = attns_connection_db(rows->base.connection);
  attns_document document;
  attn_error err;
  char *ignored = NULL;
  const char *config = (const char *)sqlite3_column_text(rows->stmt, CONFIG);
  memset(&rows->info, 0, sizeof rows->info);
  int rc = attns_document_read(db, config ? config : "", -1, "$", "config", &ignored,
                               &document);
  if (rc == SQLITE_OK &&
      attn_model_describe(&document.settings, &err, &rows->info) == ATTN_NOMEM) {
    rc = SQLITE_NOMEM;
  }
  attns_document_free(&document);
  sqlite3_free(ignored);
  return rc == SQLITE_ERROR || rc == SQLITE_TOOBIG ? SQLITE_OK : rc;
}

static int next_model(attns_rows *base, char **error) {
  model_rows *rows = (model_rows *)base;
  sqlite3 *db = attns_connection_db(base->connection);
  for (;;) {
    int rc = rows->stmt ? sqlite3_step(rows->stmt) : SQLITE_DONE;
    if (rc == SQLITE_ROW) {
      rc = describe_row(rows);
      return rc == SQLITE_OK ? SQLITE_ROW : rc;
    }
    if (rc != SQLITE_DONE) return attns_sql_db_error(db, "attn_models", error);
    sqlite3_finalize(rows->stmt);
    rows->stmt = NULL;
    int there = 0;
    do {
      if (!rows->schema[++rows->i]) {
        rows->i--;
        return SQLITE_DONE;
      }
      rc = attns_store_exists(db, rows->schema[rows->i], error, &there);
    } while (rc == SQLITE_OK && !there);
    if (rc == SQLITE_OK) rc = open_schema(rows, rows->schema[rows->i], error);
    if (rc != SQLITE_OK) return rc;
  }
}

static void model_column(attns_rows *base, sqlite3_context *ctx, int i) {
  model_rows *rows = (model_rows *)base;
  const attn_model_info *info = &rows->info;
  /* Zero stands for a configuration that could not be read. */
  const uint32_t number[] = {info->dimension, info->n_layer, info->max_length};
  int known = info->dimension != 0;
  switch (i) {
  case 0:
    sqlite3_result_value(ctx, sqlite3_column_value(rows->stmt, NAME));
    break;
  case 1:
    if (info->architecture[0]) {
      sqlite3_result_text(ctx, info->architecture, -1, SQLITE_TRANSIENT);
    }
    break;
  case 2:
  case 3:
  case 4:
    if (known) sqlite3_result_int64(ctx, number[i - 2]);
    break;
  case 5:
    if (known && info->embeds)
      sqlite3_result_text(ctx, info->pooling, -1, SQLITE_TRANSIENT);
    break;
  case 6:
    if (known) {
      sqlite3_result_text(ctx, attn_precision_name(info->precision), -1, SQLITE_STATIC);
    }
    break;
  case 7:
    sqlite3_result_value(ctx, sqlite3_column_value(rows->stmt, PARAMETERS));
    break;
  case 8:
    sqlite3_result_value(ctx, sqlite3_column_value(rows->stmt, BYTES));
    break;
  case 9:
    sqlite3_result_value(ctx, sqlite3_column_value(rows->stmt, SHA256));
    break;
  case 10:
    sqlite3_result_value(ctx, sqlite3_column_value(rows->stmt, IS_DEFAULT));
    break;
  default:
    sqlite3_result_text(ctx, rows->schema[rows->i], -1, SQLITE_TRANSIENT);
    break;
  }
}

static void close_models(attns_rows *base) {
  model_rows *rows = (model_rows *)base;
  sqlite3_finalize(rows->stmt);
  sqlite3_free(rows->schema);
}

const attns_table attns_models_table = {
    .name = "attn_models",
    .declaration = "name TEXT, architecture TEXT, dimension INTEGER, layers INTEGER,"
                   " max_length INTEGER, pooling TEXT, precision TEXT, parameters "
                   "INTEGER, bytes INTEGER,"
                   " sha256 TEXT, is_default INTEGER, schema TEXT",
    .n_column = 12,
    .n_byte = sizeof(model_rows),
    .n_expected = 10,
    .open = open_models,
    .next = next_model,
    .column = model_column,
    .close = close_models,
};
