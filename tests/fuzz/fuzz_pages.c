/*
** fuzz_pages.c - libFuzzer target: a damaged database file, as SQLite's dbsqlfuzz.
**
** The input changes bytes of a database with a model and indexes in it: records of a
** place (3 bytes, little-endian, modulo the size of the file), a length n (1 byte, modulo
** 16) and n bytes to put there.  Then everything is asked and written, with
** trusted_schema off; every answer will do, and nothing may crash, hang or leak.
*/
#include "fuzz.h"

static unsigned char *image;
static sqlite3_int64 n_image;

static const char *const statements[] = {
    "SELECT embed(body, 'm') FROM docs",
    "SELECT * FROM attn_models",
    "SELECT count(*) FROM attn_tokens('some words')",
    "SELECT rowid, distance FROM ai('some words')",
    "SELECT rowid, attn_highlight(ai) FROM ai WHERE ai MATCH 'words' AND k = 2",
    "SELECT rowid, distance, body FROM late('words')",
    "SELECT rowid, distance, e FROM v WHERE v MATCH '[1,2,3,4,5,6,7,8,9]' AND k = 5 AND year = 1",
    "SELECT * FROM v('[1,2,3,4,5,6,7,8,9]') ORDER BY distance LIMIT 3 OFFSET 80",
    "SELECT * FROM v WHERE rowid = 40",
    "SELECT * FROM attn_status",
    "INSERT INTO v(v) VALUES ('integrity-check')",
    "INSERT INTO ai(ai) VALUES ('integrity-check')",
    "INSERT INTO late(late) VALUES ('step')",
    "INSERT INTO docs(body) VALUES ('some')",
    "UPDATE v SET e = '[1,1,1,1,1,1,1,1,1]' WHERE rowid > 80",
    "DELETE FROM v WHERE rowid < 20",
    "INSERT INTO v(v) VALUES ('optimize')",
    "INSERT INTO ai(ai) VALUES ('rebuild')",
    "SELECT attn_rename('m', 'n')",
    "DROP TABLE late",
    "SELECT attn_drop('n')"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!image) {
    sqlite3 *db = open_full();
    image = sqlite3_serialize(db, "main", &n_image, 0);
    check(image != NULL, "no image");
    sqlite3_close(db);
  }
  sqlite3 *db = open_database();
  unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)n_image);
  check(copy != NULL, "no memory");
  memcpy(copy, image, (size_t)n_image);
  while (size > 4) {
    size_t at = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % (size_t)n_image;
    size_t n = data[3] % 16;
    data += 4, size -= 4;
    for (size_t i = 0; i < n && i < size && at + i < (size_t)n_image; i++) copy[at + i] = data[i];
    if (n > size) n = size;
    data += n, size -= n;
  }
  check(sqlite3_deserialize(db, "main", copy, n_image, n_image,
                            SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) ==
            SQLITE_OK,
        "cannot deserialize");
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
    n_step = 0;
    run_all(db, statements[i]);
  }
  check(sqlite3_close(db) == SQLITE_OK, "not closed");
  return 0;
}
