/*
** bench_embed.c - the stopwatch for libattn's side of the embedding benchmarks.
**
**     bench_embed DATABASE MODEL
**
** The database has that model and a table texts(id INTEGER PRIMARY KEY, text TEXT).
** The first line printed is the instruction set in use.  Each line read is a command
** about the texts number A to B; the answer is a line with the seconds it took:
**
**     encode A B N    token ids to vectors by the engine, N texts a batch
**     sql A B 0       SELECT embed(text), one row at a time
**     each A B 0      attn_embed_each
**     threads 0 0 N   from now on N threads share out a batch
**
** and these two ask for the operations a second that registers alone can do:
**
**     f32 0 0 0
**     int8 0 0 0
*/
#define PROGRAM "bench_embed"
#include "../../engine/attn.h"
#include "bench.h"
#include "limit.h"
#include <string.h>

int sqlite3_attn_init(sqlite3 *db, char **error, const void *api);

static const char *model_name;
static const attn_model *model;
static attn_workspace *workspace;
static uint32_t *begin; /* n_text + 1 */
static attn_tokens tokens;
static int32_t *ids;
static float *vectors;
static int n_text;

static void open_database(const char *path) {
  check(sqlite3_auto_extension((void (*)(void))sqlite3_attn_init) == SQLITE_OK, "init");
  check(sqlite3_open(path, &db) == SQLITE_OK, path);
  sqlite3_stmt *stmt =
      prepare("SELECT embed('warm', name), sha256 FROM attn_models WHERE name = ?1");
  sqlite3_bind_text(stmt, 1, model_name, -1, SQLITE_STATIC);
  check(sqlite3_step(stmt) == SQLITE_ROW, model_name);
  model = attn_model_acquire((const char *)sqlite3_column_text(stmt, 1),
                             sqlite3_db_filename(db, "main"));
  check(model != NULL, "the loaded model");
  sqlite3_finalize(stmt);
}

static void read_texts(void) {
  sqlite3_stmt *stmt = prepare("SELECT text, count(*) OVER () FROM texts ORDER BY id");
  attn_error err = {""};
  const attn_model_info *info = attn_model_get_info(model);
  while (sqlite3_step(stmt) == SQLITE_ROW) {
    if (!begin) {
      size_t n = (size_t)sqlite3_column_int(stmt, 1);
      begin = calloc(n + 1, sizeof *begin);
      vectors = calloc(n * info->dimension, sizeof *vectors);
      check(begin && vectors, "memory");
    }
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    size_t n = (size_t)sqlite3_column_bytes(stmt, 0);
    check(attn_tokenize(attn_model_tokenizer(model), text, n, info->max_length, &err,
                        &tokens) == ATTN_OK,
          err.message);
    begin[++n_text] = (uint32_t)tokens.n;
  }
  sqlite3_finalize(stmt);
  ids = calloc(tokens.n + 1, sizeof *ids);
  check(ids != NULL && n_text > 0, "texts");
  for (size_t i = 0; i < tokens.n; i++) ids[i] = tokens.token[i].id;
}

/* ------------------------------------------------------------------------ commands */
/* Each returns the number that is its answer. */

static double encode(int first, int last, int n_batch) {
  attn_embed_options options = {{NULL, 0}, NULL, NULL, NULL};
  attn_error err = {""};
  check(n_batch > 0, "texts a batch");
  double start = now();
  for (int i = first; i <= last; i += n_batch) {
    size_t n = (size_t)(i + n_batch <= last + 1 ? n_batch : last + 1 - i);
    attn_batch batch = {ids, begin + i, NULL, n, NULL};
    check(attn_encode(workspace, model, &batch, &options, &err, vectors) == ATTN_OK,
          err.message);
  }
  return now() - start;
}

/* Runs a query with the first and the last text as its parameters, and the model's
** name; its last column are vectors. */
static double run_query(const char *query, int first, int last) {
  double start = now();
  sqlite3_stmt *stmt = prepare(query);
  sqlite3_bind_int(stmt, 1, first);
  sqlite3_bind_int(stmt, 2, last);
  sqlite3_bind_text(stmt, 3, model_name, -1, SQLITE_STATIC);
  int n = 0;
  for (; sqlite3_step(stmt) == SQLITE_ROW; n++)
    check(sqlite3_column_bytes(stmt, sqlite3_column_count(stmt) - 1) > 0, "a vector");
  check(n == last - first + 1, "all rows");
  sqlite3_finalize(stmt);
  return now() - start;
}

static double sql(int first, int last, int n) {
  (void)n;
  return run_query("SELECT embed(text, ?3) FROM texts WHERE id BETWEEN ?1 AND ?2", first,
                   last);
}

static double each(int first, int last, int n) {
  (void)n;
  return run_query("SELECT id, vector FROM attn_embed_each("
                   "format('SELECT id, text FROM texts WHERE id BETWEEN %d AND %d', "
                   "?1, ?2), ?3)",
                   first, last);
}

static double threads(int first, int last, int n) {
  (void)first, (void)last;
  attn_set_threads((uint32_t)n);
  return 0;
}

/* Long enough for a turn of its own among the contenders. */
static double limit(limit_loop *loop) {
  double start = now(), done = 0;
  if (!loop) return 0;
  do {
    done += loop(20000);
  } while (now() - start < 0.05);
  return done / (now() - start);
}

static double limit_f32(int first, int last, int n) {
  (void)first, (void)last, (void)n;
  return limit(limit_find(attn_isa_name())->f32);
}

static double limit_int8(int first, int last, int n) {
  (void)first, (void)last, (void)n;
  return limit(limit_find(attn_isa_name())->int8);
}

static const struct {
  const char *name;
  double (*run)(int first, int last, int n);
} commands[] = {
    {"encode", encode},   {"sql", sql},       {"each", each},
    {"threads", threads}, {"f32", limit_f32}, {"int8", limit_int8},
};
enum { N_COMMAND = sizeof commands / sizeof commands[0] };

int main(int argc, char **argv) {
  check(argc == 3, "usage: bench_embed DATABASE MODEL");
  model_name = argv[2];
  open_database(argv[1]);
  check(attn_workspace_new(&workspace) == ATTN_OK, "memory");
  read_texts();
  char what[16];
  int first, last, n;
  printf("%s\n", attn_isa_name());
  fflush(stdout);
  while (scanf("%15s %d %d %d", what, &first, &last, &n) == 4) {
    check(first >= 0 && first <= last && last < n_text && n >= 0, "range");
    int i = 0;
    while (i < N_COMMAND && strcmp(what, commands[i].name) != 0) i++;
    check(i < N_COMMAND, what);
    printf("%.9g\n", commands[i].run(first, last, n));
    fflush(stdout);
  }
  return 0;
}
