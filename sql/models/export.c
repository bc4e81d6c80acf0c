/*
** export.c - attn_export(name, folder): a model as a folder that
** sentence-transformers loads.
**
** The files are those that were imported, as far as libattn knows them, with the
** tensors in order of name.  What is int8 is written as float32.  The last one is
** config.json of the transformer, without which a folder is no model: what is left of an
** export that failed is not taken for one.
*/
#include "../file.h"
#include "../json.h"
#include "conversion.h"
#include "store.h"
#include "vocab.h"
#include <string.h>

enum { PIECE = 1 << 20 };

typedef struct export {
  sqlite3 *db;
  char **error;
  const char *folder;
  attns_model_row row;
  char *config;      /* attn_model.config */
  char *transformer; /* its place in the folder: "", or a path that ends with "/" */
  attns_tensor_source *tensors;
  attn_conversion *conversion; /* the same in float32 */
}
export;

/* ------------------------------------------------------------------------ JSON */

/* Writes folder/name with the text that a query of one value gives; nothing for
** NULL.  ?1 is the configuration. */
static int write_query(export *e, const char *name, const char *sql) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(e->db, &stmt, e->error, "%s", sql);
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, e->config, -1, SQLITE_STATIC);
  rc = sqlite3_step(stmt);
  const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
  if (rc != SQLITE_ROW) {
    rc = attns_sql_db_error(e->db, "attn_model.config", e->error);
  } else if (text) {
    char *path = sqlite3_mprintf("%s/%s", e->folder, name);
    rc = path ? attns_file_write(path, text, (size_t)sqlite3_column_bytes(stmt, 0),
                                 e->error)
              : SQLITE_NOMEM;
    sqlite3_free(path);
  } else {
    rc = sqlite3_column_type(stmt, 0) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
  }
  sqlite3_finalize(stmt);
  return rc;
}

static void append_json_string(sqlite3_str *out, const char *text, uint32_t n) {
  sqlite3_str_appendchar(out, 1, '"');
  for (uint32_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c < 0x20) {
      sqlite3_str_appendf(out, "\\u%04x", c);
    } else {
      if (c == '"' || c == '\\') sqlite3_str_appendchar(out, 1, '\\');
      sqlite3_str_appendchar(out, 1, (char)c);
    }
  }
  sqlite3_str_appendchar(out, 1, '"');
}

/* What a string builder has made. */
static int finish_text(sqlite3_str *text, char **out) {
  int rc = sqlite3_str_errcode(text);
  *out = sqlite3_str_finish(text);
  return rc == SQLITE_OK && !*out ? SQLITE_NOMEM : rc;
}

/* {"token": id, ...} */
static void append_vocab(sqlite3_str *out, const attn_vocab *vocab) {
  const char *comma = "";
  sqlite3_str_appendchar(out, 1, '{');
  for (uint32_t i = 0; i < vocab->n; i++) {
    if (!vocab->token[i]) continue;
    sqlite3_str_appendall(out, comma);
    append_json_string(out, vocab->token[i], vocab->n_token[i]);
    sqlite3_str_appendf(out, ":%u", i);
    comma = ",";
  }
  sqlite3_str_appendchar(out, 1, '}');
}

/* [["left","right"], ...] */
static void append_merges(sqlite3_str *out, const attn_vocab *vocab) {
  sqlite3_str_appendchar(out, 1, '[');
  for (size_t i = 0; i < vocab->n_merge; i++) {
    const attn_text *pair = &vocab->merge[2 * i];
    sqlite3_str_appendall(out, i ? ",[" : "[");
    append_json_string(out, pair[0].text, (uint32_t)pair[0].n_text);
    sqlite3_str_appendchar(out, 1, ',');
    append_json_string(out, pair[1].text, (uint32_t)pair[1].n_text);
    sqlite3_str_appendchar(out, 1, ']');
  }
  sqlite3_str_appendchar(out, 1, ']');
}

/* The large parts of tokenizer.json as JSON; *merges is NULL where there are none. */
static int parts_json(export *e, char **vocab_json, char **merges_json) {
  attn_vocab vocab = {0};
  attns_parts parts;
  *vocab_json = *merges_json = NULL;
  int rc = attns_store_parts(e->db, &e->row, e->error, &parts);
  if (rc == SQLITE_OK) rc = attns_vocab_parse(&parts, e->row.name, e->error, &vocab);
  if (rc == SQLITE_OK) {
    sqlite3_str *text = sqlite3_str_new(e->db);
    append_vocab(text, &vocab);
    rc = finish_text(text, vocab_json);
  }
  if (rc == SQLITE_OK && parts.data[ATTNS_PART_MERGES]) {
    sqlite3_str *text = sqlite3_str_new(e->db);
    append_merges(text, &vocab);
    rc = finish_text(text, merges_json);
  }
  attns_vocab_free(&vocab);
  attns_parts_free(&parts);
  return rc;
}

static int has_tokenizer(export *e, int *out) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(e->db, &stmt, e->error,
                         "SELECT json_type(?1, '$.tokenizer') IS NOT 'null'");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, e->config, -1, SQLITE_STATIC);
  *out = sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);
  rc = sqlite3_finalize(stmt);
  return rc == SQLITE_OK ? rc : attns_sql_db_error(e->db, "attn_model.config", e->error);
}

static int write_tokenizer(export *e, const char *place) {
  char *vocab = NULL, *merges = NULL;
  sqlite3_stmt *stmt = NULL;
  int there = 0;
  int rc = has_tokenizer(e, &there);
  if (rc != SQLITE_OK || !there) return rc;
  rc = parts_json(e, &vocab, &merges);
  if (rc == SQLITE_OK) {
    rc =
        attns_prepare(e->db, &stmt, e->error,
                      "SELECT json_set(?1 -> '$.tokenizer', '$.model.vocab', json(?2)%s)",
                      merges ? ", '$.model.merges', json(?3)" : "");
  }
  if (rc == SQLITE_OK) {
    sqlite3_bind_text(stmt, 1, e->config, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, vocab, -1, SQLITE_STATIC);
    if (merges) sqlite3_bind_text(stmt, 3, merges, -1, SQLITE_STATIC);
    int step = sqlite3_step(stmt);
    if (step == SQLITE_ROW && sqlite3_column_text(stmt, 0)) {
      char *path = sqlite3_mprintf("%s/%stokenizer.json", e->folder, place);
      rc = path ? attns_file_write(path, sqlite3_column_text(stmt, 0),
                                   (size_t)sqlite3_column_bytes(stmt, 0), e->error)
                : SQLITE_NOMEM;
      sqlite3_free(path);
    } else if (step == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_NULL &&
               sqlite3_errcode(e->db) == SQLITE_ROW) {
      rc = attns_sql_fail(e->error, SQLITE_ERROR,
                          "model \"%s\": attn_model.config has no $.tokenizer",
                          e->row.name);
    } else {
      rc = attns_sql_db_error(e->db, "attn_model.config", e->error);
    }
  }
  sqlite3_finalize(stmt);
  sqlite3_free(vocab);
  sqlite3_free(merges);
  return rc;
}

/* --------------------------------------------------------------------- tensors */

/* Does a tensor belong to the file of this prefix?  The transformer's have none. */
static int in_file(const char *name, const char *prefix) {
  if (*prefix) return strncmp(name, prefix, strlen(prefix)) == 0;
  return strchr(name, '/') == NULL;
}

/* The header: length and JSON, filled up with blanks to a multiple of 8 bytes. */
static int header_bytes(export *e, const char *prefix, char **out, sqlite3_int64 *n) {
  const attn_source *source = attn_conversion_source(e->conversion);
  sqlite3_str *text = sqlite3_str_new(e->db);
  uint64_t at = 0;
  sqlite3_str_appendchar(text, 8, ' ');
  sqlite3_str_appendall(text, "{\"__metadata__\":{\"format\":\"pt\"}");
  for (size_t i = 0; i < source->n_tensor; i++) {
    const attn_tensor *t = &source->tensor[i];
    if (!in_file(t->name, prefix)) continue;
    const char *name = t->name + strlen(prefix);
    sqlite3_str_appendchar(text, 1, ',');
    append_json_string(text, name, (uint32_t)strlen(name));
    sqlite3_str_appendf(text, ":{\"dtype\":\"%s\",\"shape\":[", t->dtype_name);
    for (int k = 0; k < t->n_dim; k++) {
      sqlite3_str_appendf(text, "%s%lld", k ? "," : "", t->dim[k]);
    }
    sqlite3_str_appendf(text, "],\"data_offsets\":[%llu,%llu]}", at, at + t->n_byte);
    at += t->n_byte;
  }
  sqlite3_str_appendchar(text, 1, '}');
  sqlite3_str_appendchar(text, (8 - sqlite3_str_length(text) % 8) % 8, ' ');
  *n = sqlite3_str_length(text);
  int rc = sqlite3_str_errcode(text);
  *out = sqlite3_str_finish(text);
  if (rc == SQLITE_OK && !*out) rc = SQLITE_NOMEM;
  if (rc != SQLITE_OK) return rc;
  for (int i = 0; i < 8; i++) (*out)[i] = (char)((uint64_t)(*n - 8) >> (8 * i) & 0xff);
  return SQLITE_OK;
}

static int write_bytes(export *e, FILE *file, const char *path, const void *data,
                       size_t n) {
  if (fwrite(data, 1, n, file) == n) return SQLITE_OK;
  return attns_sql_fail(e->error, SQLITE_ERROR, "%s: cannot write", path);
}

static int write_tensor(export *e, size_t i, FILE *file, const char *path, char *piece) {
  const attn_source *source = attn_conversion_source(e->conversion);
  uint64_t n = source->tensor[i].n_byte;
  int rc = SQLITE_OK;
  for (uint64_t at = 0; rc == SQLITE_OK && at < n; at += PIECE) {
    attn_error err;
    size_t take = n - at < PIECE ? (size_t)(n - at) : PIECE;
    if (attns_interrupted(e->db)) return SQLITE_INTERRUPT;
    rc = attns_sql_status(source->read(source->ctx, i, at, take, piece, &err), &err,
                          e->error);
    if (rc == SQLITE_OK) rc = write_bytes(e, file, path, piece, take);
  }
  return rc;
}

static int write_safetensors(export *e, const char *prefix) {
  const attn_source *source = attn_conversion_source(e->conversion);
  sqlite3_int64 n;
  char *header = NULL,
       *path = sqlite3_mprintf("%s/%smodel.safetensors", e->folder, prefix);
  char *piece = sqlite3_malloc64(PIECE);
  FILE *file = NULL;
  int rc = path && piece ? header_bytes(e, prefix, &header, &n) : SQLITE_NOMEM;
  if (rc == SQLITE_OK) rc = attns_file_create(path, e->error, &file);
  if (rc == SQLITE_OK) rc = write_bytes(e, file, path, header, (size_t)n);
  for (size_t i = 0; rc == SQLITE_OK && i < source->n_tensor; i++) {
    if (in_file(source->tensor[i].name, prefix))
      rc = write_tensor(e, i, file, path, piece);
  }
  if (file && fclose(file) != 0 && rc == SQLITE_OK) {
    rc = attns_sql_fail(e->error, SQLITE_ERROR, "%s: cannot write", path);
  }
  sqlite3_free(header);
  sqlite3_free(piece);
  sqlite3_free(path);
  return rc;
}

/* --------------------------------------------------------------------- modules */

static int make_folder(export *e, const char *path) {
  char *whole = sqlite3_mprintf("%s/%s", e->folder, path);
  int rc = whole ? attns_file_make_folder(whole, e->error) : SQLITE_NOMEM;
  sqlite3_free(whole);
  return rc;
}

/* The files of the transformer itself but the last, in a folder that is named with its
** "/". */
static int write_transformer(export *e, const char *place) {
  static const struct {
    const char *name, *sql;
  } files[] = {
      {"sentence_bert_config.json", "SELECT nullif(?1 -> '$.sentence', 'null')"},
      {"tokenizer_config.json", "SELECT nullif(?1 -> '$.tokenizer_config', 'null')"},
      {"special_tokens_map.json", "SELECT nullif(?1 -> '$.special_tokens_map', 'null')"},
      {"generation_config.json", "SELECT nullif(?1 -> '$.generation', 'null')"},
  };
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof files / sizeof files[0]; i++) {
    char *name = sqlite3_mprintf("%s%s", place, files[i].name);
    rc = name ? write_query(e, name, files[i].sql) : SQLITE_NOMEM;
    sqlite3_free(name);
  }
  if (rc == SQLITE_OK) rc = write_tokenizer(e, place);
  if (rc == SQLITE_OK) rc = write_safetensors(e, "");
  if (rc != SQLITE_OK) return rc;
  e->transformer = sqlite3_mprintf("%s", place);
  return e->transformer ? SQLITE_OK : SQLITE_NOMEM;
}

static int write_last(export *e) {
  char *name = sqlite3_mprintf("%sconfig.json", e->transformer);
  int rc = name ? write_query(e, name, "SELECT ?1 -> '$.transformer'") : SQLITE_NOMEM;
  sqlite3_free(name);
  return rc;
}

/* A row of modules: type, path, configuration. */
static int write_module(export *e, sqlite3_stmt *stmt, int first) {
  const char *type = (const char *)sqlite3_column_text(stmt, 0);
  const char *path = (const char *)sqlite3_column_text(stmt, 1);
  const char *config = (const char *)sqlite3_column_text(stmt, 2);
  if (!type || !path) return SQLITE_NOMEM;
  if (!attns_file_is_below(path)) {
    return attns_sql_fail(
        e->error, SQLITE_ERROR,
        "model \"%s\": path \"%s\" in attn_model.config leads out of the "
        "folder",
        e->row.name, path);
  }
  char *place = *path ? sqlite3_mprintf("%s/", path) : sqlite3_mprintf("");
  if (!place) return SQLITE_NOMEM;
  int rc = *path ? make_folder(e, path) : SQLITE_OK;
  if (first && rc == SQLITE_OK) rc = write_transformer(e, place);
  if (!first && rc == SQLITE_OK && config) {
    char *name = sqlite3_mprintf("%s/%sconfig.json", e->folder, place);
    rc = name ? attns_file_write(name, config, strlen(config), e->error) : SQLITE_NOMEM;
    sqlite3_free(name);
  }
  if (rc == SQLITE_OK && !first && strcmp(type, "Dense") == 0) {
    rc = write_safetensors(e, place);
  }
  sqlite3_free(place);
  return rc;
}

/* sentence-transformers wants to be told the width that Pooling works on.  A model that
** is no part of a chain is a transformers folder. */
static int write_modules(export *e, uint32_t d_model) {
  sqlite3_stmt *stmt;
  int n = 0;
  int rc = attns_prepare(
      e->db, &stmt, e->error,
      "SELECT json_extract(value, '$.type'), coalesce(json_extract(value, '$.path'), ''),"
      " CASE WHEN json_extract(value, '$.type') = 'Pooling'"
      "   AND json_extract(value, '$.config.embedding_dimension') IS NULL"
      "  THEN json_insert(coalesce(nullif(value -> '$.config', 'null'), '{}'),"
      "   '$.word_embedding_dimension', %u)"
      "  ELSE nullif(value -> '$.config', 'null') END, key"
      " FROM json_each(?1, '$.modules') ORDER BY key",
      d_model);
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, e->config, -1, SQLITE_STATIC);
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = write_module(e, stmt, sqlite3_column_int(stmt, 3) == 0);
    if (rc != SQLITE_OK) break;
    n++;
  }
  if (rc == SQLITE_DONE) {
    rc = n ? SQLITE_OK : write_transformer(e, "");
  } else if (!*e->error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(e->db, "attn_model.config", e->error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

static int write_license(export *e) {
  char *license;
  int rc = attns_store_license(e->db, &e->row, e->error, &license);
  if (rc != SQLITE_OK || !license) return rc;
  char *path = sqlite3_mprintf("%s/README.md", e->folder);
  char *text = sqlite3_mprintf("---\nlicense: %s\n---\n# %s\n", license, e->row.name);
  rc = path && text ? attns_file_write(path, text, strlen(text), e->error) : SQLITE_NOMEM;
  sqlite3_free(path);
  sqlite3_free(text);
  sqlite3_free(license);
  return rc;
}

/* ------------------------------------------------------------------ attn_export */

static int check_target(export *e) {
  char *path = sqlite3_mprintf("%s/modules.json", e->folder);
  if (!path) return SQLITE_NOMEM;
  int rc = SQLITE_OK;
  if (attns_file_is(path, 'f')) {
    rc = attns_sql_fail(e->error, SQLITE_ERROR,
                        "%s: there is a model already; expected a new folder", e->folder);
  }
  sqlite3_free(path);
  return rc == SQLITE_OK ? attns_file_make_folder(e->folder, e->error) : rc;
}

/* The tensors as float32. */
static int open_tensors(export *e) {
  attns_document document = {0};
  attn_error err;
  char *config = NULL;
  int rc = attns_convert_config(e->db, e->config, ATTN_PRECISION_F32, e->error, &config);
  if (rc == SQLITE_OK) {
    rc = attns_document_read(e->db, config, -1, "$", "attn_model.config", e->error,
                             &document);
  }
  if (rc == SQLITE_OK)
    rc = attns_store_open_tensors(e->db, &e->row, e->error, &e->tensors);
  if (rc == SQLITE_OK) {
    const attn_stop stop = {attns_interrupted, e->db};
    attn_status status = attn_conversion_new(
        &document.settings, attns_store_source(e->tensors), stop, &err, &e->conversion);
    rc = attns_sql_status(status, &err, e->error);
  }
  attns_document_free(&document);
  sqlite3_free(config);
  return rc;
}

/* Nothing is written of a model that could not be loaded again. */
static int check_model(export *e, attn_model_info *info) {
  int rc = attns_store_config(e->db, &e->row, e->error, &e->config);
  if (rc == SQLITE_OK) rc = attns_store_describe(e->db, e->config, e->error, info);
  if (rc == SQLITE_OK && strcmp(info->architecture, "tokenizer") == 0) {
    rc = attns_sql_fail(e->error, SQLITE_ERROR,
                        "model \"%s\" is a tokenizer; expected one with weights",
                        e->row.name);
  }
  return rc == SQLITE_OK ? open_tensors(e) : rc;
}

static int export_model(export *e, const char *name) {
  attn_model_info info;
  int rc = attns_store_find(e->db, name, e->error, &e->row);
  if (rc == SQLITE_OK) rc = check_model(e, &info);
  if (rc == SQLITE_OK) rc = check_target(e);
  if (rc == SQLITE_OK) rc = write_modules(e, info.d_model);
  if (rc == SQLITE_OK) {
    rc = write_query(e, "config_sentence_transformers.json",
                     "SELECT nullif(?1 -> '$.sentence_transformers', 'null')");
  }
  if (rc == SQLITE_OK) rc = write_license(e);
  if (rc == SQLITE_OK) {
    rc = write_query(e, "modules.json",
                     "SELECT nullif(json_group_array(json_object('idx', key,"
                     " 'name', CAST(key AS TEXT), 'path', json_extract(value, '$.path'),"
                     " 'type', json_extract(value, '$.class'))), '[]')"
                     " FROM json_each(?1, '$.modules')");
  }
  return rc == SQLITE_OK ? write_last(e) : rc;
}

static void attns_export(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  char *error = NULL;
  export e = {.db = attns_connection_db(attns_connection_of(ctx)), .error = &error};
  attn_text name, folder;
  (void)argc;
  int rc = attns_value_name(argv[0], "attn_export: name", &error, &name);
  if (rc == SQLITE_OK)
    rc = attns_value_name(argv[1], "attn_export: folder", &error, &folder);
  if (rc == SQLITE_OK) {
    e.folder = folder.text;
    rc = export_model(&e, name.text);
  }
  if (rc == SQLITE_OK) {
    sqlite3_result_value(ctx, argv[1]);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attn_conversion_free(e.conversion);
  attns_store_close_tensors(e.tensors);
  attns_model_row_free(&e.row);
  sqlite3_free(e.config);
  sqlite3_free(e.transformer);
}

const attns_function attns_export_functions[] = {
    {"attn_export", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, attns_export},
    {NULL, 0, 0, NULL},
};
