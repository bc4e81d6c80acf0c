/*
** search.c - one query over chunks: scan, bound, fetch, order.
**
** For each row the codes give an interval that its distance lies in (chunk.c), here
** of the key
**
**   ATTN_COSINE  1 - x.q     ATTN_DOT  -x.q     ATTN_L2  |x - q|^2
**
** (x and q of length 1 under ATTN_COSINE).  A scan looks at the sign bits of 16 rows,
** and if one of these rows may be nearer than the k-th, at their other bits.  The
** k-th smallest upper end met so far is the limit: a row whose lower end is above it
** is none of the k.  The rest wait in a heap by lower end, and are fetched and
** measured in that order, until a measured distance is below all lower ends to come
** (optimal multi-step search, Seidl & Kriegel, SIGMOD 1998).
**
** With x = c + o and q = c + p, where c is the chunk's center, and p = step i + rest
** for integers i of 8 bits,
**
**   o.p = scale step (y.i) + (o - scale y).(step i) + o.rest
**
** where the first term is computed, the second at most error |step i|, the third at
** most radius |rest|.  The direction of these errors is as good as random to the
** query, which makes them 1 / sqrt(d) of that most of the time: one standard
** deviation of the approximate search.
*/
#include "chunk.h"
#include "heap.h"
#include "../kernels/kernels.h"
#include "../kernels/sums.h"
#include <float.h>

#define BATCH        8    /* what is fetched beyond the nearest is fetched in vain */
#define PREFETCH     4096 /* bytes ahead: processors stop to think at the end of a page */
#define BATCH_NUMBER 65536 /* of floats, which may make it fewer rows */

/* A query as the rows of one chunk see it. */
typedef struct view_of_query {
  float *center;  /* [d], that it was made for; */
  int has_center; /* 0: for none yet */
  int8_t *code;   /* i, zeros up to a multiple of 32 */
  double step;
  double code_sum;    /* sum of i */
  double norm;        /* |p| */
  double code_norm;   /* |step i| */
  double rest_norm;   /* |rest| */
  double center_dot;  /* c.q */
  double center_norm; /* |c| */
} view_of_query;

/* key in base + offset - factor scale (dot - shift) -+ (width error + slack) */
typedef struct bounds {
  double low; /* base - slack */
  double slack, factor;
  double shift[N_LEVEL], width;
} bounds;

struct attn_search {
  attn_search_options options;
  attne_scan *scan;
  float *query;  /* [d] */
  float *stored; /* [2, d]: memory of the vectors of it and of a row */
  attn_vector asked;
  double weight; /* 1 / |q| under ATTN_COSINE, else 1 */
  double norm;   /* |q| times it */
  view_of_query view;
  double limit;     /* on keys */
  attne_heap worst; /* k smallest upper ends, negated: the greatest is on top */
  attne_heap open;  /* rows by lower end */
  attne_heap hits;  /* rows by distance */
  int open_is_heap; /* 0: unordered, and not yet sifted by the limit */
  uint64_t n_scanned, n_given;
  size_t n_batch;
  float *fetched; /* [n_batch, d] */
};

/* ------------------------------------------------------------------ new and free */

static attn_status check_options(const attn_search_options *options, attn_error *err) {
  attn_status status = attne_check_space(options->metric, options->d, err);
  if (status) return status;
  if (isnan(options->sigma)) {
    return attne_fail(err, ATTN_INVALID, "sigma is not a number, expected 0 or more");
  }
  if (options->sigma < 0) {
    return attne_fail(err, ATTN_INVALID, "sigma is %g, expected 0 or more",
                      options->sigma);
  }
  if (options->max_distance && isnan(*options->max_distance)) {
    return attne_fail(err, ATTN_INVALID, "the greatest distance is not a number");
  }
  return ATTN_OK;
}

attn_status attn_search_new(const attn_search_options *options, attn_error *err,
                            attn_search **out) {
  size_t d = options->d;
  *out = NULL;
  attn_status status = check_options(options, err);
  if (status) return status;
  attn_search *s = attne_alloc_zero(sizeof *s);
  if (!s) return attne_no_memory(err);
  s->options = *options;
  s->scan = attne_kernels_get()->scan;
  s->n_batch = BATCH_NUMBER / d < BATCH ? BATCH_NUMBER / d : BATCH;
  s->query = attne_alloc(d * sizeof *s->query);
  s->stored = attne_alloc(2 * d * sizeof *s->stored);
  s->view.center = attne_alloc(d * sizeof *s->view.center);
  s->view.code = attne_alloc_zero((d + ATTNE_SCAN_DIMS) * sizeof *s->view.code);
  s->fetched = attne_alloc(s->n_batch * d * sizeof *s->fetched);
  if (!s->query || !s->stored || !s->view.center || !s->view.code || !s->fetched) {
    attn_search_free(s);
    return attne_no_memory(err);
  }
  *out = s;
  return ATTN_OK;
}

void attn_search_free(attn_search *s) {
  if (!s) return;
  attne_release(s->query);
  attne_release(s->stored);
  attne_release(s->view.center);
  attne_release(s->view.code);
  attne_release(s->fetched);
  attne_heap_free(&s->worst);
  attne_heap_free(&s->open);
  attne_heap_free(&s->hits);
  attne_release(s);
}

attn_status attn_search_begin(attn_search *s, const float *query, attn_error *err) {
  size_t d = s->options.d;
  attn_status status = attne_check_finite(d, query, "query", err);
  if (status) return status;
  memcpy(s->query, query, d * sizeof *query);
  s->asked = attn_vector_of_floats(s->query, d, s->stored);
  double norm = sqrt(dot_product(d, query, query));
  int cosine = s->options.metric == ATTN_COSINE;
  s->weight = !cosine ? 1 : norm > 0 ? 1 / norm : 0;
  s->norm = norm * s->weight;
  s->view.has_center = 0;
  s->limit = HUGE_VAL;
  if (s->options.max_distance) {
    double x = *s->options.max_distance;
    s->limit = s->options.metric == ATTN_L2 ? x * fabs(x) : x;
  }
  s->worst.n = s->open.n = s->hits.n = 0;
  s->open_is_heap = 1;
  s->n_scanned = s->n_given = 0;
  return ATTN_OK;
}

/* ---------------------------------------------------------- the query for a chunk */

/* Element i of p = q - c. */
static double query_offset(const attn_search *s, const float *center, size_t i) {
  return s->weight * (double)s->query[i] - (double)center[i];
}

static void see_center(attn_search *s, const float *center) {
  view_of_query *v = &s->view;
  size_t d = s->options.d;
  if (v->has_center && memcmp(v->center, center, d * sizeof *center) == 0) return;
  v->has_center = 1;
  memcpy(v->center, center, d * sizeof *center);

  double greatest = 0;
  for (size_t i = 0; i < d; i++) {
    double p = fabs(query_offset(s, center, i));
    greatest = p > greatest ? p : greatest;
  }
  double square[N_LANE] = {0}, rest[N_LANE] = {0};
  int64_t sum = 0, sum_squares = 0;
  double inverse = greatest > 0 ? 127 / greatest : 0;
  v->step = greatest / 127;
  for (size_t i = 0; i < d; i++) {
    double p = query_offset(s, center, i), level = p * inverse;
    int code = (int)(level < 0 ? level - 0.5 : level + 0.5);
    double e = p - v->step * code;
    v->code[i] = (int8_t)code;
    sum += code;
    sum_squares += code * code;
    square[i % N_LANE] += p * p;
    rest[i % N_LANE] += e * e;
  }
  v->code_sum = (double)sum;
  v->norm = sqrt(join_lanes(square));
  v->code_norm = v->step * sqrt((double)sum_squares);
  v->rest_norm = sqrt(join_lanes(rest));
  v->center_dot = s->weight * dot_product(d, s->query, center);
  v->center_norm = sqrt(dot_product(d, center, center));
}

/* The slack holds, besides |o.rest|, all that rounding can do: to offset (2^-24 of
** it), to a distance (2^-24 of it, and rows that differ by less are equals), and to
** the sums here and there (2^-37 of |x| |q| at most). */
static bounds see_chunk(const attn_search *s, const chunk_view *chunk) {
  const view_of_query *v = &s->view;
  int l2 = s->options.metric == ATTN_L2;
  double factor = l2 ? 2 : 1;
  double deviation = s->options.sigma / sqrt((double)s->options.d);
  double share = s->options.sigma > 0 && deviation < 1 ? deviation : 1;
  double base =
      l2 ? v->norm * v->norm : (s->options.metric == ATTN_COSINE) - v->center_dot;
  double length = *chunk->radius + (l2 ? v->norm + 0x1p-12 * (s->norm + v->center_norm)
                                       : s->norm + v->center_norm);
  double slack =
      factor * share * *chunk->radius * v->rest_norm + 0x1p-21 * length * length + 1e-44;
  return (bounds){.low = base - slack,
                  .slack = slack,
                  .factor = factor * v->step,
                  .shift = {attne_code_half(COARSE) * v->code_sum,
                            attne_code_half(FINE) * v->code_sum},
                  .width = factor * share * v->code_norm +
                           DBL_MIN}; /* infinite errors count */
}

/* --------------------------------------------------------------------- scanning */

/* Of the 16 rows of a block: the lower ends of the intervals, and half of their
** widths but for the slack. */
typedef struct intervals {
  double low[ATTNE_SCAN_ROWS], margin[ATTNE_SCAN_ROWS];
} intervals;

static void estimate(const bounds *b, const chunk_view *v, level l, size_t slot,
                     const int32_t *restrict dot, intervals *restrict out) {
  const uint16_t *scale = v->scale[l] + slot, *error = v->error[l] + slot;
  const float *offset = v->offset + slot;
  double low = b->low, factor = b->factor, shift = b->shift[l], width = b->width;
  for (int r = 0; r < ATTNE_SCAN_ROWS; r++) {
    double middle =
        (double)offset[r] - factor * (double)attne_bf16(scale[r]) * (dot[r] - shift);
    out->margin[r] = width * (double)attne_bf16(error[r]);
    out->low[r] = low + middle - out->margin[r];
  }
}

static double lesser(double a, double b) {
  return a < b ? a : b;
}

static double least(const double x[ATTNE_SCAN_ROWS]) {
  double lane[4] = {x[0], x[1], x[2], x[3]};
  for (int r = 4; r < ATTNE_SCAN_ROWS; r += 4) {
    for (int j = 0; j < 4; j++) lane[j] = lesser(x[r + j], lane[j]);
  }
  return lesser(lesser(lane[0], lane[1]), lesser(lane[2], lane[3]));
}

/* Puts a row in the waiting line, and lowers the limit if it can. */
static attn_status offer(attn_search *s, double low, double high, const attn_row *row) {
  uint64_t k = s->options.k;
  s->open_is_heap = 0;
  if (!attne_heap_append(&s->open, low, row)) return ATTN_NOMEM;
  if (k > 0 && high < s->limit) {
    static const attn_row none;
    if (!attne_heap_push(&s->worst, -high, &none)) return ATTN_NOMEM;
    if (s->worst.n > k) attne_heap_pop(&s->worst);
    if (s->worst.n == k && -s->worst.item[0].key < s->limit) {
      s->limit = -s->worst.item[0].key;
    }
  }
  return ATTN_OK;
}

/* The fine estimates of a block, of which `dot` has the products of the signs. */
static void refine(const attn_search *s, const bounds *b, const chunk_view *v,
                   size_t slot, int32_t *dot, intervals *out) {
  size_t plane_size = v->n_group * ATTNE_SCAN_GROUP;
  const uint8_t *plane = v->fine + slot / ATTNE_SCAN_ROWS * N_FINE * plane_size;
  int32_t more[ATTNE_SCAN_ROWS];
  for (int p = 0; p < N_FINE; p++, plane += plane_size) {
    s->scan(plane, v->n_group, s->view.code, more);
    for (int r = 0; r < ATTNE_SCAN_ROWS; r++) dot[r] = 2 * dot[r] + more[r];
  }
  estimate(b, v, FINE, slot, dot, out);
}

/* The rows of `mask` in the block that begins at `slot`. */
static attn_status scan_block(attn_search *s, const bounds *b, const chunk_view *v,
                              uint32_t number, size_t slot, uint32_t mask) {
  int32_t dot[ATTNE_SCAN_ROWS];
  intervals in;
  size_t block = slot / ATTNE_SCAN_ROWS;
  const uint8_t *sign = v->sign + block * v->n_group * ATTNE_SCAN_GROUP;
  for (size_t g = 0; g < v->n_group; g++) {
    __builtin_prefetch(sign + PREFETCH + g * ATTNE_SCAN_GROUP);
  }
  s->scan(sign, v->n_group, s->view.code, dot);
  estimate(b, v, COARSE, slot, dot, &in);
  if (least(in.low) > s->limit) return ATTN_OK;
  refine(s, b, v, slot, dot, &in);
  for (size_t r = 0; mask >> r; r++) {
    if (!(mask >> r & 1) || in.low[r] > s->limit) continue;
    attn_row row = {v->rowid[slot + r], number, (uint32_t)(slot + r)};
    double high = in.low[r] + 2 * (in.margin[r] + b->slack);
    attn_status status = offer(s, in.low[r], high, &row);
    if (status) return status;
  }
  return ATTN_OK;
}

static int stopped(const attn_search *s) {
  return s->options.stop && s->options.stop(s->options.ctx);
}

/* What rows wait in, all of them where none is far enough. */
static attn_status check_memory(const attn_search *s, attn_error *err) {
  return attn_limit_call((s->open.n_alloc + s->worst.n_alloc) * sizeof(attne_heap_item),
                         err);
}

attn_status attn_search_scan(attn_search *s, const void *chunk, uint32_t number,
                             const uint64_t *filter, attn_error *err) {
  chunk_view v;
  if (stopped(s)) return attne_fail(err, ATTN_INTERRUPTED, "interrupted");
  attne_chunk_view(chunk, &v);
  see_center(s, v.center);
  bounds b = see_chunk(s, &v);
  for (size_t word = 0; word < v.n_slot / 64; word++) {
    uint64_t rows = filter ? v.live[word] & filter[word] : v.live[word];
    s->n_scanned += (uint64_t)__builtin_popcountll(rows);
    for (size_t slot = 64 * word; rows;
         slot += ATTNE_SCAN_ROWS, rows >>= ATTNE_SCAN_ROWS) {
      uint32_t mask = rows & 0xFFFF;
      if (mask && scan_block(s, &b, &v, number, slot, mask)) return attne_no_memory(err);
    }
  }
  return check_memory(s, err);
}

uint64_t attn_search_scanned(const attn_search *s) {
  return s->n_scanned;
}

/* --------------------------------------------------------------------- results */

/* The rows that the limit of today still lets through, as a heap. */
static void sift_open(attn_search *s) {
  size_t n = 0;
  for (size_t i = 0; i < s->open.n; i++) {
    if (s->open.item[i].key <= s->limit) s->open.item[n++] = s->open.item[i];
  }
  s->open.n = n;
  attne_heap_order(&s->open);
  s->open_is_heap = 1;
}

/* Whether the nearest row of those measured is in front of all that wait. */
static int hit_is_next(const attn_search *s) {
  if (!s->hits.n) return 0;
  if (!s->open.n) return 1;
  double low = s->open.item[0].key;
  if (s->options.metric == ATTN_L2) low = low > 0 ? sqrt(low) : 0;
  return s->hits.item[0].key < low;
}

/* Fetches and measures rows from the front of the line. */
static attn_status measure(attn_search *s, attn_error *err) {
  attn_row row[BATCH];
  size_t n = 0, d = s->options.d;
  if (stopped(s)) return attne_fail(err, ATTN_INTERRUPTED, "interrupted");
  while (n < s->n_batch && s->open.n && !hit_is_next(s)) {
    row[n++] = s->open.item[0].row;
    attne_heap_pop(&s->open);
  }
  attn_status status = s->options.fetch(s->options.ctx, row, n, err, s->fetched);
  for (size_t i = 0; !status && i < n; i++) {
    attn_vector x = attn_vector_of_floats(s->fetched + i * d, d, s->stored + d);
    double distance;
    status = attn_vector_distance(s->options.metric, &x, &s->asked, err, &distance);
    if (status) break;
    if (!isfinite(distance)) {
      status = attne_fail(err, ATTN_INVALID, "the vector of row %lld is not finite",
                          (long long)row[i].rowid);
    } else if (!attne_heap_push(&s->hits, distance, &row[i])) {
      status = attne_no_memory(err);
    }
  }
  return status;
}

attn_status attn_search_next(attn_search *s, attn_error *err, attn_hit *hit) {
  *hit = (attn_hit){.found = 0};
  if (s->options.k && s->n_given == s->options.k) return ATTN_OK;
  if (!s->open_is_heap) sift_open(s);
  while (!hit_is_next(s)) {
    if (!s->open.n) return ATTN_OK;
    attn_status status = measure(s, err);
    if (status) return status;
  }
  const attne_heap_item *first = &s->hits.item[0];
  if (s->options.max_distance && first->key > *s->options.max_distance) return ATTN_OK;
  *hit = (attn_hit){first->row, first->key, 1};
  attne_heap_pop(&s->hits);
  s->n_given++;
  return ATTN_OK;
}
