/*
** ids.c - token ids as an argument: a text, or a JSON array of them.
*/
#include "ids.h"
#include <string.h>

enum { SUBTYPE_JSON = 'J' };

void attns_token_ids_free(attns_token_ids *ids) {
  sqlite3_free(ids->id);
  *ids = (attns_token_ids){0};
}

static int add_id(attns_token_ids *ids, int32_t id, char **error) {
  if (ids->n == ids->n_alloc) {
    int rc = attns_grow(&ids->id, &ids->n_alloc, 64, sizeof id, error);
    if (rc != SQLITE_OK) return rc;
  }
  ids->id[ids->n++] = id;
  return SQLITE_OK;
}

/* A row of the query below: what the JSON is, and the type and the text of an element. */
static int take_element(sqlite3_stmt *stmt, const char *what, char **error,
                        attns_token_ids *out) {
  const char *whole = (const char *)sqlite3_column_text(stmt, 0);
  const char *type = (const char *)sqlite3_column_text(stmt, 1);
  const char *found = (const char *)sqlite3_column_text(stmt, 2);
  if (!whole || !type || !found) return SQLITE_NOMEM;
  if (strcmp(whole, "array") != 0) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "%s is a JSON %s; expected an array of token ids such as [1,2]",
                          what, whole);
  }
  if (!*type) return SQLITE_OK; /* the array is at its end */
  sqlite3_int64 id = sqlite3_column_int64(stmt, 2);
  if (strcmp(type, "integer") == 0 && id >= 0 && id <= INT32_MAX) {
    return add_id(out, (int32_t)id, error);
  }
  return attns_sql_fail(error, SQLITE_ERROR,
                        "%s: id %llu is %!.40s; expected a whole number from 0 to %d",
                        what, (unsigned long long)out->n, found, INT32_MAX);
}

int attns_json_ids(sqlite3 *db, sqlite3_value *value, const char *what, char **error,
                   attns_token_ids *out) {
  sqlite3_stmt *stmt;
  attn_text json;
  int rc = attns_value_name(value, what, error, &json);
  if (rc != SQLITE_OK) return rc;
  rc = attns_prepare(
      db, &stmt, error,
      "SELECT json_type(?1), type, coalesce(value, 'null') FROM json_each(?1)"
      " UNION ALL SELECT json_type(?1), '', ''");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, json.text, (int)json.n_text, SQLITE_STATIC);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = take_element(stmt, what, error, out);
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (!*error && (rc & 0xff) == SQLITE_ERROR) {
    rc = attns_sql_fail(
        error, rc, "%s is no JSON; expected an array of token ids such as [1,2]", what);
  } else if (!*error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(db, what, error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

static int tokenize(const attn_tokenizer *tokenizer, attn_text text, char **error,
                    attns_token_ids *out) {
  attn_tokens tokens = {0};
  attn_error err = {0};
  attn_status status = attn_tokenize(tokenizer, text.text, text.n_text, 0, &err, &tokens);
  int rc = attns_sql_status(status, &err, error);
  for (size_t i = 0; rc == SQLITE_OK && i < tokens.n; i++) {
    rc = add_id(out, tokens.token[i].id, error);
  }
  attn_tokens_free(&tokens);
  return rc;
}

int attns_value_ids(attns_connection *c, sqlite3_value *value, const attn_model *model,
                    const char *what, char **error, attns_token_ids *out) {
  const attn_tokenizer *tokenizer = attn_model_tokenizer(model);
  attn_text text;
  if (!tokenizer || sqlite3_value_subtype(value) == SUBTYPE_JSON) {
    return attns_json_ids(attns_connection_db(c), value, what, error, out);
  }
  int rc = attns_value_text(value, what, error, &text);
  return rc == SQLITE_OK ? tokenize(tokenizer, text, error, out) : rc;
}
