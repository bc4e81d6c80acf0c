/*
** lanes_avx512.h - 16 lanes as one register of AVX-512 (F and DQ).
*/
#ifndef ATTNE_LANES_H
#define ATTNE_LANES_H

#include "kernels.h"
#include <immintrin.h>

typedef __m512 v16;

INLINE v16 v16_set(float x) {
  return _mm512_set1_ps(x);
}
INLINE v16 v16_load(const float *p) {
  return _mm512_loadu_ps(p);
}
INLINE void v16_store(float *p, v16 x) {
  _mm512_storeu_ps(p, x);
}
INLINE v16 v16_load_n(const float *p, size_t n, v16 other) {
  return _mm512_mask_loadu_ps(other, (__mmask16)((1u << n) - 1), p);
}
INLINE void v16_store_n(float *p, size_t n, v16 x) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), x);
}
INLINE v16 v16_add(v16 a, v16 b) {
  return _mm512_add_ps(a, b);
}
INLINE v16 v16_sub(v16 a, v16 b) {
  return _mm512_sub_ps(a, b);
}
INLINE v16 v16_mul(v16 a, v16 b) {
  return _mm512_mul_ps(a, b);
}
INLINE v16 v16_div(v16 a, v16 b) {
  return _mm512_div_ps(a, b);
}
INLINE v16 v16_fma(v16 a, v16 b, v16 c) {
  return _mm512_fmadd_ps(a, b, c);
}
INLINE v16 v16_max(v16 a, v16 b) {
  return _mm512_max_ps(a, b);
}
INLINE v16 v16_min(v16 a, v16 b) {
  return _mm512_min_ps(a, b);
}
INLINE v16 v16_if_less(v16 a, v16 b, v16 x, v16 y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
INLINE v16 v16_abs(v16 x) {
  return _mm512_abs_ps(x);
}
INLINE v16 v16_copysign(v16 x, v16 sign) {
  __m512i s = _mm512_castps_si512(_mm512_set1_ps(-0.0f));
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
      s, _mm512_castps_si512(sign), _mm512_castps_si512(x), 0xCA)); /* s ? sign : x */
}
INLINE v16 v16_shift_left_23(v16 x) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(x), 23));
}

INLINE v16 v16_swap_8(v16 x) {
  return _mm512_shuffle_f32x4(x, x, 0x4E);
}
INLINE v16 v16_swap_4(v16 x) {
  return _mm512_shuffle_f32x4(x, x, 0xB1);
}
INLINE v16 v16_swap_2(v16 x) {
  return _mm512_permute_ps(x, 0x4E);
}
INLINE v16 v16_swap_1(v16 x) {
  return _mm512_permute_ps(x, 0xB1);
}
INLINE v16 v16_from_ints(const int32_t *p) {
  return _mm512_cvtepi32_ps(_mm512_loadu_si512(p));
}

INLINE float v16_sum(v16 x) {
  __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
INLINE float v16_max_of(v16 x) {
  __m256 s8 = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  __m128 s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
}

#endif
