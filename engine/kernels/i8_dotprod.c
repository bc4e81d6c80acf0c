/*
** i8_dotprod.c - the int8 kernels for arm64's dot product instructions.
*/
#define TILE_ROWS    6
#define TILE_PANELS  1
#define ELEMENT_ZERO 0

#include "lanes_neon.h"
#include "i8_neon.h"

INLINE void sum_products(const element *a, size_t stride, const int8_t *w,
                         const int8_t *next, size_t panel_size, size_t n_four,
                         const int32_t *offset, int rows, int panels, int32_t *sums) {
  (void)panel_size, (void)panels, (void)offset;
  int32x4_t sum[TILE_ROWS][4];

  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int i = 0; i < 4; i++) sum[r][i] = vdupq_n_s32(0);
  }
  for (size_t k = 0; k < n_four; k++) {
    int8x16_t b[4];
    if (next) __builtin_prefetch(next + k * 64, 0, 2);
    UNROLL for (int i = 0; i < 4; i++) b[i] = vld1q_s8(w + k * 64 + 16 * i);
    UNROLL for (int r = 0; r < rows; r++) {
      int8x16_t x = four_elements(a + (size_t)r * stride + 4 * k);
      UNROLL for (int i = 0; i < 4; i++) sum[r][i] = vdotq_s32(sum[r][i], x, b[i]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int i = 0; i < 4; i++)
        vst1q_s32(sums + r * ATTNE_PANEL + 4 * i, sum[r][i]);
  }
}

#include "i8.h"

extern const attne_kernels_i8 attne_i8_dotprod;
const attne_kernels_i8 attne_i8_dotprod = I8_KERNELS;
