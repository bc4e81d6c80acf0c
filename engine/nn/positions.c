/*
** positions.c - sinusoids and buckets of distances.
**
** In double, by the deterministic functions of base/deterministic.h.
*/
#include "positions.h"
#include "../base/deterministic.h"

void attne_sinusoids(size_t n, size_t d, attne_sinusoid_order order, float *out) {
  const double log_10000 = 0x1.26bb1bbb55516p+3;
  const size_t half = (d + 1) / 2;
  for (size_t i = 0; i < half; i++) {
    size_t at = order == ATTNE_SINES_FIRST ? i : 2 * i;
    size_t other = order == ATTNE_SINES_FIRST ? half + i : 2 * i + 1;
    double rate = attne_exp_of_minus(log_10000 * 2 * (double)i / (double)d);
    for (size_t p = 0; p < n; p++) {
      double sine, cosine;
      attne_sine_cosine((double)p * rate, &sine, &cosine);
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

uint32_t attne_distance_bucket(int64_t distance, int is_causal, uint32_t n_bucket,
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
