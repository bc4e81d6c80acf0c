/*
** token_embedding.c - the latent space of a model, word by word.
**
**   attn_embedding(token [, model])         the row of a token, given by id or as text
**   attn_nearest(vector [, model [, k]])    the k tokens whose rows point most nearly where
**                                           the vector does
**
** Word arithmetic is vec_add and vec_sub of such rows.
*/
#include "../vec.h"

/* ---------------------------------------------------------------- attn_embedding */

static int find_token(const attn_model *model, sqlite3_value *value, char **error,
                      sqlite3_int64 *id) {
  attn_text token;
  if (sqlite3_value_type(value) == SQLITE_INTEGER) {
    *id = sqlite3_value_int64(value);
    return SQLITE_OK;
  }
  int rc = attns_value_text(value, "attn_embedding: token", error, &token);
  if (rc == SQLITE_OK) {
    *id = attn_token_id(attn_model_tokenizer(model), token.text, token.n_text);
  }
  return rc;
}

static void embedding(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_connection *c = attns_connection_of(ctx);
  const attn_model *model;
  char *error = NULL;
  sqlite3_int64 id = -1;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  int rc = attns_connection_model_value(c, argc > 1 ? argv[1] : NULL, &error, &model);
  if (rc == SQLITE_OK) rc = find_token(model, argv[0], &error, &id);
  if (rc != SQLITE_OK) {
    attns_result_error(ctx, rc, error);
    return;
  }
  size_t n = attn_model_get_info(model)->d_model;
  float *row = sqlite3_malloc64(n * sizeof *row);
  if (!row) {
    sqlite3_result_error_nomem(ctx);
  } else if (attn_model_token_embedding(model, id, row)) {
    attns_result_floats(ctx, row, n);
  } else {
    sqlite3_free(row); /* no such token: NULL */
  }
}

#define FLAGS (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_RESULT_SUBTYPE)

const attns_function attns_embedding_functions[] = {
    {"attn_embedding", 1, FLAGS, embedding},
    {"attn_embedding", 2, FLAGS, embedding},
    {NULL, 0, 0, NULL},
};

/* ------------------------------------------------------------------ attn_nearest */

typedef struct nearest_rows {
  attns_rows base;
  const attn_model *model; /* ours */
  attn_near *near;
  uint32_t n, next;
} nearest_rows;

static int search(nearest_rows *rows, const float *vector, size_t n, uint32_t k,
                  char **error) {
  attn_error err = {0};
  uint32_t d = attn_model_get_info(rows->model)->d_model;
  if (n != d) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "attn_nearest: the vector has %llu elements; the tokens of the "
                          "model have %u",
                          (unsigned long long)n, d);
  }
  return attns_sql_status(
      attn_model_nearest(rows->model, vector, k, &err, &rows->near, &rows->n), &err,
      error);
}

static int open_nearest(attns_rows *base, sqlite3_value **argument, char **error) {
  nearest_rows *rows = (nearest_rows *)base;
  const attn_model *model;
  float *vector = NULL;
  size_t n = 0;
  uint32_t k = 0;
  if (sqlite3_value_type(argument[0]) == SQLITE_NULL) return SQLITE_OK;
  int rc = attns_connection_model_value(base->connection, argument[1], error, &model);
  if (rc != SQLITE_OK) return rc;
  /* The connection may let go of the model while the rows are read. */
  attn_model_retain(model);
  rows->model = model;
  rc = attns_value_count(argument[2], "attn_nearest", 10, error, &k);
  if (rc == SQLITE_OK) rc = attns_value_floats(argument[0], error, &vector, &n);
  if (rc == SQLITE_OK) rc = search(rows, vector, n, k, error);
  sqlite3_free(vector);
  return rc;
}

static int next_nearest(attns_rows *base, char **error) {
  nearest_rows *rows = (nearest_rows *)base;
  (void)error;
  return rows->next++ < rows->n ? SQLITE_ROW : SQLITE_DONE;
}

static void nearest_column(attns_rows *base, sqlite3_context *ctx, int i) {
  nearest_rows *rows = (nearest_rows *)base;
  const attn_near *near = &rows->near[rows->next - 1];
  uint32_t n = 0;
  const char *text;
  switch (i) {
  case 0:
    sqlite3_result_int(ctx, near->id);
    break;
  case 1:
    text = attn_token_text(attn_model_tokenizer(rows->model), near->id, &n);
    if (text) sqlite3_result_text(ctx, text, (int)n, SQLITE_TRANSIENT);
    break;
  default:
    sqlite3_result_double(ctx, near->similarity);
    break;
  }
}

static void close_nearest(attns_rows *base) {
  nearest_rows *rows = (nearest_rows *)base;
  sqlite3_free(rows->near);
  attn_model_release(rows->model);
}

const attns_table attns_nearest_table = {
    .name = "attn_nearest",
    .declaration =
        "id INTEGER, token TEXT, similarity REAL, _vector HIDDEN, _model HIDDEN,"
        " _k HIDDEN",
    .n_column = 3,
    .n_argument = 3,
    .n_required = 1,
    .n_byte = sizeof(nearest_rows),
    .n_expected = 10,
    .open = open_nearest,
    .next = next_nearest,
    .column = nearest_column,
    .close = close_nearest,
};
