/*
** attention.c - scaled dot-product attention over sequences of any length.
**
** For one head of one sequence, with keys K[n, d], values V[n, d]:
**   scores[i, j] = Q[i] . K[j]
**   out[i]       = sum over j of softmax(scores[i] / sqrt d)[j] V[j]
** (Vaswani et al. 2017).  Both products are the kernels' GEMM, with K and the
** transpose of V packed as weights are.  Queries are taken a few at a time, so
** that their scores stay in the cache however long the sequence is.
**
** Where the mask is causal, the sum over j ends at i, and what comes later is not
** multiplied by zero but not looked at: no token changes what stands before it, be it
** infinite, and a cache of keys and values gives the same bits as their whole.
*/
#include "../kernels/four.h"
#include "../kernels/pack.h"
#include "layers.h"
#include <math.h>

enum {
  N_QUERY = 56 /* queries at a time: a multiple of every kernel's tile but 6's */
};

/* One head of one sequence. */
typedef struct head {
  const attne_stack *stack;
  uint32_t number;
  const attne_mask *mask;
  const float *q; /* [n, d_head], rows ld apart */
  size_t n, ld;
  uint32_t first; /* query i is token first + i of its sequence */
  const float *keys, *values;
  uint32_t n_key, capacity; /* tokens that are there; that a panel of values holds */
  float *scores;            /* [N_QUERY, ld_scores] */
  size_t ld_scores;
  float *out;                    /* [n, d_head], rows n_head x d_head apart */
  const attn_observer *observer; /* or NULL */
  attn_view view;                /* which head it is, for the observer */
} head;

/* A part of what a head does, for the observer. */
static void show(const head *h, attn_trace_kind kind, size_t first, size_t n, size_t d,
                 const float *x, size_t ld) {
  if (!h->observer) return;
  attn_view view = h->view;
  view.kind = kind;
  view.first = first;
  view.n = n;
  view.d = d;
  view.x = x;
  view.ld = ld;
  h->observer->see(h->observer->ctx, &view);
}

/* Of m queries from i on, over the first n keys. */
static void score(const head *h, size_t i, size_t m, size_t n) {
  attne_gemm_f32 g = {.m = m,
                      .k = h->stack->d_head,
                      .a = h->q + i * h->ld,
                      .lda = h->ld,
                      .packed = h->keys,
                      .out = {.n = n, .c = h->scores, .ldc = h->ld_scores}};
  attne_kernels_get()->f32->gemm(&g);
}

static void add_relative(const head *h, size_t query, size_t n, float *row) {
  const int64_t most = h->mask->relative->max_distance;
  const float *bias = h->mask->relative->bias + h->number * (2 * most + 1);
  for (size_t k = 0; k < n; k++) {
    int64_t distance = (int64_t)k - (int64_t)query;
    distance = distance < -most ? -most : distance > most ? most : distance;
    row[k] += bias[distance + most];
  }
}

/* scores = scale scores + biases, in this order. */
static void add_biases(const head *h, size_t i, size_t m, size_t n) {
  for (size_t r = 0; r < m; r++) {
    float *row = h->scores + r * h->ld_scores;
    scale_row(n, h->stack->score_scale, row);
    if (h->mask->relative) add_relative(h, h->first + i + r, n, row);
    if (h->mask->bias) add_row(n, h->mask->bias + (i + r) * h->n_key, row);
  }
}

/* From scores to weights.  Where the mask is causal, row r has n - m + 1 + r of them. */
static void weigh(const head *h, size_t i, size_t m, size_t n) {
  const attne_kernels_f32 *kernels = attne_kernels_get()->f32;
  float scale = h->stack->score_scale;
  if (h->mask->bias || h->mask->relative) {
    add_biases(h, i, m, n);
    scale = 1;
  }
  if (!h->mask->is_causal) {
    kernels->softmax(m, n, scale, h->scores, h->ld_scores);
    return;
  }
  for (size_t r = 0; r < m; r++) {
    kernels->softmax(1, n - m + 1 + r, scale, h->scores + r * h->ld_scores, h->ld_scores);
  }
}

/* Values of keys [first, end) times the weights that are in rows `row` .. + m of the
** scores, for as many queries from i on.  Each number is one chain over the keys, which a
** later call goes on with. */
static void mix(const head *h, size_t i, size_t row, size_t m, size_t first, size_t end,
                attne_store store) {
  const size_t d = h->stack->d_head, ld_out = attne_stack_width(h->stack);
  const float *weights = h->scores + row * h->ld_scores;
  /* All panels at once only where they stand without a gap. */
  const size_t step = end - first == h->capacity ? d : ATTNE_PANEL;
  for (size_t at = 0; at < d && first < end; at += step) {
    attne_gemm_f32 g = {.m = m,
                        .k = end - first,
                        .a = weights + first,
                        .lda = h->ld_scores,
                        .packed = h->values + at * h->capacity + first * ATTNE_PANEL,
                        .out = {.n = d - at < step ? d - at : step,
                                .store = store,
                                .c = h->out + i * ld_out + at,
                                .ldc = ld_out}};
    attne_kernels_get()->f32->gemm(&g);
  }
}

/* What the queries of a block see in common is one product for all of them; what the
** later ones see beyond is a product for each. */
static void attend(const head *h) {
  for (size_t i = 0; i < h->n; i += N_QUERY) {
    size_t m = h->n - i < N_QUERY ? h->n - i : N_QUERY;
    size_t n = h->mask->is_causal ? h->first + i + m : h->n_key;
    size_t common = h->mask->is_causal ? h->first + i + 1 : n;
    score(h, i, m, n);
    weigh(h, i, m, n);
    show(h, ATTN_TRACE_WEIGHTS, h->first + i, m, n, h->scores, h->ld_scores);
    mix(h, i, 0, m, 0, common, ATTNE_SET);
    for (size_t r = 1; common < n && r < m; r++) {
      mix(h, i + r, r, 1, common, common + r, ATTNE_CONTINUE);
    }
  }
}

/* Memory of scratch: of `n_key` keys packed, as many values, and scores. */
uint64_t attne_attention_scratch(const attne_stack *stack, uint32_t n_key,
                                 int *overflow) {
  uint64_t n = attne_whole_panels(n_key);
  uint64_t d = attne_whole_panels(stack->d_head);
  return attne_mul(n, attne_add(2 * d, N_QUERY, overflow), overflow);
}

void attne_attention(const attne_stack *stack, const attne_sequences *rows,
                     uint32_t layer, const float *qkv, const attne_mask *mask,
                     float *scratch, float *out) {
  const size_t d_heads = attne_stack_width(stack), d = stack->d_head;
  for (size_t i = 0; i < rows->n; i++) {
    const size_t first = rows->begin[i] - rows->begin[0];
    const size_t n = rows->begin[i + 1] - rows->begin[i];
    float *values = scratch + attne_packed_size(n, d);
    for (uint32_t k = 0; k < stack->n_head; k++) {
      const float *q = qkv + first * 3 * d_heads + k * d;
      head h = {.stack = stack,
                .number = k,
                .mask = mask,
                .q = q,
                .n = n,
                .ld = 3 * d_heads,
                .keys = scratch,
                .values = values,
                .n_key = (uint32_t)n,
                .capacity = (uint32_t)n,
                .scores = values + attne_packed_size(d, n),
                .ld_scores = (size_t)attne_whole_panels(n),
                .out = out + first * d_heads + k * d,
                .observer = rows->observer,
                .view = {.sequence = rows->number + i, .layer = layer, .head = k}};
      attne_pack_rows(0, n, d, q + d_heads, 3 * d_heads, scratch);
      attne_pack_columns(0, n, n, d, q + 2 * d_heads, 3 * d_heads, values);
      show(&h, ATTN_TRACE_QUERIES, 0, n, d, q, 3 * d_heads);
      show(&h, ATTN_TRACE_KEYS, 0, n, d, q + d_heads, 3 * d_heads);
      show(&h, ATTN_TRACE_VALUES, 0, n, d, q + 2 * d_heads, 3 * d_heads);
      attend(&h);
    }
  }
}

/* --------------------------------------------------------------------- the cache */

uint64_t attne_kv_size(const attne_stack *stack, uint32_t capacity, int *overflow) {
  uint64_t n = attne_whole_panels(capacity);
  uint64_t d = attne_whole_panels(stack->d_head);
  return attne_mul(n, d, overflow);
}

void attne_kv_append(const attne_stack *stack, size_t n, const float *kv, size_t ld,
                     attne_kv *cache) {
  const size_t d = stack->d_head, d_heads = attne_stack_width(stack);
  int overflow = 0;
  const size_t size = (size_t)attne_kv_size(stack, cache->capacity, &overflow);
  for (size_t h = 0; h < stack->n_head; h++) {
    const float *key = kv + h * d, *value = key + d_heads;
    attne_pack_rows(cache->n, n, d, key, ld, cache->keys + h * size);
    attne_pack_columns(cache->n, n, cache->capacity, d, value, ld,
                       cache->values + h * size);
  }
  cache->n += (uint32_t)n;
}

/* Panels of keys stand as they are; those of values get longer. */
void attne_kv_move(const attne_stack *stack, const attne_kv *from, attne_kv *to) {
  const size_t d = stack->d_head;
  int overflow = 0;
  const size_t n_from = (size_t)attne_kv_size(stack, from->capacity, &overflow);
  const size_t n_to = (size_t)attne_kv_size(stack, to->capacity, &overflow);
  for (size_t h = 0; h < stack->n_head; h++) {
    memcpy(to->keys + h * n_to, from->keys + h * n_from,
           attne_packed_size(from->n, d) * sizeof(float));
    for (size_t k = 0; k < d; k += ATTNE_PANEL) {
      memcpy(to->values + h * n_to + k * to->capacity,
             from->values + h * n_from + k * from->capacity,
             (size_t)from->n * ATTNE_PANEL * sizeof(float));
    }
  }
  to->n = from->n;
}

void attne_kv_attention(const attne_stack *stack, size_t n, uint32_t first,
                        const float *q, size_t ld, const attne_kv *cache,
                        const attne_mask *mask, float *scratch, float *out) {
  int overflow = 0;
  const size_t size = (size_t)attne_kv_size(stack, cache->capacity, &overflow);
  for (uint32_t k = 0; k < stack->n_head; k++) {
    attend(&(head){.stack = stack,
                   .number = k,
                   .mask = mask,
                   .q = q + k * stack->d_head,
                   .n = n,
                   .ld = ld,
                   .first = first,
                   .keys = cache->keys + k * size,
                   .values = cache->values + k * size,
                   .n_key = cache->n,
                   .capacity = cache->capacity,
                   .scores = scratch,
                   .ld_scores = (size_t)attne_whole_panels(cache->n),
                   .out = out + k * stack->d_head});
  }
}
