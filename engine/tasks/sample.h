/*
** sample.h - from logits to a token.
*/
#ifndef ATTNE_SAMPLE_H
#define ATTNE_SAMPLE_H

#include "../base/base.h"

typedef struct attne_sampling {
  double temperature; /* 0: the likeliest */
  uint32_t top_k;     /* 0: all */
  double top_p;
  uint64_t state; /* of the random numbers: the seed, at first */
} attne_sampling;

/* Memory for attne_sample, in bytes. */
uint64_t attne_sample_memory(uint32_t n);

/* Draws one of n tokens; of equal ones the first counts as likelier.  A logit of -inf or
** NaN is never drawn while there is another.  Moves the state on where there is a choice.
*/
int32_t attne_sample(attne_sampling *s, const float *logits, uint32_t n, void *memory);

/* log of the probability that softmax gives number i of n. */
double attne_log_probability(const float *logits, uint32_t n, int32_t i, void *memory);

#endif
