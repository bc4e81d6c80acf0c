/*
** tensor_file.h - the headers of a folder's safetensors files.
*/
#ifndef ATTN_TENSOR_FILE_H
#define ATTN_TENSOR_FILE_H

#include "folder.h"

/* Adds the tensors of folder/model.safetensors, or of the files that
** folder/model.safetensors.index.json lists.  `prefix` comes before their names. */
int attn_tensor_files_read(sqlite3 *db, const char *folder, const char *prefix, char **error,
                           attn_folder *out);

#endif
