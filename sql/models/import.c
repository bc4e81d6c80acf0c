/*
** import.c - attn_import(name, folder [, precision]): a sentence-transformers folder
** becomes rows.
**
** The folder is read and checked first (folder.c), down to the shape of every tensor;
** then it is written, in the
** precision that is asked for (recast.c).
*/
#include "../file.h"
#include "folder.h"
#include "../json.h"
#include "conversion.h"
#include "store.h"
#include "vocab.h"
#include <string.h>

typedef struct import {
  sqlite3 *db;
  char **error;
  char *schema; /* where it goes */
  char *name;
  attns_folder folder;
  attn_tensor *tensor; /* the folder's, in order of name */
  const attn_safetensor **place;
  attn_source source; /* of these */
  FILE *file;         /* file number `open` of the folder, or NULL */
  uint32_t open;
} import;

/* ---------------------------------------------------------------------- reading */

static attn_status read_file(import *m, size_t i, uint64_t offset, uint64_t n, void *out,
                             char **error) {
  const attn_safetensor *t = m->place[i];
  const attns_tensor_file *from = &m->folder.file[t->file];
  sqlite3_int64 size;
  int rc = SQLITE_OK;
  if (m->file && m->open != t->file) {
    fclose(m->file);
    m->file = NULL;
  }
  if (!m->file) rc = attns_file_open(from->path, error, &m->file, &size);
  m->open = t->file;
  if (rc == SQLITE_OK) {
    rc = attns_file_read_at(m->file, from->path,
                            from->data + (sqlite3_int64)(t->begin + offset), out,
                            (size_t)n, error);
  }
  return rc == SQLITE_OK ? ATTN_OK : rc == SQLITE_NOMEM ? ATTN_NOMEM : ATTN_IO;
}

static attn_status read_tensor(void *ctx, size_t i, uint64_t offset, uint64_t n,
                               void *out, attn_error *err) {
  char *error = NULL;
  attn_status rc = read_file(ctx, i, offset, n, out, &error);
  if (error) sqlite3_snprintf(sizeof err->message, err->message, "%s", error);
  sqlite3_free(error);
  return rc;
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(const attn_safetensor *const *)a)->name,
                (*(const attn_safetensor *const *)b)->name);
}

/* The tensors of the folder as the engine reads them. */
static int open_source(import *m) {
  const size_t n = m->folder.n_tensor;
  m->tensor = sqlite3_malloc64((n + 1) * sizeof *m->tensor);
  m->place = sqlite3_malloc64((n + 1) * sizeof *m->place);
  if (!m->tensor || !m->place) return SQLITE_NOMEM;
  for (size_t i = 0; i < n; i++) m->place[i] = &m->folder.tensor[i];
  attn_sort((void *)m->place, n, sizeof *m->place, by_name);
  for (size_t i = 0; i < n; i++) {
    const attn_safetensor *t = m->place[i];
    m->tensor[i] = (attn_tensor){.name = t->name,
                                 .dtype = t->dtype->dtype,
                                 .dtype_name = t->dtype->name,
                                 .n_dim = t->n_dim,
                                 .n_byte = t->end - t->begin};
    memcpy(m->tensor[i].dim, t->dim, sizeof t->dim);
    if (i > 0 && strcmp(m->tensor[i - 1].name, t->name) == 0) {
      return attns_sql_fail(m->error, SQLITE_ERROR, "tensor \"%s\" is there twice",
                            t->name);
    }
  }
  m->source = (attn_source){m->tensor, n, read_tensor, m};
  return SQLITE_OK;
}

/* --------------------------------------------------------------------- checking */

/* Would the engine make a tokenizer of this? */
static int check_tokenizer(import *m) {
  attns_document document;
  attn_vocab vocab = {0};
  attn_tokenizer *tokenizer = NULL;
  attn_error err;
  int rc = attns_document_read(m->db, m->folder.config, -1, "$.tokenizer",
                               "tokenizer.json", m->error, &document);
  if (rc == SQLITE_OK) {
    rc = attns_vocab_parse(&m->folder.parts, m->name, m->error, &vocab);
  }
  if (rc == SQLITE_OK) {
    rc = attns_sql_status(
        attn_tokenizer_new(&document.settings, &vocab, &err, &tokenizer), &err, m->error);
  }
  attn_tokenizer_free(tokenizer);
  attns_vocab_free(&vocab);
  attns_document_free(&document);
  return rc;
}

/* Would the engine load these tensors? */
static int check_folder(import *m) {
  attns_document document;
  attn_error err;
  int rc = attns_document_read(m->db, m->folder.config, -1, "$", "the configuration",
                               m->error, &document);
  if (rc == SQLITE_OK) rc = open_source(m);
  if (rc == SQLITE_OK) {
    attn_status status = attn_model_check(&document.settings, &m->source, &err);
    rc = attns_sql_status(status, &err, m->error);
  }
  attns_document_free(&document);
  return rc == SQLITE_OK && m->folder.parts.data[ATTNS_PART_VOCAB] ? check_tokenizer(m)
                                                                   : rc;
}

/* An error that is the folder's is told with its path. */
static int name_folder(import *m, const char *path, int rc) {
  if (rc == SQLITE_OK || !*m->error) return rc;
  char *whole = sqlite3_mprintf("%s: %s", path, *m->error);
  sqlite3_free(*m->error);
  *m->error = whole;
  return whole ? rc : SQLITE_NOMEM;
}

/* ------------------------------------------------------------------ attn_import */

static int set_precision(import *m, attn_precision precision) {
  char *config;
  if (precision == ATTN_PRECISION_F32)
    return SQLITE_OK; /* as it is where none is named */
  int rc = attns_convert_config(m->db, m->folder.config, precision, m->error, &config);
  if (rc != SQLITE_OK) return rc;
  sqlite3_free(m->folder.config);
  m->folder.config = config;
  return SQLITE_OK;
}

static int import_model(import *m, const char *name, const char *path,
                        attn_precision precision) {
  int there = 0;
  int rc = attns_store_target(m->db, name, m->error, &m->schema, &m->name);
  if (rc == SQLITE_OK) rc = attns_store_exists(m->db, m->schema, m->error, &there);
  if (rc == SQLITE_OK && there) {
    /* Known before anything is read. */
    rc = attns_store_check_free(m->db, m->schema, m->name, m->error);
  }
  if (rc == SQLITE_OK) rc = attns_folder_read(m->db, path, m->error, &m->folder);
  if (rc == SQLITE_OK) rc = set_precision(m, precision);
  if (rc == SQLITE_OK) rc = name_folder(m, path, check_folder(m));
  if (rc != SQLITE_OK) return rc;
  attns_new_model model = {.schema = m->schema,
                           .name = m->name,
                           .config = m->folder.config,
                           .license = m->folder.license,
                           .parts = &m->folder.parts,
                           .source = &m->source};
  return attns_convert_write(m->db, &model, m->error);
}

static int precision_value(sqlite3_value *value, char **error, attn_precision *out) {
  attn_text word;
  int rc = attns_value_name(value, "attn_import: precision", error, &word);
  if (rc != SQLITE_OK || attn_precision_find(word, out)) return rc;
  return attns_sql_fail(error, SQLITE_ERROR,
                        "attn_import: precision is \"%s\"; expected f32 or int8",
                        word.text);
}

static void attns_import(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  char *error = NULL;
import m = {.db = attns_connection_db(attns_connection_of(ctx)), .error = & error };
  attn_text name, path;
  attn_precision precision = ATTN_PRECISION_F32;
  int rc = attns_value_name(argv[0], "attn_import: name", &error, &name);
  if (rc == SQLITE_OK)
    rc = attns_value_name(argv[1], "attn_import: folder", &error, &path);
  if (rc == SQLITE_OK && argc > 2) rc = precision_value(argv[2], &error, &precision);
  if (rc == SQLITE_OK) rc = import_model(&m, name.text, path.text, precision);
  if (rc == SQLITE_OK) {
    sqlite3_result_text(ctx, m.name, -1, SQLITE_TRANSIENT);
  } else {
    attns_result_error(ctx, rc, error);
  }
  if (m.file) fclose(m.file);
  attns_folder_free(&m.folder);
  sqlite3_free(m.schema);
  sqlite3_free(m.name);
  sqlite3_free(m.tensor);
  sqlite3_free((void *)m.place);
}

const attns_function attns_import_functions[] = {
    {"attn_import", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, attns_import},
    {"attn_import", 3, SQLITE_UTF8 | SQLITE_DIRECTONLY, attns_import},
    {NULL, 0, 0, NULL},
};
