/*
** sample.h - from logits to a token.
*/
#ifndef ATTN_SAMPLE_H
#define ATTN_SAMPLE_H

#include "../base/base.h"

typedef struct attn_sampling {
  double temperature; /* 0: the likeliest */
  uint32_t top_k;     /* 0: all */
  double top_p;
  uint64_t state; /* of the random numbers: the seed, at first */
} attn_sampling;

/* Memory for attn_sample, in bytes. */
uint64_t attn_sample_memory(uint32_t n);

/* Draws one of n tokens; of equal ones the first counts as likelier.  A logit of -inf or
** NaN is never drawn while there is another.  Moves the state on where there is a choice. */
int32_t attn_sample(attn_sampling *s, const float *logits, uint32_t n, void *memory);

/* log of the probability that softmax gives number i of n. */
double attn_log_probability(const float *logits, uint32_t n, int32_t i, void *memory);

#endif
