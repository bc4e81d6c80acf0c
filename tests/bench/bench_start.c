/*
** bench_start.c - from a database on disk to the first vector, in a process that has
** done nothing yet.
**
**     bench_start DATABASE MODEL
**
** prints three times in milliseconds: from sqlite3_open to the first embedding; that of
** the second connection of the process, which finds the model loaded; and one more
** embedding, for comparison.
*/
#define PROGRAM "bench_start"
#include "bench.h"

int sqlite3_attn_init(sqlite3 *db, char **error, const void *api);

static void embed(const char *model) {
  sqlite3_stmt *stmt = prepare("SELECT embed('hello world', ?1)");
  sqlite3_bind_text(stmt, 1, model, -1, SQLITE_STATIC);
  check(sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_bytes(stmt, 0) > 0, "embed");
  sqlite3_finalize(stmt);
}

static sqlite3 *open_and_embed(const char *path, const char *model) {
  check(sqlite3_open(path, &db) == SQLITE_OK, path);
  embed(model);
  return db;
}

int main(int argc, char **argv) {
  check(argc == 3, "usage: bench_start DATABASE MODEL");
  check(sqlite3_auto_extension((void (*)(void))sqlite3_attn_init) == SQLITE_OK, "init");
  double t[4];
  t[0] = now();
  sqlite3 *first = open_and_embed(argv[1], argv[2]);
  t[1] = now();
  sqlite3 *second = open_and_embed(argv[1], argv[2]);
  t[2] = now();
  db = first;
  embed(argv[2]);
  t[3] = now();
  for (int i = 0; i < 3; i++) printf("%.4f\n", 1e3 * (t[i + 1] - t[i]));
  sqlite3_close(first);
  sqlite3_close(second);
  return 0;
}
