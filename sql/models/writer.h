/*
** writer.h - writes a model into the tables of models, from wherever it comes.
**
** Tensors in any order, then the rest; memory does not grow with the model.  All of it
** belongs into one change (attn_begin), after attn_store_create.
*/
#ifndef ATTN_WRITER_H
#define ATTN_WRITER_H

#include "vocab.h"

typedef struct attn_writer {
  sqlite3 *db;
  char **error;
  const char *schema, *name; /* where it goes; borrowed */
  sqlite3_stmt *insert;
  sqlite3_blob *blob;
  char *piece;
  struct attn_written *tensor; /* what was written */
  size_t n_tensor, n_alloc;
} attn_writer;

/* A tensor; `read` gives bytes [offset, offset + n) of it. */
typedef struct attn_writer_tensor {
  const char *name, *dtype;
  int n_dim;
  const int64_t *dim;
  uint64_t n_byte;
  int (*read)(void *ctx, uint64_t offset, size_t n, void *out, char **error);
  void *ctx;
} attn_writer_tensor;

/* The rest of a model. */
typedef struct attn_writer_model {
  const attn_model_info *info;
  const char *config, *license; /* license may be NULL */
  const attn_parts *parts; /* of its tokenizer */
} attn_writer_model;

int attn_writer_tensor_add(attn_writer *writer, const attn_writer_tensor *tensor);

/* Writes the vocabulary and the row of attn_model, with the name of all content. */
int attn_writer_finish(attn_writer *writer, const attn_writer_model *model);

/* Frees what it holds, in any case. */
int attn_writer_close(attn_writer *writer);

#endif
