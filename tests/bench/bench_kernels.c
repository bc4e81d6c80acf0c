/*
** bench_kernels.c - the products of all-MiniLM-L6-v2, as a share of what the
** processor's multipliers can do at all.
**
** The limit is a loop of the tier's multiply-add instruction on registers alone.
** Limit and product take turns in slices well below a scheduler's, and the best
** slice of each counts, so that a busy machine changes little.
**
**   bench_kernels          a table
**   bench_kernels --json   the same as an array of objects
**
** An operation is a multiplication or an addition.  A product in int8 includes what
** it takes to make its rows int8.
*/
#include "../../engine/linear.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET(isa) __attribute__((target(isa)))
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---------------------------------------------------------------------- the limit */

/* A loop of `n` rounds; returns the operations done. */
typedef double limit_loop(long n);

/* What the accumulators hold must be computed, the compiler is told. */
#define KEEP(x, constraint) __asm__ volatile("" : "+" constraint(x))
#define EACH_OF_12(i)       _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++)

/* A loop that does `step` to 12 accumulators, which is `per_step` operations each. */
#define LIMIT(name, vector, zero, constraint, per_step, step)                            \
  static double name(long n) {                                                           \
    vector sum[12], x = zero;                                                            \
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
LIMIT(f32_avx2, __m256, _mm256_setzero_ps(), "x", 16, _mm256_fmadd_ps(x, x, sum[i]))
TARGET("avx512f")
LIMIT(f32_avx512, __m512, _mm512_setzero_ps(), "v", 32, _mm512_fmadd_ps(x, x, sum[i]))
TARGET("avx2")
LIMIT(i8_avx2, __m256i, _mm256_setzero_si256(), "x", 32,
      _mm256_add_epi32(sum[i], _mm256_madd_epi16(sum[i], x)))
TARGET("avx512bw")
LIMIT(i8_avx512, __m512i, _mm512_setzero_si512(), "v", 64,
      _mm512_add_epi32(sum[i], _mm512_madd_epi16(sum[i], x)))
TARGET("avx512f,avx512vnni")
LIMIT(i8_avx512vnni, __m512i, _mm512_setzero_si512(), "v", 128,
      _mm512_dpbusd_epi32(sum[i], x, x))
#elif defined(__aarch64__)
LIMIT(f32_neon, float32x4_t, vdupq_n_f32(0), "w", 8, vfmaq_f32(sum[i], x, x))
#endif

typedef struct tier {
  const char *name;
  attn_precision precision;
  limit_loop *limit;
} tier;

static const tier tiers[] = {
#if defined(__x86_64__)
    {"avx2", ATTN_PRECISION_F32, f32_avx2},
    {"avx512", ATTN_PRECISION_F32, f32_avx512},
    {"avx2", ATTN_PRECISION_INT8, i8_avx2},
    {"avx512", ATTN_PRECISION_INT8, i8_avx512},
    {"avx512vnni", ATTN_PRECISION_INT8, i8_avx512vnni},
#elif defined(__aarch64__)
    {"neon", ATTN_PRECISION_F32, f32_neon},
#endif
};
enum { N_TIER = sizeof tiers / sizeof tiers[0] };

/* ------------------------------------------------------------------- the products */

typedef struct shape {
  const char *name;
  uint32_t n_out, n_in;
  attn_store store;
  attn_activation activation;
} shape;

static const shape shapes[] = {
    {"qkv", 1152, 384, ATTN_SET, ATTN_IDENTITY},
    {"out", 384, 384, ATTN_ADD, ATTN_IDENTITY},
    {"up", 1536, 384, ATTN_SET, ATTN_GELU},
    {"down", 384, 1536, ATTN_ADD, ATTN_IDENTITY},
};
enum { N_SHAPE = sizeof shapes / sizeof shapes[0] };

/* Tokens: one short text whose weights come from memory (copies of them in turn, more
** than a cache holds), then batches. */
static const struct {
  uint32_t m, n_byte;
} sizes[] = {{12, 100 << 20}, {12, 1}, {88, 1}, {384, 1}};
enum { N_SIZE = sizeof sizes / sizeof sizes[0], MAX_M = 384, MAX_WIDTH = 1536 };

static float x[MAX_M * MAX_WIDTH], y[MAX_M * MAX_WIDTH];
static char scratch[MAX_M * MAX_WIDTH * 3];

static float random_number(void) { return (float)rand() / (float)RAND_MAX - 0.5f; }

static void fill_linear(attn_linear *linear) {
  float row[MAX_WIDTH];
  int8_t q[MAX_WIDTH];
  const float scale = 1e-3f;
  for (uint32_t i = 0; i < linear->n_out; i++) {
    for (uint32_t k = 0; k < linear->n_in; k++) {
      row[k] = random_number();
      q[k] = (int8_t)(254 * row[k]);
    }
    if (linear->precision == ATTN_PRECISION_INT8) {
      attn_linear_pack_i8(linear, i, 1, q, &scale);
    } else {
      attn_linear_pack(linear, i, 1, row);
    }
  }
}

typedef struct result {
  double rate, limit; /* operations per second */
} result;

/* Alternates limit and product, keeps the fastest slice of each. */
static result measure(const tier *tier, const shape *shape, const attn_linear *linear,
                      size_t n_copy, uint32_t m) {
  const double work = 2.0 * m * shape->n_in * shape->n_out;
  result best = {0, 0};
  size_t next = 0;
  for (int slice = 0; slice < 60; slice++) {
    double t = seconds();
    double done = tier->limit(20000);
    double rate = done / (seconds() - t);
    if (rate > best.limit) best.limit = rate;
    t = seconds();
    done = 0;
    do {
      attn_linear_apply(&linear[next++ % n_copy], m, x, scratch, shape->store,
                        shape->activation, y);
      done += work;
    } while (seconds() - t < 3e-4);
    rate = done / (seconds() - t);
    if (rate > best.rate) best.rate = rate;
    if (slice % 8 == 0) memset(y, 0, sizeof y); /* where results are added up */
  }
  return best;
}

static void print_result(int json, const tier *tier, const shape *shape, uint32_t m,
                         int cold, result r) {
  static const char *separator = "[\n";
  const char *precision = tier->precision == ATTN_PRECISION_INT8 ? "int8" : "f32";
  if (json) {
    printf("%s  {\"isa\": \"%s\", \"precision\": \"%s\", \"product\": \"%s\", \"m\": %u, "
           "\"n\": %u, \"k\": %u, \"cold\": %s, \"gops\": %.1f, \"limit\": %.1f}",
           separator, tier->name, precision, shape->name, m, shape->n_out, shape->n_in,
           cold ? "true" : "false", r.rate * 1e-9, r.limit * 1e-9);
    separator = ",\n";
  } else {
    printf("%-10s %-4s %-5s m %3u n %4u k %4u %-4s %7.1f of %7.1f Gop/s  %5.1f %%\n",
           tier->name, precision, shape->name, m, shape->n_out, shape->n_in,
           cold ? "cold" : "", r.rate * 1e-9, r.limit * 1e-9, 100 * r.rate / r.limit);
  }
}

static int run_shape(int json, const tier *tier, const shape *shape) {
  const uint64_t n_byte = attn_linear_size(shape->n_out, shape->n_in, tier->precision);
  for (int s = 0; s < N_SIZE; s++) {
    size_t n_copy = (size_t)(sizes[s].n_byte / n_byte) + 1;
    attn_linear *linear = attn_alloc(n_copy * sizeof *linear);
    char *memory = attn_alloc_aligned(n_copy * n_byte);
    if (!linear || !memory) return 1;
    for (size_t i = 0; i < n_copy; i++) {
      attn_linear_init(&linear[i], shape->n_out, shape->n_in, tier->precision,
                       memory + i * n_byte);
      fill_linear(&linear[i]);
    }
    result r = measure(tier, shape, linear, n_copy, sizes[s].m);
    print_result(json, tier, shape, sizes[s].m, n_copy > 1, r);
    attn_release(linear);
    attn_release_aligned(memory);
  }
  return 0;
}

int main(int argc, char **argv) {
  int json = argc > 1 && strcmp(argv[1], "--json") == 0;
  for (size_t i = 0; i < MAX_M * MAX_WIDTH; i++) x[i] = random_number();
  for (int t = 0; t < N_TIER; t++) {
    const attn_kernels *kernels = attn_kernels_by_name(tiers[t].name);
    if (!kernels) continue;
    attn_kernels_use(kernels);
    for (int s = 0; s < N_SHAPE; s++) {
      if (run_shape(json, &tiers[t], &shapes[s]) != 0) return 1;
    }
  }
  if (json) printf("\n]\n");
  return 0;
}
