/*
** i8_avx2.c - the int8 kernels for AVX2.
**
** vpmaddubsw would saturate.  vpmaddwd multiplies int16, to which the weights are
** widened as they are read, and adds two products; an output is two int32 until the
** end.  A tile is half a panel wide, for want of registers.
*/
#define TILE_ROWS    6
#define TILE_PANELS  1
#define ELEMENT_ZERO 0

#include "lanes_avx2.h"

typedef int16_t element;

INLINE __m256i low_bits(__m256 x) {
  return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0xFFFF));
}

INLINE void store_elements(element *p, v16 x) {
  /* Packing takes 128 bits of each in turn. */
  __m256i packed = _mm256_packus_epi32(low_bits(x.lo), low_bits(x.hi));
  _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(packed, 0xD8));
}

INLINE __m256i four_elements(const element *p) {
  int64_t four;
  memcpy(&four, p, sizeof four);
  return _mm256_set1_epi64x(four);
}

/* Four weights of four outputs. */
INLINE __m256i weights_of_4(const int8_t *w) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w));
}

/* Adds the two halves of eight outputs. */
INLINE __m256i join_halves(__m256i low, __m256i high) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xD8);
}

/* A row after the other: where all are begun at once, sums do not fit in the registers.
*/
#define IN_ORDER(sum) __asm__ volatile("" : "+x"((sum)[0]), "+x"((sum)[1]))

/* Eight outputs, whose weights begin at w. */
INLINE void half_tile(const element *a, size_t stride, size_t n_four, const int8_t *w,
                      const int8_t *next, int rows, int32_t *sums) {
  __m256i sum[TILE_ROWS][2];
  UNROLL for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  for (size_t k = 0; k < n_four; k++) {
    __m256i low = weights_of_4(w + k * 64), high = weights_of_4(w + k * 64 + 16);
    if (next) __builtin_prefetch(next + k * 64, 0, 2);
    UNROLL for (int r = 0; r < rows; r++) {
      __m256i x = four_elements(a + (size_t)r * stride + 4 * k);
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(x, low));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(x, high));
      IN_ORDER(sum[r]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    _mm256_storeu_si256((__m256i *)(sums + r * ATTNE_PANEL),
                        join_halves(sum[r][0], sum[r][1]));
  }
}

INLINE void sum_products(const element *a, size_t stride, const int8_t *w,
                         const int8_t *next, size_t panel_size, size_t n_four,
                         const int32_t *offset, int rows, int panels, int32_t *sums) {
  (void)panel_size, (void)panels, (void)offset;
  half_tile(a, stride, n_four, w, next, rows, sums);
  half_tile(a, stride, n_four, w + 32, next, rows, sums + 8);
}

#include "i8.h"

extern const attne_kernels_i8 attne_i8_avx2;
const attne_kernels_i8 attne_i8_avx2 = I8_KERNELS;
