/*
** byte_level.h - GPT-2's pre-tokenizer (Radford et al. 2019): words, written in bytes.
**
** A text is cut as this regular expression matches it, from left to right:
**
**   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
**
** and each byte of a word becomes a character of its own: a printable one stands for
** itself, the 68 others for U+0100 and up, the blank for U+0120.
*/
#ifndef ATTNE_BYTE_LEVEL_H
#define ATTNE_BYTE_LEVEL_H

#include "word.h"

typedef struct attne_byte_level {
  int is_on;
  int prefix_space; /* a piece of text that does not begin with a blank gets one */
  int use_regex;    /* 0: a piece is one word */
} attne_byte_level;

/* The character that stands for a byte; and the byte for a character, or -1. */
uint32_t attne_byte_char(uint8_t byte);
int attne_char_byte(uint32_t c);

/* A pass over a piece of text.  Set settings, word, end_word and ctx, the rest to
** zero.  Characters come one at a time; the word is filled, and end_word called when it
** is complete. */
typedef struct attne_byte_words {
  const attne_byte_level *settings;
  attne_word *word;
  void (*end_word)(void *ctx);
  void *ctx;
  uint8_t state, class;
  uint32_t held; /* a character that is not part of the word yet */
  attne_span held_at;
} attne_byte_words;

/* Both return ATTN_NOMEM or ATTN_OK. */
attn_status attne_byte_words_add(attne_byte_words *words, uint32_t c, attne_span at);
attn_status attne_byte_words_end(attne_byte_words *words);

#endif
