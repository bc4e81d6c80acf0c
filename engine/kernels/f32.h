/*
** f32.h - the float32 kernels, written once over 16 lanes.
**
** A template: f32_<isa>.c includes lanes_<isa>.h, sets the size of a tile, includes
** this and names its table.  The order of every sum is fixed here:
**   product     one chain over k per output, or some, added up in order; the lanes are
**               outputs
**   row sums    element i is added to lane i mod 16, then the lanes' tree
*/
#ifndef ATTNE_F32_H
#define ATTNE_F32_H

#include "math16.h"
#include <math.h>

/* --------------------------------------------------------------------- product */

typedef attne_gemm_f32 product;

/* What an output that is gone on with holds. */
INLINE v16 begun16(const attne_output *out, size_t row, size_t column) {
  const float *c = out->c + row * out->ldc + column;
  if (out->n - column >= ATTNE_PANEL) return v16_load(c);
  return v16_load_n(c, out->n - column, v16_set(0.0f));
}

INLINE void tile(const product *g, size_t row, size_t panel, int rows, int panels,
                 float *sums, size_t stride) {
  const size_t n_k = g->k, lda = g->lda;
  const float *a = g->a + row * lda;
  const float *w = g->packed + panel * ATTNE_PANEL * n_k;
  /* Wanted soon.  The first rows ask for it: to ask costs as much as to multiply. */
  const float *next = row < 12 ? w + (size_t)panels * n_k * ATTNE_PANEL : NULL;
  v16 sum[TILE_ROWS][TILE_PANELS];

  UNROLL for (int p = 0; p < panels; p++) {
    v16 bias = bias16(&g->out, (panel + (size_t)p) * ATTNE_PANEL);
    UNROLL for (int r = 0; r < rows; r++) sum[r][p] = bias;
  }
  if (rows == 1 && panels == 1 && g->out.store == ATTNE_CONTINUE) {
    sum[0][0] = begun16(&g->out, row, panel * ATTNE_PANEL);
  }
  for (size_t k = 0, end, is_first = 1; k < n_k || is_first; is_first = 0) {
    end = g->chain && n_k - k > g->chain ? k + g->chain : n_k;
    for (; k < end; k++) {
      v16 b[TILE_PANELS];
      UNROLL for (int p = 0; p < panels; p++) {
        b[p] = v16_load(w + ((size_t)p * n_k + k) * ATTNE_PANEL);
        if (next) __builtin_prefetch(next + ((size_t)p * n_k + k) * ATTNE_PANEL, 0, 2);
      }
      UNROLL for (int r = 0; r < rows; r++) {
        v16 x = v16_set(a[(size_t)r * lda + k]);
        UNROLL for (int p = 0; p < panels; p++) sum[r][p] = v16_fma(x, b[p], sum[r][p]);
      }
    }
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int p = 0; p < panels; p++) {
        float *to = sums + (size_t)r * stride + p * ATTNE_PANEL;
        v16_store(to, is_first ? sum[r][p] : v16_add(v16_load(to), sum[r][p]));
        sum[r][p] = v16_set(0.0f);
      }
    }
  }
}

#define GELU16 gelu16

#include "tiles.h"

/* ------------------------------------------------------------------------ rows */

/* Lanes beyond the row hold -inf, and give 0. */
static void softmax_row(size_t n, float scale, float *x) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  const v16 by = v16_set(scale * 0x1.715476p+0f); /* log2 e */
  v16 most = v16_set(-INFINITY), last = most, sum = v16_set(0.0f);
  for (size_t i = 0; i < whole; i += 16) most = v16_max(v16_load(x + i), most);
  if (rest) last = v16_load_n(x + whole, rest, last);
  most = v16_set(v16_max_of(v16_max(last, most)));
  for (size_t i = 0; i < whole; i += 16) {
    v16 e = exp2_of16(v16_mul(v16_sub(v16_load(x + i), most), by));
    v16_store(x + i, e);
    sum = v16_add(sum, e);
  }
  if (rest) {
    last = exp2_of16(v16_mul(v16_sub(last, most), by));
    sum = v16_add(sum, last);
  }
  const v16 part = v16_set(1.0f / v16_sum(sum));
  for (size_t i = 0; i < whole; i += 16) v16_store(x + i, v16_mul(v16_load(x + i), part));
  if (rest) v16_store_n(x + whole, rest, v16_mul(last, part));
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

static void norm_row(size_t n, float mean, const float *weight, const float *bias,
                     float eps, const float *x, float *y) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  const v16 zero = v16_set(0.0f);
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

static void layer_norm(size_t m, size_t n, const float *weight, const float *bias,
                       float eps, const float *x, float *y) {
  for (size_t row = 0; row < m; row++, x += n, y += n) {
    norm_row(n, row_mean(n, x), weight, bias, eps, x, y);
  }
}

static void rms_norm(size_t m, size_t n, const float *weight, const float *bias,
                     float eps, const float *x, float *y) {
  for (size_t row = 0; row < m; row++, x += n, y += n) {
    norm_row(n, 0, weight, bias, eps, x, y);
  }
}

static void activate(attne_activation activation, size_t n, const float *x, float *y) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  for (size_t i = 0; i < whole; i += 16) {
    v16_store(y + i, activate16(activation, v16_load(x + i)));
  }
  if (rest) {
    v16 last = v16_load_n(x + whole, rest, v16_set(0.0f));
    v16_store_n(y + whole, rest, activate16(activation, last));
  }
}

static void gelu(size_t n, float *x, float *y) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  for (size_t i = 0; i < n; i += 16) {
    v16 u = i < whole ? v16_load(x + i) : v16_load_n(x + i, rest, v16_set(0.0f));
    v16 result = gelu16(u), slope = gelu_slope16(u);
    if (i < whole) {
      v16_store(y + i, result);
      v16_store(x + i, slope);
    } else {
      v16_store_n(y + i, rest, result);
      v16_store_n(x + i, rest, slope);
    }
  }
}

/* ------------------------------------------------------------------------ CBOW */

/* hidden = mean of the rows of the context */
static void cbow_mean(const attne_cbow *c) {
  v16 by = v16_set(1.0f / (float)c->n_context);
  for (size_t k = 0; k < c->d; k += 16) {
    v16 sum = v16_load(c->in + c->context[0] * c->d + k);
    for (size_t i = 1; i < c->n_context; i++) {
      sum = v16_add(sum, v16_load(c->in + c->context[i] * c->d + k));
    }
    v16_store(c->hidden + k, v16_mul(sum, by));
  }
}

/* p = sigmoid(hidden . row) of each target */
static void cbow_score(const attne_cbow *c) {
  for (size_t t = 0; t < c->n_target; t++) {
    const float *row = c->out + c->target[t] * c->d;
    v16 sum = v16_set(0.0f);
    for (size_t k = 0; k < c->d; k += 16) {
      sum = v16_fma(v16_load(c->hidden + k), v16_load(row + k), sum);
    }
    c->p[t] = v16_sum(sum);
  }
  for (size_t t = c->n_target; t % 16; t++) c->p[t] = 0.0f;
  for (size_t t = 0; t < c->n_target; t += 16) {
    v16_store(c->p + t, gate16(v16_set(1.0f), v16_load(c->p + t)));
  }
}

static void cbow(const attne_cbow *c) {
  float step[ATTNE_CBOW_TARGETS];
  for (size_t t = 0; t < c->n_target; t++) {
    const char *row = (const char *)(c->out + c->target[t] * c->d);
    for (size_t k = 0; k < c->d * sizeof(float); k += 64) __builtin_prefetch(row + k, 1);
  }
  cbow_mean(c);
  cbow_score(c);
  for (size_t t = 0; t < c->n_target; t++) {
    step[t] = ((t == 0 ? 1.0f : 0.0f) - c->p[t]) * c->alpha;
  }
  for (size_t k = 0; k < c->d; k += 16) {
    v16 hidden = v16_load(c->hidden + k), gradient = v16_set(0.0f);
    for (size_t t = 0; t < c->n_target; t++) {
      v16 row = v16_load(c->out + c->target[t] * c->d + k);
      gradient = v16_fma(v16_set(step[t]), row, gradient);
    }
    for (size_t t = 0; t < c->n_target; t++) {
      float *at = c->out + c->target[t] * c->d + k;
      v16_store(at, v16_fma(v16_set(step[t]), hidden, v16_load(at)));
    }
    v16_store(c->gradient + k, gradient);
  }
  for (size_t i = 0; i < c->n_context; i++) {
    float *row = c->in + c->context[i] * c->d;
    for (size_t k = 0; k < c->d; k += 16) {
      v16_store(row + k, v16_add(v16_load(row + k), v16_load(c->gradient + k)));
    }
  }
}

#define F32_KERNELS                                                                      \
  { gemm, softmax, layer_norm, rms_norm, activate, gelu, cbow }

#endif
