/*
** content.c - the content table of an index: what it has to be, and how it is followed.
**
**   attn_triggers(table)        the SQL of the triggers that keep an index up to date
**                               with its content table
**   attn_triggers(table, 1)     creates them
*/
#include "index.h"
#include <string.h>

/* ----------------------------------------------------------- what content has to be */

/* Rowids are what an index knows of rows, so they have to be there, whole numbers, and
** each of one row.  ?1: content table, ?2: schema, ?3: content_rowid. */
static const char shape_sql[] =
    "SELECT"
    /* 0: what it is */
    " (SELECT type FROM \"%w\".sqlite_schema WHERE type IN ('table', 'view')"
    "   AND name = ?1 COLLATE NOCASE),"
    /* 1: the declared type, where content_rowid is a column; 2: it is the primary key */
    " (SELECT upper(type) FROM pragma_table_xinfo(?1, ?2) WHERE name = ?3 COLLATE "
    "NOCASE),"
    " (SELECT pk = 1 AND (SELECT max(pk) FROM pragma_table_xinfo(?1, ?2)) = 1"
    "   FROM pragma_table_xinfo(?1, ?2) WHERE name = ?3 COLLATE NOCASE),"
    /* 3: a unique index of it alone */
    " EXISTS (SELECT 1 FROM pragma_index_list(?1, ?2) i WHERE i.\"unique\" AND NOT "
    "i.partial"
    "   AND (SELECT group_concat(name) FROM pragma_index_info(i.name, ?2)) = ?3"
    "   COLLATE NOCASE)";

static int check_rowid(attnx_index *index, sqlite3_stmt *stmt) {
  const attnx_config *config = &index->config;
  const char *kind = (const char *)sqlite3_column_text(stmt, 0);
  const char *type = (const char *)sqlite3_column_text(stmt, 1);
  if (!kind) {
    return attnx_index_fail(
        index,
        "%s: there is no table or view %s in %s; expected content= the "
        "name of one, or content='' to keep no texts",
        config->table, config->content_table, config->schema);
  }
  if (strcmp(kind, "view") == 0 || !type) return SQLITE_OK;
  /* As SQLite finds the affinity of a declared type. */
  if (!strstr(type, "INT")) {
    return attnx_index_fail(
        index, "%s: content_rowid %s is %s; expected a column of INTEGER that is unique",
        config->table, config->content_rowid, *type ? type : "of no type");
  }
  if (!sqlite3_column_int(stmt, 2) && !sqlite3_column_int(stmt, 3)) {
    return attnx_index_fail(
        index,
        "%s: content_rowid %s is not unique; expected the primary key, "
        "or a column of INTEGER with UNIQUE",
        config->table, config->content_rowid);
  }
  return SQLITE_OK;
}

/* A table WITHOUT ROWID is only found out by asking for it. */
static int check_has_rowid(attnx_index *index, sqlite3_stmt *stmt) {
  const attnx_config *config = &index->config;
  const char *kind = (const char *)sqlite3_column_text(stmt, 0);
  char *error = NULL;
  sqlite3_stmt *query;
  if (!kind || strcmp(kind, "view") == 0 ||
      sqlite3_stricmp(config->content_rowid, "rowid") != 0) {
    return SQLITE_OK;
  }
  int rc =
      attns_prepare(index->db, &query, &error, "SELECT d.\"%w\" FROM \"%w\".\"%w\" d",
                    config->content_rowid, config->schema, config->content_table);
  sqlite3_finalize(query);
  sqlite3_free(error);
  if (rc != SQLITE_ERROR) return rc;
  return attnx_index_fail(
      index,
      "%s: content table %s is WITHOUT ROWID; expected content_rowid= "
      "a column of INTEGER that is unique",
      config->table, config->content_table);
}

int attnx_content_check(attnx_index *index) {
  const attnx_config *config = &index->config;
  sqlite3_stmt *stmt;
  if (config->content != ATTNX_CONTENT_EXTERNAL) return SQLITE_OK;
  int rc =
      attns_prepare(index->db, &stmt, &index->base.zErrMsg, shape_sql, config->schema);
  if (rc != SQLITE_OK) return rc;
  rc = sqlite3_bind_text(stmt, 1, config->content_table, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 2, config->schema, -1, SQLITE_STATIC);
  if (rc == SQLITE_OK) {
    rc = sqlite3_bind_text(stmt, 3, config->content_rowid, -1, SQLITE_STATIC);
  }
  if (rc == SQLITE_OK) {
    rc = sqlite3_step(stmt);
    rc = rc == SQLITE_ROW ? SQLITE_OK : attnx_index_db_error(index);
  }
  if (rc == SQLITE_OK) rc = check_rowid(index, stmt);
  if (rc == SQLITE_OK) rc = check_has_rowid(index, stmt);
  sqlite3_finalize(stmt);
  return rc;
}

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

/* Names of the columns that the triggers read, each behind `before`. */
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
static char *make_query(const attnx_config *config) {
  sqlite3_str *s = sqlite3_str_new(NULL);
  sqlite3_str_appendf(s, "SELECT d.\"%w\"", config->content_rowid);
  append_names(s, config, "d.");
  sqlite3_str_appendf(s, " FROM \"%w\".\"%w\" d", config->schema, config->content_table);
  return sqlite3_str_finish(s);
}

/* A trigger that names columns which are not there would fail at every change. */
static int check_query(sqlite3 *db, const char *query, char **error) {
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
    check = make_query(&index->config);
    if (!sql || !check) rc = SQLITE_NOMEM;
  }
  /* From here on SQLite may let go of the index. */
  if (rc == SQLITE_OK && argc > 1 && sqlite3_value_int(argv[1])) {
    rc = check_query(db, check, &error);
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

const attns_function attns_content_functions[] = {
    {"attn_triggers", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, triggers},
    {"attn_triggers", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, triggers},
    {NULL, 0, 0, NULL},
};
