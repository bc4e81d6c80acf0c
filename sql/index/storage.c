/*
** storage.c - the shadow tables of an index named docs_ai.
**
**   docs_ai_config(key, value)
**       version    2, of this layout
**       stamp      a hash of all changes so far: by it a connection sees that what it
**                  has in memory is out of date
**       dimension  of the vectors
**       model, sha256   the model that made them, by name and content
**       center     float32 [dimension], of the codes of the largest chunks
**       list_stamp a hash of what _lists holds; not there: no lists
**       deferred, exact, lists, probes   settings
**   docs_ai_rows(id, place, hash, c0, c1, ...)
**       a row for each row: where its vector is (chunk << 10 | slot; NULL: it has
**       none), the first 8 bytes of the SHA-256 of the text that it was made of (NULL:
**       it was given), and the plain columns, but not of external content
**   docs_ai_content(id, c0, c1, ...)      own content: the text columns
**   docs_ai_pending(id, text)
**       rows that wait for 'step'; the text only where nobody else keeps it
**   docs_ai_chunks(id, n_slot, n_live, stamp, list)
**       the directory: slots of a chunk, how many hold a vector, a hash of what was put
**       into it and taken out, which stands for its codes, and its list, if any
**   docs_ai_lists(id, center)   float32 [dimension]: the center of list 0, 1, ...
**   docs_ai_codes(id, data)     the codes of a chunk: engine/search/chunk.c
**   docs_ai_vectors(id, data)
**       the vectors of slots [64 i, 64 i + 64) of chunk c: id = c << 4 | i; float32,
**       little-endian; what dead slots hold has no meaning; no row where no slot is live.
**       (To read one, SQLite steps through half of the row's pages on average; in longer
**       rows that takes as long as all the rest of a search, and shorter ones waste space.)
**   docs_ai_windows(place, id, first, last)
**       with option chunk: the bytes [first, last) of the text of row id that the
**       vector at that place is of; _rows.place is that of its first window
**
** The same statements make the same bytes in all of these, on every machine.
**
** For rows of ready vectors that is 1544 + 206 + 14 bytes at 384 dimensions, and up to 8
** more where rowids do not follow one another.
*/
#include "index.h"
#include <stdarg.h>
#include <string.h>

/* ----------------------------------------------------------------------- errors */

static int fail(attnx_index *index, int code, const char *format, va_list ap) {
  char *message = attns_message(format, ap);
  sqlite3_free(index->base.zErrMsg);
  index->base.zErrMsg = message;
  return message ? code : SQLITE_NOMEM;
}

int attnx_index_fail(attnx_index *index, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  int rc = fail(index, SQLITE_ERROR, format, ap);
  va_end(ap);
  return rc;
}

int attnx_index_corrupt(attnx_index *index, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  int rc = fail(index, SQLITE_CORRUPT_VTAB, format, ap);
  va_end(ap);
  return rc;
}

int attnx_index_db_error(attnx_index *index) {
  return attns_sql_db_error(index->db, index->config.table, &index->base.zErrMsg);
}

/* ---------------------------------------------------------------------- the SQL */

/* Writes a list of the columns c0, c1, ... that `keep` chooses, each after a comma. */
static void append_columns(sqlite3_str *s, const attnx_config *config,
                           attnx_column_kind kind, int with_type) {
  for (int i = 0; i < config->n_column; i++) {
    if (config->column[i].kind != kind || !attnx_config_keeps(config, i)) continue;
    sqlite3_str_appendf(s, ", c%d %s", i, with_type ? config->column[i].type : "");
  }
}

static void append_marks(sqlite3_str *s, int n) {
  for (int i = 0; i < n; i++) sqlite3_str_appendf(s, "%s?%d", i ? ", " : "", i + 1);
}

static int count_kept(const attnx_config *config, attnx_column_kind kind) {
  int n = 0;
  for (int i = 0; i < config->n_column; i++) {
    n += config->column[i].kind == kind && attnx_config_keeps(config, i);
  }
  return n;
}

/* id, place, hash and the plain columns. */
static void row_put(sqlite3_str *s, const attnx_config *config) {
  sqlite3_str_appendf(s, "REPLACE INTO $rows(id, place%s",
                      config->n_text ? ", hash" : "");
  append_columns(s, config, ATTNX_COLUMN_PLAIN, 0);
  sqlite3_str_appendall(s, ") VALUES(");
  append_marks(s, (config->n_text ? 3 : 2) + count_kept(config, ATTNX_COLUMN_PLAIN));
  sqlite3_str_appendall(s, ")");
}

static void content_put(sqlite3_str *s, const attnx_config *config) {
  sqlite3_str_appendall(s, "REPLACE INTO $content(id");
  append_columns(s, config, ATTNX_COLUMN_TEXT, 0);
  sqlite3_str_appendall(s, ") VALUES(");
  append_marks(s, 1 + count_kept(config, ATTNX_COLUMN_TEXT));
  sqlite3_str_appendall(s, ")");
}

/* The id of a row and the values of its columns, from wherever they are kept.  (Names of
** the content table's columns stand behind the table's: alone between double quotes,
** one that is not there would be read as a text.) */
static void source_get(sqlite3_str *s, const attnx_config *config) {
  int external = config->content == ATTNX_CONTENT_EXTERNAL;
  int joined = config->content == ATTNX_CONTENT_OWN && config->n_text;
  sqlite3_str_appendf(s, external ? "SELECT d.\"%w\"" : "SELECT r.id",
                      config->content_rowid);
  for (int i = 0; i < config->n_column; i++) {
    if (external) {
      sqlite3_str_appendf(s, ", d.\"%w\"", config->column[i].name);
    } else if (attnx_config_keeps(config, i)) {
      int text = config->column[i].kind == ATTNX_COLUMN_TEXT;
      sqlite3_str_appendf(s, ", %s.c%d", text ? "c" : "r", i);
    } else {
      sqlite3_str_appendall(s, ", NULL");
    }
  }
  if (external) {
    sqlite3_str_appendf(s, " FROM \"%w\".\"%w\" d WHERE d.\"%w\" = ?1", config->schema,
                        config->content_table, config->content_rowid);
  } else {
    sqlite3_str_appendf(s, " FROM $rows r%s WHERE r.id = ?1",
                        joined ? " LEFT JOIN $content c ON c.id = r.id" : "");
  }
}

static void row_get(sqlite3_str *s, const attnx_config *config) {
  sqlite3_str_appendf(s, "SELECT place, %s FROM $rows WHERE id = ?1",
                      config->n_text ? "hash" : "NULL");
}

static void row_place(sqlite3_str *s, const attnx_config *config) {
  sqlite3_str_appendf(s, "UPDATE $rows SET place = ?2%s WHERE id = ?1",
                      config->n_text ? ", hash = ?3" : "");
}

/* Fixed SQL, or a function that makes it of the configuration. */
static const struct {
  const char *sql;
  void (*make)(sqlite3_str *s, const attnx_config *config);
} statements[ATTNX_N_STATEMENT] = {
    [ATTNX_CONFIG_GET] = {"SELECT value FROM $config WHERE key = ?1", NULL},
    [ATTNX_CONFIG_SET] = {"REPLACE INTO $config(key, value) VALUES(?1, ?2)", NULL},
    [ATTNX_CONFIG_ALL] = {"SELECT key, value FROM $config", NULL},
    [ATTNX_ROW_GET] = {NULL, row_get},
    [ATTNX_ROW_LAST] = {"SELECT max(id) FROM $rows", NULL},
    [ATTNX_ROW_PUT] = {NULL, row_put},
    [ATTNX_ROW_PLACE] = {NULL, row_place},
    [ATTNX_ROW_DELETE] = {"DELETE FROM $rows WHERE id = ?1", NULL},
    [ATTNX_CONTENT_PUT] = {NULL, content_put},
    [ATTNX_CONTENT_DELETE] = {"DELETE FROM $content WHERE id = ?1", NULL},
    [ATTNX_SOURCE_GET] = {NULL, source_get},
    [ATTNX_PENDING_PUT] = {"REPLACE INTO $pending(id, text) VALUES(?1, ?2)", NULL},
    [ATTNX_PENDING_DELETE] = {"DELETE FROM $pending WHERE id = ?1", NULL},
    [ATTNX_PENDING_NEXT] =
        {"SELECT id, text FROM $pending WHERE id >= ?1 ORDER BY id LIMIT ?2", NULL},
    [ATTNX_WINDOW_PUT] =
        {"INSERT INTO $windows(place, id, first, last) VALUES(?1, ?2, ?3, ?4)", NULL},
    [ATTNX_WINDOW_LIST] = {"SELECT place FROM $windows WHERE id = ?1", NULL},
    [ATTNX_WINDOW_DELETE] = {"DELETE FROM $windows WHERE id = ?1", NULL},
    [ATTNX_WINDOW_GET] = {"SELECT first, last FROM $windows WHERE place = ?1", NULL},
    [ATTNX_CHUNK_ALL] =
        {"SELECT id, n_slot, n_live, stamp, list FROM $chunks ORDER BY id", NULL},
    [ATTNX_CHUNK_PUT] = {"REPLACE INTO $chunks(id, n_slot, n_live, stamp, list)"
                         " VALUES(?1, ?2, ?3, ?4, ?5)",
                         NULL},
    [ATTNX_CHUNK_DELETE] = {"DELETE FROM $chunks WHERE id = ?1", NULL},
    [ATTNX_LIST_ALL] = {"SELECT id, center FROM $lists ORDER BY id", NULL},
    [ATTNX_LIST_PUT] = {"INSERT INTO $lists(id, center) VALUES(?1, ?2)", NULL},
    [ATTNX_CODES_PUT] = {"REPLACE INTO $codes(id, data) VALUES(?1, ?2)", NULL},
    [ATTNX_CODES_DELETE] = {"DELETE FROM $codes WHERE id = ?1", NULL},
    [ATTNX_VECTORS_PUT] = {"REPLACE INTO $vectors(id, data) VALUES(?1, ?2)", NULL},
    [ATTNX_VECTORS_DELETE] = {"DELETE FROM $vectors WHERE id = ?1", NULL},
};

/* Puts the names of shadow tables in place of $name, but not between quotes. */
static char *expand(const attnx_config *config, const char *sql) {
  sqlite3_str *s = sqlite3_str_new(NULL);
  char quote = 0;
  for (const char *p = sql; *p; p++) {
    if (quote || *p != '$') {
      if (quote ? *p == quote : *p == '"' || *p == '\'') quote = quote ? 0 : *p;
      sqlite3_str_appendchar(s, 1, *p);
      continue;
    }
    int n = (int)strspn(p + 1, "abcdefghijklmnopqrstuvwxyz");
    sqlite3_str_appendf(s, "\"%w\".\"%w_%.*s\"", config->schema, config->table, n, p + 1);
    p += n;
  }
  return sqlite3_str_finish(s);
}

static int prepare(attnx_index *index, const char *sql, unsigned flags,
                   sqlite3_stmt **out) {
  *out = NULL;
  char *expanded = expand(&index->config, sql);
  if (!expanded) return SQLITE_NOMEM;
  int rc = sqlite3_prepare_v3(index->db, expanded, -1, flags, out, NULL);
  sqlite3_free(expanded);
  return rc == SQLITE_OK ? rc : attnx_index_db_error(index);
}

int attnx_storage_prepare(attnx_index *index, const char *sql, sqlite3_stmt **out) {
  return prepare(index, sql, 0, out);
}

static int nest(attnx_index *index, sqlite3_stmt *stmt) {
  int rc =
      attns_connection_nest(index->connection, index->config.table, &index->base.zErrMsg);
  if (rc == SQLITE_OK) index->run[index->n_run++] = stmt;
  return rc;
}

static void unnest(attnx_index *index) {
  index->n_run--;
  attns_connection_unnest(index->connection);
}

/* What a statement does may lead back to the index. */
static int leads_back(attnx_index *index) {
  return attnx_index_fail(
      index,
      "%s: to read or to change it leads back to it; expected a content "
      "table, and triggers of shadow tables, that do not need it",
      index->config.table);
}

int attnx_storage_idle(attnx_index *index) {
  return index->n_run ? leads_back(index) : SQLITE_OK;
}

/* The statement is not being run: a trigger makes SQLite open a savepoint within it,
** before which the index is flushed. */
static int check_rests(attnx_index *index, const sqlite3_stmt *stmt) {
  int i = 0;
  while (i < index->n_run && index->run[i] != stmt) i++;
  return i < index->n_run ? leads_back(index) : SQLITE_OK;
}

int attnx_storage_exec(attnx_index *index, const char *sql) {
  int rc = nest(index, NULL);
  if (rc != SQLITE_OK) return rc;
  char *expanded = expand(&index->config, sql);
  rc = expanded ? sqlite3_exec(index->db, expanded, NULL, NULL, NULL) : SQLITE_NOMEM;
  sqlite3_free(expanded);
  unnest(index);
  return rc == SQLITE_OK || !expanded ? rc : attnx_index_db_error(index);
}

static int prepare_statement(attnx_index *index, attnx_statement which) {
  char *made = NULL;
  if (statements[which].make) {
    sqlite3_str *s = sqlite3_str_new(NULL);
    statements[which].make(s, &index->config);
    made = sqlite3_str_finish(s);
    if (!made) return SQLITE_NOMEM;
  }
  int rc = prepare(index, made ? made : statements[which].sql, SQLITE_PREPARE_PERSISTENT,
                   &index->statement[which]);
  sqlite3_free(made);
  /* Only a shadow table can be missing there; a content table is another matter. */
  if (rc == SQLITE_ERROR && which != ATTNX_SOURCE_GET) rc = SQLITE_CORRUPT_VTAB;
  return rc;
}

int attnx_storage_statement(attnx_index *index, attnx_statement which,
                            sqlite3_stmt **out) {
  int rc = index->statement[which] ? check_rests(index, index->statement[which])
                                   : prepare_statement(index, which);
  *out = rc == SQLITE_OK ? index->statement[which] : NULL;
  return rc;
}

int attnx_storage_source(attnx_index *index, sqlite3_stmt **out) {
  sqlite3_str *s = sqlite3_str_new(NULL);
  source_get(s, &index->config);
  char *sql = sqlite3_str_finish(s);
  int rc = sql ? prepare(index, sql, 0, out) : SQLITE_NOMEM;
  sqlite3_free(sql);
  return rc;
}

int attnx_storage_step(attnx_index *index, sqlite3_stmt *stmt) {
  int rc = nest(index, stmt);
  if (rc != SQLITE_OK) return rc;
  rc = sqlite3_step(stmt);
  unnest(index);
  /* PRAGMA count_changes makes a row of what writes. */
  if (rc == SQLITE_ROW && sqlite3_stmt_readonly(stmt)) return rc;
  rc = sqlite3_reset(stmt);
  if (rc != SQLITE_OK) rc = attnx_index_db_error(index);
  /* OR IGNORE would go on, with half of a row written. */
  return (rc & 0xff) == SQLITE_CONSTRAINT ? SQLITE_ERROR : rc;
}

void attnx_storage_close(attnx_index *index) {
  for (int i = 0; i < ATTNX_N_STATEMENT; i++) {
    sqlite3_finalize(index->statement[i]);
    index->statement[i] = NULL;
  }
}

/* ----------------------------------------------------------------- shadow tables */

static const char *const tables[] = {"config", "rows",    "content", "pending", "chunks",
                                     "codes",  "vectors", "windows", "lists"};

enum { N_TABLE = sizeof tables / sizeof tables[0] };

int attnx_storage_is_shadow(const char *suffix) {
  for (int i = 0; i < N_TABLE; i++) {
    if (sqlite3_stricmp(suffix, tables[i]) == 0) return 1;
  }
  return 0;
}

int attnx_storage_create(attnx_index *index) {
  const attnx_config *config = &index->config;
  sqlite3_str *s = sqlite3_str_new(NULL);
  sqlite3_str_appendall(
      s, "CREATE TABLE $config(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
         "CREATE TABLE $pending(id INTEGER PRIMARY KEY, text TEXT);"
         "CREATE TABLE $chunks(id INTEGER PRIMARY KEY, n_slot INTEGER, n_live INTEGER,"
         " stamp INTEGER, list INTEGER);"
         "CREATE TABLE $lists(id INTEGER PRIMARY KEY, center BLOB);"
         "CREATE TABLE $codes(id INTEGER PRIMARY KEY, data BLOB);"
         "CREATE TABLE $vectors(id INTEGER PRIMARY KEY, data BLOB);");
  sqlite3_str_appendf(s, "CREATE TABLE $rows(id INTEGER PRIMARY KEY, place INTEGER%s",
                      config->n_text ? ", hash INTEGER" : "");
  append_columns(s, config, ATTNX_COLUMN_PLAIN, 1);
  sqlite3_str_appendall(s, ");");
  if (config->content == ATTNX_CONTENT_OWN && config->n_text) {
    sqlite3_str_appendall(s, "CREATE TABLE $content(id INTEGER PRIMARY KEY");
    append_columns(s, config, ATTNX_COLUMN_TEXT, 1);
    sqlite3_str_appendall(s, ");");
  }
  if (config->window) {
    sqlite3_str_appendall(s,
                          "CREATE TABLE $windows(place INTEGER PRIMARY KEY, id INTEGER,"
                          " first INTEGER, last INTEGER);");
    sqlite3_str_appendf(s, "CREATE INDEX \"%w\".\"%w_windows_id\" ON \"%w_windows\"(id);",
                        config->schema, config->table, config->table);
  }
  char *sql = sqlite3_str_finish(s);
  if (!sql) return SQLITE_NOMEM;
  int rc = attnx_storage_exec(index, sql);
  sqlite3_free(sql);
  if (rc == SQLITE_OK) rc = attnx_storage_set_int(index, "version", 2);
  return rc;
}

static int has_table(const attnx_index *index, const char *name) {
  const attnx_config *config = &index->config;
  if (strcmp(name, "content") == 0) {
    return config->content == ATTNX_CONTENT_OWN && config->n_text;
  }
  return strcmp(name, "windows") != 0 || config->window;
}

int attnx_storage_drop(attnx_index *index) {
  int rc = SQLITE_OK;
  for (int i = 0; rc == SQLITE_OK && i < N_TABLE; i++) {
    rc = attns_exec(index->db, &index->base.zErrMsg,
                    "DROP TABLE IF EXISTS \"%w\".\"%w_%s\"", index->config.schema,
                    index->config.table, tables[i]);
  }
  return rc;
}

int attnx_storage_rename(attnx_index *index, const char *name) {
  const attnx_config *config = &index->config;
  int rc = SQLITE_OK;
  for (int i = 0; rc == SQLITE_OK && i < N_TABLE; i++) {
    if (!has_table(index, tables[i])) continue;
    rc = attns_exec(index->db, &index->base.zErrMsg,
                    "ALTER TABLE \"%w\".\"%w_%s\" RENAME TO \"%w_%s\"", config->schema,
                    config->table, tables[i], name, tables[i]);
  }
  return rc;
}

/* ----------------------------------------------------------------------- stamps */

/* Steps of a hash, by splitmix64's finalizer (Steele et al. 2014). */
sqlite3_uint64 attnx_hash(sqlite3_uint64 hash, sqlite3_uint64 word) {
  sqlite3_uint64 x = hash ^ (word + 0x9E3779B97F4A7C15u + (hash << 6) + (hash >> 2));
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

sqlite3_uint64 attnx_hash_floats(sqlite3_uint64 hash, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    hash = attnx_hash(hash, bits);
  }
  return hash;
}

static sqlite3_uint64 hash_bytes(sqlite3_uint64 hash, const void *data, size_t n) {
  for (size_t i = 0; i < n; i++) {
    hash = attnx_hash(hash, ((const unsigned char *)data)[i]);
  }
  return attnx_hash(hash, n);
}

void attnx_storage_changed(attnx_index *index, sqlite3_uint64 word) {
  index->change = attnx_hash(index->change, word);
}

/* ---------------------------------------------------------------------- _config */

static int set_config(attnx_index *index, const char *key, sqlite3_stmt **stmt) {
  index->change = hash_bytes(index->change, key, strlen(key));
  int rc = attnx_storage_statement(index, ATTNX_CONFIG_SET, stmt);
  return rc == SQLITE_OK ? sqlite3_bind_text(*stmt, 1, key, -1, SQLITE_STATIC) : rc;
}

int attnx_storage_set_int(attnx_index *index, const char *key, sqlite3_int64 value) {
  sqlite3_stmt *stmt;
  int rc = set_config(index, key, &stmt);
  attnx_storage_changed(index, (sqlite3_uint64)value);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 2, value);
  return rc == SQLITE_OK ? attnx_storage_step(index, stmt) : rc;
}

int attnx_storage_set_text(attnx_index *index, const char *key, const char *value) {
  sqlite3_stmt *stmt;
  int rc = set_config(index, key, &stmt);
  index->change = hash_bytes(index->change, value, strlen(value));
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 2, value, -1, SQLITE_TRANSIENT);
  return rc == SQLITE_OK ? attnx_storage_step(index, stmt) : rc;
}

int attnx_storage_set_blob(attnx_index *index, const char *key, const void *data,
                           sqlite3_uint64 n) {
  sqlite3_stmt *stmt;
  int rc = set_config(index, key, &stmt);
  index->change = hash_bytes(index->change, data, (size_t)n);
  if (rc == SQLITE_OK) rc = sqlite3_bind_blob64(stmt, 2, data, n, SQLITE_TRANSIENT);
  return rc == SQLITE_OK ? attnx_storage_step(index, stmt) : rc;
}

/* A view in the place of a table would have as many rows as it likes. */
static int check_tables(attnx_index *index) {
  const attnx_config *config = &index->config;
  int rc = SQLITE_OK, there = 1;
  for (int i = 0; rc == SQLITE_OK && i < N_TABLE; i++) {
    if (!has_table(index, tables[i])) continue;
    char *name = sqlite3_mprintf("%s_%s", config->table, tables[i]);
    if (!name) return SQLITE_NOMEM;
    rc = attns_has_table(index->db, config->schema, name, &index->base.zErrMsg, &there);
    if (rc == SQLITE_OK && !there)
      rc = attnx_index_corrupt(index, "there is no table %s", name);
    sqlite3_free(name);
  }
  return rc;
}

int attnx_storage_stamp(attnx_index *index, sqlite3_int64 *out) {
  sqlite3_stmt *stmt;
  *out = 0;
  /* The first statement of all. */
  int rc = index->statement[ATTNX_CONFIG_GET] ? SQLITE_OK : check_tables(index);
  if (rc == SQLITE_OK) rc = attnx_storage_statement(index, ATTNX_CONFIG_GET, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_text(stmt, 1, "stamp", -1, SQLITE_STATIC);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (rc != SQLITE_ROW) {
    return rc == SQLITE_OK
               ? attnx_index_corrupt(index, "%s_config has no stamp", index->config.table)
               : rc;
  }
  *out = sqlite3_column_int64(stmt, 0);
  return sqlite3_reset(stmt);
}

int attnx_storage_touch(attnx_index *index) {
  sqlite3_uint64 hash = attnx_hash((sqlite3_uint64)index->stamp, index->change);
  sqlite3_int64 stamp = hash ? (sqlite3_int64)hash : 1;
  int rc = attnx_storage_set_int(index, "stamp", stamp);
  if (rc == SQLITE_OK) index->stamp = stamp;
  index->change = 0;
  index->n_change++;
  return rc;
}

static int copy_text(sqlite3_stmt *stmt, char **to) {
  const char *text = (const char *)sqlite3_column_text(stmt, 1);
  sqlite3_free(*to);
  *to = sqlite3_mprintf("%s", text ? text : "");
  return *to ? SQLITE_OK : SQLITE_NOMEM;
}

static int copy_center(attnx_index *index, sqlite3_stmt *stmt) {
  const void *data = sqlite3_column_blob(stmt, 1);
  size_t n = (size_t)sqlite3_column_bytes(stmt, 1);
  if (!data || n % sizeof(float) || n > ATTN_MAX_DIMENSION * sizeof(float)) {
    return attnx_index_corrupt(index, "%s_config: center is no vector",
                               index->config.table);
  }
  index->directory.center = sqlite3_malloc64(n);
  if (!index->directory.center) return SQLITE_NOMEM;
  memcpy(index->directory.center, data, n);
  return SQLITE_OK;
}

int attnx_storage_check_dimension(attnx_index *index, uint32_t d) {
  attn_error err = {""};
  return attns_sql_status(attn_limit_check(ATTN_LIMIT_DIMENSION, d, &err,
                                           "%s has vectors of %u numbers",
                                           index->config.table, (unsigned)d),
                          &err, &index->base.zErrMsg);
}

/* What waits until all entries are read. */
typedef struct loaded {
  int center_bytes;
  sqlite3_int64 list_stamp;
} loaded;

static int load_entry(attnx_index *index, sqlite3_stmt *stmt, loaded *out) {
  const char *key = (const char *)sqlite3_column_text(stmt, 0);
  sqlite3_int64 number = sqlite3_column_int64(stmt, 1);
  if (!key) return SQLITE_NOMEM;
  if (strcmp(key, "model") == 0) return copy_text(stmt, &index->model);
  if (strcmp(key, "sha256") == 0) return copy_text(stmt, &index->sha256);
  if (strcmp(key, "center") == 0) {
    out->center_bytes = sqlite3_column_bytes(stmt, 1);
    return copy_center(index, stmt);
  }
  if (strcmp(key, "list_stamp") == 0) out->list_stamp = number;
  if (strcmp(key, "deferred") == 0) index->deferred = number != 0;
  if (strcmp(key, "exact") == 0) index->exact = number != 0;
  if (strcmp(key, "lists") == 0) index->n_list = (int)number;
  if (strcmp(key, "probes") == 0) index->n_probe = number > 0 ? (int)number : 0;
  if (strcmp(key, "version") == 0 && number != 2) {
    return attnx_index_fail(index, "%s is of version %lld; this libattn reads version 2",
                            index->config.table, number);
  }
  if (strcmp(key, "dimension") == 0) {
    if (number < 1 || number > ATTN_MAX_DIMENSION) {
      return attnx_index_corrupt(index, "%s_config: dimension is %lld",
                                 index->config.table, number);
    }
    index->dimension = (uint32_t)number;
    return attnx_storage_check_dimension(index, index->dimension);
  }
  return SQLITE_OK;
}

static int load_entries(attnx_index *index, loaded *out) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, ATTNX_CONFIG_ALL, &stmt);
  if (rc != SQLITE_OK) return rc;
  while ((rc = attnx_storage_step(index, stmt)) == SQLITE_ROW) {
    rc = load_entry(index, stmt, out);
    if (rc != SQLITE_OK) break;
  }
  sqlite3_reset(stmt);
  if (rc != SQLITE_OK) return rc;
  uint32_t d = index->config.dimension;
  if (index->dimension == 0 || (d && index->dimension != d)) {
    return attnx_index_corrupt(index, "%s_config: dimension is %u", index->config.table,
                               index->dimension);
  }
  if (out->center_bytes &&
      (size_t)out->center_bytes != index->dimension * sizeof(float)) {
    return attnx_index_corrupt(index, "%s_config: center has %d bytes",
                               index->config.table, out->center_bytes);
  }
  return SQLITE_OK;
}

int attnx_storage_load(attnx_index *index) {
  sqlite3_free(index->model);
  sqlite3_free(index->sha256);
  index->model = index->sha256 = NULL;
  index->dimension = 0;
  attnx_chunks_free(index);
  loaded more = {0};
  int rc = load_entries(index, &more);
  if (rc == SQLITE_OK) rc = attnx_ivf_load(index, more.list_stamp);
  return rc == SQLITE_OK ? attnx_chunks_load(index) : rc;
}

/* ------------------------------------------------------------------------ _rows */

int attnx_storage_row(attnx_index *index, sqlite3_int64 id, attnx_row_state *out) {
  sqlite3_stmt *stmt;
  *out = (attnx_row_state){.place = -1};
  int rc = attnx_storage_statement(index, ATTNX_ROW_GET, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, id);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (rc != SQLITE_ROW) return rc;
  out->found = 1;
  if (sqlite3_column_type(stmt, 0) != SQLITE_NULL) {
    out->place = sqlite3_column_int64(stmt, 0);
    if (out->place < 0) {
      rc = attnx_index_corrupt(index, "%s_rows: row %lld has place %lld",
                               index->config.table, id, out->place);
    }
  }
  out->has_hash = sqlite3_column_type(stmt, 1) != SQLITE_NULL;
  out->hash = sqlite3_column_int64(stmt, 1);
  sqlite3_reset(stmt);
  return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int attnx_storage_set_place(attnx_index *index, sqlite3_int64 id,
                            const attnx_row_state *row) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_statement(index, ATTNX_ROW_PLACE, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, id);
  if (rc == SQLITE_OK) {
    rc = row->place < 0 ? sqlite3_bind_null(stmt, 2)
                        : sqlite3_bind_int64(stmt, 2, row->place);
  }
  if (rc == SQLITE_OK && index->config.n_text) {
    rc = row->has_hash ? sqlite3_bind_int64(stmt, 3, row->hash)
                       : sqlite3_bind_null(stmt, 3);
  }
  return rc == SQLITE_OK ? attnx_storage_step(index, stmt) : rc;
}
