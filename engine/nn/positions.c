/*
** positions.c - sinusoids and buckets of distances.
**
** All in double by additions, multiplications and divisions, whose results are the
** same everywhere; those of a C library's sin and pow are not.
*/
#include "positions.h"

/* exp(-x) for 0 <= x < 10: the series at x / 16, squared four times. */
static double exp_of_minus(double x) {
  double r = -x / 16, sum = 1;
  for (int i = 20; i > 0; i--) sum = 1 + sum * r / i;
  for (int i = 0; i < 4; i++) sum *= sum;
  return sum;
}

/* Sine and cosine of x >= 0, below 2^30: x minus a multiple of pi/2, which is in three
** parts of 33 bits (fdlibm), then their series. */
static void sine_cosine(double x, double *sine, double *cosine) {
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

void attn_sinusoids(size_t n, size_t d, attn_sinusoid_order order, float *out) {
  const double log_10000 = 0x1.26bb1bbb55516p+3;
  const size_t half = (d + 1) / 2;
  for (size_t i = 0; i < half; i++) {
    size_t at = order == ATTN_SINES_FIRST ? i : 2 * i;
    size_t other = order == ATTN_SINES_FIRST ? half + i : 2 * i + 1;
    double rate = exp_of_minus(log_10000 * 2 * (double)i / (double)d);
    for (size_t p = 0; p < n; p++) {
      double sine, cosine;
      sine_cosine((double)p * rate, &sine, &cosine);
      out[p * d + at] = (float)sine;
      if (other < d) out[p * d + other] = (float)cosine;
    }
  }
}

static double power(double x, uint32_t n) {
  double y = 1;
  for (; n; n /= 2, x *= x) {
    if (n & 1) y *= x;
  }
  return y;
}

uint32_t attn_distance_bucket(int64_t distance, int is_causal, uint32_t n_bucket,
                              uint32_t max_distance) {
  uint32_t n = is_causal ? n_bucket : n_bucket / 2, first = 0;
  if (!is_causal && distance > 0) first = n;
  uint64_t far = (uint64_t)(distance < 0 ? -distance : distance);
  if (is_causal && distance > 0) far = 0;
  uint32_t exact = n / 2, log = n - exact, bucket = exact;
  if (far < exact) return first + (uint32_t)far;
  if (far > max_distance) far = max_distance;
  /* bucket = exact + log ratio, where (max_distance / exact)^ratio = far / exact */
  double reached = power((double)far / exact, log), base = (double)max_distance / exact;
  while (bucket < n - 1 && power(base, bucket + 1 - exact) <= reached) bucket++;
  return first + bucket;
}
