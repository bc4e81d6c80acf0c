/*
** test_search.c - exact searches against a look at every row, on vectors of many
** kinds; approximate ones; filters, thresholds, streams; every instruction set.
*/
#include "../../engine/kernels/kernels.h"
#include "../../engine/kernels/scan.h"
#include "vectors.h"

static const attn_metric metrics[] = {ATTN_COSINE, ATTN_L2, ATTN_DOT};

/* ------------------------------------------------------------------ the kernels */

/* Bit by bit, from the layout that scan.h describes. */
static void scan_reference(const uint8_t *block, size_t n_group, const int8_t *query,
                           int32_t dot[ATTNE_SCAN_ROWS]) {
  for (size_t r = 0; r < ATTNE_SCAN_ROWS; r++) {
    dot[r] = 0;
    for (size_t i = 0; i < n_group * ATTNE_SCAN_DIMS; i++) {
      const uint8_t *byte = block + i / 32 * ATTNE_SCAN_GROUP + 4 * r + i % 4;
      if (*byte >> (i % 32 / 4) & 1) dot[r] += query[i];
    }
  }
}

static int scan_agrees(attne_scan *scan, size_t n_group, int extreme) {
  uint64_t random = n_group;
  size_t n = n_group * ATTNE_SCAN_GROUP, d = n_group * ATTNE_SCAN_DIMS;
  uint8_t *block = malloc(n + 1);
  int8_t *query = malloc(d + 1);
  for (size_t i = 0; i < n; i++) block[i] = extreme ? 255 : (uint8_t)random_bits(&random);
  for (size_t i = 0; i < d; i++) {
    query[i] = (int8_t)(extreme ? extreme : (int)random_below(&random, 255) - 127);
  }
  int32_t dot[ATTNE_SCAN_ROWS], expected[ATTNE_SCAN_ROWS];
  scan_reference(block, n_group, query, expected);
  scan(block, n_group, query, dot);
  free(block);
  free(query);
  return memcmp(dot, expected, sizeof dot) == 0;
}

static void test_kernels(void) {
  static const size_t n_groups[] = {1, 2, 3, 12, 16, 17, 33, 100, 2048};
  for (const attne_kernels *t = NULL; (t = attne_kernels_next(t)) != NULL;) {
    attne_kernels_use(t);
    for (size_t g = 0; g < sizeof n_groups / sizeof n_groups[0]; g++) {
      CHECK(scan_agrees(attne_kernels_get()->scan, n_groups[g], 0));
      CHECK(scan_agrees(attne_kernels_get()->scan, n_groups[g], 127));
      CHECK(scan_agrees(attne_kernels_get()->scan, n_groups[g], -127));
    }
  }
}

/* --------------------------------------------------------------------- exactness */

/* The distance as the definition has it, with its rounding error at most. */
static int distance_is_right(attn_metric metric, size_t d, const float *x, const float *y,
                             double distance) {
  double xy = 0, xx = 0, yy = 0, ee = 0, absolute = 0;
  for (size_t i = 0; i < d; i++) {
    double a = (double)x[i], b = (double)y[i];
    xy += a * b, xx += a * a, yy += b * b, ee += (a - b) * (a - b);
    absolute += fabs(a * b);
  }
  double expected = metric == ATTN_L2    ? sqrt(ee)
                    : metric == ATTN_DOT ? -xy
                    : xx * yy > 0        ? 1 - xy / sqrt(xx * yy)
                                         : 1;
  double scale = metric == ATTN_L2 ? expected : metric == ATTN_DOT ? absolute : 1;
  return fabs(distance - expected) <= 1e-7 * scale + 1e-44;
}

/* Queries: rows themselves, their neighbors, others of the kind, and zero. */
static float *make_query(kind kind, uint64_t seed, const float *x, size_t n, size_t d) {
  float *query = make_vectors(kind, seed, 1, d);
  size_t i = random_below(&seed, n);
  if (seed % 4 == 0) memset(query, 0, d * sizeof *query);
  if (seed % 4 == 1) memcpy(query, x + i * d, d * sizeof *query);
  if (seed % 4 == 2) {
    for (size_t j = 0; j < d; j++) query[j] = x[i * d + j] * (1 + 0.1f * (float)(j % 3));
    for (size_t j = 0; j < d; j++) query[j] = isfinite(query[j]) ? query[j] : 1;
  }
  return query;
}

static int search_is_exact(table *t, const float *query, uint64_t k) {
  attn_error err = {""};
  attn_search_options options = table_options(t, k, 0);
  attn_hit *expected = malloc((t->n + 1) * sizeof *expected);
  attn_hit *hit = malloc((t->n + 1) * sizeof *hit);
  size_t n_hit, n = brute_force(t, query, NULL, expected), d = t->shape.d;
  int ok = table_search(t, &options, query, NULL, &err, hit, &n_hit) == ATTN_OK;
  if (k && n > k) n = k;
  ok = ok && n_hit == n && same_hits(hit, expected, n);
  for (size_t i = 0; ok && i < n; i++) {
    const float *x = t->x + (hit[i].row.chunk * 64 + hit[i].row.slot) * d;
    ok = distance_is_right(t->shape.metric, d, x, query, hit[i].distance);
  }
  free(hit);
  free(expected);
  return ok;
}

static void test_exact(void) {
  static const size_t dims[] = {1, 3, 32, 100, 385};
  enum { N = 200, N_QUERY = 4 };
  for (int kind = 0; kind < N_KIND; kind++) {
    for (size_t j = 0; j < sizeof dims / sizeof dims[0]; j++) {
      size_t d = dims[j];
      float *x = make_vectors((enum kind)kind, d, N, d);
      for (int m = 0; m < 6; m++) {
        table *t = table_new(metrics[m / 2], x, N, d, m % 2);
        int ok = 1;
        for (uint64_t q = 0; q < N_QUERY; q++) {
          float *query = make_query((enum kind)kind, 1000 + q, x, N, d);
          ok &= search_is_exact(t, query, 1) & search_is_exact(t, query, 10) &
                search_is_exact(t, query, 0);
          free(query);
        }
        if (!ok) printf("! kind %d, d %zu, metric %d\n", kind, d, m / 2);
        CHECK(ok);
        table_free(t);
      }
      free(x);
    }
  }
}

/* Many small tables, each of its own size. */
static void test_exact_at_random(void) {
  uint64_t random = 1;
  int ok = 1;
  for (int i = 0; i < 400; i++) {
    size_t n = 1 + random_below(&random, 400), d = 1 + random_below(&random, 70);
    kind kind = (enum kind)random_below(&random, N_KIND);
    float *x = make_vectors(kind, random, n, d);
    float *query = make_query(kind, random, x, n, d);
    table *t = table_new(metrics[i % 3], x, n, d, i % 2);
    ok &= search_is_exact(t, query, 1 + random_below(&random, 20));
    table_free(t);
    free(query);
    free(x);
  }
  CHECK(ok);
}

static void test_longest_vector(void) {
  enum { D = ATTN_MAX_DIMENSION, N = 20 };
  float *x = make_vectors(CLUSTERED, 1, N + 1, D);
  table *t = table_new(ATTN_COSINE, x, N, D, 1);
  CHECK(search_is_exact(t, x + (size_t)N * D, 5));
  table_free(t);
  free(x);
}

/* The bound is of use: few of the rows are fetched. */
static void test_exact_fetches_few(void) {
  enum { N = 2000, D = 384 };
  attn_error err = {""};
  float *x = make_vectors(CLUSTERED, 1, N + 1, D);
  table *t = table_new(ATTN_COSINE, x, N, D, 1);
  attn_search_options options = table_options(t, 10, 0);
  attn_hit *hit = malloc((N + 1) * sizeof *hit);
  size_t n;
  CHECK(!table_search(t, &options, x + (size_t)N * D, NULL, &err, hit, &n));
  CHECK(t->n_fetched < N / 5);
  free(hit);
  table_free(t);
  free(x);
}

/* ------------------------------------------------------------------- approximation */

/* The share of the k nearest that an approximate search finds. */
static double recall(kind kind, size_t n, size_t d, attn_metric metric, uint64_t k) {
  enum { N_QUERY = 30 };
  attn_error err = {""};
  float *x = make_vectors(kind, 3, n + N_QUERY, d);
  table *t = table_new(metric, x, n, d, 1);
  attn_search_options options = table_options(t, k, ATTN_SIGMA);
  attn_hit *expected = malloc((n + 1) * sizeof *expected);
  attn_hit *hit = malloc((n + 1) * sizeof *hit);
  size_t n_found = 0, n_hit;
  for (size_t q = 0; q < N_QUERY; q++) {
    const float *query = x + (n + q) * d;
    brute_force(t, query, NULL, expected);
    if (table_search(t, &options, query, NULL, &err, hit, &n_hit) || n_hit != k) return 0;
    for (size_t i = 0; i < k; i++) n_found += hit[i].distance <= expected[k - 1].distance;
  }
  free(hit);
  free(expected);
  table_free(t);
  free(x);
  return (double)n_found / (double)(N_QUERY * k);
}

static void test_recall(void) {
  for (int m = 0; m < 3; m++) {
    CHECK(recall(CLUSTERED, 2000, 384, metrics[m], 10) >= 0.99);
    CHECK(recall(NORMAL, 2000, 384, metrics[m], 10) >= 0.97);
    CHECK(recall(NORMAL, 2000, 100, metrics[m], 100) >= 0.97);
  }
}

/* ------------------------------------------------------------ the same on every ISA */

/* A hash of codes, fetches and results. */
static uint64_t trace_of_searches(double sigma) {
  enum { N = 500, D = 100 };
  attn_error err = {""};
  attn_hit hit[N + 1];
  size_t n_hit;
  uint64_t hash = 1;
  for (int kind = 0; kind < N_KIND; kind++) {
    float *x = make_vectors((enum kind)kind, 4, N, D);
    table *t = table_new(metrics[kind % 3], x, N, D, 1);
    const uint8_t *bytes = t->chunk[0];
    for (uint64_t i = 0; i < attn_chunk_size(&t->shape); i++) {
      hash = (hash ^ bytes[i]) * 0x100000001B3u;
    }
    attn_search_options options = table_options(t, 10, sigma);
    for (size_t q = 0; q < 5; q++) {
      table_search(t, &options, x + q * 7 * D, NULL, &err, hit, &n_hit);
      for (size_t i = 0; i < n_hit; i++) {
        uint64_t bits;
        memcpy(&bits, &hit[i].distance, sizeof bits);
        hash = (hash ^ bits ^ (uint64_t)hit[i].row.rowid) * 0x100000001B3u;
      }
    }
    hash = hash * 31 + t->trace;
    table_free(t);
    free(x);
  }
  return hash;
}

static void test_instruction_sets(void) {
  attne_kernels_use(attne_kernels_by_name("scalar"));
  uint64_t exact = trace_of_searches(0), approximate = trace_of_searches(ATTN_SIGMA);
  CHECK(exact != approximate);
  for (const attne_kernels *t = NULL; (t = attne_kernels_next(t)) != NULL;) {
    attne_kernels_use(t);
    CHECK(trace_of_searches(0) == exact);
    CHECK(trace_of_searches(ATTN_SIGMA) == approximate);
  }
}

/* ------------------------------------------------------- filters, thresholds, streams */

static void test_filter(void) {
  enum { N = 1000, D = 64 };
  attn_error err = {""};
  float *x = make_vectors(CLUSTERED, 5, N + 1, D);
  table *t = table_new(ATTN_L2, x, N, D, 1);
  attn_hit expected[N + 1], hit[N + 1];
  uint64_t filter[(N + 63) / 64], random = 1;
  for (int round = 0; round < 20; round++) {
    size_t share = 1 + random_below(&random, 200), n_hit; /* 1 of so many */
    memset(filter, 0, sizeof filter);
    for (size_t i = 0; i < N; i += 1 + random_below(&random, share)) {
      filter[i / 64] |= (uint64_t)1 << (i % 64);
    }
    size_t n = brute_force(t, x + N * D, filter, expected);
    n = n < 10 ? n : 10;
    attn_search_options options = table_options(t, 10, 0);
    CHECK(!table_search(t, &options, x + N * D, filter, &err, hit, &n_hit));
    CHECK(n_hit == n && same_hits(hit, expected, n));
    options.sigma = 0.01; /* however little it is sure of, there are k rows */
    CHECK(!table_search(t, &options, x + N * D, filter, &err, hit, &n_hit));
    CHECK(n_hit == n);
  }
  table_free(t);
  free(x);
}

static void test_deleted_rows(void) {
  enum { N = 200, D = 20 };
  attn_error err = {""};
  float *x = make_vectors(CLUSTERED, 6, N, D);
  table *t = table_new(ATTN_DOT, x, N, D, 1);
  attn_hit expected[N + 1], hit[N + 1];
  size_t n_hit;
  for (size_t i = 0; i < N; i += 3) attn_chunk_clear(t->chunk[i / 64], i % 64);
  size_t n = brute_force(t, x, NULL, expected);
  attn_search_options options = table_options(t, 0, 0);
  CHECK(!table_search(t, &options, x, NULL, &err, hit, &n_hit));
  CHECK(n == N - (N + 2) / 3 && n_hit == n && same_hits(hit, expected, n));
  table_free(t);
  free(x);
}

static void test_max_distance(void) {
  enum { N = 500, D = 48 };
  attn_error err = {""};
  float *x = make_vectors(GRID, 7, N, D);
  attn_hit expected[N + 1], hit[N + 1];
  size_t n_hit;
  for (int m = 0; m < 3; m++) {
    table *t = table_new(metrics[m], x, N, D, 1);
    brute_force(t, x + D, NULL, expected);
    for (size_t i = 0; i < N; i += 50) {
      double limit = expected[i].distance;
      attn_search_options options = table_options(t, 0, 0);
      options.max_distance = &limit;
      size_t n = i;
      while (n < N && expected[n].distance <= limit) n++;
      CHECK(!table_search(t, &options, x + D, NULL, &err, hit, &n_hit));
      CHECK(n_hit == n && same_hits(hit, expected, n));
    }
    double below = expected[0].distance - 1;
    attn_search_options options = table_options(t, 10, 0);
    options.max_distance = &below;
    CHECK(!table_search(t, &options, x + D, NULL, &err, hit, &n_hit) && n_hit == 0);
    table_free(t);
  }
  free(x);
}

/* Rows come one after another, and chunks may come in between. */
static void test_stream(void) {
  enum { N = 640, D = 33 };
  attn_error err = {""};
  float *x = make_vectors(NORMAL, 8, N, D);
  table *t = table_new(ATTN_COSINE, x, N, D, 1);
  attn_hit expected[N + 1], hit;
  attn_search_options options = table_options(t, 0, 0);
  attn_search *search;
  CHECK(!attn_search_new(&options, &err, &search));
  CHECK(!attn_search_begin(search, x, &err));
  CHECK(!attn_search_next(search, &err, &hit) && !hit.found);
  for (uint32_t c = 0; c < 5; c++) attn_search_scan(search, t->chunk[c], c, NULL, &err);
  CHECK(attn_search_scanned(search) == 320);
  CHECK(!attn_search_next(search, &err, &hit) && hit.found);
  CHECK(hit.row.rowid == rowid_of(0));
  CHECK(t->n_fetched <= 64);
  for (uint32_t c = 5; c < 10; c++) attn_search_scan(search, t->chunk[c], c, NULL, &err);
  CHECK(attn_search_scanned(search) == N);
  brute_force(t, x, NULL, expected);
  int ok = 1;
  for (size_t i = 1; i < N; i++) {
    ok &= !attn_search_next(search, &err, &hit) && same_hits(&hit, &expected[i], 1);
  }
  CHECK(ok);
  CHECK(!attn_search_next(search, &err, &hit) && !hit.found);
  CHECK(!attn_search_begin(search, x + D, &err)); /* the next query */
  CHECK(attn_search_scanned(search) == 0);
  CHECK(!attn_search_next(search, &err, &hit) && !hit.found);
  attn_search_free(search);
  table_free(t);
  free(x);
}

/* ---------------------------------------------------------------------- failures */

static attn_status fetch_fails(void *ctx, const attn_row *row, size_t n, attn_error *err,
                               float *out) {
  (void)ctx, (void)row, (void)n, (void)out;
  snprintf(err->message, sizeof err->message, "the disk is gone");
  return ATTN_IO;
}

static attn_status fetch_nan(void *ctx, const attn_row *row, size_t n, attn_error *err,
                             float *out) {
  const table *t = ctx;
  (void)row, (void)err;
  for (size_t i = 0; i < n * t->shape.d; i++) out[i] = NAN;
  return ATTN_OK;
}

static void test_errors(void) {
  enum { N = 100, D = 10 };
  attn_error err = {""};
  float *x = make_vectors(NORMAL, 9, N, D);
  table *t = table_new(ATTN_L2, x, N, D, 1);
  attn_search_options options = table_options(t, 1, 0);
  attn_hit hit[N + 1];
  attn_search *search;
  size_t n;

  options.metric = ATTN_HAMMING;
  CHECK_STATUS(ATTN_INVALID, attn_search_new(&options, &err, &search),
               "a search by metric 3, expected cosine, l2 or dot");
  CHECK(search == NULL);
  options.metric = ATTN_L2;
  options.d = 0;
  CHECK_STATUS(ATTN_INVALID, attn_search_new(&options, &err, &search),
               "a vector of 0 dimensions, expected 1 to 65536");
  options.d = D;
  options.sigma = NAN;
  CHECK_STATUS(ATTN_INVALID, attn_search_new(&options, &err, &search),
               "sigma is not a number, expected 0 or more");
  options.sigma = -1;
  CHECK_STATUS(ATTN_INVALID, attn_search_new(&options, &err, &search),
               "sigma is -1, expected 0 or more");
  options.sigma = 0;
  double nan = NAN;
  options.max_distance = &nan;
  CHECK_STATUS(ATTN_INVALID, attn_search_new(&options, &err, &search),
               "the greatest distance is not a number");
  options.max_distance = NULL;

  x[D + 3] = NAN;
  CHECK_STATUS(ATTN_INVALID, table_search(t, &options, x + D, NULL, &err, hit, &n),
               "query: number 4 of 10 is not a number, expected a finite one");
  x[D + 3] = -INFINITY;
  CHECK_STATUS(ATTN_INVALID, table_search(t, &options, x + D, NULL, &err, hit, &n),
               "query: number 4 of 10 is infinite, expected a finite one");
  options.fetch = fetch_fails;
  CHECK_STATUS(ATTN_IO, table_search(t, &options, x, NULL, &err, hit, &n),
               "the disk is gone");
  options.fetch = fetch_nan;
  CHECK_STATUS(ATTN_INVALID, table_search(t, &options, x, NULL, &err, hit, &n),
               "the vector of row -85 is not finite");
  options.fetch = table_fetch;
  t->stop = 1;
  CHECK_STATUS(ATTN_INTERRUPTED, table_search(t, &options, x, NULL, &err, hit, &n),
               "interrupted");
  t->stop = 0;
  CHECK(!attn_search_new(&options, &err, &search));
  CHECK(!attn_search_begin(search, x, &err));
  CHECK(!attn_search_scan(search, t->chunk[0], 0, NULL, &err));
  t->stop = 1;
  CHECK_STATUS(ATTN_INTERRUPTED, attn_search_next(search, &err, hit), "interrupted");
  attn_search_free(search);
  attn_search_free(NULL);
  table_free(t);
  free(x);
}

static void test_out_of_memory(void) {
  enum { N = 400, D = 40 };
  attn_error err = {""};
  float *x = make_vectors(NORMAL, 10, N, D);
  table *t = table_new(ATTN_COSINE, x, N, D, 1);
  attn_search_options options = table_options(t, 200, 0);
  attn_hit hit[N + 1];
  size_t n_hit;
  for (int n = 1;; n++) {
    unit_fail_at = n, unit_count = 0;
    attn_status status = table_search(t, &options, x, NULL, &err, hit, &n_hit);
    CHECK(unit_live == 0);
    if (status == ATTN_OK && unit_count < n) break;
    CHECK(status == ATTN_NOMEM);
  }
  unit_fail_at = 0;
  CHECK(n_hit == 200);
  table_free(t);
  free(x);
}

int main(void) {
  unit_begin();
  const attne_kernels *chosen = attne_kernels_get();
  test_kernels();
  test_instruction_sets();
  attne_kernels_use(chosen);
  test_exact();
  test_exact_at_random();
  test_longest_vector();
  test_exact_fetches_few();
  test_recall();
  test_filter();
  test_deleted_rows();
  test_max_distance();
  test_stream();
  test_errors();
  test_out_of_memory();
  return unit_end();
}
