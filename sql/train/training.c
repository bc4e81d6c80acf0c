/*
** training.c - the tables that keep an interrupted training.
*/
#include "training.h"
#include <string.h>

enum { PIECE = 1 << 18 }; /* floats of a row */

static const char *const schema_sql[] = {
    "CREATE TABLE IF NOT EXISTS \"%w\".attn_training("
    "  model TEXT PRIMARY KEY NOT NULL,"
    "  options TEXT NOT NULL,"
    "  corpus TEXT NOT NULL,"
    "  step INTEGER NOT NULL,"
    "  steps INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS \"%w\".attn_training_state("
    "  model TEXT NOT NULL,"
    "  block TEXT NOT NULL,"
    "  part INTEGER NOT NULL,"
    "  data BLOB NOT NULL,"
    "  UNIQUE(model, block, part))",
};

static int exists(const attns_training *run, char **error, int *out) {
  int rc = sqlite3_table_column_metadata(run->db, run->schema, "attn_training", NULL,
                                         NULL, NULL, NULL, NULL, NULL);
  *out = rc == SQLITE_OK;
  return rc == SQLITE_OK || rc == SQLITE_ERROR
             ? SQLITE_OK
             : attns_sql_db_error(run->db, "attn_training", error);
}

/* To and from the byte order of the tables, which nearly all machines have. */
static void swap_where_big(float *x, size_t n) {
  if (memcmp(&(float){1}, "\0\0\200\077", 4) == 0) return;
  for (size_t i = 0; i < n; i++) {
    unsigned char b[4], r[4];
    memcpy(b, &x[i], 4);
    for (int k = 0; k < 4; k++) r[k] = b[3 - k];
    memcpy(&x[i], r, 4);
  }
}

/* --------------------------------------------------------------------- resuming */

/* Names the first option that is not what it was. */
static int other_options(const attns_training *run, const char *before, char **error) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(run->db, &stmt, error,
                         "SELECT a.key, a.atom, b.atom FROM json_each(?1) a"
                         " LEFT JOIN json_each(?2) b USING (key)"
                         " WHERE a.atom IS NOT b.atom LIMIT 1");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, run->options, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, before, -1, SQLITE_STATIC);
  rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    const char *was = (const char *)sqlite3_column_text(stmt, 2);
    rc = attns_sql_fail(
        error, SQLITE_ERROR,
        "attn_train: training of \"%s\" was interrupted with %s %s, which is "
        "%s now; go on with the same options, or with {\"restart\": true} "
        "from the beginning",
        run->name, sqlite3_column_text(stmt, 0), was ? was : "unknown",
        sqlite3_column_text(stmt, 1));
  } else {
    rc = rc == SQLITE_DONE ? SQLITE_OK
                           : attns_sql_db_error(run->db, "attn_training", error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

static int damaged(const attns_training *run, char **error) {
  return attns_sql_fail(error, SQLITE_CORRUPT_VTAB,
                        "attn_train: what is kept of the training of \"%s\" is damaged; "
                        "begin it anew with {\"restart\": true}",
                        run->name);
}

static int read_block(const attns_training *run, const attn_train_block *block,
                      char **error) {
  sqlite3_stmt *stmt;
  uint64_t at = 0;
  int rc = attns_prepare(run->db, &stmt, error,
                         "SELECT part, data FROM \"%w\".attn_training_state"
                         " WHERE model = %Q AND block = %Q ORDER BY part",
                         run->schema, run->name, block->name);
  if (rc != SQLITE_OK) return rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const void *data = sqlite3_column_blob(stmt, 1);
    size_t n = block->n - at < PIECE ? (size_t)(block->n - at) : PIECE;
    if (sqlite3_column_int64(stmt, 0) != (sqlite3_int64)(at / PIECE) || n == 0 ||
        (size_t)sqlite3_column_bytes(stmt, 1) != n * sizeof(float)) {
      rc = damaged(run, error);
      break;
    }
    if (!data) {
      rc = SQLITE_NOMEM;
      break;
    }
    memcpy(block->data + at, data, n * sizeof(float));
    swap_where_big(block->data + at, n);
    at += n;
  }
  if (rc == SQLITE_DONE) {
    rc = at == block->n ? SQLITE_OK : damaged(run, error);
  } else if (!*error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(run->db, "attn_training_state", error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

/* The row (options, corpus, step) that the statement stands on. */
static int resume_row(const attns_training *run, sqlite3_stmt *stmt,
                      attn_trainer *trainer, char **error) {
  attn_train_block block[ATTN_TRAIN_BLOCKS];
  attn_error err = {0};
  const char *options = (const char *)sqlite3_column_text(stmt, 0);
  const char *corpus = (const char *)sqlite3_column_text(stmt, 1);
  if (!options || !corpus) return SQLITE_NOMEM;
  if (strcmp(options, run->options) != 0) {
    int rc = other_options(run, options, error);
    return rc == SQLITE_OK ? damaged(run, error) : rc;
  }
  if (strcmp(corpus, run->corpus) != 0) {
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "attn_train: the texts have changed since the training of \"%s\" "
        "was interrupted; go on with the same texts in the same order, or "
        "with {\"restart\": true} from the beginning",
        run->name);
  }
  sqlite3_int64 step = sqlite3_column_int64(stmt, 2);
  int rc = SQLITE_OK, n = attn_trainer_blocks(trainer, block);
  for (int i = 0; rc == SQLITE_OK && i < n; i++) rc = read_block(run, &block[i], error);
  if (rc != SQLITE_OK) return rc;
  attn_status status =
      attn_trainer_seek(trainer, step < 0 ? UINT64_MAX : (uint64_t)step, &err);
  return status == ATTN_INVALID ? damaged(run, error)
                                : attns_sql_status(status, &err, error);
}

int attns_training_resume(const attns_training *run, attn_trainer *trainer,
                          char **error) {
  sqlite3_stmt *stmt;
  int there;
  int rc = exists(run, error, &there);
  if (rc != SQLITE_OK || !there) return rc;
  rc = attns_prepare(
      run->db, &stmt, error,
      "SELECT options, corpus, step FROM \"%w\".attn_training WHERE model = %Q",
      run->schema, run->name);
  if (rc != SQLITE_OK) return rc;
  rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    rc = resume_row(run, stmt, trainer, error);
  } else {
    rc = rc == SQLITE_DONE ? SQLITE_OK
                           : attns_sql_db_error(run->db, "attn_training", error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

/* ---------------------------------------------------------------------- keeping */

static int write_block(const attns_training *run, sqlite3_stmt *stmt,
                       const attn_train_block *block, float *piece, char **error) {
  for (uint64_t at = 0; at < block->n; at += PIECE) {
    size_t n = block->n - at < PIECE ? (size_t)(block->n - at) : PIECE;
    memcpy(piece, block->data + at, n * sizeof *piece);
    swap_where_big(piece, n);
    sqlite3_bind_text(stmt, 1, block->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (sqlite3_int64)(at / PIECE));
    sqlite3_bind_blob64(stmt, 3, piece, n * sizeof *piece, SQLITE_STATIC);
    sqlite3_step(stmt);
    if (sqlite3_reset(stmt) != SQLITE_OK) {
      return attns_sql_db_error(run->db, "attn_training_state", error);
    }
  }
  return SQLITE_OK;
}

static int write_state(const attns_training *run, attn_trainer *trainer, char **error) {
  attn_train_block block[ATTN_TRAIN_BLOCKS];
  sqlite3_stmt *stmt = NULL;
  int n = attn_trainer_blocks(trainer, block);
  float *piece = sqlite3_malloc64(PIECE * sizeof *piece);
  int rc = piece ? attns_prepare(run->db, &stmt, error,
                                 "INSERT OR REPLACE INTO \"%w\".attn_training_state"
                                 "(model, block, part, data) VALUES(%Q, ?, ?, ?)",
                                 run->schema, run->name)
                 : SQLITE_NOMEM;
  for (int i = 0; rc == SQLITE_OK && i < n; i++) {
    rc = write_block(run, stmt, &block[i], piece, error);
  }
  sqlite3_finalize(stmt);
  sqlite3_free(piece);
  return rc;
}

static int save(const attns_training *run, attn_trainer *trainer, uint64_t step,
                uint64_t n_step, attns_change *change, char **error) {
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof schema_sql / sizeof *schema_sql; i++) {
    rc = attns_exec(run->db, error, schema_sql[i], run->schema);
  }
  if (rc == SQLITE_OK) rc = attns_change_ready(run->db, change, error);
  if (rc == SQLITE_OK) rc = write_state(run, trainer, error);
  if (rc != SQLITE_OK) return rc;
  return attns_exec(
      run->db, error,
      "INSERT OR REPLACE INTO \"%w\".attn_training"
      "(model, options, corpus, step, steps) VALUES(%Q, %Q, %Q, %lld, %lld)",
      run->schema, run->name, run->options, run->corpus, (sqlite3_int64)step,
      (sqlite3_int64)n_step);
}

int attns_training_save(const attns_training *run, attn_trainer *trainer, uint64_t step,
                        uint64_t n_step, char **error) {
  attns_change change = {0};
  int rc = attns_begin(run->db, error);
  if (rc != SQLITE_OK) return rc;
  return attns_end(run->db, &change, save(run, trainer, step, n_step, &change, error),
                   error);
}

int attns_training_forget(const attns_training *run, char **error) {
  int there;
  int rc = exists(run, error, &there);
  if (rc != SQLITE_OK || !there) return rc;
  rc = attns_exec(run->db, error, "DELETE FROM \"%w\".attn_training WHERE model = %Q",
                  run->schema, run->name);
  if (rc != SQLITE_OK) return rc;
  return attns_exec(run->db, error,
                    "DELETE FROM \"%w\".attn_training_state WHERE model = %Q",
                    run->schema, run->name);
}
