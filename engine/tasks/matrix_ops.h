/*
** matrix_ops.h - the steps of a Transformer, each alone, over matrices of the caller's.
**
** They run the kernels that the forward pass runs.  x[m, n] is m rows of n numbers, one
** after the other; sizes are at least 1.  NaN and infinity go where IEEE 754 takes them.
*/
/* Before the guard: attn.h, of which this is a part, includes it in its turn. */
#include "../attn.h"

#ifndef ATTN_MATRIX_H
#define ATTN_MATRIX_H

/* y = activation(x W + bias).  W is [n_in, n_out] or, where it is stored as linear layers
** store it, its transpose [n_out, n_in]. */
typedef struct attn_product {
  size_t m, n_in, n_out;
  const float *x; /* [m, n_in] */
  const float *w;
  int is_transposed;
  const float *bias;    /* [n_out], or NULL: 0 */
  attn_text activation; /* empty: none */
  float *y;             /* [m, n_out] */

  /* Asked now and then; non-zero: ATTN_INTERRUPTED.  NULL: never. */
  int (*stop)(void *ctx);
  void *ctx;
} attn_product;

attn_status attn_matrix_product(const attn_product *product, attn_error *err);

/* y = activation(x); x[n].  Activations are relu, gelu, gelu_new, silu, tanh, sigmoid and
** linear, and further names that configurations have for them. */
attn_status attn_matrix_activate(attn_text activation, size_t n, const float *x,
                                 attn_error *err, float *y);

/* softmax of each row, in place: exp(x - max) / sum of these. */
void attn_matrix_softmax(size_t m, size_t n, float *x);

/* (x - mean) / sqrt(variance + eps) * weight + bias of each row; y may be x. */
void attn_matrix_layer_norm(size_t m, size_t n, const float *weight, const float *bias,
                            float eps, const float *x, float *y);

/* Scaled dot-product attention of several heads, whose vectors stand beside each other in
** the rows of q, k and v:
**   weights = softmax(scale q kᵀ + mask),  out = weights v    of each head
** The queries may be those of another sequence than the keys and values. */
typedef struct attn_attend {
  size_t n_query, n_key, n_head, d_key, d_value;
  const float *q;    /* [n_query, n_head d_key] */
  const float *k;    /* [n_key, n_head d_key] */
  const float *v;    /* [n_key, n_head d_value], or NULL: nothing but weights is wanted */
  const float *mask; /* [n_query, n_key], added to the scores of every head, or NULL */
  float scale;
  float *out;     /* [n_query, n_head d_value] */
  float *weights; /* [n_head, n_query, n_key], or NULL */

  int (*stop)(void *ctx); /* as above */
  void *ctx;
} attn_attend;

attn_status attn_matrix_attend(const attn_attend *attend, attn_error *err);

/* The two directions in which the rows of x[m, n] differ most (principal components):
** xy[m, 2] is where the rows are along them, from their mean; share[2] is the part of the
** variance that either holds.  The sign of a direction is that which makes its largest
** number positive.  stop and ctx as above. */
attn_status attn_matrix_principal(size_t m, size_t n, const float *x,
                                  int (*stop)(void *ctx), void *ctx, attn_error *err,
                                  double *xy, double share[2]);

/* The sinusoids of Vaswani et al. 2017: x[i, 2k] = sin(i / 10000^(2k / n)) and
** x[i, 2k + 1] = cos of the same. */
void attn_matrix_positions(size_t m, size_t n, float *x);

#endif
