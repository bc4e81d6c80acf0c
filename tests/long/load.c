/*
** load.c - much of everything, with memory that does not grow.
**
**   load FOLDER         closes with `N passed, N failed`
*/
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sqlite3_attn_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

static int passed, failed;

static void check(int ok, const char *what, long before, long after) {
  if (ok) {
    passed++;
  } else {
    failed++;
  }
  printf("%s %s: %ld KB before, %ld KB after\n", ok ? "ok" : "!", what, before, after);
}

/* Memory of the process, in KB. */
static long resident(void) {
  long pages = 0, size = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2) exit(2);
  fclose(f);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static sqlite3 *open_database(void) {
  sqlite3 *db;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) exit(2);
  return db;
}

static sqlite3_int64 run(sqlite3 *db, const char *format, ...) {
  va_list ap;
  sqlite3_stmt *stmt;
  sqlite3_int64 value = 0;
  va_start(ap, format);
  char *sql = sqlite3_vmprintf(format, ap);
  va_end(ap);
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) value = sqlite3_column_int64(stmt, 0);
  }
  if (rc != SQLITE_DONE) {
    printf("! %s: %s\n", sqlite3_errmsg(db), sql);
    failed++;
  }
  sqlite3_finalize(stmt);
  sqlite3_free(sql);
  return value;
}

static void connections(int n) {
  long before = 0;
  for (int i = 0; i < n; i++) {
    sqlite3 *db = open_database();
    sqlite3_close(db);
    if (i == n / 10) before = resident();
  }
  long after = resident();
  check(after < before + 1024, "connections opened and closed", before, after);
}

static void models(const char *folder, int n) {
  sqlite3 *db = open_database();
  long before = 0;
  for (int i = 0; i < n; i++) {
    run(db, "SELECT attn_import('m%d', %Q)", i, folder);
    run(db, "SELECT length(embed('a text', 'm%d'))", i);
    run(db, "SELECT attn_drop('m%d')", i);
    if (i == n / 10) before = resident();
  }
  long after = resident();
  check(after < before + 4096, "models imported, used and dropped", before, after);
  sqlite3_close(db);
}

static void long_text(const char *folder) {
  sqlite3 *db = open_database();
  run(db, "SELECT attn_import('m', %Q)", folder);
  long before = resident();
  sqlite3_int64 n =
      run(db, "SELECT attn_token_count(replace(hex(zeroblob(2500000)), '0', 'a '))");
  check(n > 5000000, "tokens of a text of ten million characters", before, resident());
  n = run(db, "SELECT length(embed(replace(hex(zeroblob(2500000)), '0', 'word ')))");
  check(n > 0, "its vector", before, resident());
  n = run(db, "SELECT attn_token_count(hex(zeroblob(2500000)))");
  check(n > 0, "one word of five million characters", before, resident());
  sqlite3_close(db);
}

/* A million vectors, found, half deleted, found again. */
static void rows(int n) {
  sqlite3 *db = open_database();
  long before = resident();
  run(db, "CREATE VIRTUAL TABLE t USING attn(v FLOAT[8], metric=l2)");
  run(db,
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)"
      " INSERT INTO t(rowid, v) SELECT i, printf('[%%d,%%d,%%d,1,2,3,4,5]', i %% 1000,"
      " i / 1000, i %% 7) FROM c",
      n);
  check(run(db, "SELECT rows FROM attn_status") == n, "rows", before, resident());
  check(run(db, "SELECT rowid FROM t WHERE t MATCH '[345,12,4,1,2,3,4,5]' AND k = 1") ==
            12345,
        "found", before, resident());
  run(db, "DELETE FROM t WHERE rowid %% 2 = 1");
  check(run(db, "SELECT rows FROM attn_status") == n / 2, "rows left", before,
        resident());
  check(run(db,
            "SELECT rowid %% 2 FROM t WHERE t MATCH '[345,12,4,1,2,3,4,5]' AND k = 1") ==
            0,
        "found after half were deleted", before, resident());
  run(db, "INSERT INTO t(t) VALUES ('integrity-check')");
  sqlite3_close(db);
}

int main(int n, char **a) {
  if (n < 2) return 2;
  sqlite3_auto_extension((void (*)(void))sqlite3_attn_init);
  connections(100000);
  models(a[1], 1000);
  long_text(a[1]);
  rows(1000000);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
