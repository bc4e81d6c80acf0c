/*
** bench_search.c - the stopwatch for libattn's side of tests/bench/search.py.
**
**     bench_search D ROWS QUERIES
**
** The files hold float32 vectors of D numbers.  Each line read is a command; the
** answer is a line with the seconds that it took, and the rows found:
**
**     build N         encode the first N rows, in chunks with one center
**     lists N         the same in lists, one for each LIST rows, by k-means
**     search Q K S    the K nearest to query number Q, at sigma S
**     probe Q K S P   the same in the P nearest lists
**     peer N FILE     insert the first N rows into tables of sqlite-vec, the extension
**                     in FILE; the seconds are those of float32
**     peer_search Q K KIND    search there: f32, int8 or bit
*/
#include "../../engine/base.h"
#include "../../engine/search/search.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SLOTS = 4096, LIST = 1000, SAMPLE = 64, SEED = 1 };

static attn_error err;
static uint32_t d;
static float *rows, *queries;
static size_t n_row, n_query;

/* The chunks of list i are first[i] .. first[i + 1]; without lists, there is one. */
static void **chunk;
static size_t n_chunk, *first;
static attn_lists *lists;

static void check(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "bench_search: %s: %s\n", what, err.message);
    exit(1);
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *allocate(size_t n) {
  void *p = aligned_alloc(64, (n + 63) / 64 * 64);
  check(p != NULL, "out of memory");
  return p;
}

static float *read_file(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  check(f && fseek(f, 0, SEEK_END) == 0, path);
  *n = (size_t)ftell(f) / (d * sizeof(float));
  rewind(f);
  float *x = allocate(*n * d * sizeof *x);
  check(fread(x, d * sizeof *x, *n, f) == *n, path);
  fclose(f);
  return x;
}

/* ----------------------------------------------------------------------- building */

/* Row number i is row[i], or i where that is NULL. */
static void encode(const float *center, const uint32_t *row, size_t n) {
  for (size_t begin = 0; begin < n; begin += SLOTS) {
    size_t count = n - begin < SLOTS ? n - begin : SLOTS;
    attn_chunk_shape shape = {ATTN_COSINE, d, (uint32_t)(count + 63) / 64 * 64};
    chunk = realloc(chunk, (n_chunk + 1) * sizeof *chunk);
    chunk[n_chunk] = attn_alloc_aligned(attn_chunk_size(&shape));
    check(chunk[n_chunk] != NULL, "out of memory");
    check(!attn_chunk_init(&shape, center, &err, chunk[n_chunk]), "init");
    for (size_t i = 0; i < count; i++) {
      size_t r = row ? row[begin + i] : begin + i;
      check(!attn_chunk_put(chunk[n_chunk], (uint32_t)i, (int64_t)r, rows + r * d, &err),
            "put");
    }
    n_chunk++;
  }
}

static void build(size_t n) {
  float *center = allocate(d * sizeof *center);
  check(!attn_center(ATTN_COSINE, d, rows, n < SLOTS ? n : SLOTS, &err, center),
        "center");
  encode(center, NULL, n);
  free(center);
}

static float *train(size_t n, uint32_t n_list) {
  size_t n_sample = (size_t)n_list * SAMPLE < n ? (size_t)n_list * SAMPLE : n;
  float *sample = allocate(n_sample * d * sizeof *sample);
  float *center = allocate((size_t)n_list * d * sizeof *center);
  for (size_t i = 0; i < n_sample; i++) {
    memcpy(sample + i * d, rows + i * n / n_sample * d, d * sizeof *sample);
  }
  attn_train_options options = {
      .metric = ATTN_COSINE, .d = d, .n_list = n_list, .seed = SEED};
  check(!attn_train(&options, sample, n_sample, &err, center), "train");
  free(sample);
  return center;
}

static void build_lists(size_t n) {
  uint32_t n_list = (uint32_t)(n / LIST), *list = allocate(n * sizeof *list);
  uint32_t *row = allocate(n * sizeof *row);
  float *center = train(n, n_list);
  check(!attn_lists_new(ATTN_COSINE, d, n_list, center, &err, &lists), "lists");
  for (size_t i = 0; i < n; i++) {
    check(!attn_lists_nearest(lists, rows + i * d, 1, &err, &list[i]), "nearest");
  }
  first = allocate((n_list + 1) * sizeof *first);
  for (uint32_t l = 0; l < n_list; l++) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
      if (list[i] == l) row[count++] = (uint32_t)i;
    }
    first[l] = n_chunk;
    encode(center + (size_t)l * d, row, count);
  }
  first[n_list] = n_chunk;
  free(center);
  free(row);
  free(list);
}

static void clear(void) {
  for (size_t i = 0; i < n_chunk; i++) attn_release_aligned(chunk[i]);
  n_chunk = 0;
  free(first);
  first = NULL;
  attn_lists_free(lists);
  lists = NULL;
}

/* ---------------------------------------------------------------------- searching */

static attn_status fetch(void *ctx, const attn_row *row, size_t n, attn_error *e,
                         float *out) {
  (void)ctx, (void)e;
  for (size_t i = 0; i < n; i++) {
    memcpy(out + i * d, rows + (size_t)row[i].rowid * d, d * sizeof *out);
  }
  return ATTN_OK;
}

static void scan(attn_search *search, size_t begin, size_t end) {
  for (size_t c = begin; c < end; c++) {
    check(!attn_search_scan(search, chunk[c], (uint32_t)c, NULL, &err), "scan");
  }
}

/* n_probe 0: all chunks. */
static void search(size_t q, uint64_t k, double sigma, uint32_t n_probe) {
  double begin = now();
  attn_search_options options = {
      .metric = ATTN_COSINE, .d = d, .k = k, .sigma = sigma, .fetch = fetch};
  attn_search *s;
  attn_hit hit[1000];
  uint32_t list[1000];
  size_t n_hit = 0;
  const float *query = queries + q * d;
  check(q < n_query && k <= 1000 && n_probe <= 1000, "no such query");
  check(!attn_search_new(&options, &err, &s), "new");
  check(!attn_search_begin(s, query, &err), "begin");
  if (n_probe) {
    check(!attn_lists_nearest(lists, query, n_probe, &err, list), "nearest");
    for (uint32_t i = 0; i < n_probe; i++) scan(s, first[list[i]], first[list[i] + 1]);
  } else {
    scan(s, 0, n_chunk);
  }
  for (; n_hit < k; n_hit++) {
    check(!attn_search_next(s, &err, &hit[n_hit]), "next");
    if (!hit[n_hit].found) break;
  }
  attn_search_free(s);
  printf("%.9f", now() - begin);
  for (size_t i = 0; i < n_hit; i++) printf(" %lld", (long long)hit[i].row.rowid);
  printf("\n");
}

/* --------------------------------------------------------------------- sqlite-vec */

static sqlite3 *db;

static void run_sql(const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  char *sql = sqlite3_vmprintf(format, ap), *message = NULL;
  va_end(ap);
  sqlite3_exec(db, sql, NULL, NULL, &message);
  check(message == NULL, message);
  sqlite3_free(sql);
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *stmt;
  check(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, sqlite3_errmsg(db));
  return stmt;
}

static double fill_peer(size_t n, const char *extension) {
  sqlite3_close(db);
  check(sqlite3_open(":memory:", &db) == SQLITE_OK, "sqlite3_open");
  sqlite3_enable_load_extension(db, 1);
  run_sql("SELECT load_extension(%Q)", extension);
  run_sql("CREATE VIRTUAL TABLE f32 USING vec0(e float[%u] distance_metric=cosine)", d);
  run_sql("CREATE VIRTUAL TABLE int8 USING vec0(e int8[%u] distance_metric=cosine)", d);
  run_sql("CREATE VIRTUAL TABLE bit USING vec0(e bit[%u])", d);
  double begin = now();
  sqlite3_stmt *stmt = prepare("INSERT INTO f32(rowid, e) VALUES (?, ?)");
  run_sql("BEGIN");
  for (size_t i = 0; i < n; i++) {
    sqlite3_bind_int64(stmt, 1, (sqlite3_int64)i);
    sqlite3_bind_blob(stmt, 2, rows + i * d, (int)(d * sizeof *rows), SQLITE_STATIC);
    check(sqlite3_step(stmt) == SQLITE_DONE, sqlite3_errmsg(db));
    sqlite3_reset(stmt);
  }
  run_sql("COMMIT");
  double seconds = now() - begin;
  sqlite3_finalize(stmt);
  run_sql(
      "INSERT INTO int8(rowid, e) SELECT rowid, vec_quantize_int8(e, 'unit') FROM f32");
  run_sql("INSERT INTO bit(rowid, e) SELECT rowid, vec_quantize_binary(e) FROM f32");
  return seconds;
}

static void search_peer(size_t q, size_t k, const char *kind) {
  static const struct {
    const char *kind, *sql;
  } selects[] = {
      {"f32", "SELECT rowid FROM f32 WHERE e MATCH ? AND k = ?"},
      {"int8",
       "SELECT rowid FROM int8 WHERE e MATCH vec_quantize_int8(?, 'unit') AND k = ?"},
      {"bit", "SELECT rowid FROM bit WHERE e MATCH vec_quantize_binary(?) AND k = ?"},
  };
  size_t i = 0, n_hit = 0;
  long long hit[1000];
  while (i < 3 && strcmp(kind, selects[i].kind) != 0) i++;
  check(i < 3 && q < n_query && k <= 1000, "no such search");
  double begin = now();
  sqlite3_stmt *stmt = prepare(selects[i].sql);
  sqlite3_bind_blob(stmt, 1, queries + q * d, (int)(d * sizeof *queries), SQLITE_STATIC);
  sqlite3_bind_int64(stmt, 2, (sqlite3_int64)k);
  while (n_hit < k && sqlite3_step(stmt) == SQLITE_ROW) {
    hit[n_hit++] = sqlite3_column_int64(stmt, 0);
  }
  check(sqlite3_finalize(stmt) == SQLITE_OK, sqlite3_errmsg(db));
  printf("%.9f", now() - begin);
  for (i = 0; i < n_hit; i++) printf(" %lld", hit[i]);
  printf("\n");
}

int main(int argc, char **argv) {
  char line[300];
  size_t a, k;
  double sigma;
  unsigned n_probe;
  check(argc == 4, "usage: bench_search D ROWS QUERIES");
  check(!attn_isa_init(getenv("ATTN_ISA"), &err), "ATTN_ISA");
  d = (uint32_t)atoi(argv[1]);
  rows = read_file(argv[2], &n_row);
  queries = read_file(argv[3], &n_query);
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin)) {
    double begin = now();
    char word[200];
    if (sscanf(line, "peer_search %zu %zu %199s", &a, &k, word) == 3) {
      search_peer(a, k, word);
    } else if (sscanf(line, "peer %zu %199s", &a, word) == 2 && a <= n_row) {
      printf("%.9f\n", fill_peer(a, word));
    } else if (sscanf(line, "search %zu %zu %lf", &a, &k, &sigma) == 3) {
      search(a, k, sigma, 0);
    } else if (sscanf(line, "probe %zu %zu %lf %u", &a, &k, &sigma, &n_probe) == 4) {
      search(a, k, sigma, n_probe);
    } else if (sscanf(line, "build %zu", &a) == 1 && a <= n_row) {
      clear();
      build(a);
      printf("%.9f\n", now() - begin);
    } else if (sscanf(line, "lists %zu", &a) == 1 && a <= n_row) {
      clear();
      build_lists(a);
      printf("%.9f\n", now() - begin);
    } else {
      check(0, line);
    }
  }
  return 0;
}
