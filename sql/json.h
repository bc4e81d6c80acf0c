/*
** json.h - JSON documents as the engine's settings, by SQLite's own parser.
*/
#ifndef ATTN_JSON_H
#define ATTN_JSON_H

#include "file.h"
#include "sql.h"

/* A flattened document and the memory that its strings live in. */
typedef struct attn_document {
  attn_settings settings;
  size_t n_alloc; /* entries */
  char **block;
  int n_block;
  size_t n_used; /* of the last block */
} attn_document;

/* Flattens the part of a JSON text at `root` ("$" for all of it).  `what` names the
** text in an error.  Free the document in any case. */
int attn_document_read(sqlite3 *db, const char *json, int n_json, const char *root,
                       const char *what, char **error, attn_document *out);
void attn_document_free(attn_document *document);

/* Reads the argument of a function that is a JSON object of options: {} where it is not
** given (value: NULL) or is NULL.  `what` names it in an error.  Free the document in any
** case. */
int attn_document_options(sqlite3 *db, sqlite3_value *value, const char *what, char **error,
                          attn_document *out);

/* The type of a file's JSON ("object", "array", ...), to be freed; NULL where it is none. */
int attn_json_type(sqlite3 *db, const attn_bytes *json, char **error, char **out);

#endif
