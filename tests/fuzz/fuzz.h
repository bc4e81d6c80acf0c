/*
** fuzz.h - for the fuzz targets that go through SQL: SQLite and libattn in one program,
** and a database in memory with all that libattn keeps in one.
**
** What the targets share: no time (a progress handler stops a statement), no memory
** beyond a limit, no files but those that a target makes itself.
*/
#ifndef FUZZ_H
#define FUZZ_H

#include "sqlite3.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sqlite3_attn_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(int ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}

/* Runs what is expected to work. */
static inline void must(sqlite3 *db, const char *sql) {
  char *error = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK) return;
  fprintf(stderr, "fuzz: %s\n%s\n", error, sql);
  abort();
}

/* ------------------------------------------------------------------ a small model */

static char fuzz_folder[64]; /* of the model, and of what a target writes */

static inline void write_file(const char *name, const void *data, size_t n) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s", fuzz_folder, name);
  FILE *f = fopen(path, "wb");
  check(f && fwrite(data, 1, n, f) == n && fclose(f) == 0, path);
}

enum { N_FOLDER_FILE = 6 };
static const char *const folder_file[N_FOLDER_FILE] = {
    "modules.json", "config.json",           "1_Pooling/config.json",
    "vocab.txt",    "sentence_bert_config.json", "config_sentence_transformers.json"};
static const char *const folder_text[N_FOLDER_FILE] = {
    "[{\"path\":\"\",\"type\":\"a.Transformer\"},{\"path\":\"1_Pooling\",\"type\":\"a.Pooling\"}]",
    "{\"model_type\":\"distilbert\",\"dim\":2,\"n_layers\":1,\"n_heads\":1,\"hidden_dim\":2,"
    "\"vocab_size\":5,\"max_position_embeddings\":8}",
    "{\"pooling_mode\":\"mean\"}",
    "[UNK]\n[CLS]\n[SEP]\nsome\nwords\n",
    "{\"max_seq_length\":8}",
    "{\"prompts\":{\"query\":\"some \"}}"};

/* The tensors of that model, all ones; returns the bytes of the file. */
static inline size_t make_safetensors(char *out) {
  static const struct {
    const char *name;
    int rows, columns;
  } tensor[] = {
#define LINEAR(name) {"transformer.layer.0." name ".weight", 2, 2}, \
                     {"transformer.layer.0." name ".bias", 2, 0}
#define NORM(name) {name ".weight", 2, 0}, {name ".bias", 2, 0}
      {"embeddings.word_embeddings.weight", 5, 2},
      {"embeddings.position_embeddings.weight", 8, 2},
      NORM("embeddings.LayerNorm"),
      NORM("transformer.layer.0.sa_layer_norm"),
      NORM("transformer.layer.0.output_layer_norm"),
      LINEAR("attention.q_lin"),
      LINEAR("attention.k_lin"),
      LINEAR("attention.v_lin"),
      LINEAR("attention.out_lin"),
      LINEAR("ffn.lin1"),
      LINEAR("ffn.lin2")};
  static const uint8_t one[4] = {0, 0, 0x80, 0x3f};
  int end = 0;
  size_t n = 8;
  for (size_t i = 0; i < sizeof tensor / sizeof *tensor; i++) {
    int begin = end, columns = tensor[i].columns;
    char shape[40];
    if (columns) {
      snprintf(shape, sizeof shape, "%d,%d", tensor[i].rows, columns);
    } else {
      snprintf(shape, sizeof shape, "%d", tensor[i].rows);
    }
    end += 4 * tensor[i].rows * (columns ? columns : 1);
    n += (size_t)sprintf(out + n, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%d,%d]}",
                         i ? ',' : '{', tensor[i].name, shape, begin, end);
  }
  out[n++] = '}';
  uint64_t n_header = n - 8;
  memcpy(out, &n_header, 8);
  for (int i = 0; i < end; i += 4, n += 4) memcpy(out + n, one, 4);
  return n;
}

static inline void make_folder(void) {
  static char tensors[8192];
  char path[100];
  snprintf(fuzz_folder, sizeof fuzz_folder, "/tmp/attn-fuzz-XXXXXX");
  check(mkdtemp(fuzz_folder) != NULL, "cannot make a folder");
  snprintf(path, sizeof path, "%s/1_Pooling", fuzz_folder);
  check(mkdir(path, 0777) == 0, path);
  for (int i = 0; i < N_FOLDER_FILE; i++) {
    write_file(folder_file[i], folder_text[i], strlen(folder_text[i]));
  }
  write_file("model.safetensors", tensors, make_safetensors(tensors));
}

/* --------------------------------------------------------------------- a database */

static int n_step;
static int count_steps(void *unused) {
  (void)unused;
  return ++n_step > 500; /* x 1,000 instructions of SQLite's machine */
}

/* An empty database in memory with the extension in it. */
static inline sqlite3 *open_database(void) {
  static int is_ready;
  sqlite3 *db;
  sqlite3_stmt *stmt;
  if (!is_ready) {
    sqlite3_auto_extension((void (*)(void))sqlite3_attn_init);
    sqlite3_hard_heap_limit64(200 << 20);
    is_ready = 1;
  }
  check(sqlite3_open(":memory:", &db) == SQLITE_OK, "cannot open");
  check(sqlite3_prepare_v2(db, "SELECT attn_version()", -1, &stmt, NULL) == SQLITE_OK,
        "the extension is not loaded");
  sqlite3_finalize(stmt);
  /* For the process, and so left by the input before. */
  must(db, "SELECT attn_limit(name, maximum) FROM attn_limits; SELECT attn_threads(0)");
  n_step = 0;
  sqlite3_progress_handler(db, 1000, count_steps, NULL);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 4 << 20);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
  return db;
}

/* The same with a model, an index of texts, one that is deferred, and one of vectors. */
static inline sqlite3 *open_full(void) {
  sqlite3 *db = open_database();
  if (!fuzz_folder[0]) make_folder();
  char *sql = sqlite3_mprintf("SELECT attn_import('m', %Q)", fuzz_folder);
  /* The same stamps and names each time. */
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1, NULL);
  must(db, sql);
  sqlite3_free(sql);
  must(db,
       "CREATE TABLE docs(id INTEGER PRIMARY KEY, body);"
       "INSERT INTO docs(body) VALUES ('some words'), ('words'), ('some some'), (NULL);"
       "CREATE VIRTUAL TABLE ai USING attn(body, content=docs, content_rowid=id, metric=l2,"
       " chunk=4, overlap=1);"
       "SELECT attn_triggers('ai', 1);"
       "INSERT INTO ai(ai) VALUES ('rebuild');"
       "CREATE VIRTUAL TABLE late USING attn(body, deferred=on, metric=dot);"
       "INSERT INTO late(body) VALUES ('words'), ('some');"
       "INSERT INTO late(late, rank) VALUES ('step', 1);"
       "CREATE VIRTUAL TABLE v USING attn(e FLOAT[9], year INTEGER, exact=on);"
       "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 90)"
       "INSERT INTO v(rowid, e, year) SELECT i,"
       " vec_f32(json_array(i, i % 3, 1, i % 7, 0.5, i % 5, -i, 2, 3)), i % 4 FROM n;");
  return db;
}

/* Runs all statements of a text, one after the other, whatever they say. */
static inline void run_all(sqlite3 *db, const char *sql) {
  while (sql && *sql) {
    sqlite3_stmt *stmt = NULL;
    const char *rest = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &rest);
    for (int i = 0; rc == SQLITE_OK && stmt && i < 200; i++) {
      if (sqlite3_step(stmt) != SQLITE_ROW) break;
      for (int k = 0; k < sqlite3_column_count(stmt); k++) sqlite3_column_blob(stmt, k);
    }
    sqlite3_finalize(stmt);
    if (rc != SQLITE_OK || rest == sql) break;
    sql = rest;
  }
}

#endif
