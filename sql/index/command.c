/*
** command.c - INSERT INTO docs_ai(docs_ai, rank) VALUES('command', argument).
**
**   rebuild           makes everything anew from the content (sync.c); with a rank:
**                     embeds so many rows now and leaves the others pending
**   step, n           embeds up to n pending rows (all without a rank)
**   optimize          packs vectors into full chunks
**   integrity-check   SQLITE_CORRUPT_VTAB if anything is wrong (check.c); with rank 1
**                     also where the index differs from its content table
**   delete-all        empties the table
**   delete            the row of the given rowid, as FTS5's external content has it
**   deferred, exact   1 or 0: sets the option of that name
**   lists, probes     sets it; lists become so many by the next 'optimize'
*/
#include "index.h"
#include <string.h>

typedef struct command {
  const char *name;
  enum { RANK_NONE, RANK_OPTIONAL, RANK_NEEDED } rank;
  int (*run)(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid);
} command;

static int run_step(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  (void)rowid;
  return attnx_sync_step(index, rank);
}

static int run_rebuild(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  (void)rowid;
  return attnx_sync_rebuild(index, rank < 0 && index->deferred ? 0 : rank);
}

static int run_optimize(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  (void)rank, (void)rowid;
  return attnx_sync_optimize(index);
}

static int run_check(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  char *problem = NULL;
  (void)rowid;
  int rc = attnx_check(index, rank == 1, &problem);
  if (rc == SQLITE_OK && problem) rc = attnx_index_corrupt(index, "%s", problem);
  sqlite3_free(problem);
  return rc;
}

static int run_delete_all(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  (void)rank, (void)rowid;
  return attnx_sync_delete_all(index);
}

static int run_delete(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  (void)rank;
  if (sqlite3_value_type(rowid) != SQLITE_INTEGER) return SQLITE_MISMATCH;
  return attnx_rows_delete(index, sqlite3_value_int64(rowid));
}

static int set(attnx_index *index, const char *name, int *setting, int value) {
  *setting = value;
  index->dirty = 1;
  return attnx_storage_set_int(index, name, value);
}

static int run_deferred(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  (void)rowid;
  return set(index, "deferred", &index->deferred, rank != 0);
}

static int run_exact(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  (void)rowid;
  return set(index, "exact", &index->exact, rank != 0);
}

static int at_most(sqlite3_int64 n) {
  return n < ATTN_MAX_IVF_LISTS ? (int)n : ATTN_MAX_IVF_LISTS;
}

static int run_lists(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  (void)rowid;
  return set(index, "lists", &index->n_list, at_most(rank));
}

static int run_probes(attnx_index *index, sqlite3_int64 rank, sqlite3_value *rowid) {
  (void)rowid;
  return set(index, "probes", &index->n_probe, at_most(rank));
}

static const command commands[] = {
    {"rebuild", RANK_OPTIONAL, run_rebuild},
    {"step", RANK_OPTIONAL, run_step},
    {"optimize", RANK_NONE, run_optimize},
    {"integrity-check", RANK_OPTIONAL, run_check},
    {"delete-all", RANK_NONE, run_delete_all},
    {"delete", RANK_NONE, run_delete},
    {"deferred", RANK_NEEDED, run_deferred},
    {"exact", RANK_NEEDED, run_exact},
    {"lists", RANK_NEEDED, run_lists},
    {"probes", RANK_NEEDED, run_probes},
};

static const command *find_command(const char *name) {
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (sqlite3_stricmp(name, commands[i].name) == 0) return &commands[i];
  }
  return NULL;
}

/* The argument; -1 for none. */
static int read_rank(attnx_index *index, const command *c, sqlite3_value *value,
                     sqlite3_int64 *out) {
  *out = -1;
  if (sqlite3_value_type(value) == SQLITE_NULL) {
    if (c->rank != RANK_NEEDED) return SQLITE_OK;
    return attnx_index_fail(index, "%s: command '%s' without a rank", index->config.table,
                            c->name);
  }
  const char *found = attns_value_found(value);
  if (c->rank == RANK_NONE) {
    return attnx_index_fail(index, "%s: command '%s' with rank %!.40s; expected none",
                            index->config.table, c->name, found);
  }
  if (sqlite3_value_numeric_type(value) != SQLITE_INTEGER ||
      sqlite3_value_int64(value) < 0) {
    return attnx_index_fail(
        index, "%s: command '%s' with rank %!.40s; expected a whole number from 0 on",
        index->config.table, c->name, found);
  }
  *out = sqlite3_value_int64(value);
  return SQLITE_OK;
}

/* A command is one statement, but SQLite does not take back what it wrote before it
** failed where a transaction goes on: that must not be committed. */
static int run(attnx_index *index, const command *c, sqlite3_int64 rank,
               sqlite3_value *rowid) {
  int n_change = sqlite3_total_changes(index->db);
  int rc = c->run(index, rank, rowid);
  if (rc != SQLITE_OK && index->writing &&
      (index->dirty || sqlite3_total_changes(index->db) != n_change)) {
    index->is_torn = 1;
  }
  return rc;
}

int attnx_command(attnx_index *index, sqlite3_value *rowid, sqlite3_value **column) {
  sqlite3_value **hidden = column + index->config.n_column;
  const char *name = (const char *)sqlite3_value_text(hidden[ATTNX_HIDDEN_MATCH]);
  sqlite3_int64 rank;
  if (!name) return SQLITE_NOMEM;
  const command *c = find_command(name);
  if (!c) {
    return attnx_index_fail(
        index,
        "%s: unknown command '%s'; expected rebuild, step, optimize, "
        "integrity-check, delete-all, delete, deferred, exact, lists or "
        "probes",
        index->config.table, name);
  }
  int rc = read_rank(index, c, hidden[ATTNX_HIDDEN_RANK], &rank);
  if (rc == SQLITE_OK) rc = attnx_index_begin(index);
  if (rc == SQLITE_CORRUPT_VTAB && c->run == run_rebuild && index->dimension) {
    rc = attnx_sync_salvage(index);
  }
  if (rc == SQLITE_OK) rc = attnx_index_flush(index);
  return rc == SQLITE_OK ? run(index, c, rank, rowid) : rc;
}
