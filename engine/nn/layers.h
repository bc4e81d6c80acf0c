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

/* The keys and values of one layer for one sequence, packed as weights are:
** keys in panels of tokens, values in panels of numbers, each as long as the cache has
** room for. */
typedef struct attn_cached {
  float *keys, *values; /* of each head, attn_cached_size floats apart */
  uint32_t n, capacity; /* tokens */
} attn_cached;

/* Floats of the keys of a head, and as many of its values. */
uint64_t attn_cached_size(const attn_stack *stack, uint32_t capacity, int *overflow);

/* Appends those of n tokens: kv is rows ld apart, of all K, then all V. */
void attn_cache_add(const attn_stack *stack, size_t n, const float *kv, size_t ld,
                    attn_cached *cache);

/* Takes those of another, smaller one over. */
void attn_cache_move(const attn_stack *stack, const attn_cached *from, attn_cached *to);

/* What scores get before the softmax, beside the product of query and key. */
typedef struct attn_mask {
  int is_causal;                 /* token i of a sequence sees tokens 0 .. i */
  const float *bias;             /* [queries, keys], or NULL */
  const attn_relative *relative; /* or NULL */
} attn_mask;

/* Floats of scratch that attn_attention and attn_cached_attention need for up to n_key
** keys. */
uint64_t attn_attention_scratch(const attn_stack *stack, uint32_t n_key, int *overflow);

/* Multi-head self-attention, softmax(Q Kᵀ scale + bias) V, of every sequence by itself.
** qkv is [tokens, 3 inner], out is [tokens, inner].  The number of the layer is for the
** observer. */
void attn_attention(const attn_stack *stack, const attn_rows *rows, uint32_t layer,
                    const float *qkv, const attn_mask *mask, float *scratch, float *out);

/* The same of n queries of one sequence, q in rows ld apart, the first of which is token
** `first`, over keys and values of before. */
void attn_cached_attention(const attn_stack *stack, size_t n, uint32_t first,
                           const float *q, size_t ld, const attn_cached *cache,
                           const attn_mask *mask, float *scratch, float *out);

/* Pools every sequence: x is [tokens, d_model], out is [n, n_pool d_model]. */
void attn_pool_rows(const attn_graph *graph, const attn_rows *rows, const float *x,
                    float *out);

/* Divides each row of x[m, n] by its length, which counts as 1e-12 at least. */
void attn_unit_length(size_t m, size_t n, float *x);

#endif
