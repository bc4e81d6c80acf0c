/*
** bench.h - what the stopwatches have in common: a database, and the time.
**
** Define PROGRAM, the name that errors begin with, before including it.
*/
#ifndef BENCH_H
#define BENCH_H

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static sqlite3 *db; /* the one that was opened last */

static void check(int ok, const char *what) {
  if (ok) return;
  fprintf(stderr, PROGRAM ": %s: %s\n", what, db ? sqlite3_errmsg(db) : "");
  exit(1);
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

#endif
