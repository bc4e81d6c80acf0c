/*
** linear.c - packs weights, and multiplies by them.
*/
#include "linear.h"
#include "../kernels/pack.h"
#include "int8.h"

/* ------------------------------------------------------------------------ layout */

enum { LINE = 64 };

static uint64_t whole_lines(uint64_t n, int *overflow) {
  return attne_add(n, LINE - 1, overflow) / LINE * LINE;
}

static uint64_t packed_size(uint32_t n_out, uint32_t n_in, attn_precision precision,
                            int *overflow) {
  uint64_t row = precision == ATTN_PRECISION_INT8 ? ((uint64_t)n_in + 3) / 4 * 4
                                                  : (uint64_t)n_in * sizeof(float);
  return whole_lines(attne_mul(attne_whole_panels(n_out), row, overflow), overflow);
}

uint64_t attne_linear_size(uint32_t n_out, uint32_t n_in, attn_precision precision) {
  int overflow = 0;
  uint64_t vector = attne_whole_panels(n_out) * sizeof(float);
  uint64_t n_vector =
      precision == ATTN_PRECISION_INT8 ? 1 + 2 * attne_groups_i8(n_in) : 1;
  uint64_t size = packed_size(n_out, n_in, precision, &overflow);
  size = attne_add(size, attne_mul(n_vector, vector, &overflow), &overflow);
  return overflow ? 0 : size;
}

void attne_linear_init(attne_linear *linear, uint32_t n_out, uint32_t n_in,
                       attn_precision precision, void *memory) {
  int overflow = 0;
  size_t n_packed = (size_t)packed_size(n_out, n_in, precision, &overflow);
  size_t vector = (size_t)attne_whole_panels(n_out) * sizeof(float);
  char *next = (char *)memory + n_packed;
  *linear = (attne_linear){.n_in = n_in,
                           .n_out = n_out,
                           .precision = precision,
                           .packed = memory,
                           .bias = (float *)(void *)next};
  if (precision == ATTN_PRECISION_INT8) {
    linear->scale = (float *)(void *)(next + vector);
    linear->offset = (int32_t *)(void *)(next + (1 + attne_groups_i8(n_in)) * vector);
  }
  /* Every row will be packed; the outputs that fill up the last panel will not. */
  size_t last = n_packed / (attne_whole_panels(n_out) / ATTNE_PANEL);
  memset(next - last, 0, last);
  memset(next, 0, (size_t)attne_linear_size(n_out, n_in, precision) - n_packed);
}

/* ----------------------------------------------------------------------- packing */

static void pack_quantized(attne_linear *linear, uint32_t first, uint32_t n, float *row) {
  float scale[ATTNE_I8_MAX_K / ATTNE_I8_GROUP];
  for (uint32_t i = 0; i < n; i++, row += linear->n_in) {
    attne_int8_round(1, linear->n_in, NULL, row, (int8_t *)row, scale);
    attne_linear_pack_i8(linear, first + i, 1, (int8_t *)row, scale);
  }
}

void attne_linear_pack(attne_linear *linear, uint32_t first, uint32_t n, float *row) {
  if (linear->precision == ATTN_PRECISION_INT8) {
    pack_quantized(linear, first, n, row);
  } else {
    attne_pack_rows(first, n, linear->n_in, row, linear->n_in, linear->packed);
  }
}

void attne_linear_pack_columns(attne_linear *linear, uint32_t first, uint32_t n,
                               const float *column) {
  attne_pack_columns(first, n, linear->n_in, linear->n_out, column, linear->n_out,
                     linear->packed);
}

void attne_linear_pack_i8(attne_linear *linear, uint32_t first, uint32_t n,
                          const int8_t *row, const float *scale) {
  const size_t n_in = linear->n_in, n_four = (n_in + 3) / 4 * 4;
  const size_t width = (size_t)attne_whole_panels(linear->n_out);
  for (uint32_t i = 0; i < n; i++, row += n_in) {
    int8_t *packed = (int8_t *)linear->packed + attne_packed_index_i8(first + i, n_in);
    for (size_t k = 0, at = first + i; k < n_four; at += width) {
      const size_t end = k + attne_group_size_i8(k, n_four);
      int32_t sum = 0;
      for (; k < end; k++) {
        int8_t w = k < n_in ? row[k] : 0;
        packed[k / 4 * (4 * ATTNE_PANEL) + k % 4] = w;
        sum += w;
      }
      linear->scale[at] = *scale++;
      linear->offset[at] = -128 * sum;
    }
  }
}

/* ----------------------------------------------------------------------- product */

/* The rows and their scales. */
uint64_t attne_linear_scratch(const attne_linear *linear, uint64_t m, int *overflow) {
  if (linear->precision != ATTN_PRECISION_INT8) return 0;
  uint64_t scales = attne_groups_i8(linear->n_in) * sizeof(float);
  uint64_t size = attne_mul(m, attne_row_size_i8(linear->n_in) + scales, overflow);
  return whole_lines(attne_add(size, LINE, overflow), overflow);
}

static void apply_i8(const attne_linear *linear, size_t m, const float *x, void *scratch,
                     const attne_output *out) {
  const attne_kernels_i8 *kernels = attne_kernels_get()->i8;
  const size_t n_in = linear->n_in, line = LINE / sizeof(float);
  const size_t n_scale = m * attne_groups_i8(n_in);
  float *row_scale = scratch;
  void *rows = row_scale + (n_scale + line - 1) / line * line;
  attne_gemm_i8 g = {.m = m,
                     .k = n_in,
                     .rows = rows,
                     .row_scale = row_scale,
                     .packed = linear->packed,
                     .scale = linear->scale,
                     .offset = linear->offset,
                     .out = *out};
  kernels->quantize(m, n_in, x, rows, row_scale);
  kernels->gemm(&g);
}

static void apply_f32(const attne_linear *linear, size_t m, const float *x,
                      const attne_output *out) {
  attne_gemm_f32 g = {.m = m,
                      .k = linear->n_in,
                      .a = x,
                      .lda = linear->n_in,
                      .packed = linear->packed,
                      .out = *out,
                      .chain = ATTNE_CHAIN};
  attne_kernels_get()->f32->gemm(&g);
}

void attne_linear_apply(const attne_linear *linear, size_t m, const float *x,
                        void *scratch, attne_store store, attne_activation activation,
                        float *y) {
  attne_output out = {.n = linear->n_out,
                      .bias = linear->bias,
                      .store = store,
                      .activation = activation,
                      .c = y,
                      .ldc = linear->n_out};
  if (linear->observe) linear->observe(linear->observe_ctx, m, x);
  if (linear->precision == ATTN_PRECISION_INT8) {
    apply_i8(linear, m, x, scratch, &out);
  } else {
    apply_f32(linear, m, x, &out);
  }
}
