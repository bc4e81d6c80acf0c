/*
** thread_count.c - attn_threads([n]): how many threads share out a batch.
**
**   SELECT attn_threads()     the number in force
**   SELECT attn_threads(4)    at most four, for the whole process
**   SELECT attn_threads(0)    as many as this process may use cores: the default
*/
#include "sql.h"

static void get_threads(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  uint32_t n, n_running;
  (void)argc, (void)argv;
  attn_get_threads(&n, &n_running);
  sqlite3_result_int64(ctx, n);
}

static void set_threads(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  sqlite3_int64 n = sqlite3_value_int64(argv[0]);
  if (sqlite3_value_numeric_type(argv[0]) != SQLITE_INTEGER || n < 0 ||
      n > ATTN_MAX_THREADS) {
    char *error = NULL;
    int rc =
        attns_sql_fail(&error, SQLITE_ERROR,
                       "attn_threads: the number of threads is %!.40s; expected 1 to "
                       "%d, or 0 for the number of cores",
                       attns_value_found(argv[0]), ATTN_MAX_THREADS);
    attns_result_error(ctx, rc, error);
    return;
  }
  attn_set_threads((uint32_t)n);
  get_threads(ctx, argc, argv);
}

const attns_function attns_threads_functions[] = {
    {"attn_threads", 0, SQLITE_UTF8, get_threads},
    {"attn_threads", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, set_threads},
    {NULL, 0, 0, NULL},
};
