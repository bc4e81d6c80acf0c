/*
** tensor_file.c - the headers of a folder's safetensors files.
**
** The header is JSON, which SQLite parses; engine/format/safetensors.c knows what
** it has to say.  Names are those of a bare encoder in the end: what a checkpoint
** puts before them ("bert.") or calls otherwise ("gamma") is straightened here.
*/
#include "tensor_file.h"
#include "../file.h"
#include "../json.h"
#include <string.h>

/* Of a model with a head, and of a whole sentence-transformers module. */
static const char *const host_prefixes[] = {"0.auto_model.", "auto_model.", "bert.",
                                            "roberta.", "distilbert."};

/* Names of before 2019. */
static const char *const old_endings[][2] = {{".gamma", ".weight"}, {".beta", ".bias"}};

static const char *strip_prefixes(const char *name) {
  for (size_t i = 0; i < sizeof host_prefixes / sizeof host_prefixes[0]; i++) {
    size_t n = strlen(host_prefixes[i]);
    if (strncmp(name, host_prefixes[i], n) == 0 && name[n]) name += n;
  }
  return name;
}

/* A tensor's name in the database. */
static char *database_name(const char *prefix, const char *name) {
  name = strip_prefixes(name);
  size_t n = strlen(name);
  for (size_t i = 0; i < sizeof old_endings / sizeof old_endings[0]; i++) {
    size_t n_old = strlen(old_endings[i][0]);
    if (n > n_old && strcmp(name + n - n_old, old_endings[i][0]) == 0) {
      return sqlite3_mprintf("%s%.*s%s", prefix, (int)(n - n_old), name,
                             old_endings[i][1]);
    }
  }
  return sqlite3_mprintf("%s%s", prefix, name);
}

/* ---------------------------------------------------------------------- entries */

static int reserve_tensor(attns_folder *f) {
  if (f->n_tensor < f->n_alloc) return SQLITE_OK;
  size_t n = 2 * f->n_alloc + 128;
  attn_safetensor *tensor = sqlite3_realloc64(f->tensor, n * sizeof *tensor);
  if (!tensor) return SQLITE_NOMEM;
  f->tensor = tensor;
  f->n_alloc = n;
  return SQLITE_OK;
}

static int bad_entry(const attns_tensor_file *file, const char *name, const char *what,
                     char **error) {
  return attns_sql_fail(error, SQLITE_ERROR, "%s: tensor \"%s\" has %s", file->path, name,
                        what);
}

/* A row of name, dtype, shape, begin, end. */
static int add_entry(attns_folder *f, sqlite3_stmt *stmt, char **error) {
  const attns_tensor_file *file = &f->file[f->n_file - 1];
  const char *name = (const char *)sqlite3_column_text(stmt, 0);
  const char *dtype = (const char *)sqlite3_column_text(stmt, 1);
  const char *shape = (const char *)sqlite3_column_text(stmt, 2);
  int rc = reserve_tensor(f);
  if (rc != SQLITE_OK || !name) return SQLITE_NOMEM;
  attn_safetensor *t = &f->tensor[f->n_tensor];
  memset(t, 0, sizeof *t);
  t->dtype = dtype ? attn_dtype_find(dtype) : NULL;
  if (!t->dtype) {
    char *what = sqlite3_mprintf("dtype \"%s\"; expected F32, F16, BF16 or another of "
                                 "safetensors",
                                 dtype ? dtype : "");
    if (!what) return SQLITE_NOMEM;
    rc = bad_entry(file, name, what, error);
    sqlite3_free(what);
    return rc;
  }
  t->n_dim = shape ? attn_shape_parse(shape, t->dim) : -1;
  if (t->n_dim < 0) return bad_entry(file, name, "no shape of up to 8 sizes", error);
  if (sqlite3_column_type(stmt, 3) != SQLITE_INTEGER ||
      sqlite3_column_type(stmt, 4) != SQLITE_INTEGER ||
      sqlite3_column_int64(stmt, 3) < 0 || sqlite3_column_int64(stmt, 4) < 0) {
    return bad_entry(file, name, "no data_offsets of two whole numbers", error);
  }
  t->begin = (uint64_t)sqlite3_column_int64(stmt, 3);
  t->end = (uint64_t)sqlite3_column_int64(stmt, 4);
  t->file = (uint32_t)(f->n_file - 1);
  t->name = database_name(file->prefix, name);
  if (!t->name) return SQLITE_NOMEM;
  f->n_tensor++;
  return SQLITE_OK;
}

static int read_entries(sqlite3 *db, const attns_bytes *header, attns_folder *f,
                        char **error) {
  sqlite3_stmt *stmt;
  const char *path = f->file[f->n_file - 1].path;
  int rc = attns_prepare(
      db, &stmt, error,
      "SELECT key, json_extract(v, '$.dtype'), json_extract(v, '$.shape'),"
      " json_extract(v, '$.data_offsets[0]'), json_extract(v, '$.data_offsets[1]')"
      " FROM (SELECT key, CASE type WHEN 'object' THEN value ELSE '{}' END AS v"
      "       FROM json_each(?1) WHERE key <> '__metadata__')");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text64(stmt, 1, header->data, (sqlite3_uint64)header->n, SQLITE_STATIC,
                      SQLITE_UTF8);
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = add_entry(f, stmt, error);
    if (rc != SQLITE_OK) break;
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (!*error && rc != SQLITE_NOMEM) {
    char *doing = sqlite3_mprintf("%s: the header", path);
    rc = doing ? attns_sql_db_error(db, doing, error) : SQLITE_NOMEM;
    sqlite3_free(doing);
  }
  sqlite3_finalize(stmt);
  return rc;
}

/* ------------------------------------------------------------------------ files */

/* Reads the header of an open file into memory. */
static int read_header(FILE *handle, attns_tensor_file *file, sqlite3_int64 n_file,
                       char **error, attns_bytes *out) {
  uint8_t first[8] = {0};
  uint64_t n;
  attn_error err;
  int rc = SQLITE_OK;
  if (n_file >= 8) rc = attns_file_read_at(handle, file->path, 0, first, 8, error);
  if (rc != SQLITE_OK) return rc;
  if (attn_safetensors_header(first, (uint64_t)n_file, &err, &n) != ATTN_OK) {
    return attns_sql_fail(error, SQLITE_ERROR, "%s: %s", file->path, err.message);
  }
  file->data = 8 + (sqlite3_int64)n;
  rc = attns_file_memory(file->path, (sqlite3_int64)n, error, out);
  if (rc != SQLITE_OK) return rc;
  return attns_file_read_at(handle, file->path, 8, out->data, (size_t)n, error);
}

static int is_object(sqlite3 *db, const attns_bytes *json, char **error, int *out) {
  char *type;
  int rc = attns_json_type(db, json, error, &type);
  *out = type && strcmp(type, "object") == 0;
  sqlite3_free(type);
  return rc;
}

static int read_file(sqlite3 *db, attns_folder *f, char **error) {
  attns_tensor_file *file = &f->file[f->n_file - 1];
  size_t first = f->n_tensor;
  sqlite3_int64 n_file;
  FILE *handle;
  attns_bytes header = {0};
  attn_error err;
  int valid = 0;
  int rc = attns_file_open(file->path, error, &handle, &n_file);
  if (rc != SQLITE_OK) return rc;
  rc = read_header(handle, file, n_file, error, &header);
  fclose(handle);
  if (rc == SQLITE_OK) rc = is_object(db, &header, error, &valid);
  if (rc == SQLITE_OK && !valid) {
    rc = attns_sql_fail(error, SQLITE_ERROR, "%s: the header is no valid JSON object",
                        file->path);
  }
  if (rc == SQLITE_OK) rc = read_entries(db, &header, f, error);
  sqlite3_free(header.data);
  if (rc == SQLITE_OK &&
      attn_safetensors_check(f->tensor + first, f->n_tensor - first,
                             (uint64_t)(n_file - file->data), &err) != ATTN_OK) {
    rc = attns_sql_fail(error, SQLITE_ERROR, "%s: %s", file->path, err.message);
  }
  return rc;
}

static int add_file(sqlite3 *db, const char *folder, const char *name, const char *prefix,
                    attns_folder *f, char **error) {
  attns_tensor_file *file =
      sqlite3_realloc64(f->file, ((sqlite3_uint64)f->n_file + 1) * sizeof *file);
  if (!file) return SQLITE_NOMEM;
  f->file = file;
  file = &f->file[f->n_file++];
  file->path = sqlite3_mprintf("%s/%s", folder, name);
  file->prefix = sqlite3_mprintf("%s", prefix);
  if (!file->path || !file->prefix) return SQLITE_NOMEM;
  return read_file(db, f, error);
}

/* A model in several files: {"weight_map": {"tensor": "file", ...}}. */
static int add_shards(sqlite3 *db, const char *folder, const char *index,
                      const char *prefix, attns_folder *f, char **error) {
  attns_bytes json;
  sqlite3_stmt *stmt = NULL;
  int valid = 0, n = 0;
  int rc = attns_file_read(index, 64 << 20, error, &json);
  if (rc == SQLITE_OK) rc = is_object(db, &json, error, &valid);
  if (rc == SQLITE_OK && valid) {
    rc = attns_prepare(
        db, &stmt, error,
        "SELECT DISTINCT value FROM json_each(?1, '$.weight_map') ORDER BY 1");
    if (rc == SQLITE_OK) {
      sqlite3_bind_text64(stmt, 1, json.data, (sqlite3_uint64)json.n, SQLITE_STATIC,
                          SQLITE_UTF8);
    }
  }
  while (stmt && rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(stmt, 0);
    if (!name || strchr(name, '/') || strchr(name, '\\')) {
      rc = attns_sql_fail(error, SQLITE_ERROR,
                          "%s: \"%s\" in weight_map is no name of a file beside it",
                          index, name ? name : "");
      break;
    }
    rc = add_file(db, folder, name, prefix, f, error);
    n++;
  }
  if (rc == SQLITE_DONE) rc = SQLITE_OK;
  if (rc == SQLITE_OK && n == 0) {
    rc = attns_sql_fail(error, SQLITE_ERROR,
                        "%s: expected a JSON object whose weight_map names files", index);
  }
  if (rc != SQLITE_OK && !*error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(db, index, error);
  }
  sqlite3_finalize(stmt);
  sqlite3_free(json.data);
  return rc;
}

int attns_tensor_files_read(sqlite3 *db, const char *folder, const char *prefix,
                            char **error, attns_folder *out) {
  int rc;
  char *single = sqlite3_mprintf("%s/model.safetensors", folder);
  char *index = sqlite3_mprintf("%s/model.safetensors.index.json", folder);
  if (!single || !index) {
    rc = SQLITE_NOMEM;
  } else if (!attns_file_is(single, 'f') && attns_file_is(index, 'f')) {
    rc = add_shards(db, folder, index, prefix, out, error);
  } else {
    rc = add_file(db, folder, "model.safetensors", prefix, out, error);
  }
  sqlite3_free(single);
  sqlite3_free(index);
  return rc;
}
