/*
** word_model.h - what makes tokens of a word: the types of a tokenizer.json's model.
**
** A type is a row of functions over a struct of its own.  A further one is a file
** that defines such a row, and a line in tokenizer.c's list of them.
*/
#ifndef ATTNE_WORD_MODEL_H
#define ATTNE_WORD_MODEL_H

#include "vocabulary.h"
#include "word.h"
#include "../base/settings.h"

typedef struct attne_word_model {
  const char *type; /* $.model.type */
  size_t n_byte;    /* of its struct, which starts with all zero */

  /* Reads $.model, and of vocab the merges.  The vocabulary is borrowed.  *max_char: the
  ** characters of a word that split wants to see; of a longer one it only needs to know
  ** that it is. */
  attn_status (*load)(void *model, const attn_settings *settings,
                      const attne_vocabulary *vocabulary, const attn_vocab *vocab,
                      attn_error *err, uint64_t *max_char);

  /* Appends the tokens of a word that is not empty. */
  attn_status (*split)(const void *model, attne_word *word, attn_error *err,
                       attn_tokens *out);

  void (*clear)(void *model);            /* what load made, whole or in part */
  uint64_t (*memory)(const void *model); /* bytes that it owns beside its struct */
} attne_word_model;

extern const attne_word_model attne_wordpiece, attne_wordlevel, attne_bpe;

/* The token for words that are not in the vocabulary. */
typedef struct attne_unknown {
  int32_t id; /* -1: it is not in the vocabulary itself */
  char name[64];
} attne_unknown;

void attne_unknown_find(const attne_vocabulary *vocabulary, attn_text token,
                        attne_unknown *out);

/* Appends it for the whole word. */
attn_status attne_unknown_add(const attne_unknown *unknown, const attne_word *word,
                              attn_error *err, attn_tokens *out);

#endif
