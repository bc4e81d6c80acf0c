/*
** deterministic.c - see deterministic.h.
*/
#include "deterministic.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

/* exp(-x) for 0 <= x < 10: the series at x / 16, squared four times. */
double attne_exp_of_minus(double x) {
  double r = -x / 16, sum = 1;
  for (int i = 20; i > 0; i--) sum = 1 + sum * r / i;
  for (int i = 0; i < 4; i++) sum *= sum;
  return sum;
}

/* Sine and cosine of x >= 0, below 2^30: x minus a multiple of pi/2, which is in three
** parts of 33 bits (fdlibm), then their series. */
void attne_sine_cosine(double x, double *sine, double *cosine) {
  const double part[] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69};
  int64_t n = (int64_t)(x * 0x1.45f306dc9c883p-1 + 0.5);
  double r = ((x - (double)n * part[0]) - (double)n * part[1]) - (double)n * part[2];
  double s = 1, c = 1;
  for (int i = 20; i > 0; i -= 2) {
    s = 1 - s * (r * r) / (i * (i + 1));
    c = 1 - c * (r * r) / (i * (i - 1));
  }
  s *= r;
  *sine = n & 1 ? c : s;
  *cosine = n & 1 ? s : c;
  if (n & 2) *sine = -*sine;
  if ((n + 1) & 2) *cosine = -*cosine;
}

/* x = m 2^e with m in [sqrt(1/2), sqrt 2); log m = 2 artanh(s), s = (m - 1) / (m + 1), by
** its series, whose terms fall below 2^-56 after the 12th. */
double attne_log(double x) {
  const double log_2 = 0x1.62e42fefa39efp-1;
  uint64_t bits;
  int exponent = 0;
  if (!(x > 0)) return x == 0 ? -INFINITY : NAN;
  if (x > 0x1.fffffffffffffp+1023) return x;
  if (x < 0x1p-1022) { /* subnormal */
    x *= 0x1p54;
    exponent = -54;
  }
  memcpy(&bits, &x, sizeof bits);
  exponent += (int)(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffu) | (uint64_t)1023 << 52;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 0x1.6a09e667f3bcdp+0) {
    m /= 2;
    exponent++;
  }
  const double s = (m - 1) / (m + 1), square = s * s;
  double sum = 0;
  for (int i = 25; i > 0; i -= 2) sum = sum * square + 1.0 / i;
  return exponent * log_2 + 2 * s * sum;
}
