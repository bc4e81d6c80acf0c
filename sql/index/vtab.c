/*
** vtab.c - the module: what SQLite calls, and when what is in memory is written.
**
** Changes wait in memory (chunks.c, rows.c).  They are written when a savepoint
** begins, so that all that waits belongs to the innermost one and can be forgotten
** when that is rolled back; before a query of the same connection; and before the
** transaction ends.
*/
#include "../connection.h"
#include "cursor.h"
#include <pthread.h>
#include <string.h>

/* ---------------------------------------------------------- the tables of a process */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static attnx_index *first;

static int is_same_table(const attnx_index *a, const attnx_index *b) {
  return a->db == b->db && sqlite3_stricmp(a->config.table, b->config.table) == 0 &&
         sqlite3_stricmp(a->config.schema, b->config.schema) == 0;
}

static void link_index(attnx_index *index) {
  pthread_mutex_lock(&mutex);
  index->next = first;
  first = index;
  pthread_mutex_unlock(&mutex);
}

static void unlink_index(attnx_index *index) {
  pthread_mutex_lock(&mutex);
  for (attnx_index **at = &first; *at; at = &(*at)->next) {
    if (*at == index) {
      *at = index->next;
      break;
    }
  }
  pthread_mutex_unlock(&mutex);
}

attnx_index *attnx_index_find(sqlite3 *db, const char *schema, const char *table) {
  pthread_mutex_lock(&mutex);
  attnx_index *index = first;
  while (index && (index->db != db || sqlite3_stricmp(index->config.table, table) != 0 ||
                   (schema && sqlite3_stricmp(index->config.schema, schema) != 0))) {
    index = index->next;
  }
  pthread_mutex_unlock(&mutex);
  return index;
}

/* The next index of the same table behind `index` in the list, or the first of all. */
static attnx_index *next_same(const attnx_index *table, const attnx_index *index) {
  pthread_mutex_lock(&mutex);
  attnx_index *at = index ? index->next : first;
  while (at && (at == table || !is_same_table(at, table))) at = at->next;
  pthread_mutex_unlock(&mutex);
  return at;
}

/* ------------------------------------------------------------------------- state */

int attnx_index_refresh(attnx_index *index) {
  sqlite3_int64 stamp;
  if (index->writing && !index->is_replaced) return SQLITE_OK;
  int rc = attnx_storage_stamp(index, &stamp);
  if (rc != SQLITE_OK || stamp == index->stamp) return rc;
  index->stamp = 0;
  index->n_change++;
  rc = attnx_storage_load(index);
  if (rc == SQLITE_OK) index->stamp = stamp;
  return rc;
}

int attnx_index_begin(attnx_index *index) {
  int rc = attnx_index_refresh(index);
  if (rc == SQLITE_OK && !index->writing) {
    index->writing = 1;
    index->knows_last = 0;
  }
  return rc;
}

/* Of what writes.  Where SQLite stopped a statement of the index's own it has rolled back
** all, and what is in memory was thrown away; so is what a call still did there then. */
static int settle(attnx_index *index, int rc) {
  if (rc != SQLITE_OK && !index->writing) attnx_index_discard(index);
  return rc;
}

static void clear_queue(attnx_index *index) {
  for (size_t i = 0; i < index->n_queue; i++) sqlite3_free(index->queue[i].text);
  index->n_queue = 0;
  index->queue_bytes = 0;
}

/* Whether ROLLBACK TO took back the CREATE of the table, or another one was made in its
** place.  SQLite calls no xRollbackTo for a table that was created after the savepoint. */
static int is_gone(attnx_index *index, int *out) {
  sqlite3_int64 stamp;
  sqlite3_stmt *stmt;
  *out = 0;
  int rc = attnx_storage_stamp(index, &stamp);
  if (rc == SQLITE_OK && stamp == index->stamp) return SQLITE_OK;
  if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_ERROR && (rc & 0xff) != SQLITE_CORRUPT) {
    return rc;
  }
  if (rc == SQLITE_OK) {
    *out = 1;
    return SQLITE_OK;
  }
  char *error = NULL;
  int missing = 0;
  int found = attns_prepare(index->db, &stmt, &error,
                            "SELECT 1 FROM \"%w\".sqlite_schema WHERE type = 'table' AND "
                            "name = %Q COLLATE NOCASE",
                            index->config.schema, index->config.table);
  if (found == SQLITE_OK) missing = sqlite3_step(stmt) == SQLITE_DONE;
  if (found == SQLITE_OK) found = sqlite3_finalize(stmt);
  sqlite3_free(error);
  if (found != SQLITE_OK) return found;
  *out = missing;
  return missing ? SQLITE_OK : rc;
}

int attnx_index_flush(attnx_index *index) {
  if (index->writing && (index->dirty || index->is_torn)) {
    int gone, rc = is_gone(index, &gone);
    if (gone) attnx_index_discard(index);
    if (gone || rc != SQLITE_OK) return rc;
  }
  if (index->is_torn) {
    return attnx_index_fail(index,
                            "%s: the index was left half written by a failed statement; "
                            "ROLLBACK is needed",
                            index->config.table);
  }
  if (!index->dirty) return SQLITE_OK;
  sqlite3_int64 last = sqlite3_last_insert_rowid(index->db);
  int rc = attnx_sync_store(index, index->queue, index->n_queue);
  if (rc == SQLITE_OK) {
    clear_queue(index);
    rc = attnx_chunks_flush(index);
  }
  if (rc == SQLITE_OK) rc = attnx_storage_touch(index);
  if (rc == SQLITE_OK) index->dirty = 0;
  sqlite3_set_last_insert_rowid(index->db, last);
  return settle(index, rc);
}

int attnx_index_whole(attnx_index *index, int rc) {
  if (rc != SQLITE_OK && rc != SQLITE_CONSTRAINT && index->writing) index->is_torn = 1;
  return rc;
}

void attnx_index_discard(attnx_index *index) {
  clear_queue(index);
  attnx_chunks_free(index);
  index->stamp = 0;
  index->writing = index->dirty = index->is_torn = 0;
  index->n_change++;
}

static void free_index(attnx_index *index) {
  unlink_index(index);
  attnx_storage_close(index);
  attnx_index_discard(index);
  attnx_ivf_free(index);
  sqlite3_free(index->queue);
  sqlite3_free(index->model);
  sqlite3_free(index->sha256);
  attnx_config_free(&index->config);
  sqlite3_free(index->base.zErrMsg);
  sqlite3_free(index);
  attnx_code_cache_close();
}

/* ----------------------------------------------------------------- create, connect */

static int declare(attnx_index *index) {
  char *sql = attnx_config_declaration(&index->config);
  if (!sql) return SQLITE_NOMEM;
  int rc = sqlite3_declare_vtab(index->db, sql);
  sqlite3_free(sql);
  if (rc != SQLITE_OK) return attnx_index_db_error(index);
  return sqlite3_vtab_config(index->db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
}

static int create(attnx_index *index) {
  const attnx_config *config = &index->config;
  const attn_model *model;
  int rc = attnx_content_check(index);
  if (rc == SQLITE_OK) rc = attnx_storage_create(index);
  if (rc == SQLITE_OK && attnx_config_embeds(config)) {
    rc = attnx_index_model(index, 1, &model);
  } else if (rc == SQLITE_OK) {
    rc = attnx_storage_check_dimension(index, config->dimension);
    if (rc == SQLITE_OK)
      rc = attnx_storage_set_int(index, "dimension", config->dimension);
  }
  if (rc == SQLITE_OK) rc = attnx_storage_set_int(index, "deferred", config->deferred);
  if (rc == SQLITE_OK) rc = attnx_storage_set_int(index, "exact", config->exact);
  if (rc == SQLITE_OK) rc = attnx_storage_set_int(index, "lists", config->lists);
  if (rc == SQLITE_OK) rc = attnx_storage_set_int(index, "probes", config->probes);
  return rc == SQLITE_OK ? attnx_storage_touch(index) : rc;
}

/* When a connection reads its schema again within a transaction, as ALTER TABLE makes it,
** the table is connected a second time while the transaction, and cursors, still hold the
** one before.  What waits in that one's memory is written first; but where the table is
** new, that belonged to one whose CREATE was rolled back. */
static int take_over(attnx_index *index, int is_new) {
  int rc = SQLITE_OK;
  for (attnx_index *at = next_same(index, NULL); rc == SQLITE_OK && at;
       at = next_same(index, at)) {
    if (is_new) {
      attnx_index_discard(at);
    } else if (at->writing) {
      rc = attnx_index_flush(at);
      if (rc != SQLITE_OK) {
        sqlite3_free(index->base.zErrMsg);
        index->base.zErrMsg = at->base.zErrMsg;
        at->base.zErrMsg = NULL;
      }
    }
    at->is_replaced = 1;
  }
  return rc;
}

static int init(sqlite3 *db, attns_connection *connection, int argc,
                const char *const *argv, int is_new, sqlite3_vtab **out, char **error) {
  attnx_index *index = sqlite3_malloc64(sizeof *index);
  if (!index) return SQLITE_NOMEM;
  memset(index, 0, sizeof *index);
  attnx_code_cache_open();
  index->db = db;
  index->connection = connection;
  int rc = attnx_config_parse(argc, argv, &index->base.zErrMsg, &index->config);
  if (rc == SQLITE_OK && is_new)
    rc = attnx_config_check_new(&index->config, &index->base.zErrMsg);
  if (rc == SQLITE_OK) rc = declare(index);
  if (rc == SQLITE_OK) rc = take_over(index, is_new);
  if (rc == SQLITE_OK && is_new) rc = create(index);
  index->stamp = 0;
  if (rc == SQLITE_OK) {
    link_index(index);
    *out = &index->base;
    return rc;
  }
  *error = index->base.zErrMsg;
  index->base.zErrMsg = NULL;
  free_index(index);
  return rc;
}

static int index_create(sqlite3 *db, void *data, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **error) {
  return init(db, data, argc, argv, 1, out, error);
}

static int index_connect(sqlite3 *db, void *data, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **error) {
  return init(db, data, argc, argv, 0, out, error);
}

static int index_disconnect(sqlite3_vtab *base) {
  free_index((attnx_index *)base);
  return SQLITE_OK;
}

static int index_destroy(sqlite3_vtab *base) {
  attnx_index *index = (attnx_index *)base;
  attnx_storage_close(index);
  int rc = attnx_storage_drop(index);
  if (rc == SQLITE_OK) free_index(index);
  return rc;
}

static int index_rename(sqlite3_vtab *base, const char *name) {
  attnx_index *index = (attnx_index *)base;
  int rc = attnx_index_flush(index);
  if (rc == SQLITE_OK) rc = attnx_storage_rename(index, name);
  if (rc != SQLITE_OK) return rc;
  attnx_storage_close(index);
  char *copy = sqlite3_mprintf("%s", name);
  if (!copy) return SQLITE_NOMEM;
  sqlite3_free(index->config.table);
  index->config.table = copy;
  return SQLITE_OK;
}

static int index_shadow_name(const char *suffix) {
  return attnx_storage_is_shadow(suffix);
}

/* --------------------------------------------------------------------- transactions */

static int index_update(sqlite3_vtab *base, int argc, sqlite3_value **argv,
                        sqlite3_int64 *rowid) {
  attnx_index *index = (attnx_index *)base;
  int rc = attnx_storage_idle(index);
  if (rc != SQLITE_OK) return rc;
  if (argc > 1) {
    sqlite3_value *name = argv[2 + index->config.n_column + ATTNX_HIDDEN_MATCH];
    if (sqlite3_value_type(argv[0]) == SQLITE_NULL &&
        sqlite3_value_type(name) != SQLITE_NULL) {
      return settle(index, attnx_command(index, argv[1], argv + 2));
    }
  }
  return settle(index, attnx_rows_update(index, argc, argv, rowid));
}

static int index_begin(sqlite3_vtab *base) {
  ((attnx_index *)base)->writing = ((attnx_index *)base)->level = 0;
  return SQLITE_OK;
}

static int index_sync(sqlite3_vtab *base) {
  return attnx_index_flush((attnx_index *)base);
}

static int index_commit(sqlite3_vtab *base) {
  ((attnx_index *)base)->writing = 0;
  attnx_chunks_rest((attnx_index *)base);
  return SQLITE_OK;
}

static int index_rollback(sqlite3_vtab *base) {
  attnx_index_discard((attnx_index *)base);
  return SQLITE_OK;
}

/* Where it fails there is no savepoint n, but SQLite may roll back to it. */
static int index_savepoint(sqlite3_vtab *base, int n) {
  attnx_index *index = (attnx_index *)base;
  int rc = attnx_index_flush(index);
  if (rc == SQLITE_OK) index->level = n + 1;
  return rc;
}

static int index_release(sqlite3_vtab *base, int n) {
  attnx_index *index = (attnx_index *)base;
  if (index->level > n) index->level = n;
  return SQLITE_OK;
}

/* A statement of the index's own may have a savepoint, by a trigger or a constraint of a
** shadow table, and be rolled back and run again, as the schema has changed since it was
** prepared.  What is in memory is what was written before. */
static int index_rollback_to(sqlite3_vtab *base, int n) {
  attnx_index *index = (attnx_index *)base;
  if (n >= index->level) return SQLITE_OK;
  if (!index->n_run || index->dirty) attnx_index_discard(index);
  index->level = n + 1;
  return SQLITE_OK;
}

static int index_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  return attnx_plan_best_index((attnx_index *)base, info);
}

#if SQLITE_VERSION_NUMBER >= 3044000
static int index_integrity(sqlite3_vtab *base, const char *schema, const char *table,
                           int flags, char **problem) {
  attnx_index *index = (attnx_index *)base;
  (void)schema, (void)table, (void)flags;
  int rc = attnx_index_flush(index);
  if (rc == SQLITE_OK) rc = attnx_index_refresh(index);
  if (rc == SQLITE_OK) rc = attnx_check(index, 0, problem);
  if (rc != SQLITE_CORRUPT_VTAB) return rc;
  *problem = index->base.zErrMsg;
  index->base.zErrMsg = NULL;
  return SQLITE_OK;
}
#endif

static const sqlite3_module module_methods = {
    .xCreate = index_create,
    .xConnect = index_connect,
    .xBestIndex = index_best_index,
    .xDisconnect = index_disconnect,
    .xDestroy = index_destroy,
    .xOpen = attnx_cursor_open,
    .xClose = attnx_cursor_close,
    .xFilter = attnx_cursor_filter,
    .xNext = attnx_cursor_next,
    .xEof = attnx_cursor_eof,
    .xColumn = attnx_cursor_column,
    .xRowid = attnx_cursor_rowid,
    .xUpdate = index_update,
    .xBegin = index_begin,
    .xSync = index_sync,
    .xCommit = index_commit,
    .xRollback = index_rollback,
    .xFindFunction = attnx_cursor_find_function,
    .xRename = index_rename,
    .xSavepoint = index_savepoint,
    .xRelease = index_release,
    .xRollbackTo = index_rollback_to,
    .xShadowName = index_shadow_name,
#if SQLITE_VERSION_NUMBER >= 3044000
    .iVersion = 4,
    .xIntegrity = index_integrity,
#else
    .iVersion = 3,
#endif
};

int attns_index_register(attns_connection *c) {
  attns_connection_retain(c);
  return sqlite3_create_module_v2(attns_connection_db(c), "attn", &module_methods, c,
                                  attns_connection_release);
}
