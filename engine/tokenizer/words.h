/*
** words.h - the words of a text, as they come out of normalizer and pre-tokenizer, for
** those who have no vocabulary yet.
*/
#ifndef ATTNE_WORDS_H
#define ATTNE_WORDS_H

#include "../base/base.h"

/* Calls `sink` for each word of a text that has at most max_char characters; its text
** is good for the call.  Added tokens are no words.  The first failure of the sink ends
** the pass and is returned. */
attn_status attne_tokenizer_words(const attn_tokenizer *tokenizer, attn_text text,
                                  uint64_t max_char,
                                  attn_status (*sink)(void *ctx, attn_text word),
                                  void *ctx, attn_error *err);

#endif
