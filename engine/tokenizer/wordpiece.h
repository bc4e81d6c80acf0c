/*
** wordpiece.h - WordPiece (Schuster and Nakajima 2012; Devlin et al. 2019).
**
** A word becomes the longest token that it starts with, then the longest one,
** written with the prefix "##", that the rest starts with, and so on.  If that
** finds nothing somewhere, or the word is too long, all of it is one unknown
** token.
*/
#ifndef ATTN_WORDPIECE_H
#define ATTN_WORDPIECE_H

#include "vocabulary.h"
#include "word.h"
#include "../settings.h"

typedef struct attn_wordpiece {
  const attn_vocabulary *vocabulary;
  char *prefix; /* "##" */
  size_t n_prefix;
  uint64_t prefix_hash;
  int32_t unknown; /* id of "[UNK]"; -1: not in the vocabulary */
  char unknown_name[64];
  uint64_t max_char; /* of a word */
} attn_wordpiece;

/* Reads $.model.  The vocabulary is borrowed. */
attn_status attn_wordpiece_load(const attn_settings *settings,
                                const attn_vocabulary *vocabulary, attn_error *err,
                                attn_wordpiece *out);
void attn_wordpiece_free(attn_wordpiece *model);

/* Appends the tokens of a word that is not empty. */
attn_status attn_wordpiece_split(const attn_wordpiece *model, attn_word *word,
                                 attn_error *err, attn_tokens *out);

#endif
