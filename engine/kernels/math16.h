/*
** math16.h - exp, tanh and the activations over 16 lanes.
**
** A template: a file that includes it has included one of the lanes_ headers
** first.  Polynomials are minimax fits in float32 (tests/unit/test_kernels.c
** compares them with libm's doubles); every step is one rounded operation, so
** that all instruction sets give the same bits.
*/
#ifndef ATTNE_MATH16_H
#define ATTNE_MATH16_H

#include "kernels.h"

/* Adding this rounds to an integer n, half to even, and leaves n + 127 in the low
** bits: the exponent of 2^n, for n in -126 .. 127.  -127 gives 0, 128 inf. */
#define EXPONENT (0x1.8p+23f + 127)

/* 2^(n + r) for u = n + EXPONENT and r in [-1/2, 1/2]. */
INLINE v16 exp2_16(v16 u, v16 r) {
  v16 p = v16_set(0x1.4172a6p-13f);
  p = v16_fma(p, r, v16_set(0x1.5f0976p-10f));
  p = v16_fma(p, r, v16_set(0x1.3b2ddap-7f));
  p = v16_fma(p, r, v16_set(0x1.c6af7ap-5f));
  p = v16_fma(p, r, v16_set(0x1.ebfbdcp-3f));
  p = v16_fma(p, r, v16_set(0x1.62e430p-1f));
  p = v16_fma(p, r, v16_set(1.0f));
  return v16_mul(p, v16_shift_left_23(u));
}

/* 2^t for t up to 127; below 2^-126.5 it is 0. */
INLINE v16 exp2_of16(v16 t) {
  t = v16_max(v16_set(-127.0f), t); /* a NaN stays */
  v16 u = v16_add(t, v16_set(EXPONENT));
  return exp2_16(u, v16_add(t, v16_sub(v16_set(EXPONENT), u)));
}

/* exp(x) = 2^(x log2 e), with log2 e in two parts.  What is below 2^-126.5 is 0,
** what is above 2^127.5 is inf. */
INLINE v16 exp16(v16 x) {
  x = v16_max(v16_set(-88.0f), v16_min(v16_set(89.0f), x)); /* a NaN stays */
  v16 u = v16_fma(x, v16_set(0x1.715476p+0f), v16_set(EXPONENT));
  v16 r = v16_fma(x, v16_set(0x1.715476p+0f), v16_sub(v16_set(EXPONENT), u));
  return exp2_16(u, v16_fma(x, v16_set(0x1.4ae0c0p-26f), r));
}

/* erfc(t / sqrt 2) for t in 0 .. 6.  Its log2 is t Q(t); at 6 it is too small to be seen
** beside 1, and 0. */
INLINE v16 erfc16(v16 t) {
  v16 q = v16_set(-0x1.7d892ep-19f);
  q = v16_fma(q, t, v16_set(0x1.4b1556p-15f));
  q = v16_fma(q, t, v16_set(-0x1.8755b6p-13f));
  q = v16_fma(q, t, v16_set(-0x1.1d0d62p-13f));
  q = v16_fma(q, t, v16_set(0x1.ced23ep-8f));
  q = v16_fma(q, t, v16_set(-0x1.ae0a80p-5f));
  q = v16_fma(q, t, v16_set(-0x1.d63ac2p-2f));
  q = v16_fma(q, t, v16_set(-0x1.26aed4p+0f));
  q = v16_mul(q, t);
  v16 u = v16_add(q, v16_set(EXPONENT));
  v16 erfc = exp2_16(u, v16_add(q, v16_sub(v16_set(EXPONENT), u)));
  return v16_if_less(t, v16_set(6.0f), erfc, v16_set(0.0f));
}

/* x/2 (1 + erf(x / sqrt 2)) = max(x, 0) - |x|/2 erfc(|x| / sqrt 2), where nothing
** cancels. */
INLINE v16 gelu16(v16 x) {
  v16 t = v16_min(v16_set(6.0f), v16_abs(x));
  return v16_fma(v16_mul(t, v16_set(-0.5f)), erfc16(t), v16_max(v16_set(0.0f), x));
}

/* The same to 2e-5, for what will be rounded to int8: with s = -|x| it is max(x, 0) +
** s 2^h, where h is log2 of erfc(|x| / sqrt 2) / 2, of which little is left beyond 5.5.
*/
INLINE v16 gelu_rough16(v16 x) {
  v16 s = v16_max(v16_set(-5.5f), v16_copysign(x, v16_set(-1.0f)));
  v16 h = v16_set(0x1.10bd1cp-8f);
  h = v16_fma(h, s, v16_set(0x1.76ab1cp-5f));
  h = v16_fma(h, s, v16_set(-0x1.dc1664p-2f));
  h = v16_fma(h, s, v16_set(0x1.264a12p+0f));
  h = v16_fma(h, s, v16_set(-1.0f));
  v16 u = v16_add(h, v16_set(EXPONENT));
  v16 r = v16_add(h, v16_sub(v16_set(EXPONENT), u));
  v16 p = v16_set(0x1.c3f798p-5f);
  p = v16_fma(p, r, v16_set(0x1.f0de3cp-3f));
  p = v16_fma(p, r, v16_set(0x1.62f31ap-1f));
  p = v16_fma(p, r, v16_set(0x1.fff690p-1f));
  p = v16_mul(p, v16_shift_left_23(u));
  return v16_fma(s, p, v16_max(v16_set(0.0f), x));
}

/* GELU's derivative: P(x) + x exp(-x²/2) / sqrt(2 pi), P being the normal distribution.
*/
INLINE v16 gelu_slope16(v16 x) {
  v16 half = v16_mul(v16_set(0.5f), erfc16(v16_min(v16_set(6.0f), v16_abs(x))));
  v16 p = v16_if_less(x, v16_set(0.0f), half, v16_sub(v16_set(1.0f), half));
  v16 e = exp16(v16_mul(v16_mul(x, x), v16_set(-0.5f)));
  return v16_fma(v16_mul(x, v16_set(0.3989422804f)), e, p);
}

/* tanh(x): up to 0.65 x + x P(x²), beyond 1 - 2 / (exp(2x) + 1). */
INLINE v16 tanh16(v16 x) {
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
INLINE v16 gate16(v16 x, v16 u) {
  v16 e = exp16(v16_sub(v16_set(0.0f), u));
  return v16_div(x, v16_add(v16_set(1.0f), e));
}

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) is x gated by twice that sum. */
INLINE v16 gelu_tanh16(v16 x) {
  v16 cubic = v16_fma(v16_mul(x, x), v16_set(0.044715f), v16_set(1.0f));
  return gate16(x, v16_mul(v16_mul(x, v16_set(1.5957691216057308f)), cubic));
}

INLINE v16 activate16(attne_activation activation, v16 x) {
  switch (activation) {
  case ATTNE_GELU:
    return gelu16(x);
  case ATTNE_GELU_TANH:
    return gelu_tanh16(x);
  case ATTNE_RELU:
    return v16_max(v16_set(0.0f), x);
  case ATTNE_SILU:
    return gate16(x, x);
  case ATTNE_TANH:
    return tanh16(x);
  case ATTNE_SIGMOID:
    return gate16(v16_set(1.0f), x);
  case ATTNE_IDENTITY:
    break;
  }
  return x;
}

/* The bias of a panel, zero where there is none. */
INLINE v16 bias16(const attne_output *out, size_t column) {
  v16 zero = v16_set(0.0f);
  if (!out->bias) return zero;
  if (out->n - column >= ATTNE_PANEL) return v16_load(out->bias + column);
  return v16_load_n(out->bias + column, out->n - column, zero);
}

#endif
