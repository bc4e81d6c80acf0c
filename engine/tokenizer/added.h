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
#ifndef ATTNE_ADDED_H
#define ATTNE_ADDED_H

#include "normalizer.h"
#include "vocabulary.h"

typedef struct attne_added_token {
  int32_t id;
  uint32_t n_text;
  char *text;
  int single_word;    /* no \w may touch it */
  int lstrip, rstrip; /* it takes the white space there */
  int normalized, special;
} attne_added_token;

typedef struct attne_pattern {
  uint32_t *c; /* its characters */
  uint32_t n;
  const attne_added_token *token;
} attne_pattern;

/* Sorted by characters; of equal ones, the first counts. */
typedef struct attne_patterns {
  attne_pattern *list;
  uint32_t n;
  int has_lstrip;
  uint64_t first; /* bit c % 64 is set if a pattern may begin with c */
} attne_patterns;

typedef struct attne_added {
  attne_added_token *token;
  uint32_t n;
  const attne_added_token **by_text, **by_id;
  attne_patterns raw, normalized;
  uint64_t memory;
} attne_added;

/* Reads $.added_tokens.  A token that the vocabulary does not have gets the next
** id after it, whatever id it claims, as in Hugging Face tokenizers. */
attn_status attne_added_load(const attn_settings *settings,
                             const attne_vocabulary *vocabulary,
                             const attne_normalizer *normalizer, attn_error *err,
                             attne_added *out);
void attne_added_free(attne_added *added);

const attne_added_token *attne_added_by_text(const attne_added *added, attn_text text);
const attne_added_token *attne_added_by_id(const attne_added *added, int32_t id);

/* 1 if a character decides nothing here: no token begins with it, nor can it
** become part of the token that follows. */
int attne_patterns_ignore(const attne_patterns *patterns, uint32_t c);

/* -------------------------------------------------------------------- matching */

typedef struct attne_item {
  uint32_t c;
  attne_span at;
} attne_item;

/* Set patterns, plain, found and ctx, the rest to zero. */
typedef struct attne_matcher {
  const attne_patterns *patterns;
  attne_char_sink plain; /* gets what belongs to no token */
  void (*found)(void *ctx, const attne_added_token *token, const attne_item *item,
                size_t n);
  void *ctx;
  attn_status status; /* ATTN_NOMEM once an allocation has failed */
  attne_item *item;   /* what may still count, and one before */
  size_t n, n_alloc;
  size_t scan;      /* items before it are searched */
  size_t given;     /* items before it went out; at most scan */
  size_t skip;      /* no token begins before it */
  size_t space_end; /* white space after the token at hand, as far as is known */
} attne_matcher;

void attne_matcher_add(attne_matcher *matcher, uint32_t c, attne_span at);

/* The end of the text, or of a piece of it: lets out what is held back. */
void attne_matcher_end(attne_matcher *matcher);

/* 1 if nothing is held back; then c may go past the matcher, if it is ignored. */
int attne_matcher_is_idle(const attne_matcher *matcher);
void attne_matcher_pass(attne_matcher *matcher, uint32_t c);

void attne_matcher_free(attne_matcher *matcher);

#endif
