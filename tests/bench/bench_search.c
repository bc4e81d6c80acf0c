/*
** bench_search.c - the stopwatch of tests/bench/search.py: SQL that is timed in C.
**
**     bench_search D ROWS QUERIES
**
** The files hold float32 vectors of D numbers.  Each line read is a command; the answer
** is a line with the seconds that it took, and what was found:
**
**     open FILE EXTENSION   a database, with an extension
**     run SQL               its first column, row by row
**     fill A B SQL          rows A .. B - 1, one statement each, in one transaction:
**                           ?1 is the number, ?2 the vector
**     ask Q SQL             the first column for ?1, query number Q
*/
#define PROGRAM "bench_search"
#include "bench.h"
#include <string.h>

static int d;
static float *rows, *queries;
static size_t n_row, n_query;

static float *read_file(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  check(f && fseek(f, 0, SEEK_END) == 0, path);
  *n = (size_t)ftell(f) / ((size_t)d * sizeof(float));
  rewind(f);
  float *x = malloc(*n * (size_t)d * sizeof *x);
  check(x && fread(x, (size_t)d * sizeof *x, *n, f) == *n, path);
  fclose(f);
  return x;
}

static void open_database(const char *file, const char *extension) {
  char *error = NULL;
  sqlite3_close(db);
  check(sqlite3_open(file, &db) == SQLITE_OK, file);
  sqlite3_enable_load_extension(db, 1);
  check(sqlite3_load_extension(db, extension, NULL, &error) == SQLITE_OK, error);
}

static void print_seconds(double begin) {
  printf("%.9f", now() - begin);
}

static void bind_vector(sqlite3_stmt *stmt, int i, const float *x) {
  sqlite3_bind_blob(stmt, i, x, d * (int)sizeof *x, SQLITE_STATIC);
}

/* Answers with a statement that is ready: its first column, without blanks. */
static void answer(sqlite3_stmt *stmt, double begin) {
  char found[20000] = "";
  size_t n = 0;
  int rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    if (n < sizeof found - 100) {
      n += (size_t)snprintf(found + n, 90, " %s", text && *text ? text : "-");
    }
  }
  check(rc == SQLITE_DONE && sqlite3_finalize(stmt) == SQLITE_OK, "step");
  print_seconds(begin);
  puts(found);
}

static void fill(size_t first, size_t end, const char *sql) {
  double begin = now();
  sqlite3_stmt *stmt = prepare(sql);
  check(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK, "BEGIN");
  for (size_t i = first; i < end; i++) {
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)i);
    bind_vector(stmt, 2, rows + i * (size_t)d);
    check(sqlite3_step(stmt) == SQLITE_DONE, sql);
    sqlite3_reset(stmt);
  }
  check(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "COMMIT");
  sqlite3_finalize(stmt);
  print_seconds(begin);
  puts("");
}

static void requested(size_t q, const char *sql) {
  double begin = now();
  sqlite3_stmt *stmt = prepare(sql);
  check(q < n_query, "no such query");
  bind_vector(stmt, 1, queries + q * (size_t)d);
  answer(stmt, begin);
}

static void obey(char *line) {
  char file[1000], extension[1000];
  size_t a, b;
  int n = 0;
  line[strcspn(line, "\n")] = 0;
  double begin = now();
  if (sscanf(line, "open %999s %999s", file, extension) == 2) {
    open_database(file, extension);
    print_seconds(begin);
    puts("");
  } else if (sscanf(line, "fill %zu %zu %n", &a, &b, &n) == 2 && n && b <= n_row) {
    fill(a, b, line + n);
  } else if (sscanf(line, "ask %zu %n", &a, &n) == 1 && n) {
    requested(a, line + n);
  } else if (strncmp(line, "run ", 4) == 0) {
    answer(prepare(line + 4), begin);
  } else {
    check(0, line);
  }
}

int main(int argc, char **argv) {
  char line[4000];
  check(argc == 4, "usage: bench_search D ROWS QUERIES");
  d = atoi(argv[1]);
  rows = read_file(argv[2], &n_row);
  queries = read_file(argv[3], &n_query);
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) obey(line);
  return 0;
}
