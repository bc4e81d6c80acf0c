/*
** encoder.h - the forward pass: token ids in, one vector a sequence out.
*/
#ifndef ATTNE_ENCODER_H
#define ATTNE_ENCODER_H

#include "graph.h"

/* The tokens of a pass over the layers: enough that weights are read for many rows,
** few enough that activations stay in the second-level cache. */
enum { ATTNE_PASS_TOKENS = 112 };

/* Bytes of arena that attne_forward needs for a batch of n_token tokens in n
** sequences of at most max_length each; 0 when that overflows. */
uint64_t attne_forward_memory(const attne_graph *graph, uint32_t n_token, uint32_t n,
                              uint32_t max_length);

/* Runs the graph over a batch whose ids and lengths are checked already.  The
** arena is 64-byte aligned and at least attne_forward_memory bytes.  Allocates
** nothing and cannot fail.  out: [batch->n, graph->dimension].  An observer, or NULL,
** is shown what comes into being, sequence 0 as number `number`. */
void attne_forward(const attne_graph *graph, const attn_batch *batch,
                   const attn_observer *observer, size_t number, void *arena, float *out);

#endif
