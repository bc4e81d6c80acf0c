/*
** trace.c - one forward pass of a text, and what was seen of it.
**
** The engine shows the matrices of a pass to an observer while they come into being;
** here they are copied to where rows and pictures are made from.
*/
#include "trace.h"
#include <string.h>

/* ------------------------------------------------------------------- what was seen */

/* Where in a block of n tokens the numbers of a view begin; -1: not kept. */
static int64_t offset_in_block(const attns_trace *trace, const attn_view *view) {
  const size_t n = trace->tokens.n;
  switch (view->kind) {
  case ATTN_TRACE_HIDDEN:
    return trace->kind <= ATTNS_TRACE_LAST ? (int64_t)(view->first * view->d) : -1;
  case ATTN_TRACE_WEIGHTS:
    return trace->kind == ATTNS_TRACE_WEIGHTS ? (int64_t)(view->first * n) : -1;
  default:
    break;
  }
  if (trace->kind != ATTNS_TRACE_VECTORS) return -1;
  return (int64_t)((size_t)(view->kind - ATTN_TRACE_QUERIES) * n * view->d);
}

static void see(void *ctx, const attn_view *view) {
  attns_trace *trace = ctx;
  int64_t offset = offset_in_block(trace, view);
  if (offset < 0 || view->layer < trace->layer || view->head < trace->head ||
      view->layer - trace->layer >= trace->n_layer ||
      view->head - trace->head >= trace->n_head)
    return;
  size_t block =
      (size_t)(view->layer - trace->layer) * trace->n_head + view->head - trace->head;
  float *to = trace->x + block * trace->n_block + offset;
  for (size_t i = 0; i < view->n; i++, to += view->d) {
    memcpy(to, view->x + i * view->ld, view->d * sizeof *to);
  }
}

/* ------------------------------------------------------------------------- the pass */

static int tokenize(attns_trace *trace, sqlite3_value *text, sqlite3_value *second,
                    char **error) {
  const attn_tokenizer *tokenizer = attn_model_tokenizer(trace->model);
  uint32_t limit = attn_model_get_info(trace->model)->max_length;
  attn_text texts[2] = {{NULL, 0}, {NULL, 0}};
  attn_error err = {""};
  attn_status status;
  int pair = second && sqlite3_value_type(second) != SQLITE_NULL;
  int rc = attns_value_text(text, "text to look at", error, &texts[0]);
  if (rc == SQLITE_OK && pair) {
    rc = attns_value_text(second, "second text", error, &texts[1]);
  }
  if (rc != SQLITE_OK) return rc;
  if (pair) {
    status = attn_tokenize_pair(tokenizer, texts, limit, &err, &trace->tokens);
  } else {
    status = attn_tokenize(tokenizer, texts[0].text, texts[0].n_text, limit, &err,
                           &trace->tokens);
  }
  return attns_sql_status(status, &err, error);
}

int64_t attns_trace_number(sqlite3_value *value) {
  if (!value || sqlite3_value_type(value) != SQLITE_INTEGER) return ATTNS_ALL;
  return sqlite3_value_int64(value);
}

/* The range of 0 .. n-1 that a number stands for. */
static void choose(int64_t number, uint32_t n, uint32_t *first, uint32_t *n_chosen) {
  *first = 0;
  *n_chosen = n;
  if (number == ATTNS_ALL) return;
  *n_chosen = number >= 0 && number < (int64_t)n;
  if (*n_chosen) *first = (uint32_t)number;
}

static int allocate(attns_trace *trace, char **error) {
  const attn_model_info *info = attn_model_get_info(trace->model);
  const uint64_t n = trace->tokens.n, limit = 0x7fffff00 / sizeof(float);
  attn_error err = {""};
  switch (trace->kind) {
  case ATTNS_TRACE_HIDDEN:
  case ATTNS_TRACE_LAST:
    trace->n_block = n * info->d_model;
    break;
  case ATTNS_TRACE_VECTORS:
    trace->n_block = 3 * n * info->d_head;
    break;
  case ATTNS_TRACE_WEIGHTS:
    trace->n_block = n * n;
    break;
  }
  /* At most 2^16 tokens, layers and heads: this fits into 64 bits. */
  uint64_t n_number = (uint64_t)trace->n_layer * trace->n_head * trace->n_block;
  if (n_number > limit) {
    return attns_sql_fail(
        error, SQLITE_TOOBIG,
        "%llu tokens make %llu numbers; expected at most %llu: ask for a "
        "layer and a head, as in WHERE layer = 0 AND head = 0",
        (unsigned long long)n, (unsigned long long)n_number, (unsigned long long)limit);
  }
  int rc =
      attns_sql_status(attn_limit_call(n_number * sizeof *trace->x, &err), &err, error);
  if (rc != SQLITE_OK) return rc;
  trace->x = sqlite3_malloc64(n_number * sizeof *trace->x + 1);
  return trace->x ? SQLITE_OK : SQLITE_NOMEM;
}

static int encode(attns_trace *trace, attns_connection *c, char **error) {
  attn_workspace *workspace = attns_connection_workspace(c);
  const size_t n = trace->tokens.n, d = attn_model_get_info(trace->model)->dimension;
  const uint32_t begin[2] = {0, (uint32_t)n};
  float *vector = sqlite3_malloc64(d * sizeof *vector + n * (sizeof(int32_t) + 1));
  if (!workspace || !vector) {
    sqlite3_free(vector);
    return SQLITE_NOMEM;
  }
  int32_t *id = (int32_t *)(vector + d);
  uint8_t *type = (uint8_t *)(id + n);
  for (size_t i = 0; i < n; i++) {
    id[i] = trace->tokens.token[i].id;
    type[i] = trace->tokens.token[i].type;
  }
  attn_error err = {""};
  attn_batch batch = {id, begin, NULL, 1, type};
  attn_observer observer = {see, trace};
  attn_embed_options options = {
      .observer = &observer, .stop = attns_interrupted, .ctx = attns_connection_db(c)};
  attn_status status =
      attn_encode(workspace, trace->model, &batch, &options, &err, vector);
  sqlite3_free(vector);
  return attns_sql_status(status, &err, error);
}

static void choose_all(attns_trace *trace, const attns_trace_choice *choice) {
  const attn_model_info *info = attn_model_get_info(trace->model);
  trace->kind = choice->kind;
  switch (choice->kind) {
  case ATTNS_TRACE_HIDDEN:
    choose(choice->layer, info->n_layer + 1, &trace->layer, &trace->n_layer);
    trace->n_head = 1;
    break;
  case ATTNS_TRACE_LAST:
    trace->layer = info->n_layer;
    trace->n_layer = trace->n_head = 1;
    break;
  default:
    choose(choice->layer, info->n_layer, &trace->layer, &trace->n_layer);
    choose(choice->head, info->n_head, &trace->head, &trace->n_head);
    break;
  }
}

int attns_trace_run(attns_trace *trace, attns_connection *c,
                    const attns_trace_choice *choice, char **error) {
  const attn_model *model;
  int rc = attns_connection_model_value(c, choice->model, error, &model);
  if (rc != SQLITE_OK) return rc;
  /* The connection may let go of it while rows are read. */
  attn_model_retain(model);
  trace->model = model;
  choose_all(trace, choice);
  rc = tokenize(trace, choice->text, choice->second, error);
  if (rc == SQLITE_OK) rc = allocate(trace, error);
  return rc == SQLITE_OK ? encode(trace, c, error) : rc;
}

void attns_trace_free(attns_trace *trace) {
  attn_tokens_free(&trace->tokens);
  attn_model_release(trace->model);
  sqlite3_free(trace->x);
  memset(trace, 0, sizeof *trace);
}

/* ------------------------------------------------------------------------- reading */

const float *attns_trace_block(const attns_trace *trace, size_t layer, size_t head) {
  return trace->x + (layer * trace->n_head + head) * trace->n_block;
}

attn_text attns_trace_token(const attns_trace *trace, size_t position) {
  uint32_t n = 0;
  const char *text = attn_token_text(attn_model_tokenizer(trace->model),
                                     trace->tokens.token[position].id, &n);
  return (attn_text){text, n};
}

void attns_trace_result_token(sqlite3_context *ctx, const attns_trace *trace,
                              size_t position) {
  attn_text token = attns_trace_token(trace, position);
  sqlite3_result_text(ctx, token.text, (int)token.n_text, SQLITE_TRANSIENT);
}
