/*
** matrix.h - matrices as arguments and results of SQL functions.
**
** A matrix is a vector (see vec.h) of its rows one after the other; the number of its
** columns is an argument of its own.  A call reads its arguments one by one and asks once
** at the end whether all went well: after the first failure, or a NULL where a value has
** to be, what follows does nothing.
*/
#ifndef ATTN_SQL_MATRIX_H
#define ATTN_SQL_MATRIX_H

#include "../vec.h"

typedef struct attn_matrix {
  float *x; /* NULL: an argument that is not given */
  size_t n; /* numbers */
} attn_matrix;

typedef struct attn_call {
  sqlite3_context *ctx;
  const char *name; /* of the function, for messages */
  int argc;
  sqlite3_value **argv;
  int rc;      /* SQLITE_OK so far */
  int is_null; /* a NULL was found: so is the result */
  char *error;
  float *owned[8]; /* what was read */
  int n_owned;
  float *result;
  size_t n_result;
} attn_call;

/* Nothing has failed, and no argument was NULL. */
int attn_call_goes_on(const attn_call *call);

/* Fails with a message behind the function's name. */
void attn_call_fail(attn_call *call, const char *format, ...);

/* Argument i, called `what` in messages.  One beyond argc, or NULL, makes the result NULL,
** or is not given where the function is the _optional one. */
attn_matrix attn_call_matrix(attn_call *call, int i, const char *what);
attn_matrix attn_call_optional(attn_call *call, int i, const char *what);
size_t attn_call_size(attn_call *call, int i, const char *what); /* at least 1 */
double attn_call_number(attn_call *call, int i, const char *what, double absent);

/* The rows of a matrix of n columns, at least 1. */
size_t attn_call_rows(attn_call *call, attn_matrix x, const char *what, size_t n);

/* The matrix has n numbers, because of `why`, or is not given. */
void attn_call_expect(attn_call *call, attn_matrix x, const char *what, size_t n,
                      const char *why);

/* Makes room for the result of m rows of n numbers; NULL when the call does not go on. */
float *attn_call_result(attn_call *call, size_t m, size_t n);

/* What the engine says. */
void attn_call_status(attn_call *call, attn_status status, const attn_error *err);

/* Ends a call: gives the result or the error to SQLite, and lets go of all. */
void attn_call_end(attn_call *call);

#endif
