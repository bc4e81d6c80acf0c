/*
** linear.h - y = x Wᵀ + b with a packed W, the operation that a Transformer
** spends its time in.
**
** A linear is made in two steps, because weights arrive a few rows at a time
** from wherever they are stored and nobody wants a second copy of them:
** attn_linear_init allocates the packed form, attn_linear_pack fills rows in any order.
** Packing is for the kernels of this machine and is never stored.
*/
#ifndef ATTN_LINEAR_H
#define ATTN_LINEAR_H

#include "kernels/kernels.h"

typedef struct attn_linear {
  uint32_t n_in, n_out;
  float *packed; /* W in panels, see kernels/kernels.h */
  float *bias;   /* [n_out], zero where the model has none */
} attn_linear;

/* Allocates; n_in and n_out are at least 1.  ATTN_NOMEM leaves it empty. */
attn_status attn_linear_init(attn_linear *linear, uint32_t n_out, uint32_t n_in);

/* Packs `n` rows of W, row[n, n_in], as outputs first .. first + n - 1. */
void attn_linear_pack(attn_linear *linear, uint32_t first, uint32_t n, const float *row);

/* y[m, n_out] = activation(x Wᵀ + b), or y += x Wᵀ + b; x is [m, n_in]. */
void attn_linear_apply(const attn_linear *linear, size_t m, const float *x,
                       attn_store store, attn_activation activation, float *y);

/* Releases what init allocated; an all-zero linear is fine. */
void attn_linear_free(attn_linear *linear);

uint64_t attn_linear_memory(const attn_linear *linear);

#endif
