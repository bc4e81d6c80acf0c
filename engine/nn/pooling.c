/*
** pooling.c - from token vectors to one vector a sequence, as sentence-transformers
** does it.
*/
#include "../kernels/four.h"
#include "layers.h"
#include <math.h>

/* Rows [first, n) of x[n, d] are pooled; first < n. */
typedef void pool_function(size_t first, size_t n, size_t d, const float *x, float *out);

static void pool_cls(size_t first, size_t n, size_t d, const float *x, float *out) {
  (void)n;
  memcpy(out, x + first * d, d * sizeof *x);
}

static void pool_last(size_t first, size_t n, size_t d, const float *x, float *out) {
  (void)first;
  memcpy(out, x + (n - 1) * d, d * sizeof *x);
}

static void pool_max(size_t first, size_t n, size_t d, const float *x, float *out) {
  pool_cls(first, n, d, x, out);
  for (size_t i = first + 1; i < n; i++) {
    for (size_t k = 0; k < d; k++) {
      if (x[i * d + k] > out[k]) out[k] = x[i * d + k];
    }
  }
}

static void sum_rows(size_t first, size_t n, size_t d, const float *x, float *out) {
  pool_cls(first, n, d, x, out);
  for (size_t i = first + 1; i < n; i++) add_row(d, x + i * d, out);
}

static void divide(size_t d, float *x, float by) {
  for (size_t k = 0; k < d; k++) x[k] /= by;
}

static void pool_mean(size_t first, size_t n, size_t d, const float *x, float *out) {
  sum_rows(first, n, d, x, out);
  divide(d, out, (float)(n - first));
}

static void pool_mean_sqrt_len(size_t first, size_t n, size_t d, const float *x,
                               float *out) {
  sum_rows(first, n, d, x, out);
  divide(d, out, sqrtf((float)(n - first)));
}

static void pool_weighted_mean(size_t first, size_t n, size_t d, const float *x,
                               float *out) {
  float total = 0;
  for (size_t k = 0; k < d; k++) out[k] = 0;
  for (size_t i = first; i < n; i++) {
    float weight = (float)(i + 1);
    for (size_t k = 0; k < d; k++) out[k] += weight * x[i * d + k];
    total += weight;
  }
  divide(d, out, total);
}

static pool_function *const pool_functions[ATTNE_N_POOL] = {
    [ATTNE_POOL_CLS] = pool_cls,
    [ATTNE_POOL_MAX] = pool_max,
    [ATTNE_POOL_MEAN] = pool_mean,
    [ATTNE_POOL_MEAN_SQRT_LEN] = pool_mean_sqrt_len,
    [ATTNE_POOL_WEIGHTED_MEAN] = pool_weighted_mean,
    [ATTNE_POOL_LAST] = pool_last,
};

void attne_pool_rows(const attne_graph *graph, const attne_sequences *rows,
                     const float *x, float *out) {
  const size_t d = graph->d_model;
  for (size_t i = 0; i < rows->n; i++) {
    size_t n = rows->begin[i + 1] - rows->begin[i];
    size_t first = rows->n_skip && !graph->pool_prompt ? rows->n_skip[i] : 0;
    for (uint32_t p = 0; p < graph->n_pool; p++, out += d) {
      pool_functions[graph->pool[p]](first, n, d, x, out);
    }
    x += n * d;
  }
}

void attne_unit_length(size_t m, size_t n, float *x) {
  for (size_t i = 0; i < m; i++, x += n) {
    double sum = 0; /* once a text: exactness is cheap */
    for (size_t k = 0; k < n; k++) sum += (double)x[k] * x[k];
    float length = (float)sqrt(sum);
    divide(n, x, length > 1e-12f ? length : 1e-12f);
  }
}
