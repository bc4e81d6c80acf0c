/*
** i8_avx512vnni.c - the int8 kernels for AVX-512 VNNI.
**
** vpdpbusd adds four products of unsigned and signed bytes to each int32.  Rows are
** made unsigned by adding 128, which the offsets of the weights take back.
*/
#define TILE_ROWS    6
#define TILE_PANELS  2
#define ELEMENT_ZERO 128

#include "lanes_avx512.h"

typedef uint8_t element;

INLINE void store_elements(element *p, v16 x) {
  _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_castps_si512(x)));
}

INLINE __m512i four_elements(const element *p) {
  int32_t four;
  memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}

/* sum += x w.  No intrinsic, with which gcc moves each sum to and fro. */
INLINE void add_products(__m512i *sum, __m512i x, __m512i w) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(w));
}

INLINE void sum_products(const element *a, size_t stride, const int8_t *w,
                         const int8_t *next, size_t panel_size, size_t n_four,
                         const int32_t *offset, int rows, int panels, int32_t *sums) {
  __m512i sum[TILE_ROWS][TILE_PANELS];

  UNROLL for (int p = 0; p < panels; p++) {
    __m512i start = _mm512_loadu_si512(offset + p * ATTNE_PANEL);
    UNROLL for (int r = 0; r < rows; r++) sum[r][p] = start;
  }
  for (size_t k = 0; k < n_four; k++) {
    __m512i b[TILE_PANELS];
    UNROLL for (int p = 0; p < panels; p++) {
      b[p] = _mm512_loadu_si512(w + (size_t)p * panel_size + k * 64);
      if (next) __builtin_prefetch(next + (size_t)p * panel_size + k * 64, 0, 2);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      __m512i x = four_elements(a + (size_t)r * stride + 4 * k);
      UNROLL for (int p = 0; p < panels; p++) {
        add_products(&sum[r][p], x, b[p]);
      }
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int p = 0; p < panels; p++) {
      _mm512_storeu_si512(sums + (r * panels + p) * ATTNE_PANEL, sum[r][p]);
    }
  }
}

#include "i8.h"

extern const attne_kernels_i8 attne_i8_avx512vnni;
const attne_kernels_i8 attne_i8_avx512vnni = I8_KERNELS;
