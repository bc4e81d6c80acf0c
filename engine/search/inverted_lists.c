/*
** inverted_lists.c - k-means, and the lists of an inverted file.
**
** The centers are themselves a chunk, and the nearest ones to a vector are found by a
** search in it; k-means (Lloyd) is such a search for each row of the sample, round
** after round.  A list that loses all its rows begins anew at a random one.
**
** Directions are what is clustered under ATTN_COSINE and ATTN_DOT, places under
** ATTN_L2.
*/
#include "chunk.h"
#include "../kernels/sums.h"

#define N_ROUND 10

struct attn_ivf {
  attn_metric metric;
  uint32_t d, n;
  float *center; /* [n, d] */
  void *chunk;   /* slot i: center i */
};

static attn_metric list_metric(attn_metric metric) {
  return metric == ATTN_L2 ? ATTN_L2 : ATTN_COSINE;
}

/* ------------------------------------------------------------------------ lists */

/* Makes the chunk of what stands in lists->center. */
static attn_status encode_centers(attn_ivf *lists, attn_error *err) {
  uint32_t n_slot = (lists->n + 63) / 64 * 64;
  attn_chunk_shape shape = {lists->metric, lists->d, n_slot};
  float *mean = attne_alloc(lists->d * sizeof *mean);
  if (!mean) return attne_no_memory(err);
  attn_status status =
      attn_center(lists->metric, lists->d, lists->center, lists->n, err, mean);
  if (!status) status = attn_chunk_init(&shape, mean, err, lists->chunk);
  for (uint32_t i = 0; !status && i < lists->n; i++) {
    status =
        attn_chunk_put(lists->chunk, i, i, lists->center + (size_t)i * lists->d, err);
  }
  attne_release(mean);
  return status;
}

static attn_status allocate(attn_metric metric, uint32_t d, uint32_t n, attn_error *err,
                            attn_ivf **out) {
  *out = NULL;
  if (n < 1 || n > ATTN_MAX_IVF_LISTS) {
    return attne_fail(err, ATTN_INVALID, "%u lists, expected 1 to %u", (unsigned)n,
                      (unsigned)ATTN_MAX_IVF_LISTS);
  }
  attn_status status = attne_check_space(metric, d, err);
  if (status) return status;
  attn_ivf *lists = attne_alloc_zero(sizeof *lists);
  *out = lists;
  if (!lists) return attne_no_memory(err);
  attn_chunk_shape shape = {list_metric(metric), d, (n + 63) / 64 * 64};
  lists->metric = shape.metric;
  lists->d = d;
  lists->n = n;
  lists->center = attne_alloc((uint64_t)n * d * sizeof(float));
  lists->chunk = attn_alloc_aligned(attn_chunk_size(&shape));
  return lists->center && lists->chunk ? ATTN_OK : attne_no_memory(err);
}

void attn_ivf_free(attn_ivf *lists) {
  if (!lists) return;
  attne_release(lists->center);
  attn_release_aligned(lists->chunk);
  attne_release(lists);
}

attn_status attn_ivf_new(attn_metric metric, uint32_t d, uint32_t n_list,
                         const float *center, attn_error *err, attn_ivf **out) {
  attn_ivf *lists;
  attn_status status = allocate(metric, d, n_list, err, &lists);
  if (!status) status = attne_check_finite((size_t)n_list * d, center, "centers", err);
  if (!status) {
    memcpy(lists->center, center, (size_t)n_list * d * sizeof *center);
    status = encode_centers(lists, err);
  }
  if (status) {
    attn_ivf_free(lists);
    lists = NULL;
  }
  *out = lists;
  return status;
}

uint32_t attn_ivf_count(const attn_ivf *lists) {
  return lists->n;
}

const float *attn_ivf_center(const attn_ivf *lists, uint32_t list) {
  return lists->center + (size_t)list * lists->d;
}

static attn_status fetch_centers(void *ctx, const attn_row *row, size_t n,
                                 attn_error *err, float *out) {
  const attn_ivf *lists = ctx;
  (void)err;
  for (size_t i = 0; i < n; i++) {
    memcpy(out + i * lists->d, lists->center + (size_t)row[i].slot * lists->d,
           lists->d * sizeof *out);
  }
  return ATTN_OK;
}

static attn_status begin_search(const attn_ivf *lists, uint32_t n, attn_error *err,
                                attn_search **out) {
  attn_search_options options = {.metric = lists->metric,
                                 .d = lists->d,
                                 .k = n,
                                 .sigma = ATTN_SIGMA,
                                 .fetch = fetch_centers,
                                 .ctx = (void *)(uintptr_t)lists};
  return attn_search_new(&options, err, out);
}

static attn_status nearest(attn_search *search, const attn_ivf *lists, const float *x,
                           uint32_t n, attn_error *err, uint32_t *list) {
  attn_hit hit;
  attn_status status = attn_search_begin(search, x, err);
  if (!status) status = attn_search_scan(search, lists->chunk, 0, NULL, err);
  for (uint32_t i = 0; !status && i < n; i++) {
    status = attn_search_next(search, err, &hit);
    list[i] = hit.row.slot;
  }
  return status;
}

attn_status attn_ivf_nearest(const attn_ivf *lists, const float *x, uint32_t n,
                             attn_error *err, uint32_t *list) {
  attn_search *search;
  attn_status status = begin_search(lists, n, err, &search);
  if (!status) status = nearest(search, lists, x, n, err, list);
  attn_search_free(search);
  return status;
}

/* ----------------------------------------------------------------------- k-means */

/* splitmix64 (Steele, Lea & Flood 2014), as a number below n. */
static size_t random_below(uint64_t *state, size_t n) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (size_t)((z ^ (z >> 31)) % n);
}

/* A training under way. */
typedef struct training {
  const attn_kmeans_options *options;
  const float *x;
  size_t n;
  uint64_t random;
  attn_ivf *lists;
  attn_search *search;
  double *sum;     /* [n_list, d] of the rows of each list */
  uint32_t *count; /* [n_list] */
} training;

/* Different rows at random: a partial Fisher-Yates shuffle. */
static attn_status choose_rows(training *t, attn_error *err) {
  size_t d = t->lists->d, *row = attne_alloc(t->n * sizeof *row);
  if (!row) return attne_no_memory(err);
  for (size_t i = 0; i < t->n; i++) row[i] = i;
  for (size_t i = 0; i < t->lists->n; i++) {
    size_t other = i + random_below(&t->random, t->n - i), chosen = row[other];
    row[other] = row[i];
    memcpy(t->lists->center + i * d, t->x + chosen * d, d * sizeof *t->x);
  }
  attne_release(row);
  return ATTN_OK;
}

static attn_status assign_rows(training *t, attn_error *err) {
  const attn_kmeans_options *o = t->options;
  size_t d = t->lists->d;
  attn_status status = ATTN_OK;
  memset(t->sum, 0, t->lists->n * d * sizeof *t->sum);
  memset(t->count, 0, t->lists->n * sizeof *t->count);
  for (size_t i = 0; !status && i < t->n; i++) {
    const float *x = t->x + i * d;
    uint32_t list;
    if (i % 1024 == 0 && o->stop && o->stop(o->ctx)) {
      return attne_fail(err, ATTN_INTERRUPTED, "interrupted");
    }
    status = nearest(t->search, t->lists, x, 1, err, &list);
    if (status) break;
    double weight = o->metric == ATTN_COSINE ? inverse_norm(d, x) : 1;
    for (size_t j = 0; j < d; j++) t->sum[list * d + j] += weight * (double)x[j];
    t->count[list]++;
  }
  return status;
}

static void move_centers(training *t) {
  size_t d = t->lists->d;
  for (size_t i = 0; i < t->lists->n; i++) {
    float *center = t->lists->center + i * d;
    if (t->count[i]) {
      for (size_t j = 0; j < d; j++) center[j] = (float)(t->sum[i * d + j] / t->count[i]);
    } else {
      memcpy(center, t->x + random_below(&t->random, t->n) * d, d * sizeof *center);
    }
  }
}

static attn_status train(training *t, attn_error *err) {
  uint32_t n_round = t->options->n_round ? t->options->n_round : N_ROUND;
  attn_status status = choose_rows(t, err);
  for (uint32_t round = 0; !status && round < n_round; round++) {
    status = encode_centers(t->lists, err);
    if (!status) status = assign_rows(t, err);
    if (!status) move_centers(t);
  }
  return status;
}

static attn_status allocate_training(training *t, attn_error *err) {
  const attn_kmeans_options *o = t->options;
  attn_status status = allocate(o->metric, o->d, o->n_list, err, &t->lists);
  if (status) return status;
  if (t->n < o->n_list) {
    return attne_fail(err, ATTN_INVALID,
                      "a sample of %zu rows, expected %u or more, one for "
                      "each list",
                      t->n, (unsigned)o->n_list);
  }
  t->sum = attne_alloc((uint64_t)o->n_list * o->d * sizeof *t->sum);
  t->count = attne_alloc((uint64_t)o->n_list * sizeof *t->count);
  if (!t->sum || !t->count) return attne_no_memory(err);
  return begin_search(t->lists, 1, err, &t->search);
}

attn_status attn_kmeans(const attn_kmeans_options *options, const float *x, size_t n,
                        attn_error *err, float *center) {
  training t = {.options = options, .x = x, .n = n, .random = options->seed};
  attn_status status = allocate_training(&t, err);
  if (!status) status = attne_check_finite(n * options->d, x, "sample", err);
  if (!status) status = train(&t, err);
  if (!status) {
    memcpy(center, t.lists->center,
           (size_t)options->n_list * options->d * sizeof *center);
  }
  attn_search_free(t.search);
  attne_release(t.sum);
  attne_release(t.count);
  attn_ivf_free(t.lists);
  return status;
}
