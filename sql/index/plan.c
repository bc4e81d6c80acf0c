/*
** plan.c - what a query asks for, from xBestIndex to the rows that may be found.
**
** A constraint that is taken becomes a term, written to idxStr for xFilter, with the
** values in argv in the same order:
**
**     plan = *( op "," column "," is_list "," length "," collation ";" )
**
** with SQLite's numbers for op, and column -1 for the rowid.  Terms on the rowid and on
** columns that are stored somewhere become the WHERE clause of a statement over the
** shadow tables or the content table, whose own indexes serve it.  A scan steps
** through that statement; a search is made among the rowids that it gives.
**
** A search costs the same whether it is asked about one row or all.  The planner is
** told so, and puts the search outside of a join.  A scan is said to cost more than a
** search: where a MATCH stands beside an OR, SQLite would else take the scans of its
** branches for the shorter way, and there is no MATCH in them.
*/
#include "index.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Since 3.38. */
#ifndef SQLITE_INDEX_CONSTRAINT_LIMIT
#define SQLITE_INDEX_CONSTRAINT_LIMIT  73
#define SQLITE_INDEX_CONSTRAINT_OFFSET 74
#endif

/* ------------------------------------------------------------------- operators */

static const struct {
  int op;
  const char *sql;
} operators[] = {
    {SQLITE_INDEX_CONSTRAINT_EQ, "= ?"},
    {SQLITE_INDEX_CONSTRAINT_GT, "> ?"},
    {SQLITE_INDEX_CONSTRAINT_LE, "<= ?"},
    {SQLITE_INDEX_CONSTRAINT_LT, "< ?"},
    {SQLITE_INDEX_CONSTRAINT_GE, ">= ?"},
    {SQLITE_INDEX_CONSTRAINT_NE, "<> ?"},
    {SQLITE_INDEX_CONSTRAINT_IS, "IS ?"},
    {SQLITE_INDEX_CONSTRAINT_ISNOT, "IS NOT ?"},
    {SQLITE_INDEX_CONSTRAINT_ISNULL, "IS NULL"},
    {SQLITE_INDEX_CONSTRAINT_ISNOTNULL, "IS NOT NULL"},
    {SQLITE_INDEX_CONSTRAINT_LIKE, "LIKE ?"},
    {SQLITE_INDEX_CONSTRAINT_GLOB, "GLOB ?"},
};

static const char *operator_sql(int op) {
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
    if (operators[i].op == op) return operators[i].sql;
  }
  return NULL;
}

/* SQLite does not say how these two compare.  Bytes that are equal are equal in every
** collation, so the index leaves out those alone, and SQLite checks the rest. */
static int is_inequality(int op) {
  return op == SQLITE_INDEX_CONSTRAINT_NE || op == SQLITE_INDEX_CONSTRAINT_ISNOT;
}

static int is_comparison(int op) {
  return op == SQLITE_INDEX_CONSTRAINT_GT || op == SQLITE_INDEX_CONSTRAINT_LE ||
         op == SQLITE_INDEX_CONSTRAINT_LT || op == SQLITE_INDEX_CONSTRAINT_GE;
}

static int is_limit(int op) {
  return op == SQLITE_INDEX_CONSTRAINT_LIMIT || op == SQLITE_INDEX_CONSTRAINT_OFFSET;
}

/* 1 where a statement can read the column. */
static int is_stored(const attnx_config *config, int column) {
  return attnx_config_keeps(config, column) ||
         (config->content == ATTNX_CONTENT_EXTERNAL &&
          config->column[column].kind != ATTNX_COLUMN_VECTOR);
}

/* What a constraint is to the table. */
typedef enum role {
  ROLE_NONE,
  ROLE_MATCH,
  ROLE_K,
  ROLE_K_LEAST, /* k > 5, which no search can be asked for */
  ROLE_DISTANCE,
  ROLE_FILTER,
  ROLE_LIMIT
} role;

/* Whether MATCH on the column is that of the table: it holds the row's vector, or is the
** only text that is embedded. */
static int is_searched(const attnx_config *config, int column) {
  if (column < 0) return 0;
  attnx_column_kind kind = config->column[column].kind;
  return kind == ATTNX_COLUMN_VECTOR ||
         (kind == ATTNX_COLUMN_TEXT && config->n_text == 1);
}

static role role_of(const attnx_config *config, int column, int op) {
  if (is_limit(op)) return ROLE_LIMIT;
  if (column < config->n_column) {
    if (op == SQLITE_INDEX_CONSTRAINT_MATCH) {
      return is_searched(config, column) ? ROLE_MATCH : ROLE_NONE;
    }
    if (!operator_sql(op)) return ROLE_NONE;
    return column < 0 || is_stored(config, column) ? ROLE_FILTER : ROLE_NONE;
  }
  switch (column - config->n_column) {
  case ATTNX_HIDDEN_MATCH:
    return op == SQLITE_INDEX_CONSTRAINT_MATCH || op == SQLITE_INDEX_CONSTRAINT_EQ
               ? ROLE_MATCH
               : ROLE_NONE;
  case ATTNX_HIDDEN_K:
    return op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_IS ||
                   op == SQLITE_INDEX_CONSTRAINT_LE || op == SQLITE_INDEX_CONSTRAINT_LT
               ? ROLE_K
           : op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_GT
               ? ROLE_K_LEAST
               : ROLE_NONE;
  default:
    return is_comparison(op) ? ROLE_DISTANCE : ROLE_NONE;
  }
}

/* -------------------------------------------------------------------- xBestIndex */

enum { N_OMIT = 16 }; /* constraints that SQLite can leave to a table */

typedef struct builder {
  attnx_index *index;
  sqlite3_index_info *info;
  sqlite3_str *plan;
  int n_argument;
  int match, unique, n_filter;
  int all; /* nothing is left for SQLite to check */
} builder;

static void take(builder *b, int i, int omit) {
  const struct sqlite3_index_constraint *c = &b->info->aConstraint[i];
  int filter = role_of(&b->index->config, c->iColumn, c->op) == ROLE_FILTER;
  int list =
      filter && c->op == SQLITE_INDEX_CONSTRAINT_EQ && sqlite3_vtab_in(b->info, i, 1);
  const char *collation =
      filter && c->iColumn >= 0 ? sqlite3_vtab_collation(b->info, i) : "";
  b->info->aConstraintUsage[i].argvIndex = ++b->n_argument;
  b->info->aConstraintUsage[i].omit = (unsigned char)omit;
  int column = role_of(&b->index->config, c->iColumn, c->op) == ROLE_MATCH
                   ? b->index->config.n_column + ATTNX_HIDDEN_MATCH
                   : c->iColumn;
  sqlite3_str_appendf(b->plan, "%d,%d,%d,%d,%s;", c->op, column, list,
                      (int)strlen(collation), collation);
  if (!omit) b->all = 0;
  if (filter) b->n_filter++;
  if (c->iColumn < 0 && c->op == SQLITE_INDEX_CONSTRAINT_EQ && !list) b->unique = 1;
}

/* MATCH on one of several texts that are embedded as one. */
static int check_column(const builder *b, const struct sqlite3_index_constraint *c) {
  const attnx_config *config = &b->index->config;
  if (c->op != SQLITE_INDEX_CONSTRAINT_MATCH || c->iColumn < 0 ||
      c->iColumn >= config->n_column ||
      config->column[c->iColumn].kind != ATTNX_COLUMN_TEXT || config->n_text == 1) {
    return SQLITE_OK;
  }
  return attnx_index_fail(b->index,
                          "%s: column %s is embedded together with the other texts of "
                          "its row; expected %s MATCH a query",
                          config->table, config->column[c->iColumn].name, config->table);
}

/* A plan needs the values of MATCH and k. */
static int find_match(builder *b) {
  const attnx_config *config = &b->index->config;
  int n_k = 0, least = 0, rc = SQLITE_OK;
  for (int i = 0; i < b->info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &b->info->aConstraint[i];
    role r = role_of(config, c->iColumn, c->op);
    if ((rc = check_column(b, c)) != SQLITE_OK) return rc;
    if (r == ROLE_MATCH || r == ROLE_K) {
      if (!c->usable) return SQLITE_CONSTRAINT;
      if (r == ROLE_MATCH) b->match = 1;
    }
    n_k += r == ROLE_K;
    least |= r == ROLE_K_LEAST;
  }
  const char *table = config->table;
  if (least) {
    return attnx_index_fail(b->index,
                            "%s: k has a lower bound; expected k = n, the number of rows "
                            "to find at most, and ORDER BY distance LIMIT n OFFSET m for "
                            "those behind the first m",
                            table);
  }
  if (n_k > 1)
    return attnx_index_fail(b->index, "%s: k is given twice; expected one", table);
  if (n_k && !b->match) {
    return attnx_index_fail(b->index,
                            "%s: k without a search; expected %s MATCH a query beside it",
                            table, table);
  }
  return SQLITE_OK;
}

/* The first constraint of a role, or -1. */
static int find_role(const builder *b, role wanted) {
  for (int i = 0; i < b->info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &b->info->aConstraint[i];
    if (role_of(&b->index->config, c->iColumn, c->op) == wanted) return i;
  }
  return -1;
}

/* Beside c LIKE 'a%' SQLite offers the range that the text lies in, which leaves out blobs
** that the pattern matches.  It cannot be told from a range that was written, and that one
** SQLite checks itself. */
static int has_pattern(const builder *b, int column) {
  for (int i = 0; i < b->info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &b->info->aConstraint[i];
    if (c->iColumn == column && (c->op == SQLITE_INDEX_CONSTRAINT_LIKE ||
                                 c->op == SQLITE_INDEX_CONSTRAINT_GLOB)) {
      return 1;
    }
  }
  return 0;
}

static void take_terms(builder *b) {
  const attnx_config *config = &b->index->config;
  int n_match = 0, n_k = 0;
  for (int i = 0; i < b->info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &b->info->aConstraint[i];
    role r = role_of(config, c->iColumn, c->op);
    if (r == ROLE_LIMIT) continue;
    if (c->usable && r == ROLE_MATCH && !n_match++) {
      take(b, i, 1);
    } else if (c->usable && r == ROLE_K && b->match && !n_k++) {
      take(b, i, 1);
    } else if (c->usable && r == ROLE_DISTANCE && b->match) {
      take(b, i, 1);
    } else if (c->usable && r == ROLE_FILTER &&
               !(is_comparison(c->op) && has_pattern(b, c->iColumn))) {
      /* Another table's column may compare otherwise than it was declared here. */
      take(b, i,
           c->iColumn < 0 ||
               (config->content != ATTNX_CONTENT_EXTERNAL && !is_inequality(c->op)));
    } else {
      b->all = 0;
    }
  }
}

/* Whether SQLite compares with the hidden column of MATCH: it asks again about what
** stands behind its first sixteen constraints, whatever it is told. */
static int needs_value(const builder *b) {
  const int i = find_role(b, ROLE_MATCH);
  return i >= N_OMIT && b->info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ;
}

/* LIMIT says how many rows are wanted only if SQLite drops none of them. */
static void take_limit(builder *b) {
  for (int i = 0; i < b->info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &b->info->aConstraint[i];
    if (is_limit(c->op) && c->usable) take(b, i, 0);
  }
}

/* Whether the statement uses columns of the row; SQLite has one bit for all from 63 on. */
static int reads_columns(const builder *b) {
  const int n = b->index->config.n_column;
  return n > 62 ? b->info->colUsed != 0
                : (b->info->colUsed & (((sqlite3_uint64)1 << n) - 1)) != 0;
}

static int is_distance(const attnx_config *config, int column) {
  return column == config->n_column + ATTNX_HIDDEN_DISTANCE ||
         column == config->n_column + ATTNX_HIDDEN_RANK;
}

/* Rows come by distance, then rowid; or by rowid.  Returns 1 if that is what is asked. */
static int is_ordered(const builder *b, int *desc) {
  const struct sqlite3_index_orderby *order = b->info->aOrderBy;
  int n = b->info->nOrderBy;
  *desc = 0;
  if (b->match) {
    if (n < 1 || n > 2 || order[0].desc) return 0;
    if (!is_distance(&b->index->config, order[0].iColumn)) return 0;
    return n == 1 || (order[1].iColumn < 0 && !order[1].desc);
  }
  if (n != 1 || order[0].iColumn >= 0) return 0;
  *desc = order[0].desc;
  return 1;
}

/* k where it stands in the statement, else what is usual. */
static double expected_hits(const builder *b) {
  const int i = find_role(b, ROLE_K);
  sqlite3_value *value;
  if (i < 0) return 100;
  return sqlite3_vtab_rhs_value(b->info, i, &value) == SQLITE_OK
             ? sqlite3_value_double(value)
             : 10;
}

static void estimate(const builder *b) {
  sqlite3_index_info *info = b->info;
  double n = b->index->stamp ? (double)b->index->directory.n_live : 100000;
  double rows = b->match ? expected_hits(b) : n;
  if (b->unique) {
    rows = 1;
    info->idxFlags |= SQLITE_INDEX_SCAN_UNIQUE;
  } else if (!b->match) {
    for (int i = 0; i < b->n_filter && rows > 1; i++) rows /= 4;
  }
  if (rows > n) rows = n; /* k may be infinite */
  if (rows < 1) rows = 1;
  /* In units of a row read: to embed and scan, or to step through rows. */
  double search = 2000 + n / 20 + 5 * (b->match ? rows : 100);
  info->estimatedCost = b->match ? search : b->unique ? 5 : 2 * search + 3 * n + rows;
  info->estimatedRows = (sqlite3_int64)rows;
}

/* What has been changed is read for the estimate only, and what is wrong with it shows
** when the statement runs.  Not so the errors with which SQLite takes the whole
** transaction back: whoever goes on after one would go on in the next transaction. */
static int refresh(attnx_index *index) {
  int rc = index->stamp ? SQLITE_OK : attnx_index_refresh(index);
  int code = rc & 0xff;
  if (code == SQLITE_NOMEM || code == SQLITE_IOERR || code == SQLITE_FULL ||
      code == SQLITE_INTERRUPT) {
    return rc;
  }
  sqlite3_free(index->base.zErrMsg);
  index->base.zErrMsg = NULL;
  return SQLITE_OK;
}

int attnx_plan_best_index(attnx_index *index, sqlite3_index_info *info) {
  builder b = {.index = index, .info = info, .all = 1};
  int desc, rc = find_match(&b);
  if (rc == SQLITE_OK) rc = refresh(index);
  if (rc != SQLITE_OK) return rc;
  b.plan = sqlite3_str_new(NULL);
  take_terms(&b);
  int ordered = is_ordered(&b, &desc);
  if (b.match && b.all && info->nConstraint <= N_OMIT &&
      (ordered || info->nOrderBy == 0)) {
    take_limit(&b);
  }
  info->orderByConsumed = ordered;
  info->idxNum = (b.match ? ATTNX_PLAN_MATCH : 0) | (desc ? ATTNX_PLAN_DESC : 0) |
                 (b.match && ordered ? ATTNX_PLAN_ORDERED : 0) |
                 (needs_value(&b) ? ATTNX_PLAN_VALUE : 0) |
                 (reads_columns(&b) ? ATTNX_PLAN_READS : 0);
  estimate(&b);
  info->idxStr = sqlite3_str_finish(b.plan);
  info->needToFreeIdxStr = 1;
  return info->idxStr || !b.n_argument ? SQLITE_OK : SQLITE_NOMEM;
}

/* ----------------------------------------------------------------------- reading */

attnx_plan *attnx_plan_read(const char *text, int argc, sqlite3_value **argv) {
  const size_t n_term = (size_t)argc * sizeof(attnx_term);
  const size_t n_text = text ? strlen(text) + 1 : 0;
  attnx_plan *plan = sqlite3_malloc64(sizeof *plan + n_term + n_text);
  if (!plan) return NULL;
  plan->n_term = text ? argc : 0;
  char *p = (char *)plan->term + n_term;
  if (text) memcpy(p, text, n_text);
  for (int i = 0; i < plan->n_term; i++) {
    attnx_term *term = &plan->term[i];
    term->op = (int)strtol(p, &p, 10);
    term->column = (int)strtol(p + 1, &p, 10);
    term->is_list = (int)strtol(p + 1, &p, 10);
    const long n_collation = strtol(p + 1, &p, 10);
    term->collation = ++p;
    term->value = argv[i];
    p += n_collation;
    *p++ = 0;
  }
  return plan;
}

const attnx_term *attnx_plan_find(const attnx_plan *plan, int column, int op) {
  for (int i = 0; i < plan->n_term; i++) {
    const attnx_term *term = &plan->term[i];
    if (is_limit(op) ? term->op == op
                     : !is_limit(term->op) && term->column == column &&
                           (op == 0 || term->op == op)) {
      return term;
    }
  }
  return NULL;
}

static int is_filter(const attnx_index *index, const attnx_term *term) {
  return !is_limit(term->op) && term->column < index->config.n_column;
}

int attnx_plan_filters(const attnx_index *index, const attnx_plan *plan) {
  for (int i = 0; i < plan->n_term; i++) {
    if (is_filter(index, &plan->term[i])) return 1;
  }
  return 0;
}

/* -------------------------------------------------------------------------- rows */

/* Which tables the terms are about. */
typedef struct sources {
  int column; /* a column of the content, or of own plain ones */
  int text;   /* of own texts */
} sources;

static sources find_sources(const attnx_index *index, const attnx_plan *plan) {
  sources s = {0};
  for (int i = 0; i < plan->n_term; i++) {
    const attnx_term *term = &plan->term[i];
    if (!is_filter(index, term) || term->column < 0) continue;
    s.column = 1;
    s.text |= index->config.column[term->column].kind == ATTNX_COLUMN_TEXT;
  }
  return s;
}

/* A value as SQL that reads as the same value again. */
static void append_literal(sqlite3_str *s, sqlite3_value *value) {
  const unsigned char *p;
  double real;
  int n;
  switch (sqlite3_value_type(value)) {
  case SQLITE_INTEGER:
    sqlite3_str_appendf(s, "%lld", sqlite3_value_int64(value));
    break;
  case SQLITE_FLOAT:
    real = sqlite3_value_double(value);
    if (fabs(real) <= DBL_MAX) {
      sqlite3_str_appendf(s, "%!.20g", real);
    } else { /* "Inf" would be a name */
      sqlite3_str_appendall(s, real < 0 ? "-9e999" : "9e999");
    }
    break;
  case SQLITE_NULL:
    sqlite3_str_appendall(s, "NULL");
    break;
  default:
    sqlite3_str_appendall(s,
                          sqlite3_value_type(value) == SQLITE_TEXT ? "CAST(x'" : "(x'");
    p = sqlite3_value_blob(value);
    n = sqlite3_value_bytes(value);
    for (int i = 0; p && i < n; i++) sqlite3_str_appendf(s, "%02x", p[i]);
    sqlite3_str_appendall(s,
                          sqlite3_value_type(value) == SQLITE_TEXT ? "' AS TEXT)" : "')");
  }
}

static int append_list(sqlite3_str *s, sqlite3_value *list) {
  sqlite3_value *value;
  int rc, n = 0;
  sqlite3_str_appendall(s, "IN (");
  for (rc = sqlite3_vtab_in_first(list, &value); rc == SQLITE_OK && value;
       rc = sqlite3_vtab_in_next(list, &value)) {
    if (n++) sqlite3_str_appendchar(s, 1, ',');
    append_literal(s, value);
  }
  sqlite3_str_appendchar(s, 1, ')');
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void append_column(sqlite3_str *s, const attnx_index *index, int column) {
  const attnx_config *config = &index->config;
  if (config->content == ATTNX_CONTENT_EXTERNAL) {
    sqlite3_str_appendf(s, "d.\"%w\"", config->column[column].name);
  } else {
    int text = config->column[column].kind == ATTNX_COLUMN_TEXT;
    sqlite3_str_appendf(s, "%s.c%d", text ? "c" : "r", column);
  }
}

static int append_term(sqlite3_str *s, const attnx_index *index, const char *id,
                       const attnx_term *term) {
  if (term->column < 0) {
    sqlite3_str_appendall(s, id);
  } else {
    append_column(s, index, term->column);
    sqlite3_str_appendf(s, " COLLATE \"%w\"", term->collation);
  }
  sqlite3_str_appendchar(s, 1, ' ');
  if (term->is_list) return append_list(s, term->value);
  sqlite3_str_appendall(s, operator_sql(term->op));
  return SQLITE_OK;
}

static int append_terms(sqlite3_str *s, const attnx_index *index, const char *id,
                        const attnx_plan *plan) {
  int rc = SQLITE_OK, n = 0;
  for (int i = 0; rc == SQLITE_OK && i < plan->n_term; i++) {
    if (!is_filter(index, &plan->term[i])) continue;
    sqlite3_str_appendall(s, n++ ? " AND " : " WHERE ");
    rc = append_term(s, index, id, &plan->term[i]);
  }
  return rc;
}

/* FROM: the rows of the index, but a search does not need them beside the content. */
static void append_sources(sqlite3_str *s, const attnx_index *index, sources from,
                           int search) {
  const attnx_config *config = &index->config;
  if (config->content == ATTNX_CONTENT_EXTERNAL && from.column) {
    sqlite3_str_appendf(s, " FROM \"%w\".\"%w\" d", config->schema,
                        config->content_table);
    if (!search) {
      sqlite3_str_appendf(s, " JOIN $rows r ON r.id = d.\"%w\"", config->content_rowid);
    }
  } else {
    sqlite3_str_appendall(s, " FROM $rows r");
    if (from.text) sqlite3_str_appendall(s, " JOIN $content c ON c.id = r.id");
  }
}

static int has_value(const attnx_term *term) {
  return !term->is_list && term->op != SQLITE_INDEX_CONSTRAINT_ISNULL &&
         term->op != SQLITE_INDEX_CONSTRAINT_ISNOTNULL;
}

static int bind_terms(attnx_index *index, const attnx_plan *plan, sqlite3_stmt *stmt) {
  int rc = SQLITE_OK, n = 0;
  for (int i = 0; rc == SQLITE_OK && i < plan->n_term; i++) {
    const attnx_term *term = &plan->term[i];
    if (is_filter(index, term) && has_value(term)) {
      rc = sqlite3_bind_value(stmt, ++n, term->value);
    }
  }
  return rc;
}

int attnx_plan_rows(attnx_index *index, const attnx_plan *plan, int flags, int ordered,
                    sqlite3_stmt **out) {
  const attnx_config *config = &index->config;
  sources from = find_sources(index, plan);
  int search = flags & ATTNX_PLAN_MATCH;
  int content = search && from.column && config->content == ATTNX_CONTENT_EXTERNAL;
  *out = NULL;
  char *id = content ? sqlite3_mprintf("d.\"%w\"", config->content_rowid)
                     : sqlite3_mprintf("r.id");
  if (!id) return SQLITE_NOMEM;
  sqlite3_str *s = sqlite3_str_new(index->db);
  sqlite3_str_appendf(s, "SELECT %s", id);
  append_sources(s, index, from, search);
  int rc = append_terms(s, index, id, plan);
  if (ordered)
    sqlite3_str_appendf(s, " ORDER BY r.id%s", flags & ATTNX_PLAN_DESC ? " DESC" : "");
  sqlite3_free(id);
  if (rc == SQLITE_OK) rc = sqlite3_str_errcode(s);
  char *sql = sqlite3_str_finish(s);
  if (rc == SQLITE_OK && !sql) rc = SQLITE_NOMEM;
  if (rc == SQLITE_OK) rc = attnx_storage_prepare(index, sql, out);
  sqlite3_free(sql);
  if (rc == SQLITE_OK) rc = bind_terms(index, plan, *out);
  return rc;
}
