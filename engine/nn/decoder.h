/*
** decoder.h - a sequence that grows: its tokens go in, logits come out.
**
** The keys and values of all tokens so far are kept, so a further token costs a pass
** of one row.  They are the same bits as in a pass over the whole sequence.
*/
#ifndef ATTNE_DECODER_H
#define ATTNE_DECODER_H

#include "graph.h"
#include "stack.h"

typedef struct attne_decoder {
  const attne_graph *graph;
  attn_stop stop;
  attne_kv_cache cache;
  uint32_t n_source; /* rows of the encoder's result */
  float *memory;     /* that of the encoder's keys and values */
  float *kept;       /* that of cache.self */
  void *arena;
  uint64_t n_arena, n_kept, n_cached; /* bytes: of arena, of kept, of kept and memory */
} attne_decoder;

/* Starts with all zero; frees what is half made. */
void attne_decoder_free(attne_decoder *d);

/* Makes room for the cache's layers.  `keeps`: tokens are added to a cache. */
attn_status attne_decoder_init(attne_decoder *d, const attne_graph *graph, int keeps,
                               attn_stop stop, attn_error *err);

/* Runs the encoder over tokens, or over x[n, d_model] where id is NULL, and keeps what
** the decoder's layers look at, in the place of what they looked at before.  bias [n, n]
** or NULL. */
attn_status attne_decoder_source(attne_decoder *d, const int32_t *id, const float *x,
                                 uint32_t n, const float *bias, attn_error *err);

/* n tokens behind those of before, or rows of y[n, d_model] where id is NULL, in one
** pass. `how` has the mask.  *out: their vectors, [n, d_model], until the next pass. */
attn_status attne_decoder_run(attne_decoder *d, const attne_pass *how, const int32_t *id,
                              const float *y, uint32_t n, attn_error *err, float **out);

/* Tokens behind those of before; the logits of the last n_logits of them go to
** logits[n_logits, n_vocab]. */
attn_status attne_decoder_add(attne_decoder *d, const int32_t *id, uint32_t n,
                              uint32_t n_logits, attn_error *err, float *logits);

/* Are these ids of the vocabulary?  `what` names them in the error. */
attn_status attne_check_ids(const attne_graph *graph, const char *what, const int32_t *id,
                            size_t n, uint32_t max, attn_error *err);

/* The most tokens that a stack has positions for. */
uint32_t attne_stack_positions(const attne_stack *stack);

#endif
