/*
** embed_rows.c - from what a user gives, a text or a vector, to the vector of the index.
**
** An index remembers its model by name and by the hash of its content.  When the
** model of that name is another one, vectors of the two would be mixed: that is an
** error until 'rebuild', which adopts the new one.
*/
#include "index.h"
#include "../models/store.h"
#include "../vec.h"
#include <math.h>
#include <string.h>

static int remember(attnx_index *index, const attns_model_row *row, uint32_t d) {
  int rc = attnx_storage_set_text(index, "model", row->name);
  if (rc == SQLITE_OK) rc = attnx_storage_set_text(index, "sha256", row->sha256);
  if (rc == SQLITE_OK) rc = attnx_storage_set_int(index, "dimension", d);
  if (rc != SQLITE_OK) return rc;
  sqlite3_free(index->model);
  sqlite3_free(index->sha256);
  index->model = sqlite3_mprintf("%s", row->name);
  index->sha256 = sqlite3_mprintf("%s", row->sha256);
  index->dimension = d;
  return index->model && index->sha256 ? SQLITE_OK : SQLITE_NOMEM;
}

static int check_model(attnx_index *index, int adopt, const attns_model_row *row,
                       uint32_t d) {
  const char *table = index->config.table;
  if (!adopt && strcmp(row->sha256, index->sha256 ? index->sha256 : "") != 0) {
    return attnx_index_fail(
        index,
        "%s: model \"%s\" is not the one that made the vectors (content "
        "%.12s; expected %.12s); INSERT INTO %s(%s) VALUES('rebuild') "
        "makes them anew",
        table, row->name, row->sha256, index->sha256, table, table);
  }
  uint32_t expected = adopt ? index->config.dimension : index->dimension;
  if (expected && d != expected) {
    return attnx_index_fail(index,
                            "%s: model \"%s\" makes vectors of %u numbers; expected %u",
                            table, row->name, d, expected);
  }
  return SQLITE_OK;
}

int attnx_index_model(attnx_index *index, int adopt, const attn_model **out) {
  attns_model_row row = {0};
  char **error = &index->base.zErrMsg;
  const char *name = adopt ? index->config.model : index->model;
  *out = NULL;
  if (!attnx_config_embeds(&index->config)) {
    return attnx_index_fail(index, "%s has no model; expected a vector",
                            index->config.table);
  }
  int rc = attns_store_find(index->db, name, error, &row);
  if (rc == SQLITE_OK)
    rc = attns_connection_model(index->connection, row.name, error, out);
  if (rc == SQLITE_OK) {
    uint32_t d = attn_model_get_info(*out)->dimension;
    rc = check_model(index, adopt, &row, d);
    if (rc == SQLITE_OK && adopt) rc = remember(index, &row, d);
  }
  attns_model_row_free(&row);
  if (rc != SQLITE_OK) *out = NULL;
  return rc;
}

int attnx_index_embed(attnx_index *index, const attn_text *text, size_t n,
                      attn_prompt prompt, float *out) {
  const attn_model *model;
  attn_error err = {""};
  int rc = attnx_index_model(index, 0, &model);
  if (rc != SQLITE_OK) return rc;
  attn_workspace *workspace = attns_connection_workspace(index->connection);
  if (!workspace) return SQLITE_NOMEM;
  attn_embed_options options = {
      .prompt =
          attn_model_prompt(model, index->config.prompts ? prompt : ATTN_PROMPT_DEFAULT),
      .stop = attns_interrupted,
      .ctx = index->db,
  };
  return attns_sql_status(attn_embed(workspace, model, text, n, &options, &err, out),
                          &err, &index->base.zErrMsg);
}

/* ---------------------------------------------------------------------- vectors */

/* Text that is no JSON array of numbers may be something to embed. */
static int parse(attnx_index *index, sqlite3_value *value, const char *what, int or_text,
                 float **out, size_t *n) {
  char *reason = NULL;
  int rc = attns_value_floats(value, &reason, out, n);
  if (rc == SQLITE_ERROR && or_text && sqlite3_value_type(value) == SQLITE_TEXT) {
    rc = SQLITE_OK;
  } else if (rc == SQLITE_ERROR) {
    rc = attnx_index_fail(index, "%s: %s: %s", index->config.table, what, reason);
  }
  sqlite3_free(reason);
  return rc;
}

static int is_zero(const float *x, size_t n) {
  size_t i = 0;
  while (i < n && x[i] == 0) i++;
  return i == n;
}

static int check_vector(attnx_index *index, const char *what, const float *x, size_t n) {
  if (n != index->dimension) {
    return attnx_index_fail(index, "%s: %s has %lld numbers; expected %u",
                            index->config.table, what, (sqlite3_int64)n,
                            index->dimension);
  }
  if (!attn_floats_are_finite(n, x)) {
    size_t i = 0;
    while (isfinite(x[i])) i++;
    return attnx_index_fail(index, "%s: %s: number %lld is %s; expected a finite one",
                            index->config.table, what, (sqlite3_int64)i + 1,
                            isnan(x[i]) ? "not a number" : "infinite");
  }
  if (index->config.metric != ATTN_COSINE || !is_zero(x, n)) return SQLITE_OK;
  return attnx_index_fail(index, "%s: %s is zero, which has no cosine",
                          index->config.table, what);
}

/* A text that does not begin like a JSON array. */
static int is_plain_text(sqlite3_value *value, int *out) {
  *out = 0;
  if (sqlite3_value_type(value) != SQLITE_TEXT) return SQLITE_OK;
  const char *text = (const char *)sqlite3_value_text(value);
  if (!text) return SQLITE_NOMEM;
  *out = text[strspn(text, " \t\r\n")] != '[';
  return SQLITE_OK;
}

int attnx_index_vector(attnx_index *index, sqlite3_value *value, const char *what,
                       int or_text, float **out) {
  size_t n = 0;
  *out = NULL;
  if (or_text && sqlite3_value_type(value) != SQLITE_BLOB &&
      sqlite3_value_type(value) != SQLITE_TEXT) {
    return SQLITE_OK;
  }
  int is_text, rc = is_plain_text(value, &is_text);
  if (rc != SQLITE_OK || (is_text && or_text)) return rc;
  if (is_text) {
    return attnx_index_fail(index,
                            "%s: %s is a text, and the table has no model; expected a "
                            "vector: a blob of float32, a JSON array, or embed(text)",
                            index->config.table, what);
  }
  rc = parse(index, value, what, or_text, out, &n);
  if (rc == SQLITE_OK && *out) rc = check_vector(index, what, *out, n);
  if (rc != SQLITE_OK) {
    sqlite3_free(*out);
    *out = NULL;
  }
  return rc;
}

/* ------------------------------------------------------------------------ texts */

static int not_text(attnx_index *index, const sqlite3_int64 *id, const char *column) {
  const char *table = index->config.table;
  return id ? attnx_index_fail(index, "%s: row %lld: %s is a blob; expected text", table,
                               *id, column)
            : attnx_index_fail(index, "%s: %s is a blob; expected text", table, column);
}

int attnx_index_text(attnx_index *index, const sqlite3_int64 *id, sqlite3_value **column,
                     char **text, size_t *n_text) {
  const attnx_config *config = &index->config;
  sqlite3_str *s = NULL;
  *text = NULL;
  *n_text = 0;
  for (int i = 0; i < config->n_column; i++) {
    if (config->column[i].kind != ATTNX_COLUMN_TEXT ||
        sqlite3_value_type(column[i]) == SQLITE_NULL) {
      continue;
    }
    int is_blob = sqlite3_value_type(column[i]) == SQLITE_BLOB;
    const char *part = is_blob ? NULL : (const char *)sqlite3_value_text(column[i]);
    if (!part) {
      sqlite3_free(sqlite3_str_finish(s));
      return is_blob ? not_text(index, id, config->column[i].name) : SQLITE_NOMEM;
    }
    if (!s) {
      s = sqlite3_str_new(index->db);
    } else {
      sqlite3_str_appendchar(s, 1, '\n');
    }
    sqlite3_str_append(s, part, sqlite3_value_bytes(column[i]));
  }
  if (!s) return SQLITE_OK;
  int rc = sqlite3_str_errcode(s);
  *n_text = (size_t)sqlite3_str_length(s);
  *text = sqlite3_str_finish(s);
  if (rc == SQLITE_OK && !*text) { /* of no bytes at all */
    *text = sqlite3_mprintf("%s", "");
    if (!*text) rc = SQLITE_NOMEM;
  }
  return rc;
}

sqlite3_int64 attnx_index_hash(const char *text, size_t n_text) {
  attn_sha256 hash;
  char hex[65];
  uint64_t result = 0;
  attn_sha256_init(&hash);
  attn_sha256_update(&hash, text, n_text);
  attn_sha256_final(&hash, hex);
  for (int i = 0; i < 16; i++) {
    result = result << 4 | (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
  }
  return (sqlite3_int64)result;
}
