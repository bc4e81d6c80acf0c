/*
** folder.h - a sentence-transformers folder, read and checked but for its weights.
*/
#ifndef ATTN_FOLDER_H
#define ATTN_FOLDER_H

#include "vocab.h"

/* A file of tensors, and where its data starts. */
typedef struct attn_tensor_file {
  char *path;
  char *prefix; /* of its tensors' names in the database: "", "2_Dense/" */
  sqlite3_int64 data;
} attn_tensor_file;

typedef struct attn_folder {
  char *config;  /* the document that attn_model.config keeps */
  char *license; /* or NULL */
  attn_parts parts; /* of its tokenizer; all NULL: there is none */
  attn_tensor_file *file;
  int n_file;
  attn_safetensor *tensor; /* names are those in the database; in order of place */
  size_t n_tensor, n_alloc;
} attn_folder;

/* Reads a folder.  Free it in any case. */
int attn_folder_read(sqlite3 *db, const char *path, char **error, attn_folder *out);
void attn_folder_free(attn_folder *folder);

#endif
