/*
** corpus.c - texts as numbers of words.
*/
#include "corpus.h"
#include "../tokenizer/vocabulary.h"
#include "../tokenizer/words.h"
#include <math.h>
#include <stdlib.h>

enum { BLOCK = 1 << 18, MAX_PROBE = 256 };

void attn_corpus_free(attn_corpus *c) {
  for (size_t i = 0; i < c->n_block; i++) attn_release(c->block[i]);
  attn_release(c->block);
  attn_release(c->text);
  attn_release(c->begin);
  attn_release(c->count);
  attn_release(c->slot);
  attn_release(c->chunk);
  memset(c, 0, sizeof *c);
}

uint32_t attn_corpus_id(const attn_corpus *c, uint64_t i) {
  return c->block[i / BLOCK][i % BLOCK];
}

/* ----------------------------------------------------------------------- words */

static attn_text word_text(const attn_corpus *c, size_t i) {
  return (attn_text){c->text + c->begin[i], (size_t)(c->begin[i + 1] - c->begin[i])};
}

static uint64_t word_hash(attn_text word) {
  return attn_hash(ATTN_HASH_EMPTY, word.text, word.n_text);
}

static void *grow(void *list, size_t n, size_t size) {
  return n > SIZE_MAX / size ? NULL : attn_resize(list, n * size);
}

/* The slot of a word, or the free one where it belongs; NULL when too many are tried,
** which only words that were made for it do. */
static uint32_t *find_slot(const attn_corpus *c, attn_text word) {
  uint64_t mask = (UINT64_C(1) << c->n_slot_log2) - 1;
  uint64_t i = word_hash(word) >> (64 - c->n_slot_log2);
  for (int n = 0; n < MAX_PROBE; n++, i = (i + 1) & mask) {
    uint32_t *slot = &c->slot[i];
    if (*slot == 0) return slot;
    attn_text other = word_text(c, *slot - 1);
    if (other.n_text == word.n_text && memcmp(other.text, word.text, word.n_text) == 0) {
      return slot;
    }
  }
  return NULL;
}

static attn_status too_alike(attn_error *err) {
  return attn_fail(err, ATTN_INVALID,
                   "the corpus has more than %d different words of the same hash",
                   MAX_PROBE);
}

/* Twice as many slots, at least 4096. */
static attn_status grow_slots(attn_corpus *c, attn_error *err) {
  uint32_t *old = c->slot;
  unsigned n_log2 = c->n_slot_log2 ? c->n_slot_log2 + 1 : 12;
  uint32_t *slot = n_log2 > 31 ? NULL : attn_alloc_zero(sizeof *slot << n_log2);
  if (!slot) return attn_no_memory(err);
  c->slot = slot;
  c->n_slot_log2 = n_log2;
  attn_release(old);
  for (size_t i = 0; i < c->n_word; i++) {
    uint32_t *at = find_slot(c, word_text(c, i));
    if (!at) return too_alike(err);
    *at = (uint32_t)i + 1;
  }
  return ATTN_OK;
}

static attn_status reserve_word(attn_corpus *c, size_t n_text, attn_error *err) {
  if (c->n_word == c->n_word_alloc) {
    size_t n = 2 * c->n_word_alloc + 1024;
    uint64_t *begin = grow(c->begin, n + 1, sizeof *begin);
    if (begin) c->begin = begin;
    uint64_t *count = begin ? grow(c->count, n, sizeof *count) : NULL;
    if (!count) return attn_no_memory(err);
    if (c->n_word == 0) begin[0] = 0;
    c->count = count;
    c->n_word_alloc = n;
  }
  if (c->n_text_alloc - c->begin[c->n_word] < n_text) {
    size_t n = 2 * c->n_text_alloc + n_text + 8192;
    char *text = attn_resize(c->text, n);
    if (!text) return attn_no_memory(err);
    c->text = text;
    c->n_text_alloc = n;
  }
  return ATTN_OK;
}

static attn_status find_word(attn_corpus *c, attn_text word, attn_error *err,
                             uint32_t *out) {
  attn_status rc = ATTN_OK;
  if (2 * c->n_word >= (c->n_slot_log2 ? (size_t)1 << c->n_slot_log2 : 0)) {
    rc = grow_slots(c, err);
  }
  if (rc == ATTN_OK) rc = reserve_word(c, word.n_text, err);
  if (rc != ATTN_OK) return rc;
  uint32_t *slot = find_slot(c, word);
  if (!slot) return too_alike(err);
  if (*slot == 0) {
    size_t i = c->n_word++;
    memcpy(c->text + c->begin[i], word.text, word.n_text);
    c->begin[i + 1] = c->begin[i] + word.n_text;
    c->count[i] = 0;
    *slot = (uint32_t)i + 1;
  }
  *out = *slot - 1;
  return ATTN_OK;
}

/* ------------------------------------------------------------------------- ids */

static attn_status add_id(attn_corpus *c, uint32_t id, attn_error *err) {
  size_t i = (size_t)(c->n_id / BLOCK);
  if (i == c->n_block) {
    if (c->n_block == c->n_block_alloc) {
      size_t n = 2 * c->n_block_alloc + 16;
      uint32_t **block = grow(c->block, n, sizeof *block);
      if (!block) return attn_no_memory(err);
      c->block = block;
      c->n_block_alloc = n;
    }
    c->block[i] = attn_alloc(BLOCK * sizeof **c->block);
    if (!c->block[i]) return attn_no_memory(err);
    c->n_block++;
  }
  c->block[i][c->n_id++ % BLOCK] = id;
  return ATTN_OK;
}

typedef struct adding {
  attn_corpus *corpus;
  attn_error *err;
} adding;

static attn_status add_word(void *ctx, attn_text word) {
  adding *a = ctx;
  uint32_t id = 0;
  attn_status rc = find_word(a->corpus, word, a->err, &id);
  if (rc != ATTN_OK) return rc;
  a->corpus->count[id]++;
  return add_id(a->corpus, id, a->err);
}

attn_status attn_corpus_add(attn_corpus *c, const attn_tokenizer *words, attn_text text,
                            attn_error *err) {
  adding a = {c, err};
  uint64_t before = c->n_id;
  attn_status rc = attn_tokenizer_words(words, text, ATTN_WORD_MAX, add_word, &a, err);
  if (rc == ATTN_OK && c->n_id > before) rc = add_id(c, ATTN_TEXT_END, err);
  return rc;
}

/* ------------------------------------------------------------------- finishing */

typedef struct ranked {
  uint64_t count;
  uint32_t word;
} ranked;

static int by_count(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  if (x->count != y->count) return x->count > y->count ? -1 : 1;
  return x->word < y->word ? -1 : x->word > y->word;
}

/* Puts the words that are kept in order; id[old word] is their id or 0. */
static attn_status order_words(attn_corpus *c, const ranked *rank, size_t n, uint32_t *id) {
  uint64_t *begin = attn_alloc((n + 1) * sizeof *begin);
  uint64_t *count = attn_alloc(n * sizeof *count);
  char *text = attn_alloc(c->begin[c->n_word]);
  if (!begin || !count || !text) {
    attn_release(begin);
    attn_release(count);
    attn_release(text);
    return ATTN_NOMEM;
  }
  begin[0] = 0;
  for (size_t i = 0; i < n; i++) {
    attn_text word = word_text(c, rank[i].word);
    memcpy(text + begin[i], word.text, word.n_text);
    begin[i + 1] = begin[i] + word.n_text;
    count[i] = rank[i].count;
    id[rank[i].word] = (uint32_t)i + 1;
  }
  attn_release(c->begin);
  attn_release(c->count);
  attn_release(c->text);
  attn_release(c->slot);
  c->begin = begin;
  c->count = count;
  c->text = text;
  c->slot = NULL;
  c->n_word = n;
  return ATTN_OK;
}

/* Renumbers the ids and closes the gaps of those that go.  A text of which nothing is
** left goes, too. */
static void renumber(attn_corpus *c, const uint32_t *id) {
  uint64_t to = 0;
  uint32_t last = ATTN_TEXT_END;
  for (uint64_t i = 0; i < c->n_id; i++) {
    uint32_t old = attn_corpus_id(c, i), new = ATTN_TEXT_END;
    if (old == ATTN_TEXT_END ? last == ATTN_TEXT_END
                             : (new = id[old]) == 0 && !c->keeps_unknown) {
      continue;
    }
    c->block[to / BLOCK][to % BLOCK] = last = new;
    c->n_total += new != ATTN_TEXT_END;
    to++;
  }
  c->n_id = to;
}

/* A chunk ends with the text in which it gets full. */
static attn_status cut(attn_corpus *c) {
  size_t n_alloc = (size_t)(c->n_total / ATTN_CHUNK_WORDS) + 2;
  c->chunk = attn_alloc(n_alloc * sizeof *c->chunk);
  if (!c->chunk) return ATTN_NOMEM;
  uint64_t n_word = 0, n_before = 0;
  c->chunk[0] = (attn_chunk){0, 0};
  for (uint64_t i = 0; i < c->n_id; i++) {
    int at_end = attn_corpus_id(c, i) == ATTN_TEXT_END;
    n_word += !at_end;
    if (i + 1 == c->n_id || (at_end && n_word - n_before >= ATTN_CHUNK_WORDS) ||
        n_word - n_before == ATTN_CHUNK_MAX) {
      c->chunk[++c->n_chunk] = (attn_chunk){i + 1, n_before = n_word};
    }
  }
  return ATTN_OK;
}

attn_status attn_corpus_finish(attn_corpus *c, uint64_t min_count, uint64_t max_word,
                               attn_error *err) {
  ranked *rank = attn_alloc((c->n_word + 1) * sizeof *rank);
  uint32_t *id = attn_alloc_zero((c->n_word + 1) * sizeof *id);
  size_t n = 0;
  attn_status rc = rank && id ? ATTN_OK : ATTN_NOMEM;
  for (size_t i = 0; rc == ATTN_OK && i < c->n_word; i++) {
    if (c->count[i] >= min_count) rank[n++] = (ranked){c->count[i], (uint32_t)i};
  }
  if (rc == ATTN_OK) qsort(rank, n, sizeof *rank, by_count);
  if (max_word && n > max_word) n = (size_t)max_word;
  if (rc == ATTN_OK && c->n_word) rc = order_words(c, rank, n, id);
  if (rc == ATTN_OK) renumber(c, id);
  if (rc == ATTN_OK) rc = cut(c);
  attn_release(rank);
  attn_release(id);
  return rc == ATTN_OK ? rc : attn_no_memory(err);
}

uint32_t attn_corpus_keep(const attn_corpus *c, double sample, size_t i) {
  double r = sample * (double)c->n_total / (double)c->count[i], p = sqrt(r) + r;
  return sample > 0 && p < 1 ? (uint32_t)(p * 0x1p32) : UINT32_MAX;
}

static void hash_numbers(attn_sha256 *hash, const uint64_t *number, size_t n) {
  for (size_t i = 0; i < n; i++) {
    unsigned char bytes[8];
    for (int k = 0; k < 8; k++) bytes[k] = (unsigned char)(number[i] >> 8 * k);
    attn_sha256_update(hash, bytes, sizeof bytes);
  }
}

void attn_corpus_hash(const attn_corpus *c, char hex[65]) {
  attn_sha256 hash;
  attn_sha256_init(&hash);
  hash_numbers(&hash, c->begin, c->n_word ? c->n_word + 1 : 0);
  hash_numbers(&hash, c->count, c->n_word);
  if (c->n_word) attn_sha256_update(&hash, c->text, (size_t)c->begin[c->n_word]);
  for (uint64_t i = 0; i < c->n_id; i++) {
    uint32_t id = attn_corpus_id(c, i);
    const unsigned char bytes[4] = {(unsigned char)id, (unsigned char)(id >> 8),
                                    (unsigned char)(id >> 16), (unsigned char)(id >> 24)};
    attn_sha256_update(&hash, bytes, 4);
  }
  attn_sha256_final(&hash, hex);
}
