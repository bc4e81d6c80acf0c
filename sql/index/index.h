/*
** index.h - the `attn` virtual table from the inside.
**
**     CREATE VIRTUAL TABLE docs_ai USING attn(body, year INTEGER, content='docs');
**
** Like FTS5 it is a table over shadow tables; unlike FTS5's terms it keeps one
** vector for each row, and finds the rows whose vectors are nearest to another.
**
**   config.c    what stands between the parentheses
**   storage.c   the shadow tables and the statements over them
**   cache.c     codes in memory, shared by the connections of a process
**   chunks.c    vectors and codes: directory, free slots, changes
**   flush.c     writes what is changed of them
**   ivf.c       lists of chunks, of which a search scans the nearest
**   embed.c     from texts to vectors, by the model that the index remembers
**   rows.c      insert, update, delete
**   sync.c      pending rows, step, rebuild, optimize
**   plan.c      what a query asks for: xBestIndex, and the rows that a filter lets through
**   query.c     the cursor: scans, searches, columns
**   check.c     integrity-check
**   command.c   INSERT INTO docs_ai(docs_ai, rank) VALUES('command', n)
**   status.c    attn_status, attn_triggers, attn_cache
**   highlight.c attn_highlight
**   vtab.c      the module
**
** Functions return an SQLite result code, and leave their message in
** index->base.zErrMsg, from where SQLite takes it.
*/
#ifndef ATTN_INDEX_H
#define ATTN_INDEX_H

#include "../sql.h"

/* ---------------------------------------------------------------- configuration */

typedef enum attn_column_kind {
  ATTN_COLUMN_TEXT,  /* to be embedded */
  ATTN_COLUMN_PLAIN, /* stored, and filtered by */
  ATTN_COLUMN_VECTOR /* the row's vector, where the user brings it */
} attn_column_kind;

typedef struct attn_column {
  char *name, *type; /* type: as declared, "" for none */
  attn_column_kind kind;
  int is_not_null; /* of a plain one */
} attn_column;

typedef enum attn_content {
  ATTN_CONTENT_OWN,      /* the table stores its columns */
  ATTN_CONTENT_EXTERNAL, /* another table does */
  ATTN_CONTENT_NONE      /* texts are not kept */
} attn_content;

/* The arguments of CREATE VIRTUAL TABLE; config.c has their grammar. */
typedef struct attn_config {
  char *schema, *table;
  attn_column *column;
  int n_column, n_text, vector; /* vector: its column, -1 for none */
  attn_content content;
  char *content_table, *content_rowid;
  char *model; /* NULL: the default when the table is made */
  attn_metric metric;
  uint32_t dimension; /* of the vector column, 0 without one */
  int prompts;        /* put the model's prompts before queries and documents */
  int deferred;       /* new rows wait for 'step' */
  int exact;          /* results identical to brute force */
  int window;         /* tokens of a window, 0: a text is one */
  int overlap;        /* tokens that two windows share */
  int lists;          /* that 'optimize' makes; -1: as it sees fit */
  int probes;         /* lists that a search scans; 0: as it sees fit */
} attn_config;

int attn_config_parse(int argc, const char *const *argv, char **error, attn_config *out);
void attn_config_free(attn_config *config);

/* What a new table may not have, and old ones may: columns with constraints, by which
** SQLite would change rows of a shadow table behind the index's back. */
int attn_config_check_new(const attn_config *config, char **error);

/* "a, b" for sqlite3_declare_vtab: the columns and the hidden ones behind them. */
char *attn_config_declaration(const attn_config *config);

/* The hidden columns, counted from n_column. */
enum { ATTN_HIDDEN_MATCH, ATTN_HIDDEN_K, ATTN_HIDDEN_DISTANCE, ATTN_HIDDEN_RANK };

/* 1 where the table keeps the values of that column itself. */
int attn_config_keeps(const attn_config *config, int column);

/* 1 for a text that nobody keeps. */
int attn_config_forgets(const attn_config *config, int column);

/* 1 where the table has a model, and texts become vectors. */
int attn_config_embeds(const attn_config *config);

/* ---------------------------------------------------------------------- storage */

/* Statements over the shadow tables, in the order of storage.c. */
typedef enum attn_statement {
  ATTN_CONFIG_GET,
  ATTN_CONFIG_SET,
  ATTN_CONFIG_ALL,
  ATTN_ROW_GET,
  ATTN_ROW_LAST,
  ATTN_ROW_PUT,
  ATTN_ROW_PLACE,
  ATTN_ROW_DELETE,
  ATTN_CONTENT_PUT,
  ATTN_CONTENT_DELETE,
  ATTN_SOURCE_GET,
  ATTN_PENDING_PUT,
  ATTN_PENDING_DELETE,
  ATTN_PENDING_NEXT,
  ATTN_WINDOW_PUT,
  ATTN_WINDOW_LIST,
  ATTN_WINDOW_DELETE,
  ATTN_WINDOW_GET,
  ATTN_CHUNK_ALL,
  ATTN_CHUNK_PUT,
  ATTN_CHUNK_DELETE,
  ATTN_LIST_ALL,
  ATTN_LIST_PUT,
  ATTN_CODES_PUT,
  ATTN_CODES_DELETE,
  ATTN_VECTORS_PUT,
  ATTN_VECTORS_DELETE,
  ATTN_N_STATEMENT
} attn_statement;

typedef struct attn_index attn_index;

int attn_storage_create(attn_index *index);
int attn_storage_drop(attn_index *index);
int attn_storage_rename(attn_index *index, const char *name);
int attn_storage_is_shadow(const char *suffix);

/* A statement, reset and without bindings; it belongs to the index. */
int attn_storage_statement(attn_index *index, attn_statement which, sqlite3_stmt **out);

/* A statement of the caller's own for the columns of row ?1: id, columns. */
int attn_storage_source(attn_index *index, sqlite3_stmt **out);

/* Steps a statement to its end, or to its first row: SQLITE_ROW or SQLITE_OK. */
int attn_storage_step(attn_index *index, sqlite3_stmt *stmt);

/* An error while a statement of the index is being run, which has led back to it: by content
** that is read from it, or a trigger of a shadow table that changes it. */
int attn_storage_idle(attn_index *index);

/* Prepares SQL, in which $name stands for the shadow table of that name, or runs it. */
int attn_storage_prepare(attn_index *index, const char *sql, sqlite3_stmt **out);
int attn_storage_exec(attn_index *index, const char *sql);

/* Lets go of all statements. */
void attn_storage_close(attn_index *index);

/* Entries of _config. */
int attn_storage_set_int(attn_index *index, const char *key, sqlite3_int64 value);
int attn_storage_set_text(attn_index *index, const char *key, const char *value);
int attn_storage_set_blob(attn_index *index, const char *key, const void *data,
                          sqlite3_uint64 n);

/* An error where vectors of d numbers are more than a limit lets through. */
int attn_storage_check_dimension(attn_index *index, uint32_t d);

/* Reads the stamp; or all that _config says into the index. */
int attn_storage_stamp(attn_index *index, sqlite3_int64 *out);
int attn_storage_load(attn_index *index);

/* A number that never was before.  Where random numbers come again, as in a process
** that was forked, the stamp of the index tells them apart. */
sqlite3_int64 attn_storage_new_stamp(const attn_index *index);

/* Says that the database has changed: a new stamp. */
int attn_storage_touch(attn_index *index);

/* What a row of _rows says of its vector. */
typedef struct attn_row_state {
  int found;
  sqlite3_int64 place; /* -1: it has no vector */
  sqlite3_int64 hash;  /* of the text that the vector was made of; */
  int has_hash;        /* 0: the vector was given */
} attn_row_state;

int attn_storage_row(attn_index *index, sqlite3_int64 id, attn_row_state *out);
int attn_storage_set_place(attn_index *index, sqlite3_int64 id,
                           const attn_row_state *row);

/* SQLITE_CORRUPT_VTAB, with what is wrong. */
int attn_index_corrupt(attn_index *index, const char *format, ...);

/* SQLITE_ERROR, likewise. */
int attn_index_fail(attn_index *index, const char *format, ...);

/* What SQLite said of the last call. */
int attn_index_db_error(attn_index *index);

/* ------------------------------------------------------------------------ cache */

/* Codes of a chunk under a number that stands for their content. */
typedef struct attn_codes attn_codes;

/* One more user of the process's cache, one less. */
void attn_cache_open(void);
void attn_cache_close(void);

/* Memory for n bytes of codes, private to the caller. */
attn_codes *attn_codes_new(sqlite3_uint64 n);
void *attn_codes_data(attn_codes *codes);

/* Counted references. */
attn_codes *attn_cache_get(sqlite3_int64 stamp, sqlite3_uint64 n);
void attn_cache_put(sqlite3_int64 stamp, attn_codes *codes);
void attn_codes_retain(attn_codes *codes);
void attn_codes_release(attn_codes *codes);

/* The codes under that stamp are nobody's any more, but of old snapshots. */
void attn_cache_drop(sqlite3_int64 stamp);

/* Gets, and sets if it is not negative, the bytes that the cache may keep. */
sqlite3_int64 attn_cache_limit(sqlite3_int64 n_byte);
sqlite3_int64 attn_cache_used(void);

/* ----------------------------------------------------------------------- chunks */

#define ATTN_CHUNK_SHIFT 10 /* place = chunk << 10 | slot */
#define ATTN_CHUNK_SLOTS (1 << ATTN_CHUNK_SHIFT)
#define ATTN_PART_SHIFT  6 /* a row of _vectors holds 64 slots */
#define ATTN_PART_SLOTS  (1 << ATTN_PART_SHIFT)
#define ATTN_NO_LIST     UINT32_MAX
#define ATTN_NO_CHUNK    SIZE_MAX

typedef struct attn_open_chunk attn_open_chunk;

/* A line of the directory: a row of _chunks. */
typedef struct attn_chunk_entry {
  sqlite3_int64 id, stamp;
  uint32_t n_slot, n_live;
  uint32_t list;         /* that it belongs to, or ATTN_NO_LIST */
  size_t next;           /* entry of the same list, or ATTN_NO_CHUNK */
  attn_open_chunk *open; /* being written, or NULL */
} attn_chunk_entry;

typedef struct attn_directory {
  attn_chunk_entry *entry; /* by id */
  size_t n, n_alloc;
  size_t first_free;         /* no entry before it has a free slot */
  sqlite3_uint64 open_bytes; /* memory of what is being written */
  sqlite3_uint64 n_live;     /* vectors */
  size_t n_old;              /* entries that 'optimize' will delete */
  sqlite3_uint64 n_to_come;  /* vectors that it will add, to the list at hand */
  size_t *first_of_list;     /* [lists] entries, or ATTN_NO_CHUNK; NULL: no lists */
  float *center;             /* [dimension] of the largest chunks, or NULL */
  void *spare;               /* memory of 64 vectors, and a pointer to more at its head */
} attn_directory;

/* Reads the directory. */
int attn_chunks_load(attn_index *index);

/* Forgets the directory, and changes that were not written. */
void attn_chunks_free(attn_index *index);

/* Puts a vector into a free slot, of its list or of the one that is known to be it:
** its place. */
int attn_chunks_add(attn_index *index, sqlite3_int64 id, const float *vector,
                    sqlite3_int64 *place);
int attn_chunks_add_to(attn_index *index, uint32_t list, sqlite3_int64 id,
                       const float *vector, sqlite3_int64 *place);
/* Over the one at *place, or elsewhere if it belongs to another list. */
int attn_chunks_replace(attn_index *index, sqlite3_int64 id, const float *vector,
                        sqlite3_int64 *place);
int attn_chunks_remove(attn_index *index, sqlite3_int64 place, sqlite3_int64 id);

/* Writes what was changed; memory for more is kept until attn_chunks_rest. */
int attn_chunks_flush(attn_index *index);
void attn_chunks_rest(attn_index *index);

/* For 'optimize': from now on vectors are added to new chunks alone, whose places are
** at attn_chunks_next_place or above; when all have been, the old ones are deleted. */
int attn_chunks_renew(attn_index *index);
int attn_chunks_drop_old(attn_index *index);

/* How many vectors are to come, to the list at hand. */
void attn_chunks_expect(attn_index *index, sqlite3_uint64 n);

int attn_popcount(const uint64_t *bits, uint32_t n_bit);

/* The codes of a chunk as stored, checked, from the cache or the database.  The blob is
** opened, or moved. */
int attn_chunks_read(attn_index *index, const attn_chunk_entry *entry,
                     sqlite3_blob **blob, attn_codes **out);
int attn_chunks_codes(attn_index *index, const attn_chunk_entry *entry,
                      sqlite3_blob **blob, attn_codes **out);

/* Reads the vector at a place.  The blob is opened, or moved. */
int attn_chunks_vector(attn_index *index, sqlite3_int64 place, sqlite3_blob **blob,
                       float *out);

attn_chunk_shape attn_chunks_shape(const attn_index *index, uint32_t n_slot);

/* Slots of the largest chunk for vectors of d numbers. */
uint32_t attn_chunks_largest(uint32_t d);

/* -------------------------------------------------------------------------- lists */

/* Reads the lists of that stamp (0: none), if they are not those in memory. */
int attn_ivf_load(attn_index *index, sqlite3_int64 stamp);
void attn_ivf_free(attn_index *index);

/* Deletes them; makes new ones of the vectors as they are, if there should be any. */
int attn_ivf_drop(attn_index *index);
int attn_ivf_train(attn_index *index);

/* The list that a vector belongs to; ATTN_NO_LIST without lists. */
int attn_ivf_list_of(attn_index *index, const float *vector, uint32_t *list);

/* ------------------------------------------------------------------------ index */

/* A text that waits to be embedded before the statement, or transaction, ends. */
typedef struct attn_queued {
  sqlite3_int64 id, hash;
  char *text;
  size_t n_text;
} attn_queued;

struct attn_index {
  sqlite3_vtab base;
  attn_index *next; /* of the process */
  attn_connection *connection;
  sqlite3 *db;
  attn_config config;
  sqlite3_stmt *statement[ATTN_N_STATEMENT];

  /* State of the database as of `stamp`, which every change of it replaces. */
  sqlite3_int64 stamp;  /* 0: not read */
  uint32_t dimension;   /* 0: not known before there is a model */
  char *model, *sha256; /* that made the vectors; NULL: none yet */
  int deferred, exact;
  int n_list, n_probe; /* settings: see attn_config */
  attn_directory directory;
  attn_lists *lists; /* NULL: none */
  sqlite3_int64 list_stamp;

  sqlite3_stmt *run[ATTN_MAX_DEPTH]; /* its statements that are being run, one in the other */
  int n_run;
  int writing;             /* the state was read in this transaction, which writes */
  int level;               /* of the savepoints that there are, what waits belongs to the last */
  int is_torn;             /* half of a change was written */
  int dirty;               /* there is something to flush */
  int knows_last;          /* while writing: no row has an id above last_id */
  sqlite3_int64 last_id;
  sqlite3_uint64 n_change; /* of anything; for cursors */
  attn_queued *queue;
  size_t n_queue, n_queue_alloc;
  sqlite3_uint64 queue_bytes;
};

/* An index of the connection by name (schema NULL: any), if SQLite has connected it. */
attn_index *attn_index_find(sqlite3 *db, const char *schema, const char *table);

/* Reads the state if it is not that of the database. */
int attn_index_refresh(attn_index *index);

/* The same, before a write: from now on the state is this connection's own. */
int attn_index_begin(attn_index *index);

/* Writes all that waits in memory. */
int attn_index_flush(attn_index *index);

/* Returns rc, that of a change.  One that fails leaves half of it, which may not be
** committed; but a conflict is seen before, and SQLite may have rolled everything back at
** once. */
int attn_index_whole(attn_index *index, int rc);

/* Forgets all that waits in memory, and the state. */
void attn_index_discard(attn_index *index);

/* ------------------------------------------------------------------------ embed */

/* The model by which the index was made; anything else is an error, or, when
** `adopt` is set, becomes the index's. */
int attn_index_model(attn_index *index, int adopt, const attn_model **out);

/* Embeds texts: out [n, dimension]. */
int attn_index_embed(attn_index *index, const attn_text *text, size_t n,
                     attn_prompt prompt, float *out);

/* The vector that a value holds, checked: dimension, metric, finite numbers.  NULL if
** the value is text that is no vector and `or_text` is set. */
int attn_index_vector(attn_index *index, sqlite3_value *value, const char *what,
                      int or_text, float **out);

/* The embedded text of a row: its text columns, those that are not NULL, joined by
** newlines.  *text is NULL if there is none.  A blob is an error, which names row *id where
** that is known. */
int attn_index_text(attn_index *index, const sqlite3_int64 *id, sqlite3_value **column,
                    char **text, size_t *n_text);

sqlite3_int64 attn_index_hash(const char *text, size_t n_text);

/* ------------------------------------------------------------------- rows, sync */

/* xUpdate, without commands. */
int attn_rows_update(attn_index *index, int argc, sqlite3_value **argv,
                     sqlite3_int64 *rowid);
int attn_rows_delete(attn_index *index, sqlite3_int64 id);

/* Takes away the vector of a row. */
int attn_rows_clear(attn_index *index, sqlite3_int64 id, attn_row_state *row);

/* Embeds texts and stores their vectors. */
int attn_sync_store(attn_index *index, const attn_queued *text, size_t n);

/* Embeds up to n pending rows (n < 0: all). */
int attn_sync_step(attn_index *index, sqlite3_int64 n);
int attn_sync_rebuild(attn_index *index, sqlite3_int64 n);
int attn_sync_delete_all(attn_index *index);

/* Makes an index with a damaged directory one without vectors, if they can be made again.
 */
int attn_sync_salvage(attn_index *index);
int attn_sync_optimize(attn_index *index);

/* Looks for damage: *problem is what was found first, or NULL. */
int attn_check(attn_index *index, char **problem);

int attn_command(attn_index *index, sqlite3_value *rowid, sqlite3_value **column);

/* ------------------------------------------------------------------------ query */

int attn_plan_best_index(attn_index *index, sqlite3_index_info *info);

/* A constraint of a query, and its value. */
typedef struct attn_term {
  int op, column; /* column: -1 for the rowid */
  int is_list;    /* value is that of sqlite3_vtab_in */
  const char *collation;
  sqlite3_value *value;
} attn_term;

/* ORDERED: of a search, by distance; DESC: of a scan; VALUE: SQLite compares the column
** that is named as the table with what it was told to search for. */
enum {
  ATTN_PLAN_MATCH = 1,
  ATTN_PLAN_DESC = 2,
  ATTN_PLAN_ORDERED = 4,
  ATTN_PLAN_VALUE = 8
};

typedef struct attn_plan {
  int n_term;
  attn_term term[];
} attn_plan;

/* Reads what attn_plan_best_index has written; NULL without memory. */
attn_plan *attn_plan_read(const char *text, int argc, sqlite3_value **argv);

/* The first term on a column, NULL for none. */
const attn_term *attn_plan_find(const attn_plan *plan, int column, int op);

/* Prepares a statement that gives the rowids that the terms let through; in order
** if `ordered`, else from the cheapest place. */
int attn_plan_rows(attn_index *index, const attn_plan *plan, int flags, int ordered,
                   sqlite3_stmt **out);

/* 1 if a term restricts rows. */
int attn_plan_filters(const attn_index *index, const attn_plan *plan);

#endif
