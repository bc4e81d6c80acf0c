/*
** matrix.h - matrices as arguments and results of SQL functions.
**
** A matrix is a vector (see vec.h) of its rows one after the other; the number of its
** columns is an argument of its own.  A call reads its arguments one by one and asks once
** at the end whether all went well: after the first failure, or a NULL where a value has
** to be, what follows does nothing.
*/
#ifndef ATTNS_SQL_MATRIX_H
#define ATTNS_SQL_MATRIX_H

#include "../vec.h"

typedef struct attns_matrix {
  float *x; /* NULL: an argument that is not given */
  size_t n; /* numbers */
} attns_matrix;

typedef struct attns_call {
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
} attns_call;

/* Nothing has failed, and no argument was NULL. */
int attns_call_ok(const attns_call *call);

/* Fails with a message behind the function's name. */
void attns_call_fail(attns_call *call, const char *format, ...);

/* Argument i, called `what` in messages.  One beyond argc, or NULL, makes the result
** NULL, or is not given where the function is the _optional one. */
attns_matrix attns_call_matrix(attns_call *call, int i, const char *what);
attns_matrix attns_call_optional(attns_call *call, int i, const char *what);
size_t attns_call_size(attns_call *call, int i, const char *what); /* at least 1 */
double attns_call_number(attns_call *call, int i, const char *what, double absent);

/* The rows of a matrix of n columns, at least 1. */
size_t attns_call_rows(attns_call *call, attns_matrix x, const char *what, size_t n);

/* The matrix has n numbers, because of `why`, or is not given. */
void attns_call_expect(attns_call *call, attns_matrix x, const char *what, size_t n,
                       const char *why);

/* Makes room for the result of m rows of n numbers; NULL when the call does not go on. */
float *attns_call_result(attns_call *call, size_t m, size_t n);

/* What the engine says. */
void attns_call_status(attns_call *call, attn_status status, const attn_error *err);

/* Ends a call: gives the result or the error to SQLite, and lets go of all. */
void attns_call_end(attns_call *call);

#endif
