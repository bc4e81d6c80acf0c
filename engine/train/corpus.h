/*
** corpus.h - texts as numbers of words: 4 bytes a word, and 4 a text.
**
** Texts are cut into words as they come and need not be kept.  When all are there, the
** words that are rare are dropped and the others numbered from 1 by how often they come,
** the most frequent first (of equals, the one that came first); number 0 is left for
** unknown words.  Then the corpus is read in chunks of about ten
** thousand words, each of which can be found by its number.
*/
#ifndef ATTNE_CORPUS_H
#define ATTNE_CORPUS_H

#include "names.h"

enum {
  ATTNE_CHUNK_WORDS = 10000,
  ATTNE_CHUNK_MAX = 2 * ATTNE_CHUNK_WORDS, /* a longer text is cut */
  ATTNE_WORD_MAX = 100 /* characters of a word; longer ones are dropped */
};

#define ATTNE_TEXT_END UINT32_MAX /* among the ids */

typedef struct attne_chunk {
  uint64_t begin;    /* its first id; it ends where the next one begins */
  uint64_t n_before; /* words of the chunks before it */
} attne_chunk;

typedef struct attne_corpus {
  attne_names words;
  uint32_t **block; /* of ids, ATTNE_TEXT_END behind each text that has some */
  size_t n_block, n_block_alloc;
  uint64_t n_id;
  int keeps_unknown; /* 1: a word that is dropped becomes the unknown one */

  /* after finish: words are in order, and word i has the id i + 1 */
  uint64_t n_total;   /* words of the corpus that were kept */
  attne_chunk *chunk; /* [n_chunk + 1] */
  size_t n_chunk;
} attne_corpus;

void attne_corpus_free(attne_corpus *corpus);

/* Adds the words of a text. */
attn_status attne_corpus_add(attne_corpus *corpus, const attn_tokenizer *words,
                             attn_text text, attn_error *err);

/* Keeps words that come min_count times or more, of these the max_word most frequent
** (0: all).  Fewer than two are an error. */
attn_status attne_corpus_finish(attne_corpus *corpus, uint32_t min_count,
                                uint32_t max_word, attn_error *err);

/* The share of the occurrences of word i that subsampling keeps, times 2^32, cut to
** UINT32_MAX; `sample` as word2vec has it, 0: none is dropped. */
uint32_t attne_corpus_keep(const attne_corpus *corpus, double sample, size_t i);

uint32_t attne_corpus_id(const attne_corpus *corpus, uint64_t i);

/* Names what training sees: the words, how often they come, and their order. */
void attne_corpus_hash(const attne_corpus *corpus, char hex[65]);

#endif
