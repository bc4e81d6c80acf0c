/*
** register.c - everything that libattn offers, in one place.
**
** A name that begins with vec_ is registered only where the connection has none
** of that name yet, so that a sqlite-vec that was loaded first stays in charge.
*/
#include "connection.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const attn_function *const functions[] = {
    attn_embed_functions,  attn_tokens_functions, attn_models_functions,
    attn_import_functions, attn_export_functions, attn_threads_functions,
    attn_index_functions,  attn_info_functions,   attn_highlight_functions,
};

static const attn_table *const tables[] = {
    &attn_models_table,
    &attn_tokens_table,
    &attn_status_table,
    &attn_embed_each_table,
};

static int register_function(attn_connection *c, const attn_function *f) {
  attn_connection_retain(c);
  return sqlite3_create_function_v2(attn_connection_db(c), f->name, f->n_arg, f->flags, c,
                                    f->call, NULL, NULL, attn_connection_release);
}

/* Is `name` among names, each of which has a blank on either side? */
static int lists(const char *names, const char *name) {
  size_t n = strlen(name);
  for (const char *p = names; (p = strstr(p, name)) != NULL; p += n) {
    if (p[-1] == ' ' && p[n] == ' ') return 1;
  }
  return 0;
}

/* What of the names below the connection has already, as lists takes them.  One query
** for all: the list of functions is long. */
static int taken_names(sqlite3 *db, char **error, char **out) {
  sqlite3_stmt *stmt;
  *out = NULL;
  int rc =
      attn_prepare(db, &stmt, error,
                   "SELECT ' ' || coalesce(group_concat(name, ' '), '') || ' ' FROM ("
                   " SELECT name FROM pragma_function_list UNION ALL"
                   " SELECT name FROM pragma_module_list)"
                   " WHERE name GLOB 'vec_*' OR name = 'attn_version'");
  if (rc != SQLITE_OK) return rc;
  rc = sqlite3_step(stmt);
  if (rc == SQLITE_ROW) {
    const char *names = (const char *)sqlite3_column_text(stmt, 0);
    if (names) *out = sqlite3_mprintf("%s", names);
    rc = *out ? SQLITE_OK : SQLITE_NOMEM;
  } else {
    rc = attn_sql_db_error(db, "libattn", error);
  }
  sqlite3_finalize(stmt);
  return rc;
}

static int register_vec(attn_connection *c, const char *taken) {
  int rc = SQLITE_OK;
  for (const attn_function *f = attn_vec_functions; rc == SQLITE_OK && f->name; f++) {
    if (!lists(taken, f->name)) rc = register_function(c, f);
  }
  if (rc == SQLITE_OK && !lists(taken, attn_vec_each_table.name)) {
    rc = attn_table_register(c, &attn_vec_each_table);
  }
  return rc;
}

/* attn_version comes last: that it is there says that all is. */
static int register_all(attn_connection *c, const char *taken) {
  int rc = register_vec(c, taken);
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof tables / sizeof tables[0]; i++) {
    rc = attn_table_register(c, tables[i]);
  }
  if (rc == SQLITE_OK) rc = attn_index_register(c);
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    for (const attn_function *f = functions[i]; rc == SQLITE_OK && f->name; f++) {
      rc = register_function(c, f);
    }
  }
  return rc;
}

static void *memory_alloc(uint64_t n) {
  return sqlite3_malloc64(n);
}
static void *memory_resize(void *p, uint64_t n) {
  return sqlite3_realloc64(p, n);
}
static void memory_release(void *p) {
  sqlite3_free(p);
}

/* Once per process, as connections may be opened by several threads. */
static void set_allocator(void) {
  static const attn_allocator allocator = {memory_alloc, memory_resize, memory_release};
  attn_set_allocator(&allocator);
}

int attn_register(sqlite3 *db, char **error) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  attn_connection *c;
  attn_error err;
  pthread_once(&once, set_allocator);
  if (attn_isa_init(getenv("ATTN_ISA"), &err) != ATTN_OK) {
    return attn_sql_fail(error, SQLITE_ERROR, "libattn: %s", err.message);
  }
  char *taken;
  int rc = taken_names(db, error, &taken);
  /* Loaded a second time, there is nothing to do, nor may a statement that runs, as
  ** SELECT load_extension(...) does, replace functions. */
  if (rc == SQLITE_OK && !lists(taken, "attn_version")) {
    rc = attn_connection_new(db, &c);
    if (rc == SQLITE_OK) {
      rc = register_all(c, taken);
      attn_connection_release(c);
    }
  }
  sqlite3_free(taken);
  return rc;
}
