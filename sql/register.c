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

static const attns_function *const functions[] = {
    attns_embed_functions,   attns_tokens_functions,    attns_models_functions,
    attns_import_functions,  attns_export_functions,    attns_quantize_functions,
    attns_threads_functions, attns_limit_functions,     attns_content_functions,
    attns_cache_functions,   attns_info_functions,      attns_highlight_functions,
    attns_decode_functions,  attns_embedding_functions, attns_matrix_functions,
    attns_step_functions,    attns_svg_functions,       attns_train_tokenizer_functions,
};

static const attns_table *const tables[] = {
    &attns_models_table,     &attns_tokens_table,    &attns_status_table,
    &attns_embed_each_table, &attns_attention_table, &attns_heads_table,
    &attns_hidden_table,     &attns_explain_table,   &attns_generate_table,
    &attns_rows_table,       &attns_train_table,     &attns_nearest_table,
    &attns_limits_table,     &attns_fill_mask_table, &attns_cloze_table,
};

/* ------------------------------------------------------------------ a function's call */

static attns_registration *new_registration(attns_connection *c,
                                            const attns_function *f) {
  attns_registration *r = sqlite3_malloc64(sizeof *r);
  if (!r) return NULL;
  *r = (attns_registration){c, f};
  attns_connection_retain(c);
  return r;
}

static void free_registration(void *user_data) {
  attns_registration *r = user_data;
  attns_connection_release(r->connection);
  sqlite3_free(r);
}

/* Is `name`, in lower case, in a text? */
static int mentions(const char *text, const char *name) {
  int n = (int)strlen(name);
  while (*text && sqlite3_strnicmp(text, name, n) != 0) text++;
  return *text != 0;
}

static int is_named_by_statement(sqlite3 *db, const char *function) {
  sqlite3_stmt *stmt = NULL;
  while ((stmt = sqlite3_next_stmt(db, stmt)) != NULL) {
    const char *sql = sqlite3_stmt_busy(stmt) ? sqlite3_sql(stmt) : NULL;
    if (sql && mentions(sql, function)) return 1;
  }
  return 0;
}

/* SQLITE_DIRECTONLY should say who may call, but SQLite 3.40 lets a CHECK constraint call
** what is direct only, and checks are made by whoever writes to the table, or by PRAGMA
** integrity_check.  So a statement that runs has to name the function, and the statements
** that such a function runs itself, over tables that may have such constraints, may call
** no other. */
static void call_direct(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  const attns_registration *r = sqlite3_user_data(ctx);
  char *error = NULL;
  if (is_named_by_statement(attns_connection_db(r->connection), r->function->name) &&
      attns_connection_enter(r->connection)) {
    r->function->call(ctx, argc, argv);
    attns_connection_leave(r->connection);
    return;
  }
  int rc = attns_sql_fail(&error, SQLITE_ERROR, "unsafe use of %s()", r->function->name);
  attns_result_error(ctx, rc, error);
}

static int register_function(attns_connection *c, const attns_function *f) {
  attns_registration *r = new_registration(c, f);
  if (!r) return SQLITE_NOMEM;
  return sqlite3_create_function_v2(attns_connection_db(c), f->name, f->n_arg, f->flags,
                                    r,
                                    f->flags & SQLITE_DIRECTONLY ? call_direct : f->call,
                                    NULL, NULL, free_registration);
}

static int register_aggregate(attns_connection *c, const attns_aggregate *a) {
  attns_registration *r = new_registration(c, &a->row);
  if (!r) return SQLITE_NOMEM;
  return sqlite3_create_function_v2(attns_connection_db(c), a->row.name, a->row.n_arg,
                                    a->row.flags, r, NULL, a->row.call, a->end,
                                    free_registration);
}

/* ------------------------------------------------------------------- names in use */

/* Is `name` among names, each of which has a blank on either side? */
static int lists(const char *names, const char *name) {
  size_t n = strlen(name);
  for (const char *p = names; (p = strstr(p, name)) != NULL; p += n) {
    if (p[-1] == ' ' && p[n] == ' ') return 1;
  }
  return 0;
}

/* Appends the names that a pragma lists and that matter here, each with a blank before
** and behind it. */
static int add_names(sqlite3 *db, const char *pragma, char **error, sqlite3_str *names) {
  sqlite3_stmt *stmt;
  int rc = attns_prepare(db, &stmt, error, "%s", pragma);
  if (rc != SQLITE_OK) return rc;
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(stmt, 0);
    if (!name) break;
    if (strncmp(name, "vec_", 4) == 0 || strcmp(name, "attn_version") == 0) {
      sqlite3_str_appendf(names, " %s ", name);
    }
  }
  if (rc == SQLITE_ROW) rc = SQLITE_NOMEM;
  if (rc == SQLITE_DONE)
    rc = SQLITE_OK;
  else if (rc != SQLITE_NOMEM)
    rc = attns_sql_db_error(db, "libattn", error);
  sqlite3_finalize(stmt);
  return rc;
}

/* What of those names the connection has already, as lists takes them.  Pragmas, not
** their table-valued functions: these would read the schema of a database that may be
** locked when the extension is loaded. */
static int taken_names(sqlite3 *db, char **error, char **out) {
  sqlite3_str *names = sqlite3_str_new(db);
  sqlite3_str_appendchar(names, 1, ' ');
  int rc = add_names(db, "PRAGMA function_list", error, names);
  if (rc == SQLITE_OK) rc = add_names(db, "PRAGMA module_list", error, names);
  if (rc == SQLITE_OK) rc = sqlite3_str_errcode(names);
  *out = sqlite3_str_finish(names);
  return rc == SQLITE_OK && !*out ? SQLITE_NOMEM : rc;
}

/* --------------------------------------------------------------------- all of it */

static int register_vec(attns_connection *c, const char *taken) {
  int rc = SQLITE_OK;
  for (const attns_function *f = attns_vec_functions; rc == SQLITE_OK && f->name; f++) {
    if (!lists(taken, f->name)) rc = register_function(c, f);
  }
  if (rc == SQLITE_OK && !lists(taken, attns_vec_each_table.name)) {
    rc = attns_table_register(c, &attns_vec_each_table);
  }
  return rc;
}

/* attn_version comes last: that it is there says that all is. */
static int register_all(attns_connection *c, const char *taken) {
  int rc = register_vec(c, taken);
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof tables / sizeof tables[0]; i++) {
    rc = attns_table_register(c, tables[i]);
  }
  if (rc == SQLITE_OK) rc = attns_index_register(c);
  for (const attns_aggregate *a = attns_matrix_aggregates; rc == SQLITE_OK && a->row.name;
       a++) {
    rc = register_aggregate(c, a);
  }
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    for (const attns_function *f = functions[i]; rc == SQLITE_OK && f->name; f++) {
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

int attns_register(sqlite3 *db, char **error) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  attns_connection *c;
  attn_error err;
  pthread_once(&once, set_allocator);
  if (attn_isa_init(getenv("ATTN_ISA"), &err) != ATTN_OK) {
    return attns_sql_fail(error, SQLITE_ERROR, "libattn: %s", err.message);
  }
  char *taken;
  int rc = taken_names(db, error, &taken);
  /* Loaded a second time, there is nothing to do, nor may a statement that runs, as
  ** SELECT load_extension(...) does, replace functions. */
  if (rc == SQLITE_OK && !lists(taken, "attn_version")) {
    rc = attns_connection_new(db, &c);
    if (rc == SQLITE_OK) {
      rc = register_all(c, taken);
      if (rc != SQLITE_OK && rc != SQLITE_NOMEM && !*error) {
        rc = attns_sql_db_error(db, "libattn", error);
      }
      attns_connection_release(c);
    }
  }
  sqlite3_free(taken);
  return rc;
}
