/*
** linear.h - y = x Wᵀ + b with a packed W, the operation that a Transformer
** spends its time in.
**
** A linear is made in two steps, because weights arrive a few rows at a time from
** wherever they are stored and nobody wants a second copy of them: attne_linear_init
** lays out the packed form in memory of the caller's, the pack functions fill rows
** in any order.  Packing is for the kernels of this machine and is never stored;
** quantized rows are the same on all machines and may be.
*/
#ifndef ATTNE_LINEAR_H
#define ATTNE_LINEAR_H

#include "../base/base.h"
#include "../kernels/kernels.h"

typedef struct attne_linear {
  uint32_t n_in, n_out; /* int8: n_in is at most ATTNE_I8_MAX_K */
  attn_precision precision;
  void *packed;    /* float or int8_t, W in panels, see kernels/kernels.h */
  float *bias;     /* [n_out], zero until it is set */
  float *scale;    /* int8: of each group of inputs, [groups][n_out], see attne_gemm_i8 */
  int32_t *offset; /* int8: likewise */

  /* Sees every input x[m, n_in] before the product: calibration collects its Hessian
  ** here. NULL: nobody looks. */
  void (*observe)(void *ctx, size_t m, const float *x);
  void *observe_ctx;
} attne_linear;

/* Bytes of memory that a linear needs, a multiple of 64; 0 when that overflows. */
uint64_t attne_linear_size(uint32_t n_out, uint32_t n_in, attn_precision precision);

/* Lays a linear out in memory of that size, on a 64-byte boundary, which it borrows.
** n_in and n_out are at least 1. */
void attne_linear_init(attne_linear *linear, uint32_t n_out, uint32_t n_in,
                       attn_precision precision, void *memory);

/* Packs `n` rows of W, row[n, n_in], as outputs first .. first + n - 1.  Where the
** linear is int8 they are quantized, and `row` is overwritten. */
void attne_linear_pack(attne_linear *linear, uint32_t first, uint32_t n, float *row);

/* The same from columns of W, column[n, n_out], as inputs first .. first + n - 1; of a
** float32 linear. */
void attne_linear_pack_columns(attne_linear *linear, uint32_t first, uint32_t n,
                               const float *column);

/* The same for rows that are quantized already, scale[n][groups]. */
void attne_linear_pack_i8(attne_linear *linear, uint32_t first, uint32_t n,
                          const int8_t *row, const float *scale);

/* Bytes of scratch, on a 64-byte boundary, that m rows need; *overflow is sticky. */
uint64_t attne_linear_scratch(const attne_linear *linear, uint64_t m, int *overflow);

/* y[m, n_out] = activation(x Wᵀ + b), or y += x Wᵀ + b; x is [m, n_in]. */
void attne_linear_apply(const attne_linear *linear, size_t m, const float *x,
                        void *scratch, attne_store store, attne_activation activation,
                        float *y);

#endif
