/*
** matrix.c - matrices as arguments and results, and what is done with them.
**
**   attn_matmul(a, b, n)       a b; n columns in b
**   attn_transpose(x, n)       rows become columns
**   attn_scale(x, factor)      x factor
**   attn_stack(vector)         aggregate: a row of the query is a row of the matrix
**   attn_rows(x, n)            table: the rows of a matrix
**   attn_one_hot(id, n)        n numbers, 1 at id and 0 elsewhere
**   attn_positions(m, n)       sinusoidal positions
**   attn_mask(kind, ...)       a matrix that is added to scores: 0, or -inf where a
**                              query may not look
*/
#include "matrix.h"
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ------------------------------------------------------------------------- calls */

int attns_call_ok(const attns_call *call) {
  return call->rc == SQLITE_OK && !call->is_null;
}

void attns_call_fail(attns_call *call, const char *format, ...) {
  va_list ap;
  if (!attns_call_ok(call)) return;
  va_start(ap, format);
  char *message = sqlite3_vmprintf(format, ap);
  va_end(ap);
  call->rc =
      message ? attns_sql_fail(&call->error, SQLITE_ERROR, "%s: %s", call->name, message)
              : SQLITE_NOMEM;
  sqlite3_free(message);
}

static int is_given(const attns_call *call, int i) {
  return i < call->argc && sqlite3_value_type(call->argv[i]) != SQLITE_NULL;
}

attns_matrix attns_call_optional(attns_call *call, int i, const char *what) {
  attns_matrix x = {NULL, 0};
  char *reason = NULL;
  if (!attns_call_ok(call) || !is_given(call, i)) return x;
  int rc = attns_value_floats(call->argv[i], &reason, &x.x, &x.n);
  if (rc == SQLITE_OK) {
    call->owned[call->n_owned++] = x.x;
  } else if (reason) {
    attns_call_fail(call, "%s: %s", what, reason);
  } else {
    call->rc = rc;
  }
  sqlite3_free(reason);
  return x;
}

attns_matrix attns_call_matrix(attns_call *call, int i, const char *what) {
  if (!is_given(call, i)) call->is_null = 1;
  return attns_call_optional(call, i, what);
}

/* Argument i, a whole number from `least` to `most`. */
static sqlite3_int64 whole_number(attns_call *call, int i, const char *what,
                                  sqlite3_int64 least, sqlite3_int64 most) {
  if (!is_given(call, i)) call->is_null = 1;
  if (!attns_call_ok(call)) return least;
  char name[64];
  sqlite3_int64 n;
  sqlite3_snprintf(sizeof name, name, "%s: %s", call->name, what);
  call->rc = attns_value_whole(call->argv[i], name, least, most, &call->error, &n);
  return call->rc == SQLITE_OK ? n : least;
}

size_t attns_call_size(attns_call *call, int i, const char *what) {
  return (size_t)whole_number(call, i, what, 1, INT_MAX);
}

double attns_call_number(attns_call *call, int i, const char *what, double absent) {
  if (!attns_call_ok(call) || !is_given(call, i)) return absent;
  int type = sqlite3_value_numeric_type(call->argv[i]);
  if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) {
    attns_call_fail(call, "%s is %!.40s; expected a number", what,
                    attns_value_found(call->argv[i]));
  }
  return sqlite3_value_double(call->argv[i]);
}

size_t attns_call_rows(attns_call *call, attns_matrix x, const char *what, size_t n) {
  if (!attns_call_ok(call)) return 1;
  if (x.n % n == 0) return x.n / n;
  attns_call_fail(call, "%s has %llu numbers; expected rows of %llu", what,
                  (unsigned long long)x.n, (unsigned long long)n);
  return 1;
}

void attns_call_expect(attns_call *call, attns_matrix x, const char *what, size_t n,
                       const char *why) {
  if (!x.x || x.n == n) return;
  attns_call_fail(call, "%s has %llu numbers; expected %llu, %s", what,
                  (unsigned long long)x.n, (unsigned long long)n, why);
}

float *attns_call_result(attns_call *call, size_t m, size_t n) {
  if (!attns_call_ok(call)) return NULL;
  call->rc = attns_new_floats(sqlite3_context_db_handle(call->ctx), call->name, m, n,
                              &call->error, &call->result);
  call->n_result = m * n;
  return call->result;
}

void attns_call_status(attns_call *call, attn_status status, const attn_error *err) {
  if (!attns_call_ok(call)) return;
  call->rc = attns_function_status(call->name, status, err, &call->error);
}

void attns_call_end(attns_call *call) {
  if (call->rc != SQLITE_OK) {
    attns_result_error(call->ctx, call->rc, call->error);
  } else if (!call->is_null) {
    for (size_t i = 0; i < call->n_result; i++) {
      /* Processors differ in the NaN that they make; the result does not. */
      if (call->result[i] != call->result[i]) call->result[i] = NAN;
    }
    attns_result_floats(call->ctx, call->result, call->n_result);
    call->result = NULL;
  }
  sqlite3_free(call->result);
  for (int i = 0; i < call->n_owned; i++) sqlite3_free(call->owned[i]);
}

/* --------------------------------------------------------------------- functions */

static void matmul(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_matmul", .argc = argc, .argv = argv};
  attn_error err = {""};
  attns_matrix a = attns_call_matrix(&call, 0, "a"), b = attns_call_matrix(&call, 1, "b");
  size_t n = attns_call_size(&call, 2, "n");
  size_t k = attns_call_rows(&call, b, "b", n);
  if (attns_call_ok(&call) && a.n % k) {
    attns_call_fail(&call,
                    "a has %llu numbers; expected rows of %llu, as b is [%llu, %llu]",
                    (unsigned long long)a.n, (unsigned long long)k, (unsigned long long)k,
                    (unsigned long long)n);
  }
  attn_product p = {.m = a.n / k,
                    .n_in = k,
                    .n_out = n,
                    .x = a.x,
                    .w = b.x,
                    .y = attns_call_result(&call, a.n / k, n),
                    .stop = attns_interrupted,
                    .ctx = sqlite3_context_db_handle(ctx)};
  if (p.y) attns_call_status(&call, attn_matrix_product(&p, &err), &err);
  attns_call_end(&call);
}

static void transpose(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_transpose", .argc = argc, .argv = argv};
  attns_matrix x = attns_call_matrix(&call, 0, "x");
  size_t n = attns_call_size(&call, 1, "n"), m = attns_call_rows(&call, x, "x", n);
  float *y = attns_call_result(&call, m, n);
  for (size_t i = 0; y && i < m; i++) {
    for (size_t k = 0; k < n; k++) y[k * m + i] = x.x[i * n + k];
  }
  attns_call_end(&call);
}

static void scale(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_scale", .argc = argc, .argv = argv};
  attns_matrix x = attns_call_matrix(&call, 0, "x");
  if (sqlite3_value_type(argv[1]) == SQLITE_NULL) call.is_null = 1;
  float factor = (float)attns_call_number(&call, 1, "factor", 1);
  float *y = attns_call_result(&call, 1, x.n);
  for (size_t i = 0; y && i < x.n; i++) y[i] = x.x[i] * factor;
  attns_call_end(&call);
}

static void one_hot(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_one_hot", .argc = argc, .argv = argv};
  size_t n = attns_call_size(&call, 1, "n");
  size_t id = (size_t)whole_number(&call, 0, "id", 0, (sqlite3_int64)n - 1);
  float *y = attns_call_result(&call, 1, n);
  if (y) {
    memset(y, 0, n * sizeof *y);
    y[id] = 1;
  }
  attns_call_end(&call);
}

static void positions(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_positions", .argc = argc, .argv = argv};
  size_t m = attns_call_size(&call, 0, "m"), n = attns_call_size(&call, 1, "n");
  float *y = attns_call_result(&call, m, n);
  if (y) attn_matrix_positions(m, n, y);
  attns_call_end(&call);
}

/* -------------------------------------------------------------------------- masks */

/* Query i of m may look at keys 0 .. i of n. */
static void mask_causal(attns_call *call) {
  size_t m = attns_call_size(call, 1, "n");
  size_t n = call->argc > 2 ? attns_call_size(call, 2, "n_key") : m;
  float *y = attns_call_result(call, m, n);
  for (size_t i = 0; y && i < m; i++) {
    for (size_t k = 0; k < n; k++) y[i * n + k] = k > i ? -INFINITY : 0;
  }
}

/* All may look at the first `length` keys of n: one row, which serves every query. */
static void mask_padding(attns_call *call) {
  size_t length = attns_call_size(call, 1, "length");
  size_t n = attns_call_size(call, 2, "n");
  if (length > n) {
    attns_call_fail(call, "length is %llu; expected at most n, %llu",
                    (unsigned long long)length, (unsigned long long)n);
  }
  float *y = attns_call_result(call, 1, n);
  for (size_t k = 0; y && k < n; k++) y[k] = k < length ? 0 : -INFINITY;
}

/* From 1, may look, and 0, may not. */
static void mask_allow(attns_call *call) {
  attns_matrix x = attns_call_matrix(call, 1, "matrix");
  float *y = attns_call_result(call, 1, x.n);
  for (size_t i = 0; y && i < x.n; i++) {
    if (x.x[i] != 0 && x.x[i] != 1) {
      attns_call_fail(call, "number %llu of the matrix is %g; expected 0 or 1",
                      (unsigned long long)i, (double)x.x[i]);
      return;
    }
    y[i] = x.x[i] == 0 ? -INFINITY : 0;
  }
}

static void mask(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  static const struct {
    const char *kind;
    int min_arg, max_arg;
    void (*make)(attns_call *);
  } kinds[] = {{"causal", 2, 3, mask_causal},
               {"padding", 3, 3, mask_padding},
               {"allow", 2, 2, mask_allow}};
  attns_call call = {.ctx = ctx, .name = "attn_mask", .argc = argc, .argv = argv};
  attn_text kind;
  call.rc = attns_value_name(argv[0], "attn_mask: kind", &call.error, &kind);
  for (size_t i = 0; call.rc == SQLITE_OK; i++) {
    if (i == sizeof kinds / sizeof *kinds) {
      attns_call_fail(&call, "kind is \"%!.40s\"; expected causal, padding or allow",
                      kind.text);
    } else if (strcmp(kind.text, kinds[i].kind) == 0) {
      if (argc < kinds[i].min_arg || argc > kinds[i].max_arg) {
        attns_call_fail(&call, "%d arguments found for %s; expected %d", argc,
                        kinds[i].kind, kinds[i].max_arg);
      }
      kinds[i].make(&call);
      break;
    }
  }
  attns_call_end(&call);
}

/* -------------------------------------------------------------------------- stack */

/* The matrix so far. */
typedef struct stacked {
  float *x;
  size_t n, n_alloc, n_column;
  int rc; /* a failure, which the rows that follow do not change */
} stacked;

static int reserve(stacked *s, size_t n, size_t limit) {
  if (n > limit) return SQLITE_TOOBIG;
  if (n <= s->n_alloc) return SQLITE_OK;
  size_t n_new = 2 * n < limit ? 2 * n : limit;
  float *x = sqlite3_realloc64(s->x, n_new * sizeof *x);
  if (!x) return SQLITE_NOMEM;
  s->x = x;
  s->n_alloc = n_new;
  return SQLITE_OK;
}

static void stack_row(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_stack", .argc = argc, .argv = argv};
  stacked *s = sqlite3_aggregate_context(ctx, sizeof *s);
  if (!s) {
    sqlite3_result_error_nomem(ctx);
    return;
  }
  if (s->rc != SQLITE_OK || sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  attns_matrix row = attns_call_matrix(&call, 0, "vector");
  if (s->n) attns_call_expect(&call, row, "vector", s->n_column, "as those before");
  if (call.rc == SQLITE_OK) {
    const int limit =
        sqlite3_limit(sqlite3_context_db_handle(ctx), SQLITE_LIMIT_LENGTH, -1);
    call.rc = reserve(s, s->n + row.n, (size_t)limit / sizeof(float));
  }
  if (call.rc == SQLITE_OK) {
    memcpy(s->x + s->n, row.x, row.n * sizeof *row.x);
    s->n += row.n;
    s->n_column = row.n;
  }
  s->rc = call.rc;
  call.is_null = 1; /* the result is that of the end */
  attns_call_end(&call);
}

static void stack_end(sqlite3_context *ctx) {
  stacked *s = sqlite3_aggregate_context(ctx, 0);
  if (!s) return;
  attns_call call = {.ctx = ctx, .rc = s->rc, .is_null = s->n == 0};
  if (s->rc != SQLITE_OK) { /* it is told already */
    sqlite3_free(s->x);
    return;
  }
  call.result = s->x;
  call.n_result = s->n;
  attns_call_end(&call);
}

/* --------------------------------------------------------------------------- rows */

typedef struct matrix_rows {
  attns_rows base;
  float *x;
  size_t n, n_column, next;
} matrix_rows;

static int open_rows(attns_rows *base, sqlite3_value **argument, char **error) {
  matrix_rows *rows = (matrix_rows *)base;
  if (sqlite3_value_type(argument[0]) == SQLITE_NULL) return SQLITE_OK;
  sqlite3_int64 n;
  if (sqlite3_value_type(argument[1]) == SQLITE_NULL) return SQLITE_OK;
  int rc = attns_value_whole(argument[1], "attn_rows: n", 1, INT_MAX, error, &n);
  if (rc == SQLITE_OK) rc = attns_value_floats(argument[0], error, &rows->x, &rows->n);
  if (rc != SQLITE_OK) return rc;
  rows->n_column = (size_t)n;
  if (rows->n % rows->n_column == 0) return SQLITE_OK;
  return attns_sql_fail(error, SQLITE_ERROR,
                        "attn_rows: x has %llu numbers; expected rows of %lld",
                        (unsigned long long)rows->n, n);
}

static int next_row(attns_rows *base, char **error) {
  matrix_rows *rows = (matrix_rows *)base;
  (void)error;
  return rows->next++ * rows->n_column < rows->n ? SQLITE_ROW : SQLITE_DONE;
}

static void row_column(attns_rows *base, sqlite3_context *ctx, int i) {
  matrix_rows *rows = (matrix_rows *)base;
  if (i == 0) {
    sqlite3_result_int64(ctx, (sqlite3_int64)rows->next - 1);
    return;
  }
  const size_t n = rows->n_column;
  attns_result_floats_copy(ctx, rows->x + (rows->next - 1) * n, n);
}

static void close_rows(attns_rows *base) {
  sqlite3_free(((matrix_rows *)base)->x);
}

const attns_table attns_rows_table = {
    .name = "attn_rows",
    .declaration = "row INTEGER, vector BLOB, _x HIDDEN, _n HIDDEN",
    .n_column = 2,
    .n_argument = 2,
    .n_required = 2,
    .n_byte = sizeof(matrix_rows),
    .n_expected = 50,
    .open = open_rows,
    .next = next_row,
    .column = row_column,
    .close = close_rows,
};

#define FLAGS                                                                            \
  (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_SUBTYPE | SQLITE_RESULT_SUBTYPE)

const attns_function attns_matrix_functions[] = {
    {"attn_matmul", 3, FLAGS, matmul},       {"attn_transpose", 2, FLAGS, transpose},
    {"attn_scale", 2, FLAGS, scale},         {"attn_one_hot", 2, FLAGS, one_hot},
    {"attn_positions", 2, FLAGS, positions}, {"attn_mask", 2, FLAGS, mask},
    {"attn_mask", 3, FLAGS, mask},           {NULL, 0, 0, NULL},
};

const attns_aggregate attns_matrix_aggregates[] = {
    {{"attn_stack", 1, FLAGS, stack_row}, stack_end},
    {{NULL, 0, 0, NULL}, NULL},
};
