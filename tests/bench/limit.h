/*
** limit.h - what a processor's multipliers can do at all.
**
** Each function is a loop of the tier's multiply-add instruction on registers alone,
** for one precision.  12 accumulators are more than the latency of any such
** instruction; what they hold must be computed, the compiler is told (KEEP).
**
** An operation is a multiplication or an addition.  Without dpbusd, whole numbers are
** multiplied by madd of 16 bits, which is exact (maddubs saturates); the additions that
** its results then need are left out, for their units are not the multipliers.
*/
#ifndef LIMIT_H
#define LIMIT_H

#include <stddef.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET(isa) __attribute__((target(isa)))
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* A loop of `n` rounds; returns the operations done. */
typedef double limit_loop(long n);

#define KEEP(x, constraint) __asm__ volatile("" : "+" constraint(x))
#define EACH_OF_12(i)       _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++)

/* A loop that does `step` to 12 accumulators, which is `per_step` operations each. */
#define LIMIT(name, vector, value, constraint, per_step, step)                           \
  static double name(long n) {                                                           \
    vector sum[12], x = value;                                                           \
    EACH_OF_12(i) sum[i] = x;                                                            \
    for (long r = 0; r < n; r++) {                                                       \
      EACH_OF_12(i) {                                                                    \
        sum[i] = step;                                                                   \
        KEEP(sum[i], constraint);                                                        \
      }                                                                                  \
    }                                                                                    \
    return (double)n * 12 * (per_step);                                                  \
  }

#if defined(__x86_64__)
TARGET("avx2,fma")
LIMIT(limit_f32_avx2, __m256, _mm256_set1_ps(0.5f), "x", 16,
      _mm256_fmadd_ps(x, x, sum[i]))
TARGET("avx512f")
LIMIT(limit_f32_avx512, __m512, _mm512_set1_ps(0.5f), "v", 32,
      _mm512_fmadd_ps(x, x, sum[i]))
TARGET("avx2")
LIMIT(limit_int8_avx2, __m256i, _mm256_set1_epi8(21), "x", 32,
      _mm256_madd_epi16(sum[i], x))
TARGET("avx512bw")
LIMIT(limit_int8_avx512, __m512i, _mm512_set1_epi8(21), "v", 64,
      _mm512_madd_epi16(sum[i], x))
TARGET("avx512f,avx512vnni")
LIMIT(limit_int8_avx512vnni, __m512i, _mm512_set1_epi8(21), "v", 128,
      _mm512_dpbusd_epi32(sum[i], x, x))
#elif defined(__aarch64__)
LIMIT(limit_f32_neon, float32x4_t, vdupq_n_f32(0.5f), "w", 8, vfmaq_f32(sum[i], x, x))
#endif

/* A tier's loops; NULL where it has no such instruction of its own. */
typedef struct limit_tier {
  const char *name;
  limit_loop *f32, *int8;
} limit_tier;

static const limit_tier limit_tiers[] = {
#if defined(__x86_64__)
    {"avx2", limit_f32_avx2, limit_int8_avx2},
    {"avx512", limit_f32_avx512, limit_int8_avx512},
    {"avx512vnni", limit_f32_avx512, limit_int8_avx512vnni},
#elif defined(__aarch64__)
    {"neon", limit_f32_neon, NULL},
    {"dotprod", limit_f32_neon, NULL},
#endif
    {NULL, NULL, NULL},
};

/* The tier of that name; the last one, which has no loops, if there is none. */
static inline const limit_tier *limit_find(const char *name) {
  const limit_tier *tier = limit_tiers;
  while (tier->name && strcmp(tier->name, name) != 0) tier++;
  return tier;
}

#endif
