/*
** weights.h - from a source of tensors to the weights of a graph.
*/
#ifndef ATTN_WEIGHTS_H
#define ATTN_WEIGHTS_H

#include "architecture.h"

/* The memory that all weights of a graph live in: one block, so that it is on huge
** pages. */
typedef struct attn_weights {
  void *memory;
  uint64_t n_byte;
} attn_weights;

/* Fills the weights of a configured graph.  Each tensor that the graph needs
** must be there, with the shape that the settings ask for.  Where `linear` is not NULL,
** linear[n_tensor] are set that tensors which may be stored as int8 are part of. */
attn_status attn_weights_load(attn_graph *graph, const attn_architecture *architecture,
                              const attn_settings *settings, const attn_source *source,
                              attn_linear **linear, attn_error *err,
                              attn_weights *weights);

/* The checks of load without loading.  Where mark is not NULL, tensors that may be
** stored as int8 are marked with 1. */
attn_status attn_weights_check(const attn_graph *graph,
                               const attn_architecture *architecture,
                               const attn_settings *settings, const attn_source *source,
                               attn_error *err, unsigned char *mark);

#define ATTN_SCALE_SUFFIX "_scale" /* behind a tensor's name: the tensor of its scales */

/* The number of the tensor that holds the scales of tensor i; n_tensor where tensor i has
** none. */
size_t attn_weights_scales(const attn_source *source, size_t i);

/* Frees what load made, whole or in part. */
void attn_weights_free(attn_graph *graph, attn_weights *weights);

#endif
