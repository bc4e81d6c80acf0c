/*
** pre_tokenizer.h - where normalized text is cut into words.
**
** Every pre-tokenizer but one looks at single characters: some are dropped, some
** are words of their own, and the rest fall into classes, where a word ends
** wherever the class changes.  So all of it, a sequence included, is one table.
** The one is ByteLevel, which cuts what the table leaves together; it comes last.
*/
#ifndef ATTN_PRE_TOKENIZER_H
#define ATTN_PRE_TOKENIZER_H

#include "../base/settings.h"
#include "byte_level.h"
#include "unicode.h"

enum { ATTN_SPLIT_ALONE = 0xFE, ATTN_SPLIT_DROP = 0xFF }; /* less: a class */

typedef struct attn_splitter {
  uint8_t of[ATTN_N_CHAR_INDEX]; /* by attn_char_index */
  attn_byte_level byte_level;
} attn_splitter;

/* Reads $.pre_tokenizer: null, BertPreTokenizer, Whitespace, WhitespaceSplit,
** Punctuation, ByteLevel, or a Sequence of them. */
attn_status attn_splitter_load(const attn_settings *settings, attn_error *err,
                               attn_splitter *out);

#endif
