/*
** flush.c - what is changed of chunks is written.
**
** Of a chunk that is open: the parts of its vectors that were put, or that have none any
** more; its codes, those of the changed slots or all; and its entry.  What is written
** follows from memory alone, so a flush that fails half-way can be run again.
*/
#include "chunks.h"
#include <string.h>

static int write_blob(attnx_index *index, sqlite3_blob *blob, const void *from,
                      uint64_t n, uint64_t offset) {
  int rc = sqlite3_blob_write(blob, from, (int)n, (int)offset);
  return rc == SQLITE_OK ? rc : attnx_index_db_error(index);
}

static int delete_row(attnx_index *index, attnx_statement which, sqlite3_int64 id) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, which, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, id);
  return rc == SQLITE_OK ? attnx_storage_step(index, stmt) : rc;
}

static int put_row(attnx_index *index, attnx_statement which, sqlite3_int64 id,
                   const void *data, sqlite3_uint64 n) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, which, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, id);
  if (rc == SQLITE_OK) rc = sqlite3_bind_blob64(stmt, 2, data, n, SQLITE_STATIC);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (stmt) sqlite3_clear_bindings(stmt);
  return rc;
}

/* The end of the run of set bits that begins at or behind *begin; 0: there is none. */
static uint32_t next_run(const uint64_t *bits, uint32_t *begin, uint32_t n) {
  while (*begin < n && !get_bit(bits, *begin)) ++*begin;
  uint32_t end = *begin;
  while (end < n && get_bit(bits, end)) end++;
  return end > *begin ? end : 0;
}

/* Part number p of the vectors, whose slots are a word of bits. */
static int flush_part(attnx_index *index, const attnx_chunk_entry *entry, uint32_t p) {
  const attnx_open_chunk *open = entry->open;
  const uint64_t *put = &open->put[p];
  const uint32_t n = ATTNX_PART_SLOTS;
  size_t d = index->dimension, n_vector = d * sizeof(float);
  sqlite3_int64 id = entry->id << (ATTNX_CHUNK_SHIFT - ATTNX_PART_SHIFT) | p;
  if (live_slots(entry)[p] == 0) {
    return open->stored[p] ? delete_row(index, ATTNX_VECTORS_DELETE, id) : SQLITE_OK;
  }
  if (*put == 0) return SQLITE_OK;
  if (open->stored[p] == 0 || ~*put == 0) {
    for (uint32_t slot = 0; slot < n; slot++) {
      if (!get_bit(put, slot)) memset(open->part[p] + slot * d, 0, n_vector);
    }
    return put_row(index, ATTNX_VECTORS_PUT, id, open->part[p], n * n_vector);
  }
  sqlite3_blob *blob = NULL;
  int rc = attnx_chunks_open_blob(index, "vectors", id, 1, &blob);
  for (uint32_t begin = 0, end; rc == SQLITE_OK; begin = end) {
    end = next_run(put, &begin, n);
    if (!end) break;
    rc = write_blob(index, blob, open->part[p] + begin * d, (end - begin) * n_vector,
                    begin * n_vector);
  }
  sqlite3_blob_close(blob);
  return rc;
}

/* The parts of packed codes that were changed. */
static int flush_ranges(attnx_index *index, const attnx_chunk_entry *entry,
                        const char *data) {
  const attnx_open_chunk *open = entry->open;
  attn_range range[ATTN_CHUNK_RANGES];
  sqlite3_blob *blob = NULL;
  int rc = attnx_chunks_open_blob(index, "codes", entry->id, 1, &blob);
  for (uint32_t begin = 0, end; rc == SQLITE_OK; begin = end) {
    end = next_run(open->changed, &begin, entry->n_slot);
    if (!end) break;
    size_t n = attn_chunk_ranges(data, begin, end - begin, range);
    for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
      rc = write_blob(index, blob, data + range[i].offset, range[i].n_byte,
                      range[i].offset);
    }
  }
  sqlite3_blob_close(blob);
  return rc;
}

static int flush_codes(attnx_index *index, const attnx_chunk_entry *entry) {
  attnx_open_chunk *open = entry->open;
  attnx_codes *codes = open->codes;
  char *data = attnx_codes_data(codes);
  int anew, n_changed = attnx_popcount(open->changed, entry->n_slot);
  sqlite3_uint64 n = attn_chunk_pack(data, &anew);
  if (anew) open->is_new = 1; /* also when this fails and is run again */
  attnx_codes_retain(codes);  /* an error may roll everything back, and free them */
  int rc = open->is_new || n_changed > (int)entry->n_slot / 8
               ? put_row(index, ATTNX_CODES_PUT, entry->id, data, n)
               : flush_ranges(index, entry, data);
  attn_chunk_unpack(data);
  attnx_codes_release(codes);
  return rc;
}

/* The same slots put and cleared, in a chunk of the same stamp, make the same codes. */
static sqlite3_int64 next_stamp(const attnx_index *index,
                                const attnx_chunk_entry *entry) {
  const attnx_open_chunk *open = entry->open;
  const void *data = attnx_codes_data(open->codes);
  const size_t d = index->dimension;
  sqlite3_uint64 hash = (sqlite3_uint64)entry->stamp;
  if (!hash) {
    hash = attnx_hash(d, index->config.metric);
    hash = attnx_hash_floats(hash, attn_chunk_center(data), d);
  }
  hash = attnx_hash(hash, entry->n_slot);
  for (uint32_t slot = 0; slot < entry->n_slot; slot++) {
    if (!get_bit(open->changed, slot)) continue;
    hash = attnx_hash(hash, slot);
    if (!get_bit(open->put, slot)) continue;
    hash = attnx_hash(hash, (sqlite3_uint64)attn_chunk_rowid(data)[slot]);
    hash = attnx_hash_floats(
        hash, open->part[slot / ATTNX_PART_SLOTS] + slot % ATTNX_PART_SLOTS * d, d);
  }
  return hash ? (sqlite3_int64)hash : 1;
}

/* The directory of every connection follows from these. */
static void note_entry(attnx_index *index, const attnx_chunk_entry *entry) {
  attnx_storage_changed(index, (sqlite3_uint64)entry->id);
  attnx_storage_changed(index, entry->n_live);
  attnx_storage_changed(index, (sqlite3_uint64)entry->stamp);
  attnx_storage_changed(index, entry->list);
}

static int put_entry(attnx_index *index, const attnx_chunk_entry *entry) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, ATTNX_CHUNK_PUT, &stmt);
  note_entry(index, entry);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, entry->id);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 2, entry->n_slot);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 3, entry->n_live);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 4, entry->stamp);
  if (rc == SQLITE_OK) {
    rc = entry->list == ATTNX_NO_LIST ? sqlite3_bind_null(stmt, 5)
                                      : sqlite3_bind_int64(stmt, 5, entry->list);
  }
  return rc == SQLITE_OK ? attnx_storage_step(index, stmt) : rc;
}

static int flush_entry(attnx_index *index, attnx_chunk_entry *entry) {
  int rc = SQLITE_OK;
  for (uint32_t p = 0; rc == SQLITE_OK && p < entry->n_slot / ATTNX_PART_SLOTS; p++) {
    rc = flush_part(index, entry, p);
  }
  if (rc == SQLITE_OK && entry->n_live == 0) {
    note_entry(index, entry);
    rc = delete_row(index, ATTNX_CODES_DELETE, entry->id);
    if (rc == SQLITE_OK) rc = delete_row(index, ATTNX_CHUNK_DELETE, entry->id);
    return rc;
  }
  if (rc == SQLITE_OK) rc = flush_codes(index, entry);
  if (rc == SQLITE_OK) {
    attnx_code_cache_drop(entry->stamp);
    entry->stamp = next_stamp(index, entry);
    rc = put_entry(index, entry);
  }
  return rc;
}

/* After all is written: what was open is as stored now. */
static int close_all(attnx_index *index) {
  attnx_directory *dir = &index->directory;
  size_t n = 0;
  for (size_t i = 0; i < dir->n; i++) {
    attnx_chunk_entry *entry = &dir->entry[i];
    if (entry->open) attnx_code_cache_put(entry->stamp, entry->open->codes);
    attnx_chunks_close(dir, entry);
    if (entry->n_live) dir->entry[n++] = *entry;
  }
  if (n == dir->n) return SQLITE_OK;
  dir->first_free = dir->n_old;
  dir->n = n;
  return attnx_chunks_link(index);
}

int attnx_chunks_flush(attnx_index *index) {
  attnx_directory *dir = &index->directory;
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < dir->n; i++) {
    if (dir->entry[i].open) rc = flush_entry(index, &dir->entry[i]);
  }
  return rc == SQLITE_OK ? close_all(index) : rc;
}

/* ---------------------------------------------------------------------- optimize */

int attnx_chunks_drop_old(attnx_index *index) {
  attnx_directory *dir = &index->directory;
  int rc = attnx_chunks_flush(index);
  for (size_t i = 0; rc == SQLITE_OK && i < dir->n_old; i++) {
    /* A copy: an error may roll everything back, and the directory with it. */
    const attnx_chunk_entry entry = dir->entry[i];
    for (uint32_t slot = 0; rc == SQLITE_OK && slot < entry.n_slot;
         slot += ATTNX_PART_SLOTS) {
      rc = delete_row(index, ATTNX_VECTORS_DELETE,
                      (entry.id << ATTNX_CHUNK_SHIFT | slot) >> ATTNX_PART_SHIFT);
    }
    attnx_storage_changed(index, (sqlite3_uint64)entry.id);
    if (rc == SQLITE_OK) rc = delete_row(index, ATTNX_CODES_DELETE, entry.id);
    if (rc == SQLITE_OK) rc = delete_row(index, ATTNX_CHUNK_DELETE, entry.id);
    if (rc == SQLITE_OK) dir->n_live -= entry.n_live;
    attnx_code_cache_drop(entry.stamp);
  }
  if (rc != SQLITE_OK) return rc;
  dir->n -= dir->n_old;
  memmove(dir->entry, dir->entry + dir->n_old, dir->n * sizeof *dir->entry);
  dir->n_old = dir->first_free = 0;
  return attnx_chunks_link(index);
}
