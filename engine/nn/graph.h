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
#ifndef ATTNE_GRAPH_H
#define ATTNE_GRAPH_H

#include "../base/base.h"
#include "linear.h"

typedef enum attne_norm_kind {
  ATTNE_LAYER_NORM, /* (x - mean) / sqrt(variance + eps) * weight + bias; Ba et al. 2016 */
  ATTNE_RMS_NORM    /* x / sqrt(mean of x² + eps) * weight; Zhang & Sennrich 2019 */
} attne_norm_kind;

typedef struct attne_norm {
  const float *weight; /* [d_model]; NULL: there is no such norm, and x stays */
  const float *bias;   /* [d_model]; zeros where the model has none */
  float eps;
} attne_norm;

typedef struct attne_layer {
  attne_linear qkv; /* d_model -> 3 n_head x d_head: all of Q, then K, then V */
  attne_linear out; /* n_head x d_head -> d_model */
  attne_linear cross_q, cross_kv, cross_out; /* of a decoder beside an encoder */
  attne_linear up;                           /* d_model -> d_ff */
  attne_linear gate;                         /* the same, where the graph is gated */
  attne_linear down;
  attne_norm norm_attention, norm_cross, norm_ffn;
} attne_layer;

/* Learned biases of scores by distance, key minus query (Raffel et al. 2020). */
typedef struct attne_relative {
  uint32_t n_bucket, max_distance;
  const float *weight; /* [n_bucket, n_head], as it is stored */
  const float *bias; /* [n_head, 2 max_distance + 1]: of -max_distance, ...; NULL: none */
} attne_relative;

typedef struct attne_stack {
  uint32_t n_layer, n_head, d_head, d_ff; /* n_head is 0: there is no such stack */
  attne_layer *layer;                     /* [n_layer] */
  int is_causal;                          /* a token sees those up to itself */
  int has_cross;
  float score_scale;

  /* positions; NULL and no relative ones: none */
  const float *position; /* [n_position, d_model] */
  uint32_t n_position;
  uint32_t first_position; /* of a sequence's first token: RoBERTa counts from pad + 1 */
  int32_t uncounted;       /* a token of this id takes position `uncounted` and does not
                           ** count (RoBERTa's padding, typed in a text); -1: none */
  attne_relative relative;
  attne_norm norm_embedding, norm_final;
} attne_stack;

/* How the token vectors become one vector; several are concatenated.  The order
** is that in which sentence-transformers concatenates a legacy configuration. */
typedef enum attne_pool {
  ATTNE_POOL_CLS, /* the first token that is pooled */
  ATTNE_POOL_MAX,
  ATTNE_POOL_MEAN,
  ATTNE_POOL_MEAN_SQRT_LEN,
  ATTNE_POOL_WEIGHTED_MEAN, /* weight of token i of the sequence: i + 1 */
  ATTNE_POOL_LAST,
  ATTNE_N_POOL
} attne_pool;

/* From token vectors to what hidden words are; see cloze.c. */
typedef struct attne_mlm_head {
  attne_linear transform; /* d_model -> d_model */
  attne_norm norm;
  const float *word; /* [n_vocab, d_model]; NULL: the table of words */
  const float *bias; /* [n_vocab]; NULL: there is no such head */
} attne_mlm_head;

typedef struct attne_dense {
  attne_linear linear;
  uint32_t module; /* its place in the list of modules */
  attne_activation activation;
} attne_dense;

enum { ATTNE_MAX_DENSE = 8 };

typedef struct attne_graph {
  uint32_t d_model;
  int is_static; /* the vector is the mean of the rows of the words and no more: without
              ** positions, norm and layers; of no tokens it is zero */
  attne_activation activation;
  int is_gated; /* ffn(x) = down(activation(up x) * gate x), else down(activation(up x)) */
  attne_norm_kind norm;
  float eps;                /* of all norms */
  int norm_first;           /* pre-norm */
  int has_bias;             /* linears and norms do */
  attn_precision precision; /* of the layers' linears and, where there is one, the table
                            ** of words */

  /* embeddings of tokens; n_vocab is 0 where the graph takes matrices */
  const int8_t *word_int8;  /* [n_vocab, d_model], with scales, or NULL: */
  const float *word;        /* the same; NULL: they are the rows of the head's W */
  const float *word_scales; /* [n_vocab, groups], see attn.h */
  uint32_t n_vocab;
  float word_scale;
  const float *type; /* [n_type, d_model], or NULL */
  uint32_t n_type;

  attne_stack encoder, decoder;

  /* from token vectors to logits; n_out is 0: no head.  Tied: its W is word. */
  attne_linear head;
  int has_head, is_tied;
  float head_scale; /* of the vectors that go in */

  attne_mlm_head mlm; /* where the model's tensors have it */

  /* from token vectors to one vector; n_pool is 0: not at all */
  attne_pool pool[ATTNE_N_POOL];
  uint32_t n_pool;
  int pool_prompt; /* 0: the prompt's tokens are left out of the pooling */
  attne_dense dense[ATTNE_MAX_DENSE];
  uint32_t n_dense;
  int normalize;
  uint32_t dimension;
} attne_graph;

/* The stack whose token vectors are the result. */
static inline const attne_stack *attne_graph_last(const attne_graph *graph) {
  return graph->decoder.n_head ? &graph->decoder : &graph->encoder;
}

static inline size_t attne_stack_width(const attne_stack *stack) {
  return (size_t)stack->n_head * stack->d_head;
}

#endif
