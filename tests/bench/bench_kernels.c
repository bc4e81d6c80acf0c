/*
** bench_kernels.c - the products of all-MiniLM-L6-v2, as a share of what the
** processor's multipliers can do at all.
**
** Limit (limit.h) and product take turns in slices well below a scheduler's, and the best
** slice of each counts, so that a busy machine changes little.
**
**   bench_kernels          a table
**   bench_kernels --json   the same as an array of objects
**
** An operation is a multiplication or an addition.  A product in int8 includes what
** it takes to make its rows int8.
*/
#include "../../engine/nn/linear.h"
#include "limit.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ------------------------------------------------------------------- the products */

typedef struct shape {
  const char *name;
  uint32_t n_out, n_in;
  attne_store store;
  attne_activation activation;
} shape;

static const shape shapes[] = {
    {"qkv", 1152, 384, ATTNE_SET, ATTNE_IDENTITY},
    {"out", 384, 384, ATTNE_ADD, ATTNE_IDENTITY},
    {"up", 1536, 384, ATTNE_SET, ATTNE_GELU},
    {"down", 384, 1536, ATTNE_ADD, ATTNE_IDENTITY},
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

static float random_number(void) {
  return (float)rand() / (float)RAND_MAX - 0.5f;
}

static void fill_linear(attne_linear *linear) {
  float row[MAX_WIDTH];
  int8_t q[MAX_WIDTH];
  float scale[MAX_WIDTH / ATTNE_I8_GROUP];
  for (size_t i = 0; i < MAX_WIDTH / ATTNE_I8_GROUP; i++) scale[i] = 1e-3f;
  for (uint32_t i = 0; i < linear->n_out; i++) {
    for (uint32_t k = 0; k < linear->n_in; k++) {
      row[k] = random_number();
      q[k] = (int8_t)(254 * row[k]);
    }
    if (linear->precision == ATTN_PRECISION_INT8) {
      attne_linear_pack_i8(linear, i, 1, q, scale);
    } else {
      attne_linear_pack(linear, i, 1, row);
    }
  }
}

typedef struct result {
  double rate, limit; /* operations per second */
} result;

typedef struct tier {
  const char *name;
  attn_precision precision;
  limit_loop *limit;
} tier;

/* Alternates limit and product, keeps the fastest slice of each. */
static result measure(const tier *tier, const shape *shape, const attne_linear *linear,
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
      attne_linear_apply(&linear[next++ % n_copy], m, x, scratch, shape->store,
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
  const uint64_t n_byte = attne_linear_size(shape->n_out, shape->n_in, tier->precision);
  for (int s = 0; s < N_SIZE; s++) {
    size_t n_copy = (size_t)(sizes[s].n_byte / n_byte) + 1;
    attne_linear *linear = attne_alloc(n_copy * sizeof *linear);
    char *memory = attn_alloc_aligned(n_copy * n_byte);
    if (!linear || !memory) return 1;
    for (size_t i = 0; i < n_copy; i++) {
      attne_linear_init(&linear[i], shape->n_out, shape->n_in, tier->precision,
                        memory + i * n_byte);
      fill_linear(&linear[i]);
    }
    result r = measure(tier, shape, linear, n_copy, sizes[s].m);
    print_result(json, tier, shape, sizes[s].m, n_copy > 1, r);
    attne_release(linear);
    attn_release_aligned(memory);
  }
  return 0;
}

/* All shapes in one precision on the tier in use. */
static int run_tier(int json, const tier *tier) {
  if (!tier->limit) return 0;
  for (int s = 0; s < N_SHAPE; s++) {
    if (run_shape(json, tier, &shapes[s]) != 0) return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  int json = argc > 1 && strcmp(argv[1], "--json") == 0;
  limit_loop *f32 = NULL;
  for (size_t i = 0; i < MAX_M * MAX_WIDTH; i++) x[i] = random_number();
  for (const limit_tier *l = limit_tiers; l->name; l++) {
    const attne_kernels *kernels = attne_kernels_by_name(l->name);
    if (!kernels) continue;
    attne_kernels_use(kernels);
    /* A tier whose f32 is that of the one before has no kernels of its own. */
    tier tiers[] = {{l->name, ATTN_PRECISION_F32, l->f32 == f32 ? NULL : l->f32},
                    {l->name, ATTN_PRECISION_INT8, l->int8}};
    f32 = l->f32;
    if (run_tier(json, &tiers[0]) != 0 || run_tier(json, &tiers[1]) != 0) return 1;
  }
  if (json) printf("\n]\n");
  return 0;
}
