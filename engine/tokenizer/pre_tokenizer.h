/*
** pre_tokenizer.h - where normalized text is cut into words.
**
** Every pre-tokenizer but one looks at single characters: some are dropped, some
** are words of their own, and the rest fall into classes, where a word ends
** wherever the class changes.  So all of it, a sequence included, is one table.
** The one is ByteLevel, which cuts what the table leaves together; it comes last.
*/
#ifndef ATTNE_PRE_TOKENIZER_H
#define ATTNE_PRE_TOKENIZER_H

#include "../base/settings.h"
#include "byte_level.h"
#include "unicode.h"

enum { ATTNE_SPLIT_ALONE = 0xFE, ATTNE_SPLIT_DROP = 0xFF }; /* less: a class */

typedef struct attne_splitter {
  uint8_t of[ATTNE_N_CHAR_INDEX]; /* by attne_char_index */
  attne_byte_level byte_level;
} attne_splitter;

/* Reads $.pre_tokenizer: null, BertPreTokenizer, Whitespace, WhitespaceSplit,
** Punctuation, ByteLevel, or a Sequence of them. */
attn_status attne_splitter_load(const attn_settings *settings, attn_error *err,
                                attne_splitter *out);

#endif
