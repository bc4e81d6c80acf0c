/*
** cursor.h - a query that is under way.
*/
#ifndef ATTNX_CURSOR_H
#define ATTNX_CURSOR_H

#include "index.h"

/* Rowids, ascending once they are complete. */
typedef struct attnx_ids {
  sqlite3_int64 *id;
  size_t n, n_alloc;
} attnx_ids;

/* A set of them. */
typedef struct attnx_id_set {
  sqlite3_uint64 *key; /* id + 1; 0: an empty slot */
  size_t n, n_slot;    /* n_slot: a power of 2 */
  int has_last;        /* has -1 */
} attnx_id_set;

typedef struct attnx_cursor {
  sqlite3_vtab_cursor base;
  int flags, eof;
  sqlite3_int64 rowid;  /* of the current row */
  sqlite3_stmt *rows;   /* a scan; NULL: a search */
  sqlite3_stmt *source; /* the columns of a row */
  int has_row;          /* source stands on row source_id */
  sqlite3_int64 source_id;
  int skips_ghosts; /* a scan, of rows that the content has */
  int no_content;   /* there is no content table, and rows are given by rowid alone */

  /* What is searched for. */
  float *query;
  sqlite3_value *match;  /* that query was made of */
  sqlite3_uint64 wanted; /* rows at most */
  int has_k;
  double low, high; /* distances */
  int low_open, high_open;
  int has_filter;
  uint32_t n_unscanned; /* lists that the search did without */
  attnx_ids filter;

  /* Where the search is. */
  attn_search *search;
  sqlite3_blob *vectors;
  sqlite3_uint64 k;     /* rows that it was made for, 0: all */
  sqlite3_uint64 n_hit; /* rows that it has given */
  sqlite3_uint64 n_given;
  sqlite3_uint64 n_change; /* of the index, when it was made */
  int is_exact;            /* it leaves no row out */
  int in_order;            /* rows come by distance, and is_exact from the first on */
  attnx_id_set seen;       /* rows that were met, where the order does not tell */
  attn_hit *held;          /* rows in order, of which the first n_given were given */
  size_t n_held, n_held_alloc;
  size_t n_collect; /* rows to collect before any is given; 0: none */
  double distance;  /* of the current row */
  sqlite3_int64 place;
  int rc; /* why vectors could not be fetched */
} attnx_cursor;

/* The type of the pointer that the table-named column reads as in a search. */
#define ATTNX_CURSOR_TYPE "attn_cursor"

static inline attnx_index *attnx_cursor_index(const attnx_cursor *cursor) {
  return (attnx_index *)cursor->base.pVtab;
}

int attnx_cursor_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out);
int attnx_cursor_close(sqlite3_vtab_cursor *base);
int attnx_cursor_filter(sqlite3_vtab_cursor *base, int flags, const char *text, int argc,
                        sqlite3_value **argv);
int attnx_cursor_next(sqlite3_vtab_cursor *base);
int attnx_cursor_eof(sqlite3_vtab_cursor *base);
int attnx_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out);
int attnx_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i);
int attnx_cursor_find_function(sqlite3_vtab *base, int n, const char *name,
                               void (**function)(sqlite3_context *, int,
                                                 sqlite3_value **),
                               void **user_data);

/* Makes cursor->source stand on the current row. */
int attnx_cursor_source(attnx_cursor *cursor);

#endif
