/*
** four.h - four float32 at a time, as every processor can: for what is done once a token
** and is too little for a kernel.
*/
#ifndef ATTNE_FOUR_H
#define ATTNE_FOUR_H

#include <stddef.h>
#include <string.h>

typedef float four __attribute__((vector_size(16)));

static inline four four_load(const float *p) {
  four x;
  memcpy(&x, p, sizeof x);
  return x;
}

static inline void four_store(float *p, four x) {
  memcpy(p, &x, sizeof x);
}

/* y += x */
static inline void add_row(size_t n, const float *x, float *y) {
  size_t k = 0;
  for (; k + 4 <= n; k += 4) four_store(y + k, four_load(y + k) + four_load(x + k));
  for (; k < n; k++) y[k] += x[k];
}

/* y += by x, rounded twice */
static inline void add_scaled_row(size_t n, float by, const float *x, float *y) {
  const four factor = {by, by, by, by};
  size_t k = 0;
  for (; k + 4 <= n; k += 4)
    four_store(y + k, four_load(y + k) + factor * four_load(x + k));
  for (; k < n; k++) y[k] += by * x[k];
}

/* y *= x */
static inline void multiply_row(size_t n, const float *x, float *y) {
  size_t k = 0;
  for (; k + 4 <= n; k += 4) four_store(y + k, four_load(y + k) * four_load(x + k));
  for (; k < n; k++) y[k] *= x[k];
}

/* y *= by */
static inline void scale_row(size_t n, float by, float *y) {
  const four factor = {by, by, by, by};
  size_t k = 0;
  for (; k + 4 <= n; k += 4) four_store(y + k, four_load(y + k) * factor);
  for (; k < n; k++) y[k] *= by;
}

#endif
