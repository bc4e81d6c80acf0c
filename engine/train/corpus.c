/*
** corpus.c - texts as numbers of words.
*/
#include "corpus.h"
#include "../tokenizer/words.h"
#include <math.h>

enum { BLOCK = 1 << 18 };

void attne_corpus_free(attne_corpus *c) {
  for (size_t i = 0; i < c->n_block; i++) attne_release(c->block[i]);
  attne_release(c->block);
  attne_names_free(&c->words);
  attne_release(c->chunk);
  memset(c, 0, sizeof *c);
}

uint32_t attne_corpus_id(const attne_corpus *c, uint64_t i) {
  return c->block[i / BLOCK][i % BLOCK];
}

/* ------------------------------------------------------------------------- ids */

static attn_status add_id(attne_corpus *c, uint32_t id, attn_error *err) {
  size_t i = (size_t)(c->n_id / BLOCK);
  if (i == c->n_block) {
    if (c->n_block == c->n_block_alloc) {
      size_t n = 2 * c->n_block_alloc + 16;
      uint32_t **block = attne_resize(c->block, n * sizeof *block);
      if (!block) return attne_no_memory(err);
      c->block = block;
      c->n_block_alloc = n;
    }
    attn_status rc =
        attn_limit_call((c->n_block + UINT64_C(1)) * BLOCK * sizeof **c->block, err);
    if (rc != ATTN_OK) return rc;
    c->block[i] = attne_alloc(BLOCK * sizeof **c->block);
    if (!c->block[i]) return attne_no_memory(err);
    c->n_block++;
  }
  c->block[i][c->n_id++ % BLOCK] = id;
  return ATTN_OK;
}

typedef struct adding {
  attne_corpus *corpus;
  attn_error *err;
} adding;

static attn_status add_word(void *ctx, attn_text word) {
  adding *a = ctx;
  uint32_t id = 0;
  attn_status rc = attne_names_add(&a->corpus->words, word, a->err, &id);
  if (rc != ATTN_OK) return rc;
  a->corpus->words.count[id]++;
  return add_id(a->corpus, id, a->err);
}

attn_status attne_corpus_add(attne_corpus *c, const attn_tokenizer *words, attn_text text,
                             attn_error *err) {
  adding a = {c, err};
  uint64_t before = c->n_id;
  attn_status rc = attne_tokenizer_words(words, text, ATTNE_WORD_MAX, add_word, &a, err);
  if (rc == ATTN_OK && c->n_id > before) rc = add_id(c, ATTNE_TEXT_END, err);
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
static attn_status order_words(attne_corpus *c, const ranked *rank, size_t n,
                               uint32_t *id, attn_error *err) {
  attne_names kept = {0};
  attn_status rc = ATTN_OK;
  for (size_t i = 0; rc == ATTN_OK && i < n; i++) {
    uint32_t new = 0;
    rc = attne_names_add(&kept, attne_names_text(&c->words, rank[i].word), err, &new);
    if (rc != ATTN_OK) break;
    kept.count[new] = rank[i].count;
    id[rank[i].word] = new + 1;
  }
  if (rc != ATTN_OK) {
    attne_names_free(&kept);
    return rc;
  }
  attne_names_free(&c->words);
  c->words = kept;
  return ATTN_OK;
}

/* Renumbers the ids and closes the gaps of those that go.  A text of which nothing is
** left goes, too. */
static void renumber(attne_corpus *c, const uint32_t *id) {
  uint64_t to = 0;
  uint32_t last = ATTNE_TEXT_END;
  for (uint64_t i = 0; i < c->n_id; i++) {
    uint32_t old = attne_corpus_id(c, i), new = ATTNE_TEXT_END;
    if (old == ATTNE_TEXT_END ? last == ATTNE_TEXT_END
                              : (new = id[old]) == 0 && !c->keeps_unknown) {
      continue;
    }
    c->block[to / BLOCK][to % BLOCK] = last = new;
    c->n_total += new != ATTNE_TEXT_END;
    to++;
  }
  c->n_id = to;
}

/* A chunk ends with the text in which it gets full. */
static attn_status cut(attne_corpus *c, attn_error *err) {
  size_t n_alloc = (size_t)(c->n_total / ATTNE_CHUNK_WORDS) + 2;
  c->chunk = attne_alloc(n_alloc * sizeof *c->chunk);
  if (!c->chunk) return attne_no_memory(err);
  uint64_t n_word = 0, n_before = 0;
  c->chunk[0] = (attne_chunk){0, 0};
  for (uint64_t i = 0; i < c->n_id; i++) {
    int at_end = attne_corpus_id(c, i) == ATTNE_TEXT_END;
    n_word += !at_end;
    if (i + 1 == c->n_id || (at_end && n_word - n_before >= ATTNE_CHUNK_WORDS) ||
        n_word - n_before == ATTNE_CHUNK_MAX) {
      c->chunk[++c->n_chunk] = (attne_chunk){i + 1, n_before = n_word};
    }
  }
  return ATTN_OK;
}

/* Of the words n are kept. */
static attn_status check_words(const attne_names *words, size_t n, uint32_t min_count,
                               attn_error *err) {
  uint64_t most = 0;
  for (uint32_t i = 0; i < words->n; i++) {
    if (words->count[i] > most) most = words->count[i];
  }
  if (most == 0) {
    return attne_fail(err, ATTN_INVALID,
                      "the corpus is empty: there is no word in the texts of the query");
  }
  if (n < 2) {
    return attne_fail(
        err, ATTN_INVALID,
        "the corpus has %u different words, the most frequent of which comes "
        "%llu times, and %zu that come %u times or more (min_count); expected "
        "2 at least",
        words->n, (unsigned long long)most, n, min_count);
  }
  return ATTN_OK;
}

attn_status attne_corpus_finish(attne_corpus *c, uint32_t min_count, uint32_t max_word,
                                attn_error *err) {
  const uint32_t n_word = c->words.n;
  ranked *rank = attne_alloc((n_word + UINT64_C(1)) * sizeof *rank);
  uint32_t *id = attne_alloc_zero((n_word + UINT64_C(1)) * sizeof *id);
  size_t n = 0;
  attn_status rc = rank && id ? ATTN_OK : attne_no_memory(err);
  for (uint32_t i = 0; rc == ATTN_OK && i < n_word; i++) {
    if (c->words.count[i] >= min_count) rank[n++] = (ranked){c->words.count[i], i};
  }
  if (rc == ATTN_OK) attn_sort(rank, n, sizeof *rank, by_count);
  if (max_word && n > max_word) n = max_word;
  if (rc == ATTN_OK) rc = check_words(&c->words, n, min_count, err);
  if (rc == ATTN_OK) rc = order_words(c, rank, n, id, err);
  if (rc == ATTN_OK) renumber(c, id);
  if (rc == ATTN_OK) rc = cut(c, err);
  attne_release(rank);
  attne_release(id);
  return rc;
}

uint32_t attne_corpus_keep(const attne_corpus *c, double sample, size_t i) {
  double r = sample * (double)c->n_total / (double)c->words.count[i], p = sqrt(r) + r;
  return sample > 0 && p < 1 ? (uint32_t)(p * 0x1p32) : UINT32_MAX;
}

static void hash_numbers(attn_sha256 *hash, const uint64_t *number, size_t n) {
  for (size_t i = 0; i < n; i++) {
    unsigned char bytes[8];
    for (int k = 0; k < 8; k++) bytes[k] = (unsigned char)(number[i] >> 8 * k);
    attn_sha256_update(hash, bytes, sizeof bytes);
  }
}

void attne_corpus_hash(const attne_corpus *c, char hex[65]) {
  attn_sha256 hash;
  attn_sha256_init(&hash);
  const attne_names *words = &c->words;
  hash_numbers(&hash, words->begin, words->n ? words->n + UINT64_C(1) : 0);
  hash_numbers(&hash, words->count, words->n);
  if (words->n) attn_sha256_update(&hash, words->text, (size_t)words->begin[words->n]);
  for (uint64_t i = 0; i < c->n_id; i++) {
    uint32_t id = attne_corpus_id(c, i);
    const unsigned char bytes[4] = {(unsigned char)id, (unsigned char)(id >> 8),
                                    (unsigned char)(id >> 16), (unsigned char)(id >> 24)};
    attn_sha256_update(&hash, bytes, 4);
  }
  attn_sha256_final(&hash, hex);
}
