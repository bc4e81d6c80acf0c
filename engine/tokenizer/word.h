/*
** word.h - a word on its way from the pre-tokenizer to the model.
*/
#ifndef ATTNE_WORD_H
#define ATTNE_WORD_H

#include "normalizer.h"

typedef struct attne_word {
  char *text;     /* normalized UTF-8 */
  attne_span *at; /* per byte: the original of its character */
  uint64_t *hash; /* room for the model: one number a byte */
  void *room;     /* and as much as it asks for */
  size_t n, n_alloc, n_room;
  uint64_t n_char; /* characters of the word; more than are kept in text when there
                   ** are more than max_char */
  uint64_t max_char;
  attne_span whole; /* from its first character to its last */
} attne_word;

/* Adds a character.  ATTN_NOMEM leaves the word as it was. */
attn_status attne_word_add(attne_word *word, uint32_t c, attne_span at);

/* n bytes for the model, the same as before where they were enough.  NULL: no memory. */
void *attne_word_room(attne_word *word, size_t n);

void attne_word_free(attne_word *word);

/* Adds a token to the list. */
attn_status attne_tokens_add(attn_tokens *tokens, int32_t id, attne_span at);

#endif
