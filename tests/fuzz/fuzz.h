/*
** fuzz.h - for the fuzz targets that go through SQL: SQLite and libattn in one program,
** small models, and a database in memory with all that libattn keeps in one.
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
#include <time.h>
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

/* ---------------------------------------------------------------- small models */

static char
    fuzz_folder[64]; /* of a model, with others below it, and of what a target writes */

static inline void write_file(const char *name, const void *data, size_t n) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s", fuzz_folder, name);
  FILE *f = fopen(path, "wb");
  check(f && fwrite(data, 1, n, f) == n && fclose(f) == 0, path);
}

typedef struct fuzz_tensor {
  const char *name;
  int rows, columns; /* columns 0: a vector */
} fuzz_tensor;

/* The smallest of their kinds. */
#define MATRIX(name, rows, columns)                                                      \
  { name, rows, columns }
#define VECTOR(name, n)                                                                  \
  { name, n, 0 }
#define LINEAR(name) MATRIX(name ".weight", 2, 2), VECTOR(name ".bias", 2)
#define NORM(name)   VECTOR(name ".weight", 2), VECTOR(name ".bias", 2)
#define DISTILBERT(n_vocab)                                                              \
  MATRIX("embeddings.word_embeddings.weight", n_vocab, 2),                               \
      MATRIX("embeddings.position_embeddings.weight", 8, 2),                             \
      NORM("embeddings.LayerNorm"), NORM("transformer.layer.0.sa_layer_norm"),           \
      NORM("transformer.layer.0.output_layer_norm"),                                     \
      LINEAR("transformer.layer.0.attention.q_lin"),                                     \
      LINEAR("transformer.layer.0.attention.k_lin"),                                     \
      LINEAR("transformer.layer.0.attention.v_lin"),                                     \
      LINEAR("transformer.layer.0.attention.out_lin"),                                   \
      LINEAR("transformer.layer.0.ffn.lin1"), LINEAR("transformer.layer.0.ffn.lin2")
#define ATTENTION(name)                                                                  \
  MATRIX(name ".in_proj_weight", 6, 2), VECTOR(name ".in_proj_bias", 6),                 \
      LINEAR(name ".out_proj")

static const fuzz_tensor distilbert[] = {DISTILBERT(5)};
static const fuzz_tensor dense[] = {LINEAR("linear")};
static const fuzz_tensor masked[] = {DISTILBERT(6), LINEAR("vocab_transform"),
                                     NORM("vocab_layer_norm"),
                                     VECTOR("vocab_projector.bias", 6)};
static const fuzz_tensor gpt[] = {MATRIX("wte.weight", 5, 2),
                                  MATRIX("wpe.weight", 8, 2),
                                  MATRIX("h.0.attn.c_attn.weight", 2, 6),
                                  VECTOR("h.0.attn.c_attn.bias", 6),
                                  LINEAR("h.0.attn.c_proj"),
                                  LINEAR("h.0.mlp.c_fc"),
                                  LINEAR("h.0.mlp.c_proj"),
                                  NORM("h.0.ln_1"),
                                  NORM("h.0.ln_2"),
                                  NORM("ln_f")};
static const fuzz_tensor torch[] = {
    ATTENTION("encoder.layers.0.self_attn"), LINEAR("encoder.layers.0.linear1"),
    LINEAR("encoder.layers.0.linear2"),      NORM("encoder.layers.0.norm1"),
    NORM("encoder.layers.0.norm2"),          NORM("encoder.norm"),
    ATTENTION("decoder.layers.0.self_attn"), ATTENTION("decoder.layers.0.multihead_attn"),
    LINEAR("decoder.layers.0.linear1"),      LINEAR("decoder.layers.0.linear2"),
    NORM("decoder.layers.0.norm1"),          NORM("decoder.layers.0.norm2"),
    NORM("decoder.layers.0.norm3"),          NORM("decoder.norm")};

/* A safetensors file of them, in which no two numbers beside each other are the same. */
static inline void write_tensors(const char *name, const fuzz_tensor *tensor,
                                 size_t n_tensor) {
  static char out[8192];
  int end = 0;
  size_t n = 8;
  for (size_t i = 0; i < n_tensor; i++) {
    int begin = end, columns = tensor[i].columns;
    char shape[40];
    snprintf(shape, sizeof shape, columns ? "%d,%d" : "%d", tensor[i].rows, columns);
    end += 4 * tensor[i].rows * (columns ? columns : 1);
    n += (size_t)sprintf(
        out + n, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%d,%d]}",
        i ? ',' : '{', tensor[i].name, shape, begin, end);
  }
  out[n++] = '}';
  uint64_t n_header = n - 8;
  memcpy(out, &n_header, 8);
  for (int i = 0; i < end; i += 4, n += 4) {
    float number = (float)(i * 7 % 11 - 4) / 4;
    memcpy(out + n, &number, 4);
  }
  write_file(name, out, n);
}

#define TENSORS(t) t, sizeof t / sizeof *t

/* A file of the folder: its text, or its tensors; neither: it is not there at first. */
typedef struct fuzz_file {
  char letter; /* by which an input of fuzz_folder.c names it */
  const char *name, *text;
  const fuzz_tensor *tensor;
  size_t n_tensor;
} fuzz_file;

static const fuzz_file files[] = {
    {'0', "modules.json",
     "[{\"path\":\"\",\"type\":\"a.Transformer\"},{\"path\":\"1_Pooling\",\"type\":\"a."
     "Pooling\"}]",
     NULL, 0},
    {'1', "config.json",
     "{\"model_type\":\"distilbert\",\"dim\":2,\"n_layers\":1,\"n_heads\":1,\"hidden_"
     "dim\":2,"
     "\"vocab_size\":5,\"max_position_embeddings\":8}",
     NULL, 0},
    {'2', "1_Pooling/config.json", "{\"pooling_mode\":\"mean\"}", NULL, 0},
    {'3', "vocab.txt", "[UNK]\n[CLS]\n[SEP]\nsome\nwords\n", NULL, 0},
    {'4', "sentence_bert_config.json", "{\"max_seq_length\":8}", NULL, 0},
    {'5', "config_sentence_transformers.json", "{\"prompts\":{\"query\":\"some \"}}",
     NULL, 0},
    {'S', "model.safetensors", NULL, TENSORS(distilbert)},
    {'D', "2_Dense/config.json",
     "{\"in_features\":2,\"out_features\":2,\"bias\":true,"
     "\"activation_function\":\"torch.nn.modules.activation.Tanh\"}",
     NULL, 0},
    {'E', "2_Dense/model.safetensors", NULL, TENSORS(dense)},
    {'T', "tokenizer.json", NULL, NULL, 0},
    {'K', "tokenizer_config.json", NULL, NULL, 0},
    {'M', "special_tokens_map.json", NULL, NULL, 0},
    {'G', "generation_config.json", NULL, NULL, 0},
    {'V', "vocab.json", NULL, NULL, 0},
    {'B', "merges.txt", NULL, NULL, 0},
    {'R', "README.md", NULL, NULL, 0},
    {'X', "model.safetensors.index.json", NULL, NULL, 0},
    {'P', "part.safetensors", NULL, TENSORS(distilbert)},
    {'m', "masked/config.json",
     "{\"model_type\":\"distilbert\",\"dim\":2,\"n_layers\":1,\"n_heads\":1,\"hidden_"
     "dim\":2,"
     "\"vocab_size\":6,\"max_position_embeddings\":8}",
     NULL, 0},
    {'k', "masked/vocab.txt", "[UNK]\n[CLS]\n[SEP]\nsome\nwords\n[MASK]\n", NULL, 0},
    {'l', "masked/model.safetensors", NULL, TENSORS(masked)},
    {'g', "gpt/config.json",
     "{\"model_type\":\"gpt2\",\"n_embd\":2,\"n_layer\":1,\"n_head\":1,\"n_inner\":2,"
     "\"vocab_size\":5,\"n_positions\":8}",
     NULL, 0},
    {'h', "gpt/model.safetensors", NULL, TENSORS(gpt)},
    {'t', "torch/config.json",
     "{\"model_type\":\"torch.nn.Transformer\",\"d_model\":2,\"nhead\":1,"
     "\"num_encoder_layers\":1,\"num_decoder_layers\":1,\"dim_feedforward\":2}",
     NULL, 0},
    {'u', "torch/model.safetensors", NULL, TENSORS(torch)}};
enum { N_FILE = sizeof files / sizeof *files };

static inline void restore_file(const fuzz_file *f) {
  char path[200];
  snprintf(path, sizeof path, "%s/%s", fuzz_folder, f->name);
  if (f->tensor) {
    write_tensors(f->name, f->tensor, f->n_tensor);
  } else if (f->text) {
    write_file(f->name, f->text, strlen(f->text));
  } else {
    unlink(path);
  }
}

static inline void make_folder(void) {
  static const char *const folder[] = {"1_Pooling", "2_Dense", "masked", "gpt", "torch"};
  char path[100];
  snprintf(fuzz_folder, sizeof fuzz_folder, "/tmp/attn-fuzz-XXXXXX");
  check(mkdtemp(fuzz_folder) != NULL, "cannot make a folder");
  for (size_t i = 0; i < sizeof folder / sizeof *folder; i++) {
    snprintf(path, sizeof path, "%s/%s", fuzz_folder, folder[i]);
    check(mkdir(path, 0777) == 0, path);
  }
  for (int i = 0; i < N_FILE; i++) restore_file(&files[i]);
}

/* --------------------------------------------------------------------- a database */

enum { MAX_STEP = 500, MAX_SECONDS = 5 };
static int n_step; /* x 1,000 instructions of SQLite's machine */
static time_t begun;

static int count_steps(void *unused) {
  (void)unused;
  if (time(NULL) > begun + MAX_SECONDS) n_step = MAX_STEP;
  return ++n_step > MAX_STEP;
}

/* A connection with the extension in it. */
static inline sqlite3 *connect(void) {
  sqlite3 *db;
  sqlite3_stmt *stmt;
  check(sqlite3_open(":memory:", &db) == SQLITE_OK, "cannot open");
  check(sqlite3_prepare_v2(db, "SELECT attn_version()", -1, &stmt, NULL) == SQLITE_OK,
        "the extension is not loaded");
  sqlite3_finalize(stmt);
  return db;
}

/* What is for the process is as it was before the last input, and statements are bounded.
*/
static inline sqlite3 *bound(sqlite3 *db) {
  static sqlite3 *other; /* db may be damaged */
  if (!other) other = connect();
  must(other,
       "SELECT attn_limit(name, maximum) FROM attn_limits; SELECT attn_threads(0)");
  n_step = 0;
  begun = time(NULL);
  sqlite3_progress_handler(db, 1000, count_steps, NULL);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 4 << 20);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
  return db;
}

static inline void load_extension(void) {
  static int is_loaded;
  if (is_loaded) return;
  is_loaded = 1;
  sqlite3_auto_extension((void (*)(void))sqlite3_attn_init);
  sqlite3_hard_heap_limit64(200 << 20);
}

/* An empty database in memory. */
static inline sqlite3 *open_database(void) {
  load_extension();
  return bound(connect());
}

static inline void import(sqlite3 *db, const char *name, const char *folder) {
  char *sql =
      sqlite3_mprintf("SELECT attn_import(%Q, '%s/%s')", name, fuzz_folder, folder);
  must(db, sql);
  sqlite3_free(sql);
}

/* The same with a model of each kind, an index of texts, one that is deferred, and
** indexes of vectors: one, one that is exact, one with lists.  The names are those of
** tests/surface.tcl, whose examples are inputs. */
static inline sqlite3 *open_full(void) {
  sqlite3 *db = open_database();
  if (!fuzz_folder[0]) make_folder();
  /* The same stamps and names each time. */
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1, NULL);
  must(db, "PRAGMA page_size = 1024");
  import(db, "m", "");
  import(db, "tiny", "");
  import(db, "masked", "masked");
  import(db, "gpt", "gpt");
  import(db, "torch", "torch");
  must(db,
       "CREATE TABLE docs(id INTEGER PRIMARY KEY, body);"
       "INSERT INTO docs(body) VALUES ('some words'), ('words'), ('some some'), (NULL);"
       "CREATE VIRTUAL TABLE ai USING attn(body, content=docs, content_rowid=id, "
       "metric=l2,"
       " chunk=4, overlap=1);"
       "SELECT attn_triggers('ai', 1);"
       "INSERT INTO ai(ai) VALUES ('rebuild');"
       "CREATE VIRTUAL TABLE late USING attn(body, deferred=on, metric=dot);"
       "INSERT INTO late(body) VALUES ('words. some words! some'), ('some');"
       "INSERT INTO late(late, rank) VALUES ('step', 1);"
       "CREATE VIRTUAL TABLE v USING attn(e FLOAT[3], year INTEGER);"
       "CREATE VIRTUAL TABLE wide USING attn(e FLOAT[9], note TEXT, exact=on);"
       "CREATE VIRTUAL TABLE near USING attn(e FLOAT[3], lists=3, probes=1);"
       "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 90)"
       "INSERT INTO v(rowid, e, year) SELECT i, vec_f32(json_array(i, i % 3, 1)), i % 4 "
       "FROM n;"
       "INSERT INTO wide(rowid, e, note) SELECT year + 1,"
       " vec_f32(json_array(rowid, rowid % 3, 1, rowid % 7, 0.5, rowid % 5, -rowid, 2, "
       "3)), year"
       " FROM v WHERE rowid < 4;"
       "INSERT INTO near(rowid, e) SELECT rowid, e FROM v WHERE rowid < 40;"
       "INSERT INTO near(near) VALUES ('optimize');");
  return db;
}

/* The bytes of that database. */
static unsigned char *image;
static sqlite3_int64 n_image;

static inline void make_image(void) {
  sqlite3 *db = open_full();
  image = sqlite3_serialize(db, "main", &n_image, 0);
  check(image != NULL, "no image");
  sqlite3_close(db);
}

/* A connection to a copy of them, which the database takes over. */
static inline unsigned char *copy_image(void) {
  if (!image) make_image();
  unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)n_image);
  check(copy != NULL, "no memory");
  return memcpy(copy, image, (size_t)n_image);
}

/* No virtual table may have been used before sqlite3_deserialize, which leaves those that
** need no CREATE with a schema that is gone. */
static inline sqlite3 *open_image(unsigned char *copy) {
  load_extension();
  sqlite3 *db = connect();
  check(sqlite3_deserialize(db, "main", copy, n_image, n_image,
                            SQLITE_DESERIALIZE_FREEONCLOSE |
                                SQLITE_DESERIALIZE_RESIZEABLE) == SQLITE_OK,
        "cannot deserialize");
  return bound(db);
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
