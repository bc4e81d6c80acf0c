/*
** file.h - reading and writing the files of a model's folder.
**
** Only attn_import and attn_export come here, and both are SQLITE_DIRECTONLY.
** Paths are as the operating system takes them: symbolic links are followed.
*/
#ifndef ATTNS_FILE_H
#define ATTNS_FILE_H

#include "sql.h"
#include <stdio.h>

/* Text that sqlite3_free releases. */
typedef struct attns_bytes {
  char *data; /* NUL behind the end; NULL: there is no such file */
  sqlite3_int64 n;
} attns_bytes;

/* 1 if path is an ordinary file (kind 'f') or a folder (kind 'd'). */
int attns_file_is(const char *path, char kind);

/* 1 if a path in modules.json leads to a folder below its own and nowhere else. */
int attns_file_is_below(const char *path);

/* Memory for n bytes of a file, and a NUL behind them. */
int attns_file_memory(const char *path, sqlite3_int64 n, char **error, attns_bytes *out);

/* Reads a whole file of at most `max` bytes. */
int attns_file_read(const char *path, sqlite3_int64 max, char **error, attns_bytes *out);

/* Opens an ordinary file and tells its size. */
int attns_file_open(const char *path, char **error, FILE **out, sqlite3_int64 *n);

/* Reads exactly n bytes at an offset. */
int attns_file_read_at(FILE *file, const char *path, sqlite3_int64 offset, void *to,
                       size_t n, char **error);

/* Makes a folder where there is none. */
int attns_file_make_folder(const char *path, char **error);

/* Makes a file to be written; one that is there is an error, and stays as it is. */
int attns_file_create(const char *path, char **error, FILE **out);

/* Makes a file of n bytes. */
int attns_file_write(const char *path, const void *data, size_t n, char **error);

#endif
