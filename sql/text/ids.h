/*
** ids.h - token ids as an argument: a text, or a JSON array of them.
*/
#ifndef ATTN_SQL_IDS_H
#define ATTN_SQL_IDS_H

#include "../sql.h"

/* All zero is an empty list. */
typedef struct attn_token_ids {
  int32_t *id;
  size_t n, n_alloc;
} attn_token_ids;

/* Reads a JSON array of whole numbers.  `what` names it in an error.  Free the ids in any
** case. */
int attn_json_ids(sqlite3 *db, sqlite3_value *value, const char *what, char **error,
                  attn_token_ids *out);

/* The same, or a text, which is tokenized, as far as it goes: for a model with a tokenizer
** only what comes from SQLite's JSON functions (json('[1,2]'), json_array(1,2)) is an array
** of ids, for others any text is. */
int attn_value_ids(attn_connection *c, sqlite3_value *value, const attn_model *model,
                   const char *what, char **error, attn_token_ids *out);

void attn_token_ids_free(attn_token_ids *ids);

#endif
