/*
** graph.h - the one parametrised Transformer, as data.
**
**   x = norm_0(word[id] + position[p] + type[0])
**   per layer, post-norm:   x = norm_1(x + attention(x));  x = norm_2(x + ffn(x))
**   vector = normalize?(dense_n(... dense_1(pool(x)) ...))
**
** An architecture (BERT, RoBERTa, DistilBERT) is a row of the table in graph.c:
** names of settings and tensors, and the choices below.  Nothing in the forward
** pass asks for an architecture by name.
*/
#ifndef ATTN_GRAPH_H
#define ATTN_GRAPH_H

#include "base.h"
#include "linear.h"

/* LayerNorm: (x - mean) / sqrt(variance + eps) * weight + bias; Ba et al. 2016 */
typedef struct attn_norm {
  const float *weight, *bias; /* [d_model] */
  float eps;
} attn_norm;

typedef struct attn_layer {
  attn_linear qkv; /* d_model -> 3 d_model: all of Q, then K, then V */
  attn_linear out; /* d_model -> d_model */
  attn_linear up;  /* d_model -> d_ff */
  attn_linear down;
  attn_norm norm_attention, norm_ffn;
} attn_layer;

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

typedef struct attn_dense {
  attn_linear linear;
  uint32_t module; /* its place in the list of modules */
  attn_activation activation;
} attn_dense;

enum { ATTN_MAX_DENSE = 8 };

typedef struct attn_graph {
  uint32_t d_model, n_layer, n_head, d_head, d_ff;
  int is_bag; /* the vector is the mean of the rows of the words and no more: without
              ** positions, norm and layers; of no tokens it is zero */
  attn_activation activation;
  attn_precision precision; /* of the layers' linears */

  /* embeddings */
  const float *word; /* [n_vocab, d_model] */
  uint32_t n_vocab;
  const float *position; /* [n_position, d_model] */
  uint32_t n_position;
  uint32_t first_position; /* of a sequence's first token: RoBERTa counts from pad + 1 */
  int32_t uncounted;       /* a token of this id takes position `uncounted` and does not
                           ** count (RoBERTa's padding, typed in a text); -1: none */
  const float *type;       /* [n_type, d_model], or NULL */
  uint32_t n_type;
  attn_norm norm_embedding;

  attn_layer *layer; /* [n_layer] */

  /* from token vectors to one vector */
  attn_pool pool[ATTN_N_POOL];
  uint32_t n_pool;
  int pool_prompt;  /* 0: the prompt's tokens are left out of the pooling */
  attn_dense dense[ATTN_MAX_DENSE];
  uint32_t n_dense;
  int normalize;
  uint32_t dimension;
} attn_graph;

#endif
