/*
** info.c - attn_version() and attn_info().
*/
#include "sql.h"

static void version(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  sqlite3_result_text(ctx, ATTN_VERSION, -1, SQLITE_STATIC);
}

/* JSON, so that a further fact breaks nobody: attn_info() ->> 'isa' */
static void info(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  uint32_t n_model, n_thread, n_running;
  uint64_t n_byte;
  (void)argc, (void)argv;
  attn_model_totals(&n_model, &n_byte);
  attn_get_threads(&n_thread, &n_running);
  char *json = sqlite3_mprintf("{\"version\":\"%s\",\"isa\":\"%s\",\"threads\":%u,"
                               "\"threads_running\":%u,"
                               "\"models\":%u,\"model_bytes\":%llu,"
                               "\"sqlite\":\"%s\",\"sqlite_bytes\":%lld}",
                               ATTN_VERSION, attn_isa_name(), n_thread, n_running,
                               n_model, (unsigned long long)n_byte, sqlite3_libversion(),
                               sqlite3_memory_used());
  if (!json) {
    sqlite3_result_error_nomem(ctx);
    return;
  }
  sqlite3_result_text(ctx, json, -1, sqlite3_free);
  sqlite3_result_subtype(ctx, 'J');
}

const attns_function attns_info_functions[] = {
    {"attn_info", 0, SQLITE_UTF8 | SQLITE_RESULT_SUBTYPE, info},
    {"attn_version", 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC, version},
    {NULL, 0, 0, NULL},
};
