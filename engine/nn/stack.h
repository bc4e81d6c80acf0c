/*
** stack.h - token vectors through the layers of an encoder or a decoder.
*/
#ifndef ATTN_STACK_H
#define ATTN_STACK_H

#include "layers.h"

/* Where things are in the arena of a pass of up to n tokens, in floats from its start:
**
**   x        [n, d_model]
**   normed   [n, d_model], where norms come first
**   scratch  of the linears
**   free     from here on it is anybody's between the layers
**     qkv      [n, 3 inner]     wide [n, d_ff], gate [n, d_ff]
**     context  [n, inner]
**     scores   scratch of attention
**
** The two columns are never needed at the same time and share their memory. */
typedef struct attn_plan {
  uint64_t x, normed, scratch;
  uint64_t free;
  uint64_t qkv, context, scores;
  uint64_t wide, gate;
  uint64_t size;
} attn_plan;

/* For tokens whose attention is over up to n_key keys.  *overflow is sticky. */
void attn_plan_stack(const attn_graph *graph, const attn_stack *stack, uint64_t n_token,
                     uint32_t n_key, uint64_t linear_scratch, attn_plan *plan,
                     int *overflow);

/* Floats of scratch for any linear of the stack over n_token rows. */
uint64_t attn_stack_scratch(const attn_stack *stack, uint64_t n_token, int *overflow);

/* What a decoder looks at beside the tokens of a pass. */
typedef struct attn_cache {
  attn_cached *self;  /* [n_layer]: its own tokens of before; NULL: nothing is kept */
  uint32_t n_token;   /* of before */
  attn_cached *cross; /* [n_layer]: the encoder's result; NULL: there is none */
} attn_cache;

/* A pass over the layers.  The tokens are those of `rows`: one sequence where there is a
** cache, behind the tokens that are in it already; they are added to it. */
typedef struct attn_pass {
  const attn_graph *graph;
  const attn_stack *stack;
  const attn_plan *plan;
  float *arena;
  const attn_rows *rows;
  attn_cache *cache; /* or NULL */
  int is_causal;     /* token i of a sequence sees tokens 0 .. i */
  const float *bias, *cross_bias; /* of scores, [tokens, keys], or NULL */
  attn_stop stop; /* asked before each layer */
} attn_pass;

/* Row `id` of the table of words, which may be int8, or packed as the head's outputs. */
void attn_copy_word(const attn_graph *graph, int32_t id, float *x);

/* The vectors of n token ids and their types (NULL: 0), as the first layer takes them;
** `first` tokens of their sequence come before them. */
void attn_embed_tokens(const attn_graph *graph, const attn_stack *stack, const int32_t *id,
                       const uint8_t *type, uint32_t first, size_t n, float *x);

/* Shows the observer n token vectors of sequence i, from `first` on, that enter a layer. */
void attn_show_hidden(const attn_graph *graph, const attn_rows *rows, size_t i, size_t first,
                      size_t n, uint32_t layer, const float *x);

/* x through the stack's first norm, layers and last norm, or ATTN_INTERRUPTED. */
attn_status attn_run_stack(const attn_pass *pass);

/* A norm of m rows; y may be x. */
void attn_apply_norm(const attn_graph *graph, const attn_norm *norm, size_t m,
                     const float *x, float *y);

#endif
