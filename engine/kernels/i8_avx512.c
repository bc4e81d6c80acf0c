/*
** i8_avx512.c - the int8 kernels for AVX-512 without VNNI.
**
** vpmaddwd multiplies int16, to which the weights are widened as they are read, and
** adds two products: nothing saturates.  An output is two int32 until the end.
*/
#define TILE_ROWS    8
#define TILE_PANELS  1
#define ELEMENT_ZERO 0

#include "lanes_avx512.h"

typedef int16_t element;

INLINE void store_elements(element *p, v16 x) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_castps_si512(x)));
}

INLINE __m512i four_elements(const element *p) {
  int64_t four;
  memcpy(&four, p, sizeof four);
  return _mm512_set1_epi64(four);
}

/* Four weights of eight outputs. */
INLINE __m512i weights_of_8(const int8_t *w) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)w));
}

/* Adds the two halves of eight outputs. */
INLINE __m256i join_halves(__m512i sum) {
  return _mm512_cvtepi64_epi32(_mm512_add_epi32(sum, _mm512_srli_epi64(sum, 32)));
}

/* A row after the other: where all are begun at once, sums do not fit in the registers.
*/
#define IN_ORDER(sum) __asm__ volatile("" : "+v"((sum)[0]), "+v"((sum)[1]))

INLINE void sum_products(const element *a, size_t stride, const int8_t *w,
                         const int8_t *next, size_t panel_size, size_t n_four,
                         const int32_t *offset, int rows, int panels, int32_t *sums) {
  (void)panel_size, (void)panels, (void)offset;
  __m512i sum[TILE_ROWS][2];

  UNROLL for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm512_setzero_si512();
  for (size_t k = 0; k < n_four; k++) {
    __m512i low = weights_of_8(w + k * 64), high = weights_of_8(w + k * 64 + 32);
    if (next) __builtin_prefetch(next + k * 64, 0, 2);
    UNROLL for (int r = 0; r < rows; r++) {
      __m512i x = four_elements(a + (size_t)r * stride + 4 * k);
      sum[r][0] = _mm512_add_epi32(sum[r][0], _mm512_madd_epi16(x, low));
      sum[r][1] = _mm512_add_epi32(sum[r][1], _mm512_madd_epi16(x, high));
      IN_ORDER(sum[r]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    __m256i *to = (__m256i *)(sums + r * ATTNE_PANEL);
    _mm256_storeu_si256(to, join_halves(sum[r][0]));
    _mm256_storeu_si256(to + 1, join_halves(sum[r][1]));
  }
}

#include "i8.h"

extern const attne_kernels_i8 attne_i8_avx512;
const attne_kernels_i8 attne_i8_avx512 = I8_KERNELS;
