/*
** math16.h - exp, erf, tanh and the activations over 16 lanes.
**
** A template: a file that includes it has included one of the lanes_ headers
** first.  Polynomials are minimax fits in float32 (tests/unit/test_kernels.c
** compares them with libm's doubles); every step is one rounded operation, so
** that all instruction sets give the same bits.
*/
#ifndef ATTN_MATH16_H
#define ATTN_MATH16_H

#include "kernels.h"

/* Adding and subtracting 1.5 * 2^23 rounds to an integer, half to even. */
#define ROUND_TO_INTEGER 12582912.0f

/* 2^n for an integer n in -126 .. 127: n + 127 becomes the exponent. */
static inline v16 pow2_16(v16 n) {
  return v16_shift_left_23(v16_add(n, v16_set(ROUND_TO_INTEGER + 127)));
}

/* exp(x) = 2^n exp(r), r = x - n ln 2 in [-ln 2 / 2, ln 2 / 2].  The power is
** applied in two halves, so that the ends of the range come out right: inf,
** subnormal numbers, 0. */
static inline v16 exp16(v16 x) {
  x = v16_max(v16_set(-104.0f), v16_min(v16_set(89.0f), x)); /* a NaN stays */
  v16 n = v16_sub(v16_fma(x, v16_set(0x1.715476p+0f), v16_set(ROUND_TO_INTEGER)),
                  v16_set(ROUND_TO_INTEGER));
  v16 r = v16_fma(n, v16_set(-0x1.62e430p-1f), x);
  r = v16_fma(n, v16_set(0x1.05c610p-29f), r);
  v16 p = v16_set(0x1.6a4d60p-10f);
  p = v16_fma(p, r, v16_set(0x1.12398ep-7f));
  p = v16_fma(p, r, v16_set(0x1.5558b0p-5f));
  p = v16_fma(p, r, v16_set(0x1.555492p-3f));
  p = v16_fma(p, r, v16_set(0x1.fffffcp-2f));
  p = v16_fma(p, r, v16_set(1.0f));
  p = v16_fma(p, r, v16_set(1.0f));
  v16 half = v16_sub(v16_fma(n, v16_set(0.5f), v16_set(ROUND_TO_INTEGER)),
                     v16_set(ROUND_TO_INTEGER));
  return v16_mul(v16_mul(p, pow2_16(half)), pow2_16(v16_sub(n, half)));
}

/* erf(x): up to 0.9 x + x P(x²), beyond 1 - exp(-(x + x Q(x))). */
static inline v16 erf16(v16 x) {
  v16 t = v16_abs(x), s = v16_mul(x, x);
  v16 p = v16_set(-6.053445977158844e-4f);
  p = v16_fma(p, s, v16_set(5.004345905035734e-3f));
  p = v16_fma(p, s, v16_set(-2.6773398742079735e-2f));
  p = v16_fma(p, s, v16_set(0.11281978338956833f));
  p = v16_fma(p, s, v16_set(-0.3761250674724579f));
  p = v16_fma(p, s, v16_set(0.12837915122509003f));
  v16 small = v16_fma(p, x, x);

  t = v16_min(v16_set(4.0f), t); /* erf(4) is 1 in float32 */
  v16 q = v16_set(-2.1459086565300822e-4f);
  q = v16_fma(q, t, v16_set(3.2199483830481768e-3f));
  q = v16_fma(q, t, v16_set(-2.2905968129634857e-2f));
  q = v16_fma(q, t, v16_set(0.10528679192066193f));
  q = v16_fma(q, t, v16_set(0.6356993913650513f));
  q = v16_fma(q, t, v16_set(0.1285199522972107f));
  q = v16_fma(q, t, t);
  v16 large = v16_sub(v16_set(1.0f), exp16(v16_sub(v16_set(0.0f), q)));
  return v16_if_less(v16_abs(x), v16_set(0.9f), small, v16_copysign(large, x));
}

/* tanh(x): up to 0.65 x + x P(x²), beyond 1 - 2 / (exp(2x) + 1). */
static inline v16 tanh16(v16 x) {
  v16 t = v16_abs(x), s = v16_mul(x, x);
  v16 p = v16_set(-5.514808930456638e-3f);
  p = v16_fma(p, s, v16_set(2.0469078794121742e-2f));
  p = v16_fma(p, s, v16_set(-5.3687915205955505e-2f));
  p = v16_fma(p, s, v16_set(0.1333082914352417f));
  p = v16_fma(p, s, v16_set(-0.3333325982093811f));
  v16 small = v16_fma(v16_mul(p, s), t, t);

  v16 e = v16_add(exp16(v16_add(t, t)), v16_set(1.0f));
  v16 large = v16_sub(v16_set(1.0f), v16_div(v16_set(2.0f), e));
  return v16_copysign(v16_if_less(t, v16_set(0.65f), small, large), x);
}

/* x / (1 + exp(-u)) */
static inline v16 gate16(v16 x, v16 u) {
  v16 e = exp16(v16_sub(v16_set(0.0f), u));
  return v16_div(x, v16_add(v16_set(1.0f), e));
}

static inline v16 gelu16(v16 x) {
  v16 half = v16_mul(x, v16_set(0.5f));
  return v16_fma(half, erf16(v16_mul(x, v16_set(0x1.6a09e6p-1f))), half);
}

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) is x gated by twice that sum. */
static inline v16 gelu_tanh16(v16 x) {
  v16 cubic = v16_fma(v16_mul(x, x), v16_set(0.044715f), v16_set(1.0f));
  return gate16(x, v16_mul(v16_mul(x, v16_set(1.5957691216057308f)), cubic));
}

static inline v16 activate16(attn_activation activation, v16 x) {
  switch (activation) {
  case ATTN_GELU:
    return gelu16(x);
  case ATTN_GELU_TANH:
    return gelu_tanh16(x);
  case ATTN_RELU:
    return v16_max(v16_set(0.0f), x);
  case ATTN_SILU:
    return gate16(x, x);
  case ATTN_TANH:
    return tanh16(x);
  case ATTN_SIGMOID:
    return gate16(v16_set(1.0f), x);
  case ATTN_IDENTITY:
    break;
  }
  return x;
}

#endif
