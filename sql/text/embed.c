/*
** embed.c - embed(text [, model]), embed_query, embed_document.
**
** The three differ in the prompt that the model's configuration puts before the
** text, as sentence-transformers' encode, encode_query and encode_document do.
*/
#include "../vec.h"

static int embed_text(sqlite3_context *ctx, int argc, sqlite3_value **argv,
                      attn_prompt which, char **error) {
  attns_connection *c = attns_connection_of(ctx);
  const attn_model *model;
  attn_text text;
  attn_error err = {0};
  int rc = attns_connection_model_value(c, argc > 1 ? argv[1] : NULL, error, &model);
  if (rc == SQLITE_OK) rc = attns_value_text(argv[0], "text to embed", error, &text);
  if (rc != SQLITE_OK) return rc;
  attn_workspace *workspace = attns_connection_workspace(c);
  uint32_t n = attn_model_get_info(model)->dimension;
  float *vector = sqlite3_malloc64(n * sizeof *vector);
  if (!workspace || !vector) {
    sqlite3_free(vector);
    return SQLITE_NOMEM;
  }
  attn_embed_options options = {.prompt = attn_model_prompt(model, which),
                                .stop = attns_interrupted,
                                .ctx = attns_connection_db(c)};
  attn_status status = attn_embed(workspace, model, &text, 1, &options, &err, vector);
  if (status != ATTN_OK) {
    sqlite3_free(vector);
    return attns_sql_status(status, &err, error);
  }
  attns_result_floats(ctx, vector, n);
  return SQLITE_OK;
}

static void embed_with(sqlite3_context *ctx, int argc, sqlite3_value **argv,
                       attn_prompt which) {
  char *error = NULL;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  int rc = embed_text(ctx, argc, argv, which, &error);
  if (rc != SQLITE_OK) attns_result_error(ctx, rc, error);
}

static void embed(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  embed_with(ctx, argc, argv, ATTN_PROMPT_DEFAULT);
}

static void embed_query(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  embed_with(ctx, argc, argv, ATTN_PROMPT_QUERY);
}

static void embed_document(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  embed_with(ctx, argc, argv, ATTN_PROMPT_DOCUMENT);
}

#define FLAGS (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_RESULT_SUBTYPE)

const attns_function attns_embed_functions[] = {
    {"embed", 1, FLAGS, embed},
    {"embed", 2, FLAGS, embed},
    {"embed_query", 1, FLAGS, embed_query},
    {"embed_query", 2, FLAGS, embed_query},
    {"embed_document", 1, FLAGS, embed_document},
    {"embed_document", 2, FLAGS, embed_document},
    {NULL, 0, 0, NULL},
};
