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
**   code_cache.c codes in memory, shared by the connections of a process
**   chunks.c    vectors and codes: directory, free slots, changes
**   flush.c     writes what is changed of them
**   ivf.c       lists of chunks, of which a search scans the nearest
**   content.c   the content table: checked at CREATE; attn_triggers
**   embed_rows.c from texts to vectors, by the model that the index remembers
**   rows.c      insert, update, delete
**   sync.c      pending rows, step, rebuild, optimize
**   plan.c      what a query asks for: xBestIndex, and the rows that a filter lets through
**   query.c     the cursor: scans, searches, columns
**   check.c     integrity-check
**   command.c   INSERT INTO docs_ai(docs_ai, rank) VALUES('command', n)
**   status.c    attn_status
**   highlight.c attn_highlight
**   vtab.c      the module
**
** Functions return an SQLite result code, and leave their message in
** index->base.zErrMsg, from where SQLite takes it.
*/
#ifndef ATTNX_INDEX_H
#define ATTNX_INDEX_H

#include "../sql.h"

/* ---------------------------------------------------------------- configuration */

typedef enum attnx_column_kind {
  ATTNX_COLUMN_TEXT,  /* to be embedded */
  ATTNX_COLUMN_PLAIN, /* stored, and filtered by */
  ATTNX_COLUMN_VECTOR /* the row's vector, where the user brings it */
} attnx_column_kind;

typedef struct attnx_column {
  char *name, *type; /* type: as declared, "" for none */
  attnx_column_kind kind;
  int is_not_null; /* of a plain one */
} attnx_column;

typedef enum attnx_content {
  ATTNX_CONTENT_OWN,      /* the table stores its columns */
  ATTNX_CONTENT_EXTERNAL, /* another table does */
  ATTNX_CONTENT_NONE      /* texts are not kept */
} attnx_content;

/* The arguments of CREATE VIRTUAL TABLE; config.c has their grammar. */
typedef struct attnx_config {
  char *schema, *table;
  attnx_column *column;
  int n_column, n_text, vector; /* vector: its column, -1 for none */
  attnx_content content;
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
} attnx_config;

int attnx_config_parse(int argc, const char *const *argv, char **error,
                       attnx_config *out);
void attnx_config_free(attnx_config *config);

/* What a new table may not have, and old ones may: columns with constraints, by which
** SQLite would change rows of a shadow table behind the index's back. */
int attnx_config_check_new(const attnx_config *config, char **error);

/* "a, b" for sqlite3_declare_vtab: the columns and the hidden ones behind them. */
char *attnx_config_declaration(const attnx_config *config);

/* The hidden columns, counted from n_column. */
enum { ATTNX_HIDDEN_MATCH, ATTNX_HIDDEN_K, ATTNX_HIDDEN_DISTANCE, ATTNX_HIDDEN_RANK };

/* 1 where the table keeps the values of that column itself. */
int attnx_config_keeps(const attnx_config *config, int column);

/* 1 for a text that nobody keeps. */
int attnx_config_forgets(const attnx_config *config, int column);

/* 1 where the table has a model, and texts become vectors. */
int attnx_config_embeds(const attnx_config *config);

/* ---------------------------------------------------------------------- storage */

/* Statements over the shadow tables, in the order of storage.c. */
typedef enum attnx_statement {
  ATTNX_CONFIG_GET,
  ATTNX_CONFIG_SET,
  ATTNX_CONFIG_ALL,
  ATTNX_ROW_GET,
  ATTNX_ROW_LAST,
  ATTNX_ROW_PUT,
  ATTNX_ROW_PLACE,
  ATTNX_ROW_DELETE,
  ATTNX_CONTENT_PUT,
  ATTNX_CONTENT_DELETE,
  ATTNX_SOURCE_GET,
  ATTNX_PENDING_PUT,
  ATTNX_PENDING_DELETE,
  ATTNX_PENDING_NEXT,
  ATTNX_WINDOW_PUT,
  ATTNX_WINDOW_LIST,
  ATTNX_WINDOW_DELETE,
  ATTNX_WINDOW_GET,
  ATTNX_CHUNK_ALL,
  ATTNX_CHUNK_PUT,
  ATTNX_CHUNK_DELETE,
  ATTNX_LIST_ALL,
  ATTNX_LIST_PUT,
  ATTNX_CODES_PUT,
  ATTNX_CODES_DELETE,
  ATTNX_VECTORS_PUT,
  ATTNX_VECTORS_DELETE,
  ATTNX_N_STATEMENT
} attnx_statement;

typedef struct attnx_index attnx_index;

int attnx_storage_create(attnx_index *index);
int attnx_storage_drop(attnx_index *index);
int attnx_storage_rename(attnx_index *index, const char *name);
int attnx_storage_is_shadow(const char *suffix);

/* A statement, reset and without bindings; it belongs to the index. */
int attnx_storage_statement(attnx_index *index, attnx_statement which,
                            sqlite3_stmt **out);

/* A statement of the caller's own for the columns of row ?1: id, columns. */
int attnx_storage_source(attnx_index *index, sqlite3_stmt **out);

/* Steps a statement to its end, or to its first row: SQLITE_ROW or SQLITE_OK. */
int attnx_storage_step(attnx_index *index, sqlite3_stmt *stmt);

/* An error while a statement of the index is being run, which has led back to it: by
** content that is read from it, or a trigger of a shadow table that changes it. */
int attnx_storage_idle(attnx_index *index);

/* Prepares SQL, in which $name stands for the shadow table of that name, or runs it. */
int attnx_storage_prepare(attnx_index *index, const char *sql, sqlite3_stmt **out);
int attnx_storage_exec(attnx_index *index, const char *sql);

/* Lets go of all statements. */
void attnx_storage_close(attnx_index *index);

/* Entries of _config. */
int attnx_storage_set_int(attnx_index *index, const char *key, sqlite3_int64 value);
int attnx_storage_set_text(attnx_index *index, const char *key, const char *value);
int attnx_storage_set_blob(attnx_index *index, const char *key, const void *data,
                           sqlite3_uint64 n);

/* An error where vectors of d numbers are more than a limit lets through. */
int attnx_storage_check_dimension(attnx_index *index, uint32_t d);

/* Reads the stamp; or all that _config says into the index. */
int attnx_storage_stamp(attnx_index *index, sqlite3_int64 *out);
int attnx_storage_load(attnx_index *index);

/* A stamp stands for content by a hash of all that made it: the same in every database
** that ran the same statements, whatever the machine. */
sqlite3_uint64 attnx_hash(sqlite3_uint64 hash, sqlite3_uint64 word);
sqlite3_uint64 attnx_hash_floats(sqlite3_uint64 hash, const float *x, size_t n);

/* Notes a change of what connections have in memory. */
void attnx_storage_changed(attnx_index *index, sqlite3_uint64 word);

/* Says that the database has changed: a new stamp, of the one before and what was noted. */
int attnx_storage_touch(attnx_index *index);

/* What a row of _rows says of its vector. */
typedef struct attnx_row_state {
  int found;
  sqlite3_int64 place; /* -1: it has no vector */
  sqlite3_int64 hash;  /* of the text that the vector was made of; */
  int has_hash;        /* 0: the vector was given */
} attnx_row_state;

int attnx_storage_row(attnx_index *index, sqlite3_int64 id, attnx_row_state *out);
int attnx_storage_set_place(attnx_index *index, sqlite3_int64 id,
                            const attnx_row_state *row);

/* SQLITE_CORRUPT_VTAB, with what is wrong. */
int attnx_index_corrupt(attnx_index *index, const char *format, ...);

/* SQLITE_ERROR, likewise. */
int attnx_index_fail(attnx_index *index, const char *format, ...);

/* What SQLite said of the last call. */
int attnx_index_db_error(attnx_index *index);

/* ---------------------------------------------------------------------- content */

/* Whether a new index can follow its content table: it is there, has the columns, and
** content_rowid is unique. */
int attnx_content_check(attnx_index *index);

/* ------------------------------------------------------------------------ cache */

/* Codes of a chunk under a number that stands for their content. */
typedef struct attnx_codes attnx_codes;

/* One more user of the process's cache, one less. */
void attnx_code_cache_open(void);
void attnx_code_cache_close(void);

/* Memory for n bytes of codes, private to the caller. */
attnx_codes *attnx_codes_new(sqlite3_uint64 n);
void *attnx_codes_data(attnx_codes *codes);

/* Counted references. */
attnx_codes *attnx_code_cache_get(sqlite3_int64 stamp, sqlite3_uint64 n);
void attnx_code_cache_put(sqlite3_int64 stamp, attnx_codes *codes);
void attnx_codes_retain(attnx_codes *codes);
void attnx_codes_release(attnx_codes *codes);

/* The codes under that stamp are nobody's any more, but of old snapshots. */
void attnx_code_cache_drop(sqlite3_int64 stamp);

/* Gets, and sets if it is not negative, the bytes that the cache may keep. */
sqlite3_int64 attnx_code_cache_limit(sqlite3_int64 n_byte);
sqlite3_int64 attnx_code_cache_used(void);

/* ----------------------------------------------------------------------- chunks */

#define ATTNX_CHUNK_SHIFT 10 /* place = chunk << 10 | slot */
#define ATTNX_CHUNK_SLOTS (1 << ATTNX_CHUNK_SHIFT)
#define ATTNX_PART_SHIFT  6 /* a row of _vectors holds 64 slots */
#define ATTNX_PART_SLOTS  (1 << ATTNX_PART_SHIFT)
#define ATTNX_NO_LIST     UINT32_MAX
#define ATTNX_NO_CHUNK    SIZE_MAX

typedef struct attnx_open_chunk attnx_open_chunk;

/* A line of the directory: a row of _chunks. */
typedef struct attnx_chunk_entry {
  sqlite3_int64 id, stamp;
  uint32_t n_slot, n_live;
  uint32_t list;          /* that it belongs to, or ATTNX_NO_LIST */
  size_t next;            /* entry of the same list, or ATTNX_NO_CHUNK */
  attnx_open_chunk *open; /* being written, or NULL */
} attnx_chunk_entry;

typedef struct attnx_directory {
  attnx_chunk_entry *entry; /* by id */
  size_t n, n_alloc;
  size_t first_free;         /* no entry before it has a free slot */
  sqlite3_uint64 open_bytes; /* memory of what is being written */
  sqlite3_uint64 n_live;     /* vectors */
  size_t n_old;              /* entries that 'optimize' will delete */
  sqlite3_uint64 n_to_come;  /* vectors that it will add, to the list at hand */
  size_t *first_of_list;     /* [lists] entries, or ATTNX_NO_CHUNK; NULL: no lists */
  float *center;             /* [dimension] of the largest chunks, or NULL */
  void *spare;               /* memory of 64 vectors, and a pointer to more at its head */
} attnx_directory;

/* Reads the directory. */
int attnx_chunks_load(attnx_index *index);

/* Forgets the directory, and changes that were not written. */
void attnx_chunks_free(attnx_index *index);

/* Puts a vector into a free slot, of its list or of the one that is known to be it:
** its place. */
int attnx_chunks_add(attnx_index *index, sqlite3_int64 id, const float *vector,
                     sqlite3_int64 *place);
int attnx_chunks_add_to(attnx_index *index, uint32_t list, sqlite3_int64 id,
                        const float *vector, sqlite3_int64 *place);
/* Over the one at *place, or elsewhere if it belongs to another list. */
int attnx_chunks_replace(attnx_index *index, sqlite3_int64 id, const float *vector,
                         sqlite3_int64 *place);
int attnx_chunks_remove(attnx_index *index, sqlite3_int64 place, sqlite3_int64 id);

/* Writes what was changed; memory for more is kept until attnx_chunks_rest. */
int attnx_chunks_flush(attnx_index *index);
void attnx_chunks_rest(attnx_index *index);

/* For 'optimize': from now on vectors are added to new chunks alone, whose places are
** at attn_chunks_next_place or above; when all have been, the old ones are deleted. */
int attnx_chunks_renew(attnx_index *index);
int attnx_chunks_drop_old(attnx_index *index);

/* How many vectors are to come, to the list at hand. */
void attnx_chunks_expect(attnx_index *index, sqlite3_uint64 n);

int attnx_popcount(const uint64_t *bits, uint32_t n_bit);

/* The codes of a chunk as stored, checked, from the cache or the database.  The blob is
** opened, or moved. */
int attnx_chunks_read(attnx_index *index, const attnx_chunk_entry *entry,
                      sqlite3_blob **blob, attnx_codes **out);
int attnx_chunks_codes(attnx_index *index, const attnx_chunk_entry *entry,
                       sqlite3_blob **blob, attnx_codes **out);

/* Reads the vector at a place.  The blob is opened, or moved. */
int attnx_chunks_vector(attnx_index *index, sqlite3_int64 place, sqlite3_blob **blob,
                        float *out);

attn_chunk_shape attnx_chunks_shape(const attnx_index *index, uint32_t n_slot);

/* Slots of the largest chunk for vectors of d numbers. */
uint32_t attnx_chunks_largest(uint32_t d);

/* -------------------------------------------------------------------------- lists */

/* Reads the lists of that stamp (0: none), if they are not those in memory. */
int attnx_ivf_load(attnx_index *index, sqlite3_int64 stamp);
void attnx_ivf_free(attnx_index *index);

/* Deletes them; makes new ones of the vectors as they are, if there should be any. */
int attnx_ivf_drop(attnx_index *index);
int attnx_ivf_train(attnx_index *index);

/* The list that a vector belongs to; ATTNX_NO_LIST without lists. */
int attnx_ivf_list_of(attnx_index *index, const float *vector, uint32_t *list);

/* ------------------------------------------------------------------------ index */

/* A text that waits to be embedded before the statement, or transaction, ends. */
typedef struct attnx_queued {
  sqlite3_int64 id, hash;
  char *text;
  size_t n_text;
} attnx_queued;

struct attnx_index {
  sqlite3_vtab base;
  attnx_index *next; /* of the process */
  attns_connection *connection;
  sqlite3 *db;
  attnx_config config;
  sqlite3_stmt *statement[ATTNX_N_STATEMENT];

  /* State of the database as of `stamp`, which every change of it replaces. */
  sqlite3_int64 stamp;   /* 0: not read */
  sqlite3_uint64 change; /* a hash of what was written since */
  uint32_t dimension;    /* 0: not known before there is a model */
  char *model, *sha256;  /* that made the vectors; NULL: none yet */
  int deferred, exact;
  int n_list, n_probe; /* settings: see attnx_config */
  attnx_directory directory;
  attn_ivf *lists; /* NULL: none */
  sqlite3_int64 list_stamp;

  sqlite3_stmt
      *run[ATTNS_MAX_DEPTH]; /* its statements that are being run, one in the other */
  int n_run;
  int writing;    /* the state was read in this transaction, which writes */
  int level;      /* of the savepoints that there are, what waits belongs to the last */
  int is_torn;    /* half of a change was written */
  int dirty;      /* there is something to flush */
  int knows_last; /* while writing: no row has an id above last_id */
  sqlite3_int64 last_id;
  int is_replaced; /* another attnx_index of this connection is that of the table now */
  double rate;     /* rows per second of the latest embedding, 0: none yet */
  sqlite3_uint64 n_change; /* of anything; for cursors */
  attnx_queued *queue;
  size_t n_queue, n_queue_alloc;
  sqlite3_uint64 queue_bytes;
};

/* An index of the connection by name (schema NULL: any), if SQLite has connected it. */
attnx_index *attnx_index_find(sqlite3 *db, const char *schema, const char *table);

/* Reads the state if it is not that of the database. */
int attnx_index_refresh(attnx_index *index);

/* The same, before a write: from now on the state is this connection's own. */
int attnx_index_begin(attnx_index *index);

/* Writes all that waits in memory. */
int attnx_index_flush(attnx_index *index);

/* Returns rc, that of a change.  One that fails leaves half of it, which may not be
** committed; but a conflict is seen before, and SQLite may have rolled everything back at
** once. */
int attnx_index_whole(attnx_index *index, int rc);

/* Forgets all that waits in memory, and the state. */
void attnx_index_discard(attnx_index *index);

/* ------------------------------------------------------------------------ embed */

/* The model by which the index was made; anything else is an error, or, when
** `adopt` is set, becomes the index's. */
int attnx_index_model(attnx_index *index, int adopt, const attn_model **out);

/* Embeds texts: out [n, dimension]. */
int attnx_index_embed(attnx_index *index, const attn_text *text, size_t n,
                      attn_prompt prompt, float *out);

/* The vector that a value holds, checked: dimension, metric, finite numbers.  NULL if
** the value is text that is no vector and `or_text` is set. */
int attnx_index_vector(attnx_index *index, sqlite3_value *value, const char *what,
                       int or_text, float **out);

/* The embedded text of a row: its text columns, those that are not NULL, joined by
** newlines.  *text is NULL if there is none.  A blob is an error, which names row *id
** where that is known. */
int attnx_index_text(attnx_index *index, const sqlite3_int64 *id, sqlite3_value **column,
                     char **text, size_t *n_text);

sqlite3_int64 attnx_index_hash(const char *text, size_t n_text);

/* ------------------------------------------------------------------- rows, sync */

/* xUpdate, without commands. */
int attnx_rows_update(attnx_index *index, int argc, sqlite3_value **argv,
                      sqlite3_int64 *rowid);
int attnx_rows_delete(attnx_index *index, sqlite3_int64 id);

/* Takes away the vector of a row. */
int attnx_rows_clear(attnx_index *index, sqlite3_int64 id, attnx_row_state *row);

/* Embeds texts and stores their vectors. */
int attnx_sync_store(attnx_index *index, const attnx_queued *text, size_t n);

/* Embeds up to n pending rows (n < 0: all). */
int attnx_sync_step(attnx_index *index, sqlite3_int64 n);
int attnx_sync_rebuild(attnx_index *index, sqlite3_int64 n);
int attnx_sync_delete_all(attnx_index *index);

/* Makes an index with a damaged directory one without vectors, if they can be made again.
 */
int attnx_sync_salvage(attnx_index *index);
int attnx_sync_optimize(attnx_index *index);

/* Looks for damage, and with_content: for differences from external content: *problem is
** what was found first, or NULL. */
int attnx_check(attnx_index *index, int with_content, char **problem);

int attnx_command(attnx_index *index, sqlite3_value *rowid, sqlite3_value **column);

/* ------------------------------------------------------------------------ query */

int attnx_plan_best_index(attnx_index *index, sqlite3_index_info *info);

/* A constraint of a query, and its value. */
typedef struct attnx_term {
  int op, column; /* column: -1 for the rowid */
  int is_list;    /* value is that of sqlite3_vtab_in */
  const char *collation;
  sqlite3_value *value;
} attnx_term;

/* ORDERED: of a search, by distance; DESC: of a scan; VALUE: SQLite compares the column
** that is named as the table with what it was told to search for. */
enum {
  ATTNX_PLAN_MATCH = 1,
  ATTNX_PLAN_DESC = 2,
  ATTNX_PLAN_ORDERED = 4,
  ATTNX_PLAN_VALUE = 8,
  ATTNX_PLAN_READS = 16 /* columns, and not rowids alone */
};

typedef struct attnx_plan {
  int n_term;
  attnx_term term[];
} attnx_plan;

/* Reads what attnx_plan_best_index has written; NULL without memory. */
attnx_plan *attnx_plan_read(const char *text, int argc, sqlite3_value **argv);

/* The first term on a column, NULL for none. */
const attnx_term *attnx_plan_find(const attnx_plan *plan, int column, int op);

/* Prepares a statement that gives the rowids that the terms let through; in order
** if `ordered`, else from the cheapest place. */
int attnx_plan_rows(attnx_index *index, const attnx_plan *plan, int flags, int ordered,
                    sqlite3_stmt **out);

/* 1 if a term restricts rows. */
int attnx_plan_filters(const attnx_index *index, const attnx_plan *plan);

#endif
