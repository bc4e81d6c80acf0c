/*
** trace.h - one forward pass of a text, and what was seen of it.
*/
#ifndef ATTN_TRACE_H
#define ATTN_TRACE_H

#include "../sql.h"

/* What to keep of a pass: of layers `layer` .. `layer + n_layer - 1` and of heads
** likewise, a block of numbers each.
**
**   hidden   [n, d_model]     head is 0, n_head 1; layer n_layer: what leaves the last
**   last     the same, of layer n_layer alone
**   vectors  [3, n, d_head]   queries, keys, values
**   weights  [n, n]           a row sums to 1
*/
typedef enum attn_trace_kind {
  ATTN_TRACE_HIDDEN,
  ATTN_TRACE_LAST,
  ATTN_TRACE_VECTORS,
  ATTN_TRACE_WEIGHTS
} attn_trace_kind;

typedef struct attn_trace {
  attn_trace_kind kind;
  const attn_model *model; /* ours */
  attn_tokens tokens;
  uint32_t layer, n_layer, head, n_head;
  size_t n_block; /* numbers of a block */
  float *x;       /* [n_layer, n_head, n_block] */
} attn_trace;

#define ATTN_ALL INT64_MIN

/* What to run and what to keep of it.  A second text and a model may be NULL, as a pointer
** or as an SQL value.  A layer or a head is ATTN_ALL or a number; one that there is not
** leaves n_layer or n_head 0. */
typedef struct attn_look {
  attn_trace_kind kind;
  sqlite3_value *text, *second, *model;
  int64_t layer, head;
} attn_look;

/* The number of a layer or a head that has to equal a value: ATTN_ALL where it is none. */
int64_t attn_look_number(sqlite3_value *value);

/* Runs a text as embed does, but for the prompt, or a pair of texts.  Start with all
** zero, and free the trace whatever comes back. */
int attn_trace_run(attn_trace *trace, attn_connection *c, const attn_look *look,
                   char **error);
void attn_trace_free(attn_trace *trace);

/* The block of a layer and a head, both counted from the first one that was kept. */
const float *attn_trace_block(const attn_trace *trace, size_t layer, size_t head);

/* The token at a position, which lives as long as the trace. */
attn_text attn_trace_token(const attn_trace *trace, size_t position);

/* The same as the result of a function. */
void attn_trace_result_token(sqlite3_context *ctx, const attn_trace *trace,
                             size_t position);

#endif
