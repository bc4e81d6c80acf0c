/*
** trace.h - one forward pass of a text, and what was seen of it.
*/
#ifndef ATTNS_TRACE_H
#define ATTNS_TRACE_H

#include "../sql.h"

/* What to keep of a pass: of layers `layer` .. `layer + n_layer - 1` and of heads
** likewise, a block of numbers each.
**
**   hidden   [n, d_model]     head is 0, n_head 1; layer n_layer: what leaves the last
**   last     the same, of layer n_layer alone
**   vectors  [3, n, d_head]   queries, keys, values
**   weights  [n, n]           a row sums to 1
*/
typedef enum attns_trace_kind {
  ATTNS_TRACE_HIDDEN,
  ATTNS_TRACE_LAST,
  ATTNS_TRACE_VECTORS,
  ATTNS_TRACE_WEIGHTS
} attns_trace_kind;

typedef struct attns_trace {
  attns_trace_kind kind;
  const attn_model *model; /* ours */
  attn_tokens tokens;
  uint32_t layer, n_layer, head, n_head;
  size_t n_block; /* numbers of a block */
  float *x;       /* [n_layer, n_head, n_block] */
} attns_trace;

#define ATTNS_ALL INT64_MIN

/* What to run and what to keep of it.  A second text and a model may be NULL, as a
** pointer or as an SQL value.  A layer or a head is ATTNS_ALL or a number; one that there
** is not leaves n_layer or n_head 0. */
typedef struct attns_trace_choice {
  attns_trace_kind kind;
  sqlite3_value *text, *second, *model;
  int64_t layer, head;
} attns_trace_choice;

/* The number of a layer or a head that has to equal a value: ATTNS_ALL where it is none.
*/
int64_t attns_trace_number(sqlite3_value *value);

/* Runs a text as embed does, but for the prompt, or a pair of texts.  Start with all
** zero, and free the trace whatever comes back. */
int attns_trace_run(attns_trace *trace, attns_connection *c,
                    const attns_trace_choice *choice, char **error);
void attns_trace_free(attns_trace *trace);

/* The block of a layer and a head, both counted from the first one that was kept. */
const float *attns_trace_block(const attns_trace *trace, size_t layer, size_t head);

/* The token at a position, which lives as long as the trace. */
attn_text attns_trace_token(const attns_trace *trace, size_t position);

/* The same as the result of a function. */
void attns_trace_result_token(sqlite3_context *ctx, const attns_trace *trace,
                              size_t position);

#endif
