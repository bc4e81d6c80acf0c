/*
** stack.h - token vectors through the layers of an encoder or a decoder.
*/
#ifndef ATTNE_STACK_H
#define ATTNE_STACK_H

#include "layers.h"

/* Where things are in the arena of a pass of up to n tokens, in floats from its start:
**
**   x        [n, d_model]
**   normed   [n, d_model], where norms come first
**   scratch  of the linears
**   free     from here on it is anybody's between the layers
**     qkv      [n, 3 d_heads]   wide [n, d_ff], gate [n, d_ff]
**     context  [n, d_heads], n_head x d_head
**     scores   scratch of attention
**
** The two columns are never needed at the same time and share their memory. */
typedef struct attne_layout {
  uint64_t x, normed, scratch;
  uint64_t free;
  uint64_t qkv, context, scores;
  uint64_t wide, gate;
  uint64_t size;
} attne_layout;

/* For tokens whose attention is over up to n_key keys.  *overflow is sticky. */
void attne_layout_stack(const attne_graph *graph, const attne_stack *stack,
                        uint64_t n_token, uint32_t n_key, uint64_t linear_scratch,
                        attne_layout *plan, int *overflow);

/* Floats of scratch for any linear of the stack over n_token rows. */
uint64_t attne_stack_scratch(const attne_stack *stack, uint64_t n_token, int *overflow);

/* What a decoder looks at beside the tokens of a pass. */
typedef struct attne_kv_cache {
  attne_kv *self;   /* [n_layer]: its own tokens of before; NULL: nothing is kept */
  uint32_t n_token; /* of before */
  attne_kv *cross;  /* [n_layer]: the encoder's result; NULL: there is none */
} attne_kv_cache;

/* A pass over the layers.  The tokens are those of `rows`: one sequence where there is a
** cache, behind the tokens that are in it already; they are added to it. */
typedef struct attne_pass {
  const attne_graph *graph;
  const attne_stack *stack;
  const attne_layout *plan;
  float *arena;
  const attne_sequences *rows;
  attne_kv_cache *cache;          /* or NULL */
  int is_causal;                  /* token i of a sequence sees tokens 0 .. i */
  const float *bias, *cross_bias; /* of scores, [tokens, keys], or NULL */
  attn_stop stop;                 /* asked before each layer */
} attne_pass;

/* Row `id` of the table of words, which may be int8, or packed as the head's outputs. */
void attne_copy_token_embedding(const attne_graph *graph, int32_t id, float *x);

/* The vectors of n token ids and their types (NULL: 0), as the first layer takes them;
** `first` tokens of their sequence come before them. */
void attne_embed_tokens(const attne_graph *graph, const attne_stack *stack,
                        const int32_t *id, const uint8_t *type, uint32_t first, size_t n,
                        float *x);

/* Shows the observer n token vectors of sequence i, from `first` on, that enter a layer.
*/
void attne_show_hidden(const attne_graph *graph, const attne_sequences *rows, size_t i,
                       size_t first, size_t n, uint32_t layer, const float *x);

/* x through the stack's first norm, layers and last norm, or ATTN_INTERRUPTED. */
attn_status attne_run_stack(const attne_pass *pass);

/* A norm of m rows; y may be x. */
void attne_apply_norm(const attne_graph *graph, const attne_norm *norm, size_t m,
                      const float *x, float *y);

#endif
