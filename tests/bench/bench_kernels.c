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

/* A loop of `n` rounds; returns the multiplications and additions done. */
typedef double limit_loop(long n);

/* What the accumulators hold must be computed, the compiler is told. */
#define KEEP(x, constraint) __asm__ volatile("" : "+" constraint(x))
#define EACH_OF_12(i)       _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++)

#if defined(__x86_64__)
TARGET("avx512f") static double limit_avx512(long n) {
  __m512 sum[12], x = _mm512_set1_ps(0.5f);
  EACH_OF_12(i) sum[i] = x;
  for (long r = 0; r < n; r++) {
    EACH_OF_12(i) {
      sum[i] = _mm512_fmadd_ps(x, x, sum[i]);
      KEEP(sum[i], "v");
    }
  }
  return (double)n * 12 * 16 * 2;
}
TARGET("avx2,fma") static double limit_avx2(long n) {
  __m256 sum[12], x = _mm256_set1_ps(0.5f);
  EACH_OF_12(i) sum[i] = x;
  for (long r = 0; r < n; r++) {
    EACH_OF_12(i) {
      sum[i] = _mm256_fmadd_ps(x, x, sum[i]);
      KEEP(sum[i], "x");
    }
  }
  return (double)n * 12 * 8 * 2;
}
#elif defined(__aarch64__)
static double limit_neon(long n) {
  float32x4_t sum[12], x = vdupq_n_f32(0.5f);
  EACH_OF_12(i) sum[i] = x;
  for (long r = 0; r < n; r++) {
    EACH_OF_12(i) {
      sum[i] = vfmaq_f32(sum[i], x, x);
      KEEP(sum[i], "w");
    }
  }
  return (double)n * 12 * 4 * 2;
}
#endif

typedef struct tier {
  const char *name;
  limit_loop *f32;
} tier;

static const tier tiers[] = {
#if defined(__x86_64__)
    {"avx2", limit_avx2},
    {"avx512", limit_avx512},
#elif defined(__aarch64__)
    {"neon", limit_neon},
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

/* Tokens: one short text with its weights in memory (`copies` of them in turn, more
** than any cache holds), then batches. */
static const struct {
  uint32_t m, n_byte;
} sizes[] = {{12, 100 << 20}, {12, 1}, {88, 1}, {192, 1}, {384, 1}};
enum { N_SIZE = sizeof sizes / sizeof sizes[0], MAX_M = 384, MAX_WIDTH = 1536 };

static float x[MAX_M * MAX_WIDTH], y[MAX_M * MAX_WIDTH];

static float random_number(void) {
  return (float)rand() / (float)RAND_MAX - 0.5f;
}

static void fill_linear(attn_linear *linear) {
  float row[MAX_WIDTH];
  for (uint32_t i = 0; i < linear->n_out; i++) {
    for (uint32_t k = 0; k < linear->n_in; k++) row[k] = random_number();
    attn_linear_pack(linear, i, 1, row);
  }
}

typedef struct result {
  double flops, limit; /* per second */
} result;

/* Alternates limit and product, keeps the fastest slice of each. */
static result measure(const tier *tier, const shape *shape, const attn_linear *linear,
                      size_t n_copy, uint32_t m) {
  const double work = 2.0 * m * shape->n_in * shape->n_out;
  result best = {0, 0};
  size_t next = 0;
  for (int slice = 0; slice < 60; slice++) {
    double t = seconds();
    double done = tier->f32(20000);
    double rate = done / (seconds() - t);
    if (rate > best.limit) best.limit = rate;
    t = seconds();
    done = 0;
    do {
      attn_linear_apply(&linear[next++ % n_copy], m, x, shape->store, shape->activation,
                        y);
      done += work;
    } while (seconds() - t < 3e-4);
    rate = done / (seconds() - t);
    if (rate > best.flops) best.flops = rate;
    if (slice % 8 == 0) memset(y, 0, sizeof y);
  }
  return best;
}

static void print_result(int json, const tier *tier, const shape *shape, uint32_t m,
                         int cold, result r) {
  static const char *separator = "[\n";
  if (json) {
    printf("%s  {\"isa\": \"%s\", \"product\": \"%s\", \"m\": %u, \"n\": %u, \"k\": %u, "
           "\"cold\": %s, \"gflops\": %.1f, \"limit\": %.1f}",
           separator, tier->name, shape->name, m, shape->n_out, shape->n_in,
           cold ? "true" : "false", r.flops * 1e-9, r.limit * 1e-9);
    separator = ",\n";
  } else {
    printf("%-10s %-5s m %3u n %4u k %4u %-4s %7.1f of %7.1f Gflop/s  %5.1f %%\n",
           tier->name, shape->name, m, shape->n_out, shape->n_in, cold ? "cold" : "",
           r.flops * 1e-9, r.limit * 1e-9, 100 * r.flops / r.limit);
  }
}

static int run_shape(int json, const tier *tier, const shape *shape) {
  enum { MAX_COPY = 192 };
  static attn_linear linear[MAX_COPY];
  const size_t n_byte = (size_t)shape->n_out * shape->n_in * sizeof(float);
  for (int s = 0; s < N_SIZE; s++) {
    size_t n_copy = sizes[s].n_byte / n_byte + 1;
    for (size_t i = 0; i < n_copy; i++) {
      if (attn_linear_init(&linear[i], shape->n_out, shape->n_in) != ATTN_OK) return 1;
      fill_linear(&linear[i]);
    }
    result r = measure(tier, shape, linear, n_copy, sizes[s].m);
    print_result(json, tier, shape, sizes[s].m, n_copy > 1, r);
    for (size_t i = 0; i < n_copy; i++) attn_linear_free(&linear[i]);
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
