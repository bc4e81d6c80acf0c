/*
** sync.c - from texts to stored vectors: pending rows, step, rebuild, optimize.
**
**   step      embeds some of the rows that wait, those whose text has really changed
**   rebuild   makes the rows of external content those of the content table, marks all
**             as pending, and embeds (in a deferred index: as many as rank says).  What
**             was made by another model, or is damaged, is thrown away first; what is
**             sound and whose text is the same is kept.  It may be stopped and resumed
**             at any time: what is left is pending.
**   optimize  writes all vectors anew, in order, into full chunks; in a large table, into
**             those of lists (ivf.c)
**
** Each command is one statement, hence all or nothing.
*/
#include "index.h"
#include <string.h>

enum { BATCH = 256 };

static int run_id(attnx_index *index, attnx_statement which, sqlite3_int64 id) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, which, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, id);
  return rc == SQLITE_OK ? attnx_storage_step(index, stmt) : rc;
}

/* ----------------------------------------------------------------------- windows */

/* The texts to embed for a batch of rows: one each, or its windows. */
typedef struct pieces {
  attn_text *text;
  size_t *row; /* the number of the row in the batch */
  size_t n, n_alloc;
} pieces;

static int add_piece(pieces *p, size_t row, const char *text, size_t n_text) {
  if (p->n == p->n_alloc) {
    size_t n = 2 * p->n_alloc + 64;
    attn_text *texts = sqlite3_realloc64(p->text, n * sizeof *texts);
    if (!texts) return SQLITE_NOMEM;
    p->text = texts;
    size_t *rows = sqlite3_realloc64(p->row, n * sizeof *rows);
    if (!rows) return SQLITE_NOMEM;
    p->row = rows;
    p->n_alloc = n;
  }
  p->text[p->n] = (attn_text){text, n_text};
  p->row[p->n++] = row;
  return SQLITE_OK;
}

/* Drops the tokens that stand for no text, such as [CLS]. */
static void drop_special(attn_tokens *tokens) {
  size_t n = 0;
  for (size_t i = 0; i < tokens->n; i++) {
    if (tokens->token[i].end > tokens->token[i].start)
      tokens->token[n++] = tokens->token[i];
  }
  tokens->n = n;
}

static int add_windows(attnx_index *index, const attn_model *model, pieces *p, size_t row,
                       const attnx_queued *text) {
  attn_tokens tokens = {0};
  attn_error err = {""};
  attn_status status = attn_tokenize(attn_model_tokenizer(model), text->text,
                                     text->n_text, 0, &err, &tokens);
  int rc = attns_sql_status(status, &err, &index->base.zErrMsg);
  size_t n_all = tokens.n;
  drop_special(&tokens);
  /* What the model would cut off belongs to the next window. */
  size_t special = n_all - tokens.n, room = attn_model_get_info(model)->max_length;
  size_t window = (size_t)index->config.window, overlap = (size_t)index->config.overlap;
  if (room > special && window > room - special) window = room - special;
  if (overlap >= window) overlap = window - 1;
  if (rc == SQLITE_OK && tokens.n <= window) {
    rc = add_piece(p, row, text->text, text->n_text);
    tokens.n = 0;
  }
  for (size_t first = 0; rc == SQLITE_OK && first < tokens.n; first += window - overlap) {
    size_t last = first + window < tokens.n ? first + window : tokens.n;
    uint32_t begin = tokens.token[first].start, end = tokens.token[last - 1].end;
    rc = add_piece(p, row, text->text + begin, end - begin);
    if (last == tokens.n) break;
  }
  attn_tokens_free(&tokens);
  return rc;
}

static int make_pieces(attnx_index *index, const attnx_queued *text, size_t n,
                       pieces *out) {
  const attn_model *model;
  int rc = attnx_index_model(index, 0, &model);
  for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
    rc = index->config.window ? add_windows(index, model, out, i, &text[i])
                              : add_piece(out, i, text[i].text, text[i].n_text);
  }
  return rc;
}

/* ----------------------------------------------------------------------- storing */

static int put_window(attnx_index *index, const attnx_queued *text,
                      const attn_text *piece, sqlite3_int64 place) {
  sqlite3_stmt *stmt;
  sqlite3_int64 first = piece->text - text->text;
  int rc = attnx_storage_statement(index, ATTNX_WINDOW_PUT, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, place);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 2, text->id);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 3, first);
  if (rc == SQLITE_OK)
    rc = sqlite3_bind_int64(stmt, 4, first + (sqlite3_int64)piece->n_text);
  return rc == SQLITE_OK ? attnx_storage_step(index, stmt) : rc;
}

/* Stores the vectors of the n pieces of one row. */
static int store_row(attnx_index *index, const attnx_queued *text, const attn_text *piece,
                     size_t n, const float *vector) {
  attnx_row_state row;
  int rc = attnx_storage_row(index, text->id, &row);
  if (rc != SQLITE_OK) return rc;
  if (!row.found) {
    return attnx_index_corrupt(index, "%s_rows has no row %lld", index->config.table,
                               text->id);
  }
  if (index->config.window) rc = attnx_rows_clear(index, text->id, &row);
  for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
    const float *x = vector + i * index->dimension;
    sqlite3_int64 place = row.place;
    if (i == 0 && row.place >= 0) {
      rc = attnx_chunks_replace(index, text->id, x, &place);
    } else {
      rc = attnx_chunks_add(index, text->id, x, &place);
    }
    if (i == 0) row.place = place;
    if (rc == SQLITE_OK && index->config.window)
      rc = put_window(index, text, &piece[i], place);
  }
  row.hash = text->hash;
  row.has_hash = 1;
  if (rc == SQLITE_OK) rc = attnx_storage_set_place(index, text->id, &row);
  return rc == SQLITE_OK ? run_id(index, ATTNX_PENDING_DELETE, text->id) : rc;
}

static int store_pieces(attnx_index *index, const attnx_queued *text, const pieces *p) {
  float *vector =
      sqlite3_malloc64(((sqlite3_uint64)p->n * index->dimension + 1) * sizeof *vector);
  if (!vector) return SQLITE_NOMEM;
  int rc = attnx_index_embed(index, p->text, p->n, ATTN_PROMPT_DOCUMENT, vector);
  for (size_t first = 0, end; rc == SQLITE_OK && first < p->n; first = end) {
    for (end = first; end < p->n && p->row[end] == p->row[first];) end++;
    rc = attnx_index_whole(index,
                           store_row(index, &text[p->row[first]], &p->text[first],
                                     end - first, vector + first * index->dimension));
  }
  sqlite3_free(vector);
  return rc;
}

int attnx_sync_store(attnx_index *index, const attnx_queued *text, size_t n) {
  pieces p = {0};
  if (n == 0) return SQLITE_OK;
  int rc = make_pieces(index, text, n, &p);
  if (rc == SQLITE_OK) rc = store_pieces(index, text, &p);
  sqlite3_free(p.text);
  sqlite3_free(p.row);
  return rc;
}

/* -------------------------------------------------------------------------- step */

/* Rows that are taken from _pending together. */
typedef struct batch {
  attnx_queued row[BATCH]; /* text: as pending has it, or NULL */
  size_t n;
} batch;

static void free_batch(batch *b) {
  for (size_t i = 0; i < b->n; i++) sqlite3_free(b->row[i].text);
  b->n = 0;
}

static int copy_text(sqlite3_value *value, attnx_queued *out) {
  const char *text = (const char *)sqlite3_value_text(value);
  if (sqlite3_value_type(value) == SQLITE_NULL) return SQLITE_OK;
  if (!text) return SQLITE_NOMEM;
  out->n_text = (size_t)sqlite3_value_bytes(value);
  out->text = sqlite3_malloc64(out->n_text + 1);
  if (!out->text) return SQLITE_NOMEM;
  memcpy(out->text, text, out->n_text + 1);
  return SQLITE_OK;
}

static int read_batch(attnx_index *index, size_t n, batch *out) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, ATTNX_PENDING_NEXT, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, INT64_MIN);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 2, (sqlite3_int64)n);
  if (rc != SQLITE_OK) return rc;
  out->n = 0;
  while ((rc = attnx_storage_step(index, stmt)) == SQLITE_ROW) {
    attnx_queued *row = &out->row[out->n++];
    *row = (attnx_queued){.id = sqlite3_column_int64(stmt, 0)};
    rc = copy_text(sqlite3_column_value(stmt, 1), row);
    if (rc != SQLITE_OK) break;
  }
  sqlite3_reset(stmt);
  return rc;
}

static int store_vector(attnx_index *index, sqlite3_int64 id, sqlite3_value *value,
                        attnx_row_state *row) {
  float *vector;
  const char *name = index->config.column[index->config.vector].name;
  int rc = attnx_index_vector(index, value, name, 0, &vector);
  if (rc == SQLITE_OK) {
    rc = row->place >= 0 ? attnx_chunks_replace(index, id, vector, &row->place)
                         : attnx_chunks_add(index, id, vector, &row->place);
  }
  sqlite3_free(vector);
  row->has_hash = 0;
  return rc == SQLITE_OK ? attnx_storage_set_place(index, id, row) : rc;
}

/* What the content has for a row: a vector, which is stored, or a text.  *done: there
** is nothing to embed. */
static int read_content(attnx_index *index, attnx_queued *text, attnx_row_state *row,
                        int *done) {
  const attnx_config *config = &index->config;
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, ATTNX_SOURCE_GET, &stmt);
  sqlite3_value **column = NULL;
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, text->id);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (rc != SQLITE_ROW) { /* gone */
    *done = 1;
    return rc == SQLITE_OK ? attnx_rows_delete(index, text->id) : rc;
  }
  column = sqlite3_malloc64((sqlite3_uint64)config->n_column * sizeof(sqlite3_value *));
  rc = column ? SQLITE_OK : SQLITE_NOMEM;
  for (int i = 0; column && i < config->n_column; i++) {
    column[i] = sqlite3_column_value(stmt, i + 1);
  }
  if (rc == SQLITE_OK && config->vector >= 0 &&
      sqlite3_value_type(column[config->vector]) != SQLITE_NULL) {
    *done = 1;
    rc = store_vector(index, text->id, column[config->vector], row);
  } else if (rc == SQLITE_OK && attnx_config_embeds(config)) {
    rc = attnx_index_text(index, &text->id, column, &text->text, &text->n_text);
  }
  sqlite3_free(column);
  sqlite3_reset(stmt);
  return rc;
}

/* A pending row: *embed says whether its text has to be embedded. */
static int settle_row(attnx_index *index, attnx_queued *text, int *embed) {
  attnx_row_state row;
  int done = 0, rc = attnx_storage_row(index, text->id, &row);
  *embed = 0;
  if (rc == SQLITE_OK && row.found && !text->text)
    rc = read_content(index, text, &row, &done);
  if (rc == SQLITE_OK && row.found && !done) {
    int given =
        row.place >= 0 && !row.has_hash && index->config.content == ATTNX_CONTENT_OWN;
    if (text->text) {
      text->hash = attnx_index_hash(text->text, text->n_text);
      *embed = !given && (row.place < 0 || !row.has_hash || row.hash != text->hash);
    } else if (!given) {
      rc = attnx_rows_clear(index, text->id, &row);
      if (rc == SQLITE_OK) rc = attnx_storage_set_place(index, text->id, &row);
    }
  }
  if (rc != SQLITE_OK || *embed) return rc;
  return run_id(index, ATTNX_PENDING_DELETE, text->id);
}

static int step_batch(attnx_index *index, size_t n, size_t *n_done, size_t *n_embedded) {
  batch *b = sqlite3_malloc64(2 * sizeof *b);
  if (!b) return SQLITE_NOMEM;
  batch *texts = b + 1;
  texts->n = b->n = 0;
  int embed, rc = read_batch(index, n, b);
  for (size_t i = 0; rc == SQLITE_OK && i < b->n; i++) {
    rc = settle_row(index, &b->row[i], &embed);
    if (rc == SQLITE_OK && embed) texts->row[texts->n++] = b->row[i];
  }
  if (rc == SQLITE_OK) rc = attnx_sync_store(index, texts->row, texts->n);
  *n_done = b->n;
  *n_embedded += texts->n;
  free_batch(b);
  sqlite3_free(b);
  return rc;
}

int attnx_sync_step(attnx_index *index, sqlite3_int64 n) {
  double begin = attn_seconds();
  size_t n_embedded = 0, n_done = 0;
  int rc = SQLITE_OK;
  while (rc == SQLITE_OK && n != 0) {
    rc = step_batch(index, n < 0 || n > BATCH ? BATCH : (size_t)n, &n_done, &n_embedded);
    if (n_done == 0) break;
    if (n > 0) n -= (sqlite3_int64)n_done;
    index->dirty = 1;
  }
  double seconds = attn_seconds() - begin;
  if (rc == SQLITE_OK && n_embedded && seconds > 0) {
    index->rate = (double)n_embedded / seconds;
  }
  return rc;
}

/* ----------------------------------------------------------------------- rebuild */

/* Throws all vectors away. */
static int drop_vectors(attnx_index *index) {
  attnx_chunks_free(index);
  attnx_storage_changed(index, 0);
  int rc = attnx_storage_exec(index, "DELETE FROM $chunks; DELETE FROM $codes;"
                                     "DELETE FROM $vectors;"
                                     "DELETE FROM $config WHERE key = 'center'");
  if (rc == SQLITE_OK) rc = attnx_ivf_drop(index);
  if (rc == SQLITE_OK && index->config.window) {
    rc = attnx_storage_exec(index, "DELETE FROM $windows");
  }
  if (rc == SQLITE_OK) {
    rc = attnx_storage_exec(index, index->config.n_text
                                       ? "UPDATE $rows SET place = NULL, hash = NULL"
                                       : "UPDATE $rows SET place = NULL");
  }
  index->dirty = 1;
  return attnx_index_whole(index, rc);
}

/* Runs `change` for each rowid that a statement gives; it may change what is read. */
static int for_each(attnx_index *index, const char *sql,
                    int (*change)(attnx_index *index, sqlite3_int64 id)) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_prepare(index, sql, &stmt);
  if (rc != SQLITE_OK) return rc;
  while ((rc = attnx_storage_step(index, stmt)) == SQLITE_ROW) {
    rc = change(index, sqlite3_column_int64(stmt, 0));
    if (rc != SQLITE_OK) break;
  }
  sqlite3_finalize(stmt);
  return rc;
}

static int clear_row(attnx_index *index, sqlite3_int64 id) {
  attnx_row_state row;
  int rc = attnx_storage_row(index, id, &row);
  if (rc == SQLITE_OK) rc = attnx_rows_clear(index, id, &row);
  return rc == SQLITE_OK ? attnx_storage_set_place(index, id, &row) : rc;
}

/* Makes the rows those of the content table. */
static int follow_content(attnx_index *index) {
  const attnx_config *config = &index->config;
  char *sql =
      sqlite3_mprintf("SELECT id FROM $rows WHERE id NOT IN "
                      "(SELECT d.\"%w\" FROM \"%w\".\"%w\" d WHERE d.\"%w\" IS NOT NULL)",
                      config->content_rowid, config->schema, config->content_table,
                      config->content_rowid);
  if (!sql) return SQLITE_NOMEM;
  int rc = for_each(index, sql, attnx_rows_delete);
  sqlite3_free(sql);
  if (rc != SQLITE_OK) return rc;
  sql = sqlite3_mprintf("INSERT OR IGNORE INTO $rows(id) SELECT d.\"%w\" FROM "
                        "\"%w\".\"%w\" d WHERE d.\"%w\" IS NOT NULL",
                        config->content_rowid, config->schema, config->content_table,
                        config->content_rowid);
  if (!sql) return SQLITE_NOMEM;
  rc = attnx_storage_exec(index, sql);
  sqlite3_free(sql);
  index->knows_last = 0;
  return rc;
}

/* Adopts the model as it is now, without the vectors of another. */
static int follow_model(attnx_index *index) {
  const attn_model *model;
  if (!attnx_config_embeds(&index->config)) return SQLITE_OK;
  char *before = sqlite3_mprintf("%s", index->sha256 ? index->sha256 : "");
  if (!before) return SQLITE_NOMEM;
  int rc = attnx_index_model(index, 1, &model);
  if (rc == SQLITE_OK && strcmp(before, index->sha256) != 0) {
    rc = index->config.vector < 0
             ? drop_vectors(index)
             : for_each(index, "SELECT id FROM $rows WHERE hash IS NOT NULL", clear_row);
  }
  sqlite3_free(before);
  return rc;
}

/* Vectors that nothing could be made of again. */
static int has_given(const attnx_config *config) {
  return config->vector >= 0 && config->content != ATTNX_CONTENT_EXTERNAL;
}

int attnx_sync_rebuild(attnx_index *index, sqlite3_int64 n) {
  char *problem = NULL;
  int rc;
  if (index->config.content == ATTNX_CONTENT_NONE) {
    return attnx_index_fail(index,
                            "%s is contentless: there is nothing to rebuild it from",
                            index->config.table);
  }
  rc = attnx_check(index, 0, &problem);
  if (rc == SQLITE_OK && problem) {
    rc = has_given(&index->config) ? attnx_index_corrupt(index, "%s", problem)
                                   : drop_vectors(index);
  }
  sqlite3_free(problem);
  if (rc == SQLITE_OK) rc = follow_model(index);
  if (rc == SQLITE_OK && index->config.content == ATTNX_CONTENT_EXTERNAL) {
    rc = follow_content(index);
  }
  if (rc == SQLITE_OK) {
    rc = attnx_storage_exec(index,
                            "INSERT OR IGNORE INTO $pending(id) SELECT id FROM $rows");
  }
  if (rc != SQLITE_OK) return rc;
  index->dirty = 1;
  return attnx_sync_step(index, n);
}

int attnx_sync_delete_all(attnx_index *index) {
  int rc = drop_vectors(index);
  if (rc == SQLITE_OK)
    rc = attnx_storage_exec(index, "DELETE FROM $rows; DELETE FROM $pending");
  if (rc == SQLITE_OK && index->config.content == ATTNX_CONTENT_OWN &&
      index->config.n_text) {
    rc = attnx_storage_exec(index, "DELETE FROM $content");
  }
  return rc;
}

int attnx_sync_salvage(attnx_index *index) {
  if (has_given(&index->config)) return SQLITE_CORRUPT_VTAB;
  sqlite3_free(index->base.zErrMsg);
  index->base.zErrMsg = NULL;
  index->writing = 1;
  return drop_vectors(index);
}

/* ---------------------------------------------------------------------- optimize */

/* A vector on its way to a new chunk. */
typedef struct move {
  sqlite3_int64 place, id;
  uint32_t list;
} move;

typedef struct moves {
  move *move;
  size_t n, n_alloc;
  size_t *end;   /* [lists + 1]: where those of a list end, in order[] */
  size_t *order; /* by list, then as they were read */
} moves;

static int append_move(moves *m, const move *one) {
  if (m->n == m->n_alloc) {
    size_t n = 2 * m->n_alloc + 1024;
    move *p = sqlite3_realloc64(m->move, n * sizeof *p);
    if (!p) return SQLITE_NOMEM;
    m->move = p;
    m->n_alloc = n;
  }
  m->move[m->n++] = *one;
  return SQLITE_OK;
}

/* All vectors, by rowid, with their lists. */
static int read_moves(attnx_index *index, moves *m) {
  sqlite3_stmt *rows;
  sqlite3_blob *blob = NULL;
  float *vector = sqlite3_malloc64(index->dimension * sizeof *vector);
  int rc = attnx_storage_prepare(index,
                                 index->config.window
                                     ? "SELECT place, id FROM $windows ORDER BY id, place"
                                     : "SELECT place, id FROM $rows"
                                       " WHERE place IS NOT NULL ORDER BY id",
                                 &rows);
  if (rc == SQLITE_OK && !vector) rc = SQLITE_NOMEM;
  while (rc == SQLITE_OK && (rc = attnx_storage_step(index, rows)) == SQLITE_ROW) {
    move one = {sqlite3_column_int64(rows, 0), sqlite3_column_int64(rows, 1),
                ATTNX_NO_LIST};
    rc = SQLITE_OK;
    if (index->lists) rc = attnx_chunks_vector(index, one.place, &blob, vector);
    if (rc == SQLITE_OK) rc = attnx_ivf_list_of(index, vector, &one.list);
    if (rc == SQLITE_OK) rc = append_move(m, &one);
  }
  sqlite3_finalize(rows);
  sqlite3_blob_close(blob);
  sqlite3_free(vector);
  return rc;
}

/* Counting sort; without lists there is one. */
static int sort_moves(moves *m, uint32_t n_list) {
  m->end = sqlite3_malloc64((n_list + 1) * sizeof *m->end);
  m->order = sqlite3_malloc64((m->n + 1) * sizeof *m->order);
  if (!m->end || !m->order) return SQLITE_NOMEM;
  memset(m->end, 0, (n_list + 1) * sizeof *m->end);
  for (size_t i = 0; i < m->n; i++) m->end[n_list ? m->move[i].list : 0]++;
  for (uint32_t list = 1; list <= n_list; list++) m->end[list] += m->end[list - 1];
  for (size_t i = m->n; i-- > 0;) m->order[--m->end[n_list ? m->move[i].list : 0]] = i;
  /* Now they are where each begins: the end of the one before. */
  memmove(m->end, m->end + 1, n_list * sizeof *m->end);
  m->end[n_list] = m->n;
  return SQLITE_OK;
}

static int make_move(attnx_index *index, const move *m, sqlite3_stmt *update,
                     sqlite3_blob **blob, float *vector) {
  sqlite3_int64 to = 0;
  int rc = attnx_chunks_vector(index, m->place, blob, vector);
  if (rc == SQLITE_OK) rc = attnx_chunks_add_to(index, m->list, m->id, vector, &to);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(update, 1, m->place);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(update, 2, to);
  if (rc == SQLITE_OK && !index->config.window) rc = sqlite3_bind_int64(update, 3, m->id);
  return rc == SQLITE_OK ? attnx_storage_step(index, update) : rc;
}

static int make_moves(attnx_index *index, const moves *m) {
  sqlite3_stmt *update;
  sqlite3_blob *blob = NULL;
  float *vector = sqlite3_malloc64(index->dimension * sizeof *vector);
  int rc = attnx_storage_prepare(index,
                                 index->config.window
                                     ? "UPDATE $windows SET place = ?2 WHERE place = ?1"
                                     : "UPDATE $rows SET place = ?2 WHERE id = ?3",
                                 &update);
  if (rc == SQLITE_OK && !vector) rc = SQLITE_NOMEM;
  size_t i = 0;
  for (uint32_t list = 0; rc == SQLITE_OK && i < m->n; list++) {
    attnx_chunks_expect(index, m->end[list] - i);
    for (; rc == SQLITE_OK && i < m->end[list]; i++) {
      rc = attns_interrupted(index->db)
               ? SQLITE_INTERRUPT
               : make_move(index, &m->move[m->order[i]], update, &blob, vector);
    }
  }
  attnx_chunks_expect(index, 0);
  sqlite3_blob_close(blob);
  sqlite3_finalize(update);
  sqlite3_free(vector);
  return rc;
}

static int move_vectors(attnx_index *index) {
  moves m = {0};
  uint32_t n_list = index->lists ? attn_ivf_count(index->lists) : 0;
  int rc = read_moves(index, &m);
  if (rc == SQLITE_OK) rc = sort_moves(&m, n_list);
  if (rc == SQLITE_OK) rc = make_moves(index, &m);
  sqlite3_free(m.move);
  sqlite3_free(m.end);
  sqlite3_free(m.order);
  return rc;
}

int attnx_sync_optimize(attnx_index *index) {
  char *problem = NULL;
  int rc = attnx_check(index, 0, &problem);
  if (rc == SQLITE_OK && problem) rc = attnx_index_corrupt(index, "%s", problem);
  sqlite3_free(problem);
  if (rc != SQLITE_OK || index->directory.n_live == 0) return rc;
  index->dirty = 1;
  rc = attnx_ivf_train(index);
  if (rc == SQLITE_OK) rc = attnx_chunks_renew(index);
  if (rc == SQLITE_OK) rc = move_vectors(index);
  if (rc == SQLITE_OK && index->config.window) {
    rc =
        attnx_storage_exec(index, "UPDATE $rows SET place = (SELECT place FROM $windows w"
                                  " WHERE w.id = $rows.id ORDER BY first LIMIT 1)"
                                  " WHERE place IS NOT NULL");
  }
  return rc == SQLITE_OK ? attnx_chunks_drop_old(index) : rc;
}
