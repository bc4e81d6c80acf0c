/*
** limit.c - attn_limit(name [, value]) and the table attn_limits.
**
**   SELECT attn_limit('layers')        the limit in force
**   SELECT attn_limit('layers', 24)    lowers it, or raises it up to its maximum
**   SELECT * FROM attn_limits          all of them
**
** They are for the whole process, as the memory that they guard and the models that are
** loaded are.
*/
#include "sql.h"

static int find_limit(sqlite3_value *value, char **error, attn_limit *out) {
  attn_text name;
  int rc = attns_value_name(value, "attn_limit: name", error, &name);
  if (rc != SQLITE_OK || attn_limit_find(name, out)) return rc;
  sqlite3_str *known = sqlite3_str_new(NULL);
  for (int i = 0; i < ATTN_N_LIMIT; i++) {
    sqlite3_str_appendf(known, "%s%s", i ? ", " : "",
                        attn_limit_get_row((attn_limit)i)->name);
  }
  char *names = sqlite3_str_finish(known);
  if (!names) return SQLITE_NOMEM;
  rc = attns_sql_fail(error, SQLITE_ERROR,
                      "attn_limit: no limit \"%!.40s\"; there are: %s", name.text, names);
  sqlite3_free(names);
  return rc;
}

static int set_limit(attn_limit which, sqlite3_value *value, char **error) {
  const attn_limit_row *row = attn_limit_get_row(which);
  sqlite3_int64 n;
  char what[64];
  sqlite3_snprintf(sizeof what, what, "attn_limit: %s", row->name);
  int rc = attns_value_whole(value, what, 1, (sqlite3_int64)row->maximum, error, &n);
  if (rc == SQLITE_OK) attn_limit_set(which, (uint64_t)n);
  return rc;
}

static void limit(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attn_limit which = ATTN_LIMIT_LAYERS;
  char *error = NULL;
  int rc = find_limit(argv[0], &error, &which);
  if (rc == SQLITE_OK && argc > 1) rc = set_limit(which, argv[1], &error);
  if (rc == SQLITE_OK) {
    sqlite3_result_int64(ctx, (sqlite3_int64)attn_limit_get(which));
  } else {
    attns_result_error(ctx, rc, error);
  }
}

const attns_function attns_limit_functions[] = {
    {"attn_limit", 1, SQLITE_UTF8, limit},
    {"attn_limit", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, limit},
    {NULL, 0, 0, NULL},
};

/* -------------------------------------------------------------------- attn_limits */

typedef struct limit_rows {
  attns_rows base;
  int n; /* rows that were given */
} limit_rows;

static int open_limits(attns_rows *base, sqlite3_value **argument, char **error) {
  (void)base, (void)argument, (void)error; /* it starts with all zero */
  return SQLITE_OK;
}

static int next_limit(attns_rows *base, char **error) {
  (void)error;
  return ((limit_rows *)base)->n++ < ATTN_N_LIMIT ? SQLITE_ROW : SQLITE_DONE;
}

static void limits_column(attns_rows *base, sqlite3_context *ctx, int i) {
  attn_limit which = (attn_limit)(((limit_rows *)base)->n - 1);
  const attn_limit_row *row = attn_limit_get_row(which);
  switch (i) {
  case 0:
    sqlite3_result_text(ctx, row->name, -1, SQLITE_STATIC);
    break;
  case 1:
    sqlite3_result_int64(ctx, (sqlite3_int64)attn_limit_get(which));
    break;
  case 2:
    sqlite3_result_int64(ctx, (sqlite3_int64)row->maximum);
    break;
  default:
    sqlite3_result_text(ctx, row->of, -1, SQLITE_STATIC);
    break;
  }
}

static void close_limits(attns_rows *base) {
  (void)base;
}

const attns_table attns_limits_table = {
    .name = "attn_limits",
    .declaration = "name TEXT, value INTEGER, maximum INTEGER, counts TEXT",
    .n_column = 4,
    .n_byte = sizeof(limit_rows),
    .n_expected = ATTN_N_LIMIT,
    .open = open_limits,
    .next = next_limit,
    .column = limits_column,
    .close = close_limits,
};
