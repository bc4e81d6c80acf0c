/*
** lanes_neon.h - 16 lanes as four registers of arm64's Advanced SIMD.
*/
#ifndef ATTNE_LANES_H
#define ATTNE_LANES_H

#include "kernels.h"
#include <arm_neon.h>

typedef struct v16 {
  float32x4_t q[4];
} v16;

#define EACH(f, a, b)                                                                    \
  ((v16){{f((a).q[0], (b).q[0]), f((a).q[1], (b).q[1]), f((a).q[2], (b).q[2]),           \
          f((a).q[3], (b).q[3])}})
#define EACH_OF(f, a) ((v16){{f((a).q[0]), f((a).q[1]), f((a).q[2]), f((a).q[3])}})

INLINE v16 v16_set(float x) {
  float32x4_t q = vdupq_n_f32(x);
  return (v16){{q, q, q, q}};
}
INLINE v16 v16_load(const float *p) {
  return (v16){{vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}};
}
INLINE void v16_store(float *p, v16 x) {
  for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, x.q[i]);
}
INLINE v16 v16_load_n(const float *p, size_t n, v16 other) {
  float lane[16];
  v16_store(lane, other);
  memcpy(lane, p, n * sizeof *p);
  return v16_load(lane);
}
INLINE void v16_store_n(float *p, size_t n, v16 x) {
  float lane[16];
  v16_store(lane, x);
  memcpy(p, lane, n * sizeof *p);
}
INLINE v16 v16_add(v16 a, v16 b) {
  return EACH(vaddq_f32, a, b);
}
INLINE v16 v16_sub(v16 a, v16 b) {
  return EACH(vsubq_f32, a, b);
}
INLINE v16 v16_mul(v16 a, v16 b) {
  return EACH(vmulq_f32, a, b);
}
INLINE v16 v16_div(v16 a, v16 b) {
  return EACH(vdivq_f32, a, b);
}
INLINE v16 v16_fma(v16 a, v16 b, v16 c) {
  for (int i = 0; i < 4; i++) c.q[i] = vfmaq_f32(c.q[i], a.q[i], b.q[i]);
  return c;
}
INLINE float32x4_t max_of_two(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}
INLINE float32x4_t min_of_two(float32x4_t a, float32x4_t b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}
INLINE v16 v16_max(v16 a, v16 b) {
  return EACH(max_of_two, a, b);
}
INLINE v16 v16_min(v16 a, v16 b) {
  return EACH(min_of_two, a, b);
}
INLINE v16 v16_if_less(v16 a, v16 b, v16 x, v16 y) {
  for (int i = 0; i < 4; i++)
    y.q[i] = vbslq_f32(vcltq_f32(a.q[i], b.q[i]), x.q[i], y.q[i]);
  return y;
}
INLINE v16 v16_abs(v16 x) {
  return EACH_OF(vabsq_f32, x);
}
INLINE float32x4_t copysign_of(float32x4_t x, float32x4_t sign) {
  return vbslq_f32(vdupq_n_u32(0x80000000u), sign, x);
}
INLINE v16 v16_copysign(v16 x, v16 sign) {
  return EACH(copysign_of, x, sign);
}
INLINE float32x4_t shift_left_23(float32x4_t x) {
  return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(x), 23));
}
INLINE v16 v16_shift_left_23(v16 x) {
  return EACH_OF(shift_left_23, x);
}

INLINE float32x4_t swap_halves(float32x4_t x) {
  return vextq_f32(x, x, 2);
}
INLINE v16 v16_swap_8(v16 x) {
  return (v16){{x.q[2], x.q[3], x.q[0], x.q[1]}};
}
INLINE v16 v16_swap_4(v16 x) {
  return (v16){{x.q[1], x.q[0], x.q[3], x.q[2]}};
}
INLINE v16 v16_swap_2(v16 x) {
  return EACH_OF(swap_halves, x);
}
INLINE v16 v16_swap_1(v16 x) {
  return EACH_OF(vrev64q_f32, x);
}
INLINE v16 v16_from_ints(const int32_t *p) {
  v16 x;
  for (int i = 0; i < 4; i++) x.q[i] = vcvtq_f32_s32(vld1q_s32(p + 4 * i));
  return x;
}

INLINE float v16_sum(v16 x) {
  float32x4_t s4 = vaddq_f32(vaddq_f32(x.q[0], x.q[2]), vaddq_f32(x.q[1], x.q[3]));
  float32x2_t s2 = vadd_f32(vget_low_f32(s4), vget_high_f32(s4));
  return vget_lane_f32(s2, 0) + vget_lane_f32(s2, 1);
}
INLINE float v16_max_of(v16 x) {
  float32x4_t s4 = max_of_two(max_of_two(x.q[0], x.q[2]), max_of_two(x.q[1], x.q[3]));
  float a = vgetq_lane_f32(s4, 0), b = vgetq_lane_f32(s4, 1);
  float c = vgetq_lane_f32(s4, 2), d = vgetq_lane_f32(s4, 3);
  a = a > c ? a : c;
  b = b > d ? b : d;
  return a > b ? a : b;
}

#endif
