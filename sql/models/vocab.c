/*
** vocab.c - a folder's tokenizer: its settings, its vocabulary and its merges.
**
** attn_tokenizer, part 'vocab': for id 0, 1, 2 ... the number of bytes as a
** little-endian 32-bit integer, then that many bytes of UTF-8; an id without a
** token has 0 bytes.  One blob is read in a millisecond, where 30,000 rows take
** ten.  Part 'merges', of BPE: in the same way the left and the right token of the
** first merge, of the second ...
**
** A folder without tokenizer.json has vocab.txt, a token a line, or vocab.json and
** merges.txt, a pair a line.  Then the settings are made here, as transformers'
** tokenizers of BERT, GPT-2 and RoBERTa make them.
*/
#include "vocab.h"
#include "../file.h"
#include "../json.h"
#include <string.h>

enum { MAX_ID = 1 << 24, MAX_TEXT = 256 << 20 };

const char *const attns_part_names[ATTNS_N_PART] = {"vocab", "merges"};

void attns_parts_free(attns_parts *parts) {
  for (int i = 0; i < ATTNS_N_PART; i++) sqlite3_free(parts->data[i]);
  memset(parts, 0, sizeof *parts);
}

/* Text by text: *at moves on; 0 at the end or where the part is damaged. */
static int next_text(const attns_parts *parts, int part, sqlite3_int64 *at,
                     attn_text *out) {
  if (parts->n[part] - *at < 4) return 0;
  const unsigned char *p = (const unsigned char *)parts->data[part] + *at;
  uint32_t n =
      (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
  if (n > parts->n[part] - *at - 4) return 0;
  *out = (attn_text){(const char *)p + 4, n};
  *at += 4 + (sqlite3_int64)n;
  return 1;
}

/* How many texts a part has. */
static int count_texts(const attns_parts *parts, int part, const char *model,
                       char **error, uint32_t *n) {
  sqlite3_int64 at = 0;
  attn_text text;
  *n = 0;
  while (next_text(parts, part, &at, &text)) ++*n;
  if (at == parts->n[part]) return SQLITE_OK;
  return attns_sql_fail(
      error, SQLITE_CORRUPT_VTAB,
      "model \"%s\": attn_tokenizer's %s is damaged at byte %lld of %lld", model,
      attns_part_names[part], at, parts->n[part]);
}

static int parse_merges(const attns_parts *parts, const char *model, char **error,
                        attn_vocab *out) {
  uint32_t n;
  sqlite3_int64 at = 0;
  int rc = count_texts(parts, ATTNS_PART_MERGES, model, error, &n);
  if (rc == SQLITE_OK && n % 2) {
    rc = attns_sql_fail(
        error, SQLITE_CORRUPT_VTAB,
        "model \"%s\": attn_tokenizer's merges have %u texts; expected pairs", model, n);
  }
  if (rc != SQLITE_OK) return rc;
  attn_text *list = sqlite3_malloc64((n + UINT64_C(1)) * sizeof *list);
  if (!list) return SQLITE_NOMEM;
  for (uint32_t i = 0; i < n; i++) next_text(parts, ATTNS_PART_MERGES, &at, &list[i]);
  out->merge = list;
  out->n_merge = n / 2;
  return SQLITE_OK;
}

int attns_vocab_parse(const attns_parts *parts, const char *model, char **error,
                      attn_vocab *out) {
  uint32_t n;
  sqlite3_int64 at = 0;
  attn_text token;
  memset(out, 0, sizeof *out);
  int rc = count_texts(parts, ATTNS_PART_VOCAB, model, error, &n);
  if (rc == SQLITE_OK && n == 0) {
    rc = attns_sql_fail(error, SQLITE_CORRUPT_VTAB,
                        "model \"%s\": attn_tokenizer's vocab is empty", model);
  }
  if (rc != SQLITE_OK) return rc;
  attn_error err = {""};
  rc = attns_sql_status(attn_limit_check(ATTN_LIMIT_VOCABULARY, n, &err,
                                         "model \"%s\": the vocabulary has %u tokens",
                                         model, (unsigned)n),
                        &err, error);
  if (rc != SQLITE_OK) return rc;
  const char **list = sqlite3_malloc64(n * (sizeof *list + sizeof(uint32_t)));
  if (!list) return SQLITE_NOMEM;
  uint32_t *size = (uint32_t *)(list + n);
  for (uint32_t i = 0; next_text(parts, ATTNS_PART_VOCAB, &at, &token); i++) {
    list[i] = token.n_text ? token.text : NULL;
    size[i] = (uint32_t)token.n_text;
  }
  *out = (attn_vocab){.token = list, .n_token = size, .n = n};
  rc = parse_merges(parts, model, error, out);
  if (rc != SQLITE_OK) attns_vocab_free(out);
  return rc;
}

void attns_vocab_free(attn_vocab *vocab) {
  sqlite3_free((void *)(uintptr_t)vocab->token);
  sqlite3_free((void *)(uintptr_t)vocab->merge);
  memset(vocab, 0, sizeof *vocab);
}

void attns_vocab_append(sqlite3_str *blob, const char *text, uint32_t n) {
  const char size[4] = {(char)(n & 0xff), (char)(n >> 8 & 0xff), (char)(n >> 16 & 0xff),
                        (char)(n >> 24)};
  sqlite3_str_append(blob, size, 4);
  sqlite3_str_append(blob, text, (int)n);
}

int attns_vocab_finish(sqlite3_str *blob, int part, attns_parts *parts) {
  parts->n[part] = sqlite3_str_length(blob);
  int rc = sqlite3_str_errcode(blob);
  parts->data[part] = sqlite3_str_finish(blob);
  /* Of no text at all, nothing comes out. */
  return rc == SQLITE_OK && !parts->data[part] && parts->n[part] ? SQLITE_NOMEM : rc;
}

/* The same behind what made the texts, whose error comes first. */
static int finish_part(sqlite3_str *blob, int rc, int part, attns_parts *parts) {
  int finished = attns_vocab_finish(blob, part, parts);
  return rc == SQLITE_OK ? finished : rc;
}

int attns_vocab_write(sqlite3 *db, const attn_vocab *vocab, int has_merges,
                      attns_parts *out) {
  sqlite3_str *blob = sqlite3_str_new(db);
  for (uint32_t i = 0; i < vocab->n; i++) {
    attns_vocab_append(blob, vocab->token[i], vocab->n_token[i]);
  }
  int rc = attns_vocab_finish(blob, ATTNS_PART_VOCAB, out);
  if (rc != SQLITE_OK || !has_merges) return rc;
  blob = sqlite3_str_new(db);
  for (size_t i = 0; i < 2 * (size_t)vocab->n_merge; i++) {
    attns_vocab_append(blob, vocab->merge[i].text, (uint32_t)vocab->merge[i].n_text);
  }
  return attns_vocab_finish(blob, ATTNS_PART_MERGES, out);
}

/* --------------------------------------------------------------- tokenizer.json */

/* A row (id, token, type of id), in order of id. */
static int add_json_token(const attns_vocab_request *q, const char *file,
                          sqlite3_stmt *stmt, sqlite3_str *blob, sqlite3_int64 *next,
                          char **error) {
  const char *token = (const char *)sqlite3_column_text(stmt, 1);
  if (!token) return SQLITE_NOMEM;
  sqlite3_int64 id = sqlite3_column_int64(stmt, 0);
  if (sqlite3_column_type(stmt, 0) != SQLITE_INTEGER || id < *next || id >= MAX_ID) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "%s/%s: token \"%s\" has id %s; expected a whole number "
                          "of its own from 0 to %d",
                          q->folder, file, token,
                          (const char *)sqlite3_column_text(stmt, 0), MAX_ID - 1);
  }
  for (; *next < id; ++*next) attns_vocab_append(blob, "", 0);
  attns_vocab_append(blob, token, (uint32_t)sqlite3_column_bytes(stmt, 1));
  ++*next;
  return SQLITE_OK;
}

/* The object at `path` of a file's JSON. */
static int read_json_vocab(const attns_vocab_request *q, const char *file,
                           const char *json, const char *path, char **error,
                           attns_parts *parts) {
  sqlite3_stmt *stmt;
  sqlite3_int64 next = 0;
  int rc = attns_prepare(q->db, &stmt, error,
                         "SELECT value, key FROM json_each(?1, ?2)"
                         " WHERE json_type(?1, ?2) = 'object' ORDER BY value");
  if (rc != SQLITE_OK) return rc;
  sqlite3_str *blob = sqlite3_str_new(q->db);
  sqlite3_bind_text(stmt, 1, json, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, path, -1, SQLITE_STATIC);
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = add_json_token(q, file, stmt, blob, &next, error);
    if (rc != SQLITE_OK) break;
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (!*error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(q->db, file, error);
  }
  if (rc == SQLITE_OK && next == 0) {
    rc = attns_sql_fail(error, SQLITE_ERROR, "%s/%s: expected an object of tokens at %s",
                        q->folder, file, path);
  }
  sqlite3_finalize(stmt);
  return finish_part(blob, rc, ATTNS_PART_VOCAB, parts);
}

/* "left right": two tokens with one blank between them. */
static int add_merge(sqlite3_str *blob, const char *text, int n) {
  const char *blank = memchr(text, ' ', (size_t)n);
  if (!blank || memchr(blank + 1, ' ', (size_t)(text + n - blank - 1))) return 0;
  attns_vocab_append(blob, text, (uint32_t)(blank - text));
  attns_vocab_append(blob, blank + 1, (uint32_t)(text + n - blank - 1));
  return 1;
}

static int is_version(const char *text) {
  return strncmp(text, "#version", 8) == 0;
}

/* A row (number, type, value, and of an array of two texts these): a merge. */
static int add_json_merge(const attns_vocab_request *q, sqlite3_stmt *stmt,
                          sqlite3_str *blob, char **error) {
  const char *type = (const char *)sqlite3_column_text(stmt, 1);
  const char *value = (const char *)sqlite3_column_text(stmt, 2);
  if (!type || !value) return SQLITE_NOMEM;
  if (strcmp(type, "text") == 0) {
    if (is_version(value) || add_merge(blob, value, sqlite3_column_bytes(stmt, 2))) {
      return SQLITE_OK;
    }
  } else if (sqlite3_column_type(stmt, 3) == SQLITE_TEXT &&
             sqlite3_column_type(stmt, 4) == SQLITE_TEXT) {
    for (int i = 3; i < 5; i++) {
      const char *text = (const char *)sqlite3_column_text(stmt, i);
      if (!text) return SQLITE_NOMEM;
      attns_vocab_append(blob, text, (uint32_t)sqlite3_column_bytes(stmt, i));
    }
    return SQLITE_OK;
  }
  return attns_sql_fail(error, SQLITE_ERROR,
                        "%s/tokenizer.json: $.model.merges[%lld] is %!.100s; expected "
                        "\"left right\" or [\"left\", \"right\"]",
                        q->folder, sqlite3_column_int64(stmt, 0), value);
}

static int read_json_merges(const attns_vocab_request *q, const char *tokenizer,
                            char **error, attns_parts *parts) {
  sqlite3_stmt *stmt;
  int rc =
      attns_prepare(q->db, &stmt, error,
                    "SELECT key, type, coalesce(value, 'null'),"
                    " CASE type WHEN 'array' THEN CASE json_array_length(value) WHEN 2"
                    "  THEN json_extract(value, '$[0]') END END,"
                    " CASE type WHEN 'array' THEN json_extract(value, '$[1]') END"
                    " FROM json_each(?1, '$.model.merges')");
  if (rc != SQLITE_OK) return rc;
  sqlite3_str *blob = sqlite3_str_new(q->db);
  sqlite3_bind_text(stmt, 1, tokenizer, -1, SQLITE_STATIC);
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = add_json_merge(q, stmt, blob, error);
    if (rc != SQLITE_OK) break;
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (!*error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(q->db, "tokenizer.json", error);
  }
  sqlite3_finalize(stmt);
  return finish_part(blob, rc, ATTNS_PART_MERGES, parts);
}

/* -------------------------------------------------------------------- vocab.txt */

/* The special tokens of BERT's template; their ids come from vocab.txt. */
enum { UNK, SEP, PAD, CLS, MASK, N_SPECIAL };

static const char *const special_keys[N_SPECIAL] = {"unk_token", "sep_token", "pad_token",
                                                    "cls_token", "mask_token"};
static const char *const special_defaults[N_SPECIAL] = {"[UNK]", "[SEP]", "[PAD]",
                                                        "[CLS]", "[MASK]"};

typedef struct special {
  char *text;
  sqlite3_int64 id; /* -1: not in vocab.txt */
} special;

/* tokenizer_config.json has them as text or as {"content": text}. */
static int read_special(const attns_vocab_request *q, int i, char **error, special *out) {
  sqlite3_stmt *stmt;
  out->id = -1;
  out->text = NULL;
  int rc = attns_prepare(q->db, &stmt, error,
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
  if (rc != SQLITE_OK) return attns_sql_db_error(q->db, "tokenizer_config.json", error);
  return out->text ? SQLITE_OK : SQLITE_NOMEM;
}

/* A line's end is \n or \r\n, as Python reads text. */
static int add_lines(const attns_vocab_request *q, const attns_bytes *file,
                     special *specials, char **error, attns_parts *parts) {
  sqlite3_str *blob = sqlite3_str_new(q->db);
  const char *p = file->data, *end = file->data + file->n;
  sqlite3_int64 id = 0;
  int rc = SQLITE_OK;
  for (; p < end && rc == SQLITE_OK; id++) {
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    const char *stop = newline ? newline : end;
    const char *next = newline ? newline + 1 : end;
    if (stop > p && stop[-1] == '\r') stop--;
    attns_vocab_append(blob, p, (uint32_t)(stop - p));
    for (int i = 0; i < N_SPECIAL; i++) {
      size_t size = strlen(specials[i].text);
      if (size == (size_t)(stop - p) && memcmp(p, specials[i].text, size) == 0) {
        specials[i].id = id;
      }
    }
    p = next;
    if (id == MAX_ID) {
      rc = attns_sql_fail(error, SQLITE_ERROR, "%s/vocab.txt: more than %d lines",
                          q->folder, MAX_ID);
    }
  }
  for (int i = 0; rc == SQLITE_OK && i < N_SPECIAL; i++) {
    if (specials[i].id < 0 && (i == UNK || i == SEP || i == CLS)) {
      rc = attns_sql_fail(error, SQLITE_ERROR,
                          "%s/vocab.txt: has no line \"%s\", which is the %s", q->folder,
                          specials[i].text, special_keys[i]);
    }
  }
  return finish_part(blob, rc, ATTNS_PART_VOCAB, parts);
}

/* The text that a statement makes, which is finalized. */
static int take_text(sqlite3 *db, sqlite3_stmt *stmt, const char *what, char **error,
                     char **out) {
  int rc = sqlite3_step(stmt);
  *out = NULL;
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    if (text) *out = sqlite3_mprintf("%s", text);
    rc = *out ? SQLITE_OK : SQLITE_NOMEM;
  } else {
    rc = attns_sql_db_error(db, what, error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

/* The tokenizer.json that transformers' BertTokenizer would save.  (UNION ALL, since
** SQLITE_OMIT_COMPOUND_SELECT makes VALUES of several rows the last one, without an
** error.) */
static int make_bert_settings(const attns_vocab_request *q, const special *s,
                              char **error, char **out) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(
      q->db, &stmt, error,
      "SELECT json_object("
      "'added_tokens', json((SELECT json_group_array(json_object('id', column1, "
      "'content', column2,"
      "  'special', json('true'), 'normalized', json('false')))"
      "  FROM (VALUES(%lld, %Q) UNION ALL VALUES(%lld, %Q) UNION ALL VALUES(%lld, %Q)"
      "   UNION ALL VALUES(%lld, %Q) UNION ALL VALUES(%lld, %Q))"
      "  WHERE column1 >= 0)),"
      "'normalizer', json_object('type', 'BertNormalizer', 'clean_text', json('true'),"
      "  'handle_chinese_chars', json(coalesce(?1 -> '$.tokenize_chinese_chars', "
      "'true')),"
      "  'strip_accents', json(?1 -> '$.strip_accents'),"
      "  'lowercase', json(coalesce(?1 -> '$.do_lower_case', 'true'))),"
      "'pre_tokenizer', json_object('type', 'BertPreTokenizer'),"
      "'post_processor', json_object('type', 'BertProcessing', 'sep', json_array(%Q, "
      "%lld),"
      "  'cls', json_array(%Q, %lld)),"
      "'decoder', json_object('type', 'WordPiece', 'prefix', '##', 'cleanup', "
      "json('true')),"
      "'model', json_object('type', 'WordPiece', 'unk_token', %Q,"
      "  'continuing_subword_prefix', '##', 'max_input_chars_per_word', 100))",
      s[UNK].id, s[UNK].text, s[SEP].id, s[SEP].text, s[PAD].id, s[PAD].text, s[CLS].id,
      s[CLS].text, s[MASK].id, s[MASK].text, s[SEP].text, s[SEP].id, s[CLS].text,
      s[CLS].id, s[UNK].text);
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, q->tokenizer_config ? q->tokenizer_config : "{}", -1,
                    SQLITE_STATIC);
  return take_text(q->db, stmt, "tokenizer_config.json", error, out);
}

static int read_vocab_txt(const attns_vocab_request *q, char **tokenizer, char **error,
                          attns_parts *parts) {
  special specials[N_SPECIAL] = {{NULL, -1}};
  attns_bytes file = {0};
  char *path = sqlite3_mprintf("%s/vocab.txt", q->folder);
  if (!path) return SQLITE_NOMEM;
  int rc = attns_file_read(path, MAX_TEXT, error, &file);
  for (int i = 0; rc == SQLITE_OK && i < N_SPECIAL; i++) {
    rc = read_special(q, i, error, &specials[i]);
  }
  if (rc == SQLITE_OK) rc = add_lines(q, &file, specials, error, parts);
  if (rc == SQLITE_OK) rc = make_bert_settings(q, specials, error, tokenizer);
  for (int i = 0; i < N_SPECIAL; i++) sqlite3_free(specials[i].text);
  sqlite3_free(file.data);
  sqlite3_free(path);
  return rc;
}

/* ----------------------------------------------------- vocab.json and merges.txt */

/* The special tokens of a family, which tokenizer_config.json may name otherwise, and its
** post-processor, in which id(key) is the id of one. */
typedef struct family {
  const char *specials, *post_processor;
} family;

static const family gpt2 = {
    "VALUES('bos_token', '<|endoftext|>') UNION ALL VALUES('eos_token', '<|endoftext|>')"
    " UNION ALL VALUES('unk_token', '<|endoftext|>') UNION ALL VALUES('pad_token', NULL)",
    "CASE ?1 ->> '$.add_bos_token' WHEN 1 THEN json_object('type', 'TemplateProcessing',"
    " 'single', json_array(json_object('SpecialToken', json_object('id', 'bos')),"
    "  json_object('Sequence', json_object('id', 'A'))),"
    " 'special_tokens', json_object('bos', json_object('ids', json_array("
    "  (SELECT id FROM special WHERE key = 'bos_token'))))) END"};

static const family roberta = {
    "VALUES('bos_token', '<s>') UNION ALL VALUES('pad_token', '<pad>')"
    " UNION ALL VALUES('eos_token', '</s>') UNION ALL VALUES('unk_token', '<unk>')"
    " UNION ALL VALUES('mask_token', '<mask>') UNION ALL VALUES('sep_token', '</s>')"
    " UNION ALL VALUES('cls_token', '<s>')",
    "json_object('type', 'RobertaProcessing',"
    " 'sep', json((SELECT json_array(content, id) FROM special WHERE key = 'sep_token')),"
    " 'cls', json((SELECT json_array(content, id) FROM special WHERE key = 'cls_token')),"
    " 'trim_offsets', json(coalesce(?1 -> '$.trim_offsets', 'true')),"
    " 'add_prefix_space', json(coalesce(?1 -> '$.add_prefix_space', 'false')))"};

/* The tokenizer.json that transformers' GPT2Tokenizer or RobertaTokenizer would save.
** ?1: tokenizer_config.json, ?2: vocab.json. */
static int make_bpe_settings(const attns_vocab_request *q, const char *vocab,
                             const family *f, char **error, char **out) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(
      q->db, &stmt, error,
      "WITH named(key, content, lstrip) AS MATERIALIZED ("
      "  SELECT column1, coalesce(json_extract(?1, '$.' || column1 || '.content'),"
      "    CASE json_type(?1, '$.' || column1) WHEN 'text'"
      "     THEN json_extract(?1, '$.' || column1) END, column2),"
      "   coalesce(json_extract(?1, '$.' || column1 || '.lstrip'), 0) FROM (%s)),"
      " special(key, content, lstrip, id) AS MATERIALIZED ("
      "  SELECT n.key, content, lstrip, (SELECT value FROM json_each(?2) v"
      "   WHERE v.key = content) FROM named n WHERE content IS NOT NULL) "
      "SELECT json_object("
      "'added_tokens', json((SELECT json_group_array(json_object('id', id, 'content', "
      "content,"
      "  'special', json('true'), 'normalized', json('false'),"
      "  'lstrip', json(iif(lstrip, 'true', 'false'))))"
      "  FROM (SELECT id, content, max(lstrip) lstrip FROM special GROUP BY content))),"
      "'normalizer', NULL,"
      "'pre_tokenizer', json_object('type', 'ByteLevel', 'use_regex', json('true'),"
      "  'add_prefix_space', json(coalesce(?1 -> '$.add_prefix_space', 'false')),"
      "  'trim_offsets', json('true')),"
      "'post_processor', json(%s),"
      "'decoder', json_object('type', 'ByteLevel', 'add_prefix_space', json('true'),"
      "  'trim_offsets', json('true'), 'use_regex', json('true')),"
      "'model', json_object('type', 'BPE', 'dropout', NULL, 'unk_token', NULL,"
      "  'continuing_subword_prefix', '', 'end_of_word_suffix', '',"
      "  'fuse_unk', json('false'), 'byte_fallback', json('false'),"
      "  'ignore_merges', json('false')))",
      f->specials, f->post_processor);
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, q->tokenizer_config ? q->tokenizer_config : "{}", -1,
                    SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, vocab, -1, SQLITE_STATIC);
  return take_text(q->db, stmt, "tokenizer_config.json", error, out);
}

/* GPT-2 frames a text with nothing, RoBERTa and BART do so with <s> and </s>. */
static int find_family(const attns_vocab_request *q, char **error, const family **out) {
  sqlite3_stmt *stmt;
  int rc =
      attns_prepare(q->db, &stmt, error,
                    "SELECT coalesce(?1 ->> '$.tokenizer_class', ?2 ->> '$.model_type')"
                    " LIKE 'gpt%%'");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, q->tokenizer_config ? q->tokenizer_config : "{}", -1,
                    SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, q->config ? q->config : "{}", -1, SQLITE_STATIC);
  rc = sqlite3_step(stmt);
  *out = rc == SQLITE_ROW && sqlite3_column_int(stmt, 0) ? &gpt2 : &roberta;
  rc = rc == SQLITE_ROW ? SQLITE_OK : attns_sql_db_error(q->db, "config.json", error);
  sqlite3_finalize(stmt);
  return rc;
}

/* Line 1, 2 ... of merges.txt. */
static int add_merge_lines(const attns_vocab_request *q, const attns_bytes *file,
                           char **error, attns_parts *parts) {
  sqlite3_str *blob = sqlite3_str_new(q->db);
  const char *p = file->data, *end = file->data + file->n;
  int rc = SQLITE_OK;
  for (int line = 1; p < end && rc == SQLITE_OK; line++) {
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    const char *stop = newline ? newline : end, *next = newline ? newline + 1 : end;
    if (stop > p && stop[-1] == '\r') stop--;
    if (stop > p && !is_version(p) && !add_merge(blob, p, (int)(stop - p))) {
      rc =
          attns_sql_fail(error, SQLITE_ERROR,
                         "%s/merges.txt: line %d is \"%.*s\"; expected two tokens with a "
                         "blank between them",
                         q->folder, line, (int)(stop - p > 100 ? 100 : stop - p), p);
    }
    p = next;
  }
  return finish_part(blob, rc, ATTNS_PART_MERGES, parts);
}

static int read_bpe_files(const attns_vocab_request *q, char **tokenizer, char **error,
                          attns_parts *parts) {
  attns_bytes vocab = {0}, merges = {0};
  const family *f = NULL;
  char *type = NULL;
  char *vocab_path = sqlite3_mprintf("%s/vocab.json", q->folder);
  char *merges_path = sqlite3_mprintf("%s/merges.txt", q->folder);
  int rc = vocab_path && merges_path ? SQLITE_OK : SQLITE_NOMEM;
  if (rc == SQLITE_OK) rc = attns_file_read(vocab_path, MAX_TEXT, error, &vocab);
  if (rc == SQLITE_OK) rc = attns_file_read(merges_path, MAX_TEXT, error, &merges);
  if (rc == SQLITE_OK) rc = attns_json_type(q->db, &vocab, error, &type);
  if (rc == SQLITE_OK && (!type || strcmp(type, "object") != 0)) {
    rc = attns_sql_fail(error, SQLITE_ERROR, "%s: found %s%s; expected a JSON object",
                        vocab_path, type ? "a JSON " : "no valid JSON", type ? type : "");
  }
  if (rc == SQLITE_OK)
    rc = read_json_vocab(q, "vocab.json", vocab.data, "$", error, parts);
  if (rc == SQLITE_OK) rc = add_merge_lines(q, &merges, error, parts);
  if (rc == SQLITE_OK) rc = find_family(q, error, &f);
  if (rc == SQLITE_OK) rc = make_bpe_settings(q, vocab.data, f, error, tokenizer);
  sqlite3_free(type);
  sqlite3_free(vocab.data);
  sqlite3_free(merges.data);
  sqlite3_free(vocab_path);
  sqlite3_free(merges_path);
  return rc;
}

/* ----------------------------------------------------------------------- all */

/* 1 if the folder has a file of that name, -1 where there is no memory to say. */
static int has_file(const attns_vocab_request *q, const char *name) {
  char *path = sqlite3_mprintf("%s/%s", q->folder, name);
  int there = path ? attns_file_is(path, 'f') : -1;
  sqlite3_free(path);
  return there;
}

static int read_other_files(const attns_vocab_request *q, char **tokenizer, char **error,
                            attns_parts *parts) {
  int bert = has_file(q, "vocab.txt"), bpe = has_file(q, "vocab.json");
  if (bert < 0 || bpe < 0) return SQLITE_NOMEM;
  if (bert) return read_vocab_txt(q, tokenizer, error, parts);
  if (bpe) return read_bpe_files(q, tokenizer, error, parts);
  return attns_sql_fail(error, SQLITE_ERROR,
                        "%s: found no tokenizer.json, no vocab.txt and no vocab.json",
                        q->folder);
}

/* Drops the large parts; where sentence_bert_config.json says do_lower_case and the
** normalizer does not lower-case, puts a Lowercase before it. */
static int finish_settings(const attns_vocab_request *q, char **tokenizer, char **error) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(
      q->db, &stmt, error,
      "WITH t(j) AS (SELECT json_remove(?1, '$.model.vocab', '$.model.merges')) "
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
  rc = take_text(q->db, stmt, "tokenizer.json", error, &whole);
  if (rc != SQLITE_OK) return rc;
  sqlite3_free(*tokenizer);
  *tokenizer = whole;
  return SQLITE_OK;
}

int attns_vocab_read(const attns_vocab_request *request, char **tokenizer, char **error,
                     attns_parts *parts) {
  memset(parts, 0, sizeof *parts);
  int rc = SQLITE_OK;
  if (*tokenizer) {
    rc = read_json_vocab(request, "tokenizer.json", *tokenizer, "$.model.vocab", error,
                         parts);
    if (rc == SQLITE_OK) rc = read_json_merges(request, *tokenizer, error, parts);
  } else {
    rc = read_other_files(request, tokenizer, error, parts);
  }
  return rc == SQLITE_OK ? finish_settings(request, tokenizer, error) : rc;
}
