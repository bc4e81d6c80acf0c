/*
** train_tokenizer.c - attn_train_tokenizer(name, query [, options]): a vocabulary learned
** from the texts of a query, as Hugging Face's WordPieceTrainer and BpeTrainer learn it.
**
**   SELECT attn_train_tokenizer('words', 'SELECT body FROM docs', '{"vocab_size":8000}');
**
** The texts are read once, and only their words are kept, each with how often it came.
** What comes out is a row of attn_model of the architecture 'tokenizer', without weights,
** whose config has no more than $.tokenizer, and its vocabulary in attn_tokenizer.
** attn_tokens, attn_token_count and attn_decode run it as they run any model's.
*/
#include "../json.h"
#include "../models/store.h"
#include "../models/writer.h"
#include <string.h>

#define WHO "attn_train_tokenizer: "

typedef struct training {
  sqlite3 *db;
  char **error;
  char *schema, *name;
  char *options;   /* JSON, with the defaults */
  char *tokenizer; /* $.tokenizer of the model: JSON */
  attn_vocab_options vocab;
  attn_text special[256];
  sqlite3_stmt *lists; /* holds the texts of the options */
  attn_tokenizer *words;
  attn_vocab_trainer *trainer;
  attns_parts parts;
  attns_ticker ticker;
} training;

static int fail(training *t, const char *what) {
  return attns_sql_fail(t->error, SQLITE_ERROR, WHO "%s", what);
}

/* A text that a statement of one value makes, NULL for NULL; the statement is finalized.
*/
static int take_text(training *t, sqlite3_stmt *stmt, char **out) {
  int rc = sqlite3_step(stmt);
  *out = NULL;
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    if (text) *out = sqlite3_mprintf("%s", text);
    rc = *out || sqlite3_column_type(stmt, 0) == SQLITE_NULL ? SQLITE_OK : SQLITE_NOMEM;
  } else {
    rc = rc == SQLITE_DONE
             ? SQLITE_OK
             : attns_sql_db_error(t->db, "attn_train_tokenizer: options", t->error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

/* ------------------------------------------------------------------------- options */

/* What an option may be: JSON types, and the least and the greatest number or element. */
typedef struct option {
  const char *name, *types, *expected;
  sqlite3_int64 min, max;
} option;

#define COUNT(name, min, max, range)                                                     \
  { name, " integer ", "a whole number " range, min, max }
#define COMPONENT(name)                                                                  \
  { name, " object null ", "an object, as in tokenizer.json, or null", 0, 0 }
#define AFFIX(name)                                                                      \
  { name, " text null ", "a text of at most 64 bytes", 0, 64 }

static const option known[] = {
    {"type", " text ", "\"wordpiece\" or \"bpe\"", 0, 9},
    COUNT("vocab_size", 1, 1 << 24, "from 1 to 16777216"),
    COUNT("min_frequency", 0, INT32_MAX, "from 0 to 2147483647"),
    COUNT("limit_alphabet", 0, 1 << 24, "from 0 to 16777216"),
    COUNT("max_token_length", 1, INT32_MAX, "from 1 to 2147483647"),
    {"special_tokens", " array ", "an array of at most 256 texts", 0, 256},
    {"initial_alphabet", " array ", "an array of characters", 0, 1 << 24},
    AFFIX("continuing_subword_prefix"),
    AFFIX("end_of_word_suffix"),
    {"unk_token", " text null ", "a text of at most 64 bytes", 0, 64},
    {"lowercase", " true false ", "true or false", 0, 0},
    COMPONENT("normalizer"),
    COMPONENT("pre_tokenizer"),
    COMPONENT("post_processor"),
    COMPONENT("decoder"),
};

/* A row: name, JSON type, value as text, number or length of an array, whether all
** elements are texts. */
static int check_option(training *t, sqlite3_stmt *row) {
  const char *name = (const char *)sqlite3_column_text(row, 0);
  const char *type = (const char *)sqlite3_column_text(row, 1);
  const char *value = (const char *)sqlite3_column_text(row, 2);
  if (!name || !type || !value) return SQLITE_NOMEM;
  const option *o = NULL;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(known[i].name, name) == 0) o = &known[i];
  }
  if (!o) {
    return attns_sql_fail(
        t->error, SQLITE_ERROR,
        WHO "unknown option \"%s\"; expected type, vocab_size, "
            "min_frequency, special_tokens, limit_alphabet, "
            "initial_alphabet, max_token_length, continuing_subword_prefix, "
            "end_of_word_suffix, unk_token, lowercase, normalizer, "
            "pre_tokenizer, post_processor or decoder",
        name);
  }
  const char *at = strstr(o->types, type);
  int fits = at && at[-1] == ' ' && at[strlen(type)] == ' ';
  /* (SQL would count bytes as the database is encoded, which may be UTF-16.) */
  sqlite3_int64 n = strcmp(type, "text") == 0 ? sqlite3_column_bytes(row, 2)
                                              : sqlite3_column_int64(row, 3);
  if (fits && o->max && strcmp(type, "null") != 0) fits = n >= o->min && n <= o->max;
  if (fits && strcmp(type, "array") == 0) fits = sqlite3_column_int(row, 4);
  if (fits && strcmp(name, "type") == 0) {
    fits = strcmp(value, "bpe") == 0 || strcmp(value, "wordpiece") == 0;
  }
  if (fits) return SQLITE_OK;
  return attns_sql_fail(t->error, SQLITE_ERROR, WHO "option %s is %!.100s; expected %s",
                        name, value, o->expected);
}

static int check_options(training *t, attn_text options) {
  sqlite3_stmt *stmt;
  char *type = NULL;
  int rc = attns_prepare(t->db, &stmt, t->error, "SELECT json_type(?1)");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, options.text, (int)options.n_text, SQLITE_STATIC);
  rc = take_text(t, stmt, &type);
  if (rc == SQLITE_OK && (!type || strcmp(type, "object") != 0)) {
    rc = attns_sql_fail(t->error, SQLITE_ERROR,
                        WHO "options are a JSON %s; expected an object such as "
                            "{\"vocab_size\":8000}",
                        type ? type : "NULL");
  }
  sqlite3_free(type);
  if (rc != SQLITE_OK) return rc;
  rc = attns_prepare(
      t->db, &stmt, t->error,
      "SELECT key, type, CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN"
      "  'false' ELSE coalesce(value, 'null') END,"
      " CASE type WHEN 'array' THEN json_array_length(value) ELSE value END,"
      " CASE type WHEN 'array' THEN NOT EXISTS (SELECT 1 FROM json_each(o.value)"
      "  WHERE type <> 'text' OR value = '') END"
      " FROM json_each(?1) o");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, options.text, (int)options.n_text, SQLITE_STATIC);
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = check_option(t, stmt);
    if (rc != SQLITE_OK) break;
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (!*t->error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(t->db, "attn_train_tokenizer: options", t->error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

/* Puts defaults where an option is not given: those of BERT, or of GPT-2.  The alphabet
** of ByteLevel is all of its characters. */
static int complete_options(training *t, attn_text options) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(
      t->db, &stmt, t->error,
      "WITH byte(b) AS (SELECT 0 UNION ALL SELECT b + 1 FROM byte WHERE b < 255),"
      " letter(b, c) AS (SELECT b, CASE WHEN b BETWEEN 33 AND 126 OR b BETWEEN 161 AND "
      "172"
      "   OR b > 173 THEN b ELSE 256 + sum(b < 33 OR b BETWEEN 127 AND 160 OR b = 173)"
      "   OVER (ORDER BY b) - 1 END FROM byte),"
      " given(j, bpe) AS (SELECT ?1, coalesce(?1 ->> '$.type', 'wordpiece') = 'bpe') "
      "SELECT json_patch(CASE WHEN bpe THEN json_object('type', 'bpe', 'vocab_size', "
      "30000,"
      "  'special_tokens', json_array('<|endoftext|>'),"
      "  'initial_alphabet', CASE WHEN j -> '$.pre_tokenizer' IS NULL THEN"
      "    json((SELECT json_group_array(char(c)) FROM letter)) ELSE json_array() END)"
      " ELSE json_object('type', 'wordpiece', 'vocab_size', 30000,"
      "  'special_tokens', json_array('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'),"
      "  'continuing_subword_prefix', '##', 'unk_token', '[UNK]') END, j) FROM given");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, options.text, (int)options.n_text, SQLITE_STATIC);
  rc = take_text(t, stmt, &t->options);
  return rc == SQLITE_OK && !t->options ? SQLITE_NOMEM : rc;
}

/* tokenizer.json without its vocabulary.  A component that is given as null is none.
** (json() around a subquery: SQLite 3.54 has forgotten that its result is JSON.) */
static int make_tokenizer(training *t, attn_text given) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(
      t->db, &stmt, t->error,
      "WITH o(j, g, bpe, lower) AS (SELECT ?1, ?2, ?1 ->> '$.type' = 'bpe',"
      "  coalesce(?1 ->> '$.lowercase', ?1 ->> '$.type' <> 'bpe')),"
      " special(id, content) AS (SELECT key, value FROM json_each(?1, "
      "'$.special_tokens')),"
      " framed(yes) AS (SELECT count(*) = 2 FROM special WHERE content IN ('[CLS]', "
      "'[SEP]')) "
      "SELECT json_object("
      "'added_tokens', json((SELECT json_group_array(json_object('id', id, 'content', "
      "content,"
      "  'special', json('true'), 'normalized', json('false'), 'single_word', "
      "json('false'),"
      "  'lstrip', json('false'), 'rstrip', json('false'))) FROM special)),"
      "'normalizer', json(CASE WHEN json_type(g, '$.normalizer') IS NOT NULL"
      "  THEN g -> '$.normalizer' WHEN bpe AND lower THEN '{\"type\":\"Lowercase\"}'"
      "  WHEN bpe THEN 'null' ELSE json_object('type', 'BertNormalizer', 'clean_text',"
      "   json('true'), 'handle_chinese_chars', json('true'), 'strip_accents', NULL,"
      "   'lowercase', json(iif(lower, 'true', 'false'))) END),"
      "'pre_tokenizer', json(CASE WHEN json_type(g, '$.pre_tokenizer') IS NOT NULL"
      "  THEN g -> '$.pre_tokenizer' WHEN bpe THEN '{\"type\":\"ByteLevel\","
      "   \"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}'"
      "  ELSE '{\"type\":\"BertPreTokenizer\"}' END),"
      "'post_processor', json(CASE WHEN json_type(g, '$.post_processor') IS NOT NULL"
      "  THEN g -> '$.post_processor' WHEN bpe AND json_type(g, '$.pre_tokenizer') IS "
      "NULL"
      "  THEN '{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false,"
      "   \"use_regex\":true}'"
      "  WHEN yes AND NOT bpe THEN json_object('type', 'TemplateProcessing', 'single', "
      "json("
      "   '[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},"
      "    {\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
      "    {\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}}]'), 'pair', json("
      "   '[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},"
      "    {\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
      "    {\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":0}},"
      "    {\"Sequence\":{\"id\":\"B\",\"type_id\":1}},"
      "    {\"SpecialToken\":{\"id\":\"[SEP]\",\"type_id\":1}}]'), 'special_tokens',"
      "   json((SELECT json_group_object(content, json_object('id', content, 'ids',"
      "     json_array(id), 'tokens', json_array(content))) FROM special"
      "     WHERE content IN ('[CLS]', '[SEP]')))) ELSE 'null' END),"
      "'decoder', json(CASE WHEN json_type(g, '$.decoder') IS NOT NULL THEN g -> "
      "'$.decoder'"
      "  WHEN NOT bpe THEN json_object('type', 'WordPiece', 'prefix',"
      "   coalesce(j ->> '$.continuing_subword_prefix', ''), 'cleanup', json('true'))"
      "  WHEN json_type(g, '$.pre_tokenizer') IS NULL THEN '{\"type\":\"ByteLevel\","
      "   \"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}'"
      "  WHEN j ->> '$.end_of_word_suffix' <> '' THEN json_object('type', 'BPEDecoder',"
      "   'suffix', j ->> '$.end_of_word_suffix') ELSE 'null' END),"
      "'model', json(CASE WHEN bpe THEN json_object('type', 'BPE', 'dropout', NULL,"
      "  'unk_token', j ->> '$.unk_token', 'continuing_subword_prefix',"
      "  j ->> '$.continuing_subword_prefix', 'end_of_word_suffix',"
      "  j ->> '$.end_of_word_suffix', 'fuse_unk', json('false'), 'byte_fallback',"
      "  json('false'), 'ignore_merges', json('false'))"
      "  ELSE json_object('type', 'WordPiece', 'unk_token', coalesce(j ->> '$.unk_token',"
      "   '[UNK]'), 'continuing_subword_prefix', coalesce(j ->>"
      "   '$.continuing_subword_prefix', ''), 'max_input_chars_per_word', 100) END))"
      " FROM o, framed");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, t->options, -1, SQLITE_STATIC);
  sqlite3_bind_text(stmt, 2, given.text, (int)given.n_text, SQLITE_STATIC);
  rc = take_text(t, stmt, &t->tokenizer);
  return rc == SQLITE_OK && !t->tokenizer ? SQLITE_NOMEM : rc;
}

static attn_text column_text(sqlite3_stmt *stmt, int i) {
  const char *text = (const char *)sqlite3_column_text(stmt, i);
  return (attn_text){text ? text : "", (size_t)sqlite3_column_bytes(stmt, i)};
}

/* Copies the special tokens; check_options has counted them. */
static int read_special(training *t) {
  attn_vocab_options *o = &t->vocab;
  sqlite3_stmt *stmt;
  int rc = attns_prepare(t->db, &stmt, t->error,
                         "SELECT value FROM json_each(?1, '$.special_tokens')");
  if (rc != SQLITE_OK) return rc;
  o->special = t->special;
  sqlite3_bind_text(stmt, 1, t->options, -1, SQLITE_STATIC);
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    attn_text text = column_text(stmt, 0);
    char *copy = sqlite3_malloc64(text.n_text + 1);
    if (!copy) break;
    memcpy(copy, text.text, text.n_text + 1);
    t->special[o->n_special++] = (attn_text){copy, text.n_text};
  }
  sqlite3_finalize(stmt);
  return rc == SQLITE_DONE ? SQLITE_OK : SQLITE_NOMEM;
}

/* The numbers and texts of the options as the engine wants them.  t->lists holds the
** others of these: it stays on its row. */
static int read_options(training *t) {
  attn_vocab_options *o = &t->vocab;
  int rc = attns_prepare(
      t->db, &t->lists, t->error,
      "SELECT ?1 ->> '$.vocab_size', ?1 ->> '$.min_frequency',"
      " coalesce(?1 ->> '$.limit_alphabet', 4294967295), ?1 ->> '$.max_token_length',"
      " ?1 ->> '$.continuing_subword_prefix', ?1 ->> '$.end_of_word_suffix',"
      " (SELECT group_concat(substr(value, 1, 1), '')"
      "  FROM json_each(?1, '$.initial_alphabet')),"
      " (SELECT value FROM json_each(?1, '$.special_tokens') GROUP BY value"
      "  HAVING count(*) > 1), ?1 ->> '$.type'");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(t->lists, 1, t->options, -1, SQLITE_STATIC);
  if (sqlite3_step(t->lists) != SQLITE_ROW) {
    return attns_sql_db_error(t->db, "attn_train_tokenizer: options", t->error);
  }
  o->vocab_size = (uint32_t)sqlite3_column_int64(t->lists, 0);
  o->min_frequency = (uint64_t)sqlite3_column_int64(t->lists, 1);
  o->limit_alphabet = (uint32_t)sqlite3_column_int64(t->lists, 2);
  o->max_token_length = (uint64_t)sqlite3_column_int64(t->lists, 3);
  o->prefix = column_text(t->lists, 4);
  o->suffix = column_text(t->lists, 5);
  o->alphabet = column_text(t->lists, 6);
  const char *type = (const char *)sqlite3_column_text(t->lists, 8);
  if (!type) return SQLITE_NOMEM;
  if (o->suffix.n_text && strcmp(type, "bpe") != 0) {
    return fail(t, "option end_of_word_suffix is for type \"bpe\" alone");
  }
  if (sqlite3_column_type(t->lists, 7) != SQLITE_NULL) {
    return attns_sql_fail(t->error, SQLITE_ERROR,
                          WHO "special_tokens has \"%!.100s\" twice",
                          (const char *)sqlite3_column_text(t->lists, 7));
  }
  return read_special(t);
}

/* ---------------------------------------------------------------------------- texts */

/* What cuts the texts: the normalizer and the pre-tokenizer, around a model of no word.
*/
static int make_words(training *t) {
  sqlite3_stmt *stmt;
  char *json = NULL;
  attns_document document = {0};
  attn_vocab none = {.n = 0};
  attn_error err = {""};
  int rc = attns_prepare(t->db, &stmt, t->error,
                         "SELECT json_set(json_remove(?1, '$.added_tokens',"
                         " '$.post_processor', '$.decoder'), '$.model',"
                         " json('{\"type\":\"WordLevel\"}'))");
  if (rc != SQLITE_OK) return rc;
  sqlite3_bind_text(stmt, 1, t->tokenizer, -1, SQLITE_STATIC);
  rc = take_text(t, stmt, &json);
  if (rc == SQLITE_OK) {
    rc = attns_document_read(t->db, json, -1, "$", "attn_train_tokenizer", t->error,
                             &document);
  }
  if (rc == SQLITE_OK) {
    attn_status status = attn_tokenizer_new(&document.settings, &none, &err, &t->words);
    rc = attns_sql_status(status, &err, t->error);
  }
  attns_document_free(&document);
  sqlite3_free(json);
  return rc;
}

static attn_status add_text(void *ctx, attn_text text, attn_error *err) {
  training *t = ctx;
  return attn_vocab_trainer_add(t->trainer, t->words, text, err);
}

/* -------------------------------------------------------------------------- result */

/* The tokenizer that was learned, checked and as rows hold it. */
static int take_result(training *t) {
  attn_vocab vocab = {.n = 0};
  attns_document document = {0};
  attn_tokenizer *tokenizer = NULL;
  attn_error err = {""};
  int rc = attns_sql_status(attn_vocab_trainer_result(t->trainer, &err, &vocab), &err,
                            t->error);
  if (rc == SQLITE_OK) {
    rc = attns_document_read(t->db, t->tokenizer, -1, "$", "attn_train_tokenizer",
                             t->error, &document);
  }
  if (rc == SQLITE_OK) {
    attn_status status = attn_tokenizer_new(&document.settings, &vocab, &err, &tokenizer);
    rc = attns_sql_status(status, &err, t->error);
  }
  if (rc == SQLITE_OK) {
    int has_merges = strstr(t->tokenizer, "\"type\":\"BPE\"") != NULL;
    rc = attns_vocab_write(t->db, &vocab, has_merges, &t->parts);
  }
  attn_tokenizer_free(tokenizer);
  attns_document_free(&document);
  return rc;
}

static int write_model(training *t, attns_change *change) {
  attns_writer writer = {
      .db = t->db, .error = t->error, .schema = t->schema, .name = t->name};
  attn_model_info info = {.architecture = "tokenizer"};
  char *config = sqlite3_mprintf("{\"tokenizer\":%s}", t->tokenizer);
  attns_writer_model model = {&info, config, NULL, &t->parts};
  int rc = config ? attns_store_create(t->db, t->schema, t->error) : SQLITE_NOMEM;
  if (rc == SQLITE_OK) rc = attns_change_ready(t->db, change, t->error);
  if (rc == SQLITE_OK) rc = attns_store_check_free(t->db, t->schema, t->name, t->error);
  if (rc == SQLITE_OK) rc = attns_writer_finish(&writer, &model);
  attns_writer_close(&writer);
  sqlite3_free(config);
  return rc;
}

static int train(training *t, attn_text name, attn_text query, attn_text options) {
  attn_error err = {""};
  int there = 0;
  int rc = attns_store_target(t->db, name.text, t->error, &t->schema, &t->name);
  if (rc == SQLITE_OK) rc = attns_store_exists(t->db, t->schema, t->error, &there);
  if (rc == SQLITE_OK && there) {
    rc = attns_store_check_free(t->db, t->schema, t->name, t->error);
  }
  if (rc == SQLITE_OK) rc = check_options(t, options);
  if (rc == SQLITE_OK) rc = complete_options(t, options);
  if (rc == SQLITE_OK) rc = make_tokenizer(t, options);
  if (rc == SQLITE_OK) rc = read_options(t);
  if (rc == SQLITE_OK) rc = make_words(t);
  if (rc == SQLITE_OK) rc = attns_ticker_open(t->db, &t->ticker);
  if (rc == SQLITE_OK) {
    rc = attns_sql_status(attn_vocab_trainer_new(&t->vocab, &err, &t->trainer), &err,
                          t->error);
  }
  if (rc == SQLITE_OK) {
    rc = attns_each_text(t->db, "attn_train_tokenizer", query, add_text, t, t->error);
  }
  if (rc == SQLITE_OK) {
    attn_status status =
        attn_vocab_trainer_learn(t->trainer, attns_ticker_check, &t->ticker, &err);
    rc = attns_function_status("attn_train_tokenizer", status, &err, t->error);
  }
  if (rc == SQLITE_OK) rc = take_result(t);
  if (rc == SQLITE_OK) rc = attns_begin(t->db, t->error);
  if (rc != SQLITE_OK) return rc;
  attns_change change = {0};
  return attns_end(t->db, &change, write_model(t, &change), t->error);
}

static void attns_train_tokenizer(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  char *error = NULL;
  training t = {.db = attns_connection_db(attns_connection_of(ctx)), .error = &error};
  attn_text name, query, options = {"{}", 2};
  int rc = attns_value_name(argv[0], WHO "name", &error, &name);
  if (rc == SQLITE_OK) rc = attns_value_text(argv[1], WHO "query", &error, &query);
  if (rc == SQLITE_OK && argc > 2 && sqlite3_value_type(argv[2]) != SQLITE_NULL) {
    rc = attns_value_name(argv[2], WHO "options", &error, &options);
  }
  if (rc == SQLITE_OK) rc = train(&t, name, query, options);
  if (rc == SQLITE_OK) {
    sqlite3_result_text(ctx, t.name, -1, SQLITE_TRANSIENT);
  } else {
    attns_result_error(ctx, rc, error);
  }
  attn_vocab_trainer_free(t.trainer);
  attn_tokenizer_free(t.words);
  attns_parts_free(&t.parts);
  sqlite3_finalize(t.lists);
  for (size_t i = 0; i < t.vocab.n_special; i++) sqlite3_free((void *)t.special[i].text);
  attns_ticker_close(&t.ticker);
  sqlite3_free(t.schema);
  sqlite3_free(t.name);
  sqlite3_free(t.options);
  sqlite3_free(t.tokenizer);
}

const attns_function attns_train_tokenizer_functions[] = {
    {"attn_train_tokenizer", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, attns_train_tokenizer},
    {"attn_train_tokenizer", 3, SQLITE_UTF8 | SQLITE_DIRECTONLY, attns_train_tokenizer},
    {NULL, 0, 0, NULL},
};
