/*
** layers.h - the parts that the forward pass is put together from.
*/
#ifndef ATTN_LAYERS_H
#define ATTN_LAYERS_H

#include "graph.h"

/* Sequences of one pass: sequence i is rows begin[i] - begin[0] up to
** begin[i + 1] - begin[0] of a matrix of tokens. */
typedef struct attn_rows {
  const uint32_t *begin;  /* n + 1 entries */
  const uint32_t *n_skip; /* rows of each that are not pooled, or NULL */
  size_t n;
  const attn_observer *observer; /* or NULL */
  size_t number;                 /* of sequence 0 in the batch, for the observer */
} attn_rows;

static inline uint32_t attn_rows_total(const attn_rows *rows) {
  return rows->begin[rows->n] - rows->begin[0];
}

/* Floats of scratch that attn_attention needs for sequences up to max_length. */
uint64_t attn_attention_scratch(const attn_graph *graph, uint32_t max_length,
                                int *overflow);

/* Multi-head self-attention, softmax(Q Kᵀ / sqrt d_head) V, of every sequence by
** itself.  qkv is [tokens, 3 d_model], out is [tokens, d_model].  The number of the
** layer is for the observer. */
void attn_attention(const attn_graph *graph, const attn_rows *rows, uint32_t layer,
                    const float *qkv, float *scratch, float *out);

/* Pools every sequence: x is [tokens, d_model], out is [n, n_pool d_model]. */
void attn_pool_rows(const attn_graph *graph, const attn_rows *rows, const float *x,
                    float *out);

/* Divides each row of x[m, n] by its length, which counts as 1e-12 at least. */
void attn_unit_length(size_t m, size_t n, float *x);

#endif
