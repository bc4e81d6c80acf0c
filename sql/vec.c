/*
** vec.c - the vec_* functions: names, results, subtypes and messages are those of
** sqlite-vec 0.1.9 (https://github.com/asg017/sqlite-vec), spelling included.
**
**   vec_f32(v)  vec_int8(v)  vec_bit(v)                 a vector of that type
**   vec_length(v)  vec_type(v)  vec_to_json(v)
**   vec_add(a, b)  vec_sub(a, b)  vec_slice(v, start, end)  vec_normalize(v)
**   vec_quantize_int8(v, 'unit')  vec_quantize_binary(v)
**   vec_distance_l2(a, b)  _l1  _cosine  _hamming
**   vec_each(v)                                         its elements as rows
**
** Memory that the engine hands out is SQLite's: see register.c.
*/
#include "vec.h"
#include <string.h>

/* A vector's subtype is that of float32 and its type. */
#define SUBTYPE(type) (ATTNS_SUBTYPE_F32 + (unsigned)(type))

enum { SUBTYPE_JSON = 'J' };

/* ---------------------------------------------------------------- arguments */

static int wrong_value(attn_vector_type type, int found, char **error) {
  static const char *const names[] = {"", "INTEGER", "FLOAT", "TEXT", "BLOB", "NULL"};
  switch (type) {
  case ATTN_VECTOR_BIT:
    return attns_sql_fail(error, SQLITE_ERROR, "Unknown type for bitvector.");
  case ATTN_VECTOR_INT8:
    return attns_sql_fail(error, SQLITE_ERROR, "Unknown type for int8 vector.");
  default:
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "Input must have type BLOB (compact format) or TEXT (JSON), found %s",
        names[found]);
  }
}

/* Reads an argument as a vector of the given type, whatever its subtype. */
static int value_as(attn_vector_type type, sqlite3_value *value, char **error,
                    attn_vector *out) {
  int found = sqlite3_value_type(value);
  attn_error err = {""};
  attn_status status;
  *out = (attn_vector){0};
  if (found == SQLITE_BLOB) {
    const void *blob = sqlite3_value_blob(value);
    size_t n = (size_t)sqlite3_value_bytes(value);
    if (!blob && n) return SQLITE_NOMEM;
    status = attn_vector_from_blob(type, blob, n, &err, out);
  } else if (found == SQLITE_TEXT && type != ATTN_VECTOR_BIT) {
    const char *text = (const char *)sqlite3_value_text(value);
    if (!text) return SQLITE_NOMEM;
    status =
        attn_vector_from_json(type, text, (size_t)sqlite3_value_bytes(value), &err, out);
  } else {
    return wrong_value(type, found, error);
  }
  return attns_sql_status(status, &err, error);
}

int attns_value_vector(sqlite3_value *value, char **error, attn_vector *out) {
  unsigned subtype = sqlite3_value_subtype(value);
  *out = (attn_vector){0};
  switch (subtype) {
  case 0:
  case SUBTYPE_JSON:
  case ATTNS_SUBTYPE_F32:
    return value_as(ATTN_VECTOR_FLOAT32, value, error, out);
  case ATTNS_SUBTYPE_BIT:
    return value_as(ATTN_VECTOR_BIT, value, error, out);
  case ATTNS_SUBTYPE_INT8:
    return value_as(ATTN_VECTOR_INT8, value, error, out);
  default:
    return attns_sql_fail(error, SQLITE_ERROR, "Unknown subtype: %u", subtype);
  }
}

int attns_value_floats(sqlite3_value *value, char **error, float **values, size_t *n) {
  attn_vector v;
  *values = NULL;
  *n = 0;
  int rc = attns_value_vector(value, error, &v);
  if (rc == SQLITE_OK && v.type != ATTN_VECTOR_FLOAT32) {
    rc =
        attns_sql_fail(error, SQLITE_ERROR, "found a vector of type %s; expected float32",
                       attn_vector_type_name(v.type));
  }
  if (rc == SQLITE_OK) {
    *values = sqlite3_malloc64(v.n * sizeof **values);
    if (*values) {
      attn_vector_floats(&v, *values);
      *n = v.n;
    } else {
      rc = SQLITE_NOMEM;
    }
  }
  attn_vector_free(&v);
  return rc;
}

/* A constant argument, such as a long JSON literal, is parsed once a statement:
** what was read from argument i stays with the statement. */
static int read_nth(sqlite3_context *ctx, int i, sqlite3_value *value, char **error,
                    attn_vector *out) {
  attn_vector *kept = sqlite3_get_auxdata(ctx, i);
  char *reason = NULL;
  if (kept) {
    *out = *kept;
    out->owned = NULL;
    return SQLITE_OK;
  }
  int rc = attns_value_vector(value, &reason, out);
  if (reason)
    rc = attns_sql_fail(error, rc, "Error reading %s vector: %s", i ? "2nd" : "1st",
                        reason);
  sqlite3_free(reason);
  return rc;
}

static void free_kept(void *kept) {
  attn_vector_free(kept);
  sqlite3_free(kept);
}

static void keep_nth(sqlite3_context *ctx, int i, attn_vector *v) {
  attn_vector *kept = v->owned ? sqlite3_malloc64(sizeof *kept) : NULL;
  if (kept) {
    *kept = *v;
    sqlite3_set_auxdata(ctx, i, kept, free_kept);
  } else {
    attn_vector_free(v);
  }
}

/* Two vectors of one type and length, to be given to release_pair. */
static int value_pair(sqlite3_context *ctx, sqlite3_value **argv, char **error,
                      attn_vector *a, attn_vector *b) {
  attn_error err = {""};
  *b = (attn_vector){0};
  int rc = read_nth(ctx, 0, argv[0], error, a);
  if (rc == SQLITE_OK) rc = read_nth(ctx, 1, argv[1], error, b);
  if (rc == SQLITE_OK) rc = attns_sql_status(attn_vector_match(a, b, &err), &err, error);
  return rc;
}

static void release_pair(sqlite3_context *ctx, attn_vector *a, attn_vector *b) {
  keep_nth(ctx, 0, a);
  keep_nth(ctx, 1, b);
}

/* ------------------------------------------------------------------- results */

void attns_result_vector(sqlite3_context *ctx, attn_vector *v) {
  sqlite3_result_blob64(ctx, v->data, attn_vector_bytes(v),
                        v->owned ? sqlite3_free : SQLITE_TRANSIENT);
  sqlite3_result_subtype(ctx, SUBTYPE(v->type));
  *v = (attn_vector){0};
}

void attns_result_floats(sqlite3_context *ctx, float *values, size_t n) {
  attn_vector v;
  attn_vector_from_floats(values, n, &v);
  attns_result_vector(ctx, &v);
}

void attns_result_floats_copy(sqlite3_context *ctx, const float *values, size_t n) {
  float *copy = sqlite3_malloc64(n * sizeof *copy);
  if (!copy) {
    sqlite3_result_error_nomem(ctx);
    return;
  }
  memcpy(copy, values, n * sizeof *copy);
  attns_result_floats(ctx, copy, n);
}

int attns_new_floats(sqlite3 *db, const char *function, uint64_t m, uint64_t n,
                     char **error, float **out) {
  const uint64_t limit = (uint64_t)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1);
  *out = NULL;
  if (m > limit / sizeof(float) / n) {
    return attns_sql_fail(
        error, SQLITE_TOOBIG,
        "%s: %llu rows of %llu numbers are more than SQLite's limit of %llu "
        "bytes",
        function, (unsigned long long)m, (unsigned long long)n,
        (unsigned long long)limit);
  }
  *out = sqlite3_malloc64((m * n + 1) * sizeof **out);
  return *out ? SQLITE_OK : SQLITE_NOMEM;
}

/* Ends a function: a vector or an error, one of which is there. */
static void finish(sqlite3_context *ctx, int rc, char *error, attn_vector *out) {
  if (rc == SQLITE_OK) {
    attns_result_vector(ctx, out);
  } else {
    attns_result_error(ctx, rc, error);
  }
}

/* ------------------------------------------------------- functions of one vector */

static void construct(sqlite3_context *ctx, attn_vector_type type, sqlite3_value *value) {
  attn_vector v;
  char *error = NULL;
  int rc = value_as(type, value, &error, &v);
  finish(ctx, rc, error, &v);
}

static void vec_f32(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  construct(ctx, ATTN_VECTOR_FLOAT32, argv[0]);
}

static void vec_int8(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  construct(ctx, ATTN_VECTOR_INT8, argv[0]);
}

static void vec_bit(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  construct(ctx, ATTN_VECTOR_BIT, argv[0]);
}

static void vec_length(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attn_vector v;
  char *error = NULL;
  int rc = attns_value_vector(argv[0], &error, &v);
  (void)argc;
  if (rc == SQLITE_OK) {
    sqlite3_result_int64(ctx, (sqlite3_int64)v.n);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attn_vector_free(&v);
}

static void vec_type(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attn_vector v;
  char *error = NULL;
  int rc = attns_value_vector(argv[0], &error, &v);
  (void)argc;
  if (rc == SQLITE_OK) {
    sqlite3_result_text(ctx, attn_vector_type_name(v.type), -1, SQLITE_STATIC);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attn_vector_free(&v);
}

static void vec_to_json(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attn_vector v;
  attn_error err = {""};
  char *text = NULL, *error = NULL;
  size_t n_text = 0;
  int rc = attns_value_vector(argv[0], &error, &v);
  (void)argc;
  if (rc == SQLITE_OK)
    rc = attns_sql_status(attn_vector_to_json(&v, &err, &text, &n_text), &err, &error);
  if (rc == SQLITE_OK) {
    sqlite3_result_text64(ctx, text, n_text, sqlite3_free, SQLITE_UTF8);
    sqlite3_result_subtype(ctx, SUBTYPE_JSON);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attn_vector_free(&v);
}

typedef attn_status (*unary)(const attn_vector *v, attn_error *err, attn_vector *out);

static void apply(sqlite3_context *ctx, sqlite3_value *value, unary f) {
  attn_vector v, out = {0};
  attn_error err = {""};
  char *error = NULL;
  int rc = attns_value_vector(value, &error, &v);
  if (rc == SQLITE_OK) rc = attns_sql_status(f(&v, &err, &out), &err, &error);
  attn_vector_free(&v);
  finish(ctx, rc, error, &out);
}

static void vec_normalize(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  apply(ctx, argv[0], attn_vector_normalize);
}

static void vec_quantize_binary(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  apply(ctx, argv[0], attn_vector_quantize_binary);
}

static int check_unit(sqlite3_value *range, char **error) {
  if (sqlite3_value_type(range) == SQLITE_TEXT) {
    const char *text = (const char *)sqlite3_value_text(range);
    if (!text) return SQLITE_NOMEM;
    if (sqlite3_value_bytes(range) == 4 && !sqlite3_stricmp(text, "unit"))
      return SQLITE_OK;
  }
  return attns_sql_fail(error, SQLITE_ERROR,
                        "2nd argument to vec_quantize_int8() must be 'unit'.");
}

static void vec_quantize_int8(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attn_vector v, out = {0};
  attn_error err = {""};
  char *error = NULL;
  int rc = attns_value_vector(argv[0], &error, &v);
  (void)argc;
  if (rc == SQLITE_OK) rc = check_unit(argv[1], &error);
  if (rc == SQLITE_OK)
    rc = attns_sql_status(attn_vector_quantize_int8(&v, &err, &out), &err, &error);
  attn_vector_free(&v);
  finish(ctx, rc, error, &out);
}

/* Elements start to end - 1 of a vector; borrowed from it. */
static int slice(const attn_vector *v, sqlite3_int64 start, sqlite3_int64 end,
                 char **error, attn_vector *out) {
  const char *problem = NULL;
  sqlite3_int64 n = (sqlite3_int64)v->n;
  if (start < 0) {
    problem = "slice 'start' index must be a postive number.";
  } else if (end < 0) {
    problem = "slice 'end' index must be a postive number.";
  } else if (start > n) {
    problem = "slice 'start' index is greater than the number of dimensions";
  } else if (end > n) {
    problem = "slice 'end' index is greater than the number of dimensions";
  } else if (start > end) {
    problem = "slice 'start' index is greater than 'end' index";
  } else if (start == end) {
    problem =
        "slice 'start' index is equal to the 'end' index, vectors must have non-zero "
        "length";
  } else if (v->type == ATTN_VECTOR_BIT && start % 8) {
    problem = "start index must be divisible by 8.";
  } else if (v->type == ATTN_VECTOR_BIT && end % 8) {
    problem = "end index must be divisible by 8.";
  }
  if (problem) return attns_sql_fail(error, SQLITE_ERROR, "%s", problem);
  attn_vector before = {.type = v->type, .n = (size_t)start};
  *out = (attn_vector){v->type, (size_t)(end - start),
                       v->data + attn_vector_bytes(&before), NULL};
  return SQLITE_OK;
}

static void vec_slice(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attn_vector v, part;
  char *error = NULL;
  int rc = attns_value_vector(argv[0], &error, &v);
  (void)argc;
  if (rc == SQLITE_OK)
    rc = slice(&v, sqlite3_value_int64(argv[1]), sqlite3_value_int64(argv[2]), &error,
               &part);
  finish(ctx, rc, error, &part);
  attn_vector_free(&v);
}

/* ------------------------------------------------------- functions of two vectors */

typedef attn_status (*binary)(const attn_vector *a, const attn_vector *b, attn_error *err,
                              attn_vector *out);

static void apply_to_pair(sqlite3_context *ctx, sqlite3_value **argv, binary f) {
  attn_vector a, b, out = {0};
  attn_error err = {""};
  char *error = NULL;
  int rc = value_pair(ctx, argv, &error, &a, &b);
  if (rc == SQLITE_OK) rc = attns_sql_status(f(&a, &b, &err, &out), &err, &error);
  release_pair(ctx, &a, &b);
  finish(ctx, rc, error, &out);
}

static void vec_add(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  apply_to_pair(ctx, argv, attn_vector_add);
}

static void vec_sub(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  apply_to_pair(ctx, argv, attn_vector_subtract);
}

static void distance(sqlite3_context *ctx, sqlite3_value **argv, attn_metric metric) {
  attn_vector a, b;
  attn_error err = {""};
  char *error = NULL;
  double result = 0;
  /* A row without a vector has no distance, and does not end a query over all rows. */
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
      sqlite3_value_type(argv[1]) == SQLITE_NULL) {
    return;
  }
  int rc = value_pair(ctx, argv, &error, &a, &b);
  if (rc == SQLITE_OK)
    rc = attns_sql_status(attn_vector_distance(metric, &a, &b, &err, &result), &err,
                          &error);
  if (rc != SQLITE_OK) {
    attns_result_error(ctx, rc, error);
  } else if (metric == ATTN_L1 && a.type == ATTN_VECTOR_INT8) {
    sqlite3_result_int64(ctx, (sqlite3_int64)result);
  } else {
    sqlite3_result_double(ctx, result);
  }
  release_pair(ctx, &a, &b);
}

static void vec_distance_l2(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  distance(ctx, argv, ATTN_L2);
}

static void vec_distance_l1(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  distance(ctx, argv, ATTN_L1);
}

static void vec_distance_cosine(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  distance(ctx, argv, ATTN_COSINE);
}

static void vec_distance_hamming(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc;
  distance(ctx, argv, ATTN_HAMMING);
}

#define READS (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_SUBTYPE)
#define MAKES (READS | SQLITE_RESULT_SUBTYPE)

const attns_function attns_vec_functions[] = {
    {"vec_f32", 1, MAKES, vec_f32},
    {"vec_int8", 1, MAKES, vec_int8},
    {"vec_bit", 1, MAKES, vec_bit},
    {"vec_length", 1, READS, vec_length},
    {"vec_type", 1, READS, vec_type},
    {"vec_to_json", 1, MAKES, vec_to_json},
    {"vec_add", 2, MAKES, vec_add},
    {"vec_sub", 2, MAKES, vec_sub},
    {"vec_slice", 3, MAKES, vec_slice},
    {"vec_normalize", 1, MAKES, vec_normalize},
    {"vec_quantize_int8", 2, MAKES, vec_quantize_int8},
    {"vec_quantize_binary", 1, MAKES, vec_quantize_binary},
    {"vec_distance_l2", 2, READS, vec_distance_l2},
    {"vec_distance_l1", 2, READS, vec_distance_l1},
    {"vec_distance_cosine", 2, READS, vec_distance_cosine},
    {"vec_distance_hamming", 2, READS, vec_distance_hamming},
    {NULL, 0, 0, NULL},
};

/* ---------------------------------------------------------------------- vec_each */

typedef struct each_rows {
  attns_rows rows;
  sqlite3_value *value; /* ours, as the argument does not outlive xFilter */
  attn_vector vector;
  size_t n_given; /* rows so far */
} each_rows;

static int each_open(attns_rows *rows, sqlite3_value **argument, char **error) {
  each_rows *each = (each_rows *)rows;
  each->value = sqlite3_value_dup(argument[0]);
  return each->value ? attns_value_vector(each->value, error, &each->vector)
                     : SQLITE_NOMEM;
}

static int each_next(attns_rows *rows, char **error) {
  each_rows *each = (each_rows *)rows;
  (void)error;
  return each->n_given++ < each->vector.n ? SQLITE_ROW : SQLITE_DONE;
}

static void each_column(attns_rows *rows, sqlite3_context *ctx, int i) {
  each_rows *each = (each_rows *)rows;
  double x = attn_vector_get(&each->vector, each->n_given - 1);
  (void)i;
  if (each->vector.type == ATTN_VECTOR_FLOAT32) {
    sqlite3_result_double(ctx, x);
  } else {
    sqlite3_result_int(ctx, (int)x);
  }
}

static void each_close(attns_rows *rows) {
  each_rows *each = (each_rows *)rows;
  attn_vector_free(&each->vector);
  sqlite3_value_free(each->value);
}

const attns_table attns_vec_each_table = {
    .name = "vec_each",
    .declaration = "value, vector HIDDEN",
    .n_column = 1,
    .n_argument = 1,
    .n_required = 1,
    .n_byte = sizeof(each_rows),
    .n_expected = 384,
    .open = each_open,
    .next = each_next,
    .column = each_column,
    .close = each_close,
};
