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
#ifndef ATTNE_KERNELS_H
#define ATTNE_KERNELS_H

#include "../base/base.h"
#include "code.h"
#include "scan.h"

/* Vectors have to stay in registers across calls. */
#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define ATTNE_PANEL 16

/* Elements of a packed matrix of n outputs and k inputs. */
INLINE size_t attne_packed_size(size_t n, size_t k) {
  return (n + ATTNE_PANEL - 1) / ATTNE_PANEL * ATTNE_PANEL * k;
}

/* Where input 0 of output n stands; input k is ATTNE_PANEL * k further on. */
INLINE size_t attne_packed_index(size_t n, size_t n_k) {
  return n / ATTNE_PANEL * ATTNE_PANEL * n_k + n % ATTNE_PANEL;
}

typedef enum attne_activation {
  ATTNE_IDENTITY,
  ATTNE_GELU,      /* x/2 (1 + erf(x / sqrt 2)) */
  ATTNE_GELU_TANH, /* the tanh approximation */
  ATTNE_RELU,
  ATTNE_SILU,
  ATTNE_TANH,
  ATTNE_SIGMOID
} attne_activation;

/* What becomes of a product's result. */
typedef enum attne_store {
  ATTNE_SET,     /* c = activation(result) */
  ATTNE_ADD,     /* c = c + result */
  ATTNE_CONTINUE /* c = result, whose chain begins at c and not at the bias; only of one
                ** row and up to 16 outputs, in float32 */
} attne_store;

typedef struct attne_output {
  size_t n;          /* outputs */
  const float *bias; /* [n], or NULL: 0 */
  attne_store store;
  attne_activation activation; /* with ATTNE_SET */
  float *c;                    /* rows of n numbers, ldc apart */
  size_t ldc;
} attne_output;

/* float32: result[m, n] = a Wᵀ + bias, with a[m, k] in rows lda apart.  Every
** element is one chain of fused multiply-adds over k = 0, 1, ... that starts at
** its bias; or it is the sum of several chains, one for each `chain` of k, the first of
** which starts at the bias and the others at 0. */
typedef struct attne_gemm_f32 {
  size_t m, k;
  const float *a;
  size_t lda;
  const float *packed;
  attne_output out;
  size_t chain; /* 0: one chain */
} attne_gemm_f32;

/* Of linears.  The error of a chain grows with its length: with chains of 128 the vectors
** in a model, and the weights of its attention, are twice as near to the true ones. */
enum { ATTNE_CHAIN = 128 };

enum { ATTNE_CBOW_TARGETS = 64 };

/* One example of CBOW with negative sampling (Mikolov et al. 2013): a word is told from
** others, drawn at random, by the words around it.  Rows are d floats, a multiple of 16,
** on 64-byte boundaries; a row may be there twice.
**
**   h = sum of in[context] / n_context
**   p = sigmoid(h . out[target])
**   g = alpha ([target is the first] - p)
**   in[context] += sum of g out[target];  out[target] += g h
**
** All of it is computed from the rows as they were before. */
typedef struct attne_cbow {
  size_t d;
  float *in, *out;
  const uint32_t *context, *target;
  size_t n_context, n_target; /* 1 or more; at most ATTNE_CBOW_TARGETS */
  float alpha;
  float *hidden, *gradient; /* scratch: [d] each */
  float *p;                 /* OUT: [n_target], with room for a multiple of 16 */
} attne_cbow;

typedef struct attne_kernels_f32 {
  void (*gemm)(const attne_gemm_f32 *g);

  /* m rows of n numbers, ld floats apart, in place:
  ** x = exp(scale (x - max x)) / sum of these; scale > 0, n > 0. */
  void (*softmax)(size_t m, size_t n, float scale, float *x, size_t ld);

  /* m rows of n numbers, without a gap; y may be x:
  ** y = (x - mean) / sqrt(variance + eps) * weight + bias. */
  void (*layer_norm)(size_t m, size_t n, const float *weight, const float *bias,
                     float eps, const float *x, float *y);

  /* The same with 0 for the mean: y = x / sqrt(mean of x² + eps) * weight + bias. */
  void (*rms_norm)(size_t m, size_t n, const float *weight, const float *bias, float eps,
                   const float *x, float *y);

  /* n numbers: y = activation(x); y may be x. */
  void (*activate)(attne_activation activation, size_t n, const float *x, float *y);

  /* n numbers: y = gelu(x), as ATTNE_GELU has it, and x = its derivative there. */
  void (*gelu)(size_t n, float *x, float *y);

  void (*cbow)(const attne_cbow *c);
} attne_kernels_f32;

/* int8.  Numbers of a row, and weights of an output, are integers in -127 .. 127
** times a scale, of which each group of 128 inputs has its own.  The products of a group
** are summed in int32, exactly, so that any order gives the same, and float32 holds the
** sum.  The groups' sums are added up in float32, one after the other:
**
**   result[m, n] = bias[n]
**   result[m, n] = fma((float)sum, row_scale[m][g] * scale[g][n], result[m, n])   g = 0, 1 ...
**
** Four inputs of 16 outputs stand together, which is what the instructions take:
**
**   packed[p][k/4][j][k%4] = W[16 p + j][k]
**
** Inputs beyond the last are zero, and so are outputs. */
#define ATTNE_I8_GROUP 128   /* a whole number of any rotation's blocks */
#define ATTNE_I8_MAX_K 65536 /* more than any model has */

/* The groups of k inputs, of which the last may be smaller. */
INLINE uint64_t attne_groups_i8(uint64_t k) {
  return (k + ATTNE_I8_GROUP - 1) / ATTNE_I8_GROUP;
}

/* The inputs of the group that begins at input `first` of k. */
INLINE size_t attne_group_size_i8(size_t first, size_t k) {
  return k - first < ATTNE_I8_GROUP ? k - first : ATTNE_I8_GROUP;
}

/* Bytes of a packed matrix of n outputs and k inputs. */
INLINE size_t attne_packed_size_i8(size_t n, size_t k) {
  return attne_packed_size(n, (k + 3) / 4 * 4);
}

/* Where inputs 0 .. 3 of output n stand; the next four are 4 ATTNE_PANEL further on. */
INLINE size_t attne_packed_index_i8(size_t n, size_t n_k) {
  return attne_packed_size_i8(n / ATTNE_PANEL * ATTNE_PANEL, n_k) + n % ATTNE_PANEL * 4;
}

typedef struct attne_gemm_i8 {
  size_t m, k;
  const void *rows;       /* [m], from quantize */
  const float *row_scale; /* [m][groups] */
  const int8_t *packed;
  const float *scale;    /* [groups][n], n padded to whole panels */
  const int32_t *offset; /* -128 times the sum of an output's weights, likewise */
  attne_output out;
} attne_gemm_i8;

typedef struct attne_kernels_i8 {
  void (*gemm)(const attne_gemm_i8 *g);

  /* x = x H for a row of n numbers.  H is block-diagonal, of Hadamard matrices without
  ** a factor, each of attne_rotation_block(n). */
  void (*rotate)(size_t n, float *x);

  /* Rotates m rows x[m, n] and rounds them, group by group, to integers times row_scale,
  ** which is the largest magnitude / 127 (NaN where a number is not finite).  A row is
  ** written in the form that gemm takes, in attne_row_size_i8(n) bytes. */
  void (*quantize)(size_t m, size_t n, const float *x, void *rows, float *row_scale);
} attne_kernels_i8;

/* The largest power of two that divides n, 128 at most. */
INLINE size_t attne_rotation_block(size_t n) {
  size_t block = n & (~n + 1);
  return block < 128 ? block : 128;
}

/* An element is one byte or two, as the instructions want it. */
INLINE uint64_t attne_row_size_i8(uint64_t n) {
  return (n + 15) / 16 * 16 * 2;
}

/* A tier: the kernels of one instruction set, by the name that ATTN_ISA gives it. */
typedef struct attne_kernels {
  const char *name;
  uint32_t needs; /* features of the CPU: bits of dispatch.c */
  const attne_kernels_f32 *f32;
  const attne_kernels_i8 *i8;
  attne_scan *scan; /* see scan.h */
  attne_code *code; /* see code.h */
} attne_kernels;

extern const attne_kernels_f32 attne_f32_scalar, attne_f32_avx2, attne_f32_avx512,
    attne_f32_neon;
extern const attne_kernels_i8 attne_i8_scalar, attne_i8_avx2, attne_i8_avx512,
    attne_i8_avx512vnni, attne_i8_neon, attne_i8_dotprod;

/* The tier in use: what attn_isa_init chose, or the best of this CPU. */
const attne_kernels *attne_kernels_get(void);

/* Lists the tiers that this machine runs, the slowest first: the one behind `previous`
** (NULL: the first), or NULL at the end. */
const attne_kernels *attne_kernels_next(const attne_kernels *previous);

/* For tests: the tier of a name (NULL: the CPU lacks it, or no such name), and a way to
** put one in use. */
const attne_kernels *attne_kernels_by_name(const char *name);
void attne_kernels_use(const attne_kernels *kernels);

#endif
