/*
** i8_scalar.c - the int8 kernels for plain C.
*/
#define TILE_ROWS    2
#define TILE_PANELS  1
#define ELEMENT_ZERO 0

#include "lanes_scalar.h"

typedef int16_t element;

INLINE void store_elements(element *p, v16 x) {
  uint32_t bits[16];
  memcpy(bits, x.lane, sizeof bits);
  EACH_LANE p[i] = (int16_t)(uint16_t)bits[i];
}

INLINE void sum_products(const element *a, size_t stride, const int8_t *w,
                         const int8_t *next, size_t panel_size, size_t n_four,
                         const int32_t *offset, int rows, int panels, int32_t *sums) {
  (void)next, (void)offset, (void)panel_size;
  memset(sums, 0, (size_t)(rows * panels * ATTNE_PANEL) * sizeof *sums);
  for (size_t k = 0; k < n_four; k++, w += 64) {
    for (int r = 0; r < rows; r++) {
      const element *x = a + (size_t)r * stride + 4 * k;
      int32_t *sum = sums + r * ATTNE_PANEL;
      for (int i = 0; i < ATTNE_PANEL; i++) {
        const int8_t *b = w + 4 * i;
        sum[i] += x[0] * b[0] + x[1] * b[1] + x[2] * b[2] + x[3] * b[3];
      }
    }
  }
}

#include "i8.h"

extern const attne_kernels_i8 attne_i8_scalar;
const attne_kernels_i8 attne_i8_scalar = I8_KERNELS;
