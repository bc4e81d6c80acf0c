/*
** sample.c - from logits to a token: the likeliest, or one drawn by its probability.
**
** Drawing takes, in this order: the temperature, the likeliest k, and of these as few as
** reach probability p (nucleus sampling; Holtzman et al. 2020).  Every step is the same
** on every machine, so that a seed gives one text.
*/
#include "sample.h"
#include "../kernels/kernels.h"
#include <math.h>

typedef struct candidate {
  float probability;
  int32_t id;
} candidate;

uint64_t attne_sample_memory(uint32_t n) {
  return (uint64_t)n * (sizeof(float) + sizeof(candidate));
}

static int32_t likeliest(const float *logits, uint32_t n) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++) {
    if (logits[i] > logits[best] || logits[best] != logits[best]) best = i;
  }
  return (int32_t)best;
}

/* splitmix64 (Steele et al. 2014): a number in [0, 1). */
static double draw(uint64_t *state) {
  uint64_t x = *state += 0x9E3779B97F4A7C15u;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

static int by_probability(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->probability != y->probability) return x->probability < y->probability ? 1 : -1;
  return (x->id > y->id) - (x->id < y->id);
}

/* Of candidates in order, the id at which the sum of probabilities gets beyond u of all.
*/
static int32_t pick(const candidate *list, uint32_t n, double u) {
  double total = 0, sum = 0;
  for (uint32_t i = 0; i < n; i++) total += (double)list[i].probability;
  for (uint32_t i = 0; i < n; i++) {
    sum += (double)list[i].probability;
    if (sum > u * total) return list[i].id;
  }
  return list[0].id;
}

int32_t attne_sample(attne_sampling *s, const float *logits, uint32_t n, void *memory) {
  candidate *list = memory;
  float *p = (float *)(list + n);
  const int32_t best = likeliest(logits, n);
  if (s->temperature <= 0 || !(fabsf(logits[best]) < INFINITY)) return best;
  for (uint32_t i = 0; i < n; i++) {
    float x = (float)(((double)logits[i] - (double)logits[best]) / s->temperature);
    p[i] = x == x ? x : -INFINITY;
  }
  attne_kernels_get()->f32->softmax(1, n, 1, p, n);
  uint32_t count = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (p[i] > 0) list[count++] = (candidate){p[i], (int32_t)i};
  }
  if (s->top_k || s->top_p < 1) {
    uint32_t k = s->top_k && s->top_k < count ? s->top_k : count;
    attn_sort_first(list, count, k, sizeof *list, by_probability);
    count = k;
  }
  double total = 0, sum = 0;
  for (uint32_t i = 0; i < count; i++) total += (double)list[i].probability;
  for (uint32_t i = 0; s->top_p < 1 && i < count; i++) {
    sum += (double)list[i].probability;
    if (sum >= s->top_p * total) count = i + 1;
  }
  return pick(list, count, draw(&s->state));
}

/* The natural logarithm of x, a normal number, by additions, multiplications and one
** division: x = 2^n m with m near 1, log m = 2 atanh((m - 1) / (m + 1)). */
static double log_of(double x) {
  uint64_t bits;
  double m, sum = 0;
  memcpy(&bits, &x, sizeof bits);
  int64_t n = (int64_t)(bits >> 52) - 1023;
  bits = (bits & 0xFFFFFFFFFFFFFu) | 0x3FF0000000000000u;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m /= 2;
    n++;
  }
  double t = (m - 1) / (m + 1);
  for (int i = 23; i > 0; i -= 2) sum = sum * t * t + 2.0 / i;
  return (double)n * 0x1.62e42fefa39efp-1 + sum * t;
}

double attne_log_probability(const float *logits, uint32_t n, int32_t i, void *memory) {
  float *p = memory;
  const int32_t best = likeliest(logits, n);
  memcpy(p, logits, n * sizeof *p);
  attne_kernels_get()->f32->softmax(1, n, 1, p, n);
  if (!(p[best] > 0)) return NAN; /* a logit was not finite */
  return (double)logits[i] - (double)logits[best] + log_of((double)p[best]);
}
