/*
** fill_mask.c - hidden words, and what a model that learned by cloze says they are.
**
**   attn_fill_mask(text [, model [, k]])       the k likeliest words for each [MASK] of a text
**   attn_cloze(query [, model [, options]])    words of many texts are hidden, and guessed
**
**   SELECT avg(rank = 1) FROM attn_cloze('SELECT id, body FROM held_out', 'small');
**
** is the share of hidden words that the model names.
*/
#include "../json.h"
#include <string.h>

/* Probabilities of all words are made for so many hidden ones at a time, at most; a batch
** of texts is full when it has half of that. */
enum { MAX_AT_ONCE = 128, MAX_TEXTS = 64 };

/* What both tables do: texts as tokens, and places in them that are hidden. */
typedef struct hidden {
  const attn_model *model; /* ours */
  attn_workspace *workspace;
  attns_ticker ticker;
  int32_t *id; /* of all texts of the batch */
  uint32_t *at;
  int32_t *was; /* [n_at]: what is hidden; not of attn_fill_mask */
  size_t n_id, n_at, n_alloc;
  uint32_t begin[MAX_TEXTS + 1];
  size_t n_text;
  float *probability; /* of those from `first` on, [n_reported, n_vocab] */
  size_t first, n_reported;
} hidden;

static int open_hidden(attns_connection *c, const char *function, sqlite3_value *name,
                       char **error, hidden *h) {
  const attn_model *model;
  attn_error err = {0};
  int rc = attns_connection_model_value(c, name, error, &model);
  if (rc != SQLITE_OK) return rc;
  /* The connection may let go of it while rows are read. */
  attn_model_retain(model);
  h->model = model;
  if (attn_model_mask(model) < 0) {
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "%s: the model, of type %s, names no hidden words; expected one of "
        "masked language modeling, such as BertForMaskedLM, and with its "
        "tokenizer",
        function, attn_model_get_info(model)->architecture);
  }
  rc = attns_sql_status(attn_workspace_new(&h->workspace), &err, error);
  return rc == SQLITE_OK ? attns_ticker_open(attns_connection_db(c), &h->ticker) : rc;
}

static void close_hidden(hidden *h) {
  sqlite3_free(h->id);
  sqlite3_free(h->at);
  sqlite3_free(h->was);
  sqlite3_free(h->probability);
  attns_ticker_close(&h->ticker);
  attn_workspace_free(h->workspace);
  attn_model_release(h->model);
}

static void empty(hidden *h) {
  sqlite3_free(h->probability);
  h->probability = NULL;
  h->n_id = h->n_at = h->n_text = h->first = h->n_reported = 0;
}

/* Room for n more tokens, each of which may be hidden. */
static int reserve(hidden *h, size_t n) {
  if (h->n_alloc - h->n_id >= n && h->n_alloc - h->n_at >= n) return SQLITE_OK;
  sqlite3_uint64 more = 2 * (sqlite3_uint64)h->n_alloc + n;
  int32_t *id = sqlite3_realloc64(h->id, more * sizeof *id);
  if (id) h->id = id;
  uint32_t *at = sqlite3_realloc64(h->at, more * sizeof *at);
  if (at) h->at = at;
  int32_t *was = sqlite3_realloc64(h->was, more * sizeof *was);
  if (was) h->was = was;
  if (!id || !at || !was) return SQLITE_NOMEM;
  h->n_alloc = (size_t)more;
  return SQLITE_OK;
}

/* Appends a text to the batch.  *out: where its tokens begin. */
static int add_text(hidden *h, attn_text text, char **error, size_t *out) {
  attn_tokens tokens = {0};
  attn_error err = {0};
  attn_status status =
      attn_tokenize(attn_model_tokenizer(h->model), text.text, text.n_text,
                    attn_model_get_info(h->model)->max_length, &err, &tokens);
  int rc = attns_sql_status(status, &err, error);
  if (rc == SQLITE_OK) rc = reserve(h, tokens.n);
  *out = h->n_id;
  if (rc == SQLITE_OK) {
    for (size_t i = 0; i < tokens.n; i++) h->id[h->n_id++] = tokens.token[i].id;
    h->begin[h->n_text++] = (uint32_t)*out;
    h->begin[h->n_text] = (uint32_t)h->n_id;
  }
  attn_tokens_free(&tokens);
  return rc;
}

/* The probabilities of hidden word i, made together with those behind it. */
static int tell(hidden *h, size_t i, char **error, const float **out) {
  const size_t n_vocab = attn_model_get_info(h->model)->n_vocab;
  attn_error err = {0};
  int rc = SQLITE_OK;
  if (i >= h->first + h->n_reported) {
    const attn_batch batch = {.id = h->id, .begin = h->begin, .n = h->n_text};
    const attn_stop stop = {attns_ticker_check, &h->ticker};
    h->first = i;
    h->n_reported = h->n_at - i < MAX_AT_ONCE ? h->n_at - i : MAX_AT_ONCE;
    const uint64_t n_byte = (uint64_t)h->n_reported * n_vocab * sizeof *h->probability;
    rc = attns_sql_status(attn_limit_call(n_byte, &err), &err, error);
    if (rc != SQLITE_OK) return rc;
    sqlite3_free(h->probability);
    h->probability = sqlite3_malloc64(n_byte);
    if (!h->probability) return SQLITE_NOMEM;
    rc = attns_sql_status(attn_fill_masks(h->workspace, h->model, &batch, h->at + i,
                                          h->n_reported, stop, &err, h->probability),
                          &err, error);
  }
  *out = h->probability + (i - h->first) * n_vocab;
  return rc;
}

static void result_token(const hidden *h, sqlite3_context *ctx, int32_t id) {
  uint32_t n;
  const char *text = attn_token_text(attn_model_tokenizer(h->model), id, &n);
  if (text) sqlite3_result_text(ctx, text, (int)n, SQLITE_TRANSIENT);
}

/* ---------------------------------------------------------------- attn_fill_mask */

typedef struct fill_rows {
  attns_rows base;
  hidden h;
  uint32_t k; /* of each mask */
  size_t mask;
  attn_prediction *guess; /* of the mask, the likeliest first */
  uint32_t next;
} fill_rows;

static int find_masks(fill_rows *rows, char **error) {
  hidden *h = &rows->h;
  const attn_tokenizer *tokenizer = attn_model_tokenizer(h->model);
  const int32_t mask = attn_model_mask(h->model);
  uint32_t n;
  for (uint32_t i = 0; i < h->n_id; i++) {
    if (h->id[i] == mask) h->at[h->n_at++] = i;
  }
  if (h->n_at) return SQLITE_OK;
  const char *text = attn_token_text(tokenizer, mask, &n);
  return attns_sql_fail(
      error, SQLITE_ERROR,
      "attn_fill_mask: there is no %.*s among the %llu tokens of the text "
      "that the model sees",
      (int)n, text, (sqlite3_uint64)h->n_id);
}

static int open_fill(attns_rows *base, sqlite3_value **argument, char **error) {
  fill_rows *rows = (fill_rows *)base;
  attn_text text;
  size_t first;
  if (sqlite3_value_type(argument[0]) == SQLITE_NULL) return SQLITE_OK;
  int rc = attns_value_text(argument[0], "attn_fill_mask: text", error, &text);
  if (rc == SQLITE_OK)
    rc = attns_value_count(argument[2], "attn_fill_mask", 5, error, &rows->k);
  if (rc == SQLITE_OK) {
    rc = open_hidden(base->connection, "attn_fill_mask", argument[1], error, &rows->h);
  }
  if (rc == SQLITE_OK) rc = add_text(&rows->h, text, error, &first);
  if (rc == SQLITE_OK) rc = find_masks(rows, error);
  if (rc != SQLITE_OK) return rc;
  uint32_t n_vocab = attn_model_get_info(rows->h.model)->n_vocab;
  if (rows->k > n_vocab) rows->k = n_vocab;
  rows->next = rows->k; /* behind the guesses of a mask before the first one */
  rows->mask = (size_t)-1;
  return SQLITE_OK;
}

static int next_fill(attns_rows *base, char **error) {
  fill_rows *rows = (fill_rows *)base;
  attn_error err = {0};
  const float *probability;
  if (rows->k == 0) return SQLITE_DONE;
  if (++rows->next < rows->k) return SQLITE_ROW;
  if (++rows->mask >= rows->h.n_at) return SQLITE_DONE;
  int rc = tell(&rows->h, rows->mask, error, &probability);
  if (rc != SQLITE_OK) return rc;
  sqlite3_free(rows->guess);
  rows->next = 0;
  attn_status status =
      attn_most_likely(probability, attn_model_get_info(rows->h.model)->n_vocab, rows->k,
                       &err, &rows->guess);
  return status == ATTN_OK ? SQLITE_ROW : attns_sql_status(status, &err, error);
}

static void fill_column(attns_rows *base, sqlite3_context *ctx, int i) {
  fill_rows *rows = (fill_rows *)base;
  const attn_prediction *guess = &rows->guess[rows->next];
  switch (i) {
  case 0:
    sqlite3_result_int64(ctx, rows->h.at[rows->mask]);
    break;
  case 1:
    sqlite3_result_int64(ctx, rows->next + 1);
    break;
  case 2:
    sqlite3_result_int(ctx, guess->id);
    break;
  case 3:
    result_token(&rows->h, ctx, guess->id);
    break;
  default:
    sqlite3_result_double(ctx, (double)guess->probability);
    break;
  }
}

static void close_fill(attns_rows *base) {
  fill_rows *rows = (fill_rows *)base;
  sqlite3_free(rows->guess);
  close_hidden(&rows->h);
}

const attns_table attns_fill_mask_table = {
    .name = "attn_fill_mask",
    .declaration =
        "position INTEGER, rank INTEGER, id INTEGER, token TEXT, probability REAL,"
        " _text HIDDEN, _model HIDDEN, _k HIDDEN",
    .n_column = 5,
    .n_argument = 3,
    .n_required = 1,
    .n_byte = sizeof(fill_rows),
    .n_expected = 5,
    .open = open_fill,
    .next = next_fill,
    .column = fill_column,
    .close = close_fill,
};

/* -------------------------------------------------------------------- attn_cloze */

typedef struct cloze_rows {
  attns_rows base;
  hidden h;
  attn_masking how;
  sqlite3_stmt *query; /* NULL: at its end */
  sqlite3_int64 n_read;
  sqlite3_value *key[MAX_TEXTS]; /* what the query calls them */
  size_t n_key;

  size_t next; /* the hidden word behind the row */
  size_t text; /* of the batch, that the word of the row is in */
  uint32_t rank;
  attn_prediction guess;
  double probability;
} cloze_rows;

static int get_masking(sqlite3 *db, sqlite3_value *value, char **error,
                       attn_masking *out) {
  attns_document document;
  attn_error err = {0};
  int rc = attns_document_options(db, value, "attn_cloze: options", error, &document);
  if (rc == SQLITE_OK) {
    attn_status status = attn_masking_read(&document.settings, &err, out);
    rc = attns_function_status("attn_cloze", status, &err, error);
  }
  attns_document_free(&document);
  return rc;
}

static int open_cloze(attns_rows *base, sqlite3_value **argument, char **error) {
  cloze_rows *rows = (cloze_rows *)base;
  attn_text sql;
  sqlite3 *db = attns_connection_db(base->connection);
  int rc = attns_value_name(argument[0], "attn_cloze: query", error, &sql);
  if (rc == SQLITE_OK) rc = get_masking(db, argument[2], error, &rows->how);
  if (rc == SQLITE_OK) {
    rc = open_hidden(base->connection, "attn_cloze", argument[1], error, &rows->h);
  }
  return rc == SQLITE_OK ? attns_prepare_texts(db, "attn_cloze", sql, error, &rows->query)
                         : rc;
}

static int fail_row(const cloze_rows *rows, char **error, const char *what) {
  const char *id = attns_value_found(sqlite3_column_value(rows->query, 0));
  return attns_sql_fail(error, SQLITE_ERROR, "attn_cloze: row %lld (id %!.40s): %s",
                        rows->n_read, id, what);
}

/* Adds the text that the query stands on, unless there is nothing in it to hide. */
static int add_row(cloze_rows *rows, char **error) {
  hidden *h = &rows->h;
  size_t first;
  rows->n_read++;
  int type = sqlite3_column_type(rows->query, 1);
  if (type == SQLITE_NULL) return SQLITE_OK;
  if (type == SQLITE_BLOB) return fail_row(rows, error, "text is a blob; expected text");
  attn_text text = {(const char *)sqlite3_column_text(rows->query, 1), 0};
  if (!text.text) return SQLITE_NOMEM;
  text.n_text = (size_t)sqlite3_column_bytes(rows->query, 1);
  int rc = add_text(h, text, error, &first);
  if (rc != SQLITE_OK) return rc;
  size_t n =
      attn_mask_tokens(h->model, &rows->how, (uint64_t)rows->n_read, h->n_id - first,
                       h->id + first, h->at + h->n_at, h->was + h->n_at);
  for (size_t i = 0; i < n; i++) h->at[h->n_at + i] += (uint32_t)first;
  h->n_at += n;
  if (n == 0) {
    h->n_id = first;
    h->n_text--;
    return SQLITE_OK;
  }
  rows->key[rows->n_key] = sqlite3_value_dup(sqlite3_column_value(rows->query, 0));
  return rows->key[rows->n_key++] ? SQLITE_OK : SQLITE_NOMEM;
}

static void empty_batch(cloze_rows *rows) {
  for (size_t i = 0; i < rows->n_key; i++) sqlite3_value_free(rows->key[i]);
  rows->n_key = rows->next = rows->text = 0;
  empty(&rows->h);
}

/* Reads ahead till the batch is full or the query is at its end. */
static int read_batch(cloze_rows *rows, char **error) {
  int rc = SQLITE_OK;
  while (rc == SQLITE_OK && rows->query && rows->h.n_text < MAX_TEXTS &&
         rows->h.n_at < MAX_AT_ONCE / 2) {
    rc = sqlite3_step(rows->query);
    if (rc == SQLITE_ROW) {
      rc = add_row(rows, error);
    } else if (rc == SQLITE_DONE) {
      sqlite3_finalize(rows->query);
      rows->query = NULL;
      rc = SQLITE_OK;
    } else {
      rc = attns_sql_db_error(attns_connection_db(rows->base.connection),
                              "attn_cloze: query", error);
    }
  }
  return rc;
}

static int next_cloze(attns_rows *base, char **error) {
  cloze_rows *rows = (cloze_rows *)base;
  hidden *h = &rows->h;
  const float *probability;
  int rc = SQLITE_OK;
  if (rows->next == h->n_at) {
    empty_batch(rows);
    rc = read_batch(rows, error);
    if (rc != SQLITE_OK) return rc;
    if (h->n_at == 0) return SQLITE_DONE;
  }
  const size_t i = rows->next++;
  rc = tell(h, i, error, &probability);
  if (rc != SQLITE_OK) return rc;
  while (h->at[i] >= h->begin[rows->text + 1]) rows->text++;
  rows->rank = attn_rank(probability, attn_model_get_info(h->model)->n_vocab, h->was[i],
                         &rows->guess);
  rows->probability = (double)probability[h->was[i]];
  return SQLITE_ROW;
}

static void cloze_column(attns_rows *base, sqlite3_context *ctx, int i) {
  cloze_rows *rows = (cloze_rows *)base;
  const hidden *h = &rows->h;
  const size_t at = rows->next - 1;
  switch (i) {
  case 0:
    sqlite3_result_value(ctx, rows->key[rows->text]);
    break;
  case 1:
    sqlite3_result_int64(ctx, h->at[at] - h->begin[rows->text]);
    break;
  case 2:
    result_token(h, ctx, h->was[at]);
    break;
  case 3:
    result_token(h, ctx, rows->guess.id);
    break;
  case 4:
    sqlite3_result_int64(ctx, rows->rank);
    break;
  default:
    sqlite3_result_double(ctx, rows->probability);
    break;
  }
}

static void close_cloze(attns_rows *base) {
  cloze_rows *rows = (cloze_rows *)base;
  empty_batch(rows);
  sqlite3_finalize(rows->query);
  close_hidden(&rows->h);
}

const attns_table attns_cloze_table = {
    .name = "attn_cloze",
    .declaration = "id, position INTEGER, token TEXT, guess TEXT, rank INTEGER,"
                   " probability REAL, _query HIDDEN, _model HIDDEN, _options HIDDEN",
    .n_column = 6,
    .n_argument = 3,
    .n_required = 1,
    .flags = SQLITE_DIRECTONLY,
    .n_byte = sizeof(cloze_rows),
    .n_expected = 1e6, /* so that no plan runs it more than once */
    .open = open_cloze,
    .next = next_cloze,
    .column = cloze_column,
    .close = close_cloze,
};
