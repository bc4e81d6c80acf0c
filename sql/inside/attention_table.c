/*
** attention_table.c - the inside of a forward pass as rows.
**
**   attn_attention(text [, second [, model]])  the weights by which tokens attend
**   attn_heads(text [, second [, model]])      the queries, keys and values of them
**   attn_hidden(text [, model])                the token vectors between the layers
**
** They are the numbers by which embed gets its vector, and those of transformers'
** output_attentions and output_hidden_states.  Where a query says `layer = 3` or
** `head = 5`, no others are kept.
*/
#include "trace.h"
#include "../vec.h"

/* Row `row` of the trace is that of a layer, a head and a position, and of weights
** also a second position. */
typedef struct trace_rows {
  attns_rows base;
  attns_trace trace;
  size_t n, next;
} trace_rows;

static int open_trace(attns_rows *base, const attns_trace_choice *choice, char **error) {
  trace_rows *rows = (trace_rows *)base;
  if (sqlite3_value_type(choice->text) == SQLITE_NULL) return SQLITE_OK;
  int rc = attns_trace_run(&rows->trace, base->connection, choice, error);
  size_t n = rows->trace.tokens.n;
  rows->n = (size_t)rows->trace.n_layer * rows->trace.n_head * n;
  if (choice->kind == ATTNS_TRACE_WEIGHTS) rows->n *= n;
  return rc;
}

static int open_attention(attns_rows *rows, sqlite3_value **a, char **error) {
  attns_trace_choice choice = {
      ATTNS_TRACE_WEIGHTS,     a[0], a[1], a[2], attns_trace_number(a[3]),
      attns_trace_number(a[4])};
  return open_trace(rows, &choice, error);
}

static int open_heads(attns_rows *rows, sqlite3_value **a, char **error) {
  attns_trace_choice choice = {
      ATTNS_TRACE_VECTORS,     a[0], a[1], a[2], attns_trace_number(a[3]),
      attns_trace_number(a[4])};
  return open_trace(rows, &choice, error);
}

static int open_hidden(attns_rows *rows, sqlite3_value **a, char **error) {
  attns_trace_choice choice = {.kind = ATTNS_TRACE_HIDDEN,
                               .text = a[0],
                               .model = a[1],
                               .layer = attns_trace_number(a[2])};
  return open_trace(rows, &choice, error);
}

static int next_row(attns_rows *base, char **error) {
  trace_rows *rows = (trace_rows *)base;
  (void)error;
  return rows->next++ < rows->n ? SQLITE_ROW : SQLITE_DONE;
}

static void close_trace(attns_rows *base) {
  attns_trace_free(&((trace_rows *)base)->trace);
}

static void result_number(sqlite3_context *ctx, size_t n) {
  sqlite3_result_int64(ctx, (sqlite3_int64)n);
}

static void attention_column(attns_rows *base, sqlite3_context *ctx, int i) {
  trace_rows *rows = (trace_rows *)base;
  const attns_trace *trace = &rows->trace;
  const size_t n = trace->tokens.n, row = rows->next - 1;
  size_t key = row % n, query = row / n % n, head = row / n / n;
  switch (i) {
  case 0:
    result_number(ctx, trace->layer + head / trace->n_head);
    break;
  case 1:
    result_number(ctx, trace->head + head % trace->n_head);
    break;
  case 2:
    result_number(ctx, query);
    break;
  case 3:
    attns_trace_result_token(ctx, trace, query);
    break;
  case 4:
    result_number(ctx, key);
    break;
  case 5:
    attns_trace_result_token(ctx, trace, key);
    break;
  default:
    sqlite3_result_double(ctx, (double)trace->x[row]);
    break;
  }
}

static void heads_column(attns_rows *base, sqlite3_context *ctx, int i) {
  trace_rows *rows = (trace_rows *)base;
  const attns_trace *trace = &rows->trace;
  const size_t n = trace->tokens.n, d = trace->n_block / n / 3;
  size_t position = (rows->next - 1) % n, head = (rows->next - 1) / n;
  const float *x = trace->x + head * trace->n_block + position * d;
  switch (i) {
  case 0:
    result_number(ctx, trace->layer + head / trace->n_head);
    break;
  case 1:
    result_number(ctx, trace->head + head % trace->n_head);
    break;
  case 2:
    result_number(ctx, position);
    break;
  case 3:
    attns_trace_result_token(ctx, trace, position);
    break;
  default:
    attns_result_floats_copy(ctx, x + (size_t)(i - 4) * n * d, d);
    break;
  }
}

static void hidden_column(attns_rows *base, sqlite3_context *ctx, int i) {
  trace_rows *rows = (trace_rows *)base;
  const attns_trace *trace = &rows->trace;
  const size_t n = trace->tokens.n, d = trace->n_block / n, row = rows->next - 1;
  switch (i) {
  case 0:
    result_number(ctx, trace->layer + row / n);
    break;
  case 1:
    result_number(ctx, row % n);
    break;
  case 2:
    attns_trace_result_token(ctx, trace, row % n);
    break;
  default:
    attns_result_floats_copy(ctx, trace->x + row * d, d);
    break;
  }
}

const attns_table attns_attention_table = {
    .name = "attn_attention",
    .declaration = "layer INTEGER, head INTEGER, query INTEGER, query_token TEXT,"
                   " key INTEGER, key_token TEXT, weight REAL,"
                   " _text HIDDEN, _second HIDDEN, _model HIDDEN",
    .n_column = 7,
    .n_filter = 2,
    .n_argument = 3,
    .n_required = 1,
    .n_byte = sizeof(trace_rows),
    .n_expected = 100000,
    .open = open_attention,
    .next = next_row,
    .column = attention_column,
    .close = close_trace,
};

const attns_table attns_heads_table = {
    .name = "attn_heads",
    .declaration = "layer INTEGER, head INTEGER, position INTEGER, token TEXT,"
                   " query BLOB, key BLOB, value BLOB,"
                   " _text HIDDEN, _second HIDDEN, _model HIDDEN",
    .n_column = 7,
    .n_filter = 2,
    .n_argument = 3,
    .n_required = 1,
    .n_byte = sizeof(trace_rows),
    .n_expected = 5000,
    .open = open_heads,
    .next = next_row,
    .column = heads_column,
    .close = close_trace,
};

const attns_table attns_hidden_table = {
    .name = "attn_hidden",
    .declaration = "layer INTEGER, position INTEGER, token TEXT, vector BLOB,"
                   " _text HIDDEN, _model HIDDEN",
    .n_column = 4,
    .n_filter = 1,
    .n_argument = 2,
    .n_required = 1,
    .n_byte = sizeof(trace_rows),
    .n_expected = 500,
    .open = open_hidden,
    .next = next_row,
    .column = hidden_column,
    .close = close_trace,
};
