/*
** pre_tokenizer.h - where normalized text is cut into words.
**
** Every pre-tokenizer here looks at single characters: some are dropped, some
** are words of their own, and the rest fall into classes, where a word ends
** wherever the class changes.  So all of it, a sequence included, is one table.
*/
#ifndef ATTN_PRE_TOKENIZER_H
#define ATTN_PRE_TOKENIZER_H

#include "../settings.h"
#include "unicode.h"

enum { ATTN_SPLIT_ALONE = 0xFE, ATTN_SPLIT_DROP = 0xFF }; /* less: a class */

typedef struct attn_splitter {
  uint8_t of[ATTN_N_CHAR_INDEX]; /* by attn_char_index */
} attn_splitter;

/* Reads $.pre_tokenizer: null, BertPreTokenizer, Whitespace, WhitespaceSplit,
** Punctuation, or a Sequence of them. */
attn_status attn_splitter_load(const attn_settings *settings, attn_error *err,
                               attn_splitter *out);

#endif
