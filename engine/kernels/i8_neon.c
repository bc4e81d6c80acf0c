/*
** i8_neon.c - the int8 kernels for arm64's Advanced SIMD without dot products.
**
** smull makes int16 products, sadalp adds pairs of them to int32; an output is two
** int32 until the end.
*/
#define TILE_ROWS    3
#define TILE_PANELS  1
#define ELEMENT_ZERO 0

#include "lanes_neon.h"
#include "i8_neon.h"

INLINE void sum_products(const element *a, size_t stride, const int8_t *w,
                         const int8_t *next, size_t panel_size, size_t n_four,
                         const int32_t *offset, int rows, int panels, int32_t *sums) {
  (void)panel_size, (void)panels, (void)offset;
  int32x4_t sum[TILE_ROWS][8];

  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int i = 0; i < 8; i++) sum[r][i] = vdupq_n_s32(0);
  }
  for (size_t k = 0; k < n_four; k++) {
    if (next) __builtin_prefetch(next + k * 64, 0, 2);
    UNROLL for (int i = 0; i < 4; i++) {
      int8x16_t b = vld1q_s8(w + k * 64 + 16 * i); /* of four outputs */
      UNROLL for (int r = 0; r < rows; r++) {
        int8x16_t x = four_elements(a + (size_t)r * stride + 4 * k);
        int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(b));
        sum[r][2 * i] = vpadalq_s16(sum[r][2 * i], low);
        sum[r][2 * i + 1] = vpadalq_s16(sum[r][2 * i + 1], vmull_high_s8(x, b));
      }
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int i = 0; i < 4; i++) {
      vst1q_s32(sums + r * ATTNE_PANEL + 4 * i,
                vpaddq_s32(sum[r][2 * i], sum[r][2 * i + 1]));
    }
  }
}

#include "i8.h"

extern const attne_kernels_i8 attne_i8_neon;
const attne_kernels_i8 attne_i8_neon = I8_KERNELS;
