/*
** tokens.c - what a model's tokenizer makes of a text.
**
**   attn_tokens(text [, model])       its tokens as rows
**   attn_token_count(text [, model])  how many there would be without a limit
**   attn_truncated(text [, model])    1 if embed sees only the beginning of the text
**
** And back again:
**   attn_decode(ids [, model [, keep_special]])  the text of a JSON array of ids
*/
#include "ids.h"

static int tokenize(attns_connection *c, sqlite3_value *text_value,
                    sqlite3_value *model_value, int whole, char **error,
                    const attn_model **model, attn_tokens *out) {
  attn_text text;
  attn_error err = {0};
  int rc = attns_connection_tokenizer_value(c, model_value, error, model);
  if (rc == SQLITE_OK)
    rc = attns_value_text(text_value, "text to tokenize", error, &text);
  if (rc != SQLITE_OK) return rc;
  uint32_t limit = whole ? 0 : attn_model_get_info(*model)->max_length;
  attn_status status = attn_tokenize(attn_model_tokenizer(*model), text.text, text.n_text,
                                     limit, &err, out);
  return attns_sql_status(status, &err, error);
}

/* -------------------------------------------------------------------- functions */

static void count_tokens(sqlite3_context *ctx, int argc, sqlite3_value **argv,
                         int compare) {
  attn_tokens tokens = {0};
  const attn_model *model;
  char *error = NULL;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  int rc = tokenize(attns_connection_of(ctx), argv[0], argc > 1 ? argv[1] : NULL, 1,
                    &error, &model, &tokens);
  if (rc != SQLITE_OK) {
    attns_result_error(ctx, rc, error);
  } else if (compare) {
    uint32_t max = attn_model_get_info(model)->max_length;
    sqlite3_result_int(ctx, max && tokens.n > max);
  } else {
    sqlite3_result_int64(ctx, (sqlite3_int64)tokens.n);
  }
  attn_tokens_free(&tokens);
}

static void token_count(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  count_tokens(ctx, argc, argv, 0);
}

static void truncated(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  count_tokens(ctx, argc, argv, 1);
}

static void decode(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_connection *c = attns_connection_of(ctx);
  const attn_model *model;
  attn_buffer text = {0};
  attn_error err = {0};
  attns_token_ids ids = {0};
  char *error = NULL;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  int rc =
      attns_json_ids(attns_connection_db(c), argv[0], "attn_decode: ids", &error, &ids);
  if (rc == SQLITE_OK) {
    rc = attns_connection_tokenizer_value(c, argc > 1 ? argv[1] : NULL, &error, &model);
  }
  if (rc == SQLITE_OK) {
    attn_status status =
        attn_detokenize(attn_model_tokenizer(model), ids.id, ids.n,
                        argc > 2 && sqlite3_value_int(argv[2]), &err, &text);
    rc = attns_sql_status(status, &err, &error);
  }
  if (rc == SQLITE_OK) {
    sqlite3_result_text64(ctx, text.n ? text.text : "", text.n, SQLITE_TRANSIENT,
                          SQLITE_UTF8);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attns_token_ids_free(&ids);
  attn_buffer_free(&text);
}

#define FLAGS (SQLITE_UTF8 | SQLITE_DETERMINISTIC)

const attns_function attns_tokens_functions[] = {
    {"attn_token_count", 1, FLAGS, token_count},
    {"attn_token_count", 2, FLAGS, token_count},
    {"attn_truncated", 1, FLAGS, truncated},
    {"attn_truncated", 2, FLAGS, truncated},
    {"attn_decode", 1, FLAGS, decode},
    {"attn_decode", 2, FLAGS, decode},
    {"attn_decode", 3, FLAGS, decode},
    {NULL, 0, 0, NULL},
};

/* ------------------------------------------------------------------------- rows */

typedef struct token_rows {
  attns_rows base;
  const attn_model *model;
  attn_tokens tokens;
  size_t next;
} token_rows;

static int open_tokens(attns_rows *base, sqlite3_value **argument, char **error) {
  token_rows *rows = (token_rows *)base;
  if (sqlite3_value_type(argument[0]) == SQLITE_NULL) return SQLITE_OK;
  int rc = tokenize(base->connection, argument[0], argument[1], 0, error, &rows->model,
                    &rows->tokens);
  /* The connection may let go of the model while the rows are read. */
  if (rows->model) attn_model_retain(rows->model);
  return rc;
}

static int next_token(attns_rows *base, char **error) {
  token_rows *rows = (token_rows *)base;
  (void)error;
  return rows->next++ < rows->tokens.n ? SQLITE_ROW : SQLITE_DONE;
}

static void token_column(attns_rows *base, sqlite3_context *ctx, int i) {
  token_rows *rows = (token_rows *)base;
  const attn_token *token = &rows->tokens.token[rows->next - 1];
  uint32_t n = 0;
  const char *text;
  switch (i) {
  case 0:
    sqlite3_result_int64(ctx, (sqlite3_int64)(rows->next - 1));
    break;
  case 1:
    sqlite3_result_int(ctx, token->id);
    break;
  case 2:
    text = attn_token_text(attn_model_tokenizer(rows->model), token->id, &n);
    sqlite3_result_text(ctx, text, (int)n, SQLITE_TRANSIENT);
    break;
  case 3:
    sqlite3_result_int64(ctx, token->start);
    break;
  default:
    sqlite3_result_int64(ctx, token->end);
    break;
  }
}

static void close_tokens(attns_rows *base) {
  token_rows *rows = (token_rows *)base;
  attn_tokens_free(&rows->tokens);
  attn_model_release(rows->model);
}

const attns_table attns_tokens_table = {
    .name = "attn_tokens",
    .declaration =
        "position INTEGER, id INTEGER, token TEXT, start INTEGER, \"end\" INTEGER,"
        " _text HIDDEN, _model HIDDEN",
    .n_column = 5,
    .n_argument = 2,
    .n_required = 1,
    .n_byte = sizeof(token_rows),
    .n_expected = 100,
    .open = open_tokens,
    .next = next_token,
    .column = token_column,
    .close = close_tokens,
};
