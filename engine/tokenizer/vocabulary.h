/*
** vocabulary.h - tokens by id and ids by token.
**
** Ids are found by a hash that is computed byte by byte, so that the hashes of
** all prefixes of a text come out on the way.
*/
#ifndef ATTNE_VOCABULARY_H
#define ATTNE_VOCABULARY_H

#include "../base/base.h"

typedef struct attne_vocabulary {
  char *text;      /* all tokens, one after the other */
  uint32_t *begin; /* of a token in text: [n + 1] */
  uint32_t n;
  uint32_t n_distinct;     /* tokens that have an id */
  uint32_t longest;        /* bytes of the longest token */
  struct attne_slot *slot; /* open addressing, at most half full */
  uint32_t n_slot_log2;
} attne_vocabulary;

/* Copies.  Where a token is there twice, its last id counts. */
attn_status attne_vocabulary_init(attne_vocabulary *out, const attn_vocab *vocab,
                                  attn_error *err);
void attne_vocabulary_free(attne_vocabulary *vocabulary);
uint64_t attne_vocabulary_memory(const attne_vocabulary *vocabulary);

#define ATTNE_HASH_EMPTY UINT64_C(0x9E3779B97F4A7C15)

/* The hash of a text and one more byte. */
static inline uint64_t attne_hash_add(uint64_t hash, char byte) {
  return (hash ^ (unsigned char)byte) * UINT64_C(0xD6E8FEB86659FD93);
}
uint64_t attne_hash(uint64_t hash, const char *text, size_t n);

/* The id of the token that is `prefix` followed by `text`, whose hash is `hash`,
** or -1. */
int32_t attne_vocabulary_find(const attne_vocabulary *vocabulary, uint64_t hash,
                              attn_text prefix, attn_text text);

/* The token of an id; NULL where the id is unused. */
const char *attne_vocabulary_text(const attne_vocabulary *vocabulary, int32_t id,
                                  uint32_t *n_text);

#endif
