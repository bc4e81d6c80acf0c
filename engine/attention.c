/*
** attention.c - scaled dot-product attention over sequences of any length.
**
** For one head of one sequence, with keys K[n, d], values V[n, d]:
**   scores[i, j] = Q[i] . K[j]
**   out[i]       = sum over j of softmax(scores[i] / sqrt d)[j] V[j]
** (Vaswani et al. 2017).  Both products are the kernels' GEMM, with K and the
** transpose of V packed as weights are.  Queries are taken a few at a time, so
** that their scores stay in the cache however long the sequence is.
*/
#include "layers.h"
#include <math.h>

enum {
  N_QUERY = 56 /* queries at a time: a multiple of every kernel's tile but 6's */
};

uint64_t attn_attention_scratch(const attn_graph *graph, uint32_t max_length,
                                int *overflow) {
  uint64_t n = ((uint64_t)max_length + ATTN_PANEL - 1) / ATTN_PANEL * ATTN_PANEL;
  uint64_t d = ((uint64_t)graph->d_head + ATTN_PANEL - 1) / ATTN_PANEL * ATTN_PANEL;
  return attn_mul(n, attn_add(2 * d, N_QUERY, overflow), overflow);
}

/* Row j of x becomes output j: x[n, d], rows ld apart. */
static void pack_rows(size_t n, size_t d, const float *x, size_t ld, float *packed) {
  for (size_t j = 0; j < n; j += ATTN_PANEL, x += ATTN_PANEL * ld) {
    size_t width = n - j < ATTN_PANEL ? n - j : ATTN_PANEL;
    for (size_t k = 0; k < d; k++, packed += ATTN_PANEL) {
      for (size_t i = 0; i < width; i++) packed[i] = x[i * ld + k];
    }
  }
}

/* Column j of x becomes output j. */
static void pack_columns(size_t n, size_t d, const float *x, size_t ld, float *packed) {
  for (size_t j = 0; j < d; j += ATTN_PANEL) {
    size_t width = d - j < ATTN_PANEL ? d - j : ATTN_PANEL;
    for (size_t k = 0; k < n; k++, packed += ATTN_PANEL) {
      if (width == ATTN_PANEL) { /* no call */
        memcpy(packed, x + k * ld + j, ATTN_PANEL * sizeof *x);
      } else {
        memcpy(packed, x + k * ld + j, width * sizeof *x);
      }
    }
  }
}

/* A part of what a head does, for the observer. */
static void show(const attn_observer *observer, const attn_view *head, attn_sight sight,
                 size_t first, size_t n, size_t d, const float *x, size_t ld) {
  if (!observer) return;
  attn_view view = *head;
  view.sight = sight;
  view.first = first;
  view.n = n;
  view.d = d;
  view.x = x;
  view.ld = ld;
  observer->see(observer->ctx, &view);
}

/* One head of one sequence of n tokens; `head` says which, to the observer. */
static void attend(const attn_graph *graph, const attn_observer *observer,
                   const attn_view *head, size_t n, const float *q, float *scratch,
                   float *out) {
  const attn_kernels_f32 *kernels = attn_kernels_get()->f32;
  const size_t d_model = graph->d_model, d = graph->d_head, ld = 3 * d_model;
  const size_t ld_scores = (n + ATTN_PANEL - 1) / ATTN_PANEL * ATTN_PANEL;
  const float scale = 1.0f / sqrtf((float)d);
  float *keys = scratch, *values = keys + attn_packed_size(n, d);
  float *scores = values + attn_packed_size(d, n);
  pack_rows(n, d, q + d_model, ld, keys);
  pack_columns(n, d, q + 2 * d_model, ld, values);
  show(observer, head, ATTN_SEE_QUERIES, 0, n, d, q, ld);
  show(observer, head, ATTN_SEE_KEYS, 0, n, d, q + d_model, ld);
  show(observer, head, ATTN_SEE_VALUES, 0, n, d, q + 2 * d_model, ld);

  for (size_t i = 0; i < n; i += N_QUERY) {
    size_t m = n - i < N_QUERY ? n - i : N_QUERY;
    attn_gemm_f32 score = {.m = m,
                           .k = d,
                           .a = q + i * ld,
                           .lda = ld,
                           .packed = keys,
                           .out = {.n = n, .c = scores, .ldc = ld_scores}};
    attn_gemm_f32 mix = {.m = m,
                         .k = n,
                         .a = scores,
                         .lda = ld_scores,
                         .packed = values,
                         .out = {.n = d, .c = out + i * d_model, .ldc = d_model}};
    kernels->gemm(&score);
    kernels->softmax(m, n, scale, scores, ld_scores);
    show(observer, head, ATTN_SEE_WEIGHTS, i, m, n, scores, ld_scores);
    kernels->gemm(&mix);
  }
}

void attn_attention(const attn_graph *graph, const attn_rows *rows, uint32_t layer,
                    const float *qkv, float *scratch, float *out) {
  const size_t d_model = graph->d_model;
  for (size_t i = 0; i < rows->n; i++) {
    size_t first = rows->begin[i] - rows->begin[0];
    size_t n = rows->begin[i + 1] - rows->begin[i];
    for (uint32_t h = 0; h < graph->n_head; h++) {
      attn_view head = {.sequence = rows->number + i, .layer = layer, .head = h};
      size_t column = (size_t)h * graph->d_head;
      attend(graph, rows->observer, &head, n, qkv + first * 3 * d_model + column, scratch,
             out + first * d_model + column);
    }
  }
}
