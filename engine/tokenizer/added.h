/*
** added.h - added tokens: texts like "[MASK]" that are found before anything is
** cut into words.
**
** Some are looked for in the text as it is, the others (`normalized`) in what the
** normalizer makes of it, in their own normalized form.  The leftmost counts, and
** of those the longest.  A pass over a text has a matcher for either kind, which
** takes characters one at a time and holds them back only while a token could
** still come of them.
*/
#ifndef ATTN_ADDED_H
#define ATTN_ADDED_H

#include "normalizer.h"
#include "vocabulary.h"

typedef struct attn_added_token {
  int32_t id;
  uint32_t n_text;
  char *text;
  int single_word;    /* no \w may touch it */
  int lstrip, rstrip; /* it takes the white space there */
  int normalized, special;
} attn_added_token;

typedef struct attn_pattern {
  uint32_t *c; /* its characters */
  uint32_t n;
  const attn_added_token *token;
} attn_pattern;

/* Sorted by characters; of equal ones, the first counts. */
typedef struct attn_patterns {
  attn_pattern *list;
  uint32_t n;
  int has_lstrip;
  uint64_t first; /* bit c % 64 is set if a pattern may begin with c */
} attn_patterns;

typedef struct attn_added {
  attn_added_token *token;
  uint32_t n;
  const attn_added_token **by_text, **by_id;
  attn_patterns raw, normalized;
  uint64_t memory;
} attn_added;

/* Reads $.added_tokens.  A token that the vocabulary does not have gets the next
** id after it, whatever id it claims, as in Hugging Face tokenizers. */
attn_status attn_added_load(const attn_settings *settings,
                            const attn_vocabulary *vocabulary,
                            const attn_normalizer *normalizer, attn_error *err,
                            attn_added *out);
void attn_added_free(attn_added *added);

const attn_added_token *attn_added_by_text(const attn_added *added, attn_text text);
const attn_added_token *attn_added_by_id(const attn_added *added, int32_t id);

/* 1 if a character decides nothing here: no token begins with it, nor can it
** become part of the token that follows. */
int attn_patterns_ignore(const attn_patterns *patterns, uint32_t c);

/* -------------------------------------------------------------------- matching */

typedef struct attn_item {
  uint32_t c;
  attn_span at;
} attn_item;

/* Set patterns, plain, found and ctx, the rest to zero. */
typedef struct attn_matcher {
  const attn_patterns *patterns;
  attn_char_sink plain; /* gets what belongs to no token */
  void (*found)(void *ctx, const attn_added_token *token, const attn_item *item,
                size_t n);
  void *ctx;
  attn_status status; /* ATTN_NOMEM once an allocation has failed */
  attn_item *item;    /* what may still count, and one before */
  size_t n, n_alloc;
  size_t scan;      /* items before it are searched */
  size_t given;     /* items before it went out; at most scan */
  size_t skip;      /* no token begins before it */
  size_t space_end; /* white space after the token at hand, as far as is known */
} attn_matcher;

void attn_matcher_add(attn_matcher *matcher, uint32_t c, attn_span at);

/* The end of the text, or of a piece of it: lets out what is held back. */
void attn_matcher_end(attn_matcher *matcher);

/* 1 if nothing is held back; then c may go past the matcher, if it is ignored. */
int attn_matcher_is_idle(const attn_matcher *matcher);
void attn_matcher_pass(attn_matcher *matcher, uint32_t c);

void attn_matcher_free(attn_matcher *matcher);

#endif
