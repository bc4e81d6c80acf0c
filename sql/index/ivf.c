/*
** ivf.c - the inverted file: lists of chunks, for tables of millions.
**
** 'optimize' places centers among the vectors by k-means over a sample, as many as the
** square root of the rows (or as the setting `lists` says), and writes every vector
** anew into chunks of the list whose center is nearest to it.  From then on each vector
** that comes goes to its nearest list, and a search scans the nearest lists alone
** (query.c).  The codes of a list are of the differences to its center, and therefore
** sharper than those of a table without lists.
*/
#include "index.h"
#include <math.h>
#include <string.h>

enum {
  LEAST_ROWS = 1000000, /* for lists that nobody asked for */
  SAMPLE = 40           /* vectors a list for k-means */
};

void attnx_ivf_free(attnx_index *index) {
  attn_ivf_free(index->lists);
  index->lists = NULL;
  index->list_stamp = 0;
}

/* ------------------------------------------------------------------ in the database */

static int read_centers(attnx_index *index, float **center, uint32_t *n) {
  sqlite3_stmt *stmt;
  size_t n_byte = index->dimension * sizeof(float);
  uint32_t n_alloc = 0;
  int rc = attnx_storage_statement(index, ATTNX_LIST_ALL, &stmt);
  if (rc != SQLITE_OK) return rc;
  while ((rc = attnx_storage_step(index, stmt)) == SQLITE_ROW) {
    const void *data = sqlite3_column_blob(stmt, 1);
    if (!data || sqlite3_column_int64(stmt, 0) != *n || *n >= ATTN_MAX_IVF_LISTS ||
        (size_t)sqlite3_column_bytes(stmt, 1) != n_byte) {
      rc = attnx_index_corrupt(index, "%s_lists: list %u is no center of %u numbers",
                               index->config.table, *n, index->dimension);
      break;
    }
    if (*n == n_alloc) {
      n_alloc = 2 * n_alloc + 64;
      float *p = sqlite3_realloc64(*center, n_alloc * n_byte);
      if (!p) {
        rc = SQLITE_NOMEM;
        break;
      }
      *center = p;
    }
    memcpy(*center + (size_t)(*n)++ * index->dimension, data, n_byte);
  }
  sqlite3_reset(stmt);
  return rc;
}

int attnx_ivf_load(attnx_index *index, sqlite3_int64 stamp) {
  float *center = NULL;
  uint32_t n = 0;
  attn_error err = {""};
  if (stamp == index->list_stamp) return SQLITE_OK;
  attnx_ivf_free(index);
  if (!stamp) return SQLITE_OK;
  int rc = read_centers(index, &center, &n);
  if (rc == SQLITE_OK) {
    attn_status status = attn_ivf_new(index->config.metric, index->dimension, n, center,
                                      &err, &index->lists);
    if (status == ATTN_NOMEM) {
      rc = SQLITE_NOMEM;
    } else if (status != ATTN_OK) {
      rc = attnx_index_corrupt(index, "%s_lists: %s", index->config.table, err.message);
    }
  }
  if (rc == SQLITE_OK) index->list_stamp = stamp;
  sqlite3_free(center);
  return rc;
}

int attnx_ivf_drop(attnx_index *index) {
  attnx_ivf_free(index);
  attnx_storage_changed(index, 0);
  return attnx_storage_exec(index, "DELETE FROM $lists;"
                                   "DELETE FROM $config WHERE key = 'list_stamp'");
}

static int store(attnx_index *index, const float *center, uint32_t n) {
  sqlite3_stmt *stmt;
  sqlite3_uint64 hash = attnx_hash_floats(attnx_hash(index->dimension, n), center,
                                          (size_t)n * index->dimension);
  sqlite3_int64 stamp = hash ? (sqlite3_int64)hash : 1;
  int rc = attnx_storage_statement(index, ATTNX_LIST_PUT, &stmt);
  for (uint32_t i = 0; rc == SQLITE_OK && i < n; i++) {
    rc = sqlite3_bind_int64(stmt, 1, i);
    if (rc == SQLITE_OK) {
      rc = sqlite3_bind_blob64(stmt, 2, center + (size_t)i * index->dimension,
                               index->dimension * sizeof *center, SQLITE_STATIC);
    }
    if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  }
  if (stmt) sqlite3_clear_bindings(stmt);
  if (rc == SQLITE_OK) rc = attnx_storage_set_int(index, "list_stamp", stamp);
  return rc == SQLITE_OK ? attnx_ivf_load(index, stamp) : rc;
}

/* ------------------------------------------------------------------------- training */

/* How many lists the table should have. */
static uint32_t count_lists(const attnx_index *index) {
  sqlite3_uint64 n_live = index->directory.n_live, n = 0;
  if (index->n_list >= 0) {
    n = (sqlite3_uint64)index->n_list;
  } else if (n_live >= LEAST_ROWS && !index->exact) {
    n = (sqlite3_uint64)sqrt((double)n_live);
  }
  if (n > n_live) n = n_live;
  return n > ATTN_MAX_IVF_LISTS ? ATTN_MAX_IVF_LISTS : (uint32_t)n;
}

/* n vectors at equal distances in the order of their places. */
static int read_sample(attnx_index *index, size_t n, float *x) {
  const attnx_directory *dir = &index->directory;
  sqlite3_blob *codes_blob = NULL, *blob = NULL;
  sqlite3_uint64 n_scanned = 0, n_taken = 0;
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < dir->n; i++) {
    const attnx_chunk_entry *entry = &dir->entry[i];
    attnx_codes *codes;
    rc = attnx_chunks_codes(index, entry, &codes_blob, &codes);
    if (rc != SQLITE_OK) break;
    const uint64_t *live = attn_chunk_live(attnx_codes_data(codes));
    for (uint32_t slot = 0; rc == SQLITE_OK && slot < entry->n_slot; slot++) {
      if (!(live[slot / 64] >> slot % 64 & 1)) continue;
      if (n_scanned++ * n / dir->n_live < n_taken) continue;
      rc = attnx_chunks_vector(index, entry->id << ATTNX_CHUNK_SHIFT | slot, &blob,
                               x + n_taken++ * index->dimension);
    }
    attnx_codes_release(codes);
  }
  sqlite3_blob_close(codes_blob);
  sqlite3_blob_close(blob);
  return rc;
}

int attnx_ivf_train(attnx_index *index) {
  size_t d = index->dimension, n_list = count_lists(index), n = n_list * SAMPLE;
  attn_error err = {""};
  int rc = attnx_ivf_drop(index);
  if (rc != SQLITE_OK || n_list == 0) return rc;
  if (n > index->directory.n_live) n = (size_t)index->directory.n_live;
  sqlite3_uint64 n_byte = (n + n_list) * d * sizeof(float);
  rc = attns_sql_status(attn_limit_call(n_byte, &err), &err, &index->base.zErrMsg);
  if (rc != SQLITE_OK) return rc;
  float *x = sqlite3_malloc64(n_byte);
  if (!x) return SQLITE_NOMEM;
  float *center = x + n * d;
  attn_kmeans_options options = {
      .metric = index->config.metric,
      .d = index->dimension,
      .n_list = (uint32_t)n_list,
      .seed = n_list,
      .stop = attns_interrupted,
      .ctx = index->db,
  };
  rc = read_sample(index, n, x);
  if (rc == SQLITE_OK) {
    rc = attns_sql_status(attn_kmeans(&options, x, n, &err, center), &err,
                          &index->base.zErrMsg);
  }
  if (rc == SQLITE_OK) rc = store(index, center, (uint32_t)n_list);
  sqlite3_free(x);
  return rc;
}

int attnx_ivf_list_of(attnx_index *index, const float *vector, uint32_t *list) {
  attn_error err = {""};
  *list = ATTNX_NO_LIST;
  if (!index->lists) return SQLITE_OK;
  return attns_sql_status(attn_ivf_nearest(index->lists, vector, 1, &err, list), &err,
                          &index->base.zErrMsg);
}
