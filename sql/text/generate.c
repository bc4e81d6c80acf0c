/*
** generate.c - attn_generate(prompt [, model [, options]]): the tokens that a model goes
** on with, a row each, as they are made.
**
**   SELECT text FROM attn_generate('Once upon a time', 'gpt2');
**   SELECT group_concat(text, '') FROM attn_generate(:question, 'bart', '{"max_tokens":40}');
**
** A row costs one pass of one token, when it is asked for: LIMIT stops the work.  Texts
** are what is to be read, tokens what the vocabulary has: joined, the former are the
** whole text.
*/
#include "ids.h"
#include "../json.h"
#include <string.h>

typedef struct generate_rows {
  attns_rows base;
  const attn_model *model;   /* ours */
  attn_generator *generator; /* NULL: there is nothing to generate */
  attns_ticker ticker;
  sqlite3_int64 n; /* rows so far */
  int32_t id;
  double logprob;
} generate_rows;

static int begin(generate_rows *rows, attn_sequence prompt, sqlite3_value *options,
                 char **error) {
  sqlite3 *db = attns_connection_db(rows->base.connection);
  attns_document document;
  attn_error err = {0};
  int rc =
      attns_document_options(db, options, "attn_generate: options", error, &document);
  if (rc == SQLITE_OK) rc = attns_ticker_open(db, &rows->ticker);
  if (rc == SQLITE_OK) {
    attn_stop stop = {attns_ticker_check, &rows->ticker};
    attn_status status = attn_generator_new(rows->model, prompt, &document.settings, stop,
                                            &err, &rows->generator);
    rc = attns_function_status("attn_generate", status, &err, error);
  }
  attns_document_free(&document);
  return rc;
}

static int open_generate(attns_rows *base, sqlite3_value **argument, char **error) {
  generate_rows *rows = (generate_rows *)base;
  const attn_model *model;
  attns_token_ids prompt = {0};
  if (sqlite3_value_type(argument[0]) == SQLITE_NULL) return SQLITE_OK;
  int rc = attns_connection_model_value(base->connection, argument[1], error, &model);
  if (rc != SQLITE_OK) return rc;
  /* The connection may let go of it while rows are read. */
  attn_model_retain(model);
  rows->model = model;
  if (!attn_model_get_info(model)->generates) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "attn_generate: a model of type %s has no language-model head",
                          attn_model_get_info(model)->architecture);
  }
  rc = attns_value_ids(base->connection, argument[0], model, "attn_generate: prompt",
                       error, &prompt);
  if (rc == SQLITE_OK) {
    rc = begin(rows, (attn_sequence){prompt.id, prompt.n}, argument[2], error);
  }
  attns_token_ids_free(&prompt);
  return rc;
}

static int next_generated(attns_rows *base, char **error) {
  generate_rows *rows = (generate_rows *)base;
  attn_error err = {0};
  if (!rows->generator) return SQLITE_DONE;
  attn_status status =
      attn_generator_next(rows->generator, &err, &rows->id, &rows->logprob);
  if (status != ATTN_OK)
    return attns_function_status("attn_generate", status, &err, error);
  rows->n++;
  return rows->id >= 0 ? SQLITE_ROW : SQLITE_DONE;
}

static void result_text(generate_rows *rows, sqlite3_context *ctx) {
  attn_text text;
  attn_error err = {0};
  char *error = NULL;
  if (!attn_model_tokenizer(rows->model)) return;
  attn_status status = attn_generator_text(rows->generator, &err, &text);
  if (status == ATTN_OK) {
    sqlite3_result_text64(ctx, text.text, text.n_text, SQLITE_TRANSIENT, SQLITE_UTF8);
  } else {
    int rc = attns_sql_status(status, &err, &error);
    attns_result_error(ctx, rc, error);
  }
}

static void generate_column(attns_rows *base, sqlite3_context *ctx, int i) {
  generate_rows *rows = (generate_rows *)base;
  uint32_t n = 0;
  const char *text;
  switch (i) {
  case 0:
    sqlite3_result_int64(ctx, rows->n - 1);
    break;
  case 1:
    sqlite3_result_int(ctx, rows->id);
    break;
  case 2:
    text = attn_token_text(attn_model_tokenizer(rows->model), rows->id, &n);
    sqlite3_result_text(ctx, text, (int)n, SQLITE_TRANSIENT);
    break;
  case 3:
    result_text(rows, ctx);
    break;
  default:
    sqlite3_result_double(ctx, rows->logprob);
    break;
  }
}

static void close_generate(attns_rows *base) {
  generate_rows *rows = (generate_rows *)base;
  attn_generator_free(rows->generator);
  attns_ticker_close(&rows->ticker);
  attn_model_release(rows->model);
}

const attns_table attns_generate_table = {
    .name = "attn_generate",
    .declaration = "position INTEGER, id INTEGER, token TEXT, text TEXT, logprob REAL,"
                   " _prompt HIDDEN, _model HIDDEN, _options HIDDEN",
    .n_column = 5,
    .n_argument = 3,
    .n_required = 1,
    .n_byte = sizeof(generate_rows),
    .n_expected = 100,
    .open = open_generate,
    .next = next_generated,
    .column = generate_column,
    .close = close_generate,
};
