/*
** i8.h - the int8 kernels, written once over 16 lanes.
**
** Before numbers are rounded to integers they are rotated, block by block, by a
** Hadamard matrix: an outlier is spread over its block, so that the largest number
** of a row is no longer many times its typical one (QuaRot, Ashkboos et al. 2024).
** Weights are rotated in the same way when they are quantized, and because
** (x H)(w H) = x H Hᵀ w = block * x w nothing has to be undone.
**
** A template: i8_<isa>.c includes a lanes_ header, sets the size of a tile, defines
**
**   element          of a quantized row: uint8_t, int8_t or int16_t
**   ELEMENT_ZERO     what stands for 0 in it
**   store_elements   writes the low bits of 16 lanes
**   sum_products     sums[rows][panels][16] of `rows` rows of n_four times four
**                    elements, `stride` elements apart, with the weights of `panels`
**                    panels from w on, panel_size bytes apart; `offset` is theirs, for
**                    unsigned elements.  What is at `next`, if it is not NULL, is
**                    wanted soon.  rows and panels are constants where it is inlined.
**
** then includes this and names its table.
*/
#ifndef ATTNE_I8_H
#define ATTNE_I8_H

#include "math16.h"

typedef attne_gemm_i8 product;

/* ---------------------------------------------------------------------- rotation */

enum { BLOCK_VECTORS = 128 / 16 };

/* Largest magnitude of each lane, and NaN where a number was not finite. */
typedef struct row_range {
  v16 most, poison;
} row_range;

/* Of a block of n rotated vectors.  Each of its numbers is a sum of all that were
** rotated, so that any one of them tells whether one of those was not finite.  A sum that
** became infinite is seen as the largest. */
INLINE row_range range_of(row_range range, int n, const v16 *x) {
  v16 most = v16_abs(x[0]);
  UNROLL for (int i = 1; i < n; i++) most = v16_max(v16_abs(x[i]), most);
  range.most = v16_max(most, range.most);
  range.poison = v16_fma(x[0], v16_set(0.0f), range.poison);
  return range;
}

/* One stage within a vector: lanes that differ in one bit of their number become
** their sum and their difference. */
INLINE v16 mix_pairs(v16 x, v16 swapped, const float sign[16]) {
  return v16_fma(x, v16_load(sign), swapped);
}

static const float sign_1[16] = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
static const float sign_2[16] = {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1};
static const float sign_4[16] = {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1};
static const float sign_8[16] = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};

INLINE v16 mix_lanes(v16 x, size_t block) {
  if (block > 1) x = mix_pairs(x, v16_swap_1(x), sign_1);
  if (block > 2) x = mix_pairs(x, v16_swap_2(x), sign_2);
  if (block > 4) x = mix_pairs(x, v16_swap_4(x), sign_4);
  if (block > 8) x = mix_pairs(x, v16_swap_8(x), sign_8);
  return x;
}

/* One stage between vectors. */
INLINE void mix_vectors(int n, int distance, v16 *x) {
  UNROLL for (int i = 0; i < n; i++) {
    if (i & distance) continue;
    v16 a = x[i], b = x[i + distance];
    x[i] = v16_add(a, b);
    x[i + distance] = v16_sub(a, b);
  }
}

/* A block of n vectors. */
INLINE void rotate_vectors(int n, const float *x, v16 *v) {
  UNROLL for (int i = 0; i < n; i++) v[i] = mix_lanes(v16_load(x + 16 * i), 16);
  if (n > 1) mix_vectors(n, 1, v);
  if (n > 2) mix_vectors(n, 2, v);
  if (n > 4) mix_vectors(n, 4, v);
}

INLINE row_range rotate_block(int n, const float *x, float *y, row_range range) {
  v16 v[BLOCK_VECTORS];
  rotate_vectors(n, x, v);
  UNROLL for (int i = 0; i < n; i++) v16_store(y + 16 * i, v[i]);
  return range_of(range, n, v);
}

/* Blocks smaller than a vector. */
INLINE row_range rotate_small(size_t n, size_t block, const float *x, float *y,
                              row_range range) {
  for (size_t i = 0; i < n; i += 16) {
    v16 v = n - i < 16 ? v16_load_n(x + i, n - i, v16_set(0.0f)) : v16_load(x + i);
    v = mix_lanes(v, block);
    range = range_of(range, 1, &v);
    if (n - i < 16) {
      v16_store_n(y + i, n - i, v);
    } else {
      v16_store(y + i, v);
    }
  }
  return range;
}

/* n numbers in blocks of that size. */
static row_range rotate_blocks(size_t n, size_t block, const float *x, float *y) {
  row_range range = {v16_set(0.0f), v16_set(0.0f)};
  if (block < 16) return rotate_small(n, block, x, y, range);
  for (size_t i = 0; i < n; i += block) {
    switch (block) {
    case 16:
      range = rotate_block(1, x + i, y + i, range);
      break;
    case 32:
      range = rotate_block(2, x + i, y + i, range);
      break;
    case 64:
      range = rotate_block(4, x + i, y + i, range);
      break;
    default:
      range = rotate_block(8, x + i, y + i, range);
      break;
    }
  }
  return range;
}

static void rotate(size_t n, float *x) {
  rotate_blocks(n, attne_rotation_block(n), x, x);
}

/* ------------------------------------------------------------------ quantization */

/* Adding this leaves the nearest integer in the low bits. */
#define TO_ELEMENT (0x1.8p+23f + ELEMENT_ZERO)

INLINE void quantize16(v16 x, v16 by, element *q) {
  store_elements(q, v16_fma(x, by, v16_set(TO_ELEMENT)));
}

/* What numbers of a range are multiplied by, and their scale. */
INLINE v16 scale_of_range(row_range range, float *scale) {
  float most = v16_max_of(range.most);
  *scale = most / 127 + (most * 0 + v16_sum(range.poison));
  return v16_set(most >= 1e-30f ? 127 / most : 0);
}

/* Groups that are rotated, looked at and rounded together: what one has to wait for its
** largest number, the others do. */
enum { AT_ONCE = 4 };

INLINE void quantize_group(size_t n, v16 by, const float *x, element *q) {
  const size_t whole = n / 16 * 16, rest = n - whole;
  for (size_t i = 0; i < whole; i += 16) quantize16(v16_load(x + i), by, q + i);
  if (rest) quantize16(v16_load_n(x + whole, rest, v16_set(0.0f)), by, q + whole);
}

/* Up to AT_ONCE groups, n numbers. */
static void quantize_groups(size_t n, size_t block, const float *x, element *q,
                            float *scale) {
  _Alignas(64) float rotated[AT_ONCE * ATTNE_I8_GROUP];
  row_range range[AT_ONCE];
  for (size_t i = 0, g = 0; i < n; i += ATTNE_I8_GROUP, g++) {
    range[g] = rotate_blocks(attne_group_size_i8(i, n), block, x + i, rotated + i);
  }
  for (size_t i = 0, g = 0; i < n; i += ATTNE_I8_GROUP, g++) {
    v16 by = scale_of_range(range[g], &scale[g]);
    quantize_group(attne_group_size_i8(i, n), by, rotated + i, q + i);
  }
}

static void quantize(size_t m, size_t n, const float *x, void *rows, float *row_scale) {
  enum { WIDTH = AT_ONCE * ATTNE_I8_GROUP };
  const size_t block = attne_rotation_block(n);
  element *q = rows;
  for (size_t row = 0; row < m; row++, x += n, q += (n + 15) / 16 * 16) {
    for (size_t i = 0; i < n; i += WIDTH) {
      quantize_groups(n - i < WIDTH ? n - i : WIDTH, block, x + i, q + i,
                      row_scale + i / ATTNE_I8_GROUP);
    }
    row_scale += attne_groups_i8(n);
  }
}

/* ----------------------------------------------------------------------- product */

/* Outputs in whole panels. */
INLINE size_t padded(size_t n) {
  return (n + ATTNE_PANEL - 1) / ATTNE_PANEL * ATTNE_PANEL;
}

INLINE void tile(const product *g, size_t row, size_t panel, int rows, int panels,
                 float *sums, size_t stride_sums) {
  enum { GROUP_FOURS = ATTNE_I8_GROUP / 4 };
  _Alignas(64) int32_t part[TILE_ROWS * TILE_PANELS * ATTNE_PANEL]; /* of a group */
  const size_t stride = (g->k + 15) / 16 * 16, n_four = (g->k + 3) / 4;
  const size_t n_group = attne_groups_i8(g->k), width = padded(g->out.n);
  const size_t panel_size = n_four * (4 * ATTNE_PANEL);
  const element *a = (const element *)g->rows + row * stride;
  const int8_t *w = g->packed + panel * panel_size;
  const int32_t *offset = g->offset + panel * ATTNE_PANEL;
  const float *scale = g->scale + panel * ATTNE_PANEL;
  const float *row_scale = g->row_scale + row * n_group;
  v16 sum[TILE_ROWS][TILE_PANELS];

  UNROLL for (int p = 0; p < panels; p++) {
    v16 bias = bias16(&g->out, (panel + (size_t)p) * ATTNE_PANEL);
    UNROLL for (int r = 0; r < rows; r++) sum[r][p] = bias;
  }
  for (size_t k = 0; k < n_four; k += GROUP_FOURS) {
    const int8_t *from = w + k * (4 * ATTNE_PANEL);
    /* The first rows ask for the next panels: to ask costs as much as to multiply. */
    const int8_t *next = row == 0 ? from + (size_t)panels * panel_size : NULL;
    sum_products(a + 4 * k, stride, from, next, panel_size,
                 n_four - k < GROUP_FOURS ? n_four - k : GROUP_FOURS, offset, rows,
                 panels, part);
    UNROLL for (int r = 0; r < rows; r++) {
      v16 x = v16_set(row_scale[(size_t)r * n_group]);
      UNROLL for (int p = 0; p < panels; p++) {
        v16 by = v16_mul(x, v16_load(scale + p * ATTNE_PANEL));
        v16 y = v16_from_ints(part + (r * panels + p) * ATTNE_PANEL);
        sum[r][p] = v16_fma(y, by, sum[r][p]);
      }
    }
    if (next) { /* of these there is a line here and one there, which no hardware foresees */
      UNROLL for (int p = 0; p < panels; p++) {
        __builtin_prefetch(offset + (panels + p) * ATTNE_PANEL);
        __builtin_prefetch(scale + (panels + p) * ATTNE_PANEL);
      }
    }
    offset += width;
    scale += width;
    row_scale++;
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int p = 0; p < panels; p++) {
      v16_store(sums + (size_t)r * stride_sums + p * ATTNE_PANEL, sum[r][p]);
    }
  }
}

#define GELU16 gelu_rough16

#include "tiles.h"

#define I8_KERNELS                                                                       \
  { gemm, rotate, quantize }

#endif
