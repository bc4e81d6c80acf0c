/*
** check.c - integrity-check: does everything in the shadow tables fit together?
**
**   - the codes of every chunk are whole, and are those of its vectors (they are made
**     again and compared, byte by byte)
**   - every live slot belongs to a row that says it is there, and the other way round
**   - parts of vectors, codes and directory have the same chunks; those of a list have
**     its center
**   - pending rows are rows; own content has a text for every row
**   - the texts that are kept are those that the vectors were made of
**
** With rank 1, as in FTS5, an index of external content is compared with it, too: the
** rows are the same, and what their vectors were made of, or are, is what they hold.
*/
#include "index.h"
#include <string.h>

typedef struct checker {
  attnx_index *index;
  sqlite3_blob *codes_blob, *vector_blob;
  sqlite3_stmt *place;  /* of a vector: the row that it belongs to */
  attnx_codes *scratch; /* where codes are made again */
  float *vector;
  sqlite3_int64 n_part; /* that should be in _vectors */
} checker;

/* ------------------------------------------------------------------------ chunks */

static int check_slot(checker *c, const attnx_chunk_entry *entry, const void *data,
                      uint32_t slot) {
  attnx_index *index = c->index;
  attn_error err = {""};
  sqlite3_int64 place = entry->id << ATTNX_CHUNK_SHIFT | slot;
  sqlite3_int64 id = attn_chunk_rowid(data)[slot], found = -1;
  int rc = attnx_chunks_vector(index, place, &c->vector_blob, c->vector);
  if (rc != SQLITE_OK) return rc;
  if (attn_chunk_put(attnx_codes_data(c->scratch), slot, id, c->vector, &err) !=
      ATTN_OK) {
    return attnx_index_corrupt(index, "%s_vectors: row %lld: %s", index->config.table, id,
                               err.message);
  }
  rc = sqlite3_bind_int64(c->place, 1, index->config.window ? place : id);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, c->place);
  if (rc != SQLITE_ROW && rc != SQLITE_OK) return rc;
  if (rc == SQLITE_ROW) found = sqlite3_column_int64(c->place, 0);
  sqlite3_reset(c->place);
  if (found == (index->config.window ? id : place)) return SQLITE_OK;
  return attnx_index_corrupt(
      index, "%s: the vector at place %lld is of row %lld, which has %lld",
      index->config.table, place, id, found);
}

static void count_parts(checker *c, const attnx_chunk_entry *entry,
                        const uint64_t *live) {
  for (uint32_t p = 0; p < entry->n_slot / ATTNX_PART_SLOTS; p++) {
    c->n_part += live[p] != 0;
  }
}

static int check_chunk(checker *c, const attnx_chunk_entry *entry) {
  attnx_index *index = c->index;
  attn_chunk_shape shape = attnx_chunks_shape(index, entry->n_slot);
  sqlite3_uint64 n = attn_chunk_size(&shape);
  attnx_codes *codes;
  int rc = attnx_chunks_read(index, entry, &c->codes_blob, &codes);
  if (rc != SQLITE_OK) return rc;
  c->scratch = attnx_codes_new(n);
  if (!c->scratch) {
    attnx_codes_release(codes);
    return SQLITE_NOMEM;
  }
  const void *data = attnx_codes_data(codes);
  const uint64_t *live = attn_chunk_live(data);
  memcpy(attnx_codes_data(c->scratch), data, n);
  for (uint32_t slot = 0; rc == SQLITE_OK && slot < entry->n_slot; slot++) {
    if (live[slot / 64] >> slot % 64 & 1) rc = check_slot(c, entry, data, slot);
  }
  if (rc == SQLITE_OK) count_parts(c, entry, live);
  if (rc == SQLITE_OK && entry->list != ATTNX_NO_LIST &&
      memcmp(attn_chunk_center(data), attn_ivf_center(index->lists, entry->list),
             index->dimension * sizeof(float)) != 0) {
    rc = attnx_index_corrupt(index, "%s_codes: chunk %lld has not the center of list %u",
                             index->config.table, entry->id, (unsigned)entry->list);
  }
  if (rc == SQLITE_OK && memcmp(data, attnx_codes_data(c->scratch), n) != 0) {
    rc = attnx_index_corrupt(index, "%s_codes: chunk %lld is not that of its vectors",
                             index->config.table, entry->id);
  }
  attnx_codes_release(c->scratch);
  attnx_codes_release(codes);
  return rc;
}

static int check_chunks(attnx_index *index, sqlite3_int64 *n_part) {
  checker c = {.index = index};
  int rc = attnx_storage_prepare(index,
                                 index->config.window
                                     ? "SELECT id FROM $windows WHERE place = ?1"
                                     : "SELECT place FROM $rows WHERE id = ?1",
                                 &c.place);
  if (rc == SQLITE_OK) {
    c.vector = sqlite3_malloc64(index->dimension * sizeof *c.vector);
    if (!c.vector) rc = SQLITE_NOMEM;
  }
  for (size_t i = 0; rc == SQLITE_OK && i < index->directory.n; i++) {
    rc = check_chunk(&c, &index->directory.entry[i]);
  }
  sqlite3_finalize(c.place);
  sqlite3_blob_close(c.codes_blob);
  sqlite3_blob_close(c.vector_blob);
  sqlite3_free(c.vector);
  *n_part = c.n_part;
  return rc;
}

/* ------------------------------------------------------------------------ counts */

static int expect(attnx_index *index, const char *sql, sqlite3_int64 expected,
                  const char *what) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_prepare(index, sql, &stmt);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (rc == SQLITE_ROW) {
    sqlite3_int64 found = sqlite3_column_int64(stmt, 0);
    rc = SQLITE_OK;
    if (found != expected) {
      rc = attnx_index_corrupt(index, "%s: %lld %s; expected %lld", index->config.table,
                               found, what, expected);
    }
  }
  sqlite3_finalize(stmt);
  return rc;
}

static int check_counts(attnx_index *index, sqlite3_int64 n_part) {
  const attnx_config *config = &index->config;
  sqlite3_int64 n_live = (sqlite3_int64)index->directory.n_live;
  int own = config->content == ATTNX_CONTENT_OWN && config->n_text, rc;
  const struct {
    int applies;
    const char *sql;
    sqlite3_int64 expected;
    const char *what;
  } counts[] = {
      {!config->window, "SELECT count(place) FROM $rows", n_live, "rows with a vector"},
      {config->window, "SELECT count(*) FROM $windows", n_live, "windows with a vector"},
      {config->window,
       "SELECT count(*) FROM $windows w WHERE NOT EXISTS"
       " (SELECT 1 FROM $rows r WHERE r.id = w.id AND r.place IS NOT NULL)",
       0, "windows without a row"},
      {config->window,
       "SELECT count(*) FROM $rows r WHERE place IS NOT NULL AND NOT EXISTS"
       " (SELECT 1 FROM $windows w WHERE w.id = r.id AND w.place = r.place)",
       0, "rows without their first window"},
      {1, "SELECT count(*) FROM $codes", (sqlite3_int64)index->directory.n,
       "rows of codes"},
      {1, "SELECT count(*) FROM $vectors", n_part, "rows of vectors"},
      {1, "SELECT count(*) FROM $pending WHERE id NOT IN (SELECT id FROM $rows)", 0,
       "pending rows that are none"},
      {own, "SELECT count(*) FROM $content WHERE id NOT IN (SELECT id FROM $rows)", 0,
       "texts without a row"},
      {own, "SELECT count(*) FROM $rows WHERE id NOT IN (SELECT id FROM $content)", 0,
       "rows without a text"},
  };
  rc = SQLITE_OK;
  for (size_t i = 0; rc == SQLITE_OK && i < sizeof counts / sizeof counts[0]; i++) {
    if (!counts[i].applies) continue;
    rc = expect(index, counts[i].sql, counts[i].expected, counts[i].what);
  }
  return rc;
}

/* ------------------------------------------------------------------------- texts */

/* Compares the vector that a row holds with the one that the index has. */
static int check_given(attnx_index *index, sqlite3_int64 id, sqlite3_int64 place,
                       sqlite3_value *value) {
  const char *name = index->config.column[index->config.vector].name;
  const sqlite3_uint64 n_byte = index->dimension * sizeof(float);
  sqlite3_blob *blob = NULL;
  float *given = NULL, *stored = sqlite3_malloc64(n_byte);
  int rc = stored ? attnx_index_vector(index, value, name, 0, &given) : SQLITE_NOMEM;
  if (rc == SQLITE_OK) rc = attnx_chunks_vector(index, place, &blob, stored);
  sqlite3_blob_close(blob);
  if (rc == SQLITE_OK && memcmp(given, stored, n_byte) != 0) {
    rc = attnx_index_corrupt(index, "%s: row %lld of %s has another vector",
                             index->config.table, id, index->config.content_table);
  }
  sqlite3_free(given);
  sqlite3_free(stored);
  return rc;
}

/* A row that has a vector and does not wait: made of a text with this hash, or given. */
static int check_row(attnx_index *index, sqlite3_int64 id, sqlite3_int64 place,
                     const sqlite3_int64 *hash, sqlite3_value **column) {
  const attnx_config *config = &index->config;
  sqlite3_stmt *stmt;
  char *text = NULL;
  size_t n_text;
  int rc = attnx_storage_statement(index, ATTNX_SOURCE_GET, &stmt);
  if (rc == SQLITE_OK) rc = sqlite3_bind_int64(stmt, 1, id);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (rc != SQLITE_ROW) return rc;
  for (int i = 0; i < config->n_column; i++)
    column[i] = sqlite3_column_value(stmt, i + 1);
  sqlite3_value *vector = config->vector >= 0 ? column[config->vector] : NULL;
  int is_given = vector && sqlite3_value_type(vector) != SQLITE_NULL;
  if (is_given && !hash) {
    rc = check_given(index, id, place, vector);
  } else if (hash && !is_given) {
    rc = attnx_index_text(index, &id, column, &text, &n_text);
    if (rc == SQLITE_OK && (!text || attnx_index_hash(text, n_text) != *hash)) {
      rc = attnx_index_corrupt(index,
                               "%s: the vector of row %lld was made of another text",
                               config->table, id);
    }
  } else if (config->content == ATTNX_CONTENT_EXTERNAL) {
    rc = attnx_index_corrupt(index, "%s: the vector of row %lld is not that of %s",
                             config->table, id, config->content_table);
  } else {
    rc = SQLITE_OK;
  }
  sqlite3_free(text);
  sqlite3_reset(stmt);
  return rc;
}

static int check_rows(attnx_index *index) {
  const attnx_config *config = &index->config;
  sqlite3_stmt *rows;
  sqlite3_value **column =
      sqlite3_malloc64((sqlite3_uint64)config->n_column * sizeof(sqlite3_value *));
  if (!column) return SQLITE_NOMEM;
  int rc = attnx_storage_prepare(
      index,
      config->n_text ? "SELECT id, place, hash FROM $rows WHERE place IS"
                       " NOT NULL AND id NOT IN (SELECT id FROM $pending)"
                     : "SELECT id, place, NULL FROM $rows WHERE place IS"
                       " NOT NULL AND id NOT IN (SELECT id FROM $pending)",
      &rows);
  while (rc == SQLITE_OK && (rc = attnx_storage_step(index, rows)) == SQLITE_ROW) {
    sqlite3_int64 hash = sqlite3_column_int64(rows, 2);
    int has_hash = sqlite3_column_type(rows, 2) != SQLITE_NULL;
    rc = attns_interrupted(index->db)
             ? SQLITE_INTERRUPT
             : check_row(index, sqlite3_column_int64(rows, 0),
                         sqlite3_column_int64(rows, 1), has_hash ? &hash : NULL, column);
  }
  sqlite3_finalize(rows);
  sqlite3_free(column);
  return rc;
}

/* The first row that one side has and the other has not. */
static int check_difference(attnx_index *index, const char *sql, const char *format) {
  sqlite3_stmt *stmt;
  int rc = attnx_storage_prepare(index, sql, &stmt);
  if (rc == SQLITE_OK) rc = attnx_storage_step(index, stmt);
  if (rc == SQLITE_ROW) {
    rc = attnx_index_corrupt(index, format, index->config.table,
                             sqlite3_column_int64(stmt, 0), index->config.content_table);
  }
  sqlite3_finalize(stmt);
  return rc;
}

static int check_content(attnx_index *index) {
  const attnx_config *config = &index->config;
  char *lost =
      sqlite3_mprintf("SELECT id FROM $rows WHERE id NOT IN (SELECT d.\"%w\" FROM "
                      "\"%w\".\"%w\" d WHERE d.\"%w\" IS NOT NULL) LIMIT 1",
                      config->content_rowid, config->schema, config->content_table,
                      config->content_rowid);
  char *missed =
      sqlite3_mprintf("SELECT d.\"%w\" FROM \"%w\".\"%w\" d WHERE d.\"%w\" IS "
                      "NOT NULL AND d.\"%w\" NOT IN (SELECT id FROM $rows) LIMIT 1",
                      config->content_rowid, config->schema, config->content_table,
                      config->content_rowid, config->content_rowid);
  int rc = lost && missed ? SQLITE_OK : SQLITE_NOMEM;
  if (rc == SQLITE_OK) {
    rc =
        check_difference(index, lost,
                         "%s: row %lld is in the index and not in %s; 'rebuild' takes it "
                         "out");
  }
  if (rc == SQLITE_OK) {
    rc = check_difference(
        index, missed, "%s: row %lld of %s is not in the index; 'rebuild' takes it in");
  }
  sqlite3_free(lost);
  sqlite3_free(missed);
  return rc == SQLITE_OK ? check_rows(index) : rc;
}

int attnx_check(attnx_index *index, int with_content, char **problem) {
  const attnx_content content = index->config.content;
  sqlite3_int64 n_part = 0;
  *problem = NULL;
  int rc = check_chunks(index, &n_part);
  if (rc == SQLITE_OK) rc = check_counts(index, n_part);
  if (rc == SQLITE_OK && content == ATTNX_CONTENT_OWN && index->config.n_text) {
    rc = check_rows(index);
  }
  if (rc == SQLITE_OK && content == ATTNX_CONTENT_EXTERNAL && with_content) {
    rc = check_content(index);
  }
  if (rc == SQLITE_ERROR) rc = SQLITE_CORRUPT_VTAB; /* a shadow table is missing */
  if (rc != SQLITE_CORRUPT_VTAB || !index->base.zErrMsg) return rc;
  *problem = index->base.zErrMsg;
  index->base.zErrMsg = NULL;
  return SQLITE_OK;
}
