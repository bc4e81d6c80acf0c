/*
** train.c - attn_train(name, query [, options]): trains a model on the texts of a query.
**
**   SELECT * FROM attn_train('words', 'SELECT body FROM docs', '{"dim": 100}');
**
** It is trained while the rows are read: each says how far it is, and the last one names
** the model, which is in the database then.  What can be trained, and with which options,
** is known to the engine alone (engine/train/trainer.h).
**
** The query is run once, before the first row.  From time to time the state is kept
** (training.h), so that the same call goes on there after an interrupt, a crash or a full
** disk; one thread ends with the same model, bit for bit, as if nothing had happened.
*/
#include "../json.h"
#include "../models/store.h"
#include "training.h"
#include "../models/vocab.h"
#include "../models/writer.h"
#include <string.h>

typedef struct train_rows {
  attns_rows base;
  sqlite3 *db;
  char *schema, *name;
  char *options; /* the engine's memory */
  char corpus[65];
  attn_tokenizer *words; /* cuts the texts of the query */
  attn_trainer *trainer;
  attns_ticker ticker;
  int is_done; /* the last row was given */

  /* seconds on the clock, and words read then */
  double began, reported, saved;
  uint64_t n_began, n_reported;

  /* the row */
  attn_train_progress progress;
  double words_per_second, seconds_left;
} train_rows;

static int fail(attn_status status, const attn_error *err, char **error) {
  return attns_function_status("attn_train", status, err, error);
}

static attns_training this_run(const train_rows *rows) {
  return (attns_training){rows->db, rows->schema, rows->name, rows->options,
                          rows->corpus};
}

/* ---------------------------------------------------------------------- opening */

static int new_trainer(train_rows *rows, sqlite3_value *value, char **error) {
  attns_document document;
  attn_error err = {0};
  int rc =
      attns_document_options(rows->db, value, "attn_train: options", error, &document);
  if (rc == SQLITE_OK) {
    rc = fail(attn_trainer_new(&document.settings, &err, &rows->trainer), &err, error);
  }
  attns_document_free(&document);
  if (rc != SQLITE_OK) return rc;
  return fail(attn_trainer_options(rows->trainer, &err, &rows->options), &err, error);
}

/* What the model's own tokenizer will make words of, before there is a vocabulary. */
static int new_words(train_rows *rows, char **error) {
  static const char *const token[] = {"[UNK]"};
  static const uint32_t n_token[] = {5};
  const attn_vocab vocab = {.token = token, .n_token = n_token, .n = 1};
  attns_document document = {0};
  attn_error err = {0};
  char *config = NULL;
  int rc = fail(attn_trainer_config(rows->trainer, &err, &config), &err, error);
  if (rc == SQLITE_OK) {
    rc = attns_document_read(rows->db, config, -1, "$.tokenizer", "attn_train", error,
                             &document);
  }
  if (rc == SQLITE_OK) {
    rc = fail(attn_tokenizer_new(&document.settings, &vocab, &err, &rows->words), &err,
              error);
  }
  if (rc == SQLITE_OK) attn_trainer_set_words(rows->trainer, rows->words);
  attns_document_free(&document);
  sqlite3_free(config);
  return rc;
}

static int find_target(train_rows *rows, const char *wanted, char **error) {
  int there;
  int rc = attns_store_target(rows->db, wanted, error, &rows->schema, &rows->name);
  if (rc == SQLITE_OK) rc = attns_store_exists(rows->db, rows->schema, error, &there);
  if (rc != SQLITE_OK || !there) return rc;
  return attns_store_check_free(rows->db, rows->schema, rows->name, error);
}

static attn_status add_text(void *ctx, attn_text text, attn_error *err) {
  return attn_trainer_add(((train_rows *)ctx)->trainer, text, err);
}

static int begin(train_rows *rows, char **error) {
  attn_error err = {0};
  attns_training run = this_run(rows);
  int rc = fail(attn_trainer_prepare(rows->trainer, &err), &err, error);
  if (rc != SQLITE_OK) return rc;
  attn_trainer_corpus(rows->trainer, rows->corpus);
  if (attn_trainer_option(rows->trainer, "restart") > 0) {
    rc = attns_training_forget(&run, error);
  } else {
    rc = attns_training_resume(&run, rows->trainer, error);
  }
  if (rc == SQLITE_OK) rc = attns_ticker_open(rows->db, &rows->ticker);
  attn_trainer_progress(rows->trainer, &rows->progress);
  rows->began = rows->reported = rows->saved = attn_seconds();
  rows->n_began = rows->n_reported = rows->progress.n_word;
  return rc;
}

static int open_train(attns_rows *base, sqlite3_value **argument, char **error) {
  train_rows *rows = (train_rows *)base;
  attn_text name, sql;
  rows->db = attns_connection_db(base->connection);
  int rc = attns_value_name(argument[0], "attn_train: name", error, &name);
  if (rc == SQLITE_OK)
    rc = attns_value_name(argument[1], "attn_train: query", error, &sql);
  if (rc == SQLITE_OK && attns_is_writing(rows->db)) {
    /* SQLite has no savepoints inside a statement that writes. */
    rc = attns_sql_fail(
        error, SQLITE_ERROR,
        "attn_train: it cannot be run by a statement that writes; expected "
        "a SELECT");
  }
  if (rc == SQLITE_OK) rc = new_trainer(rows, argument[2], error);
  if (rc == SQLITE_OK) rc = find_target(rows, name.text, error);
  if (rc == SQLITE_OK) rc = new_words(rows, error);
  if (rc == SQLITE_OK)
    rc = attns_each_text(rows->db, "attn_train", sql, add_text, rows, error);
  return rc == SQLITE_OK ? begin(rows, error) : rc;
}

/* -------------------------------------------------------------------- the model */

static int read_floats(void *ctx, uint64_t offset, size_t n, void *out, char **error) {
  const char *data = ctx;
  char *to = out;
  (void)error;
  memcpy(to, data + offset, n);
  if (memcmp(&(float){1}, "\0\0\200\077", 4) == 0) return SQLITE_OK;
  for (size_t i = 0; i + 4 <= n; i += 4) { /* a big-endian machine */
    const char b[4] = {to[i + 3], to[i + 2], to[i + 1], to[i]};
    memcpy(to + i, b, 4);
  }
  return SQLITE_OK;
}

static int make_vocab(const train_rows *rows, const attn_train_result *result,
                      attns_parts *parts) {
  sqlite3_str *blob = sqlite3_str_new(rows->db);
  for (uint32_t i = 0; i < result->n_token; i++) {
    attn_text token = result->token(rows->trainer, i);
    attns_vocab_append(blob, token.text, (uint32_t)token.n_text);
  }
  return attns_vocab_finish(blob, ATTNS_PART_VOCAB, parts);
}

static int write_tensors(attns_writer *writer, const attn_train_result *result) {
  int rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < result->n_tensor; i++) {
    const attn_tensor *t = &result->tensor[i];
    attns_writer_tensor tensor = {t->name,
                                  "F32",
                                  t->n_dim,
                                  t->dim,
                                  t->n_byte,
                                  read_floats,
                                  (void *)(uintptr_t)result->data[i]};
    rc = attns_writer_tensor_add(writer, &tensor);
  }
  return rc;
}

static int write_model(train_rows *rows, const attn_train_result *result,
                       const attns_writer_model *model, attns_change *change,
                       char **error) {
  attns_writer writer = {
      .db = rows->db, .error = error, .schema = rows->schema, .name = rows->name};
  attns_training run = this_run(rows);
  int rc = attns_store_create(rows->db, rows->schema, error);
  if (rc == SQLITE_OK) rc = attns_change_ready(rows->db, change, error);
  if (rc == SQLITE_OK) {
    rc = attns_store_check_free(rows->db, rows->schema, rows->name, error);
  }
  if (rc == SQLITE_OK) rc = write_tensors(&writer, result);
  if (rc == SQLITE_OK) rc = attns_writer_finish(&writer, model);
  if (rc == SQLITE_OK) rc = attns_training_forget(&run, error);
  attns_writer_close(&writer);
  return rc;
}

static int describe(train_rows *rows, const char *config, char **error,
                    attn_model_info *info) {
  attns_document document;
  attn_error err = {0};
  int rc = attns_document_read(rows->db, config, -1, "$", "attn_train", error, &document);
  if (rc == SQLITE_OK) {
    rc = fail(attn_model_describe(&document.settings, &err, info), &err, error);
  }
  attns_document_free(&document);
  return rc;
}

static int finish(train_rows *rows, char **error) {
  attn_error err = {0};
  attns_change change = {0};
  attn_train_result result;
  attn_model_info info;
  char *config = NULL;
  attns_parts parts = {0};
  int rc = fail(attn_trainer_config(rows->trainer, &err, &config), &err, error);
  if (rc == SQLITE_OK) rc = describe(rows, config, error, &info);
  if (rc == SQLITE_OK) {
    rc = fail(attn_trainer_result(rows->trainer, &err, &result), &err, error);
  }
  if (rc == SQLITE_OK) rc = make_vocab(rows, &result, &parts);
  if (rc == SQLITE_OK) rc = attns_begin(rows->db, error);
  if (rc == SQLITE_OK) {
    attns_writer_model model = {&info, config, NULL, &parts};
    rc = write_model(rows, &result, &model, &change, error);
    rc = attns_end(rows->db, &change, rc, error);
  }
  sqlite3_free(config);
  attns_parts_free(&parts);
  return rc;
}

/* ------------------------------------------------------------------------- rows */

static void report(train_rows *rows, double now) {
  attn_train_progress *p = &rows->progress;
  double seconds = now - rows->reported, all = now - rows->began;
  attn_trainer_progress(rows->trainer, p);
  double n = (double)(p->n_word - rows->n_reported),
         n_all = (double)(p->n_word - rows->n_began);
  rows->words_per_second = seconds > 0 ? n / seconds : 0;
  rows->seconds_left = n_all > 0 ? (double)(p->n_word_all - p->n_word) * all / n_all : -1;
  rows->reported = now;
  rows->n_reported = p->n_word;
}

/* Keeps the state where it is time.  A database that somebody else is writing to can
** wait for the next time. */
static int keep(train_rows *rows, double now, char **error) {
  attns_training run = this_run(rows);
  if (now - rows->saved < attn_trainer_option(rows->trainer, "checkpoint")) {
    return SQLITE_OK;
  }
  int rc = attns_training_save(&run, rows->trainer, rows->progress.step,
                               rows->progress.n_step, error);
  rows->saved = attn_seconds();
  if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED) return rc;
  sqlite3_free(*error);
  *error = NULL;
  return SQLITE_OK;
}

static int next_report(attns_rows *base, char **error) {
  train_rows *rows = (train_rows *)base;
  double every = attn_trainer_option(rows->trainer, "progress"), now;
  uint64_t n_done = rows->progress.step;
  attn_error err = {0};
  if (rows->is_done) return SQLITE_DONE;
  do {
    if (n_done >= rows->progress.n_step) break; /* resumed behind the last step */
    int rc =
        fail(attn_trainer_step(rows->trainer, attns_ticker_check, &rows->ticker, &err),
             &err, error);
    if (rc != SQLITE_OK) return rc;
    n_done = attn_trainer_step_number(rows->trainer);
    now = attn_seconds();
  } while (n_done < rows->progress.n_step && now - rows->reported < every);
  now = attn_seconds();
  report(rows, now);
  rows->is_done = n_done >= rows->progress.n_step;
  int rc = rows->is_done ? finish(rows, error) : keep(rows, now, error);
  return rc == SQLITE_OK ? SQLITE_ROW : rc;
}

static void train_column(attns_rows *base, sqlite3_context *ctx, int i) {
  train_rows *rows = (train_rows *)base;
  const attn_train_progress *p = &rows->progress;
  switch (i) {
  case 0:
    sqlite3_result_int64(ctx, p->epoch);
    break;
  case 1:
    sqlite3_result_int64(ctx, (sqlite3_int64)p->step);
    break;
  case 2:
    sqlite3_result_int64(ctx, (sqlite3_int64)p->n_step);
    break;
  case 3:
    sqlite3_result_int64(ctx, (sqlite3_int64)p->n_word);
    break;
  case 4:
    if (p->loss >= 0) sqlite3_result_double(ctx, p->loss);
    break;
  case 5:
    sqlite3_result_double(ctx, p->learning_rate);
    break;
  case 6:
    sqlite3_result_double(ctx, rows->words_per_second);
    break;
  case 7:
    if (rows->seconds_left >= 0) sqlite3_result_double(ctx, rows->seconds_left);
    break;
  default:
    if (rows->is_done) sqlite3_result_text(ctx, rows->name, -1, SQLITE_TRANSIENT);
    break;
  }
}

static void close_train(attns_rows *base) {
  train_rows *rows = (train_rows *)base;
  attns_ticker_close(&rows->ticker);
  attn_trainer_free(rows->trainer);
  attn_tokenizer_free(rows->words);
  sqlite3_free(rows->options);
  sqlite3_free(rows->schema);
  sqlite3_free(rows->name);
}

const attns_table attns_train_table = {
    .name = "attn_train",
    .declaration =
        "epoch INTEGER, step INTEGER, steps INTEGER, words INTEGER, loss REAL,"
        " learning_rate REAL, words_per_second REAL, seconds_left REAL, model TEXT,"
        " _name HIDDEN, _query HIDDEN, _options HIDDEN",
    .n_column = 9,
    .n_argument = 3,
    .n_required = 2,
    .flags = SQLITE_DIRECTONLY,
    .n_byte = sizeof(train_rows),
    .n_expected = 1e6, /* so that no plan runs it more than once */
    .open = open_train,
    .next = next_report,
    .column = train_column,
    .close = close_train,
};
