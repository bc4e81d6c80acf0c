/*
** vec.h - vectors as arguments and results of SQL functions.
**
** An argument is a vector when it is a blob of float32, a blob with the subtype
** of another type (vec_int8, vec_bit), or text: a JSON array of numbers.
*/
#ifndef ATTNS_VEC_H
#define ATTNS_VEC_H

#include "sql.h"

/* Reads an argument.  The vector borrows a blob's bytes and owns what was parsed:
** free it (attn_vector_free) before the argument goes. */
int attns_value_vector(sqlite3_value *value, char **error, attn_vector *out);

/* Reads an argument that has to be float32: values[n], the caller's to free with
** sqlite3_free. */
int attns_value_floats(sqlite3_value *value, char **error, float **values, size_t *n);

/* Memory for a result of m rows of n numbers (1 at least), which SQLite has to be able to
** take; `function` is named in an error.  Free with sqlite3_free. */
int attns_new_floats(sqlite3 *db, const char *function, uint64_t m, uint64_t n,
                     char **error, float **out);

/* Makes a vector the result, with its subtype, and takes over what it owns. */
void attns_result_vector(sqlite3_context *ctx, attn_vector *vector);

/* The same for values[n], memory from sqlite3_malloc64, and for a copy of them. */
void attns_result_floats(sqlite3_context *ctx, float *values, size_t n);
void attns_result_floats_copy(sqlite3_context *ctx, const float *values, size_t n);

#endif
