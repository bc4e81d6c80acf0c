/*
** store.h - the model tables of a database.
**
**   attn_model      a row a model: name, what it is, and its configuration as JSON
**   attn_tensor     a row a tensor, or a part of one: its numbers as a blob
**   attn_tokenizer  the vocabulary, and the merges of BPE
**   attn_setting    'default': the name of the default model
**
** They are ordinary tables: to be read by SQL, copied with INSERT ... SELECT,
** backed up and replicated.  attn_model.sha256 names a model's content, and
** by it the connections to one database share what is loaded.  Triggers put a fresh name there
** when a row of the model is changed by hand, so nobody goes on with stale
** weights.
*/
#ifndef ATTN_STORE_H
#define ATTN_STORE_H

#include "vocab.h"

/* A row of attn_model that was found. */
typedef struct attn_model_row {
  char *schema, *name, *sha256;
} attn_model_row;

void attn_model_row_free(attn_model_row *row);

/* Finds a model by "schema.name" or by "name", which is looked for in main and then
** in every other schema; NULL: the default model. */
int attn_store_find(sqlite3 *db, const char *wanted, char **error, attn_model_row *out);

/* Where a new model of that name goes: "schema.name" where such a schema is there,
** else main.  The texts are the caller's to free, in any case. */
int attn_store_target(sqlite3 *db, const char *wanted, char **error, char **schema,
                      char **name);

/* An error if the schema has a model of that name. */
int attn_store_check_free(sqlite3 *db, const char *schema, const char *name, char **error);

/* Creates the tables in a schema, where they are not there yet. */
int attn_store_create(sqlite3 *db, const char *schema, char **error);

/* Loads the weights and the tokenizer of a row; words: the SHA-256 of all but the
** weights. */
int attn_store_load(sqlite3 *db, const attn_model_row *row, char **error, char words[65],
                    attn_model **out);

/* Reads attn_model.config of a row: text from sqlite3_malloc. */
int attn_store_config(sqlite3 *db, const attn_model_row *row, char **error, char **out);

/* attn_model.license of a row, NULL where there is none. */
int attn_store_license(sqlite3 *db, const attn_model_row *row, char **error, char **out);

/* What a configuration says. */
int attn_store_describe(sqlite3 *db, const char *config, char **error, attn_model_info *out);

/* Every schema of the connection, main first.  A NULL-terminated list; free with
** sqlite3_free. */
int attn_store_schemas(sqlite3 *db, char **error, char ***out);

/* *out is 1 if the schema has the model tables. */
int attn_store_exists(sqlite3 *db, const char *schema, char **error, int *out);

/* An error if the schema has no such table; a view in its place is none. */
int attn_store_require(sqlite3 *db, const char *schema, const char *table, char **error);

/* The tensors of a row as the engine reads them.  Close it in any case. */
typedef struct attn_tensor_source attn_tensor_source;

int attn_store_open_tensors(sqlite3 *db, const attn_model_row *row, char **error,
                            attn_tensor_source **out);
void attn_store_close_tensors(attn_tensor_source *source);

/* The engine's view of it, and the code of SQLite's that a read failed with. */
const attn_source *attn_store_source(const attn_tensor_source *source);
int attn_store_read_code(const attn_tensor_source *source);

/* The rows of attn_tokenizer of a model.  Free them in any case. */
int attn_store_parts(sqlite3 *db, const attn_model_row *row, char **error, attn_parts *out);

#endif
