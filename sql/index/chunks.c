/*
** chunks.c - where the vectors are: the directory of chunks, their codes, free slots.
**
** A table begins with a chunk of 64 slots, and each further one has as many as there
** are vectors already, up to 1024 (fewer where they would take more than 2 MB): small
** tables stay small.  The codes of a chunk are of the differences to a center, the
** mean of the chunk before it; all from the first of the largest size on share its
** center, which makes them faster to scan.  In a table with lists (ivf.c) each chunk is
** of one list and has its center, and a vector goes to a chunk of the nearest list.
**
** Changes are made in memory, in a private copy of the codes ("open"), and written
** together: when a savepoint begins, before a query, when they take much memory, or
** at the end of the transaction.  New rows go to free slots first.  Rows of _vectors
** without a live slot are deleted, and so is a chunk without one (flush.c).
*/
#include "chunks.h"
#include <string.h>

#define OPEN_LIMIT ((sqlite3_uint64)16 << 20)
#define MAX_CHUNK  ((sqlite3_int64)1 << 40)

int attnx_popcount(const uint64_t *bits, uint32_t n_bit) {
  int n = 0;
  for (uint32_t i = 0; i < n_bit / 64; i++) n += __builtin_popcountll(bits[i]);
  return n;
}

uint32_t attnx_chunks_largest(uint32_t d) {
  uint32_t n = ATTNX_CHUNK_SLOTS;
  while (n > 64 && (uint64_t)n * d * sizeof(float) > (uint64_t)2 << 20) n /= 2;
  return n;
}

attn_chunk_shape attnx_chunks_shape(const attnx_index *index, uint32_t n_slot) {
  return (attn_chunk_shape){index->config.metric, index->dimension, n_slot};
}

static sqlite3_uint64 codes_size(const attnx_index *index, uint32_t n_slot) {
  attn_chunk_shape shape = attnx_chunks_shape(index, n_slot);
  return attn_chunk_size(&shape);
}

/* -------------------------------------------------------------------- directory */

static attnx_chunk_entry *append_entry(attnx_directory *dir) {
  if (dir->n == dir->n_alloc) {
    size_t n = 2 * dir->n_alloc + 16;
    attnx_chunk_entry *entry = sqlite3_realloc64(dir->entry, n * sizeof *entry);
    if (!entry) return NULL;
    dir->entry = entry;
    dir->n_alloc = n;
  }
  attnx_chunk_entry *entry = &dir->entry[dir->n++];
  memset(entry, 0, sizeof *entry);
  return entry;
}

int attnx_chunks_link(attnx_index *index) {
  attnx_directory *dir = &index->directory;
  uint32_t n_list = index->lists ? attn_ivf_count(index->lists) : 0;
  sqlite3_free(dir->first_of_list);
  dir->first_of_list = NULL;
  if (!n_list) return SQLITE_OK;
  dir->first_of_list = sqlite3_malloc64(n_list * sizeof *dir->first_of_list);
  if (!dir->first_of_list) return SQLITE_NOMEM;
  for (uint32_t i = 0; i < n_list; i++) dir->first_of_list[i] = ATTNX_NO_CHUNK;
  for (size_t i = dir->n; i-- > dir->n_old;) {
    size_t *first = &dir->first_of_list[dir->entry[i].list];
    dir->entry[i].next = *first;
    *first = i;
  }
  return SQLITE_OK;
}

static int load_entry(attnx_index *index, sqlite3_stmt *stmt) {
  attnx_directory *dir = &index->directory;
  sqlite3_int64 id = sqlite3_column_int64(stmt, 0),
                last = dir->n ? dir->entry[dir->n - 1].id : 0;
  sqlite3_int64 n_slot = sqlite3_column_int64(stmt, 1),
                n_live = sqlite3_column_int64(stmt, 2);
  sqlite3_int64 n_list = index->lists ? attn_ivf_count(index->lists) : 0;
  sqlite3_int64 list = sqlite3_column_int64(stmt, 4);
  int has_list = sqlite3_column_type(stmt, 4) != SQLITE_NULL;
  if (has_list != (n_list > 0) || list < 0 || (has_list && list >= n_list)) {
    return attnx_index_corrupt(index, "%s_chunks: chunk %lld is of list %lld of %lld",
                               index->config.table, id, list, n_list);
  }
  if (id <= last || id >= MAX_CHUNK || n_slot < 64 || n_slot > ATTNX_CHUNK_SLOTS ||
      n_slot % 64 || n_live < 1 || n_live > n_slot) {
    return attnx_index_corrupt(index,
                               "%s_chunks: chunk %lld has %lld of %lld slots in use",
                               index->config.table, id, n_live, n_slot);
  }
  attnx_chunk_entry *entry = append_entry(dir);
  if (!entry) return SQLITE_NOMEM;
  entry->id = id;
  entry->n_slot = (uint32_t)n_slot;
  entry->n_live = (uint32_t)n_live;
  entry->stamp = sqlite3_column_int64(stmt, 3);
  entry->list = has_list ? (uint32_t)list : ATTNX_NO_LIST;
  dir->n_live += entry->n_live;
  return SQLITE_OK;
}

int attnx_chunks_load(attnx_index *index) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, ATTNX_CHUNK_ALL, &stmt);
  if (rc != SQLITE_OK) return rc;
  while ((rc = attnx_storage_step(index, stmt)) == SQLITE_ROW) {
    rc = load_entry(index, stmt);
    if (rc != SQLITE_OK) break;
  }
  sqlite3_reset(stmt);
  return rc == SQLITE_OK ? attnx_chunks_link(index) : rc;
}

void attnx_chunks_close(attnx_directory *dir, attnx_chunk_entry *entry) {
  attnx_open_chunk *open = entry->open;
  if (!open) return;
  attnx_codes_release(open->codes);
  for (int p = 0; p < N_PART; p++) {
    if (!open->part[p]) continue;
    memcpy(open->part[p], &dir->spare, sizeof dir->spare);
    dir->spare = open->part[p];
  }
  sqlite3_free(open);
  entry->open = NULL;
  dir->open_bytes = 0; /* all are closed together */
}

void attnx_chunks_rest(attnx_index *index) {
  attnx_directory *dir = &index->directory;
  while (dir->spare) {
    void *next;
    memcpy(&next, dir->spare, sizeof next);
    sqlite3_free(dir->spare);
    dir->spare = next;
  }
}

void attnx_chunks_free(attnx_index *index) {
  attnx_directory *dir = &index->directory;
  for (size_t i = 0; i < dir->n; i++) attnx_chunks_close(dir, &dir->entry[i]);
  attnx_chunks_rest(index);
  sqlite3_free(dir->entry);
  sqlite3_free(dir->center);
  sqlite3_free(dir->first_of_list);
  memset(dir, 0, sizeof *dir);
}

/* The entry of a place; SQLITE_CORRUPT_VTAB if there is no such place. */
static int find_place(attnx_index *index, sqlite3_int64 place, attnx_chunk_entry **out,
                      uint32_t *slot) {
  attnx_directory *dir = &index->directory;
  sqlite3_int64 id = place >> ATTNX_CHUNK_SHIFT;
  size_t begin = 0, end = dir->n;
  while (begin < end) {
    size_t middle = (begin + end) / 2;
    if (dir->entry[middle].id < id) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  *slot = (uint32_t)(place & (ATTNX_CHUNK_SLOTS - 1));
  if (begin == dir->n || dir->entry[begin].id != id ||
      *slot >= dir->entry[begin].n_slot) {
    return attnx_index_corrupt(index, "%s: there is no place %lld", index->config.table,
                               place);
  }
  *out = &dir->entry[begin];
  return SQLITE_OK;
}

/* ------------------------------------------------------------------------ blobs */

int attnx_chunks_open_blob(attnx_index *index, const char *table, sqlite3_int64 id,
                           int flags, sqlite3_blob **blob) {
  int rc = *blob ? sqlite3_blob_reopen(*blob, id) : SQLITE_ABORT;
  if (rc == SQLITE_OK) return rc;
  sqlite3_blob_close(*blob);
  *blob = NULL;
  char *name = sqlite3_mprintf("%s_%s", index->config.table, table);
  if (!name) return SQLITE_NOMEM;
  /* The handle is spent when its row was written since. */
  if ((rc & 0xff) == SQLITE_ABORT) {
    rc =
        sqlite3_blob_open(index->db, index->config.schema, name, "data", id, flags, blob);
  }
  if (rc == SQLITE_ERROR) {
    rc = attnx_index_corrupt(index, "%s: %s: %lld", name, sqlite3_errmsg(index->db), id);
  } else if (rc != SQLITE_OK) {
    rc = attnx_index_db_error(index);
  }
  sqlite3_free(name);
  return rc;
}

static int read_blob(attnx_index *index, sqlite3_blob *blob, void *to, uint64_t n,
                     uint64_t offset) {
  int rc = sqlite3_blob_read(blob, to, (int)n, (int)offset);
  return rc == SQLITE_OK ? rc : attnx_index_db_error(index);
}

/* ---------------------------------------------------------------------- reading */

/* Checks n bytes as they were stored, and unpacks them. */
static int receive_codes(attnx_index *index, const attnx_chunk_entry *entry,
                         attnx_codes *codes, sqlite3_uint64 n) {
  attn_chunk_shape shape = attnx_chunks_shape(index, entry->n_slot);
  attn_error err = {""};
  void *data = attnx_codes_data(codes);
  if (attn_chunk_receive(&shape, data, n, &err) != ATTN_OK) {
    return attnx_index_corrupt(index, "%s_codes: chunk %lld: %s", index->config.table,
                               entry->id, err.message);
  }
  int n_live = attnx_popcount(attn_chunk_live(data), entry->n_slot);
  if ((uint32_t)n_live == entry->n_live) return SQLITE_OK;
  return attnx_index_corrupt(index,
                             "%s_codes: chunk %lld has %d slots in use; expected %u",
                             index->config.table, entry->id, n_live, entry->n_live);
}

/* Reads and checks the codes of a chunk into new memory. */
int attnx_chunks_read(attnx_index *index, const attnx_chunk_entry *entry,
                      sqlite3_blob **blob, attnx_codes **out) {
  sqlite3_uint64 n = codes_size(index, entry->n_slot);
  *out = NULL;
  int rc = attnx_chunks_open_blob(index, "codes", entry->id, 0, blob);
  if (rc != SQLITE_OK) return rc;
  sqlite3_uint64 n_stored = (sqlite3_uint64)sqlite3_blob_bytes(*blob);
  if (n_stored > n) {
    return attnx_index_corrupt(
        index, "%s_codes: chunk %lld has %lld bytes; expected up to %lld",
        index->config.table, entry->id, (sqlite3_int64)n_stored, (sqlite3_int64)n);
  }
  *out = attnx_codes_new(n);
  if (!*out) return SQLITE_NOMEM;
  rc = read_blob(index, *blob, attnx_codes_data(*out), n_stored, 0);
  if (rc == SQLITE_OK) rc = receive_codes(index, entry, *out, n_stored);
  if (rc != SQLITE_OK) {
    attnx_codes_release(*out);
    *out = NULL;
  }
  return rc;
}

int attnx_chunks_codes(attnx_index *index, const attnx_chunk_entry *entry,
                       sqlite3_blob **blob, attnx_codes **out) {
  *out = attnx_code_cache_get(entry->stamp, codes_size(index, entry->n_slot));
  if (*out) return SQLITE_OK;
  int rc = attnx_chunks_read(index, entry, blob, out);
  if (rc == SQLITE_OK) attnx_code_cache_put(entry->stamp, *out);
  return rc;
}

/* Where the vector of a slot that was put is in memory. */
static float *put_vector(const attnx_index *index, const attnx_open_chunk *open,
                         uint32_t slot) {
  return open->part[slot / ATTNX_PART_SLOTS] +
         (size_t)(slot % ATTNX_PART_SLOTS) * index->dimension;
}

int attnx_chunks_vector(attnx_index *index, sqlite3_int64 place, sqlite3_blob **blob,
                        float *out) {
  attnx_chunk_entry *entry;
  uint32_t slot;
  uint64_t n = index->dimension * sizeof(float);
  int rc = find_place(index, place, &entry, &slot);
  if (rc != SQLITE_OK) return rc;
  if (entry->open && get_bit(entry->open->put, slot)) {
    memcpy(out, put_vector(index, entry->open, slot), n);
    return SQLITE_OK;
  }
  rc = attnx_chunks_open_blob(index, "vectors", place >> ATTNX_PART_SHIFT, 0, blob);
  if (rc != SQLITE_OK) return rc;
  if ((uint64_t)sqlite3_blob_bytes(*blob) != ATTNX_PART_SLOTS * n) {
    return attnx_index_corrupt(index, "%s_vectors: row %lld has %d bytes; expected %lld",
                               index->config.table, place >> ATTNX_PART_SHIFT,
                               sqlite3_blob_bytes(*blob),
                               (sqlite3_int64)(ATTNX_PART_SLOTS * n));
  }
  return read_blob(index, *blob, out, n, (slot % ATTNX_PART_SLOTS) * n);
}

/* ---------------------------------------------------------------- open for writing */

static int open_entry(attnx_index *index, attnx_chunk_entry *entry) {
  sqlite3_uint64 n = codes_size(index, entry->n_slot);
  sqlite3_blob *blob = NULL;
  attnx_codes *codes = NULL;
  if (entry->open) return SQLITE_OK;
  attnx_open_chunk *open = sqlite3_malloc64(sizeof *open);
  if (!open) return SQLITE_NOMEM;
  memset(open, 0, sizeof *open);
  int rc = attnx_chunks_codes(index, entry, &blob, &codes);
  sqlite3_blob_close(blob);
  if (rc == SQLITE_OK) {
    open->codes = attnx_codes_new(n);
    if (!open->codes) rc = SQLITE_NOMEM;
  }
  if (rc == SQLITE_OK) {
    memcpy(attnx_codes_data(open->codes), attnx_codes_data(codes), n);
    memcpy(open->stored, attn_chunk_live(attnx_codes_data(codes)), entry->n_slot / 8);
    entry->open = open;
    index->directory.open_bytes += n;
  } else {
    sqlite3_free(open);
  }
  attnx_codes_release(codes);
  return rc;
}

/* Memory for the part of a slot; flush_part says what is in it besides what was put. */
static int reserve_part(attnx_index *index, attnx_open_chunk *open, uint32_t slot) {
  float **part = &open->part[slot / ATTNX_PART_SLOTS];
  sqlite3_uint64 n = ATTNX_PART_SLOTS * (sqlite3_uint64)index->dimension * sizeof(float);
  void **spare = &index->directory.spare;
  if (*part) return SQLITE_OK;
  if (*spare) {
    *part = *spare;
    memcpy(spare, *part, sizeof *spare);
  } else {
    *part = sqlite3_malloc64(n);
  }
  if (!*part) return SQLITE_NOMEM;
  index->directory.open_bytes += n;
  return SQLITE_OK;
}

/* The mean of the vectors of a chunk. */
static int mean_of(attnx_index *index, const attnx_chunk_entry *entry, float *center) {
  size_t d = index->dimension, n = 0;
  sqlite3_blob *codes_blob = NULL, *blob = NULL;
  attnx_codes *codes = NULL;
  attn_error err = {""};
  float *x = sqlite3_malloc64(entry->n_slot * d * sizeof *x);
  int rc = x ? SQLITE_OK : SQLITE_NOMEM;
  if (rc == SQLITE_OK && !entry->open)
    rc = attnx_chunks_codes(index, entry, &codes_blob, &codes);
  const uint64_t *live = rc != SQLITE_OK ? NULL
                         : codes         ? attn_chunk_live(attnx_codes_data(codes))
                                         : live_slots(entry);
  for (uint32_t slot = 0; rc == SQLITE_OK && slot < entry->n_slot; slot++) {
    if (!get_bit(live, slot)) continue;
    rc = attnx_chunks_vector(index, entry->id << ATTNX_CHUNK_SHIFT | slot, &blob,
                             x + n++ * d);
  }
  sqlite3_blob_close(codes_blob);
  sqlite3_blob_close(blob);
  attnx_codes_release(codes);
  if (rc == SQLITE_OK) {
    rc = attns_sql_status(attn_center(index->config.metric, d, x, n, &err, center), &err,
                          &index->base.zErrMsg);
  }
  sqlite3_free(x);
  return rc;
}

/* Chooses the center of a new chunk; *center: NULL for zero, to be freed. */
static int choose_center(attnx_index *index, uint32_t n_slot, uint32_t list,
                         float **center) {
  attnx_directory *dir = &index->directory;
  sqlite3_uint64 n = index->dimension * sizeof(float);
  const float *known =
      list == ATTNX_NO_LIST ? dir->center : attn_ivf_center(index->lists, list);
  *center = NULL;
  if (dir->n == 0 && !known) return SQLITE_OK;
  *center = sqlite3_malloc64(n);
  if (!*center) return SQLITE_NOMEM;
  if (known) {
    memcpy(*center, known, n);
    return SQLITE_OK;
  }
  int rc = mean_of(index, &dir->entry[dir->n - 1], *center);
  if (rc != SQLITE_OK || n_slot < attnx_chunks_largest(index->dimension)) return rc;
  rc = attnx_storage_set_blob(index, "center", *center, n);
  if (rc != SQLITE_OK) return rc;
  dir->center = sqlite3_malloc64(n);
  if (!dir->center) return SQLITE_NOMEM;
  memcpy(dir->center, *center, n);
  return SQLITE_OK;
}

/* Slots of a new chunk: for what is known to come, else as many as there are vectors, or
** a quarter of those of the list. */
static uint32_t choose_slots(const attnx_index *index, uint32_t list) {
  const attnx_directory *dir = &index->directory;
  uint32_t largest = attnx_chunks_largest(index->dimension), n_slot = 64;
  sqlite3_uint64 n = dir->n_to_come;
  if (n == 0 && list == ATTNX_NO_LIST) {
    while (n_slot < largest && n_slot < dir->n_live) n_slot *= 2;
    return n_slot;
  }
  if (n == 0) {
    for (size_t i = dir->first_of_list[list]; i != ATTNX_NO_CHUNK; i = dir->entry[i].next)
      n += dir->entry[i].n_live / 4;
  }
  while (n_slot < largest && n_slot < n) n_slot += 64;
  return n_slot;
}

static int new_chunk(attnx_index *index, uint32_t list) {
  attnx_directory *dir = &index->directory;
  uint32_t n_slot = choose_slots(index, list);
  float *center = NULL;
  attn_error err = {""};
  int rc = choose_center(index, n_slot, list, &center);
  attnx_open_chunk *open = NULL;
  if (rc == SQLITE_OK) open = sqlite3_malloc64(sizeof *open);
  if (open) {
    memset(open, 0, sizeof *open);
    open->is_new = 1;
    open->codes = attnx_codes_new(codes_size(index, n_slot));
  }
  if (rc == SQLITE_OK && (!open || !open->codes)) rc = SQLITE_NOMEM;
  if (rc == SQLITE_OK) {
    attn_chunk_shape shape = attnx_chunks_shape(index, n_slot);
    rc = attns_sql_status(
        attn_chunk_init(&shape, center, &err, attnx_codes_data(open->codes)), &err,
        &index->base.zErrMsg);
  }
  sqlite3_free(center);
  sqlite3_int64 id = dir->n ? dir->entry[dir->n - 1].id + 1 : 1;
  attnx_chunk_entry *entry = rc == SQLITE_OK ? append_entry(dir) : NULL;
  if (entry) {
    *entry = (attnx_chunk_entry){.id = id, .n_slot = n_slot, .list = list, .open = open};
    if (list != ATTNX_NO_LIST) {
      entry->next = dir->first_of_list[list];
      dir->first_of_list[list] = dir->n - 1;
    }
    dir->open_bytes += codes_size(index, n_slot);
    return SQLITE_OK;
  }
  if (open) attnx_codes_release(open->codes);
  sqlite3_free(open);
  return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
}

/* ---------------------------------------------------------------------- changing */

static int put(attnx_index *index, attnx_chunk_entry *entry, uint32_t slot,
               sqlite3_int64 id, const float *vector) {
  attnx_open_chunk *open = entry->open;
  attn_error err = {""};
  int rc = reserve_part(index, open, slot);
  if (rc != SQLITE_OK) return rc;
  rc = attns_sql_status(
      attn_chunk_put(attnx_codes_data(open->codes), slot, id, vector, &err), &err,
      &index->base.zErrMsg);
  if (rc != SQLITE_OK) return rc;
  memcpy(put_vector(index, open, slot), vector, index->dimension * sizeof *vector);
  set_bit(open->changed, slot);
  set_bit(open->put, slot);
  index->dirty = 1;
  index->n_change++;
  return SQLITE_OK;
}

static int relieve(attnx_index *index) {
  return index->directory.open_bytes > OPEN_LIMIT ? attnx_chunks_flush(index) : SQLITE_OK;
}

static int is_full(const attnx_chunk_entry *entry) {
  return entry->n_live == entry->n_slot;
}

/* An entry with a free slot, of a list if there are lists; dir->n: there is none. */
static size_t find_free(attnx_directory *dir, uint32_t list) {
  if (list == ATTNX_NO_LIST) {
    while (dir->first_free < dir->n && is_full(&dir->entry[dir->first_free]))
      dir->first_free++;
    return dir->first_free;
  }
  size_t i = dir->first_of_list[list];
  while (i != ATTNX_NO_CHUNK && is_full(&dir->entry[i])) i = dir->entry[i].next;
  return i == ATTNX_NO_CHUNK ? dir->n : i;
}

int attnx_chunks_add(attnx_index *index, sqlite3_int64 id, const float *vector,
                     sqlite3_int64 *place) {
  uint32_t list;
  int rc = attnx_ivf_list_of(index, vector, &list);
  return rc == SQLITE_OK ? attnx_chunks_add_to(index, list, id, vector, place) : rc;
}

int attnx_chunks_add_to(attnx_index *index, uint32_t list, sqlite3_int64 id,
                        const float *vector, sqlite3_int64 *place) {
  attnx_directory *dir = &index->directory;
  int rc = relieve(index);
  if (rc != SQLITE_OK) return rc;
  size_t at = find_free(dir, list);
  if (at == dir->n) rc = new_chunk(index, list);
  if (rc != SQLITE_OK) return rc;
  attnx_chunk_entry *entry = &dir->entry[at];
  rc = open_entry(index, entry);
  if (rc != SQLITE_OK) return rc;
  const uint64_t *live = live_slots(entry);
  uint32_t slot = 0;
  while (~live[slot / 64] == 0) slot += 64;
  slot += (uint32_t)__builtin_ctzll(~live[slot / 64]);
  rc = put(index, entry, slot, id, vector);
  if (rc != SQLITE_OK) return rc;
  entry->n_live++;
  dir->n_live++;
  if (dir->n_to_come) dir->n_to_come--;
  *place = entry->id << ATTNX_CHUNK_SHIFT | slot;
  return SQLITE_OK;
}

/* Opens the chunk of a place where row id has its vector. */
static int open_place(attnx_index *index, sqlite3_int64 place, sqlite3_int64 id,
                      attnx_chunk_entry **entry, uint32_t *slot) {
  int rc = relieve(index);
  if (rc == SQLITE_OK) rc = find_place(index, place, entry, slot);
  if (rc == SQLITE_OK) rc = open_entry(index, *entry);
  if (rc != SQLITE_OK) return rc;
  if (get_bit(live_slots(*entry), *slot) &&
      attn_chunk_rowid(attnx_codes_data((*entry)->open->codes))[*slot] == id) {
    return SQLITE_OK;
  }
  return attnx_index_corrupt(index, "%s: row %lld is not at its place %lld",
                             index->config.table, id, place);
}

int attnx_chunks_replace(attnx_index *index, sqlite3_int64 id, const float *vector,
                         sqlite3_int64 *place) {
  attnx_chunk_entry *entry;
  uint32_t slot, list;
  int rc = attnx_ivf_list_of(index, vector, &list);
  if (rc == SQLITE_OK) rc = open_place(index, *place, id, &entry, &slot);
  if (rc != SQLITE_OK) return rc;
  if (entry->list == list) return put(index, entry, slot, id, vector);
  rc = attnx_chunks_remove(index, *place, id);
  return rc == SQLITE_OK ? attnx_chunks_add_to(index, list, id, vector, place) : rc;
}

int attnx_chunks_remove(attnx_index *index, sqlite3_int64 place, sqlite3_int64 id) {
  attnx_directory *dir = &index->directory;
  attnx_chunk_entry *entry;
  uint32_t slot;
  int rc = open_place(index, place, id, &entry, &slot);
  if (rc != SQLITE_OK) return rc;
  attn_chunk_clear(attnx_codes_data(entry->open->codes), slot);
  set_bit(entry->open->changed, slot);
  clear_bit(entry->open->put, slot);
  entry->n_live--;
  dir->n_live--;
  size_t i = (size_t)(entry - dir->entry);
  if (i < dir->first_free) dir->first_free = i;
  index->dirty = 1;
  index->n_change++;
  return SQLITE_OK;
}

/* ---------------------------------------------------------------------- optimize */

enum { SAMPLE = 16 };

/* The mean of the means of some chunks. */
static int sample_center(attnx_index *index, float *center, float *one) {
  attnx_directory *dir = &index->directory;
  size_t d = index->dimension, n = dir->n < SAMPLE ? dir->n : SAMPLE;
  int rc = SQLITE_OK;
  memset(center, 0, d * sizeof *center);
  for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
    rc = mean_of(index, &dir->entry[i * dir->n / n], one);
    for (size_t j = 0; rc == SQLITE_OK && j < d; j++) center[j] += one[j] / (float)n;
  }
  return rc;
}

static int renew_center(attnx_index *index) {
  attnx_directory *dir = &index->directory;
  size_t n = index->dimension * sizeof(float);
  float *center = sqlite3_malloc64(2 * n);
  if (!center) return SQLITE_NOMEM;
  int rc = sample_center(index, center, center + index->dimension);
  if (rc == SQLITE_OK) rc = attnx_storage_set_blob(index, "center", center, n);
  if (rc == SQLITE_OK) {
    sqlite3_free(dir->center);
    dir->center = center;
  } else {
    sqlite3_free(center);
  }
  return rc;
}

int attnx_chunks_renew(attnx_index *index) {
  attnx_directory *dir = &index->directory;
  int rc = index->lists ? SQLITE_OK : renew_center(index);
  dir->first_free = dir->n_old = dir->n;
  return rc == SQLITE_OK ? attnx_chunks_link(index) : rc;
}

void attnx_chunks_expect(attnx_index *index, sqlite3_uint64 n) {
  index->directory.n_to_come = n;
}
