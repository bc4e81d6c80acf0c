/*
** linear.c - packs weights and multiplies by them.
*/
#include "linear.h"

attn_status attn_linear_init(attn_linear *linear, uint32_t n_out, uint32_t n_in) {
  const uint64_t panel = ATTN_PANEL * sizeof(float);
  int overflow = 0;
  uint64_t n_panel = ((uint64_t)n_out + ATTN_PANEL - 1) / ATTN_PANEL;
  uint64_t size = attn_mul(attn_mul(n_panel, n_in, &overflow), panel, &overflow);
  *linear = (attn_linear){.n_in = n_in, .n_out = n_out};
  if (overflow || size > SIZE_MAX) return ATTN_NOMEM;
  linear->packed = attn_alloc_aligned(size);
  linear->bias = attn_alloc_zero((uint64_t)n_out * sizeof(float));
  if (!linear->packed || !linear->bias) {
    attn_linear_free(linear);
    return ATTN_NOMEM;
  }
  /* Every row will be packed; the outputs that fill up the last panel will not. */
  size_t last = (size_t)(n_panel - 1) * ATTN_PANEL * n_in;
  memset(linear->packed + last, 0, ATTN_PANEL * sizeof(float) * n_in);
  return ATTN_OK;
}

void attn_linear_pack(attn_linear *linear, uint32_t first, uint32_t n, const float *row) {
  const size_t n_in = linear->n_in;
  for (uint32_t i = 0; i < n; i++, row += n_in) {
    float *packed = linear->packed + attn_packed_index(first + i, n_in);
    for (size_t k = 0; k < n_in; k++) packed[k * ATTN_PANEL] = row[k];
  }
}

void attn_linear_free(attn_linear *linear) {
  attn_release_aligned(linear->packed);
  attn_release(linear->bias);
  *linear = (attn_linear){0};
}

uint64_t attn_linear_memory(const attn_linear *linear) {
  uint64_t n = attn_packed_size(linear->n_out, linear->n_in);
  return (n + linear->n_out) * sizeof(float);
}

void attn_linear_apply(const attn_linear *linear, size_t m, const float *x,
                       attn_store store, attn_activation activation, float *y) {
  attn_gemm g = {.m = m,
                 .n = linear->n_out,
                 .k = linear->n_in,
                 .a = x,
                 .lda = linear->n_in,
                 .packed = linear->packed,
                 .bias = linear->bias,
                 .store = store,
                 .activation = activation,
                 .c = y,
                 .ldc = linear->n_out};
  attn_kernels_get()->f32->gemm(&g);
}
