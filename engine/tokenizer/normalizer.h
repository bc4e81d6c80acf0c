/*
** normalizer.h - from characters of the text to normalized characters.
**
** A normalizer is a list of steps.  Characters are pushed in one at a time and
** leave through a sink, each with the bytes of the original text that it stands
** for.  Only NFD holds anything back: combining marks, until their run ends.
*/
#ifndef ATTN_NORMALIZER_H
#define ATTN_NORMALIZER_H

#include "../base/settings.h"
#include "unicode.h"

/* Bytes start .. end-1 of the original text. */
typedef struct attn_span {
  uint32_t start, end;
} attn_span;

enum { ATTN_MAX_STEP = 16 };

typedef struct attn_normalizer {
  unsigned n_step;
  uint8_t step[ATTN_MAX_STEP];
} attn_normalizer;

/* Reads $.normalizer: null, BertNormalizer, Lowercase, NFD, StripAccents, or a
** Sequence of them. */
attn_status attn_normalizer_load(const attn_settings *settings, attn_error *err,
                                 attn_normalizer *out);

typedef void (*attn_char_sink)(void *ctx, uint32_t c, attn_span at);

/* Combining marks that wait for the end of their run. */
typedef struct attn_marks {
  struct attn_mark *mark;
  uint32_t *order;
  size_t n, n_alloc;
  attn_span at; /* of the source character that was used last */
} attn_marks;

/* One pass over one text.  Set normalizer, sink and ctx, the rest to zero. */
typedef struct attn_normalization {
  const attn_normalizer *normalizer;
  attn_char_sink sink;
  void *ctx;
  attn_status status; /* ATTN_NOMEM once an allocation has failed */
  size_t n_waiting;   /* marks held back, in all steps */
  attn_marks marks[ATTN_MAX_STEP];
} attn_normalization;

void attn_normalize(attn_normalization *pass, uint32_t c, attn_span at);

/* The end of a piece of text: lets out what is held back. */
void attn_normalize_end(attn_normalization *pass);

void attn_normalization_free(attn_normalization *pass);

#endif
