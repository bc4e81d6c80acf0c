/*
** fuzz_sql.c - libFuzzer target: SQL over a database with a model and indexes in it.
**
** The input is SQL text.  An authorizer forbids what would reach beyond the database:
** ATTACH, and the functions that read or write files; each input starts from the same
** database.
*/
#include "fuzz.h"

static unsigned char *image;
static sqlite3_int64 n_image;

static int authorize(void *unused, int action, const char *a, const char *b, const char *c,
                     const char *d) {
  (void)unused, (void)a, (void)c, (void)d;
  if (action == SQLITE_ATTACH || action == SQLITE_PRAGMA) return SQLITE_DENY;
  if (action == SQLITE_FUNCTION && b &&
      (strcmp(b, "attn_import") == 0 || strcmp(b, "attn_export") == 0 ||
       strcmp(b, "load_extension") == 0 || strcmp(b, "fts3_tokenizer") == 0)) {
    return SQLITE_DENY;
  }
  return SQLITE_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 20000) return 0;
  if (!image) {
    sqlite3 *db = open_full();
    image = sqlite3_serialize(db, "main", &n_image, 0);
    check(image != NULL, "no image");
    sqlite3_close(db);
  }
  sqlite3 *db = open_database();
  unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)n_image);
  char *sql = malloc(size + 1);
  check(copy && sql, "no memory");
  memcpy(copy, image, (size_t)n_image);
  memcpy(sql, data, size);
  sql[size] = 0;
  check(sqlite3_deserialize(db, "main", copy, n_image, n_image,
                            SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) ==
            SQLITE_OK,
        "cannot deserialize");
  sqlite3_set_authorizer(db, authorize, NULL);
  run_all(db, sql);
  free(sql);
  check(sqlite3_close(db) == SQLITE_OK, "not closed");
  return 0;
}
