/*
** layers.h - the parts that the forward pass is put together from.
*/
#ifndef ATTNE_LAYERS_H
#define ATTNE_LAYERS_H

#include "graph.h"

/* Sequences of one pass: sequence i is rows begin[i] - begin[0] up to
** begin[i + 1] - begin[0] of a matrix of tokens. */
typedef struct attne_sequences {
  const uint32_t *begin;  /* n + 1 entries */
  const uint32_t *n_skip; /* rows of each that are not pooled, or NULL */
  size_t n;
  const attn_observer *observer; /* or NULL */
  size_t number;                 /* of sequence 0 in the batch, for the observer */
} attne_sequences;

static inline uint32_t attne_sequences_total(const attne_sequences *rows) {
  return rows->begin[rows->n] - rows->begin[0];
}

/* The keys and values of one layer for one sequence, packed as weights are:
** keys in panels of tokens, values in panels of numbers, each as long as the cache has
** room for. */
typedef struct attne_kv {
  float *keys, *values; /* of each head, attne_kv_size floats apart */
  uint32_t n, capacity; /* tokens */
} attne_kv;

/* Floats of the keys of a head, and as many of its values. */
uint64_t attne_kv_size(const attne_stack *stack, uint32_t capacity, int *overflow);

/* Appends those of n tokens: kv is rows ld apart, of all K, then all V. */
void attne_kv_append(const attne_stack *stack, size_t n, const float *kv, size_t ld,
                     attne_kv *cache);

/* Takes those of another, smaller one over. */
void attne_kv_move(const attne_stack *stack, const attne_kv *from, attne_kv *to);

/* What scores get before the softmax, beside the product of query and key. */
typedef struct attne_mask {
  int is_causal;                  /* token i of a sequence sees tokens 0 .. i */
  const float *bias;              /* [queries, keys], or NULL */
  const attne_relative *relative; /* or NULL */
} attne_mask;

/* Floats of scratch that attn_attention and attne_kv_attention need for up to n_key
** keys. */
uint64_t attne_attention_scratch(const attne_stack *stack, uint32_t n_key, int *overflow);

/* Multi-head self-attention, softmax(Q Kᵀ scale + bias) V, of every sequence by itself.
** qkv is [tokens, 3 d_heads], out is [tokens, d_heads] (n_head x d_head).  The number of
** the layer is for the observer. */
void attne_attention(const attne_stack *stack, const attne_sequences *rows,
                     uint32_t layer, const float *qkv, const attne_mask *mask,
                     float *scratch, float *out);

/* The same of n queries of one sequence, q in rows ld apart, the first of which is token
** `first`, over keys and values of before. */
void attne_kv_attention(const attne_stack *stack, size_t n, uint32_t first,
                        const float *q, size_t ld, const attne_kv *cache,
                        const attne_mask *mask, float *scratch, float *out);

/* Pools every sequence: x is [tokens, d_model], out is [n, n_pool d_model]. */
void attne_pool_rows(const attne_graph *graph, const attne_sequences *rows,
                     const float *x, float *out);

/* Divides each row of x[m, n] by its length, which counts as 1e-12 at least. */
void attne_unit_length(size_t m, size_t n, float *x);

#endif
