/*
** sql.h - what the files of sql/ share: one connection's state, and the tables
** by which they say what they offer.
**
** Errors: inside sql/ a function returns an SQLite result code; where it can
** say more, *error is set to a message from sqlite3_mprintf, which the caller
** owns.  Messages of the engine are handed on as they are.
*/
#ifndef ATTNS_SQL_H
#define ATTNS_SQL_H

#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT3

#include "../engine/attn.h"
#include <stdarg.h>

#ifndef SQLITE_RESULT_SUBTYPE
#define SQLITE_RESULT_SUBTYPE 0x001000000 /* since 3.45; ignored before */
#endif

/* The subtypes of sqlite-vec. */
enum { ATTNS_SUBTYPE_F32 = 223, ATTNS_SUBTYPE_BIT = 224, ATTNS_SUBTYPE_INT8 = 225 };

/* ------------------------------------------------------------------ connections */

/* The state of one database connection, which every function is registered with; it
** lives as long as one of them is. */
typedef struct attns_connection attns_connection;

/* That of a function that is called. */
attns_connection *attns_connection_of(sqlite3_context *ctx);

sqlite3 *attns_connection_db(attns_connection *c);

/* The model of that name ("name" or "schema.name"; NULL: the default model),
** loaded if it was not.  Borrowed: valid until the next call on the connection.  One that
** is a tokenizer alone is an error. */
int attns_connection_model(attns_connection *c, const char *name, char **error,
                           const attn_model **out);

/* The same for an argument of a function: NULL or absent means the default. */
int attns_connection_model_value(attns_connection *c, sqlite3_value *value, char **error,
                                 const attn_model **out);

/* The same where a tokenizer alone will do. */
int attns_connection_tokenizer_value(attns_connection *c, sqlite3_value *value,
                                     char **error, const attn_model **out);

/* Scratch memory for the engine; NULL when there is no memory. */
attn_workspace *attns_connection_workspace(attns_connection *c);

/* Goes into a table of ours, and out of it again.  A database can have tables that lead
** from one to the next, by content tables and views, and back to the first: the error is
** that there are too many of them one in the other, each of which takes some ten KB of a
** stack.  `table` is named in it. */
enum { ATTNS_MAX_DEPTH = 16 };

int attns_connection_nest(attns_connection *c, const char *table, char **error);
void attns_connection_unnest(attns_connection *c);

/* Lets go of models that the connection holds. */
void attns_connection_forget(attns_connection *c);

/* ---------------------------------------------------------- functions and tables */

/* A list of them ends with name NULL. */
typedef struct attns_function {
  const char *name;
  int n_arg; /* -1: any number */
  int flags;
  void (*call)(sqlite3_context *, int, sqlite3_value **);
} attns_function;

/* The same, for one value of many rows: call is asked a row. */
typedef struct attns_aggregate {
  attns_function row;
  void (*end)(sqlite3_context *);
} attns_aggregate;

extern const attns_aggregate attns_matrix_aggregates[];

extern const attns_function attns_embed_functions[], attns_tokens_functions[],
    attns_models_functions[], attns_import_functions[], attns_quantize_functions[],
    attns_export_functions[], attns_info_functions[], attns_threads_functions[],
    attns_limit_functions[], attns_vec_functions[], attns_content_functions[],
    attns_cache_functions[], attns_highlight_functions[], attns_matrix_functions[],
    attns_step_functions[], attns_svg_functions[], attns_decode_functions[],
    attns_embedding_functions[], attns_train_tokenizer_functions[];

/* A table-valued function whose rows are made by C code: columns first, then one
** hidden column per argument. */
typedef struct attns_rows attns_rows;

typedef struct attns_table {
  const char *name;
  const char *declaration; /* of the columns: "position INTEGER, ..., text HIDDEN" */
  int n_column;            /* without the hidden ones */
  int n_filter;            /* the first columns whose `= value` saves work, see open */
  int n_argument, n_required;
  int flags;         /* SQLITE_DIRECTONLY or 0 */
  int n_byte;        /* of the state that starts with attn_rows */
  double n_expected; /* rows, for the planner */
  /* Puts the rows before the first one.  Absent arguments are NULL pointers.  Behind
  ** the arguments is what the n_filter columns have to equal: rows that differ may be
  ** left out, as SQLite looks for itself. */
  int (*open)(attns_rows *rows, sqlite3_value **argument, char **error);
  /* Goes to the next row: SQLITE_ROW, SQLITE_DONE or an error. */
  int (*next)(attns_rows *rows, char **error);
  void (*column)(attns_rows *rows, sqlite3_context *ctx, int i);
  void (*close)(attns_rows *rows); /* also of half-opened rows */
} attns_table;

struct attns_rows {
  const attns_table *table;
  attns_connection *connection;
};

extern const attns_table attns_models_table, attns_tokens_table, attns_embed_each_table,
    attns_vec_each_table, attns_status_table, attns_attention_table, attns_heads_table,
    attns_hidden_table, attns_explain_table, attns_rows_table, attns_generate_table,
    attns_train_table, attns_nearest_table, attns_limits_table, attns_fill_mask_table,
    attns_cloze_table;

int attns_table_register(attns_connection *c, const attns_table *table);

/* The virtual table `attn`: see index/index.h. */
int attns_index_register(attns_connection *c);

/* Registers all that libattn offers on a connection. */
int attns_register(sqlite3 *db, char **error);

/* --------------------------------------------------------------------- conversion */

/* The result code for an engine's status, and its message, which can begin with the name
** of a function. */
int attns_sql_status(attn_status status, const attn_error *err, char **error);
int attns_function_status(const char *function, attn_status status, const attn_error *err,
                          char **error);

/* The bytes of the character that a text of n (at least 1) begins with, and its code; 0:
** it is no UTF-8. */
size_t attns_character(const char *text, size_t n, uint32_t *code);

/* A message, memory from sqlite3_malloc64: UTF-8, with ? for what is none in that which
** it quotes. */
char *attns_message(const char *format, va_list ap);

/* A message of our own: code, after *error is made. */
int attns_sql_fail(char **error, int code, const char *format, ...);

/* What SQLite itself said of the last call on the connection, after `doing`. */
int attns_sql_db_error(sqlite3 *db, const char *doing, char **error);

/* Makes code and message the result of a function; takes the message over. */
void attns_result_error(sqlite3_context *ctx, int code, char *error);

/* Makes a list from sqlite3_malloc, which is full, more than twice as long: it counts as
** memory of the call.  `list` is the address of the pointer; at first it gets `first`
** items. */
int attns_grow(void *list, size_t *n_alloc, size_t first, size_t size, char **error);

/* 1 when the connection has been asked to interrupt (SQLite 3.41 and later). */
int attns_interrupted(void *db);

/* The same for long work within one row, with any SQLite and with progress handlers,
** fifty times a second at most.  Start with all zero. */
typedef struct attns_ticker {
  sqlite3_stmt *tick;
  double asked; /* when it was, in seconds */
} attns_ticker;

int attns_ticker_open(sqlite3 *db, attns_ticker *ticker);
int attns_ticker_check(void *ticker); /* 1: stop */
void attns_ticker_close(attns_ticker *ticker);

/* What an argument is, for a message: its text, "NULL" or "a blob".  It is as long as
** the user likes: print it as %!.40s. */
const char *attns_value_found(sqlite3_value *value);

/* An argument that is a whole number, also as a text, from `least` to `most`; INT64_MAX:
** there is no most. */
int attns_value_whole(sqlite3_value *value, const char *what, sqlite3_int64 least,
                      sqlite3_int64 most, char **error, sqlite3_int64 *out);

/* The text of an argument, numbers as their text.  NULL and a blob are errors,
** in which `what` names the argument. */
int attns_value_text(sqlite3_value *value, const char *what, char **error,
                     attn_text *out);

/* The same for a name or a path, in which NUL is an error. */
int attns_value_name(sqlite3_value *value, const char *what, char **error,
                     attn_text *out);

/* *out is 1 if the schema has such a table.  A view is none: it may have rows without
** end, which nobody has stored. */
int attns_has_table(sqlite3 *db, const char *schema, const char *table, char **error,
                    int *out);

/* Prepares the statement that the format (of sqlite3_mprintf) makes. */
int attns_prepare(sqlite3 *db, sqlite3_stmt **out, char **error, const char *format, ...);

/* Prepares a query that somebody has written for `function`: one statement, which only
** reads and has no parameters. */
int attns_prepare_query(sqlite3 *db, const char *function, attn_text sql, char **error,
                        sqlite3_stmt **out);

/* The same of two columns, an id and a text.  Whoever reads it sees nothing that is
** written meanwhile. */
int attns_prepare_texts(sqlite3 *db, const char *function, attn_text sql, char **error,
                        sqlite3_stmt **out);

/* k, the last argument of `function`: how many tokens are wanted. */
int attns_value_count(sqlite3_value *value, const char *function, uint32_t absent,
                      char **error, uint32_t *out);

/* Runs a query of one column, whose texts (none is NULL) are given to `each`, and whose
** rows count from 1. */
int attns_each_text(sqlite3 *db, const char *function, attn_text sql,
                    attn_status (*each)(void *ctx, attn_text text, attn_error *err),
                    void *ctx, char **error);

/* 1 when the statement that is run, or one around it, writes. */
int attns_is_writing(sqlite3 *db);

/* Runs statements made by a format. */
int attns_exec(sqlite3 *db, char **error, const char *format, ...);

/* A change of several statements, all of it or nothing.  It is begun, made ready (where
** it creates tables: after that), done, and ended with the result of what was done;
** attns_end returns the result of all.  Start with all zero. */
typedef struct attns_change {
  sqlite3_stmt *back, *release;
} attns_change;

int attns_begin(sqlite3 *db, char **error);
int attns_change_ready(sqlite3 *db, attns_change *change, char **error);
int attns_end(sqlite3 *db, attns_change *change, int done, char **error);

#endif
