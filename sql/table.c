/*
** table.c - table-valued functions: one virtual-table module for all of them.
**
** An attns_table says which columns there are and how to make rows; here is what
** SQLite wants around that.  Arguments are the hidden columns behind the visible
** ones, as in generate_series(start, stop).
*/
#include "connection.h"
#include <string.h>

typedef struct table_vtab {
  sqlite3_vtab base;
  const attns_table *table;
  attns_connection *connection;
} table_vtab;

typedef struct table_cursor {
  sqlite3_vtab_cursor base;
  attns_rows *rows; /* NULL: not open */
  int eof;
  sqlite3_int64 rowid;
} table_cursor;

/* The user data of a module. */
typedef struct table_module {
  const attns_table *table;
  attns_connection *connection;
} table_module;

static int table_connect(sqlite3 *db, void *data, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **error) {
  table_module *module = data;
  (void)argc, (void)argv, (void)error;
  char *sql = sqlite3_mprintf("CREATE TABLE x(%s)", module->table->declaration);
  if (!sql) return SQLITE_NOMEM;
  int rc = sqlite3_declare_vtab(db, sql);
  sqlite3_free(sql);
  if (rc != SQLITE_OK) return rc;
  table_vtab *vtab = sqlite3_malloc64(sizeof *vtab);
  if (!vtab) return SQLITE_NOMEM;
  memset(vtab, 0, sizeof *vtab);
  vtab->table = module->table;
  vtab->connection = module->connection;
  if (module->table->flags & SQLITE_DIRECTONLY) {
    rc = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  }
  if (rc != SQLITE_OK) {
    sqlite3_free(vtab);
    return rc;
  }
  *out = &vtab->base;
  return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *base) {
  sqlite3_free(base);
  return SQLITE_OK;
}

/* The number of the argument, or behind them of the filter, that a column stands for;
** -1: none. */
static int input_of(const attns_table *table, int column) {
  if (column >= table->n_column) return column - table->n_column;
  return column >= 0 && column < table->n_filter ? table->n_argument + column : -1;
}

/* idxNum has bit i set where input i is given; xFilter gets them in order. */
static int table_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const attns_table *table = ((table_vtab *)base)->table;
  int at[32];
  double n_row = table->n_expected;
  memset(at, -1, sizeof at);
  for (int i = 0; i < info->nConstraint; i++) {
    int input = input_of(table, info->aConstraint[i].iColumn);
    if (input < 0 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (info->aConstraint[i].usable) {
      at[input] = i;
    } else if (input < table->n_argument) {
      /* Only a plan that knows the arguments can make the rows. */
      return SQLITE_CONSTRAINT;
    }
  }
  int n = 0;
  info->idxNum = 0;
  for (int i = 0; i < table->n_argument + table->n_filter; i++) {
    if (at[i] < 0) continue;
    info->aConstraintUsage[at[i]].argvIndex = ++n;
    info->aConstraintUsage[at[i]].omit = i < table->n_argument;
    info->idxNum |= 1 << i;
    if (i >= table->n_argument) n_row /= 4;
  }
  info->estimatedCost = n_row * 10;
  info->estimatedRows = (sqlite3_int64)n_row + 1;
  return SQLITE_OK;
}

static int table_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  (void)base;
  table_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  cursor->eof = 1;
  *out = &cursor->base;
  return SQLITE_OK;
}

static void close_rows(table_cursor *cursor) {
  if (!cursor->rows) return;
  cursor->rows->table->close(cursor->rows);
  sqlite3_free(cursor->rows);
  cursor->rows = NULL;
  cursor->eof = 1;
}

static int table_close(sqlite3_vtab_cursor *base) {
  close_rows((table_cursor *)base);
  sqlite3_free(base);
  return SQLITE_OK;
}

/* Makes *error the message of the virtual table. */
static int table_fail(sqlite3_vtab *vtab, int rc, char *error) {
  if (error) {
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = error;
  }
  return rc;
}

static int table_next(sqlite3_vtab_cursor *base) {
  table_cursor *cursor = (table_cursor *)base;
  attns_rows *rows = cursor->rows;
  char *error = NULL;
  int rc = attns_connection_nest(rows->connection, rows->table->name, &error);
  if (rc == SQLITE_OK) {
    rc = rows->table->next(rows, &error);
    attns_connection_unnest(rows->connection);
  }
  cursor->eof = rc != SQLITE_ROW;
  cursor->rowid++;
  if (rc == SQLITE_ROW || rc == SQLITE_DONE) return SQLITE_OK;
  return table_fail(base->pVtab, rc, error);
}

static int table_filter(sqlite3_vtab_cursor *base, int given, const char *plan, int argc,
                        sqlite3_value **argv) {
  table_cursor *cursor = (table_cursor *)base;
  table_vtab *vtab = (table_vtab *)base->pVtab;
  const attns_table *table = vtab->table;
  sqlite3_value *argument[32] = {NULL};
  char *error = NULL;
  int n = 0;
  (void)plan, (void)argc;
  close_rows(cursor);
  cursor->rowid = -1; /* the first row's is 0, as in json_each */
  for (int i = 0; i < table->n_argument + table->n_filter; i++) {
    if (given & 1 << i) argument[i] = argv[n++];
    if (!argument[i] && i < table->n_required) {
      return table_fail(base->pVtab, SQLITE_ERROR,
                        sqlite3_mprintf("%s: %d arguments found; expected %d to %d",
                                        table->name, n, table->n_required,
                                        table->n_argument));
    }
  }
  cursor->rows = sqlite3_malloc64((sqlite3_uint64)table->n_byte);
  if (!cursor->rows) return SQLITE_NOMEM;
  memset(cursor->rows, 0, (size_t)table->n_byte);
  cursor->rows->table = table;
  cursor->rows->connection = vtab->connection;
  int rc = attns_connection_nest(vtab->connection, table->name, &error);
  if (rc == SQLITE_OK) {
    rc = table->open(cursor->rows, argument, &error);
    attns_connection_unnest(vtab->connection);
  }
  if (rc != SQLITE_OK) return table_fail(base->pVtab, rc, error);
  return table_next(base);
}

static int table_eof(sqlite3_vtab_cursor *base) {
  return ((table_cursor *)base)->eof;
}

static int table_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i) {
  table_cursor *cursor = (table_cursor *)base;
  /* The arguments are not kept: a hidden column reads as NULL. */
  if (i < cursor->rows->table->n_column)
    cursor->rows->table->column(cursor->rows, ctx, i);
  return SQLITE_OK;
}

static int table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = ((table_cursor *)base)->rowid;
  return SQLITE_OK;
}

static const sqlite3_module module_methods = {
    .xConnect = table_connect, /* no xCreate: eponymous only */
    .xBestIndex = table_best_index,
    .xDisconnect = table_disconnect,
    .xOpen = table_open,
    .xClose = table_close,
    .xFilter = table_filter,
    .xNext = table_next,
    .xEof = table_eof,
    .xColumn = table_column,
    .xRowid = table_rowid,
};

static void free_module(void *data) {
  attns_connection_release(((table_module *)data)->connection);
  sqlite3_free(data);
}

int attns_table_register(attns_connection *c, const attns_table *table) {
  table_module *module = sqlite3_malloc64(sizeof *module);
  if (!module) return SQLITE_NOMEM;
  module->table = table;
  module->connection = c;
  attns_connection_retain(c);
  return sqlite3_create_module_v2(attns_connection_db(c), table->name, &module_methods,
                                  module, free_module);
}
