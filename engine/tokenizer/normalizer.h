/*
** normalizer.h - from characters of the text to normalized characters.
**
** A normalizer is a list of steps.  Characters are pushed in one at a time and
** leave through a sink, each with the bytes of the original text that it stands
** for.  Only NFD holds anything back: combining marks, until their run ends.
*/
#ifndef ATTNE_NORMALIZER_H
#define ATTNE_NORMALIZER_H

#include "../base/settings.h"
#include "unicode.h"

/* Bytes start .. end-1 of the original text. */
typedef struct attne_span {
  uint32_t start, end;
} attne_span;

enum { ATTNE_MAX_STEP = 16 };

typedef struct attne_normalizer {
  unsigned n_step;
  uint8_t step[ATTNE_MAX_STEP];
} attne_normalizer;

/* Reads $.normalizer: null, BertNormalizer, Lowercase, NFD, StripAccents, or a
** Sequence of them. */
attn_status attne_normalizer_load(const attn_settings *settings, attn_error *err,
                                  attne_normalizer *out);

typedef void (*attne_char_sink)(void *ctx, uint32_t c, attne_span at);

/* Combining marks that wait for the end of their run. */
typedef struct attne_marks {
  struct attne_mark *mark;
  uint32_t *order;
  size_t n, n_alloc;
  attne_span at; /* of the source character that was used last */
} attne_marks;

/* One pass over one text.  Set normalizer, sink and ctx, the rest to zero. */
typedef struct attne_normalization {
  const attne_normalizer *normalizer;
  attne_char_sink sink;
  void *ctx;
  attn_status status; /* ATTN_NOMEM once an allocation has failed */
  size_t n_waiting;   /* marks held back, in all steps */
  attne_marks marks[ATTNE_MAX_STEP];
} attne_normalization;

void attne_normalize(attne_normalization *pass, uint32_t c, attne_span at);

/* The end of a piece of text: lets out what is held back. */
void attne_normalize_end(attne_normalization *pass);

void attne_normalization_free(attne_normalization *pass);

#endif
