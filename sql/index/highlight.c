/*
** highlight.c - attn_highlight(docs_ai): the part of a long text that matched best.
**
**     SELECT rowid, attn_highlight(docs_ai) FROM docs_ai('how do I get home');
**
** With option chunk it is the window by which the row was found.  Otherwise the text is
** split into sentences (at ". ", "! ", "? " and line ends), each is embedded, and the
** nearest one to the query is given.
**
** The argument is the table-named column, which in a search stands for the cursor.
*/
#include "cursor.h"
#include <string.h>

enum { MAX_SENTENCES = 256 };

static int read_text(attnx_cursor *cursor, char **text, size_t *n) {
  attnx_index *index = attnx_cursor_index(cursor);
  int n_column = index->config.n_column, rc = attnx_cursor_source(cursor);
  *text = NULL;
  if (rc != SQLITE_OK) return rc;
  sqlite3_value **column = sqlite3_malloc64((sqlite3_uint64)n_column * sizeof *column);
  if (!column) return SQLITE_NOMEM;
  for (int i = 0; i < n_column; i++)
    column[i] = sqlite3_column_value(cursor->source, i + 1);
  rc = attnx_index_text(index, &cursor->rowid, column, text, n);
  sqlite3_free(column);
  return rc;
}

/* The bytes [*first, *last) of the window at the cursor's place. */
static int find_window(attnx_cursor *cursor, size_t n_text, size_t *first, size_t *last) {
  attnx_index *index = attnx_cursor_index(cursor);
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, ATTNX_WINDOW_GET, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, cursor->place);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (rc != SQLITE_ROW) return rc;
  sqlite3_int64 begin = sqlite3_column_int64(stmt, 0),
                end = sqlite3_column_int64(stmt, 1);
  sqlite3_reset(stmt);
  /* The text may be another one by now, if the row is pending. */
  if (begin < 0 || begin > end || end > (sqlite3_int64)n_text) return SQLITE_OK;
  *first = (size_t)begin;
  *last = (size_t)end;
  return SQLITE_OK;
}

static int ends_sentence(const char *text, size_t i, size_t n) {
  if (text[i] == '\n') return 1;
  if (text[i] != '.' && text[i] != '!' && text[i] != '?') return 0;
  return i + 1 == n || text[i + 1] == ' ' || text[i + 1] == '\n';
}

/* Splits a text; what is left over beyond the limit belongs to the last sentence. */
static size_t split(const char *text, size_t n_text, attn_text sentence[MAX_SENTENCES]) {
  size_t n = 0, begin = 0;
  for (size_t i = 0; i < n_text; i++) {
    if (!ends_sentence(text, i, n_text) || n == MAX_SENTENCES - 1) continue;
    while (begin < i && strchr(" \n", text[begin])) begin++;
    if (i > begin) sentence[n++] = (attn_text){text + begin, i + 1 - begin};
    begin = i + 1;
  }
  while (begin < n_text && strchr(" \n", text[begin])) begin++;
  if (begin < n_text) sentence[n++] = (attn_text){text + begin, n_text - begin};
  return n;
}

/* The sentence that is nearest to the query. */
static int find_sentence(attnx_cursor *cursor, const attn_text *sentence, size_t n,
                         size_t *best) {
  attnx_index *index = attnx_cursor_index(cursor);
  attn_error err = {""};
  size_t d = index->dimension;
  double least = 0, distance;
  float *x = sqlite3_malloc64((n + 2) * d * sizeof *x), *stored;
  *best = 0;
  if (!x) return SQLITE_NOMEM;
  stored = x + n * d;
  int rc = attnx_index_embed(index, sentence, n, ATTN_PROMPT_DOCUMENT, x);
  attn_vector query = attn_vector_of_floats(cursor->query, d, stored);
  for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
    attn_vector one = attn_vector_of_floats(x + i * d, d, stored + d);
    rc = attns_sql_status(
        attn_vector_distance(index->config.metric, &one, &query, &err, &distance), &err,
        &index->base.zErrMsg);
    if (i == 0 || distance < least) {
      least = distance;
      *best = i;
    }
  }
  sqlite3_free(x);
  return rc;
}

static int highlight_text(attnx_cursor *cursor, const char *text, size_t n_text,
                          attn_text *out) {
  size_t first = 0, last = n_text, best;
  *out = (attn_text){text, n_text};
  if (attnx_cursor_index(cursor)->config.window) {
    int rc = find_window(cursor, n_text, &first, &last);
    *out = (attn_text){text + first, last - first};
    return rc;
  }
  if (!attnx_config_embeds(&attnx_cursor_index(cursor)->config)) return SQLITE_OK;
  attn_text *sentence = sqlite3_malloc64(MAX_SENTENCES * sizeof *sentence);
  if (!sentence) return SQLITE_NOMEM;
  size_t n = split(text, n_text, sentence);
  int rc = SQLITE_OK;
  if (n > 1) {
    rc = find_sentence(cursor, sentence, n, &best);
    *out = sentence[best];
  }
  sqlite3_free(sentence);
  return rc;
}

static void highlight(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attnx_cursor *cursor = sqlite3_value_pointer(argv[0], ATTNX_CURSOR_TYPE);
  char *text = NULL;
  size_t n_text = 0;
  attn_text best;
  (void)argc;
  if (!cursor) {
    attns_result_error(
        ctx, SQLITE_ERROR,
        sqlite3_mprintf("attn_highlight: expected the table-named column of an "
                        "attn table, in a query with MATCH"));
    return;
  }
  attnx_index *index = attnx_cursor_index(cursor);
  int rc = read_text(cursor, &text, &n_text);
  if (rc == SQLITE_OK && text) {
    rc = highlight_text(cursor, text, n_text, &best);
    if (rc == SQLITE_OK)
      sqlite3_result_text64(ctx, best.text, best.n_text, SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  sqlite3_free(text);
  if (rc == SQLITE_OK) return;
  attns_result_error(ctx, rc, index->base.zErrMsg);
  index->base.zErrMsg = NULL;
}

const attns_function attns_highlight_functions[] = {
    {"attn_highlight", 1, SQLITE_UTF8, highlight},
    {NULL, 0, 0, NULL},
};
