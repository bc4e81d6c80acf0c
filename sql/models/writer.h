/*
** writer.h - writes a model into the tables of models, from wherever it comes.
**
** Tensors in any order, then the rest; memory does not grow with the model.  All of it
** belongs into one change (attns_begin), after attns_store_create.
*/
#ifndef ATTNS_WRITER_H
#define ATTNS_WRITER_H

#include "vocab.h"

typedef struct attns_writer {
  sqlite3 *db;
  char **error;
  const char *schema, *name; /* where it goes; borrowed */
  sqlite3_stmt *insert;
  sqlite3_blob *blob;
  char *piece;
  struct attns_written *tensor; /* what was written */
  size_t n_tensor, n_alloc;
} attns_writer;

/* A tensor; `read` gives bytes [offset, offset + n) of it. */
typedef struct attns_writer_tensor {
  const char *name, *dtype;
  int n_dim;
  const int64_t *dim;
  uint64_t n_byte;
  int (*read)(void *ctx, uint64_t offset, size_t n, void *out, char **error);
  void *ctx;
} attns_writer_tensor;

/* The rest of a model. */
typedef struct attns_writer_model {
  const attn_model_info *info;
  const char *config, *license; /* license may be NULL */
  const attns_parts *parts;     /* of its tokenizer */
} attns_writer_model;

int attns_writer_tensor_add(attns_writer *writer, const attns_writer_tensor *tensor);

/* Writes the vocabulary and the row of attn_model, with the name of all content. */
int attns_writer_finish(attns_writer *writer, const attns_writer_model *model);

/* Frees what it holds, in any case. */
int attns_writer_close(attns_writer *writer);

#endif
