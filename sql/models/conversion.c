/*
** conversion.c - writes a new model in the precision that its configuration asks for.
**
** The engine makes the tensors what they are to be as they are read (attn_conversion), so
** that they are written like any others.
*/
#include "conversion.h"
#include "../json.h"
#include "store.h"
#include "writer.h"
#include <string.h>

typedef struct conversion {
  sqlite3 *db;
  char **error;
  const attns_new_model *model;
  attn_model_info info;
  attn_conversion *conversion;
  size_t i; /* the tensor that is written */
} conversion;

/* The result of a call that reads the model's source. */
static int source_result(conversion *r, attn_status status, const attn_error *err,
                         char **error) {
  int rc = attns_sql_status(status, err, error);
  int code = r->model->read_code ? r->model->read_code(r->model->source->ctx) : SQLITE_OK;
  return rc == SQLITE_ERROR && code != SQLITE_OK ? code : rc;
}

/* Reads the configuration and makes the tensors what it asks for. */
static int open_conversion(conversion *r) {
  attns_document document;
  attn_error err = {""};
  int rc = attns_document_read(r->db, r->model->config, -1, "$", "attn_model.config",
                               r->error, &document);
  if (rc == SQLITE_OK) {
    attn_status status = attn_model_describe(&document.settings, &err, &r->info);
    rc = attns_sql_status(status, &err, r->error);
  }
  if (rc == SQLITE_OK) {
    const attn_stop stop = {attns_interrupted, r->db};
    attn_status status = attn_conversion_new(&document.settings, r->model->source, stop,
                                             &err, &r->conversion);
    rc = source_result(r, status, &err, r->error);
  }
  attns_document_free(&document);
  return rc;
}

static int read_tensor(void *ctx, uint64_t offset, size_t n, void *out, char **error) {
  conversion *r = ctx;
  attn_error err = {""};
  const attn_source *source = attn_conversion_source(r->conversion);
  attn_status status = source->read(source->ctx, r->i, offset, n, out, &err);
  return source_result(r, status, &err, error);
}

static int write_tensors(conversion *r, attns_writer *writer) {
  const attn_source *source = attn_conversion_source(r->conversion);
  int rc = SQLITE_OK;
  for (r->i = 0; rc == SQLITE_OK && r->i < source->n_tensor; r->i++) {
    const attn_tensor *t = &source->tensor[r->i];
    attns_writer_tensor tensor = {.name = t->name,
                                  .dtype = t->dtype_name,
                                  .n_dim = t->n_dim,
                                  .dim = t->dim,
                                  .n_byte = t->n_byte,
                                  .read = read_tensor,
                                  .ctx = r};
    rc = attns_writer_tensor_add(writer, &tensor);
  }
  return rc;
}

static int write_model(conversion *r, attns_change *change) {
  const attns_new_model *m = r->model;
  attns_writer writer = {
      .db = r->db, .error = r->error, .schema = m->schema, .name = m->name};
  attns_writer_model rest = {
      .info = &r->info, .config = m->config, .license = m->license, .parts = m->parts};
  int rc = attns_store_create(r->db, m->schema, r->error);
  if (rc == SQLITE_OK) rc = attns_change_ready(r->db, change, r->error);
  if (rc == SQLITE_OK) rc = attns_store_check_free(r->db, m->schema, m->name, r->error);
  if (rc == SQLITE_OK) rc = write_tensors(r, &writer);
  if (rc == SQLITE_OK) rc = attns_writer_finish(&writer, &rest);
  int closed = attns_writer_close(&writer);
  return rc == SQLITE_OK ? closed : rc;
}

int attns_convert_write(sqlite3 *db, const attns_new_model *model, char **error) {
  conversion r = {.db = db, .error = error, .model = model};
  int rc = open_conversion(&r);
  if (rc == SQLITE_OK) rc = attns_begin(db, error);
  if (rc == SQLITE_OK) {
    attns_change change = {0};
    rc = attns_end(db, &change, write_model(&r, &change), error);
  }
  attn_conversion_free(r.conversion);
  return rc;
}

int attns_convert_config(sqlite3 *db, const char *config, attn_precision precision,
                         char **error, char **out) {
  sqlite3_stmt *s;
  *out = NULL;
  int rc = attns_prepare(db, &s, error, "SELECT json_set(?, '$.precision', %Q)",
                         attn_precision_name(precision));
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(s, 1, config, -1, SQLITE_STATIC);
  if (sqlite3_step(s) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(s, 0);
    if (text) *out = sqlite3_mprintf("%s", text);
    if (!*out) rc = SQLITE_NOMEM;
  } else {
    rc = attns_sql_db_error(db, "attn_model.config", error);
  }
  sqlite3_finalize(s);
  return rc;
}
