/*
** embed_each.c - attn_embed_each(query [, model [, prompt]]): the vectors of many
** texts, by batches over all cores.
**
**   SELECT id, vector FROM attn_embed_each('SELECT id, body FROM docs');
**
**   INSERT INTO vectors SELECT id, vector FROM attn_embed_each('SELECT ...');
**
**   UPDATE docs SET e = v.vector
**     FROM attn_embed_each('SELECT id, body FROM docs WHERE e IS NULL') v
**     WHERE v.id = docs.id;
**
** embed() is called for one row after the other, which leaves all cores but one
** idle.  Here the rows of the query are read ahead, up to 1,024 of them or 65,536
** tokens, embedded together and given out in the order of the query.  The first
** batches are small, so that the first rows come soon and a LIMIT is cheap.
**
** The vectors are those of embed(text, model), bit for bit; with prompt 'query' or
** 'document' those of embed_query and embed_document.  NULL gives NULL.
**
** A plan may run a table-valued function once for each row of another table: behind LEFT
** JOIN, and in a subquery that refers to a row outside.  There it is to be read first:
**   WITH v AS MATERIALIZED (SELECT * FROM attn_embed_each(...)) SELECT ...
*/
#include "../vec.h"
#include <string.h>

enum {
  MAX_ROWS = 1024, /* of a batch */
  MIN_TOKENS = 1024,
  MAX_TOKENS = 65536 /* the batch that reaches this many is full */
};

typedef struct each_rows {
  attns_rows base;
  const attn_model *model; /* ours */
  attn_workspace *workspace;
  sqlite3_stmt *query; /* NULL: at its end */
  sqlite3_int64 n_read;

  /* the batch: row i has vector number at[i], or NULL where that is negative */
  sqlite3_value *id[MAX_ROWS];
  int at[MAX_ROWS];
  int n_row, next;
  uint32_t n_vector;
  uint32_t max_token;
  float *vector;

  attns_ticker ticker;
} each_rows;

/* ----------------------------------------------------------------------- opening */

static int find_prompt(sqlite3_value *value, char **error, attn_prompt *out) {
  static const struct {
    const char *name;
    attn_prompt prompt;
  } prompts[] = {{"query", ATTN_PROMPT_QUERY}, {"document", ATTN_PROMPT_DOCUMENT}};
  attn_text name;
  *out = ATTN_PROMPT_DEFAULT;
  if (!value || sqlite3_value_type(value) == SQLITE_NULL) return SQLITE_OK;
  int rc = attns_value_name(value, "attn_embed_each: prompt", error, &name);
  if (rc != SQLITE_OK) return rc;
  for (size_t i = 0; i < sizeof prompts / sizeof prompts[0]; i++) {
    *out = prompts[i].prompt;
    if (strcmp(name.text, prompts[i].name) == 0) return SQLITE_OK;
  }
  return attns_sql_fail(
      error, SQLITE_ERROR,
      "attn_embed_each: prompt is \"%!.40s\"; expected query or document", name.text);
}

static int begin_embedding(each_rows *rows, attn_prompt prompt, char **error) {
  attn_error err = {0};
  attn_status status = attn_workspace_new(&rows->workspace);
  if (status == ATTN_OK) {
    attn_embed_options options = {.prompt = attn_model_prompt(rows->model, prompt),
                                  .stop = attns_ticker_check,
                                  .ctx = &rows->ticker};
    status = attn_embed_begin(rows->workspace, rows->model, &options, &err);
  }
  return attns_sql_status(status, &err, error);
}

static int open_each(attns_rows *base, sqlite3_value **argument, char **error) {
  each_rows *rows = (each_rows *)base;
  const attn_model *model;
  attn_prompt prompt;
  attn_text sql;
  int rc = attns_value_name(argument[0], "attn_embed_each: query", error, &sql);
  if (rc == SQLITE_OK) rc = find_prompt(argument[2], error, &prompt);
  if (rc == SQLITE_OK) {
    rc = attns_connection_model_value(base->connection, argument[1], error, &model);
  }
  if (rc != SQLITE_OK) return rc;
  /* The connection may let go of it while rows are read. */
  attn_model_retain(model);
  rows->model = model;
  rows->max_token = MIN_TOKENS;
  rc = begin_embedding(rows, prompt, error);
  if (rc == SQLITE_OK) {
    rc = attns_ticker_open(attns_connection_db(base->connection), &rows->ticker);
  }
  if (rc != SQLITE_OK) return rc;
  return attns_prepare_texts(attns_connection_db(base->connection), "attn_embed_each",
                             sql, error, &rows->query);
}

/* ------------------------------------------------------------------------- rows */

static void free_batch(each_rows *rows) {
  for (int i = 0; i < rows->n_row; i++) sqlite3_value_free(rows->id[i]);
  sqlite3_free(rows->vector);
  rows->vector = NULL;
  rows->n_row = rows->next = 0;
  rows->n_vector = 0;
}

/* What is wrong with the text of the row read last. */
static int fail_row(const each_rows *rows, char **error, const char *what) {
  const char *id = attns_value_found(sqlite3_column_value(rows->query, 0));
  return attns_sql_fail(error, SQLITE_ERROR, "attn_embed_each: row %lld (id %!.40s): %s",
                        rows->n_read, id, what);
}

/* Adds the row that the query stands on to the batch. */
static int add_row(each_rows *rows, char **error, uint32_t *n_token) {
  sqlite3_stmt *query = rows->query;
  attn_error err = {0};
  *n_token = 0;
  sqlite3_value *id = sqlite3_value_dup(sqlite3_column_value(query, 0));
  if (!id) return SQLITE_NOMEM;
  rows->id[rows->n_row] = id;
  rows->at[rows->n_row++] = -1;
  rows->n_read++;
  int type = sqlite3_column_type(query, 1);
  if (type == SQLITE_NULL) return SQLITE_OK;
  if (type == SQLITE_BLOB) return fail_row(rows, error, "text is a blob; expected text");
  attn_text text = {(const char *)sqlite3_column_text(query, 1), 0};
  if (!text.text) return SQLITE_NOMEM;
  text.n_text = (size_t)sqlite3_column_bytes(query, 1);
  attn_status status = attn_embed_add(rows->workspace, text, &err, n_token);
  if (status == ATTN_NOMEM) return SQLITE_NOMEM;
  if (status != ATTN_OK) return fail_row(rows, error, err.message);
  rows->at[rows->n_row - 1] = (int)rows->n_vector++;
  return SQLITE_OK;
}

/* Reads ahead till the batch is full or the query is at its end. */
static int read_batch(each_rows *rows, char **error) {
  uint32_t n_total = 0, n_token;
  while (rows->query && rows->n_row < MAX_ROWS && n_total < rows->max_token) {
    int rc = sqlite3_step(rows->query);
    if (rc == SQLITE_DONE) {
      sqlite3_finalize(rows->query);
      rows->query = NULL;
      break;
    }
    if (rc != SQLITE_ROW) {
      sqlite3 *db = attns_connection_db(rows->base.connection);
      return attns_sql_db_error(db, "attn_embed_each: query", error);
    }
    rc = add_row(rows, error, &n_token);
    if (rc != SQLITE_OK) return rc;
    n_total += n_token;
  }
  if (rows->max_token < MAX_TOKENS) rows->max_token *= 2;
  return SQLITE_OK;
}

static int embed_batch(each_rows *rows, char **error) {
  attn_error err = {0};
  sqlite3_uint64 n = attn_model_get_info(rows->model)->dimension;
  rows->vector = sqlite3_malloc64(rows->n_vector * n * sizeof *rows->vector + 1);
  if (!rows->vector) return SQLITE_NOMEM;
  return attns_sql_status(attn_embed_run(rows->workspace, &err, rows->vector), &err,
                          error);
}

static int next_each(attns_rows *base, char **error) {
  each_rows *rows = (each_rows *)base;
  int rc = SQLITE_OK;
  if (++rows->next < rows->n_row) return SQLITE_ROW;
  free_batch(rows);
  rc = read_batch(rows, error);
  if (rc == SQLITE_OK) rc = embed_batch(rows, error);
  if (rc != SQLITE_OK) return rc;
  return rows->n_row ? SQLITE_ROW : SQLITE_DONE;
}

static void each_column(attns_rows *base, sqlite3_context *ctx, int i) {
  each_rows *rows = (each_rows *)base;
  int at = rows->at[rows->next];
  uint32_t n = attn_model_get_info(rows->model)->dimension;
  if (i == 0) {
    sqlite3_result_value(ctx, rows->id[rows->next]);
  } else if (at >= 0) {
    attns_result_floats_copy(ctx, rows->vector + (size_t)at * n, n);
  }
}

static void close_each(attns_rows *base) {
  each_rows *rows = (each_rows *)base;
  free_batch(rows);
  sqlite3_finalize(rows->query);
  attns_ticker_close(&rows->ticker);
  attn_workspace_free(rows->workspace);
  attn_model_release(rows->model);
}

const attns_table attns_embed_each_table = {
    .name = "attn_embed_each",
    .declaration = "id, vector BLOB, _query HIDDEN, _model HIDDEN, _prompt HIDDEN",
    .n_column = 2,
    .n_argument = 3,
    .n_required = 1,
    .flags = SQLITE_DIRECTONLY,
    .n_byte = sizeof(each_rows),
    .n_expected = 1e6, /* so that no plan runs it more than once */
    .open = open_each,
    .next = next_each,
    .column = each_column,
    .close = close_each,
};
