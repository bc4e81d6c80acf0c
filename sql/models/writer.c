/*
** writer.c - writes a model into the tables of models.
**
** Each tensor is a zeroblob that is filled through incremental blob I/O, a megabyte at a
** time, so that memory does not grow with the model.
**
** sha256 names the content: the hash of the configuration, of the vocabulary (and merges)
** and of every tensor's name, dtype, shape and data, in order of name.  So it does not
** depend on how the tensors were laid out where they came from.
*/
#include "writer.h"
#include <string.h>

enum { PIECE = 1 << 20 };

/* What goes into the hash of the model. */
typedef struct attns_written {
  char *name, *shape;
  const char *dtype; /* of the table in engine/format */
  char hash[65];
} written;

static int db_error(attns_writer *w, const char *table) {
  return attns_sql_db_error(w->db, table, w->error);
}

/* --------------------------------------------------------------------- tensors */

static int prepare(attns_writer *w) {
  if (!w->piece) w->piece = sqlite3_malloc64(PIECE);
  if (!w->piece) return SQLITE_NOMEM;
  if (w->insert) return SQLITE_OK;
  return attns_prepare(
      w->db, &w->insert, w->error,
      "INSERT INTO \"%w\".attn_tensor(model, name, part, dtype, shape, data)"
      " VALUES(?, ?, ?, ?, ?, ?)",
      w->schema);
}

/* Inserts a row for n bytes of a tensor and opens its blob. */
static int insert_part(attns_writer *w, const attns_writer_tensor *t, const char *shape,
                       int part, uint64_t n) {
  sqlite3_stmt *s = w->insert;
  sqlite3_bind_text(s, 1, w->name, -1, SQLITE_STATIC);
  sqlite3_bind_text(s, 2, t->name, -1, SQLITE_STATIC);
  sqlite3_bind_int(s, 3, part);
  sqlite3_bind_text(s, 4, t->dtype, -1, SQLITE_STATIC);
  sqlite3_bind_text(s, 5, shape, -1, SQLITE_STATIC);
  sqlite3_bind_zeroblob64(s, 6, n);
  sqlite3_step(s);
  if (sqlite3_reset(s) != SQLITE_OK) return db_error(w, "attn_tensor");
  sqlite3_int64 rowid = sqlite3_last_insert_rowid(w->db);
  int rc = w->blob ? sqlite3_blob_reopen(w->blob, rowid)
                   : sqlite3_blob_open(w->db, w->schema, "attn_tensor", "data", rowid, 1,
                                       &w->blob);
  return rc == SQLITE_OK ? rc : db_error(w, "attn_tensor");
}

/* Copies n bytes from `offset` on to the open blob. */
static int copy_bytes(attns_writer *w, const attns_writer_tensor *t, uint64_t offset,
                      uint64_t n, attn_sha256 *hash) {
  for (uint64_t at = 0; at < n; at += PIECE) {
    size_t take = n - at < PIECE ? (size_t)(n - at) : PIECE;
    if (attns_interrupted(w->db)) return SQLITE_INTERRUPT;
    int rc = t->read(t->ctx, offset + at, take, w->piece, w->error);
    if (rc != SQLITE_OK) return rc;
    attn_sha256_update(hash, w->piece, take);
    rc = sqlite3_blob_write(w->blob, w->piece, (int)take, (int)at);
    if (rc != SQLITE_OK) return db_error(w, "attn_tensor");
  }
  return SQLITE_OK;
}

static char *shape_text(const attns_writer_tensor *t) {
  sqlite3_str *s = sqlite3_str_new(NULL);
  sqlite3_str_appendchar(s, 1, '[');
  for (int i = 0; i < t->n_dim; i++) {
    sqlite3_str_appendf(s, "%s%lld", i ? "," : "", t->dim[i]);
  }
  sqlite3_str_appendchar(s, 1, ']');
  return sqlite3_str_finish(s);
}

static int add_written(attns_writer *w, const attns_writer_tensor *t, written **out) {
  if (w->n_tensor == w->n_alloc) {
    size_t n = 2 * w->n_alloc + 16;
    written *list = sqlite3_realloc64(w->tensor, n * sizeof *list);
    if (!list) return SQLITE_NOMEM;
    w->tensor = list;
    w->n_alloc = n;
  }
  written *t_new = *out = &w->tensor[w->n_tensor++];
  memset(t_new, 0, sizeof *t_new);
  t_new->dtype = attn_dtype_find(t->dtype)->name;
  t_new->name = sqlite3_mprintf("%s", t->name);
  t_new->shape = shape_text(t);
  return t_new->name && t_new->shape ? SQLITE_OK : SQLITE_NOMEM;
}

int attns_writer_tensor_add(attns_writer *w, const attns_writer_tensor *t) {
  /* A row has to stay below the limit with its other columns. */
  uint64_t max = (uint64_t)sqlite3_limit(w->db, SQLITE_LIMIT_LENGTH, -1);
  uint64_t step = max > 8192 ? max - 4096 : max / 2 + 1;
  attn_sha256 hash;
  written *to = NULL;
  int rc = prepare(w), part = 0;
  if (rc == SQLITE_OK) rc = add_written(w, t, &to);
  attn_sha256_init(&hash);
  for (uint64_t at = 0; rc == SQLITE_OK && (at < t->n_byte || part == 0); at += step) {
    uint64_t take = t->n_byte - at < step ? t->n_byte - at : step;
    rc = insert_part(w, t, to->shape, part++, take);
    if (rc == SQLITE_OK) rc = copy_bytes(w, t, at, take, &hash);
  }
  if (rc == SQLITE_OK) attn_sha256_final(&hash, to->hash);
  return rc;
}

/* Lets go of the statement and the blob, whose errors are those of the last write. */
static int end_tensors(attns_writer *w) {
  sqlite3_finalize(w->insert);
  int rc = sqlite3_blob_close(w->blob);
  w->insert = NULL;
  w->blob = NULL;
  return rc;
}

/* ----------------------------------------------------------------------- the rest */

static int write_parts(attns_writer *w, const attns_parts *parts) {
  sqlite3_stmt *s;
  int rc = attns_prepare(w->db, &s, w->error,
                         "INSERT INTO \"%w\".attn_tokenizer(model, part, data)"
                         " VALUES(%Q, ?, ?)",
                         w->schema, w->name);
  for (int i = 0; rc == SQLITE_OK && i < ATTNS_N_PART; i++) {
    if (!parts->data[i]) continue;
    sqlite3_bind_text(s, 1, attns_part_names[i], -1, SQLITE_STATIC);
    sqlite3_bind_blob64(s, 2, parts->data[i], (sqlite3_uint64)parts->n[i], SQLITE_STATIC);
    sqlite3_step(s);
    rc = sqlite3_reset(s);
    if (rc != SQLITE_OK) rc = db_error(w, "attn_tokenizer");
  }
  sqlite3_finalize(s);
  return rc;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const written *)a)->name, ((const written *)b)->name);
}

static void hash_text(attn_sha256 *hash, const char *text) {
  attn_sha256_update(hash, text, strlen(text) + 1); /* the NUL keeps texts apart */
}

static void hash_model(attns_writer *w, const attns_writer_model *m, char hex[65]) {
  attn_sha256 hash;
  attn_sort(w->tensor, w->n_tensor, sizeof *w->tensor, by_name);
  attn_sha256_init(&hash);
  hash_text(&hash, m->config);
  for (int i = 0; i < ATTNS_N_PART; i++) {
    if (m->parts->data[i]) {
      attn_sha256_update(&hash, m->parts->data[i], (size_t)m->parts->n[i]);
    }
  }
  for (size_t i = 0; i < w->n_tensor; i++) {
    hash_text(&hash, w->tensor[i].name);
    hash_text(&hash, w->tensor[i].dtype);
    hash_text(&hash, w->tensor[i].shape);
    hash_text(&hash, w->tensor[i].hash);
  }
  attn_sha256_final(&hash, hex);
}

int attns_writer_finish(attns_writer *w, const attns_writer_model *m) {
  char hex[65];
  sqlite3_stmt *s;
  int rc = end_tensors(w);
  if (rc == SQLITE_OK) rc = write_parts(w, m->parts);
  if (rc != SQLITE_OK) return rc;
  hash_model(w, m, hex);
  rc =
      attns_prepare(w->db, &s, w->error,
                    "INSERT INTO \"%w\".attn_model"
                    "(name, sha256, architecture, dimension, max_length, license, config)"
                    " VALUES(%Q, %Q, %Q, %u, %u, %Q, ?)",
                    w->schema, w->name, hex, m->info->architecture, m->info->dimension,
                    m->info->max_length, m->license);
  if (rc != SQLITE_OK) return rc;
  /* Bound, as it may be longer than SQLite lets a statement be. */
  sqlite3_bind_text(s, 1, m->config, -1, SQLITE_STATIC);
  sqlite3_step(s);
  if (sqlite3_finalize(s) != SQLITE_OK) return db_error(w, "attn_model");
  if (strcmp(m->info->architecture, "tokenizer") == 0) return SQLITE_OK;
  /* The first model of a database is its default. */
  return attns_exec(w->db, w->error,
                    "INSERT OR IGNORE INTO \"%w\".attn_setting(name, value)"
                    " VALUES('default', %Q)",
                    w->schema, w->name);
}

int attns_writer_close(attns_writer *w) {
  int rc = end_tensors(w);
  for (size_t i = 0; i < w->n_tensor; i++) {
    sqlite3_free(w->tensor[i].name);
    sqlite3_free(w->tensor[i].shape);
  }
  sqlite3_free(w->tensor);
  sqlite3_free(w->piece);
  memset(w, 0, sizeof *w);
  return rc;
}
