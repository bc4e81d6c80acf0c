/*
** f32.h - the float32 kernels, written once over 16 lanes.
**
** A template: f32_<isa>.c includes lanes_<isa>.h and then this, and names its
** table.  The order of every sum is fixed here:
**   product     one chain over k per output; the lanes are outputs
**   row sums    element i is added to lane i mod 16, then the lanes' tree
*/
#ifndef ATTN_F32_H
#define ATTN_F32_H

#include "math16.h"
#include <math.h>

#if defined(__SANITIZE_ADDRESS__)
#define UNROLL /* checks in every lane would make of one tile a minute's compiling */
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* --------------------------------------------------------------------- product */

/* Where a tile of the result is: `rows` rows from `row`, panels from `panel`. */
typedef void tile_kernel(const attn_gemm *g, size_t row, size_t panel);

/* Writes one panel of one row, of which `n` columns exist. */
INLINE void store_lanes(const attn_gemm *g, float *c, size_t n, v16 x) {
  v16 before = v16_set(0.0f);
  if (n >= ATTN_PANEL) {
    if (g->store == ATTN_ADD) x = v16_add(v16_load(c), x);
    v16_store(c, x);
  } else {
    if (g->store == ATTN_ADD) x = v16_add(v16_load_n(c, n, before), x);
    v16_store_n(c, n, x);
  }
}

INLINE v16 load_bias(const attn_gemm *g, size_t column) {
  v16 zero = v16_set(0.0f);
  if (!g->bias) return zero;
  if (g->n - column >= ATTN_PANEL) return v16_load(g->bias + column);
  return v16_load_n(g->bias + column, g->n - column, zero);
}

/* rows and panels are constants where this is inlined, so that the accumulators
** are registers. */
INLINE void tile(const attn_gemm *g, size_t row, size_t panel, int rows, int panels) {
  const size_t column = panel * ATTN_PANEL, n_k = g->k, lda = g->lda;
  const float *a = g->a + row * lda;
  const float *w = g->packed + column * n_k;
  const float *next = w + (size_t)panels * n_k * ATTN_PANEL;
  v16 sum[TILE_ROWS][TILE_PANELS];

  UNROLL for (int p = 0; p < panels; p++) {
    v16 bias = load_bias(g, column + (size_t)p * ATTN_PANEL);
    UNROLL for (int r = 0; r < rows; r++) sum[r][p] = bias;
  }
  for (size_t k = 0; k < n_k; k++) {
    v16 b[TILE_PANELS];
    UNROLL for (int p = 0; p < panels; p++) {
      b[p] = v16_load(w + ((size_t)p * n_k + k) * ATTN_PANEL);
      __builtin_prefetch(next + ((size_t)p * n_k + k) * ATTN_PANEL, 0, 2);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      v16 x = v16_set(a[(size_t)r * lda + k]);
      UNROLL for (int p = 0; p < panels; p++) sum[r][p] = v16_fma(x, b[p], sum[r][p]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    float *c = g->c + (row + (size_t)r) * g->ldc + column;
    UNROLL for (int p = 0; p < panels; p++) {
      size_t first = (size_t)p * ATTN_PANEL;
      store_lanes(g, c + first, g->n - column - first, sum[r][p]);
    }
  }
}

#define TILE(rows, panels)                                                               \
  static void tile_##rows##x##panels(const attn_gemm *g, size_t row, size_t panel) {     \
    tile(g, row, panel, rows, panels);                                                   \
  }
#if TILE_ROWS == 14
#define FOR_ROWS(f, panels)                                                              \
  f(1, panels) f(2, panels) f(3, panels) f(4, panels) f(5, panels) f(6, panels)          \
      f(7, panels) f(8, panels) f(9, panels) f(10, panels) f(11, panels) f(12, panels)   \
          f(13, panels) f(14, panels)
#elif TILE_ROWS == 6
#define FOR_ROWS(f, panels)                                                              \
  f(1, panels) f(2, panels) f(3, panels) f(4, panels) f(5, panels) f(6, panels)
#else
#define FOR_ROWS(f, panels) f(1, panels) f(2, panels) f(3, panels) f(4, panels)
#endif
#define NAME(rows, panels) tile_##rows##x##panels,

FOR_ROWS(TILE, 1)
#if TILE_PANELS == 2
FOR_ROWS(TILE, 2)
#endif

static tile_kernel *const tiles[TILE_PANELS][TILE_ROWS] = {
    {FOR_ROWS(NAME, 1)},
#if TILE_PANELS == 2
    {FOR_ROWS(NAME, 2)},
#endif
};

/* Applies an activation to rows that have just been written: n columns of c. */
typedef void activation_kernel(size_t m, size_t n, float *c, size_t ldc);

#define ACTIVATION(name, activation)                                                     \
  static void name(size_t m, size_t n, float *c, size_t ldc) {                           \
    activate_rows(activation, m, n, c, ldc);                                             \
  }

INLINE void activate_rows(attn_activation activation, size_t m, size_t n, float *c,
                          size_t ldc) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  for (; m > 0; m--, c += ldc) {
    for (size_t i = 0; i < whole; i += 16) {
      v16_store(c + i, activate16(activation, v16_load(c + i)));
    }
    if (rest) {
      v16 x = v16_load_n(c + whole, rest, v16_set(0.0f));
      v16_store_n(c + whole, rest, activate16(activation, x));
    }
  }
}

ACTIVATION(gelu, ATTN_GELU)
ACTIVATION(gelu_tanh, ATTN_GELU_TANH)
ACTIVATION(relu, ATTN_RELU)
ACTIVATION(silu, ATTN_SILU)
ACTIVATION(hyperbolic_tangent, ATTN_TANH)
ACTIVATION(sigmoid, ATTN_SIGMOID)

static activation_kernel *const activations[] = {
    [ATTN_IDENTITY] = NULL,   [ATTN_GELU] = gelu, [ATTN_GELU_TANH] = gelu_tanh,
    [ATTN_RELU] = relu,       [ATTN_SILU] = silu, [ATTN_TANH] = hyperbolic_tangent,
    [ATTN_SIGMOID] = sigmoid,
};

static void gemm(const attn_gemm *g) {
  const size_t n_panel = (g->n + ATTN_PANEL - 1) / ATTN_PANEL;
  const size_t n_block = (g->m + TILE_ROWS - 1) / TILE_ROWS; /* of nearly equal height */
  activation_kernel *activate = activations[g->activation];
  for (size_t panel = 0; panel < n_panel; panel += TILE_PANELS) {
    size_t panels = n_panel - panel < TILE_PANELS ? n_panel - panel : TILE_PANELS;
    size_t column = panel * ATTN_PANEL, n = panels * ATTN_PANEL;
    if (n > g->n - column) n = g->n - column;
    for (size_t block = 0; block < n_block; block++) {
      size_t row = g->m * block / n_block, end = g->m * (block + 1) / n_block;
      tiles[panels - 1][end - row - 1](g, row, panel);
      if (activate) activate(end - row, n, g->c + row * g->ldc + column, g->ldc);
    }
  }
}

/* ------------------------------------------------------------------------ rows */

static void softmax_row(size_t n, float scale, float *x) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  v16 most = v16_set(-INFINITY), sum = v16_set(0.0f), by = v16_set(scale);
  for (size_t i = 0; i < whole; i += 16) most = v16_max(v16_load(x + i), most);
  if (rest) most = v16_max(v16_load_n(x + whole, rest, most), most);
  most = v16_set(v16_max_of(most));
  for (size_t i = 0; i < whole; i += 16) {
    v16 e = exp16(v16_mul(v16_sub(v16_load(x + i), most), by));
    v16_store(x + i, e);
    sum = v16_add(sum, e);
  }
  if (rest) {
    v16 e = exp16(v16_mul(v16_sub(v16_load_n(x + whole, rest, most), most), by));
    v16_store_n(x + whole, rest, e);
    sum = v16_add(sum, v16_load_n(x + whole, rest, v16_set(0.0f)));
  }
  v16 part = v16_set(1.0f / v16_sum(sum));
  for (size_t i = 0; i < whole; i += 16) v16_store(x + i, v16_mul(v16_load(x + i), part));
  if (rest) {
    v16_store_n(x + whole, rest, v16_mul(v16_load_n(x + whole, rest, part), part));
  }
}

static void softmax(size_t m, size_t n, float scale, float *x, size_t ld) {
  for (size_t row = 0; row < m; row++) softmax_row(n, scale, x + row * ld);
}

static float row_mean(size_t n, const float *x) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  v16 sum = v16_set(0.0f);
  for (size_t i = 0; i < whole; i += 16) sum = v16_add(sum, v16_load(x + i));
  if (rest) sum = v16_add(sum, v16_load_n(x + whole, rest, v16_set(0.0f)));
  return v16_sum(sum) / (float)n;
}

static float row_variance(size_t n, float mean, const float *x) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  v16 sum = v16_set(0.0f), center = v16_set(mean);
  for (size_t i = 0; i < whole; i += 16) {
    v16 d = v16_sub(v16_load(x + i), center);
    sum = v16_fma(d, d, sum);
  }
  if (rest) {
    v16 d = v16_sub(v16_load_n(x + whole, rest, center), center);
    sum = v16_fma(d, d, sum);
  }
  return v16_sum(sum) / (float)n;
}

static void layer_norm(size_t m, size_t n, const float *weight, const float *bias,
                       float eps, const float *x, float *y) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  const v16 zero = v16_set(0.0f);
  for (size_t row = 0; row < m; row++, x += n, y += n) {
    float mean = row_mean(n, x);
    v16 center = v16_set(mean);
    v16 by = v16_set(1.0f / sqrtf(row_variance(n, mean, x) + eps));
    for (size_t i = 0; i < whole; i += 16) {
      v16 d = v16_mul(v16_sub(v16_load(x + i), center), by);
      v16_store(y + i, v16_fma(d, v16_load(weight + i), v16_load(bias + i)));
    }
    if (rest) {
      v16 d = v16_mul(v16_sub(v16_load_n(x + whole, rest, center), center), by);
      v16 w = v16_load_n(weight + whole, rest, zero),
          b = v16_load_n(bias + whole, rest, zero);
      v16_store_n(y + whole, rest, v16_fma(d, w, b));
    }
  }
}

#define F32_KERNELS                                                                      \
  { gemm, softmax, layer_norm }

#endif
