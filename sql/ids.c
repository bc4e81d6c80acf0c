/*
** ids.c - token ids as an argument: a text, or a JSON array of them.
*/
#include "ids.h"
#include "json.h"

enum { SUBTYPE_JSON = 'J' };

static int not_ids(const char *what, char **error) {
  return attn_sql_fail(error, SQLITE_ERROR,
                       "%s is no list of token ids; expected a JSON array of whole numbers",
                       what);
}

/* Of the flattened array: the node itself, then its elements in order. */
static int copy_ids(const attn_settings *settings, const char *what, char **error,
                    attn_tokens *out) {
  const attn_setting *entry = settings->entry;
  if (entry[0].kind != ATTN_ARRAY) return not_ids(what, error);
  out->n_alloc = settings->n_entry;
  out->token = sqlite3_malloc64(out->n_alloc * sizeof *out->token);
  if (!out->token) return SQLITE_NOMEM;
  for (size_t i = 1; i < settings->n_entry; i++) {
    if (entry[i].kind != ATTN_INTEGER || entry[i].integer < INT32_MIN ||
        entry[i].integer > INT32_MAX) {
      return not_ids(what, error);
    }
    out->token[out->n++] = (attn_token){.id = (int32_t)entry[i].integer};
  }
  return SQLITE_OK;
}

int attn_value_ids(attn_connection *c, sqlite3_value *value, const attn_model *model,
                   const char *what, char **error, attn_tokens *out) {
  const attn_tokenizer *tokenizer = attn_model_tokenizer(model);
  attn_text text;
  attn_error err = {0};
  int is_json = sqlite3_value_subtype(value) == SUBTYPE_JSON;
  int rc = attn_value_text(value, what, error, &text);
  if (rc != SQLITE_OK) return rc;
  if (tokenizer && !is_json) {
    return attn_sql_status(
        attn_tokenize(tokenizer, text.text, text.n_text, 0, &err, out), &err, error);
  }
  attn_document document;
  rc = attn_document_read(attn_connection_db(c), text.text, (int)text.n_text, "$", what,
                          error, &document);
  if (rc == SQLITE_OK) rc = copy_ids(&document.settings, what, error, out);
  attn_document_free(&document);
  return rc;
}

int32_t *attn_ids_of(const attn_tokens *tokens) {
  int32_t *id = sqlite3_malloc64((tokens->n + 1) * sizeof *id);
  for (size_t i = 0; id && i < tokens->n; i++) id[i] = tokens->token[i].id;
  return id;
}
