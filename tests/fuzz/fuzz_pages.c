/*
** fuzz_pages.c - libFuzzer target: a damaged database, as SQLite's dbsqlfuzz.
**
** The input changes bytes of a database with models and indexes in it: records of a
** place (3 bytes), a length n (1 byte, of which four bits) and n bytes to put there.  The
** place is, by the highest bit of the length's byte,
**   0   in the file: little-endian, modulo its size
**   1   in a row: which column of all tables, which of its rows, and where in its value; the
**       next bit counts from the value's end, the next one ends the value behind the n bytes
** Then everything is asked and written, with trusted_schema off; every answer will do,
** and nothing may crash, hang or leak.
*/
#include "fuzz.h"

static const char *const statements[] = {
    "SELECT embed(body, 'm') FROM docs", "SELECT * FROM attn_models",
    "SELECT count(*) FROM attn_tokens('some words')",
    "SELECT attn_token_count('some'), attn_decode('[3,4,1]'), attn_embedding(3)",
    "SELECT * FROM attn_nearest(attn_embedding('some'), NULL, 3)",
    "SELECT * FROM attn_attention('some words') LIMIT 20",
    "SELECT * FROM attn_hidden('some words')",
    "SELECT * FROM attn_explain('some', 'words')",
    "SELECT attn_svg('heads', 'words'), attn_svg('model', 'some', 'words')",
    "SELECT rank FROM attn_fill_mask('some [MASK]', 'masked', 3)",
    "SELECT rank FROM attn_cloze('SELECT id, body FROM docs', 'masked')",
    "SELECT * FROM attn_generate('[1,2]', 'gpt', '{\"max_tokens\":3}')",
    "SELECT attn_logits('[1,2]', 'gpt'), attn_transformer('[1,2]', '[1,2,3,4]', 'torch')",
    "SELECT rowid, distance FROM ai('some words')",
    "SELECT rowid, attn_highlight(ai) FROM ai WHERE ai MATCH 'words' AND k = 2",
    "SELECT rowid, distance, attn_highlight(late), body FROM late('words')",
    "SELECT rowid, distance, e FROM v WHERE v MATCH '[1,2,3]' AND k = 5 AND year = 1",
    "SELECT * FROM v('[1,2,3]') ORDER BY distance LIMIT 3 OFFSET 80",
    "SELECT * FROM v WHERE rowid = 40",
    "SELECT * FROM wide WHERE wide MATCH '[1,2,3,4,5,6,7,8,9]' AND k = 2 AND distance > "
    "1",
    "SELECT rowid FROM near('[1,2,3]') LIMIT 30", "SELECT count(*), count(e) FROM near",
    "SELECT * FROM attn_status", "INSERT INTO v(v) VALUES ('integrity-check')",
    "INSERT INTO ai(ai) VALUES ('integrity-check')",
    "INSERT INTO late(late) VALUES ('integrity-check')",
    "INSERT INTO wide(wide) VALUES ('integrity-check')",
    "INSERT INTO near(near) VALUES ('integrity-check')",
    "INSERT INTO late(late) VALUES ('step')", "INSERT INTO docs(body) VALUES ('some')",
    "INSERT INTO near(rowid, e) VALUES (77, '[3,2,1]')",
    "UPDATE v SET e = '[1,1,1]' WHERE rowid > 80",
    "UPDATE late SET body = 'some words' WHERE rowid = 1",
    "DELETE FROM v WHERE rowid < 20",
    "DELETE FROM near WHERE rowid IN (SELECT rowid FROM near('[1,2,3]') LIMIT 3)",
    "INSERT INTO v(v, rank) VALUES ('lists', 2)", "INSERT INTO v(v) VALUES ('optimize')",
    "INSERT INTO near(near) VALUES ('optimize')",
    "INSERT INTO near(near, rank) VALUES ('probes', 2)",
    "INSERT INTO wide(wide, rank) VALUES ('exact', 0)",
    "INSERT INTO ai(ai) VALUES ('rebuild')",
    "INSERT INTO late(late, rank) VALUES ('deferred', 0)",
    "INSERT INTO near(near) VALUES ('delete-all')",
    "SELECT attn_quantize('m', 'q'), embed('some', 'q')",
    "SELECT attn_rename('m', 'n'), attn_default('n')", "DROP TABLE late",
    "SELECT attn_drop('n')",
    /* These take as long as all others: every fourth input has them. */
    "ALTER TABLE v RENAME TO u; SELECT rowid FROM u('[1,2,3]') LIMIT 3; DROP TABLE u"};
enum { N_STATEMENT = sizeof statements / sizeof *statements };

/* ------------------------------------------------------------------------- rows */

enum { MAX_COLUMN = 300 };

/* A column: the value of row ?1, and ?2 put there. */
typedef struct place {
  char *read, *write;
} place;

static place places[MAX_COLUMN];
static int n_place;

static void find_places(void) {
  static const char columns[] =
      "SELECT t.name, c.name, CASE WHEN t.sql LIKE '%WITHOUT ROWID' THEN 'key' ELSE "
      "'rowid' END"
      " FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'"
      " AND t.sql NOT LIKE 'CREATE VIRTUAL%' AND t.name NOT LIKE 'sqlite%'";
  sqlite3 *db = open_image(copy_image());
  sqlite3_stmt *stmt;
  check(sqlite3_prepare_v2(db, columns, -1, &stmt, NULL) == SQLITE_OK,
        sqlite3_errmsg(db));
  while (n_place < MAX_COLUMN && sqlite3_step(stmt) == SQLITE_ROW) {
    const unsigned char *t = sqlite3_column_text(stmt, 0),
                        *c = sqlite3_column_text(stmt, 1),
                        *key = sqlite3_column_text(stmt, 2);
    places[n_place++] =
        (place){sqlite3_mprintf("SELECT \"%w\" FROM \"%w\" LIMIT 1 OFFSET ?1", c, t),
                sqlite3_mprintf("UPDATE \"%w\" SET \"%w\" = ?2 WHERE %s ="
                                " (SELECT %s FROM \"%w\" LIMIT 1 OFFSET ?1)",
                                t, c, key, key, t)};
  }
  sqlite3_finalize(stmt);
  check(n_place > 50 && sqlite3_close(db) == SQLITE_OK, "the tables are not there");
}

static void bind_number(sqlite3_stmt *write, sqlite3_int64 old, const uint8_t *at,
                        const uint8_t *data, size_t n) {
  sqlite3_int64 number = 0;
  memcpy(&number, data, n < 8 ? n : 8);
  sqlite3_bind_int64(write, 2, at[3] & 64 ? (old & 0xffffffff) + (int8_t)number : number);
}

/* A value with n bytes in another place. */
static void bind_changed(sqlite3_stmt *write, sqlite3_stmt *read, const uint8_t *at,
                         const uint8_t *data, size_t n) {
  static char value[5000];
  int type = sqlite3_column_type(read, 0);
  size_t n_value = (size_t)sqlite3_column_bytes(read, 0);
  if (n_value > 4000) n_value = 4000;
  if (n_value) memcpy(value, sqlite3_column_blob(read, 0), n_value);
  size_t from = at[2] % (n_value + 1);
  if (at[3] & 64) from = n_value - from;
  if (n) memcpy(value + from, data, n);
  if (from + n > n_value || at[3] & 32) n_value = from + n;
  if (type == SQLITE_TEXT) {
    sqlite3_bind_text(write, 2, value, (int)n_value, SQLITE_STATIC);
  } else {
    sqlite3_bind_blob(write, 2, value, (int)n_value, SQLITE_STATIC);
  }
}

static void damage_row(sqlite3 *db, const uint8_t *at, const uint8_t *data, size_t n) {
  const place *p = &places[at[0] % n_place];
  sqlite3_stmt *read = NULL, *write = NULL;
  if (sqlite3_prepare_v2(db, p->read, -1, &read, NULL) == SQLITE_OK &&
      sqlite3_prepare_v2(db, p->write, -1, &write, NULL) == SQLITE_OK) {
    sqlite3_bind_int(read, 1, at[1]);
    sqlite3_bind_int(write, 1, at[1]);
    if (sqlite3_step(read) == SQLITE_ROW) {
      if (sqlite3_column_type(read, 0) == SQLITE_INTEGER) {
        bind_number(write, sqlite3_column_int64(read, 0), at, data, n);
      } else {
        bind_changed(write, read, at, data, n);
      }
      sqlite3_reset(read);
      sqlite3_step(write);
    }
  }
  sqlite3_finalize(read);
  sqlite3_finalize(write);
}

/* ---------------------------------------------------------------------- records */

/* Where the record at `at` ends, and its n; NULL when there is none. */
static const uint8_t *next_record(const uint8_t *at, const uint8_t *end, size_t *n) {
  if (end - at <= 4) return NULL;
  *n = at[3] % 16;
  if (*n > (size_t)(end - at - 4)) *n = (size_t)(end - at - 4);
  return at + 4 + *n;
}

static void damage_page(unsigned char *copy, const uint8_t *at, size_t n) {
  size_t from = (at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16) % (size_t)n_image;
  for (size_t i = 0; i < n && from + i < (size_t)n_image; i++) copy[from + i] = at[4 + i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *end = data + size;
  size_t n;
  if (!n_place) find_places();
  unsigned char *copy = copy_image();
  for (const uint8_t *at = data, *next; (next = next_record(at, end, &n)); at = next) {
    if (!(at[3] & 128)) damage_page(copy, at, n);
  }
  sqlite3 *db = open_image(copy);
  for (const uint8_t *at = data, *next; (next = next_record(at, end, &n)); at = next) {
    if (at[3] & 128) damage_row(db, at, at + 4, n);
  }
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  for (size_t i = 0; i < N_STATEMENT - (size % 4 != 0); i++) {
    n_step = 0;
    run_all(db, statements[i]);
  }
  check(sqlite3_close(db) == SQLITE_OK, "not closed");
  return 0;
}
