/*
** decode.c - one pass through a decoder.
**
**   attn_logits(text [, model [, target]])          [tokens, vocabulary]
**   attn_transformer(src, tgt, model [, options])   matrices through torch.nn.Transformer
**
** Matrices are blobs of float32, row after row, as vectors are.
*/
#include "ids.h"
#include "../json.h"
#include "../vec.h"

/* --------------------------------------------------------------------- attn_logits */

static attn_sequence sequence(const attns_token_ids *ids) {
  return (attn_sequence){ids->id, ids->n};
}

static int check_generates(const attn_model *model, int has_target, char **error) {
  const attn_model_info *info = attn_model_get_info(model);
  if (!info->generates) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "attn_logits: a model of type %s has no language-model head",
                          info->architecture);
  }
  if (has_target == info->has_encoder) return SQLITE_OK;
  return attns_sql_fail(
      error, SQLITE_ERROR,
      has_target
          ? "attn_logits: a model of type %s has no encoder; expected no target"
          : "attn_logits: a model of type %s has an encoder, which reads the text, and "
            "a decoder; expected a target for that",
      info->architecture);
}

static int make_logits(sqlite3_context *ctx, const attn_model *model, attn_sequence text,
                       attn_sequence target, char **error) {
  attns_connection *c = attns_connection_of(ctx);
  const attn_model_info *info = attn_model_get_info(model);
  attn_error err = {0};
  float *out;
  attn_sequence source = text;
  if (!info->has_encoder) {
    target = text;
    source = (attn_sequence){0};
  }
  int rc = attns_new_floats(attns_connection_db(c), "attn_logits", target.n,
                            info->n_vocab, error, &out);
  if (rc != SQLITE_OK) return rc;
  attn_stop stop = {attns_interrupted, attns_connection_db(c)};
  attn_status status = attn_logits(model, source, target, stop, &err, out);
  if (status != ATTN_OK) {
    sqlite3_free(out);
    return attns_function_status("attn_logits", status, &err, error);
  }
  attns_result_floats(ctx, out, target.n * info->n_vocab);
  return SQLITE_OK;
}

static void logits(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_connection *c = attns_connection_of(ctx);
  const attn_model *model;
  attns_token_ids text = {0}, target = {0};
  char *error = NULL;
  int has_target = argc > 2 && sqlite3_value_type(argv[2]) != SQLITE_NULL;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  int rc = attns_connection_model_value(c, argc > 1 ? argv[1] : NULL, &error, &model);
  if (rc == SQLITE_OK) rc = check_generates(model, has_target, &error);
  if (rc == SQLITE_OK) {
    rc = attns_value_ids(c, argv[0], model, "attn_logits: text", &error, &text);
  }
  if (rc == SQLITE_OK && has_target) {
    rc = attns_value_ids(c, argv[2], model, "attn_logits: target", &error, &target);
  }
  if (rc == SQLITE_OK)
    rc = make_logits(ctx, model, sequence(&text), sequence(&target), &error);
  if (rc != SQLITE_OK) attns_result_error(ctx, rc, error);
  attns_token_ids_free(&text);
  attns_token_ids_free(&target);
}

/* ---------------------------------------------------------------- attn_transformer */

static int read_matrix(sqlite3_value *value, const char *name, uint32_t d, char **error,
                       float **out, uint32_t *n_row) {
  size_t n;
  char *reason = NULL;
  int rc = attns_value_floats(value, &reason, out, &n);
  if (reason) rc = attns_sql_fail(error, rc, "attn_transformer: %s: %s", name, reason);
  sqlite3_free(reason);
  if (rc != SQLITE_OK) return rc;
  *n_row = (uint32_t)(n / d);
  if (n > 0 && n % d == 0) return SQLITE_OK;
  return attns_sql_fail(error, SQLITE_ERROR,
                        "attn_transformer: %s has %llu numbers; expected rows of %u, the "
                        "model's d_model",
                        name, (unsigned long long)n, d);
}

static int transform(sqlite3_context *ctx, const attn_model *model,
                     const attn_matrices *in, sqlite3_value *options, char **error) {
  sqlite3 *db = attns_connection_db(attns_connection_of(ctx));
  const uint32_t d = attn_model_get_info(model)->d_model;
  attns_document document = {0};
  float *out = NULL;
  int rc = attns_new_floats(db, "attn_transformer", in->n_target, d, error, &out);
  if (rc == SQLITE_OK) {
    rc = attns_document_options(db, options, "attn_transformer: options", error,
                                &document);
  }
  if (rc == SQLITE_OK) {
    attn_error err = {0};
    attn_stop stop = {attns_interrupted, db};
    attn_status status = attn_transform(model, in, &document.settings, stop, &err, out);
    rc = attns_function_status("attn_transformer", status, &err, error);
  }
  attns_document_free(&document);
  if (rc == SQLITE_OK) {
    attns_result_floats(ctx, out, (size_t)in->n_target * d);
  } else {
    sqlite3_free(out);
  }
  return rc;
}

static void transformer(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  const attn_model *model;
  float *source = NULL, *target = NULL;
  attn_matrices in = {0};
  char *error = NULL;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
      sqlite3_value_type(argv[1]) == SQLITE_NULL)
    return;
  int rc =
      attns_connection_model_value(attns_connection_of(ctx), argv[2], &error, &model);
  const attn_model_info *info = rc == SQLITE_OK ? attn_model_get_info(model) : NULL;
  if (info && !info->transforms) {
    rc = attns_sql_fail(&error, SQLITE_ERROR,
                        "attn_transformer: a model of type %s takes tokens; expected "
                        "torch.nn.Transformer",
                        info->architecture);
  }
  if (rc == SQLITE_OK) {
    rc = read_matrix(argv[0], "src", info->d_model, &error, &source, &in.n_source);
  }
  if (rc == SQLITE_OK) {
    rc = read_matrix(argv[1], "tgt", info->d_model, &error, &target, &in.n_target);
  }
  in.source = source;
  in.target = target;
  if (rc == SQLITE_OK) rc = transform(ctx, model, &in, argc > 3 ? argv[3] : NULL, &error);
  if (rc != SQLITE_OK) attns_result_error(ctx, rc, error);
  sqlite3_free(source);
  sqlite3_free(target);
}

#define FLAGS                                                                            \
  (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_SUBTYPE | SQLITE_RESULT_SUBTYPE)

const attns_function attns_decode_functions[] = {
    {"attn_logits", 1, FLAGS, logits},
    {"attn_logits", 2, FLAGS, logits},
    {"attn_logits", 3, FLAGS, logits},
    {"attn_transformer", 3, FLAGS, transformer},
    {"attn_transformer", 4, FLAGS, transformer},
    {NULL, 0, 0, NULL},
};
