/*
** tensor_file.h - the headers of a folder's safetensors files.
*/
#ifndef ATTNS_TENSOR_FILE_H
#define ATTNS_TENSOR_FILE_H

#include "folder.h"

/* Adds the tensors of folder/model.safetensors, or of the files that
** folder/model.safetensors.index.json lists.  `prefix` comes before their names. */
int attns_tensor_files_read(sqlite3 *db, const char *folder, const char *prefix,
                            char **error, attns_folder *out);

#endif
