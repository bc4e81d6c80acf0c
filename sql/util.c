/*
** util.c - from the engine's errors to SQLite's, and statements from formats.
*/
#include "sql.h"
#include <stdarg.h>
#include <string.h>

size_t attns_character(const char *text, size_t n, uint32_t *code) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char c = (unsigned char)text[0];
  size_t length = c < 0x80   ? 1
                  : c < 0xC2 ? 0
                  : c < 0xE0 ? 2
                  : c < 0xF0 ? 3
                  : c < 0xF5 ? 4
                             : 0;
  *code = length == 1 ? c : c & (0x7Fu >> length);
  if (length > n) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((text[i] & 0xC0) != 0x80) return 0;
    *code = *code << 6 | (text[i] & 0x3F);
  }
  if (*code < least[length] || (*code >= 0xD800 && *code < 0xE000) || *code > 0x10FFFF)
    return 0;
  return length;
}

char *attns_message(const char *format, va_list ap) {
  char *message = sqlite3_vmprintf(format, ap);
  size_t n = message ? strlen(message) : 0;
  for (size_t i = 0, length; i < n; i += length) {
    uint32_t code;
    length = attns_character(message + i, n - i, &code);
    if (length == 0) message[i] = '?';
    length += length == 0;
  }
  return message;
}

int attns_sql_fail(char **error, int code, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  char *message = attns_message(format, ap);
  va_end(ap);
  sqlite3_free(*error);
  *error = message;
  return message ? code : SQLITE_NOMEM;
}

int attns_function_status(const char *function, attn_status status, const attn_error *err,
                          char **error) {
  int code = status == ATTN_LIMIT ? SQLITE_TOOBIG : SQLITE_ERROR;
  switch (status) {
  case ATTN_OK:
    return SQLITE_OK;
  case ATTN_NOMEM:
    return SQLITE_NOMEM;
  case ATTN_INTERRUPTED:
    return SQLITE_INTERRUPT;
  default:
    return attns_sql_fail(error, code, "%s%s%s", function, *function ? ": " : "",
                          err->message);
  }
}

int attns_sql_status(attn_status status, const attn_error *err, char **error) {
  return attns_function_status("", status, err, error);
}

int attns_sql_db_error(sqlite3 *db, const char *doing, char **error) {
  int code = sqlite3_extended_errcode(db);
  /* A row that was not what it should be leaves a code that is no error's. */
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) code = SQLITE_ERROR;
  if ((code & 0xff) == SQLITE_NOMEM) return SQLITE_NOMEM;
  if (code == SQLITE_INTERRUPT) return code;
  return attns_sql_fail(error, code, "%s: %s", doing, sqlite3_errmsg(db));
}

/* The bytes of an error that SQLITE_LIMIT_LENGTH allows; with more, SQLite says nothing.
*/
static int fitting(sqlite3_context *ctx, const char *error) {
  int most = sqlite3_limit(sqlite3_context_db_handle(ctx), SQLITE_LIMIT_LENGTH, -1);
  int n = (int)strlen(error);
  if (n <= most) return n;
  for (n = most; (error[n] & 0xC0) == 0x80; n--) {
  }
  return n;
}

void attns_result_error(sqlite3_context *ctx, int code, char *error) {
  if ((code & 0xff) == SQLITE_NOMEM) {
    sqlite3_result_error_nomem(ctx);
  } else {
    if (error) sqlite3_result_error(ctx, error, fitting(ctx, error));
    /* The message stays; the code tells an interrupt or a full disk apart. */
    if (code != SQLITE_ERROR || !error) sqlite3_result_error_code(ctx, code);
  }
  sqlite3_free(error);
}

int attns_grow(void *list, size_t *n_alloc, size_t first, size_t size, char **error) {
  attn_error err = {""};
  size_t n = 2 * *n_alloc + first;
  void *p;
  int rc = attns_sql_status(attn_limit_call(n * size, &err), &err, error);
  if (rc != SQLITE_OK) return rc;
  memcpy(&p, list, sizeof p); /* a pointer of whatever type */
  p = sqlite3_realloc64(p, n * size);
  if (!p) return SQLITE_NOMEM;
  memcpy(list, &p, sizeof p);
  *n_alloc = n;
  return SQLITE_OK;
}

int attns_interrupted(void *db) {
#if SQLITE_VERSION_NUMBER >= 3041000
  if (sqlite3_libversion_number() >= 3041000) return sqlite3_is_interrupted(db);
#else
  (void)db;
#endif
  return 0;
}

const char *attns_value_found(sqlite3_value *value) {
  int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL || type == SQLITE_BLOB)
    return type == SQLITE_NULL ? "NULL" : "a blob";
  const char *text = (const char *)sqlite3_value_text(value);
  return text ? text : ""; /* there is no memory, which who makes the message will see */
}

int attns_value_whole(sqlite3_value *value, const char *what, sqlite3_int64 least,
                      sqlite3_int64 most, char **error, sqlite3_int64 *out) {
  char range[64];
  int type = sqlite3_value_numeric_type(value);
  *out = sqlite3_value_int64(value);
  if (type == SQLITE_INTEGER && *out >= least && *out <= most) return SQLITE_OK;
  sqlite3_snprintf(sizeof range, range, most == INT64_MAX ? "on" : "to %lld", most);
  return attns_sql_fail(error, SQLITE_ERROR,
                        "%s is %!.40s; expected a whole number from %lld %s", what,
                        attns_value_found(value), least, range);
}

int attns_value_text(sqlite3_value *value, const char *what, char **error,
                     attn_text *out) {
  int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL || type == SQLITE_BLOB) {
    return attns_sql_fail(error, SQLITE_ERROR, "%s is %s; expected text", what,
                          attns_value_found(value));
  }
  out->text = (const char *)sqlite3_value_text(value);
  if (!out->text) return SQLITE_NOMEM;
  out->n_text = (size_t)sqlite3_value_bytes(value);
  return SQLITE_OK;
}

int attns_value_name(sqlite3_value *value, const char *what, char **error,
                     attn_text *out) {
  int rc = attns_value_text(value, what, error, out);
  if (rc != SQLITE_OK || !memchr(out->text, 0, out->n_text)) return rc;
  return attns_sql_fail(error, SQLITE_ERROR, "%s holds the character NUL", what);
}

/* SQLITE_ERROR says that there is no such table; a schema that cannot be read, as it is
** locked or damaged, has a code of its own. */
int attns_has_table(sqlite3 *db, const char *schema, const char *table, char **error,
                    int *out) {
  int rc = sqlite3_table_column_metadata(db, schema, table, NULL, NULL, NULL, NULL, NULL,
                                         NULL);
  *out = rc == SQLITE_OK;
  return rc == SQLITE_OK || rc == SQLITE_ERROR ? SQLITE_OK
                                               : attns_sql_db_error(db, "libattn", error);
}

int attns_prepare(sqlite3 *db, sqlite3_stmt **out, char **error, const char *format,
                  ...) {
  va_list ap;
  va_start(ap, format);
  char *sql = sqlite3_vmprintf(format, ap);
  va_end(ap);
  *out = NULL;
  if (!sql) return SQLITE_NOMEM;
  int rc = sqlite3_prepare_v2(db, sql, -1, out, NULL);
  sqlite3_free(sql);
  return rc == SQLITE_OK ? rc : attns_sql_db_error(db, "libattn", error);
}

static int check_query(sqlite3_stmt *first, sqlite3_stmt *second, const char *function,
                       char **error) {
  const char *problem = NULL;
  if (!first) {
    problem = "the query is empty";
  } else if (second) {
    problem = "the query is more than one statement";
  } else if (!sqlite3_stmt_readonly(first)) {
    problem = "the query writes; expected a SELECT";
  } else if (sqlite3_bind_parameter_count(first)) {
    problem = "the query has parameters, and nothing gives them a value";
  }
  return problem ? attns_sql_fail(error, SQLITE_ERROR, "%s: %s", function, problem)
                 : SQLITE_OK;
}

static int query_error(sqlite3 *db, const char *function, char **error) {
  char doing[64];
  sqlite3_snprintf(sizeof doing, doing, "%s: query", function);
  return attns_sql_db_error(db, doing, error);
}

int attns_prepare_query(sqlite3 *db, const char *function, attn_text sql, char **error,
                        sqlite3_stmt **out) {
  sqlite3_stmt *second = NULL;
  const char *rest = NULL;
  *out = NULL;
  int rc = sqlite3_prepare_v2(db, sql.text, (int)sql.n_text, out, &rest);
  if (rc == SQLITE_OK && *out) {
    int n_rest = (int)(sql.text + sql.n_text - rest);
    rc = sqlite3_prepare_v2(db, rest, n_rest, &second, NULL);
  }
  if (rc == SQLITE_OK) {
    rc = check_query(*out, second, function, error);
  } else {
    rc = query_error(db, function, error);
  }
  sqlite3_finalize(second);
  return rc;
}

/* The bytes of a statement without the semicolon that ends it. */
static int body_length(const char *sql) {
  size_t n = strlen(sql);
  while (n && strchr(" \t\r\n\f;", sql[n - 1])) n--;
  return (int)n;
}

/* A query that is read while a statement of the same connection writes might see what
** that one writes, and in INSERT INTO docs ... FROM attn_embed_each('... docs') never
** end.  So all of it is read first then, into a temporary table of SQLite's, which goes
** to a file when it gets large. */
int attns_prepare_texts(sqlite3 *db, const char *function, attn_text sql, char **error,
                        sqlite3_stmt **out) {
  sqlite3_stmt *stmt = NULL;
  int rc = attns_prepare_query(db, function, sql, error, out);
  int n_column = sqlite3_column_count(*out);
  if (rc == SQLITE_OK && n_column != 2) {
    rc = attns_sql_fail(error, SQLITE_ERROR,
                        "%s: the query has %d column%s; expected two, an id and a text",
                        function, n_column, n_column == 1 ? "" : "s");
  }
  if (rc != SQLITE_OK || !attns_is_writing(db)) return rc;
  const char *text = sqlite3_sql(*out);
  rc = attns_prepare(db, &stmt, error,
                     "WITH \"%w()\" AS MATERIALIZED (SELECT * FROM (\n%.*s\n)"
                     " UNION ALL SELECT NULL, NULL WHERE 0)" /* or 3.38 merges the two */
                     " SELECT * FROM \"%w()\"",
                     function, body_length(text), text, function);
  if (rc != SQLITE_OK) return rc;
  sqlite3_finalize(*out);
  *out = stmt;
  return SQLITE_OK;
}

int attns_value_count(sqlite3_value *value, const char *function, uint32_t absent,
                      char **error, uint32_t *out) {
  *out = absent;
  if (!value || sqlite3_value_type(value) == SQLITE_NULL) return SQLITE_OK;
  char what[64];
  sqlite3_int64 k;
  sqlite3_snprintf(sizeof what, what, "%s: k", function);
  int rc = attns_value_whole(value, what, 0, INT64_MAX, error, &k);
  if (rc == SQLITE_OK) *out = k > INT32_MAX ? INT32_MAX : (uint32_t)k;
  return rc;
}

/* The text of the row that the query stands on. */
static int take_text(sqlite3_stmt *query, const char *function, sqlite3_int64 row,
                     attn_status (*each)(void *ctx, attn_text text, attn_error *err),
                     void *ctx, char **error) {
  attn_error err = {0};
  int type = sqlite3_column_type(query, 0);
  if (type == SQLITE_NULL) return SQLITE_OK;
  if (type == SQLITE_BLOB) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "%s: row %lld: text is a blob; expected text", function, row);
  }
  attn_text text = {(const char *)sqlite3_column_text(query, 0), 0};
  if (!text.text) return SQLITE_NOMEM;
  text.n_text = (size_t)sqlite3_column_bytes(query, 0);
  return attns_function_status(function, each(ctx, text, &err), &err, error);
}

int attns_each_text(sqlite3 *db, const char *function, attn_text sql,
                    attn_status (*each)(void *ctx, attn_text text, attn_error *err),
                    void *ctx, char **error) {
  sqlite3_stmt *query = NULL;
  sqlite3_int64 row = 0;
  int rc = attns_prepare_query(db, function, sql, error, &query);
  int n_column = sqlite3_column_count(query);
  if (rc == SQLITE_OK && n_column != 1) {
    rc = attns_sql_fail(error, SQLITE_ERROR,
                        "%s: the query has %d columns; expected one, the text", function,
                        n_column);
  }
  while (rc == SQLITE_OK && (rc = sqlite3_step(query)) == SQLITE_ROW) {
    rc = take_text(query, function, ++row, each, ctx, error);
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (rc != SQLITE_OK && !*error && rc != SQLITE_NOMEM) {
    rc = query_error(db, function, error);
  }
  sqlite3_finalize(query);
  return rc;
}

int attns_is_writing(sqlite3 *db) {
  sqlite3_stmt *stmt = sqlite3_next_stmt(db, NULL);
  while (stmt && !(sqlite3_stmt_busy(stmt) && !sqlite3_stmt_readonly(stmt))) {
    stmt = sqlite3_next_stmt(db, stmt);
  }
  return stmt != NULL;
}

int attns_exec(sqlite3 *db, char **error, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  char *sql = sqlite3_vmprintf(format, ap);
  va_end(ap);
  if (!sql) return SQLITE_NOMEM;
  int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
  sqlite3_free(sql);
  return rc == SQLITE_OK ? rc : attns_sql_db_error(db, "libattn", error);
}

/* To go back must not take memory, of which there may be none left; so the way back
** is made before the way forth, by attns_change_ready. */
int attns_change_ready(sqlite3 *db, attns_change *change, char **error) {
  int rc = attns_prepare(db, &change->back, error, "ROLLBACK TO attn_change");
  return rc == SQLITE_OK
             ? attns_prepare(db, &change->release, error, "RELEASE attn_change")
             : rc;
}

static int run(sqlite3 *db, sqlite3_stmt *stmt, const char *sql) {
  if (!stmt) return sqlite3_exec(db, sql, NULL, NULL, NULL);
  sqlite3_step(stmt);
  return sqlite3_reset(stmt);
}

static int take_back(sqlite3 *db, const attns_change *change) {
  int rc = run(db, change->back, "ROLLBACK TO attn_change");
  return rc == SQLITE_OK ? run(db, change->release, "RELEASE attn_change") : rc;
}

/* An interrupt stops those statements, too, and the parser, as long as the statement
** around them runs.  But SQLite takes a transaction back of which a write is interrupted:
** this one, which needs no parser, where the schema has been read, and opens what nobody
** writes to. */
#define NOBODY "main", "sqlite_master", "sql"

static void interrupt_write(sqlite3 *db) {
  sqlite3_blob *blob = NULL;
  sqlite3_blob_open(db, NOBODY, 1, 1, &blob);
  sqlite3_blob_close(blob);
}

static void leave(sqlite3 *db, const attns_change *change) {
  if (take_back(db, change) == SQLITE_OK || sqlite3_get_autocommit(db)) return;
  interrupt_write(db);
  if (!sqlite3_get_autocommit(db))
    take_back(db, change); /* a progress handler's is over */
}

int attns_begin(sqlite3 *db, char **error) {
  const int alone = sqlite3_get_autocommit(db);
  int rc = sqlite3_table_column_metadata(db, NOBODY, NULL, NULL, NULL, NULL, NULL);
  if (rc != SQLITE_OK) return attns_sql_db_error(db, "libattn", error);
  rc = attns_exec(db, error, "SAVEPOINT attn_change");
  /* Interrupted when it was done, it has begun a transaction all the same. */
  if (rc != SQLITE_OK && alone && !sqlite3_get_autocommit(db))
    leave(db, &(attns_change){0});
  return rc;
}

int attns_end(sqlite3 *db, attns_change *change, int done, char **error) {
  if (done == SQLITE_OK) {
    done = run(db, change->release, "RELEASE attn_change");
    if (done != SQLITE_OK) done = attns_sql_db_error(db, "libattn", error);
  }
  /* The first error is the one to tell.  What could not be taken back is never released:
  ** the transaction stays open, for the caller to roll back. */
  if (done != SQLITE_OK) leave(db, change);
  sqlite3_finalize(change->back);
  sqlite3_finalize(change->release);
  return done;
}
