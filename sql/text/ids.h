/*
** ids.h - token ids as an argument: a text, or a JSON array of them.
*/
#ifndef ATTNS_SQL_IDS_H
#define ATTNS_SQL_IDS_H

#include "../sql.h"

/* All zero is an empty list. */
typedef struct attns_token_ids {
  int32_t *id;
  size_t n, n_alloc;
} attns_token_ids;

/* Reads a JSON array of whole numbers.  `what` names it in an error.  Free the ids in any
** case. */
int attns_json_ids(sqlite3 *db, sqlite3_value *value, const char *what, char **error,
                   attns_token_ids *out);

/* The same, or a text, which is tokenized, as far as it goes: for a model with a
** tokenizer only what comes from SQLite's JSON functions (json('[1,2]'), json_array(1,2))
** is an array of ids, for others any text is. */
int attns_value_ids(attns_connection *c, sqlite3_value *value, const attn_model *model,
                    const char *what, char **error, attns_token_ids *out);

void attns_token_ids_free(attns_token_ids *ids);

#endif
