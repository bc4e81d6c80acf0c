/*
** conversion.h - writes a new model in the precision that its configuration asks for.
*/
#ifndef ATTNS_CONVERSION_H
#define ATTNS_CONVERSION_H

#include "vocab.h"

/* What to write, and where; all is borrowed. */
typedef struct attns_new_model {
  const char *schema, *name;
  const char *config;        /* the document that attn_model.config keeps */
  const char *license;       /* or NULL */
  const attns_parts *parts;  /* of its tokenizer */
  const attn_source *source; /* in either precision */
  /* The code of SQLite's that a read of the source failed with; NULL: there is none. */
  int (*read_code)(void *ctx);
} attns_new_model;

/* Writes a model, all of it or nothing. */
int attns_convert_write(sqlite3 *db, const attns_new_model *model, char **error);

/* A configuration with a precision in it, memory from sqlite3_malloc. */
int attns_convert_config(sqlite3 *db, const char *config, attn_precision precision,
                         char **error, char **out);

#endif
