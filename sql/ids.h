/*
** ids.h - token ids as an argument: a text, or a JSON array of them.
*/
#ifndef ATTN_SQL_IDS_H
#define ATTN_SQL_IDS_H

#include "sql.h"

/* Reads an argument: JSON (json('[1,2]'), json_array(1,2)) and, where the model has no
** tokenizer, any text is an array of ids; other text is tokenized, as far as it goes.
** `what` names it in an error.  Free the tokens in any case. */
int attn_value_ids(attn_connection *c, sqlite3_value *value, const attn_model *model,
                   const char *what, char **error, attn_tokens *out);

/* The ids alone, memory from sqlite3_malloc64; NULL when there is none. */
int32_t *attn_ids_of(const attn_tokens *tokens);

#endif
