/*
** chunks.h - chunks that are open for writing; for chunks.c, which changes them in
** memory, and flush.c, which writes them.
*/
#ifndef ATTNX_INDEX_CHUNKS_H
#define ATTNX_INDEX_CHUNKS_H

#include "index.h"

enum { N_WORD = ATTNX_CHUNK_SLOTS / 64, N_PART = ATTNX_CHUNK_SLOTS / ATTNX_PART_SLOTS };

struct attnx_open_chunk {
  attnx_codes *codes;
  float *part[N_PART];      /* [64, d] each, of the slots that were put; NULL: none */
  uint64_t stored[N_WORD];  /* slots that are live in the database */
  uint64_t changed[N_WORD]; /* slots that were put or cleared */
  uint64_t put[N_WORD];     /* slots whose vector is in memory */
  int is_new;               /* the codes have to be written as a whole */
};

static inline int get_bit(const uint64_t *bits, uint32_t i) {
  return (int)(bits[i / 64] >> i % 64 & 1);
}
static inline void set_bit(uint64_t *bits, uint32_t i) {
  bits[i / 64] |= (uint64_t)1 << i % 64;
}
static inline void clear_bit(uint64_t *bits, uint32_t i) {
  bits[i / 64] &= ~((uint64_t)1 << i % 64);
}

static inline const uint64_t *live_slots(const attnx_chunk_entry *entry) {
  return attn_chunk_live(attnx_codes_data(entry->open->codes));
}

/* Opens data of a row of a shadow table, or moves an open handle there. */
int attnx_chunks_open_blob(attnx_index *index, const char *table, sqlite3_int64 id,
                           int flags, sqlite3_blob **blob);

/* Strings the entries of each list together, those alone that vectors are added to. */
int attnx_chunks_link(attnx_index *index);

/* Forgets what is open of an entry; all of them are closed together. */
void attnx_chunks_close(attnx_directory *dir, attnx_chunk_entry *entry);

#endif
