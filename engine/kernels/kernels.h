/*
** kernels.h - the arithmetic of the forward pass, once per instruction set.
**
** Each instruction set gives the functions below, and every one of them gives
** the same bits.  README.md says how that is done and how to add one.
**
** Packed matrices.  Both operands that are "weights" to a product (a linear's W,
** a head's keys and values) are stored in panels of 16 outputs:
**
**   packed[p][k][j] = W[16 p + j][k]      p < panels(n), k < n_k, j < 16
**
** so that one step over k is one load of 16 neighboring outputs.  Outputs beyond
** n are zero.  The same layout serves every instruction set.
*/
#ifndef ATTN_KERNELS_H
#define ATTN_KERNELS_H

#include "../base.h"

/* Vectors have to stay in registers across calls. */
#define INLINE static inline __attribute__((always_inline))

#define ATTN_PANEL 16

/* Elements of a packed matrix of n outputs and k inputs. */
INLINE size_t attn_packed_size(size_t n, size_t k) {
  return (n + ATTN_PANEL - 1) / ATTN_PANEL * ATTN_PANEL * k;
}

/* Where input 0 of output n stands; input k is ATTN_PANEL * k further on. */
INLINE size_t attn_packed_index(size_t n, size_t n_k) {
  return n / ATTN_PANEL * ATTN_PANEL * n_k + n % ATTN_PANEL;
}

typedef enum attn_activation {
  ATTN_IDENTITY,
  ATTN_GELU,      /* x/2 (1 + erf(x / sqrt 2)) */
  ATTN_GELU_TANH, /* the tanh approximation */
  ATTN_RELU,
  ATTN_SILU,
  ATTN_TANH,
  ATTN_SIGMOID
} attn_activation;

/* What a product does with its result. */
typedef enum attn_store {
  ATTN_SET, /* c = activation(a Wᵀ + bias) */
  ATTN_ADD  /* c = c + (a Wᵀ + bias) */
} attn_store;

/* c[m, n] from a[m, k] and W[n, k]; rows are lda and ldc floats apart.  Every
** element is one chain of fused multiply-adds over k = 0, 1, ... that starts at
** its bias (0 where bias is NULL). */
typedef struct attn_gemm {
  size_t m, n, k;
  const float *a;
  size_t lda;
  const float *packed;
  const float *bias; /* [n] */
  attn_store store;
  attn_activation activation; /* with ATTN_SET */
  float *c;
  size_t ldc;
} attn_gemm;

typedef struct attn_kernels_f32 {
  void (*gemm)(const attn_gemm *g);

  /* m rows of n numbers, ld floats apart, in place:
  ** x = exp(scale (x - max x)) / sum of these; scale > 0, n > 0. */
  void (*softmax)(size_t m, size_t n, float scale, float *x, size_t ld);

  /* m rows of n numbers, without a gap; y may be x:
  ** y = (x - mean) / sqrt(variance + eps) * weight + bias. */
  void (*layer_norm)(size_t m, size_t n, const float *weight, const float *bias,
                     float eps, const float *x, float *y);
} attn_kernels_f32;

/* An instruction set by the name that ATTN_ISA gives it. */
typedef struct attn_kernels {
  const char *name;
  int (*supported)(void);
  const attn_kernels_f32 *f32;
} attn_kernels;

/* The kernels in use: what attn_isa_init chose, or the best of this CPU. */
const attn_kernels *attn_kernels_get(void);

/* For tests: a tier of this machine by its name (NULL: the CPU lacks it, or no
** such name), and a way to put one in use. */
const attn_kernels *attn_kernels_by_name(const char *name);
void attn_kernels_use(const attn_kernels *kernels);

#endif
