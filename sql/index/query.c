/*
** query.c - the cursor: scans and searches.
**
** A scan steps through the rowids that the plan's statement gives.  A search collects
** these rowids (where there are such terms), scans the codes of every chunk for the
** rows that are among them, and hands out rows by distance.  Where the table has lists
** (ivf.c), it scans those nearest to the query alone, until it has
**
**   - scanned `probes` of them,
**   - met 20 rows for each one wanted, and
**   - under a filter, met as many rows as so many lists hold without one: a filter
**     that lets one row in ten through makes it scan ten times the lists,
**
** or all lists.
**
** A search for some rows is much faster than one for all.  How many are wanted is not
** always known: SQLite may not pass LIMIT, and rows may be passed over (distance > x,
** several windows of one row).  So a search is made for few rows, and when they are used
** up it is made again for more, now exactly.  The same is done when the table changes
** while a cursor is open on it.  No row comes twice, and none that matches is lost:
**
**   - Without ORDER BY distance, the ids of the rows that were given are kept.
**   - With it, and where it is known how many rows SQLite will take (k, LIMIT without
**     OFFSET), the rows are those of the search without it: all are collected, sorted by
**     distance and rowid, and then given.
**   - With it and without such a number the search is exact, as an approximate one may
**     meet a row after a farther one was given.  So the pages of a result that is read
**     with LIMIT and OFFSET fit together.  What a further search gives up to the distance
**     and rowid of the last row is passed over.
*/
#include "cursor.h"
#include "../vec.h"
#include <math.h>
#include <string.h>

enum { FIRST_K = 64, GROWTH = 8, PROBES = 64, ROWS_A_HIT = 20 };

/* ------------------------------------------------------------------- sets of ids */

static int append_id(attnx_ids *ids, sqlite3_int64 id, char **error) {
  if (ids->n == ids->n_alloc) {
    int rc = attns_grow(&ids->id, &ids->n_alloc, 256, sizeof id, error);
    if (rc != SQLITE_OK) return rc;
  }
  ids->id[ids->n++] = id;
  return SQLITE_OK;
}

static size_t find_key(const attnx_id_set *set, sqlite3_uint64 key) {
  /* A product carries bits upwards only, so the high half of the key comes down first. */
  sqlite3_uint64 mixed = (key ^ key >> 32) * 0x9E3779B97F4A7C15u;
  size_t at = (size_t)(mixed >> 32) & (set->n_slot - 1);
  while (set->key[at] && set->key[at] != key) at = (at + 1) & (set->n_slot - 1);
  return at;
}

static int grow_set(attnx_id_set *set) {
  attnx_id_set grown = {.n = set->n, .n_slot = set->n_slot ? 2 * set->n_slot : 256};
  grown.has_last = set->has_last;
  grown.key = sqlite3_malloc64(grown.n_slot * sizeof *grown.key);
  if (!grown.key) return SQLITE_NOMEM;
  memset(grown.key, 0, grown.n_slot * sizeof *grown.key);
  for (size_t i = 0; i < set->n_slot; i++) {
    if (set->key[i]) grown.key[find_key(&grown, set->key[i])] = set->key[i];
  }
  sqlite3_free(set->key);
  *set = grown;
  return SQLITE_OK;
}

/* Puts an id into a set, a hash table with linear probing of which 0 marks what is empty;
** *is_new: it was not there. */
static int insert_id(attnx_id_set *set, sqlite3_int64 id, int *is_new) {
  sqlite3_uint64 key = (sqlite3_uint64)id + 1; /* 0: row -1 is known by has_last */
  *is_new = 0;
  if (key == 0) {
    *is_new = !set->has_last;
    set->has_last = 1;
    return SQLITE_OK;
  }
  if (2 * set->n >= set->n_slot) {
    int rc = grow_set(set);
    if (rc != SQLITE_OK) return rc;
  }
  size_t at = find_key(set, key);
  *is_new = set->key[at] == 0;
  set->n += (size_t)*is_new;
  set->key[at] = key;
  return SQLITE_OK;
}

static void clear_set(attnx_id_set *set) {
  sqlite3_free(set->key);
  memset(set, 0, sizeof *set);
}

static int compare_ids(const void *a, const void *b) {
  const sqlite3_int64 x = *(const sqlite3_int64 *)a, y = *(const sqlite3_int64 *)b;
  return x < y ? -1 : x > y;
}

/* Statements mostly give rowids in order. */
static void sort_ids(attnx_ids *ids) {
  size_t i = 1;
  while (i < ids->n && ids->id[i - 1] <= ids->id[i]) i++;
  if (i < ids->n) attn_sort(ids->id, ids->n, sizeof *ids->id, compare_ids);
}

static int collect_ids(attnx_cursor *cursor, const attnx_plan *plan) {
  attnx_index *index = attnx_cursor_index(cursor);
  sqlite3_stmt *stmt;
  int rc = attnx_plan_rows(index, plan, ATTNX_PLAN_MATCH, 0, &stmt);
  while (rc == SQLITE_OK && (rc = attnx_storage_step(index, stmt)) == SQLITE_ROW) {
    rc = append_id(&cursor->filter, sqlite3_column_int64(stmt, 0), &index->base.zErrMsg);
  }
  sqlite3_finalize(stmt);
  sort_ids(&cursor->filter);
  return rc;
}

/* ------------------------------------------------------------------------ search */

static attn_status fetch(void *ctx, const attn_row *row, size_t n, attn_error *err,
                         float *out) {
  attnx_cursor *cursor = ctx;
  attnx_index *index = attnx_cursor_index(cursor);
  (void)err;
  for (size_t i = 0; i < n; i++) {
    sqlite3_int64 place =
        index->directory.entry[row[i].chunk].id << ATTNX_CHUNK_SHIFT | row[i].slot;
    cursor->rc =
        attnx_chunks_vector(index, place, &cursor->vectors, out + i * index->dimension);
    if (cursor->rc != SQLITE_OK) return cursor->rc == SQLITE_NOMEM ? ATTN_NOMEM : ATTN_IO;
  }
  return ATTN_OK;
}

/* The first error is the one to tell: that of `fetch`, if it failed. */
static int search_status(attnx_cursor *cursor, attn_status status,
                         const attn_error *err) {
  if (status != ATTN_OK && cursor->rc != SQLITE_OK) return cursor->rc;
  return attns_sql_status(status, err, &attnx_cursor_index(cursor)->base.zErrMsg);
}

/* Scans an entry of the directory. */
static int scan(attnx_cursor *cursor, size_t i, sqlite3_blob **blob) {
  attnx_index *index = attnx_cursor_index(cursor);
  const attnx_chunk_entry *entry = &index->directory.entry[i];
  uint64_t filter[ATTNX_CHUNK_SLOTS / 64];
  attn_error err = {""};
  attnx_codes *codes;
  if (attns_interrupted(index->db)) return SQLITE_INTERRUPT;
  int rc = attnx_chunks_codes(index, entry, blob, &codes);
  if (rc != SQLITE_OK) return rc;
  const void *data = attnx_codes_data(codes);
  if (cursor->has_filter) {
    attn_chunk_filter(data, (const int64_t *)cursor->filter.id, cursor->filter.n, filter);
  }
  rc = search_status(cursor,
                     attn_search_scan(cursor->search, data, (uint32_t)i,
                                      cursor->has_filter ? filter : NULL, &err),
                     &err);
  attnx_codes_release(codes);
  return rc;
}

static int scan_all(attnx_cursor *cursor, sqlite3_blob **blob) {
  int rc = SQLITE_OK;
  cursor->n_unscanned = 0;
  for (size_t i = 0; rc == SQLITE_OK && i < attnx_cursor_index(cursor)->directory.n;
       i++) {
    rc = scan(cursor, i, blob);
  }
  return rc;
}

/* Rows to meet, at least. */
static double rows_to_meet(const attnx_cursor *cursor, double n_probe) {
  const attnx_index *index = attnx_cursor_index(cursor);
  double mean = (double)index->directory.n_live / attn_ivf_count(index->lists);
  double n = (double)cursor->k * ROWS_A_HIT;
  return cursor->has_filter && n < n_probe * mean ? n_probe * mean : n;
}

/* Scans the n nearest lists, but not those that were scanned before. */
static int scan_nearest(attnx_cursor *cursor, uint32_t n, uint32_t *list, char *scanned,
                        double to_meet, sqlite3_blob **blob) {
  attnx_index *index = attnx_cursor_index(cursor);
  attnx_directory *dir = &index->directory;
  uint32_t n_probe = (uint32_t)(index->n_probe ? index->n_probe : PROBES);
  attn_error err = {""};
  int rc = attns_sql_status(attn_ivf_nearest(index->lists, cursor->query, n, &err, list),
                            &err, &index->base.zErrMsg);
  for (uint32_t i = 0; rc == SQLITE_OK && i < n; i++) {
    if (i >= n_probe && (double)attn_search_scanned(cursor->search) >= to_meet) break;
    if (scanned[list[i]]) continue;
    scanned[list[i]] = 1;
    cursor->n_unscanned--;
    for (size_t c = dir->first_of_list[list[i]]; rc == SQLITE_OK && c != ATTNX_NO_CHUNK;
         c = dir->entry[c].next) {
      rc = scan(cursor, c, blob);
    }
  }
  return rc;
}

static int scan_lists(attnx_cursor *cursor, sqlite3_blob **blob) {
  attnx_index *index = attnx_cursor_index(cursor);
  uint32_t n_list = attn_ivf_count(index->lists);
  uint32_t n = (uint32_t)(index->n_probe ? index->n_probe : PROBES);
  double to_meet = rows_to_meet(cursor, n);
  uint32_t *list = sqlite3_malloc64(n_list * (sizeof *list + 1));
  if (!list) return SQLITE_NOMEM;
  char *scanned = (char *)(list + n_list);
  memset(scanned, 0, n_list);
  cursor->n_unscanned = n_list;
  if (n > n_list) n = n_list;
  int rc = scan_nearest(cursor, n, list, scanned, to_meet, blob);
  while (rc == SQLITE_OK && n < n_list &&
         (double)attn_search_scanned(cursor->search) < to_meet) {
    n = n > n_list / 8 ? n_list : 8 * n;
    rc = scan_nearest(cursor, n, list, scanned, to_meet, blob);
  }
  sqlite3_free(list);
  return rc;
}

static void end_search(attnx_cursor *cursor) {
  attn_search_free(cursor->search);
  cursor->search = NULL;
  sqlite3_blob_close(cursor->vectors);
  cursor->vectors = NULL;
}

/* Searches for cursor->k rows. */
static int begin_search(attnx_cursor *cursor) {
  attnx_index *index = attnx_cursor_index(cursor);
  attn_error err = {""};
  sqlite3_blob *blob = NULL;
  end_search(cursor);
  int rc = attnx_index_flush(index);
  if (rc == SQLITE_OK) rc = attnx_index_refresh(index);
  if (rc != SQLITE_OK) return rc;
  attn_search_options options = {
      .metric = index->config.metric,
      .d = index->dimension,
      .k = cursor->k,
      .max_distance = cursor->high == HUGE_VAL ? NULL : &cursor->high,
      /* With windows a row would come at the distance of another than its best. */
      .sigma = cursor->is_exact || index->config.window ? 0 : ATTN_SIGMA,
      .fetch = fetch,
      .ctx = cursor,
  };
  cursor->rc = SQLITE_OK;
  cursor->n_hit = 0;
  cursor->n_change = index->n_change;
  rc = search_status(cursor, attn_search_new(&options, &err, &cursor->search), &err);
  if (rc == SQLITE_OK) {
    rc = search_status(cursor, attn_search_begin(cursor->search, cursor->query, &err),
                       &err);
  }
  if (rc == SQLITE_OK) {
    int some = index->lists && cursor->k && !cursor->is_exact;
    rc = some ? scan_lists(cursor, &blob) : scan_all(cursor, &blob);
  }
  sqlite3_blob_close(blob);
  return rc;
}

/* Makes cursor->source stand on a row; has_row is 0 where there is none. */
static int read_source(attnx_cursor *cursor, sqlite3_int64 id) {
  attnx_index *index = attnx_cursor_index(cursor);
  int rc = SQLITE_OK;
  if (cursor->has_row && cursor->source_id == id) return SQLITE_OK;
  cursor->has_row = 0;
  cursor->source_id = id;
  if (!cursor->source) rc = attnx_storage_source(index, &cursor->source);
  if (rc == SQLITE_OK) rc = sqlite3_reset(cursor->source);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(cursor->source, 1, id);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, cursor->source);
  cursor->has_row = rc == SQLITE_ROW;
  return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Whether the content table has no such row any more.  REPLACE deletes rows by their
** other keys without a trigger that could tell the index.  A table that is not there at
** all is an error only where its columns are read. */
static int is_ghost(attnx_cursor *cursor, sqlite3_int64 id, int *out) {
  attnx_index *index = attnx_cursor_index(cursor);
  *out = 0;
  if (index->config.content != ATTNX_CONTENT_EXTERNAL || cursor->no_content) {
    return SQLITE_OK;
  }
  int rc = read_source(cursor, id);
  if (rc == SQLITE_ERROR && !cursor->source) {
    sqlite3_free(index->base.zErrMsg);
    index->base.zErrMsg = NULL;
    cursor->no_content = 1;
    return SQLITE_OK;
  }
  *out = rc == SQLITE_OK && !cursor->has_row;
  return rc;
}

/* Whether a row comes behind the one that was given last. */
static int is_behind(const attnx_cursor *cursor, const attn_hit *hit) {
  if (!cursor->n_given) return 1;
  return hit->distance > cursor->distance ||
         (hit->distance == cursor->distance && hit->row.rowid > cursor->rowid);
}

/* A row of several windows is at the distance of its best, which comes first: it counts as
** seen, and a window behind it does not bring back a row that is too near. */
static int is_wanted(attnx_cursor *cursor, const attn_hit *hit, int *wanted) {
  const int has_windows = attnx_cursor_index(cursor)->config.window != 0;
  int is_new = 1, rc = SQLITE_OK;
  if (has_windows || !cursor->in_order) {
    rc = insert_id(&cursor->seen, hit->row.rowid, &is_new);
  }
  *wanted = is_new && hit->distance >= cursor->low &&
            !(cursor->low_open && hit->distance == cursor->low) &&
            !(cursor->high_open && hit->distance == cursor->high) &&
            (!cursor->in_order || is_behind(cursor, hit));
  if (rc == SQLITE_OK && *wanted) {
    int ghost;
    rc = is_ghost(cursor, hit->row.rowid, &ghost);
    *wanted = !ghost;
  }
  return rc;
}

/* The next row of the search, or of a further one, that was not given before;
** hit->found is 0 at the end. */
static int find_hit(attnx_cursor *cursor, attn_hit *hit) {
  attnx_index *index = attnx_cursor_index(cursor);
  attn_error err = {""};
  int wanted = 0;
  while (!wanted) {
    int rc = search_status(cursor, attn_search_next(cursor->search, &err, hit), &err);
    if (rc != SQLITE_OK) return rc;
    if (hit->found) {
      cursor->n_hit++;
      rc = is_wanted(cursor, hit, &wanted);
    } else if (cursor->n_unscanned || (cursor->k && cursor->n_hit >= cursor->k)) {
      cursor->k = cursor->k > index->directory.n_live / GROWTH ? 0 : cursor->k * GROWTH;
      cursor->is_exact = 1;
      rc = begin_search(cursor);
    } else {
      return SQLITE_OK;
    }
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

static int compare_hits(const void *a, const void *b) {
  const attn_hit *x = a, *y = b;
  if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
  return x->row.rowid < y->row.rowid ? -1 : x->row.rowid > y->row.rowid;
}

/* Collects and sorts the rows from n_given on. */
static int collect_hits(attnx_cursor *cursor) {
  char **error = &attnx_cursor_index(cursor)->base.zErrMsg;
  attn_hit hit;
  cursor->n_held = (size_t)cursor->n_given;
  while (cursor->n_held < cursor->n_collect) {
    int rc = find_hit(cursor, &hit);
    if (rc != SQLITE_OK) return rc;
    if (!hit.found) break;
    if (cursor->n_held == cursor->n_held_alloc) {
      rc = attns_grow(&cursor->held, &cursor->n_held_alloc, 16, sizeof hit, error);
      if (rc != SQLITE_OK) return rc;
    }
    cursor->held[cursor->n_held++] = hit;
  }
  if (cursor->n_held > cursor->n_given) {
    attn_sort(cursor->held + cursor->n_given, cursor->n_held - (size_t)cursor->n_given,
              sizeof hit, compare_hits);
  }
  return SQLITE_OK;
}

/* The table has changed: rows that were collected and not given may be gone. */
static int search_again(attnx_cursor *cursor) {
  int rc = SQLITE_OK, is_new;
  const int collects = cursor->n_given < cursor->n_held;
  if (collects) clear_set(&cursor->seen);
  for (size_t i = 0; rc == SQLITE_OK && collects && i < cursor->n_given; i++) {
    rc = insert_id(&cursor->seen, cursor->held[i].row.rowid, &is_new);
  }
  if (rc == SQLITE_OK) rc = begin_search(cursor);
  if (rc == SQLITE_OK && collects) rc = collect_hits(cursor);
  return rc;
}

static int next_hit(attnx_cursor *cursor) {
  attnx_index *index = attnx_cursor_index(cursor);
  attn_hit hit;
  int rc = SQLITE_OK;
  cursor->eof = 1;
  if (cursor->n_given == cursor->wanted) return SQLITE_OK;
  if (cursor->n_change != index->n_change) rc = search_again(cursor);
  if (rc != SQLITE_OK) return rc;
  if (cursor->n_given < cursor->n_held) {
    hit = cursor->held[cursor->n_given];
  } else if ((rc = find_hit(cursor, &hit)) != SQLITE_OK || !hit.found) {
    return rc;
  }
  cursor->eof = 0;
  cursor->n_given++;
  cursor->rowid = hit.row.rowid;
  cursor->distance = hit.distance;
  cursor->place =
      index->directory.entry[hit.row.chunk].id << ATTNX_CHUNK_SHIFT | hit.row.slot;
  return SQLITE_OK;
}

/* ------------------------------------------------------------------- what is asked */

/* A whole number from 0 on, 2.0 also; `what` names it. */
static int read_count(attnx_index *index, sqlite3_value *value, const char *what,
                      sqlite3_uint64 *out) {
  double real = sqlite3_value_double(value);
  int type = sqlite3_value_numeric_type(value);
  int is_whole = type == SQLITE_FLOAT && real == floor(real) && fabs(real) < 1e15;
  if (type != SQLITE_INTEGER && !is_whole) {
    return attnx_index_fail(index, "%s: %s is %!.40s; expected a whole number",
                            index->config.table, what, attns_value_found(value));
  }
  sqlite3_int64 n = sqlite3_value_int64(value);
  if (n < 0) {
    return attnx_index_fail(index, "%s: %s is %lld; expected 0 or more",
                            index->config.table, what, n);
  }
  *out = (sqlite3_uint64)n;
  return SQLITE_OK;
}

/* LIMIT and OFFSET together say how many rows SQLite will take, if it drops none.  Of
** `(a, b) > (1, 2)` the table is told `a >= 1` alone: then it asks for more. */
static void read_limit(const attnx_plan *plan, const attnx_term *offset,
                       sqlite3_uint64 *wanted) {
  const attnx_term *limit = attnx_plan_find(plan, 0, SQLITE_INDEX_CONSTRAINT_LIMIT);
  sqlite3_int64 n = limit ? sqlite3_value_int64(limit->value) : -1;
  sqlite3_int64 skip = offset ? sqlite3_value_int64(offset->value) : 0;
  if (n <= 0) return;
  if (skip < 0) skip = 0;
  if (n <= INT64_MAX - skip && (sqlite3_uint64)(n + skip) < *wanted) {
    *wanted = (sqlite3_uint64)(n + skip);
  }
}

/* distance < x and the like narrow [low, high]. */
static int read_bound(attnx_cursor *cursor, const attnx_term *term) {
  int type = sqlite3_value_numeric_type(term->value);
  double x = sqlite3_value_double(term->value);
  int is_open =
      term->op == SQLITE_INDEX_CONSTRAINT_LT || term->op == SQLITE_INDEX_CONSTRAINT_GT;
  if (type == SQLITE_NULL) return 0;
  /* As SQLite compares them: a number is below any text and blob. */
  if (type == SQLITE_TEXT || type == SQLITE_BLOB) x = HUGE_VAL;
  if (term->op == SQLITE_INDEX_CONSTRAINT_LT || term->op == SQLITE_INDEX_CONSTRAINT_LE) {
    if (x < cursor->high || (x == cursor->high && is_open)) {
      cursor->high_open = is_open;
      cursor->high = x;
    }
  } else if (x > cursor->low || (x == cursor->low && is_open)) {
    cursor->low_open = is_open;
    cursor->low = x;
  }
  return 1;
}

static int read_bounds(attnx_cursor *cursor, const attnx_plan *plan) {
  int n = attnx_cursor_index(cursor)->config.n_column;
  cursor->low = -HUGE_VAL;
  cursor->high = HUGE_VAL;
  cursor->low_open = cursor->high_open = 0;
  for (int i = 0; i < plan->n_term; i++) {
    const attnx_term *term = &plan->term[i];
    if (term->column != n + ATTNX_HIDDEN_DISTANCE &&
        term->column != n + ATTNX_HIDDEN_RANK) {
      continue;
    }
    if (!read_bound(cursor, term)) return 0;
  }
  return 1;
}

static int same_value(sqlite3_value *a, sqlite3_value *b) {
  int n = sqlite3_value_bytes(a);
  return sqlite3_value_type(a) == sqlite3_value_type(b) && n == sqlite3_value_bytes(b) &&
         (n == 0 || memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), (size_t)n) == 0);
}

/* The vector to search for.  In a join it is mostly the one before. */
static int read_query(attnx_cursor *cursor, sqlite3_value *value) {
  attnx_index *index = attnx_cursor_index(cursor);
  attn_text text = {0};
  if (cursor->query && same_value(value, cursor->match) &&
      sqlite3_value_subtype(value) == sqlite3_value_subtype(cursor->match)) {
    return SQLITE_OK;
  }
  sqlite3_free(cursor->query);
  sqlite3_value_free(cursor->match);
  cursor->query = NULL;
  cursor->match = sqlite3_value_dup(value);
  if (!cursor->match) return SQLITE_NOMEM;
  int embeds = attnx_config_embeds(&index->config);
  int rc = attnx_index_vector(index, value, "query", embeds, &cursor->query);
  if (rc != SQLITE_OK || cursor->query) return rc;
  rc = attns_value_text(value, "query", &index->base.zErrMsg, &text);
  if (rc != SQLITE_OK) return rc;
  cursor->query = sqlite3_malloc64(index->dimension * sizeof *cursor->query);
  if (!cursor->query) return SQLITE_NOMEM;
  rc = attnx_index_embed(index, &text, 1, ATTN_PROMPT_QUERY, cursor->query);
  if (rc != SQLITE_OK) {
    sqlite3_free(cursor->query);
    cursor->query = NULL;
  }
  return rc;
}

/* How many rows the first search is made for, and whether it may be approximate. */
static void choose_search(attnx_cursor *cursor, const attnx_plan *plan) {
  const attnx_index *index = attnx_cursor_index(cursor);
  const int is_ordered = cursor->flags & ATTNX_PLAN_ORDERED;
  const attnx_term *offset = attnx_plan_find(plan, 0, SQLITE_INDEX_CONSTRAINT_OFFSET);
  sqlite3_uint64 first = cursor->wanted;
  read_limit(plan, offset, &first);
  cursor->k = first != UINT64_MAX ? first : cursor->high == HUGE_VAL ? FIRST_K : 0;
  cursor->is_exact = index->exact || first > index->directory.n_live ||
                     (is_ordered && (offset || first == UINT64_MAX));
  cursor->in_order = is_ordered && cursor->is_exact;
  cursor->n_collect = is_ordered && !cursor->is_exact ? (size_t)first : 0;
}

static int filter_search(attnx_cursor *cursor, const attnx_plan *plan) {
  attnx_index *index = attnx_cursor_index(cursor);
  const attnx_term *match =
      attnx_plan_find(plan, index->config.n_column + ATTNX_HIDDEN_MATCH, 0);
  const attnx_term *k = attnx_plan_find(plan, index->config.n_column + ATTNX_HIDDEN_K, 0);
  int rc = SQLITE_OK;
  cursor->wanted = UINT64_MAX;
  if (k) rc = read_count(index, k->value, "k", &cursor->wanted);
  if (k && k->op == SQLITE_INDEX_CONSTRAINT_LT && cursor->wanted > 0) cursor->wanted--;
  cursor->has_k = k != NULL;
  if (rc != SQLITE_OK) return rc;
  if (sqlite3_value_type(match->value) == SQLITE_NULL) {
    return attnx_index_fail(
        index, "%s: the query is NULL; expected a %s", index->config.table,
        attnx_config_embeds(&index->config) ? "text or a vector" : "vector");
  }
  cursor->eof = !read_bounds(cursor, plan);
  if (cursor->eof) return SQLITE_OK;
  rc = attnx_index_refresh(index);
  if (rc == SQLITE_OK) rc = read_query(cursor, match->value);
  cursor->has_filter = attnx_plan_filters(index, plan);
  if (rc == SQLITE_OK && cursor->has_filter) rc = collect_ids(cursor, plan);
  if (rc != SQLITE_OK) return rc;
  choose_search(cursor, plan);
  if (cursor->wanted > 0) rc = begin_search(cursor);
  if (rc == SQLITE_OK && cursor->n_collect) rc = collect_hits(cursor);
  return rc == SQLITE_OK ? next_hit(cursor) : rc;
}

/* ---------------------------------------------------------------------- the cursor */

/* A scan that reads columns leaves out what the content has lost.  Rowids alone are those
** of the index, and so is what is looked for by rowid: a trigger deletes it so. */
static int next_row(attnx_cursor *cursor) {
  int ghost, rc;
  do {
    ghost = 0;
    rc = attnx_storage_step(attnx_cursor_index(cursor), cursor->rows);
    cursor->eof = rc != SQLITE_ROW;
    if (rc != SQLITE_ROW) return rc;
    cursor->rowid = sqlite3_column_int64(cursor->rows, 0);
    rc = cursor->skips_ghosts ? is_ghost(cursor, cursor->rowid, &ghost) : SQLITE_OK;
  } while (rc == SQLITE_OK && ghost);
  return rc;
}

int attnx_cursor_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  attnx_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
  (void)base;
  if (!cursor) return SQLITE_NOMEM;
  memset(cursor, 0, sizeof *cursor);
  cursor->eof = 1;
  *out = &cursor->base;
  return SQLITE_OK;
}

/* Ends what the cursor does; the query's vector stays for the next time. */
static void reset(attnx_cursor *cursor) {
  end_search(cursor);
  sqlite3_finalize(cursor->rows);
  cursor->rows = NULL;
  cursor->filter.n = 0;
  clear_set(&cursor->seen);
  cursor->n_held = cursor->n_collect = 0;
  cursor->n_given = 0;
  cursor->has_row = cursor->no_content = 0;
  cursor->eof = 1;
}

int attnx_cursor_close(sqlite3_vtab_cursor *base) {
  attnx_cursor *cursor = (attnx_cursor *)base;
  reset(cursor);
  sqlite3_finalize(cursor->source);
  sqlite3_free(cursor->filter.id);
  sqlite3_free(cursor->held);
  sqlite3_free(cursor->query);
  sqlite3_value_free(cursor->match);
  sqlite3_free(cursor);
  return SQLITE_OK;
}

int attnx_cursor_filter(sqlite3_vtab_cursor *base, int flags, const char *text, int argc,
                        sqlite3_value **argv) {
  attnx_cursor *cursor = (attnx_cursor *)base;
  attnx_index *index = attnx_cursor_index(cursor);
  attnx_plan *plan = attnx_plan_read(text, argc, argv);
  if (!plan) return SQLITE_NOMEM;
  reset(cursor);
  cursor->flags = flags;
  int rc = attnx_storage_idle(index);
  if (rc == SQLITE_OK && flags & ATTNX_PLAN_MATCH) {
    rc = filter_search(cursor, plan);
  } else if (rc == SQLITE_OK) {
    cursor->skips_ghosts = flags & ATTNX_PLAN_READS && !attnx_plan_find(plan, -1, 0);
    rc = attnx_plan_rows(index, plan, flags, 1, &cursor->rows);
    if (rc == SQLITE_OK) rc = next_row(cursor);
  }
  sqlite3_free(plan);
  return rc;
}

int attnx_cursor_next(sqlite3_vtab_cursor *base) {
  attnx_cursor *cursor = (attnx_cursor *)base;
  cursor->has_row = 0;
  return cursor->rows ? next_row(cursor) : next_hit(cursor);
}

int attnx_cursor_eof(sqlite3_vtab_cursor *base) {
  return ((attnx_cursor *)base)->eof;
}

int attnx_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = ((attnx_cursor *)base)->rowid;
  return SQLITE_OK;
}

/* ----------------------------------------------------------------------- columns */

int attnx_cursor_source(attnx_cursor *cursor) {
  attnx_index *index = attnx_cursor_index(cursor);
  int rc = read_source(cursor, cursor->rowid);
  if (rc != SQLITE_OK || cursor->has_row) return rc;
  return attnx_index_corrupt(
      index, "%s: missing row %lld in content table %s", index->config.table,
      cursor->rowid, index->config.content_table ? index->config.content_table : "");
}

/* The stored vector of the current row, where the user has a column for it. */
static int vector_column(attnx_cursor *cursor, sqlite3_context *ctx) {
  attnx_index *index = attnx_cursor_index(cursor);
  attnx_row_state row;
  sqlite3_blob *blob = NULL;
  int rc = attnx_index_flush(index);
  if (rc == SQLITE_OK) rc = attnx_index_refresh(index);
  if (rc == SQLITE_OK) rc = attnx_storage_row(index, cursor->rowid, &row);
  if (rc != SQLITE_OK || row.place < 0) return rc;
  float *vector = sqlite3_malloc64(index->dimension * sizeof *vector);
  if (!vector) return SQLITE_NOMEM;
  rc = attnx_chunks_vector(index, row.place, &blob, vector);
  sqlite3_blob_close(blob);
  if (rc != SQLITE_OK) {
    sqlite3_free(vector);
    return rc;
  }
  attns_result_floats(ctx, vector, index->dimension);
  return SQLITE_OK;
}

static void hidden_column(attnx_cursor *cursor, sqlite3_context *ctx, int i) {
  if (cursor->rows) return;
  switch (i) {
  case ATTNX_HIDDEN_MATCH:
    if (cursor->flags & ATTNX_PLAN_VALUE) {
      sqlite3_result_value(ctx, cursor->match);
    } else {
      sqlite3_result_pointer(ctx, cursor, ATTNX_CURSOR_TYPE, NULL);
    }
    break;
  case ATTNX_HIDDEN_K:
    if (cursor->has_k) sqlite3_result_int64(ctx, (sqlite3_int64)cursor->wanted);
    break;
  default:
    sqlite3_result_double(ctx, cursor->distance);
    break;
  }
}

int attnx_cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int i) {
  attnx_cursor *cursor = (attnx_cursor *)base;
  const attnx_config *config = &attnx_cursor_index(cursor)->config;
  if (i >= config->n_column) {
    hidden_column(cursor, ctx, i - config->n_column);
    return SQLITE_OK;
  }
  /* An UPDATE asks for what it will not change; without a value it is told apart. */
  int is_vector = config->column[i].kind == ATTNX_COLUMN_VECTOR;
  if ((is_vector || attnx_config_forgets(config, i)) && sqlite3_vtab_nochange(ctx)) {
    return SQLITE_OK;
  }
  if (is_vector) return vector_column(cursor, ctx);
  int rc = attnx_cursor_source(cursor);
  if (rc == SQLITE_OK)
    sqlite3_result_value(ctx, sqlite3_column_value(cursor->source, i + 1));
  return rc;
}

/* ------------------------------------------------------------------------- MATCH */

/* Of a row that the search for the same has found; there is no other MATCH. */
static void match(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  const attnx_cursor *cursor = sqlite3_value_pointer(argv[1], ATTNX_CURSOR_TYPE);
  (void)argc;
  if (cursor && same_value(argv[0], cursor->match)) {
    sqlite3_result_int(ctx, 1);
  } else {
    sqlite3_result_error(ctx, "unable to use function MATCH in the requested context",
                         -1);
  }
}

int attnx_cursor_find_function(sqlite3_vtab *base, int n, const char *name,
                               void (**function)(sqlite3_context *, int,
                                                 sqlite3_value **),
                               void **user_data) {
  (void)base;
  if (n != 2 || sqlite3_stricmp(name, "match") != 0) return 0;
  *function = match;
  *user_data = NULL;
  return 1;
}
