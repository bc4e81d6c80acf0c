/*
** concurrent.c - many connections at once, in threads and processes.
**
**   concurrent FOLDER DATABASE SECONDS [PROCESSES [THREADS]]
**
** Each thread of each process has a connection of its own to one database in WAL mode
** and does, at random: embed, insert, update, delete, take steps of a deferred index,
** search, change the default model, import, rename and drop models, close and open again.
** The only error that may happen is that the database is busy.  In the end the indexes
** have to be whole and to find what brute force finds.  Closes with `N passed, N failed`.
*/
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int sqlite3_attn_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

static const char *folder, *database;
static double end;
static char *expected; /* the vector of `probe`, in hex */
static const char probe[] = "the quick brown fox";

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static sqlite3 *open_database(void) {
  sqlite3 *db;
  if (sqlite3_open(database, &db) != SQLITE_OK) {
    fprintf(stderr, "! cannot open %s: %s\n", database, sqlite3_errmsg(db));
    exit(2);
  }
  sqlite3_busy_timeout(db, 20000);
  return db;
}

/* Runs one statement and returns its first value, to be freed; *ok is cleared by an
** error other than that the database is busy. */
static char *run(sqlite3 *db, int *ok, const char *format, ...) {
  va_list ap;
  sqlite3_stmt *stmt = NULL;
  char *value = NULL;
  va_start(ap, format);
  char *sql = sqlite3_vmprintf(format, ap);
  va_end(ap);
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK) {
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
      const char *text = (const char *)sqlite3_column_text(stmt, 0);
      value = text ? strdup(text) : NULL;
    }
    while (rc == SQLITE_ROW) rc = sqlite3_step(stmt);
    if (rc == SQLITE_DONE) rc = SQLITE_OK;
  }
  int code = rc & 0xFF;
  if (rc != SQLITE_OK && code != SQLITE_BUSY && code != SQLITE_LOCKED) {
    fprintf(stderr, "! %d: %s: %s\n", rc, sqlite3_errmsg(db), sql);
    *ok = 0;
  }
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return value;
}

static void set_up(void) {
  int ok = 1;
  sqlite3 *db = open_database();
  static const char *const script[] = {
      "PRAGMA journal_mode = WAL",
      "SELECT attn_import('a', %Q)",
      "SELECT attn_import('b', %Q)",
      "CREATE TABLE docs(id INTEGER PRIMARY KEY, body TEXT)",
      "CREATE VIRTUAL TABLE late USING attn(body, content='docs', content_rowid='id', "
      "model='a', deferred=on, exact=on)",
      "SELECT attn_triggers('late', 1)",
      "CREATE VIRTUAL TABLE own USING attn(body, model='a', exact=on)",
  };
  for (size_t i = 0; i < sizeof script / sizeof script[0]; i++) {
    free(run(db, &ok, script[i], folder));
  }
  expected = run(db, &ok, "SELECT hex(embed(%Q))", probe);
  sqlite3_close(db);
  if (!ok || !expected) exit(2);
}

/* One thing at random. */
static void act(sqlite3 *db, unsigned *seed, int me, int *ok) {
  int n = rand_r(seed) % 1000, id = rand_r(seed) % 400;
  char *value = NULL;
  if (n < 250) {
    value = run(db, ok, "SELECT hex(embed(%Q))", probe);
    if (value && strcmp(value, expected) != 0) {
      fprintf(stderr, "! another vector\n");
      *ok = 0;
    }
  } else if (n < 400) {
    run(db, ok, "INSERT OR REPLACE INTO docs(id, body) VALUES (%d, 'text %d of %d')", id,
        rand_r(seed) % 1000, me);
  } else if (n < 500) {
    run(db, ok, "INSERT OR REPLACE INTO own(rowid, body) VALUES (%d, 'note %d')", id,
        rand_r(seed) % 1000);
  } else if (n < 560) {
    run(db, ok,
        n % 2 ? "DELETE FROM docs WHERE id = %d" : "DELETE FROM own WHERE rowid = %d",
        id);
  } else if (n < 600) {
    run(db, ok, "UPDATE own SET body = 'changed %d' WHERE rowid = %d", n, id);
  } else if (n < 700) {
    run(db, ok, "INSERT INTO late(late, rank) VALUES ('step', 20)");
  } else if (n < 900) {
    value = run(db, ok, "SELECT count(*) FROM %s('text %d') LIMIT 5",
                n % 2 ? "late" : "own", n);
  } else if (n < 930) {
    value = run(db, ok, "SELECT attn_default('%s')", n % 2 ? "a" : "b");
  } else if (n < 960) {
    value = run(db, ok, "SELECT attn_import('m%d', %Q)", me, folder);
    if (value) {
      free(value);
      value = run(db, ok, "SELECT attn_rename('m%d', 'n%d')", me, me);
      char *gone = run(db, ok, "SELECT attn_drop('%s%d')", value ? "n" : "m", me);
      while (!gone && *ok)
        gone = run(db, ok, "SELECT attn_drop('%s%d')", value ? "n" : "m", me);
      free(gone);
    }
  } else if (n < 965) {
    run(db, ok, "INSERT INTO own(own) VALUES ('optimize')");
  } else {
    value = run(db, ok, "SELECT sum(rows) FROM attn_status");
  }
  free(value);
}

static void *work(void *arg) {
  int me = *(int *)arg, ok = 1;
  unsigned seed = (unsigned)me * 7919 + 1;
  sqlite3 *db = open_database();
  while (ok && now() < end) {
    act(db, &seed, me, &ok);
    if (rand_r(&seed) % 200 == 0) {
      sqlite3_close(db);
      db = open_database();
    }
  }
  if (sqlite3_close(db) != SQLITE_OK) ok = 0;
  *(int *)arg = ok;
  return NULL;
}

/* One process; returns 0 when all went well. */
static int process(int number, int n_thread) {
  enum { MAX = 64 };
  pthread_t thread[MAX];
  int arg[MAX], failed = 0;
  if (n_thread > MAX) n_thread = MAX;
  for (int i = 0; i < n_thread; i++) {
    arg[i] = number * 100 + i;
    pthread_create(&thread[i], NULL, work, &arg[i]);
  }
  for (int i = 0; i < n_thread; i++) {
    pthread_join(thread[i], NULL);
    failed |= !arg[i];
  }
  return failed;
}

static int check(sqlite3 *db, const char *what, const char *wanted, const char *sql) {
  int ok = 1;
  char *got = run(db, &ok, "%s", sql);
  if (ok && (got ? strcmp(got, wanted) == 0 : !*wanted)) {
    free(got);
    return 0;
  }
  fprintf(stderr, "! %s: expected %s, got %s\n", what, wanted, got ? got : "nothing");
  free(got);
  return 1;
}

/* What the index finds, beside brute force over the texts it was made from. */
#define AGREES(index, table)                                                             \
  "WITH q(t) AS (SELECT 'text ' || value FROM json_each('[1,50,123,700,999]'))"          \
  " SELECT sum(EXISTS(SELECT 1 FROM q) AND (SELECT round(min(vec_distance_cosine("       \
  "embed_document(body, 'a'), embed_query(t, 'a'))), 5) FROM " table ") = "              \
  "(SELECT round(min(distance), 5) FROM " index " WHERE " index " MATCH t AND k = 1))"   \
  " FROM q"

static void tear_down(int *passed, int *failed) {
  sqlite3 *db = open_database();
  int ok = 1, bad = 0;
  free(run(db, &ok, "INSERT INTO late(late, rank) VALUES ('step', 100000)"));
  bad +=
      check(db, "late is whole", "", "INSERT INTO late(late) VALUES ('integrity-check')");
  bad += check(db, "own is whole", "", "INSERT INTO own(own) VALUES ('integrity-check')");
  bad += check(db, "pending", "0", "SELECT sum(pending) FROM attn_status");
  bad += check(db, "rows", "1",
               "SELECT (SELECT count(*) FROM docs) = (SELECT rows FROM attn_status WHERE "
               "name = 'late')");
  bad += check(db, "late against brute force", "5", AGREES("late", "docs"));
  bad += check(db, "own against brute force", "5", AGREES("own", "own"));
  bad += check(db, "models", "2", "SELECT count(*) FROM attn_models");
  bad += check(db, "database", "ok", "PRAGMA integrity_check");
  sqlite3_close(db);
  *failed += bad + !ok;
  *passed += 8 - bad;
}

int main(int n, char **a) {
  if (n < 4) {
    fprintf(stderr, "usage: concurrent FOLDER DATABASE SECONDS [PROCESSES [THREADS]]\n");
    return 2;
  }
  int n_process = n > 4 ? atoi(a[4]) : 4, n_thread = n > 5 ? atoi(a[5]) : 8;
  int passed = 0, failed = 0;
  folder = a[1], database = a[2];
  sqlite3_auto_extension((void (*)(void))sqlite3_attn_init);
  set_up();
  end = now() + atof(a[3]);
  for (int i = 0; i < n_process; i++) {
    if (fork() == 0) _exit(process(i + 1, n_thread));
  }
  for (int i = 0, status; i < n_process; i++) {
    wait(&status);
    int bad = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    failed += bad;
    passed += !bad;
  }
  tear_down(&passed, &failed);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
