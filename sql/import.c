/*
** import.c - attn_import(name, folder): a sentence-transformers folder becomes rows.
**
** The folder is read and checked first (folder.c), down to the shape of every
** tensor.  Then one savepoint writes it (writer.c): tensors in the order in which their
** files hold them.
*/
#include "folder.h"
#include "file.h"
#include "json.h"
#include "store.h"
#include "vocab.h"
#include "writer.h"
#include <stdlib.h>
#include <string.h>

typedef struct import {
  sqlite3 *db;
  char **error;
  char *schema; /* where it goes */
  char *name;
  attn_folder folder;
  attn_model_info info;
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
  return rc == SQLITE_OK && m->folder.vocab ? check_tokenizer(m) : rc;
}

/* --------------------------------------------------------------------- writing */

/* The file that a tensor is read from, and where in it the tensor begins. */
typedef struct tensor_place {
  FILE *file;
  const char *path;
  uint64_t begin;
} tensor_place;

static int read_place(void *ctx, uint64_t offset, size_t n, void *out, char **error) {
  const tensor_place *at = ctx;
  return attn_file_read_at(at->file, at->path, (sqlite3_int64)(at->begin + offset), out, n,
                           error);
}

static int write_tensors(import *m, attn_writer *writer) {
  tensor_place at = {NULL};
  sqlite3_int64 size;
  uint32_t open = UINT32_MAX;
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < m->folder.n_tensor; i++) {
    const attn_safetensor *t = &m->folder.tensor[i];
    const attn_tensor_file *from = &m->folder.file[t->file];
    if (t->file != open) {
      if (at.file) fclose(at.file);
      at.file = NULL;
      rc = attn_file_open(from->path, m->error, &at.file, &size);
      open = t->file;
    }
    if (rc != SQLITE_OK) break;
    at.path = from->path;
    at.begin = (uint64_t)from->data + t->begin;
    attn_writer_tensor tensor = {t->name,           t->dtype->name, t->n_dim, t->dim,
                                 t->end - t->begin, read_place,     &at};
    rc = attn_writer_tensor_add(writer, &tensor);
  }
  if (at.file) fclose(at.file);
  return rc;
}

static int write_model(import *m, attn_change *change) {
  attn_writer writer = {
      .db = m->db, .error = m->error, .schema = m->schema, .name = m->name};
  attn_writer_model model = {&m->info, m->folder.config, m->folder.license,
                             m->folder.vocab, m->folder.n_vocab};
  int rc = attn_store_create(m->db, m->schema, m->error);
  if (rc == SQLITE_OK) rc = attn_change_ready(m->db, change, m->error);
  if (rc == SQLITE_OK) rc = attn_store_check_free(m->db, m->schema, m->name, m->error);
  if (rc == SQLITE_OK) rc = write_tensors(m, &writer);
  if (rc == SQLITE_OK) rc = attn_writer_finish(&writer, &model);
  attn_writer_close(&writer);
  return rc;
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
  int rc = attn_check_direct(m.db, "attn_import", &error);
  if (rc == SQLITE_OK) rc = attn_value_name(argv[0], "attn_import: name", &error, &name);
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
}

const attn_function attn_import_functions[] = {
    {"attn_import", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, attn_import},
    {NULL, 0, 0, NULL},
};
