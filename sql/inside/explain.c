/*
** explain.c - attn_explain(a, b [, model]): which tokens made two texts similar.
**
** A mean of token vectors is a sum, and so the cosine of two of them is a sum over
** all pairs of a token of a and a token of b:
**
**   u = sum over i of w_i x_i,  v = sum over j of w_j y_j
**   cos(u, v) = u·v / (|u| |v|) = sum over i, j of  w_i w_j x_i·y_j / (|u| |v|)
**
** A row is a pair and its term, so that the terms add up to the similarity of
** embed(a) and embed(b), 1 - vec_distance_cosine.  It is the dot product of the token
** vectors behind the last layer, which know the rest of their text.  Pooling that is
** no sum (max), one token (cls, last) or followed by Dense modules has no such parts.
*/
#include "trace.h"
#include <math.h>
#include <string.h>

typedef struct explain_rows {
  attns_rows base;
  attns_trace a, b;
  int weighted;  /* 1: token i counts i + 1 times */
  double factor; /* 1 / (|u| |v|) */
  size_t n, next;
} explain_rows;

static int check_pooling(const attn_model *model, char **error) {
  static const char *const sums[] = {"mean", "mean_sqrt_len_tokens", "weightedmean"};
  const attn_model_info *info = attn_model_get_info(model);
  int found = 0;
  for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
    found |= strcmp(info->pooling, sums[i]) == 0;
  }
  if (found && info->n_dense == 0) return SQLITE_OK;
  return attns_sql_fail(
      error, SQLITE_ERROR,
      "attn_explain: the model's pooling is %s%s; expected mean, "
      "mean_sqrt_len_tokens or weightedmean alone, whose vectors are sums "
      "of token vectors",
      info->pooling, info->n_dense ? " with Dense modules" : "");
}

static size_t width(const attns_trace *trace) {
  return attn_model_get_info(trace->model)->d_model;
}

/* How much the vector of a token counts. */
static double weight(const explain_rows *rows, size_t position) {
  return rows->weighted ? (double)(position + 1) : 1;
}

/* |sum of w_i x_i| */
static double length(const explain_rows *rows, const attns_trace *trace) {
  const size_t d = width(trace);
  double squares = 0;
  for (size_t k = 0; k < d; k++) {
    double sum = 0;
    for (size_t i = 0; i < trace->tokens.n; i++) {
      sum += weight(rows, i) * (double)trace->x[i * d + k];
    }
    squares += sum * sum;
  }
  return sqrt(squares);
}

/* The token vectors behind the last layer. */
static int run(attns_trace *trace, attns_connection *c, sqlite3_value *text,
               sqlite3_value *model, char **error) {
  attns_trace_choice choice = {.kind = ATTNS_TRACE_LAST, .text = text, .model = model};
  int rc = attns_trace_run(trace, c, &choice, error);
  return rc == SQLITE_OK ? check_pooling(trace->model, error) : rc;
}

static int open_explain(attns_rows *base, sqlite3_value **argument, char **error) {
  explain_rows *rows = (explain_rows *)base;
  if (sqlite3_value_type(argument[0]) == SQLITE_NULL ||
      sqlite3_value_type(argument[1]) == SQLITE_NULL)
    return SQLITE_OK;
  int rc = run(&rows->a, base->connection, argument[0], argument[2], error);
  if (rc == SQLITE_OK)
    rc = run(&rows->b, base->connection, argument[1], argument[2], error);
  if (rc != SQLITE_OK) return rc;
  const char *pooling = attn_model_get_info(rows->a.model)->pooling;
  rows->weighted = strcmp(pooling, "weightedmean") == 0;
  double lengths = length(rows, &rows->a) * length(rows, &rows->b);
  rows->factor = lengths == 0 ? 0 : 1 / lengths; /* as vec_distance_cosine has it */
  rows->n = rows->a.tokens.n * rows->b.tokens.n;
  return SQLITE_OK;
}

static int next_pair(attns_rows *base, char **error) {
  explain_rows *rows = (explain_rows *)base;
  (void)error;
  return rows->next++ < rows->n ? SQLITE_ROW : SQLITE_DONE;
}

static double share(const explain_rows *rows, size_t i, size_t j) {
  const size_t d = width(&rows->a);
  const float *x = rows->a.x + i * d, *y = rows->b.x + j * d;
  double sum = 0;
  for (size_t k = 0; k < d; k++) sum += (double)x[k] * (double)y[k];
  return sum * weight(rows, i) * weight(rows, j) * rows->factor;
}

static void explain_column(attns_rows *base, sqlite3_context *ctx, int column) {
  explain_rows *rows = (explain_rows *)base;
  size_t i = (rows->next - 1) / rows->b.tokens.n, j = (rows->next - 1) % rows->b.tokens.n;
  switch (column) {
  case 0:
    sqlite3_result_int64(ctx, (sqlite3_int64)i);
    break;
  case 1:
    attns_trace_result_token(ctx, &rows->a, i);
    break;
  case 2:
    sqlite3_result_int64(ctx, (sqlite3_int64)j);
    break;
  case 3:
    attns_trace_result_token(ctx, &rows->b, j);
    break;
  default:
    sqlite3_result_double(ctx, share(rows, i, j));
    break;
  }
}

static void close_explain(attns_rows *base) {
  explain_rows *rows = (explain_rows *)base;
  attns_trace_free(&rows->a);
  attns_trace_free(&rows->b);
}

const attns_table attns_explain_table = {
    .name = "attn_explain",
    .declaration = "a INTEGER, a_token TEXT, b INTEGER, b_token TEXT, share REAL,"
                   " _a HIDDEN, _b HIDDEN, _model HIDDEN",
    .n_column = 5,
    .n_argument = 3,
    .n_required = 2,
    .n_byte = sizeof(explain_rows),
    .n_expected = 400,
    .open = open_explain,
    .next = next_pair,
    .column = explain_column,
    .close = close_explain,
};
