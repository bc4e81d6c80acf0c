/*
** quantize.c - attn_quantize(name, new_name): a model in int8 from one in float32.
**
** The new model is the other with "precision": "int8" in its configuration, and a
** quarter of its size.  attn_import(name, folder, 'int8') makes the same, byte for byte.
*/
#include "conversion.h"
#include "store.h"

typedef struct quantize {
  sqlite3 *db;
  char **error;
  attns_model_row row; /* of the model that there is */
  attns_tensor_source *tensors;
  char *schema, *name; /* of the new one */
  char *config, *license;
  attns_parts parts;
} quantize;

static int read_code(void *ctx) {
  return attns_store_read_code(ctx);
}

/* The parts of the old model that are not tensors, with the new precision. */
static int read_model(quantize *q) {
  char *config = NULL;
  attn_model_info info;
  int rc = attns_store_config(q->db, &q->row, q->error, &config);
  if (rc == SQLITE_OK) rc = attns_store_describe(q->db, config, q->error, &info);
  if (rc == SQLITE_OK && info.precision == ATTN_PRECISION_INT8) {
    rc = attns_sql_fail(q->error, SQLITE_ERROR, "model \"%s\" is int8 already",
                        q->row.name);
  }
  if (rc == SQLITE_OK) {
    rc = attns_convert_config(q->db, config, ATTN_PRECISION_INT8, q->error, &q->config);
  }
  sqlite3_free(config);
  if (rc == SQLITE_OK) rc = attns_store_license(q->db, &q->row, q->error, &q->license);
  if (rc == SQLITE_OK) rc = attns_store_parts(q->db, &q->row, q->error, &q->parts);
  if (rc == SQLITE_OK)
    rc = attns_store_open_tensors(q->db, &q->row, q->error, &q->tensors);
  return rc;
}

static int quantize_model(quantize *q, const char *old, const char *wanted) {
  int there;
  int rc = attns_store_find(q->db, old, q->error, &q->row);
  if (rc == SQLITE_OK)
    rc = attns_store_target(q->db, wanted, q->error, &q->schema, &q->name);
  if (rc == SQLITE_OK) rc = attns_store_exists(q->db, q->schema, q->error, &there);
  if (rc == SQLITE_OK && there) {
    rc = attns_store_check_free(q->db, q->schema, q->name, q->error);
  }
  if (rc == SQLITE_OK) rc = read_model(q);
  if (rc != SQLITE_OK) return rc;
  attns_new_model m = {.schema = q->schema,
                       .name = q->name,
                       .config = q->config,
                       .license = q->license,
                       .parts = &q->parts,
                       .source = attns_store_source(q->tensors),
                       .read_code = read_code};
  return attns_convert_write(q->db, &m, q->error);
}

static void attns_quantize(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  char *error = NULL;
  quantize q = {.db = attns_connection_db(attns_connection_of(ctx)), .error = &error};
  attn_text old, name;
  (void)argc;
  int rc = attns_value_name(argv[0], "attn_quantize: name", &error, &old);
  if (rc == SQLITE_OK)
    rc = attns_value_name(argv[1], "attn_quantize: new name", &error, &name);
  if (rc == SQLITE_OK) rc = quantize_model(&q, old.text, name.text);
  if (rc == SQLITE_OK) {
    sqlite3_result_text(ctx, q.name, -1, SQLITE_TRANSIENT);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attns_store_close_tensors(q.tensors);
  attns_model_row_free(&q.row);
  sqlite3_free(q.schema);
  sqlite3_free(q.name);
  sqlite3_free(q.config);
  sqlite3_free(q.license);
  attns_parts_free(&q.parts);
}

const attns_function attns_quantize_functions[] = {
    {"attn_quantize", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, attns_quantize},
    {NULL, 0, 0, NULL},
};
