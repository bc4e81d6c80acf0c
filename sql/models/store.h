/*
** store.h - the model tables of a database.
**
**   attn_model      a row a model: name, what it is, and its configuration as JSON
**   attn_tensor     a row a tensor, or a part of one: its numbers as a blob
**   attn_tokenizer  the vocabulary, and the merges of BPE
**   attn_setting    'default': the name of the default model
**
** They are ordinary tables: to be read by SQL, copied with INSERT ... SELECT, backed up
** and replicated.  attn_model.sha256 names a model's content, and by it the connections
** to one database share what is loaded.  Triggers put a fresh name there when a row of
** the model is changed by hand, so nobody goes on with stale weights.
*/
#ifndef ATTNS_STORE_H
#define ATTNS_STORE_H

#include "vocab.h"

/* A row of attn_model that was found. */
typedef struct attns_model_row {
  char *schema, *name, *sha256;
} attns_model_row;

void attns_model_row_free(attns_model_row *row);

/* Finds a model by "schema.name" or by "name", which is looked for in main and then
** in every other schema; NULL: the default model. */
int attns_store_find(sqlite3 *db, const char *wanted, char **error, attns_model_row *out);

/* Where a new model of that name goes: "schema.name" where such a schema is there,
** else main.  The texts are the caller's to free, in any case. */
int attns_store_target(sqlite3 *db, const char *wanted, char **error, char **schema,
                       char **name);

/* An error if the schema has a model of that name. */
int attns_store_check_free(sqlite3 *db, const char *schema, const char *name,
                           char **error);

/* Creates the tables in a schema, where they are not there yet. */
int attns_store_create(sqlite3 *db, const char *schema, char **error);

/* Loads the weights and the tokenizer of a row; words: the SHA-256 of all but the
** weights. */
int attns_store_load(sqlite3 *db, const attns_model_row *row, char **error,
                     char words[65], attn_model **out);

/* Reads attn_model.config of a row: text from sqlite3_malloc. */
int attns_store_config(sqlite3 *db, const attns_model_row *row, char **error, char **out);

/* attn_model.license of a row, NULL where there is none. */
int attns_store_license(sqlite3 *db, const attns_model_row *row, char **error,
                        char **out);

/* What a configuration says. */
int attns_store_describe(sqlite3 *db, const char *config, char **error,
                         attn_model_info *out);

/* Every schema of the connection, main first.  A NULL-terminated list; free with
** sqlite3_free. */
int attns_store_schemas(sqlite3 *db, char **error, char ***out);

/* *out is 1 if the schema has the model tables. */
int attns_store_exists(sqlite3 *db, const char *schema, char **error, int *out);

/* An error if the schema has no such table; a view in its place is none. */
int attns_store_require(sqlite3 *db, const char *schema, const char *table, char **error);

/* The tensors of a row as the engine reads them.  Close it in any case. */
typedef struct attns_tensor_source attns_tensor_source;

int attns_store_open_tensors(sqlite3 *db, const attns_model_row *row, char **error,
                             attns_tensor_source **out);
void attns_store_close_tensors(attns_tensor_source *source);

/* The engine's view of it, and the code of SQLite's that a read failed with. */
const attn_source *attns_store_source(const attns_tensor_source *source);
int attns_store_read_code(const attns_tensor_source *source);

/* The rows of attn_tokenizer of a model.  Free them in any case. */
int attns_store_parts(sqlite3 *db, const attns_model_row *row, char **error,
                      attns_parts *out);

#endif
