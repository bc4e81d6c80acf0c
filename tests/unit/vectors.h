/*
** vectors.h - for the tests of search: vectors of many kinds, a table of them as the
** layers above the engine keep one, and a search that looks at every row.
*/
#ifndef VECTORS_H
#define VECTORS_H

#include "../../engine/attn.h"
#include "unit.h"
#include <math.h>

/* ---------------------------------------------------------------------- numbers */

static inline uint64_t random_bits(uint64_t *state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static inline size_t random_below(uint64_t *state, size_t n) {
  return (size_t)(random_bits(state) % n);
}

static inline double random_unit(uint64_t *state) {
  return (double)(random_bits(state) >> 11) * 0x1p-53;
}

static inline double random_normal(uint64_t *state) {
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += random_unit(state);
  return sum;
}

/* ---------------------------------------------------------------------- vectors */

typedef enum kind {
  NORMAL,    /* independent, normally distributed */
  CLUSTERED, /* around 20 places, off the origin */
  FAR,       /* close together, far from the origin */
  GRID,      /* of -1, 0, 1: many equal distances, some zero vectors */
  REPEATED,  /* 5 different ones */
  EQUAL,     /* all the same */
  ONE_HOT,   /* a single 1 */
  RANGE,     /* lengths of 1e-12 to 1e12 */
  WILD,      /* every number of another magnitude */
  DENORMAL,  /* below 1e-38 */
  HUGE_ONES, /* up to 3e38 */
  N_KIND
} kind;

static inline float make_number(kind kind, uint64_t *random, size_t i, size_t j) {
  double g = random_normal(random);
  uint64_t place = 1 + i % 20 * 1000 + j; /* a random state for the cluster's number j */
  uint64_t one_of_five = 7 + i * i % 5 * 1000 + j, the_one = 99 + j;
  switch (kind) {
  case NORMAL:
    return (float)g;
  case CLUSTERED:
    return (float)(random_normal(&place) + 0.3 * g + 0.5);
  case FAR:
    return (float)(1000 + g);
  case GRID:
    return (float)((int)random_below(random, 3) - 1);
  case REPEATED:
    return (float)random_normal(&one_of_five);
  case EQUAL:
    return (float)random_normal(&the_one);
  case ONE_HOT:
    return 0;
  case RANGE:
    return (float)(g * pow(10, (double)(i * 7 % 25) - 12));
  case WILD:
    return (float)(g * pow(10, (double)random_below(random, 40) - 20));
  case DENORMAL:
    return (float)(g * 1e-40);
  default:
    return (float)(fmod(g, 1) * 3e38);
  }
}

static inline float *make_vectors(kind kind, uint64_t seed, size_t n, size_t d) {
  float *x = malloc((n * d + 1) * sizeof *x);
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < d; j++) x[i * d + j] = make_number(kind, &seed, i, j);
    if (kind == ONE_HOT) x[i * d + random_below(&seed, d)] = 1;
  }
  return x;
}

/* ----------------------------------------------------------------------- a table */

/* Row i lies in slot i % n_slot of chunk i / n_slot.  Rowids go up and down. */
typedef struct table {
  attn_chunk_shape shape;
  size_t n, n_chunk;
  const float *x;
  void **chunk;
  size_t n_fetched;
  uint64_t trace; /* a hash of what was fetched, and in which order */
  int stop;       /* what the callback says */
} table;

static inline int64_t rowid_of(size_t i) {
  return (int64_t)(i ^ 5) * 3 - 100;
}

static inline attn_status table_fetch(void *ctx, const attn_row *row, size_t n,
                                      attn_error *err, float *out) {
  table *t = ctx;
  size_t d = t->shape.d;
  (void)err;
  for (size_t i = 0; i < n; i++) {
    size_t at = row[i].chunk * t->shape.n_slot + row[i].slot;
    memcpy(out + i * d, t->x + at * d, d * sizeof *out);
    t->trace = (t->trace ^ at) * 0x100000001B3u;
  }
  t->n_fetched += n;
  return ATTN_OK;
}

static inline int table_stop(void *ctx) {
  return ((table *)ctx)->stop;
}

/* With the mean as the center of all chunks, if `centered`. */
static inline table *table_new(attn_metric metric, const float *x, size_t n, size_t d,
                               int centered) {
  table *t = calloc(1, sizeof *t);
  *t = (table){{metric, (uint32_t)d, 64}, n, (n + 63) / 64, x, NULL, 0, 0, 0};
  float *center = malloc(d * sizeof *center);
  int ok = attn_center(metric, d, x, n, NULL, center) == ATTN_OK;
  t->chunk = malloc((t->n_chunk + 1) * sizeof *t->chunk);
  for (size_t c = 0; c < t->n_chunk; c++) {
    t->chunk[c] = malloc((size_t)attn_chunk_size(&t->shape));
    ok &= !attn_chunk_init(&t->shape, centered ? center : NULL, NULL, t->chunk[c]);
  }
  for (size_t i = 0; i < n; i++) {
    ok &= !attn_chunk_put(t->chunk[i / 64], i % 64, rowid_of(i), x + i * d, NULL);
  }
  free(center);
  if (!ok) printf("! the table could not be made\n"), exit(1);
  return t;
}

static inline void table_free(table *t) {
  for (size_t c = 0; c < t->n_chunk; c++) free(t->chunk[c]);
  free(t->chunk);
  free(t);
}

static inline attn_search_options table_options(table *t, uint64_t k, double sigma) {
  return (attn_search_options){.metric = t->shape.metric,
                               .d = t->shape.d,
                               .k = k,
                               .sigma = sigma,
                               .fetch = table_fetch,
                               .stop = table_stop,
                               .ctx = t};
}

/* Searches; hit has room for n + 1.  `filter`, or NULL, has one word for a chunk. */
static inline attn_status table_search(table *t, const attn_search_options *options,
                                       const float *query, const uint64_t *filter,
                                       attn_error *err, attn_hit *hit, size_t *n_hit) {
  attn_search *search;
  attn_status status = attn_search_new(options, err, &search);
  *n_hit = 0;
  if (!status) status = attn_search_begin(search, query, err);
  for (size_t c = 0; !status && c < t->n_chunk; c++) {
    status = attn_search_scan(search, t->chunk[c], (uint32_t)c,
                              filter ? filter + c : NULL, err);
  }
  while (!status && *n_hit <= t->n) {
    status = attn_search_next(search, err, &hit[*n_hit]);
    if (status || !hit[*n_hit].found) break;
    ++*n_hit;
  }
  attn_search_free(search);
  return status;
}

/* ------------------------------------------------------------------- every row */

static inline int compare_hits(const void *a, const void *b) {
  const attn_hit *x = a, *y = b;
  if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
  return x->row.rowid < y->row.rowid ? -1 : x->row.rowid > y->row.rowid;
}

/* The rows in `filter` (or all) by distance, then rowid. */
static inline size_t brute_force(const table *t, const float *query,
                                 const uint64_t *filter, attn_hit *hit) {
  size_t d = t->shape.d, n = 0;
  attn_vector q = {ATTN_VECTOR_FLOAT32, d, (const uint8_t *)query, NULL};
  for (size_t i = 0; i < t->n; i++) {
    if (!(attn_chunk_live(t->chunk[i / 64])[0] >> (i % 64) & 1)) continue;
    if (filter && !(filter[i / 64] >> (i % 64) & 1)) continue;
    attn_vector x = {ATTN_VECTOR_FLOAT32, d, (const uint8_t *)(t->x + i * d), NULL};
    attn_row row = {rowid_of(i), (uint32_t)(i / 64), (uint32_t)(i % 64)};
    hit[n] = (attn_hit){row, 0, 1};
    attn_vector_distance(t->shape.metric, &x, &q, NULL, &hit[n++].distance);
  }
  qsort(hit, n, sizeof *hit, compare_hits);
  return n;
}

static inline int same_hits(const attn_hit *a, const attn_hit *b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (a[i].row.rowid != b[i].row.rowid || a[i].row.chunk != b[i].row.chunk ||
        a[i].row.slot != b[i].row.slot || a[i].distance != b[i].distance) {
      return 0;
    }
  }
  return 1;
}

#endif
