/*
** import.c - attn_import(name, folder): a sentence-transformers folder becomes rows.
**
** The folder is read and checked first (folder.c), down to the shape of every
** tensor.  Then one savepoint writes it: tensors in the order in which their
** files hold them, each as a zeroblob that is filled through incremental blob I/O,
** a megabyte at a time, so that memory does not grow with the model.
**
** sha256 names the content: the hash of the configuration, of the vocabulary and
** of every tensor's name, dtype, shape and data, in order of name.  Two folders
** that differ in how the tensors are laid out get the same name.
*/
#include "folder.h"
#include "file.h"
#include "json.h"
#include "store.h"
#include "vocab.h"
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20 };

typedef struct import {
  sqlite3 *db;
  char **error;
  char *schema; /* where it goes */
  char *name;
  attn_folder folder;
  attn_model_info info;
  char (*hash)[65]; /* of each tensor's data */
  char *piece;
  sqlite3_stmt *insert;
  sqlite3_blob *blob;
} import;

/* -------------------------------------------------------------------- checking */

static int by_name(const void *a, const void *b) {
  return strcmp(((const attn_tensor *)a)->name, ((const attn_tensor *)b)->name);
}

/* Would the engine load these tensors? */
static int check_tensors(import *m, attn_settings *settings) {
  const attn_folder *f = &m->folder;
  attn_error err;
  attn_tensor *tensor = sqlite3_malloc64((f->n_tensor + 1) * sizeof *tensor);
  if (!tensor) return SQLITE_NOMEM;
  for (size_t i = 0; i < f->n_tensor; i++) {
    const attn_safetensor *t = &f->tensor[i];
    tensor[i] = (attn_tensor){.name = t->name, .dtype = t->dtype->dtype, .n_dim = t->n_dim};
    memcpy(tensor[i].dim, t->dim, sizeof t->dim);
    tensor[i].n_byte = t->end - t->begin;
  }
  qsort(tensor, f->n_tensor, sizeof *tensor, by_name);
  int rc = SQLITE_OK;
  for (size_t i = 1; rc == SQLITE_OK && i < f->n_tensor; i++) {
    if (strcmp(tensor[i - 1].name, tensor[i].name) == 0) {
      rc = attn_sql_fail(m->error, SQLITE_ERROR, "tensor \"%s\" is there twice",
                         tensor[i].name);
    }
  }
  if (rc == SQLITE_OK) {
    attn_source source = {.tensor = tensor, .n_tensor = f->n_tensor};
    rc = attn_sql_status(attn_model_check(settings, &source, &err), &err, m->error);
  }
  sqlite3_free(tensor);
  return rc;
}

/* Would the engine make a tokenizer of this? */
static int check_tokenizer(import *m) {
  attn_document document;
  attn_vocab vocab = {0};
  attn_tokenizer *tokenizer = NULL;
  attn_error err;
  int rc = attn_document_read(m->db, m->folder.config, -1, "$.tokenizer", "tokenizer.json",
                              m->error, &document);
  if (rc == SQLITE_OK) {
    rc = attn_vocab_parse((const unsigned char *)m->folder.vocab, m->folder.n_vocab, m->name,
                          m->error, &vocab);
  }
  if (rc == SQLITE_OK) {
    rc = attn_sql_status(attn_tokenizer_new(&document.settings, &vocab, &err, &tokenizer),
                         &err, m->error);
  }
  attn_tokenizer_free(tokenizer);
  attn_vocab_free(&vocab);
  attn_document_free(&document);
  return rc;
}

static int check_folder(import *m) {
  attn_document document;
  attn_error err;
  int rc = attn_document_read(m->db, m->folder.config, -1, "$", "the configuration", m->error,
                              &document);
  if (rc == SQLITE_OK) {
    attn_status status = attn_model_describe(&document.settings, &err, &m->info);
    rc = attn_sql_status(status, &err, m->error);
  }
  if (rc == SQLITE_OK) rc = check_tensors(m, &document.settings);
  attn_document_free(&document);
  return rc == SQLITE_OK ? check_tokenizer(m) : rc;
}

/* --------------------------------------------------------------------- writing */

/* Inserts a row for bytes [first, first + n) of a tensor and opens its blob. */
static int insert_part(import *m, const attn_safetensor *t, const char *shape, int part,
                       uint64_t n) {
  sqlite3_stmt *s = m->insert;
  sqlite3_bind_text(s, 1, m->name, -1, SQLITE_STATIC);
  sqlite3_bind_text(s, 2, t->name, -1, SQLITE_STATIC);
  sqlite3_bind_int(s, 3, part);
  sqlite3_bind_text(s, 4, t->dtype->name, -1, SQLITE_STATIC);
  sqlite3_bind_text(s, 5, shape, -1, SQLITE_STATIC);
  sqlite3_bind_zeroblob64(s, 6, n);
  sqlite3_step(s);
  if (sqlite3_reset(s) != SQLITE_OK) return attn_sql_db_error(m->db, "attn_tensor", m->error);
  sqlite3_int64 rowid = sqlite3_last_insert_rowid(m->db);
  int rc = m->blob ? sqlite3_blob_reopen(m->blob, rowid)
                   : sqlite3_blob_open(m->db, m->schema, "attn_tensor", "data", rowid, 1,
                                       &m->blob);
  return rc == SQLITE_OK ? rc : attn_sql_db_error(m->db, "attn_tensor", m->error);
}

/* Copies n bytes from a file to the open blob. */
static int copy_bytes(import *m, FILE *file, const attn_tensor_file *from, uint64_t offset,
                      uint64_t n, attn_sha256 *hash) {
  for (uint64_t at = 0; at < n; at += PIECE) {
    size_t take = n - at < PIECE ? (size_t)(n - at) : PIECE;
    if (attn_interrupted(m->db)) return SQLITE_INTERRUPT;
    int rc = attn_file_read_at(file, from->path, (sqlite3_int64)(offset + at), m->piece, take,
                               m->error);
    if (rc != SQLITE_OK) return rc;
    attn_sha256_update(hash, m->piece, take);
    rc = sqlite3_blob_write(m->blob, m->piece, (int)take, (int)at);
    if (rc != SQLITE_OK) return attn_sql_db_error(m->db, "attn_tensor", m->error);
  }
  return SQLITE_OK;
}

static char *shape_text(const attn_safetensor *t) {
  sqlite3_str *s = sqlite3_str_new(NULL);
  sqlite3_str_appendchar(s, 1, '[');
  for (int i = 0; i < t->n_dim; i++) {
    sqlite3_str_appendf(s, "%s%lld", i ? "," : "", t->dim[i]);
  }
  sqlite3_str_appendchar(s, 1, ']');
  return sqlite3_str_finish(s);
}

static int write_tensor(import *m, size_t i, FILE *file) {
  const attn_safetensor *t = &m->folder.tensor[i];
  const attn_tensor_file *from = &m->folder.file[t->file];
  /* A row has to stay below the limit with its other columns. */
  uint64_t max = (uint64_t)sqlite3_limit(m->db, SQLITE_LIMIT_LENGTH, -1);
  uint64_t step = max > 8192 ? max - 4096 : max / 2 + 1;
  uint64_t n = t->end - t->begin;
  attn_sha256 hash;
  char *shape = shape_text(t);
  if (!shape) return SQLITE_NOMEM;
  attn_sha256_init(&hash);
  int rc = SQLITE_OK, part = 0;
  for (uint64_t at = 0; rc == SQLITE_OK && (at < n || part == 0); at += step) {
    uint64_t take = n - at < step ? n - at : step;
    rc = insert_part(m, t, shape, part++, take);
    if (rc == SQLITE_OK) {
      rc = copy_bytes(m, file, from, (uint64_t)from->data + t->begin + at, take, &hash);
    }
  }
  attn_sha256_final(&hash, m->hash[i]);
  sqlite3_free(shape);
  return rc;
}

static int write_tensors(import *m) {
  FILE *file = NULL;
  sqlite3_int64 size;
  uint32_t open = UINT32_MAX;
  int rc = attn_prepare(m->db, &m->insert, m->error,
                        "INSERT INTO \"%w\".attn_tensor(model, name, part, dtype, shape, data)"
                        " VALUES(?, ?, ?, ?, ?, ?)",
                        m->schema);
  for (size_t i = 0; rc == SQLITE_OK && i < m->folder.n_tensor; i++) {
    uint32_t k = m->folder.tensor[i].file;
    if (k != open) {
      if (file) fclose(file);
      rc = attn_file_open(m->folder.file[k].path, m->error, &file, &size);
      open = k;
    }
    if (rc == SQLITE_OK) rc = write_tensor(m, i, file);
  }
  if (file) fclose(file);
  sqlite3_finalize(m->insert);
  int closed = sqlite3_blob_close(m->blob);
  m->insert = NULL;
  m->blob = NULL;
  return rc == SQLITE_OK ? closed : rc;
}

static int write_vocab(import *m) {
  sqlite3_stmt *s;
  int rc = attn_prepare(m->db, &s, m->error,
                        "INSERT INTO \"%w\".attn_tokenizer(model, part, data)"
                        " VALUES(%Q, 'vocab', ?)",
                        m->schema, m->name);
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_blob64(s, 1, m->folder.vocab, (sqlite3_uint64)m->folder.n_vocab, SQLITE_STATIC);
  sqlite3_step(s);
  rc = sqlite3_finalize(s);
  return rc == SQLITE_OK ? rc : attn_sql_db_error(m->db, "attn_tokenizer", m->error);
}

typedef struct named_hash {
  const attn_safetensor *tensor;
  const char *hash;
} named_hash;

static int by_tensor_name(const void *a, const void *b) {
  return strcmp(((const named_hash *)a)->tensor->name, ((const named_hash *)b)->tensor->name);
}

static void hash_text(attn_sha256 *hash, const char *text) {
  attn_sha256_update(hash, text, strlen(text) + 1); /* the NUL keeps texts apart */
}

static int hash_model(import *m, char hex[65]) {
  size_t n = m->folder.n_tensor;
  attn_sha256 hash;
  named_hash *list = sqlite3_malloc64((n + 1) * sizeof *list);
  if (!list) return SQLITE_NOMEM;
  for (size_t i = 0; i < n; i++) list[i] = (named_hash){&m->folder.tensor[i], m->hash[i]};
  qsort(list, n, sizeof *list, by_tensor_name);
  attn_sha256_init(&hash);
  hash_text(&hash, m->folder.config);
  attn_sha256_update(&hash, m->folder.vocab, (size_t)m->folder.n_vocab);
  int rc = SQLITE_OK;
  for (size_t i = 0; i < n; i++) {
    char *shape = shape_text(list[i].tensor);
    if (!shape) {
      rc = SQLITE_NOMEM;
      break;
    }
    hash_text(&hash, list[i].tensor->name);
    hash_text(&hash, list[i].tensor->dtype->name);
    hash_text(&hash, shape);
    hash_text(&hash, list[i].hash);
    sqlite3_free(shape);
  }
  attn_sha256_final(&hash, hex);
  sqlite3_free(list);
  return rc;
}

static int write_row(import *m) {
  char hex[65];
  int rc = hash_model(m, hex);
  if (rc != SQLITE_OK) return rc;
  sqlite3_stmt *s;
  rc = attn_prepare(m->db, &s, m->error,
                    "INSERT INTO \"%w\".attn_model"
                    "(name, sha256, architecture, dimension, max_length, license, config)"
                    " VALUES(%Q, %Q, %Q, %u, %u, %Q, ?)",
                    m->schema, m->name, hex, m->info.architecture, m->info.dimension,
                    m->info.max_length, m->folder.license);
  if (rc != SQLITE_OK) return rc;
  /* Bound, as it may be longer than SQLite lets a statement be. */
  sqlite3_bind_text(s, 1, m->folder.config, -1, SQLITE_STATIC);
  sqlite3_step(s);
  if (sqlite3_finalize(s) != SQLITE_OK) {
    return attn_sql_db_error(m->db, "attn_model", m->error);
  }
  /* The first model of a database is its default. */
  return attn_exec(m->db, m->error,
                   "INSERT OR IGNORE INTO \"%w\".attn_setting(name, value)"
                   " VALUES('default', %Q)",
                   m->schema, m->name);
}

static int write_model(import *m, attn_change *change) {
  m->hash = sqlite3_malloc64((m->folder.n_tensor + 1) * sizeof *m->hash);
  m->piece = sqlite3_malloc64(PIECE);
  if (!m->hash || !m->piece) return SQLITE_NOMEM;
  int rc = attn_store_create(m->db, m->schema, m->error);
  if (rc == SQLITE_OK) rc = attn_change_ready(m->db, change, m->error);
  if (rc == SQLITE_OK) rc = attn_store_check_free(m->db, m->schema, m->name, m->error);
  if (rc == SQLITE_OK) rc = write_tensors(m);
  if (rc == SQLITE_OK) rc = write_vocab(m);
  return rc == SQLITE_OK ? write_row(m) : rc;
}

/* -------------------------------------------------------------------- attn_import */

static int import_model(import *m, attn_text name, attn_text path) {
  int there = 0;
  int rc = attn_store_target(m->db, name.text, m->error, &m->schema, &m->name);
  if (rc == SQLITE_OK) rc = attn_store_exists(m->db, m->schema, m->error, &there);
  if (rc == SQLITE_OK && there) {
    /* Known before anything is read. */
    rc = attn_store_check_free(m->db, m->schema, m->name, m->error);
  }
  if (rc == SQLITE_OK) rc = attn_folder_read(m->db, path.text, m->error, &m->folder);
  if (rc == SQLITE_OK) {
    rc = check_folder(m);
    if (rc != SQLITE_OK && *m->error) {
      char *whole = sqlite3_mprintf("%s: %s", path.text, *m->error);
      sqlite3_free(*m->error);
      *m->error = whole;
      if (!whole) rc = SQLITE_NOMEM;
    }
  }
  if (rc == SQLITE_OK) rc = attn_begin(m->db, m->error);
  if (rc != SQLITE_OK) return rc;
  attn_change change = {0};
  return attn_end(m->db, &change, write_model(m, &change), m->error);
}

static void attn_import(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  char *error = NULL;
  import m = {.db = attn_connection_db(sqlite3_user_data(ctx)), .error = &error};
  attn_text name, path;
  (void)argc;
  int rc = attn_value_name(argv[0], "attn_import: name", &error, &name);
  if (rc == SQLITE_OK) rc = attn_value_name(argv[1], "attn_import: folder", &error, &path);
  if (rc == SQLITE_OK) rc = import_model(&m, name, path);
  if (rc == SQLITE_OK) {
    sqlite3_result_text(ctx, m.name, -1, SQLITE_TRANSIENT);
  } else {
    attn_result_error(ctx, rc, error);
  }
  attn_folder_free(&m.folder);
  sqlite3_free(m.schema);
  sqlite3_free(m.name);
  sqlite3_free(m.hash);
  sqlite3_free(m.piece);
}

const attn_function attn_import_functions[] = {
    {"attn_import", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, attn_import},
    {NULL, 0, 0, NULL},
};
