/*
** bench_tokenizer.c - the stopwatch for libattn's side of tests/bench/tokenizer.py.
**
**     bench_tokenizer DATABASE
**
** The database has a model and a table texts(id INTEGER PRIMARY KEY, text TEXT).
** Each line read is "A B MAX": the texts number A to B are tokenized one by one, to
** MAX tokens at most (0: all).  The answer is a line with the seconds it took and
** the number of tokens.
*/
#define PROGRAM "bench_tokenizer"
#include "../../engine/attn.h"
#include "bench.h"
#include <string.h>

int sqlite3_attn_init(sqlite3 *db, char **error, const void *api);

enum { MAX_TEXT = 10000 };

static attn_text texts[MAX_TEXT];
static int n_text;

static const attn_tokenizer *open_model(const char *path) {
  check(sqlite3_auto_extension((void (*)(void))sqlite3_attn_init) == SQLITE_OK, "init");
  check(sqlite3_open(path, &db) == SQLITE_OK, path);
  sqlite3_stmt *stmt = prepare("SELECT embed('warm'), (SELECT sha256 FROM attn_models)");
  check(sqlite3_step(stmt) == SQLITE_ROW, "embed");
  const attn_model *model = attn_model_acquire((const char *)sqlite3_column_text(stmt, 1),
                                               sqlite3_db_filename(db, "main"));
  check(model != NULL, "the loaded model");
  sqlite3_finalize(stmt);
  return attn_model_tokenizer(model);
}

static void read_texts(void) {
  sqlite3_stmt *stmt = prepare("SELECT text FROM texts ORDER BY id");
  while (n_text < MAX_TEXT && sqlite3_step(stmt) == SQLITE_ROW) {
    size_t n = (size_t)sqlite3_column_bytes(stmt, 0);
    char *copy = malloc(n + 1);
    check(copy != NULL, "memory");
    memcpy(copy, sqlite3_column_text(stmt, 0), n + 1);
    texts[n_text++] = (attn_text){copy, n};
  }
  sqlite3_finalize(stmt);
}

int main(int argc, char **argv) {
  check(argc == 2, "usage: bench_tokenizer DATABASE");
  const attn_tokenizer *tokenizer = open_model(argv[1]);
  attn_tokens tokens = {0};
  attn_error err = {""};
  int first, last;
  unsigned max_length;
  read_texts();
  while (scanf("%d %d %u", &first, &last, &max_length) == 3) {
    check(first >= 0 && last < n_text, "no such text");
    size_t n_token = 0;
    double start = now();
    for (int i = first; i <= last; i++) {
      tokens.n = 0;
      check(attn_tokenize(tokenizer, texts[i].text, texts[i].n_text, max_length, &err,
                          &tokens) == ATTN_OK,
            err.message);
      n_token += tokens.n;
    }
    printf("%.9f %zu\n", now() - start, n_token);
    fflush(stdout);
  }
  return 0;
}
