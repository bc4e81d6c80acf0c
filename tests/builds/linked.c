/*
** linked.c - libattn.a in a program with SQLite in it: prints what an automatic extension
** gives, and what it says when it is called without SQLite's functions.
*/
#include "sqlite3.h"
#include <stdio.h>

int sqlite3_attn_init(sqlite3 *db, char **error, const void *api);

static void show(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
  if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
    printf("%s\n", (const char *)sqlite3_column_text(stmt, 0));
  } else {
    printf("error: %s\n", sqlite3_errmsg(db));
  }
  sqlite3_finalize(stmt);
}

int main(void) {
  sqlite3 *db = NULL;
  sqlite3_open(":memory:", &db);
  printf("%d\n", sqlite3_attn_init(db, NULL, NULL));
  sqlite3_close(db);
  sqlite3_auto_extension((void (*)(void))sqlite3_attn_init);
  int rc = sqlite3_open(":memory:", &db);
  printf("%d\n", rc);
  show(db, "SELECT vec_to_json('[1,2]')");
  sqlite3_close(db);
  return 0;
}
