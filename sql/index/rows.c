/*
** rows.c - insert, update, delete.
**
** The vector of a row is, in this order: that of its vector column; the one that it
** has, if the text is the one it was made of (by its hash); the one that the model
** makes of the text, which is queued and embedded together with others before the
** next savepoint, query or commit - or, in a deferred index, marked as pending.  Until
** then an updated row keeps the vector that it had.
**
** An UPDATE of a contentless table that sets no text leaves vector and pending text
** alone.
**
** All that can be wrong with a row is found out before the first write: a statement
** that fails inside a transaction leaves nothing behind.
**
** A row of external content is not the index's own: inserting one that the index has
** is no conflict but an update, so REPLACE and UPSERT on the content table do no harm.
*/
#include "index.h"
#include <string.h>

/* How a row gets its vector. */
typedef struct new_vector {
  enum { VECTOR_NONE, VECTOR_KEEP, VECTOR_LEAVE, VECTOR_GIVEN, VECTOR_TEXT } how;
  float *given;
  attnx_queued text;
} new_vector;

/* ----------------------------------------------------------------------- binding */

static int run_id(attnx_index *index, attnx_statement which, sqlite3_int64 id) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, which, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, id);
  return rc == SQLITE_OK ? attnx_storage_step(index, stmt) : rc;
}

/* Binds the columns of a kind that the table keeps, from parameter `at` on. */
static int bind_columns(const attnx_config *config, sqlite3_stmt *stmt, int at,
                        attnx_column_kind kind, sqlite3_value **column) {
  int rc = SQLITE_OK;
  for (int i = 0; rc == SQLITE_OK && i < config->n_column; i++) {
    if (config->column[i].kind != kind || !attnx_config_keeps(config, i)) continue;
    rc = sqlite3_bind_value(stmt, at++, column[i]);
  }
  return rc;
}

/* Writes a row of _rows; without an id it is given one. */
static int put_row(attnx_index *index, const sqlite3_int64 *id,
                   const attnx_row_state *row, sqlite3_value **column,
                   sqlite3_int64 *out) {
  sqlite3_stmt *stmt;
  int n = index->config.n_text ? 4 : 3;
  int rc = attnx_storage_statement(index, ATTNX_ROW_PUT, &stmt);
  if (rc != SQLITE_OK) return rc;
  sqlite3_clear_bindings(stmt);
  if (id) rc = sqlite3_bind_int64(stmt, 1, *id);
  if (rc == SQLITE_OK && row->place >= 0) rc = sqlite3_bind_int64(stmt, 2, row->place);
  if (rc == SQLITE_OK && row->has_hash) rc = sqlite3_bind_int64(stmt, 3, row->hash);
  if (rc == SQLITE_OK)
    rc = bind_columns(&index->config, stmt, n, ATTNX_COLUMN_PLAIN, column);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  sqlite3_clear_bindings(stmt);
  *out = id ? *id : sqlite3_last_insert_rowid(index->db);
  if (*out > index->last_id) index->last_id = *out;
  return rc;
}

static int put_content(attnx_index *index, sqlite3_int64 id, sqlite3_value **column) {
  const attnx_config *config = &index->config;
  sqlite3_stmt *stmt;
  if (config->content != ATTNX_CONTENT_OWN || !config->n_text) return SQLITE_OK;
  int rc = attnx_storage_statement(index, ATTNX_CONTENT_PUT, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, id);
  if (rc == SQLITE_OK) rc = bind_columns(config, stmt, 2, ATTNX_COLUMN_TEXT, column);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (stmt) sqlite3_clear_bindings(stmt);
  return rc;
}

static int put_pending(attnx_index *index, const attnx_queued *text) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, ATTNX_PENDING_PUT, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, text->id);
  if (rc == SQLITE_OK && index->config.content == ATTNX_CONTENT_NONE) {
    rc = sqlite3_bind_text64(stmt, 2, text->text, text->n_text, SQLITE_STATIC,
                             SQLITE_UTF8);
  }
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (stmt) sqlite3_clear_bindings(stmt);
  if (rc == SQLITE_OK) index->dirty = 1;
  return rc;
}

/* ----------------------------------------------------------------------- queue */

enum { QUEUE_TEXTS = 256, QUEUE_BYTES = 1 << 20 };

/* Takes the text over. */
static int queue_text(attnx_index *index, attnx_queued *text) {
  if (index->n_queue == index->n_queue_alloc) {
    size_t n = 2 * index->n_queue_alloc + 16;
    attnx_queued *queue = sqlite3_realloc64(index->queue, n * sizeof *queue);
    if (!queue) return SQLITE_NOMEM;
    index->queue = queue;
    index->n_queue_alloc = n;
  }
  index->queue[index->n_queue++] = *text;
  index->queue_bytes += text->n_text;
  text->text = NULL;
  index->dirty = 1;
  return SQLITE_OK;
}

/* Before a row is changed, nothing of it may wait. */
static int settle(attnx_index *index, sqlite3_int64 id) {
  for (size_t i = 0; i < index->n_queue; i++) {
    if (index->queue[i].id == id) return attnx_index_flush(index);
  }
  return SQLITE_OK;
}

static int relieve(attnx_index *index) {
  int full = index->n_queue >= QUEUE_TEXTS || index->queue_bytes >= QUEUE_BYTES;
  return full ? attnx_index_flush(index) : SQLITE_OK;
}

/* ----------------------------------------------------------------------- writing */

int attnx_rows_clear(attnx_index *index, sqlite3_int64 id, attnx_row_state *row) {
  sqlite3_stmt *stmt;
  int rc = SQLITE_OK;
  if (row->place < 0) return SQLITE_OK;
  if (index->config.window) {
    rc = attnx_storage_statement(index, ATTNX_WINDOW_LIST, &stmt);
    if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, id);
    if (rc != SQLITE_OK) return rc;
    while ((rc = attnx_storage_step(index, stmt)) == SQLITE_ROW) {
      rc = attnx_chunks_remove(index, sqlite3_column_int64(stmt, 0), id);
      if (rc != SQLITE_OK) break;
    }
    sqlite3_reset(stmt);
    if (rc == SQLITE_OK) rc = run_id(index, ATTNX_WINDOW_DELETE, id);
  } else {
    rc = attnx_chunks_remove(index, row->place, id);
  }
  row->place = -1;
  row->has_hash = 0;
  return rc;
}

int attnx_rows_delete(attnx_index *index, sqlite3_int64 id) {
  attnx_row_state row;
  int rc = settle(index, id);
  if (rc == SQLITE_OK) rc = attnx_storage_row(index, id, &row);
  if (rc != SQLITE_OK || !row.found) return rc;
  rc = attnx_rows_clear(index, id, &row);
  if (rc == SQLITE_OK) rc = run_id(index, ATTNX_PENDING_DELETE, id);
  if (rc == SQLITE_OK && index->config.content == ATTNX_CONTENT_OWN &&
      index->config.n_text) {
    rc = run_id(index, ATTNX_CONTENT_DELETE, id);
  }
  if (rc == SQLITE_OK) rc = run_id(index, ATTNX_ROW_DELETE, id);
  index->dirty = 1;
  return rc;
}

static void free_vector(new_vector *v) {
  sqlite3_free(v->given);
  sqlite3_free(v->text.text);
}

/* How many of the texts that nobody keeps an UPDATE does not set. */
static int count_unchanged(const attnx_config *config, sqlite3_value **column) {
  int n = 0;
  for (int i = 0; i < config->n_column; i++) {
    n += attnx_config_forgets(config, i) && sqlite3_value_nochange(column[i]);
  }
  return n;
}

/* Finds out how the row gets its vector, and whether it can. */
static int choose_vector(attnx_index *index, const attnx_row_state *row,
                         sqlite3_value **column, new_vector *out) {
  const attnx_config *config = &index->config;
  const attn_model *model;
  sqlite3_value *value = config->vector >= 0 ? column[config->vector] : NULL;
  *out = (new_vector){.how = VECTOR_NONE};
  if (value && sqlite3_value_nochange(value)) {
    if (row->place >= 0 && !row->has_hash) {
      out->how = VECTOR_KEEP;
      return SQLITE_OK;
    }
  } else if (value && sqlite3_value_type(value) != SQLITE_NULL) {
    out->how = VECTOR_GIVEN;
    return attnx_index_vector(index, value, config->column[config->vector].name, 0,
                              &out->given);
  }
  if (!attnx_config_embeds(config)) return SQLITE_OK;
  int n_unchanged = count_unchanged(config, column);
  if (n_unchanged == config->n_text) {
    int is_taken = value && !sqlite3_value_nochange(value) && !row->has_hash;
    out->how = is_taken ? VECTOR_NONE : VECTOR_LEAVE;
    return SQLITE_OK;
  }
  if (n_unchanged) {
    return attnx_index_fail(index, "%s is contentless: an UPDATE sets all texts or none",
                            config->table);
  }
  int rc = attnx_index_text(index, NULL, column, &out->text.text, &out->text.n_text);
  if (rc != SQLITE_OK || !out->text.text) return rc;
  out->text.hash = attnx_index_hash(out->text.text, out->text.n_text);
  out->how = VECTOR_TEXT;
  if (row->place >= 0 && row->has_hash && row->hash == out->text.hash) {
    out->how = VECTOR_KEEP;
    return SQLITE_OK;
  }
  return index->deferred ? SQLITE_OK : attnx_index_model(index, 0, &model);
}

/* Stores a given vector for a row that has an id. */
static int store_given(attnx_index *index, sqlite3_int64 id, const float *vector,
                       attnx_row_state *row) {
  row->has_hash = 0;
  if (row->place >= 0) return attnx_chunks_replace(index, id, vector, &row->place);
  return attnx_chunks_add(index, id, vector, &row->place);
}

/* Writes a row, of which `row` says what there is so far. */
static int write_row(attnx_index *index, const sqlite3_int64 *id, attnx_row_state *row,
                     sqlite3_value **column, new_vector *vector, sqlite3_int64 *rowid) {
  int rc = SQLITE_OK, has_id = id != NULL;
  /* A given vector that is taken away does not stay until the text is embedded: it could
  ** not be told from one that is to be kept. */
  int is_taken =
      vector->how == VECTOR_TEXT && index->deferred && row->place >= 0 && !row->has_hash;
  if ((vector->how == VECTOR_NONE || is_taken) && id) {
    rc = attnx_rows_clear(index, *id, row);
  }
  /* The chunk wants the id that only _rows can give. */
  if (rc == SQLITE_OK && !id) rc = put_row(index, NULL, row, column, rowid);
  if (id) *rowid = *id;
  if (rc == SQLITE_OK && vector->how == VECTOR_GIVEN) {
    rc = store_given(index, *rowid, vector->given, row);
  }
  if (rc == SQLITE_OK && (has_id || row->place >= 0)) {
    rc = put_row(index, rowid, row, column, rowid);
  }
  if (rc == SQLITE_OK) rc = put_content(index, *rowid, column);
  if (rc == SQLITE_OK && row->found && vector->how != VECTOR_LEAVE) {
    rc = run_id(index, ATTNX_PENDING_DELETE, *rowid);
  }
  if (rc != SQLITE_OK || vector->how != VECTOR_TEXT) return rc;
  vector->text.id = *rowid;
  return index->deferred ? put_pending(index, &vector->text)
                         : queue_text(index, &vector->text);
}

/* ----------------------------------------------------------------------- xUpdate */

static int conflict(attnx_index *index, sqlite3_int64 id) {
  int rc = attnx_index_fail(index, "UNIQUE constraint failed: %s.rowid (%lld)",
                            index->config.table, id);
  return rc == SQLITE_ERROR ? SQLITE_CONSTRAINT : rc;
}

/* What there is of a row that is inserted; mostly it comes behind all others. */
static int find_row(attnx_index *index, sqlite3_int64 id, attnx_row_state *row) {
  sqlite3_stmt *stmt;
  if (!index->knows_last) {
    int rc = attnx_storage_statement(index, ATTNX_ROW_LAST, &stmt);
    if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
    if (rc != SQLITE_ROW) return rc;
    int is_empty = sqlite3_column_type(stmt, 0) == SQLITE_NULL;
    index->last_id = is_empty ? INT64_MIN : sqlite3_column_int64(stmt, 0);
    index->knows_last = 1;
    rc = sqlite3_reset(stmt);
    if (rc != SQLITE_OK) return rc;
  }
  return id > index->last_id ? SQLITE_OK : attnx_storage_row(index, id, row);
}

/* Before anything is changed, as OR IGNORE goes on where a constraint failed. */
static int check_not_null(attnx_index *index, sqlite3_value **column) {
  const attnx_config *config = &index->config;
  for (int i = 0; i < config->n_column; i++) {
    if (!config->column[i].is_not_null || !attnx_config_keeps(config, i) ||
        sqlite3_value_type(column[i]) != SQLITE_NULL)
      continue;
    int rc = attnx_index_fail(index, "NOT NULL constraint failed: %s.%s", config->table,
                              config->column[i].name);
    return rc == SQLITE_ERROR ? SQLITE_CONSTRAINT : rc;
  }
  return SQLITE_OK;
}

static int insert_row(attnx_index *index, sqlite3_value *id_value, sqlite3_value **column,
                      sqlite3_int64 *rowid) {
  attnx_row_state row = {.place = -1};
  new_vector vector = {.how = VECTOR_NONE};
  sqlite3_int64 id = sqlite3_value_int64(id_value);
  int has_id = sqlite3_value_type(id_value) != SQLITE_NULL, rc = SQLITE_OK;
  if (has_id && sqlite3_value_type(id_value) != SQLITE_INTEGER) return SQLITE_MISMATCH;
  if (!has_id && index->config.content == ATTNX_CONTENT_EXTERNAL) {
    return attnx_index_fail(index, "%s: the rowid is NULL; expected that of a row of %s",
                            index->config.table, index->config.content_table);
  }
  if (has_id) rc = settle(index, id);
  if (rc == SQLITE_OK && has_id) rc = find_row(index, id, &row);
  if (rc == SQLITE_OK && row.found && index->config.content != ATTNX_CONTENT_EXTERNAL &&
      sqlite3_vtab_on_conflict(index->db) != SQLITE_REPLACE) {
    return conflict(index, id);
  }
  if (rc == SQLITE_OK) rc = choose_vector(index, &row, column, &vector);
  if (rc == SQLITE_OK) {
    rc = attnx_index_whole(
        index, write_row(index, has_id ? &id : NULL, &row, column, &vector, rowid));
  }
  free_vector(&vector);
  return rc;
}

/* Gives a row another rowid: its vector moves to a new place. */
static int renumber(attnx_index *index, sqlite3_int64 id, sqlite3_int64 to,
                    attnx_row_state *row) {
  attnx_row_state other, old = *row;
  sqlite3_blob *blob = NULL;
  float *vector = NULL;
  int rc = settle(index, to);
  if (rc == SQLITE_OK) rc = attnx_storage_row(index, to, &other);
  if (rc == SQLITE_OK && other.found) {
    if (sqlite3_vtab_on_conflict(index->db) != SQLITE_REPLACE) return conflict(index, to);
    rc = attnx_rows_delete(index, to);
  }
  /* Windows are made anew. */
  if (rc == SQLITE_OK && old.place >= 0 && !index->config.window) {
    vector = sqlite3_malloc64(index->dimension * sizeof *vector);
    rc = vector ? attnx_chunks_vector(index, old.place, &blob, vector) : SQLITE_NOMEM;
    sqlite3_blob_close(blob);
  }
  if (rc == SQLITE_OK) rc = attnx_rows_delete(index, id);
  row->found = 0;
  row->place = -1;
  if (rc == SQLITE_OK && vector) rc = attnx_chunks_add(index, to, vector, &row->place);
  sqlite3_free(vector);
  return rc;
}

static int update_row(attnx_index *index, sqlite3_value *old_id, sqlite3_value *new_id,
                      sqlite3_value **column, sqlite3_int64 *rowid) {
  attnx_row_state row;
  new_vector vector = {.how = VECTOR_NONE};
  sqlite3_int64 id = sqlite3_value_int64(old_id), to = sqlite3_value_int64(new_id);
  if (sqlite3_value_type(new_id) != SQLITE_INTEGER) return SQLITE_MISMATCH;
  int rc = settle(index, id);
  if (rc == SQLITE_OK) rc = attnx_storage_row(index, id, &row);
  if (rc == SQLITE_OK && !row.found) {
    rc = attnx_index_corrupt(index, "%s_rows has no row %lld", index->config.table, id);
  }
  if (rc == SQLITE_OK) rc = choose_vector(index, &row, column, &vector);
  if (rc == SQLITE_OK && to != id && vector.how == VECTOR_LEAVE) {
    rc = attnx_index_fail(index, "%s is contentless: a new rowid needs the texts, too",
                          index->config.table);
  }
  if (rc == SQLITE_OK && to != id) {
    rc = attnx_index_whole(index, renumber(index, id, to, &row));
  }
  if (vector.how == VECTOR_KEEP && row.place < 0) vector.how = VECTOR_TEXT;
  if (rc == SQLITE_OK) {
    rc = attnx_index_whole(index, write_row(index, &to, &row, column, &vector, rowid));
  }
  free_vector(&vector);
  return rc;
}

int attnx_rows_update(attnx_index *index, int argc, sqlite3_value **argv,
                      sqlite3_int64 *rowid) {
  int rc = attnx_index_begin(index);
  if (rc != SQLITE_OK) return rc;
  index->dirty = 1;
  if (argc == 1) {
    return attnx_index_whole(index,
                             attnx_rows_delete(index, sqlite3_value_int64(argv[0])));
  }
  rc = check_not_null(index, argv + 2);
  if (rc == SQLITE_OK) rc = relieve(index);
  if (rc != SQLITE_OK) return rc;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) {
    return insert_row(index, argv[1], argv + 2, rowid);
  }
  return update_row(index, argv[0], argv[1], argv + 2, rowid);
}
