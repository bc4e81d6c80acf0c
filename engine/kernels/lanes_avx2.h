/*
** lanes_avx2.h - 16 lanes as two registers of AVX2, with FMA.
*/
#ifndef ATTNE_LANES_H
#define ATTNE_LANES_H

#include "kernels.h"
#include <immintrin.h>

typedef struct v16 {
  __m256 lo, hi;
} v16;

#define EACH(f, a, b) ((v16){f((a).lo, (b).lo), f((a).hi, (b).hi)})

/* All ones in lane i of the register that begins at `first` where i < n. */
INLINE __m256i lanes_below(size_t n, int first) {
  __m256i lane = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                  _mm256_set1_epi32(first));
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}

INLINE v16 v16_set(float x) {
  __m256 v = _mm256_set1_ps(x);
  return (v16){v, v};
}
INLINE v16 v16_load(const float *p) {
  return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
INLINE void v16_store(float *p, v16 x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
INLINE __m256 load_masked(const float *p, __m256i mask, __m256 other) {
  return _mm256_blendv_ps(other, _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
INLINE v16 v16_load_n(const float *p, size_t n, v16 other) {
  return (v16){load_masked(p, lanes_below(n, 0), other.lo),
               load_masked(p + 8, lanes_below(n, 8), other.hi)};
}
INLINE void v16_store_n(float *p, size_t n, v16 x) {
  _mm256_maskstore_ps(p, lanes_below(n, 0), x.lo);
  _mm256_maskstore_ps(p + 8, lanes_below(n, 8), x.hi);
}
INLINE v16 v16_add(v16 a, v16 b) {
  return EACH(_mm256_add_ps, a, b);
}
INLINE v16 v16_sub(v16 a, v16 b) {
  return EACH(_mm256_sub_ps, a, b);
}
INLINE v16 v16_mul(v16 a, v16 b) {
  return EACH(_mm256_mul_ps, a, b);
}
INLINE v16 v16_div(v16 a, v16 b) {
  return EACH(_mm256_div_ps, a, b);
}
INLINE v16 v16_fma(v16 a, v16 b, v16 c) {
  return (v16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
INLINE v16 v16_max(v16 a, v16 b) {
  return EACH(_mm256_max_ps, a, b);
}
INLINE v16 v16_min(v16 a, v16 b) {
  return EACH(_mm256_min_ps, a, b);
}
INLINE v16 v16_if_less(v16 a, v16 b, v16 x, v16 y) {
  __m256 lo = _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ);
  __m256 hi = _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ);
  return (v16){_mm256_blendv_ps(y.lo, x.lo, lo), _mm256_blendv_ps(y.hi, x.hi, hi)};
}
INLINE v16 v16_abs(v16 x) {
  v16 sign = v16_set(-0.0f);
  return EACH(_mm256_andnot_ps, sign, x);
}
INLINE v16 v16_copysign(v16 x, v16 sign) {
  v16 bit = v16_set(-0.0f);
  v16 size = v16_abs(x), s = EACH(_mm256_and_ps, bit, sign);
  return EACH(_mm256_or_ps, size, s);
}
INLINE __m256 shift_left_23(__m256 x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(x), 23));
}
INLINE v16 v16_shift_left_23(v16 x) {
  return (v16){shift_left_23(x.lo), shift_left_23(x.hi)};
}

INLINE v16 v16_swap_8(v16 x) {
  return (v16){x.hi, x.lo};
}
INLINE v16 v16_swap_4(v16 x) {
  return (v16){_mm256_permute2f128_ps(x.lo, x.lo, 1),
               _mm256_permute2f128_ps(x.hi, x.hi, 1)};
}
INLINE v16 v16_swap_2(v16 x) {
  return (v16){_mm256_permute_ps(x.lo, 0x4E), _mm256_permute_ps(x.hi, 0x4E)};
}
INLINE v16 v16_swap_1(v16 x) {
  return (v16){_mm256_permute_ps(x.lo, 0xB1), _mm256_permute_ps(x.hi, 0xB1)};
}
INLINE v16 v16_from_ints(const int32_t *p) {
  const __m256i *q = (const __m256i *)p;
  return (v16){_mm256_cvtepi32_ps(_mm256_loadu_si256(q)),
               _mm256_cvtepi32_ps(_mm256_loadu_si256(q + 1))};
}

INLINE float v16_sum(v16 x) {
  __m256 s8 = _mm256_add_ps(x.lo, x.hi);
  __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
INLINE float v16_max_of(v16 x) {
  __m256 s8 = _mm256_max_ps(x.lo, x.hi);
  __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}

#endif
