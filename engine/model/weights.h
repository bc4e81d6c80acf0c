/*
** weights.h - from a source of tensors to the weights of a graph.
*/
#ifndef ATTNE_WEIGHTS_H
#define ATTNE_WEIGHTS_H

#include "architecture.h"

/* The memory that all weights of a graph live in: one block, so that it is on huge
** pages. */
typedef struct attne_weight_block {
  void *memory;
  uint64_t n_byte;
} attne_weight_block;

/* Fills the weights of a configured graph.  Each tensor that the graph needs
** must be there, with the shape that the settings ask for.  Where `linear` is not NULL,
** linear[n_tensor] are set that tensors which may be stored as int8 are part of. */
attn_status attne_weights_load(attne_graph *graph, const attne_architecture *architecture,
                               const attn_settings *settings, const attn_source *source,
                               attne_linear **linear, attn_error *err,
                               attne_weight_block *weights);

/* The checks of load without loading.  Where mark is not NULL, tensors that may be
** stored as int8 are marked with 1. */
attn_status attne_weights_check(const attne_graph *graph,
                                const attne_architecture *architecture,
                                const attn_settings *settings, const attn_source *source,
                                attn_error *err, unsigned char *mark);

#define ATTNE_SCALE_SUFFIX "_scale" /* behind a tensor's name: the tensor of its scales */

/* The number of the tensor that holds the scales of tensor i; n_tensor where tensor i has
** none. */
size_t attne_weights_scales(const attn_source *source, size_t i);

/* Frees what load made, whole or in part. */
void attne_weights_free(attne_graph *graph, attne_weight_block *weights);

#endif
