/*
** json.h - JSON documents as the engine's settings, by SQLite's own parser.
*/
#ifndef ATTNS_JSON_H
#define ATTNS_JSON_H

#include "file.h"
#include "sql.h"

/* A flattened document and the memory that its strings live in. */
typedef struct attns_document {
  attn_settings settings;
  size_t n_alloc; /* entries */
  char **block;
  int n_block;
  size_t n_used; /* of the last block */
} attns_document;

/* Flattens the part of a JSON text at `root` ("$" for all of it).  `what` names the
** text in an error.  Free the document in any case. */
int attns_document_read(sqlite3 *db, const char *json, int n_json, const char *root,
                        const char *what, char **error, attns_document *out);
void attns_document_free(attns_document *document);

/* Reads the argument of a function that is a JSON object of options: {} where it is not
** given (value: NULL) or is NULL.  `what` names it in an error.  Free the document in any
** case. */
int attns_document_options(sqlite3 *db, sqlite3_value *value, const char *what,
                           char **error, attns_document *out);

/* The type of a file's JSON ("object", "array", ...), to be freed; NULL where it is none.
*/
int attns_json_type(sqlite3 *db, const attns_bytes *json, char **error, char **out);

#endif
