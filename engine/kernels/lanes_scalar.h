/*
** lanes_scalar.h - 16 lanes as an array, in C alone: what the other files of
** this name have to give, bit for bit.
**
** A v16 is 16 float32.  All arithmetic rounds to nearest even and keeps
** subnormal numbers.  In max, min and if_less a comparison with NaN is false.
**
**   v16_load_n    p[i] in the lanes i < n, `other` in the rest; 0 < n < 16, and
**                 nothing beyond p + n is touched
**   v16_store_n   writes the lanes i < n
**   v16_fma       a * b + c, rounded once
**   v16_max       a > b ? a : b           v16_min   a < b ? a : b
**   v16_if_less   a < b ? x : y
**   v16_copysign  |x| with the sign of `sign`
**   v16_shift_left_23   the bits of each lane moved up by 23
**   v16_swap_8, _4, _2, _1   lane i gets what lane i xor 8 (4, 2, 1) has
**   v16_from_ints       16 int32, rounded to nearest even
**   v16_sum, v16_max_of one tree for all: lane i with i + 8, then i + 4, + 2, + 1
*/
#ifndef ATTNE_LANES_H
#define ATTNE_LANES_H

#include "kernels.h"
#include <math.h>

typedef struct v16 {
  float lane[16];
} v16;

/* A vector does not fit in registers, so that calls and loops cost little beside
** arithmetic, and the code stays small. */
#define OPERATION static __attribute__((noinline, unused))
#undef INLINE
#define INLINE static inline
#undef UNROLL
#define UNROLL

#define EACH_LANE for (int i = 0; i < 16; i++)

/* a * b + c rounded once, without the instruction.  The product is exact in
** double.  The sum is rounded to odd there (Boldo and Melquiond, "Emulation of
** FMA and correctly rounded sums", 2008): where it is not exact, the last bit is
** set, so that rounding it again, to float, cannot see a tie that is none. */
static inline __attribute__((always_inline)) float fma_exact(float a, float b, float c) {
#if defined(__FP_FAST_FMAF)
  return __builtin_fmaf(a, b, c);
#else
  double product = (double)a * b, sum = product + c;
  double part = sum - product;
  double lost = (product - (sum - part)) + (c - part);
  uint64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if (!(bits & 1) && (lost > 0 || lost < 0)) {
    bits += (lost > 0) == (sum > 0) ? 1 : (uint64_t)-1;
    memcpy(&sum, &bits, sizeof sum);
  }
  return (float)sum;
#endif
}

OPERATION v16 v16_set(float x) {
  v16 r;
  EACH_LANE r.lane[i] = x;
  return r;
}
OPERATION v16 v16_load(const float *p) {
  v16 r;
  memcpy(r.lane, p, sizeof r.lane);
  return r;
}
OPERATION void v16_store(float *p, v16 x) {
  memcpy(p, x.lane, sizeof x.lane);
}
OPERATION v16 v16_load_n(const float *p, size_t n, v16 other) {
  memcpy(other.lane, p, n * sizeof *p);
  return other;
}
OPERATION void v16_store_n(float *p, size_t n, v16 x) {
  memcpy(p, x.lane, n * sizeof *p);
}
OPERATION v16 v16_add(v16 a, v16 b) {
  EACH_LANE a.lane[i] += b.lane[i];
  return a;
}
OPERATION v16 v16_sub(v16 a, v16 b) {
  EACH_LANE a.lane[i] -= b.lane[i];
  return a;
}
OPERATION v16 v16_mul(v16 a, v16 b) {
  EACH_LANE a.lane[i] *= b.lane[i];
  return a;
}
OPERATION v16 v16_div(v16 a, v16 b) {
  EACH_LANE a.lane[i] /= b.lane[i];
  return a;
}
OPERATION v16 v16_fma(v16 a, v16 b, v16 c) {
  EACH_LANE c.lane[i] = fma_exact(a.lane[i], b.lane[i], c.lane[i]);
  return c;
}
OPERATION v16 v16_max(v16 a, v16 b) {
  EACH_LANE a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
  return a;
}
OPERATION v16 v16_min(v16 a, v16 b) {
  EACH_LANE a.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
  return a;
}
OPERATION v16 v16_if_less(v16 a, v16 b, v16 x, v16 y) {
  EACH_LANE x.lane[i] = a.lane[i] < b.lane[i] ? x.lane[i] : y.lane[i];
  return x;
}
OPERATION v16 v16_abs(v16 x) {
  EACH_LANE x.lane[i] = fabsf(x.lane[i]);
  return x;
}
OPERATION v16 v16_copysign(v16 x, v16 sign) {
  EACH_LANE x.lane[i] = copysignf(x.lane[i], sign.lane[i]);
  return x;
}
OPERATION v16 v16_shift_left_23(v16 x) {
  uint32_t bits[16];
  memcpy(bits, x.lane, sizeof bits);
  EACH_LANE bits[i] <<= 23;
  memcpy(x.lane, bits, sizeof bits);
  return x;
}
OPERATION v16 swap_lanes(v16 x, int distance) {
  v16 r;
  EACH_LANE r.lane[i] = x.lane[i ^ distance];
  return r;
}
OPERATION v16 v16_swap_8(v16 x) {
  return swap_lanes(x, 8);
}
OPERATION v16 v16_swap_4(v16 x) {
  return swap_lanes(x, 4);
}
OPERATION v16 v16_swap_2(v16 x) {
  return swap_lanes(x, 2);
}
OPERATION v16 v16_swap_1(v16 x) {
  return swap_lanes(x, 1);
}
OPERATION v16 v16_from_ints(const int32_t *p) {
  v16 x;
  EACH_LANE x.lane[i] = (float)p[i];
  return x;
}
OPERATION float v16_sum(v16 x) {
  for (int n = 8; n > 0; n /= 2) {
    for (int i = 0; i < n; i++) x.lane[i] += x.lane[i + n];
  }
  return x.lane[0];
}
OPERATION float v16_max_of(v16 x) {
  for (int n = 8; n > 0; n /= 2) {
    for (int i = 0; i < n; i++) {
      x.lane[i] = x.lane[i] > x.lane[i + n] ? x.lane[i] : x.lane[i + n];
    }
  }
  return x.lane[0];
}

#endif
