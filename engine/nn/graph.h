/*
** graph.h - the one parametrised Transformer, as data.
**
** A graph has an encoder, a decoder or both, each a stack of layers:
**
**   x = norm_embedding(scale word[id] + type[0] + position[p])
**   per layer, post-norm:   x = norm(x + attention(x));  x = norm(x + ffn(x))
**              pre-norm:    x = x + attention(norm(x));  x = x + ffn(norm(x))
**   x = norm_final(x)
**
** and a decoder beside an encoder has a third step between the two, whose queries come
** from x and whose keys and values come from the encoder's result (Vaswani et al. 2017).
** From token vectors it goes on in one of two ways, or both:
**
**   vector = normalize?(dense_n(... dense_1(pool(x)) ...))
**   logits = x headᵀ + bias
**
** An architecture (BERT, GPT-2, BART) is a row of the table in architecture.c: names of
** settings and tensors, and the choices below.  Nothing in the forward pass asks for
** an architecture by name.
*/
#ifndef ATTN_GRAPH_H
#define ATTN_GRAPH_H

#include "../base/base.h"
#include "linear.h"

typedef enum attn_norm_kind {
  ATTN_LAYER_NORM, /* (x - mean) / sqrt(variance + eps) * weight + bias; Ba et al. 2016 */
  ATTN_RMS_NORM    /* x / sqrt(mean of x² + eps) * weight; Zhang & Sennrich 2019 */
} attn_norm_kind;

typedef struct attn_norm {
  const float *weight; /* [d_model]; NULL: there is no such norm, and x stays */
  const float *bias;   /* [d_model]; zeros where the model has none */
  float eps;
} attn_norm;

/* "inner" is n_head d_head. */
typedef struct attn_layer {
  attn_linear qkv; /* d_model -> 3 inner: all of Q, then K, then V */
  attn_linear out; /* inner -> d_model */
  attn_linear cross_q, cross_kv, cross_out; /* of a decoder beside an encoder */
  attn_linear up;                           /* d_model -> d_ff */
  attn_linear gate;                         /* the same, where the graph is gated */
  attn_linear down;
  attn_norm norm_attention, norm_cross, norm_ffn;
} attn_layer;

/* Learned biases of scores by distance, key minus query (Raffel et al. 2020). */
typedef struct attn_relative {
  uint32_t n_bucket, max_distance;
  const float *weight; /* [n_bucket, n_head], as it is stored */
  const float *bias;   /* [n_head, 2 max_distance + 1]: of -max_distance, ...; NULL: none */
} attn_relative;

typedef struct attn_stack {
  uint32_t n_layer, n_head, d_head, d_ff; /* n_head is 0: there is no such stack */
  attn_layer *layer;                      /* [n_layer] */
  int is_causal;                          /* a token sees those up to itself */
  int has_cross;
  float score_scale;

  /* positions; NULL and no relative ones: none */
  const float *position;   /* [n_position, d_model] */
  uint32_t n_position;
  uint32_t first_position; /* of a sequence's first token: RoBERTa counts from pad + 1 */
  int32_t uncounted;       /* a token of this id takes position `uncounted` and does not
                           ** count (RoBERTa's padding, typed in a text); -1: none */
  attn_relative relative;
  attn_norm norm_embedding, norm_final;
} attn_stack;

/* How the token vectors become one vector; several are concatenated.  The order
** is that in which sentence-transformers concatenates a legacy configuration. */
typedef enum attn_pool {
  ATTN_POOL_CLS, /* the first token that is pooled */
  ATTN_POOL_MAX,
  ATTN_POOL_MEAN,
  ATTN_POOL_MEAN_SQRT_LEN,
  ATTN_POOL_WEIGHTED_MEAN, /* weight of token i of the sequence: i + 1 */
  ATTN_POOL_LAST,
  ATTN_N_POOL
} attn_pool;

/* From token vectors to what hidden words are; see cloze.c. */
typedef struct attn_cloze {
  attn_linear transform; /* d_model -> d_model */
  attn_norm norm;
  const float *word; /* [n_vocab, d_model]; NULL: the table of words */
  const float *bias; /* [n_vocab]; NULL: there is no such head */
} attn_cloze;

typedef struct attn_dense {
  attn_linear linear;
  uint32_t module; /* its place in the list of modules */
  attn_activation activation;
} attn_dense;

enum { ATTN_MAX_DENSE = 8 };

typedef struct attn_graph {
  uint32_t d_model;
  int is_bag; /* the vector is the mean of the rows of the words and no more: without
              ** positions, norm and layers; of no tokens it is zero */
  attn_activation activation;
  int is_gated; /* ffn(x) = down(activation(up x) * gate x), else down(activation(up x)) */
  attn_norm_kind norm;
  float eps;                /* of all norms */
  int norm_first;           /* pre-norm */
  int has_bias;             /* linears and norms do */
  attn_precision precision; /* of the layers' linears and, where there is one, the table
                            ** of words */

  /* embeddings of tokens; n_vocab is 0 where the graph takes matrices */
  const int8_t *word_int8;  /* [n_vocab, d_model], with scales, or NULL: */
  const float *word; /* the same; NULL: they are the rows of the head's W */
  const float *word_scales; /* [n_vocab, groups], see attn.h */
  uint32_t n_vocab;
  float word_scale;
  const float *type; /* [n_type, d_model], or NULL */
  uint32_t n_type;

  attn_stack encoder, decoder;

  /* from token vectors to logits; n_out is 0: no head.  Tied: its W is word. */
  attn_linear head;
  int has_head, is_tied;
  float head_scale; /* of the vectors that go in */

  attn_cloze cloze; /* where the model's tensors have it */

  /* from token vectors to one vector; n_pool is 0: not at all */
  attn_pool pool[ATTN_N_POOL];
  uint32_t n_pool;
  int pool_prompt; /* 0: the prompt's tokens are left out of the pooling */
  attn_dense dense[ATTN_MAX_DENSE];
  uint32_t n_dense;
  int normalize;
  uint32_t dimension;
} attn_graph;

/* The stack whose token vectors are the result. */
static inline const attn_stack *attn_graph_last(const attn_graph *graph) {
  return graph->decoder.n_head ? &graph->decoder : &graph->encoder;
}

static inline size_t attn_stack_inner(const attn_stack *stack) {
  return (size_t)stack->n_head * stack->d_head;
}

#endif
