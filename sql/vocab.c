/*
** vocab.c - a folder's tokenizer: its settings and its vocabulary.
**
** attn_tokenizer, part 'vocab': for id 0, 1, 2 ... the number of bytes as a
** little-endian 32-bit integer, then that many bytes of UTF-8; an id without a
** token has 0 bytes.  One blob is read in a millisecond, where 30,000 rows take
** ten.
**
** A folder without tokenizer.json has vocab.txt, a token a line.  Then the
** settings are made here, as transformers' BertTokenizer makes them.
*/
#include "vocab.h"
#include "file.h"
#include <string.h>

enum { MAX_ID = 1 << 24, MAX_VOCAB_TXT = 256 << 20 };

/* Token by token: *at moves on; 0 at the end or where the blob is damaged. */
static int next_token(const unsigned char *data, sqlite3_int64 n_data, sqlite3_int64 *at,
                      const char **token, uint32_t *n_token) {
  if (n_data - *at < 4) return 0;
  const unsigned char *p = data + *at;
  uint32_t n = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
               (uint32_t)p[3] << 24;
  if (n > n_data - *at - 4) return 0;
  *token = (const char *)p + 4;
  *n_token = n;
  *at += 4 + (sqlite3_int64)n;
  return 1;
}

int attn_vocab_parse(const unsigned char *data, sqlite3_int64 n_data, const char *model,
                     char **error, attn_vocab *out) {
  const char *token;
  uint32_t n = 0, n_token;
  sqlite3_int64 at = 0;
  memset(out, 0, sizeof *out);
  while (next_token(data, n_data, &at, &token, &n_token)) n++;
  if (at != n_data || n == 0) {
    return attn_sql_fail(error, SQLITE_CORRUPT_VTAB,
                         "model \"%s\": attn_tokenizer's vocab is damaged at byte %lld of "
                         "%lld",
                         model, at, n_data);
  }
  const char **list = sqlite3_malloc64(n * (sizeof *list + sizeof n_token));
  if (!list) return SQLITE_NOMEM;
  uint32_t *size = (uint32_t *)(list + n);
  at = 0;
  for (uint32_t i = 0; next_token(data, n_data, &at, &token, &n_token); i++) {
    list[i] = n_token ? token : NULL;
    size[i] = n_token;
  }
  *out = (attn_vocab){list, size, n};
  return SQLITE_OK;
}

void attn_vocab_free(attn_vocab *vocab) {
  sqlite3_free((void *)(uintptr_t)vocab->token);
  memset(vocab, 0, sizeof *vocab);
}

void attn_vocab_append(sqlite3_str *blob, const char *token, uint32_t n) {
  const char size[4] = {(char)(n & 0xff), (char)(n >> 8 & 0xff), (char)(n >> 16 & 0xff),
                        (char)(n >> 24)};
  sqlite3_str_append(blob, size, 4);
  sqlite3_str_append(blob, token, (int)n);
}

/* Takes the text of a string builder that began with `db`'s limits. */
static int finish_blob(sqlite3_str *blob, int rc, char **vocab, sqlite3_int64 *n) {
  *n = sqlite3_str_length(blob);
  int code = sqlite3_str_errcode(blob);
  *vocab = sqlite3_str_finish(blob);
  if (rc == SQLITE_OK) rc = code;
  if (rc == SQLITE_OK && !*vocab) rc = SQLITE_NOMEM;
  if (rc == SQLITE_OK) return rc;
  sqlite3_free(*vocab);
  *vocab = NULL;
  return rc;
}

/* --------------------------------------------------------------- tokenizer.json */

/* A row (id, token, type of id), in order of id. */
static int add_json_token(const attn_vocab_request *q, sqlite3_stmt *stmt, sqlite3_str *blob,
                          sqlite3_int64 *next, char **error) {
  const char *token = (const char *)sqlite3_column_text(stmt, 1);
  if (!token) return SQLITE_NOMEM;
  sqlite3_int64 id = sqlite3_column_int64(stmt, 0);
  if (sqlite3_column_type(stmt, 0) != SQLITE_INTEGER || id < *next || id >= MAX_ID) {
    return attn_sql_fail(error, SQLITE_ERROR,
                         "%s/tokenizer.json: token \"%s\" has id %s; expected a whole number "
                         "of its own from 0 to %d",
                         q->folder, token, (const char *)sqlite3_column_text(stmt, 0),
                         MAX_ID - 1);
  }
  for (; *next < id; ++*next) attn_vocab_append(blob, "", 0);
  attn_vocab_append(blob, token, (uint32_t)sqlite3_column_bytes(stmt, 1));
  ++*next;
  return SQLITE_OK;
}

static int read_json_vocab(const attn_vocab_request *q, const char *tokenizer, char **error,
                           char **vocab, sqlite3_int64 *n) {
  sqlite3_stmt *stmt;
  sqlite3_int64 next = 0;
  int rc = attn_prepare(q->db, &stmt, error,
                        "SELECT value, key FROM json_each(?1, '$.model.vocab')"
                        " WHERE json_type(?1, '$.model.vocab') = 'object' ORDER BY value");
  if (rc != SQLITE_OK) return rc;
  sqlite3_str *blob = sqlite3_str_new(q->db);
  sqlite3_bind_text(stmt, 1, tokenizer, -1, SQLITE_STATIC);
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = add_json_token(q, stmt, blob, &next, error);
    if (rc != SQLITE_OK) break;
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (!*error && rc != SQLITE_NOMEM) {
    rc = attn_sql_db_error(q->db, "tokenizer.json", error);
  }
  if (rc == SQLITE_OK && next == 0) {
    rc = attn_sql_fail(error, SQLITE_ERROR,
                       "%s/tokenizer.json: expected an object of tokens at $.model.vocab",
                       q->folder);
  }
  sqlite3_finalize(stmt);
  return finish_blob(blob, rc, vocab, n);
}

/* -------------------------------------------------------------------- vocab.txt */

/* The special tokens of BERT's template; their ids come from vocab.txt. */
enum { UNK, SEP, PAD, CLS, MASK, N_SPECIAL };

static const char *const special_keys[N_SPECIAL] = {"unk_token", "sep_token", "pad_token",
                                                    "cls_token", "mask_token"};
static const char *const special_defaults[N_SPECIAL] = {"[UNK]", "[SEP]", "[PAD]", "[CLS]",
                                                        "[MASK]"};

typedef struct special {
  char *text;
  sqlite3_int64 id; /* -1: not in vocab.txt */
} special;

/* tokenizer_config.json has them as text or as {"content": text}. */
static int read_special(const attn_vocab_request *q, int i, char **error, special *out) {
  sqlite3_stmt *stmt;
  out->id = -1;
  out->text = NULL;
  int rc = attn_prepare(q->db, &stmt, error,
                        "SELECT coalesce(json_extract(?1, '$.%s.content'),"
                        " CASE json_type(?1, '$.%s') WHEN 'text'"
                        "  THEN json_extract(?1, '$.%s') END, %Q)",
                        special_keys[i], special_keys[i], special_keys[i],
                        special_defaults[i]);
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, q->tokenizer_config ? q->tokenizer_config : "{}", -1,
                    SQLITE_STATIC);
  if (sqlite3_step(stmt) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    if (text) out->text = sqlite3_mprintf("%s", text);
  }
  rc = sqlite3_finalize(stmt);
  if (rc != SQLITE_OK) return attn_sql_db_error(q->db, "tokenizer_config.json", error);
  return out->text ? SQLITE_OK : SQLITE_NOMEM;
}

/* A line's end is \n or \r\n, as Python reads text. */
static int add_lines(const attn_vocab_request *q, const attn_bytes *file, special *specials,
                     char **error, char **vocab, sqlite3_int64 *n) {
  sqlite3_str *blob = sqlite3_str_new(q->db);
  const char *p = file->data, *end = file->data + file->n;
  sqlite3_int64 id = 0;
  int rc = SQLITE_OK;
  for (; p < end && rc == SQLITE_OK; id++) {
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    const char *stop = newline ? newline : end;
    const char *next = newline ? newline + 1 : end;
    if (stop > p && stop[-1] == '\r') stop--;
    attn_vocab_append(blob, p, (uint32_t)(stop - p));
    for (int i = 0; i < N_SPECIAL; i++) {
      size_t size = strlen(specials[i].text);
      if (size == (size_t)(stop - p) && memcmp(p, specials[i].text, size) == 0) {
        specials[i].id = id;
      }
    }
    p = next;
    if (id == MAX_ID) {
      rc = attn_sql_fail(error, SQLITE_ERROR, "%s/vocab.txt: more than %d lines", q->folder,
                         MAX_ID);
    }
  }
  for (int i = 0; rc == SQLITE_OK && i < N_SPECIAL; i++) {
    if (specials[i].id < 0 && (i == UNK || i == SEP || i == CLS)) {
      rc = attn_sql_fail(error, SQLITE_ERROR,
                         "%s/vocab.txt: has no line \"%s\", which is the %s", q->folder,
                         specials[i].text, special_keys[i]);
    }
  }
  return finish_blob(blob, rc, vocab, n);
}

/* The tokenizer.json that transformers' BertTokenizer would save. */
static int make_bert_settings(const attn_vocab_request *q, const special *s, char **error,
                              char **out) {
  sqlite3_stmt *stmt;
  int rc = attn_prepare(
      q->db, &stmt, error,
      "SELECT json_object("
      "'added_tokens', (SELECT json_group_array(json_object('id', column1, 'content', column2,"
      "  'special', json('true'), 'normalized', json('false')))"
      "  FROM (VALUES(%lld, %Q), (%lld, %Q), (%lld, %Q), (%lld, %Q), (%lld, %Q))"
      "  WHERE column1 >= 0),"
      "'normalizer', json_object('type', 'BertNormalizer', 'clean_text', json('true'),"
      "  'handle_chinese_chars', json(coalesce(?1 -> '$.tokenize_chinese_chars', 'true')),"
      "  'strip_accents', json(?1 -> '$.strip_accents'),"
      "  'lowercase', json(coalesce(?1 -> '$.do_lower_case', 'true'))),"
      "'pre_tokenizer', json_object('type', 'BertPreTokenizer'),"
      "'post_processor', json_object('type', 'BertProcessing', 'sep', json_array(%Q, %lld),"
      "  'cls', json_array(%Q, %lld)),"
      "'decoder', json_object('type', 'WordPiece', 'prefix', '##', 'cleanup', json('true')),"
      "'model', json_object('type', 'WordPiece', 'unk_token', %Q,"
      "  'continuing_subword_prefix', '##', 'max_input_chars_per_word', 100))",
      s[UNK].id, s[UNK].text, s[SEP].id, s[SEP].text, s[PAD].id, s[PAD].text, s[CLS].id,
      s[CLS].text, s[MASK].id, s[MASK].text, s[SEP].text, s[SEP].id, s[CLS].text, s[CLS].id,
      s[UNK].text);
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, q->tokenizer_config ? q->tokenizer_config : "{}", -1,
                    SQLITE_STATIC);
  *out = NULL;
  rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    if (text) *out = sqlite3_mprintf("%s", text);
    rc = *out ? SQLITE_OK : SQLITE_NOMEM;
  } else {
    rc = attn_sql_db_error(q->db, "tokenizer_config.json", error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

static int read_vocab_txt(const attn_vocab_request *q, char **tokenizer, char **error,
                          char **vocab, sqlite3_int64 *n) {
  special specials[N_SPECIAL] = {{NULL, -1}};
  attn_bytes file = {0};
  char *path = sqlite3_mprintf("%s/vocab.txt", q->folder);
  if (!path) return SQLITE_NOMEM;
  int rc = SQLITE_OK;
  if (!attn_file_is(path, 'f')) {
    rc = attn_sql_fail(error, SQLITE_ERROR, "%s: found no tokenizer.json and no vocab.txt",
                       q->folder);
  }
  if (rc == SQLITE_OK) rc = attn_file_read(path, MAX_VOCAB_TXT, error, &file);
  for (int i = 0; rc == SQLITE_OK && i < N_SPECIAL; i++) {
    rc = read_special(q, i, error, &specials[i]);
  }
  if (rc == SQLITE_OK) rc = add_lines(q, &file, specials, error, vocab, n);
  if (rc == SQLITE_OK) rc = make_bert_settings(q, specials, error, tokenizer);
  for (int i = 0; i < N_SPECIAL; i++) sqlite3_free(specials[i].text);
  sqlite3_free(file.data);
  sqlite3_free(path);
  return rc;
}

/* ----------------------------------------------------------------------- both */

/* Drops the vocabulary; where sentence_bert_config.json says do_lower_case and the
** normalizer does not lower-case, puts a Lowercase before it. */
static int finish_settings(const attn_vocab_request *q, char **tokenizer, char **error) {
  sqlite3_stmt *stmt;
  int rc = attn_prepare(
      q->db, &stmt, error,
      "WITH t(j) AS (SELECT json_remove(?1, '$.model.vocab')) "
      "SELECT CASE WHEN json_type(?2, '$.do_lower_case') IS 'true' AND NOT EXISTS ("
      "  SELECT 1 FROM json_tree(j, '$.normalizer') WHERE"
      "  (key = 'lowercase' AND type = 'true') OR (key = 'type' AND atom = 'Lowercase'))"
      " THEN json_set(j, '$.normalizer', json_object('type', 'Sequence', 'normalizers',"
      "  CASE json_type(j, '$.normalizer') WHEN 'object'"
      "   THEN json_array(json('{\"type\":\"Lowercase\"}'), json(j -> '$.normalizer'))"
      "   ELSE json_array(json('{\"type\":\"Lowercase\"}')) END))"
      " ELSE j END FROM t");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, *tokenizer, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, q->sentence ? q->sentence : "{}", -1, SQLITE_STATIC);
  char *whole = NULL;
  rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    if (text) whole = sqlite3_mprintf("%s", text);
    rc = whole ? SQLITE_OK : SQLITE_NOMEM;
  } else {
    rc = attn_sql_db_error(q->db, "tokenizer.json", error);
  }
  sqlite3_finalize(stmt);
  if (rc != SQLITE_OK) return rc;
  sqlite3_free(*tokenizer);
  *tokenizer = whole;
  return SQLITE_OK;
}

int attn_vocab_read(const attn_vocab_request *request, char **tokenizer, char **error,
                    char **vocab, sqlite3_int64 *n) {
  *vocab = NULL;
  *n = 0;
  int rc = *tokenizer ? read_json_vocab(request, *tokenizer, error, vocab, n)
                      : read_vocab_txt(request, tokenizer, error, vocab, n);
  return rc == SQLITE_OK ? finish_settings(request, tokenizer, error) : rc;
}
