/*
** test_lists.c - k-means, and searches in the nearest lists alone.
*/
#include "../../engine/kernels/kernels.h"
#include "vectors.h"

enum { N = 3000, N_QUERY = 50, D = 64, N_LIST = 40, N_PROBE = 8, K = 10 };

static float *train(attn_metric metric, const float *x, size_t n, uint32_t n_list,
                    uint64_t seed) {
  attn_error err = {""};
  float *center = malloc((size_t)n_list * D * sizeof *center);
  attn_kmeans_options options = {metric, D, n_list, 0, seed, NULL, NULL};
  CHECK(attn_kmeans(&options, x, n, &err, center) == ATTN_OK);
  return center;
}

static double distance(attn_metric metric, const float *x, const float *y) {
  double distance;
  attn_vector a = {ATTN_VECTOR_FLOAT32, D, (const uint8_t *)x, NULL};
  attn_vector b = {ATTN_VECTOR_FLOAT32, D, (const uint8_t *)y, NULL};
  attn_vector_distance(metric, &a, &b, NULL, &distance);
  return distance;
}

/* The nearest of n centers. */
static size_t nearest(attn_metric metric, const float *x, const float *center, size_t n) {
  size_t best = 0;
  for (size_t i = 1; i < n; i++) {
    if (distance(metric, x, center + i * D) < distance(metric, x, center + best * D)) {
      best = i;
    }
  }
  return best;
}

/* --------------------------------------------------------------------------- k-means */

/* The mean square distance of rows to their nearest center. */
static double spread(const float *x, const float *center, size_t n_list) {
  double sum = 0;
  for (size_t i = 0; i < N; i++) {
    size_t list = nearest(ATTN_L2, x + i * D, center, n_list);
    sum += pow(distance(ATTN_L2, x + i * D, center + list * D), 2);
  }
  return sum / N;
}

static void test_means(void) {
  float *x = make_vectors(CLUSTERED, 1, N, D);
  float *center = train(ATTN_L2, x, N, N_LIST, 1);
  /* The rows of a place are 0.3 apart from it in each dimension; 40 centers find
  ** nearly all of the 20 places, where 40 rows at random leave twice that. */
  double within = D * 0.3 * 0.3;
  CHECK(spread(x, center, N_LIST) < 1.1 * within);
  CHECK(spread(x, x, N_LIST) > 1.7 * within);
  free(center);

  center = train(ATTN_L2, x, N_LIST, N_LIST, 1); /* a list for each row */
  int ok = 1;
  for (size_t i = 0; i < N_LIST; i++) {
    size_t list = nearest(ATTN_L2, x + i * D, center, N_LIST);
    ok &= distance(ATTN_L2, x + i * D, center + list * D) == 0;
  }
  CHECK(ok);
  free(center);
  free(x);

  x = make_vectors(EQUAL, 1, 100, D); /* all but one of the lists are empty */
  center = train(ATTN_COSINE, x, 100, 5, 1);
  for (size_t i = 0; i < 5; i++) CHECK(distance(ATTN_COSINE, x, center + i * D) < 1e-6);
  free(center);
  free(x);
}

static void test_same_bits(void) {
  const attne_kernels *chosen = attne_kernels_get();
  float *x = make_vectors(NORMAL, 2, 500, D);
  size_t n_byte = N_LIST * D * sizeof *x;
  attne_kernels_use(attne_kernels_by_name("scalar"));
  float *first = train(ATTN_COSINE, x, 500, N_LIST, 1);
  float *other = train(ATTN_COSINE, x, 500, N_LIST, 2);
  CHECK(memcmp(first, other, n_byte) != 0);
  free(other);
  for (const attne_kernels *t = NULL; (t = attne_kernels_next(t)) != NULL;) {
    attne_kernels_use(t);
    float *center = train(ATTN_COSINE, x, 500, N_LIST, 1);
    CHECK(memcmp(first, center, n_byte) == 0);
    free(center);
  }
  attne_kernels_use(chosen);
  free(first);
  free(x);
}

/* ----------------------------------------------------------------- an inverted file */

/* Each list is a chunk, whose center is the list's. */
typedef struct inverted {
  attn_ivf *lists;
  attn_chunk_shape shape;
  const float *x;
  size_t n[N_LIST];
  void *chunk[N_LIST];
} inverted;

static int insert(inverted *f, size_t begin, size_t end) {
  int ok = 1;
  for (size_t i = begin; i < end; i++) {
    uint32_t list;
    ok = ok && !attn_ivf_nearest(f->lists, f->x + i * D, 1, NULL, &list) &&
         !attn_chunk_put(f->chunk[list], (uint32_t)f->n[list]++, (int64_t)i, f->x + i * D,
                         NULL);
  }
  return ok;
}

static inverted *inverted_new(attn_metric metric, const float *x, size_t n) {
  inverted *f = calloc(1, sizeof *f);
  float *center = train(metric, x, n, N_LIST, 1);
  f->x = x;
  f->shape = (attn_chunk_shape){metric, D, (N + 63) / 64 * 64};
  CHECK(!attn_ivf_new(metric, D, N_LIST, center, NULL, &f->lists));
  for (size_t l = 0; l < N_LIST; l++) {
    f->chunk[l] = malloc((size_t)attn_chunk_size(&f->shape));
    CHECK(!attn_chunk_init(&f->shape, center + l * D, NULL, f->chunk[l]));
  }
  CHECK(insert(f, 0, n));
  free(center);
  return f;
}

static void inverted_free(inverted *f) {
  for (size_t l = 0; l < N_LIST; l++) free(f->chunk[l]);
  attn_ivf_free(f->lists);
  free(f);
}

static attn_status fetch(void *ctx, const attn_row *row, size_t n, attn_error *err,
                         float *out) {
  const inverted *f = ctx;
  (void)err;
  for (size_t i = 0; i < n; i++) {
    memcpy(out + i * D, f->x + row[i].rowid * D, D * sizeof *out);
  }
  return ATTN_OK;
}

/* Probes the nearest lists, and more of them until K rows are met.  Rows are
** filtered by `step`: the rowids that it divides. */
static size_t probe(inverted *f, const float *query, int64_t step, int64_t rowid[K]) {
  attn_search_options options = {.metric = f->shape.metric,
                                 .d = D,
                                 .k = K,
                                 .sigma = ATTN_SIGMA,
                                 .fetch = fetch,
                                 .ctx = f};
  attn_search *search;
  uint32_t list[N_LIST];
  int64_t wanted[N];
  uint64_t filter[(N + 63) / 64];
  size_t n_wanted = 0, n_hit = 0;
  attn_hit hit;
  for (int64_t r = 0; r < N; r += step) wanted[n_wanted++] = r;
  int ok = !attn_search_new(&options, NULL, &search) &&
           !attn_search_begin(search, query, NULL) &&
           !attn_ivf_nearest(f->lists, query, N_LIST, NULL, list);
  for (size_t i = 0; i < N_LIST; i++) {
    if (i >= N_PROBE && attn_search_scanned(search) >= K) break;
    attn_chunk_filter(f->chunk[list[i]], wanted, n_wanted, filter);
    ok = ok && !attn_search_scan(search, f->chunk[list[i]], list[i], filter, NULL);
  }
  while (ok && !attn_search_next(search, NULL, &hit) && hit.found) {
    rowid[n_hit++] = hit.row.rowid;
  }
  attn_search_free(search);
  return ok ? n_hit : 0;
}

/* The share of the K nearest rows, of those that `step` divides, that is found. */
static double recall(inverted *f, const float *query, size_t n, int64_t step) {
  size_t n_found = 0, n_true = 0;
  for (size_t q = 0; q < N_QUERY; q++, query += D) {
    int64_t rowid[K];
    double farthest = -HUGE_VAL;
    size_t n_hit = probe(f, query, step, rowid), n_nearer = 0, n_match = 0;
    for (size_t i = 0; i < n_hit; i++) {
      farthest = fmax(farthest, distance(f->shape.metric, f->x + rowid[i] * D, query));
    }
    for (size_t i = 0; i < n; i += (size_t)step) {
      n_match++;
      n_nearer += distance(f->shape.metric, f->x + i * D, query) < farthest;
    }
    size_t k = n_match < K ? n_match : K;
    if (n_hit != k) return 0;
    /* All rows that are nearer than the last hit, but were not found, were missed. */
    n_found += n_nearer < k ? k : k - (n_nearer - k < k ? n_nearer - k : k);
    n_true += k;
  }
  return (double)n_found / (double)n_true;
}

static void test_inverted_file(void) {
  static const attn_metric metrics[] = {ATTN_COSINE, ATTN_L2, ATTN_DOT};
  float *x = make_vectors(CLUSTERED, 3, N + N_QUERY, D);
  for (int m = 0; m < 3; m++) {
    inverted *f = inverted_new(metrics[m], x, N / 2);
    CHECK(recall(f, x + N * D, N / 2, 1) >= 0.97);
    CHECK(insert(f, N / 2, N)); /* not in what was trained on */
    CHECK(recall(f, x + N * D, N, 1) >= 0.97);
    CHECK(recall(f, x + N * D, N, 3) >= 0.97);
    CHECK(recall(f, x + N * D, N, 700) == 1); /* 5 rows are all that match */
    inverted_free(f);
  }
  free(x);
}

/* The nearest lists in order. */
static void test_nearest(void) {
  float *x = make_vectors(NORMAL, 4, 300, D);
  attn_ivf *lists;
  uint32_t list[N_LIST];
  size_t n_right = 0;
  int ordered = 1;
  CHECK(!attn_ivf_new(ATTN_L2, D, N_LIST, x, NULL, &lists));
  for (size_t i = 0; i < 300; i++) {
    const float *query = x + i * D;
    ordered &= !attn_ivf_nearest(lists, query, N_LIST, NULL, list);
    n_right += list[0] == nearest(ATTN_L2, query, x, N_LIST);
    for (size_t j = 1; j < N_LIST; j++) {
      ordered &= distance(ATTN_L2, query, x + list[j - 1] * D) <=
                 distance(ATTN_L2, query, x + list[j] * D) + 0.5;
    }
  }
  CHECK(n_right >= 295);
  CHECK(ordered);
  attn_ivf_free(lists);
  free(x);
}

/* --------------------------------------------------------------------------- failures */

static int stop_at(void *ctx) {
  return --*(int *)ctx < 0;
}

static void test_errors(void) {
  attn_error err = {""};
  float *x = make_vectors(NORMAL, 5, 100, D), *center = malloc(100 * D * sizeof *center);
  attn_kmeans_options options = {ATTN_L2, D, 0, 0, 1, NULL, NULL};
  attn_ivf *lists;
  CHECK_STATUS(ATTN_INVALID, attn_kmeans(&options, x, 100, &err, center),
               "0 lists, expected 1 to 65536");
  options.n_list = 65537;
  CHECK_STATUS(ATTN_INVALID, attn_kmeans(&options, x, 100, &err, center),
               "65537 lists, expected 1 to 65536");
  options.n_list = 101;
  CHECK_STATUS(ATTN_INVALID, attn_kmeans(&options, x, 100, &err, center),
               "a sample of 100 rows, expected 101 or more, one for each list");
  options.n_list = 10, options.d = 0;
  CHECK_STATUS(ATTN_INVALID, attn_kmeans(&options, x, 100, &err, center),
               "a vector of 0 dimensions, expected 1 to 65536");
  options.d = D, options.metric = ATTN_HAMMING;
  CHECK_STATUS(ATTN_INVALID, attn_kmeans(&options, x, 100, &err, center),
               "a search by metric 3, expected cosine, l2 or dot");
  options.metric = ATTN_DOT;
  int n_calls = 1;
  options.stop = stop_at, options.ctx = &n_calls;
  CHECK_STATUS(ATTN_INTERRUPTED, attn_kmeans(&options, x, 100, &err, center),
               "interrupted");
  options.stop = NULL;
  x[99 * D + 1] = NAN;
  CHECK_STATUS(ATTN_INVALID, attn_kmeans(&options, x, 100, &err, center),
               "sample: number 6338 of 6400 is not a number, expected a finite one");
  CHECK_STATUS(ATTN_INVALID, attn_ivf_new(ATTN_L2, D, 100, x, &err, &lists),
               "centers: number 6338 of 6400 is not a number, expected a finite one");
  CHECK(lists == NULL);
  CHECK_STATUS(ATTN_INVALID, attn_ivf_new(ATTN_L2, D, 0, x, &err, &lists),
               "0 lists, expected 1 to 65536");
  attn_ivf_free(NULL);
  free(center);
  free(x);
}

static void test_out_of_memory(void) {
  float *x = make_vectors(NORMAL, 6, 100, D), *center = malloc(10 * D * sizeof *center);
  attn_kmeans_options options = {ATTN_L2, D, 10, 2, 1, NULL, NULL};
  attn_ivf *lists = NULL;
  uint32_t list;
  for (int n = 1;; n++) {
    unit_fail_at = n, unit_count = 0;
    attn_status status = attn_kmeans(&options, x, 100, NULL, center);
    if (!status) status = attn_ivf_new(ATTN_L2, D, 10, center, NULL, &lists);
    if (!status) status = attn_ivf_nearest(lists, x, 1, NULL, &list);
    attn_ivf_free(lists);
    lists = NULL;
    CHECK(unit_live == 0);
    if (status == ATTN_OK && unit_count < n) break;
    CHECK(status == ATTN_NOMEM);
  }
  unit_fail_at = 0;
  free(center);
  free(x);
}

int main(void) {
  unit_begin();
  test_means();
  test_same_bits();
  test_inverted_file();
  test_nearest();
  test_errors();
  test_out_of_memory();
  return unit_end();
}
