/*
** folder.h - a sentence-transformers folder, read and checked but for its weights.
*/
#ifndef ATTNS_FOLDER_H
#define ATTNS_FOLDER_H

#include "vocab.h"

/* A file of tensors, and where its data starts. */
typedef struct attns_tensor_file {
  char *path;
  char *prefix; /* of its tensors' names in the database: "", "2_Dense/" */
  sqlite3_int64 data;
} attns_tensor_file;

typedef struct attns_folder {
  char *config;      /* the document that attn_model.config keeps */
  char *license;     /* or NULL */
  attns_parts parts; /* of its tokenizer; all NULL: there is none */
  attns_tensor_file *file;
  int n_file;
  attn_safetensor *tensor; /* names are those in the database; in order of place */
  size_t n_tensor, n_alloc;
} attns_folder;

/* Reads a folder.  Free it in any case. */
int attns_folder_read(sqlite3 *db, const char *path, char **error, attns_folder *out);
void attns_folder_free(attns_folder *folder);

#endif
