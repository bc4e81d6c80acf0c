/*
** bench_embed.c - the stopwatch for libattn's side of tests/bench/embed.py.
**
**     bench_embed DATABASE
**
** The database has a model and a table texts(id INTEGER PRIMARY KEY, text TEXT).
** Each line read is a command about the texts number A to B; the answer is a line
** with the seconds it took:
**
**     encode A B N    token ids to vectors by the engine, N texts a batch
**     embed A B N     text to vectors by the engine, N texts a batch
**     sql A B N       SELECT embed(text), one row at a time
*/
#include "../../engine/attn.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int sqlite3_attn_init(sqlite3 *db, char **error, const void *api);

static sqlite3 *db;
static const attn_model *model;
static attn_workspace *workspace;
static attn_text *texts; /* borrowed from `rows` */
static uint32_t *begin;  /* n_text + 1 */
static attn_tokens tokens;
static int32_t *ids;
static float *vectors;
static int n_text;

static void check(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "bench_embed: %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
    exit(1);
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *stmt = NULL;
  check(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, sql);
  return stmt;
}

static void open_database(const char *path) {
  check(sqlite3_auto_extension((void (*)(void))sqlite3_attn_init) == SQLITE_OK, "init");
  check(sqlite3_open(path, &db) == SQLITE_OK, path);
  sqlite3_stmt *stmt = prepare("SELECT embed('warm'), (SELECT sha256 FROM attn_models)");
  check(sqlite3_step(stmt) == SQLITE_ROW, "embed");
  model = attn_model_acquire((const char *)sqlite3_column_text(stmt, 1));
  check(model != NULL, "the loaded model");
  sqlite3_finalize(stmt);
}

static void read_texts(void) {
  sqlite3_stmt *stmt = prepare("SELECT text, count(*) OVER () FROM texts ORDER BY id");
  attn_error err = {""};
  uint32_t max_length = attn_model_get_info(model)->max_length;
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    if (!texts) {
      size_t n = (size_t)sqlite3_column_int(stmt, 1);
      texts = calloc(n, sizeof *texts);
      begin = calloc(n + 1, sizeof *begin);
      vectors = calloc(n * attn_model_get_info(model)->dimension, sizeof *vectors);
      check(texts && begin && vectors, "memory");
    }
    size_t n = (size_t)sqlite3_column_bytes(stmt, 0);
    char *copy = malloc(n + 1);
    check(copy != NULL, "memory");
    memcpy(copy, sqlite3_column_text(stmt, 0), n + 1);
    texts[n_text++] = (attn_text){copy, n};
    check(attn_tokenize(attn_model_tokenizer(model), copy, n, max_length, &err,
                        &tokens) == ATTN_OK,
          "tokenize");
    begin[n_text] = (uint32_t)tokens.n;
  }
  sqlite3_finalize(stmt);
  ids = calloc(tokens.n + 1, sizeof *ids);
  check(ids != NULL && n_text > 0, "texts");
  for (size_t i = 0; i < tokens.n; i++) ids[i] = tokens.token[i].id;
}

static void run(const char *what, int first, int last, int n_batch) {
  attn_embed_options options = {{NULL, 0}, NULL, NULL};
  attn_error err = {""};
  for (int i = first; i <= last; i += n_batch) {
    size_t n = (size_t)(i + n_batch <= last + 1 ? n_batch : last + 1 - i);
    attn_status status;
    if (what[1] == 'n') {
      attn_batch batch = {ids, begin + i, NULL, n};
      status = attn_encode(workspace, model, &batch, &options, &err, vectors);
    } else {
      status = attn_embed(workspace, model, texts + i, n, &options, &err, vectors);
    }
    check(status == ATTN_OK, err.message);
  }
}

static void run_sql(int first, int last) {
  sqlite3_stmt *stmt =
      prepare("SELECT embed(text) FROM texts WHERE id BETWEEN ?1 AND ?2");
  sqlite3_bind_int(stmt, 1, first);
  sqlite3_bind_int(stmt, 2, last);
  while (sqlite3_step(stmt) == SQLITE_ROW)
    check(sqlite3_column_bytes(stmt, 0) > 0, "embed");
  sqlite3_finalize(stmt);
}

int main(int argc, char **argv) {
  check(argc == 2, "usage: bench_embed DATABASE");
  open_database(argv[1]);
  check(attn_workspace_new(&workspace) == ATTN_OK, "memory");
  read_texts();
  char what[16];
  int first, last, n_batch;
  printf("%s\n", attn_isa_name());
  fflush(stdout);
  while (scanf("%15s %d %d %d", what, &first, &last, &n_batch) == 4) {
    check(first >= 0 && first <= last && last < n_text && n_batch > 0, "range");
    double start = now();
    if (what[0] == 's') {
      run_sql(first, last);
    } else {
      run(what, first, last, n_batch);
    }
    printf("%.9f\n", now() - start);
    fflush(stdout);
  }
  return 0;
}
