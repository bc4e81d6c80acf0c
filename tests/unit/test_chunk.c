/*
** test_chunk.c - chunks of codes: layout, bounds, changes, filters, and damage.
*/
#include "../../engine/kernels/kernels.h"
#include "vectors.h"

/* The offsets that the head of chunk.c gives, for 40 dimensions and 128 slots. */
enum {
  D = 40,
  N_SLOT = 128,
  AT_RADIUS = 16,
  AT_WIDTH = 20,
  AT_CENTER = 64,
  AT_LIVE = AT_CENTER + 64 * 4, /* the center is filled up to 64 numbers */
  AT_OFFSET = AT_LIVE + 64,     /* two words, and zeros */
  AT_SIGN_SCALE = AT_OFFSET + 4 * N_SLOT,
  AT_SIGN_ERROR = AT_SIGN_SCALE + 2 * N_SLOT,
  AT_CODE_SCALE = AT_SIGN_ERROR + 2 * N_SLOT,
  AT_CODE_ERROR = AT_CODE_SCALE + 2 * N_SLOT,
  AT_SIGN = AT_CODE_ERROR + 2 * N_SLOT,
  BLOCK = 2 * 64, /* two groups of 32 dimensions */
  AT_FINE = AT_SIGN + N_SLOT / 16 * BLOCK,
  AT_ROWID = AT_FINE + N_SLOT / 16 * 3 * BLOCK,
  SIZE = AT_ROWID + 8 * N_SLOT
};

static const attn_chunk_shape shape = {ATTN_L2, D, N_SLOT};

static uint8_t *new_chunk(const float *center) {
  uint8_t *chunk = malloc(SIZE);
  CHECK(attn_chunk_init(&shape, center, NULL, chunk) == ATTN_OK);
  return chunk;
}

static float float_at(const uint8_t *p) {
  float f;
  memcpy(&f, p, sizeof f);
  return f;
}

static float bf16_at(const uint8_t *p) {
  uint8_t wide[4] = {0, 0, p[0], p[1]};
  return float_at(wide);
}

/* Every instruction set codes as plain C does, to the bit. */
static void test_codings(void) {
  enum { MOST = 200 };
  for (uint64_t d = 1; d <= MOST; d += d < 70 ? 1 : 13) {
    size_t n_group = (d + 31) / 32, n_byte = 64 * n_group;
    float *x = make_vectors(NORMAL, d, 1, d), center[MOST + 32] = {0};
    uint8_t *code = calloc(8, n_byte);
    attne_code_sums sums[2];
    for (uint64_t i = 0; i < d; i++) center[i] = x[d - 1 - i] / 3;
    for (size_t i = 0; i < 2; i++) {
      uint8_t *to = code + 4 * i * n_byte;
      attne_coding coding = {d, n_group, x, center, 0.7, to, to + n_byte};
      (i ? attne_kernels_get()->code : attne_code_scalar)(&coding, &sums[i]);
    }
    CHECK(memcmp(code, code + 4 * n_byte, 4 * n_byte) == 0);
    CHECK(memcmp(&sums[0], &sums[1], sizeof sums[0]) == 0);
    free(code);
    free(x);
  }
}

/* ----------------------------------------------------------------------- layout */

/* Dimension i of the code in a slot, bit by bit. */
static int code_at(const uint8_t *chunk, size_t slot, size_t i) {
  size_t block = slot / 16, byte = i / 32 * 64 + slot % 16 * 4 + i % 4, bit = i % 32 / 4;
  int code = chunk[AT_SIGN + block * BLOCK + byte] >> bit & 1;
  for (size_t p = 0; p < 3; p++) {
    code = 2 * code + (chunk[AT_FINE + (3 * block + p) * BLOCK + byte] >> bit & 1);
  }
  return code;
}

static void test_layout(void) {
  uint64_t random = 1;
  float *x = make_vectors(NORMAL, 1, 1, D), *center = make_vectors(NORMAL, 2, 1, D);
  CHECK(attn_chunk_size(&shape) == SIZE);
  uint8_t *chunk = new_chunk(center);
  CHECK(memcmp(chunk, "ATC1\x28\0\0\0\x80\0\0\0\0\0\0\0\0\0\0\0", 20) == 0);
  CHECK(memcmp(chunk + AT_CENTER, center, sizeof(float) * D) == 0);

  size_t slot = 64 + random_below(&random, 64);
  CHECK(!attn_chunk_put(chunk, (uint32_t)slot, INT64_MIN, x, NULL));
  CHECK(chunk[AT_LIVE + slot / 8] == 1 << (slot % 8));
  CHECK(attn_chunk_live(chunk)[1] == (uint64_t)1 << (slot - 64));
  CHECK(attn_chunk_rowid(chunk)[slot] == INT64_MIN);
  CHECK(chunk[AT_ROWID + 8 * slot + 7] == 0x80);

  double oo = 0, fine = 0, coarse = 0; /* |o|^2, |o - scale y|^2 */
  double scale = (double)bf16_at(chunk + AT_CODE_SCALE + 2 * slot);
  double sign_scale = (double)bf16_at(chunk + AT_SIGN_SCALE + 2 * slot);
  int in_grid = 1;
  for (size_t i = 0; i < D; i++) {
    double o = (double)x[i] - (double)center[i];
    int code = code_at(chunk, slot, i);
    oo += o * o;
    fine += pow(o - scale * (code - 7.5), 2);
    coarse += pow(o - sign_scale * ((code >> 3) - 0.5), 2);
    in_grid &= (code >= 8) == (o >= 0);
  }
  CHECK(in_grid);
  CHECK(fabs((double)float_at(chunk + AT_OFFSET + 4 * slot) - oo) < 1e-6 * oo);
  CHECK((double)float_at(chunk + AT_RADIUS) >= sqrt(oo));
  CHECK((double)float_at(chunk + AT_RADIUS) < sqrt(oo) * (1 + 1e-6));
  double error = (double)bf16_at(chunk + AT_CODE_ERROR + 2 * slot);
  CHECK(error >= sqrt(fine) && error < 1.01 * sqrt(fine));
  CHECK(error < 0.15 * sqrt(oo));
  error = (double)bf16_at(chunk + AT_SIGN_ERROR + 2 * slot);
  CHECK(error >= sqrt(coarse) && error < 1.01 * sqrt(coarse));
  free(chunk);
  free(center);
  free(x);
}

/* For every kind of vector the stored error is an upper bound. */
static void test_error_bounds(void) {
  enum { N = N_SLOT };
  for (int kind = 0; kind < HUGE_ONES; kind++) {
    float *x = make_vectors((enum kind)kind, 3, N, D);
    uint8_t *chunk = new_chunk(NULL);
    int ok = 1;
    for (size_t slot = 0; slot < N; slot++) {
      ok &= !attn_chunk_put(chunk, (uint32_t)slot, 0, x + slot * D, NULL);
      double scale = (double)bf16_at(chunk + AT_CODE_SCALE + 2 * slot), rest = 0;
      for (size_t i = 0; i < D; i++) {
        double y = code_at(chunk, slot, i) - 7.5;
        rest += pow((double)x[slot * D + i] - scale * y, 2);
      }
      ok &= (double)bf16_at(chunk + AT_CODE_ERROR + 2 * slot) >= sqrt(rest);
    }
    CHECK(ok);
    CHECK(attn_chunk_check(&shape, chunk, SIZE, NULL) == ATTN_OK);
    free(chunk);
    free(x);
  }
}

/* ---------------------------------------------------------------------- changes */

/* Every byte that a change touches lies in the ranges that are told for it. */
static void test_ranges(void) {
  float *x = make_vectors(NORMAL, 4, N_SLOT, D);
  uint8_t *chunk = new_chunk(NULL), *before = malloc(SIZE);
  attn_range range[ATTN_CHUNK_RANGES];
  uint64_t random = 1;
  int n_anew = 0;
  for (int round = 0; round < 40; round++) {
    uint32_t slot = (uint32_t)random_below(&random, N_SLOT);
    uint32_t n = 1 + (uint32_t)random_below(&random, round % 2 ? 1 : N_SLOT - slot);
    int anew = 0;
    attn_chunk_pack(chunk, &anew);
    memcpy(before, chunk, SIZE);
    attn_chunk_unpack(chunk);
    for (uint32_t i = slot; i < slot + n; i++) {
      attn_chunk_put(chunk, i, 700 - 3 * (int64_t)i,
                     x + random_below(&random, N_SLOT) * D, NULL);
    }
    if (round % 3 == 2) attn_chunk_clear(chunk, slot);
    uint64_t n_byte = 0, n_packed = attn_chunk_pack(chunk, &anew);
    size_t n_range = attn_chunk_ranges(chunk, slot, n, range);
    for (size_t i = 0; i < n_range; i++) {
      n_byte += range[i].n_byte;
      CHECK(range[i].offset + range[i].n_byte <= n_packed);
      memcpy(before + range[i].offset, chunk + range[i].offset, range[i].n_byte);
    }
    if (!anew) CHECK(memcmp(before, chunk, n_packed) == 0);
    n_anew += anew;
    attn_chunk_unpack(chunk);
    if (n == 1) CHECK(n_byte < 64 + 8 + 8 + 12 + 4 * BLOCK + 1);
  }
  CHECK(n_anew > 0 && n_anew < 10);
  free(before);
  free(chunk);
  free(x);
}

/* Rowids of slots 0 .. 99, and the bytes that each takes when it is stored. */
static const struct packing {
  int64_t first, step;
  uint64_t width;
} packings[] = {
    {1, 1, 0},
    {-50, 1, 0},
    {INT64_MIN, 1, 0},
    {INT64_MAX - 99, 1, 0},
    {100, -1, 1},
    {5, 3, 1},
    {5, 4, 2},
    {-1000000, 600, 2},
    {0, 700, 3},
    {9, 1 << 20, 4},
    {9, (int64_t)1 << 33, 5},
    {9, (int64_t)1 << 55, 8},
    {INT64_MIN, (int64_t)1 << 56, 8},
};

static int rowids_are(const uint8_t *chunk, const struct packing *p) {
  int ok = 1;
  for (int64_t i = 0; i < 100; i++) {
    ok &= attn_chunk_rowid(chunk)[i] == p->first + i * p->step;
  }
  return ok;
}

static void test_packing(void) {
  attn_error err = {""};
  float *x = make_vectors(NORMAL, 4, 1, D);
  uint8_t *copy = malloc(SIZE);
  int anew;
  for (size_t i = 0; i < sizeof packings / sizeof packings[0]; i++) {
    const struct packing *p = &packings[i];
    uint8_t *chunk = new_chunk(NULL);
    for (uint32_t j = 0; j < 100; j++) {
      attn_chunk_put(chunk, j, p->first + (int64_t)j * p->step, x, NULL);
    }
    uint64_t n_byte = attn_chunk_pack(chunk, &anew);
    CHECK(n_byte == AT_ROWID + N_SLOT * p->width);
    memset(copy, 0xAA, SIZE);
    memcpy(copy, chunk, n_byte);
    attn_chunk_unpack(chunk);
    CHECK(rowids_are(chunk, p));
    CHECK(attn_chunk_receive(&shape, copy, n_byte, &err) == ATTN_OK);
    CHECK(rowids_are(copy, p) && memcmp(copy, chunk, SIZE) == 0);
    CHECK(attn_chunk_pack(chunk, &anew) == n_byte && !anew);
    free(chunk);
  }
  free(copy);
  free(x);
}

/* Rowids that come one after the other, downwards or anyhow, need a new width seldom. */
static void test_width_grows(void) {
  float *x = make_vectors(NORMAL, 4, 1, D);
  for (int down = 0; down < 2; down++) {
    uint8_t *chunk = new_chunk(NULL);
    uint64_t random = 1;
    int anew, n_anew = 0;
    for (uint32_t i = 0; i < N_SLOT; i++) {
      int64_t rowid = down ? 1000 - (int64_t)i : (int64_t)(random_bits(&random) >> 40);
      attn_chunk_put(chunk, i, rowid, x, NULL);
      attn_chunk_pack(chunk, &anew);
      attn_chunk_unpack(chunk);
      n_anew += anew;
    }
    CHECK(n_anew <= 16);
    free(chunk);
  }
  free(x);
}

static void test_clear(void) {
  float *x = make_vectors(NORMAL, 5, 1, D);
  uint8_t *chunk = new_chunk(NULL);
  attn_chunk_put(chunk, 3, 1, x, NULL);
  attn_chunk_put(chunk, 127, 2, x, NULL);
  CHECK(attn_chunk_live(chunk)[0] == 8 && attn_chunk_live(chunk)[1] >> 63 == 1);
  attn_chunk_clear(chunk, 3);
  attn_chunk_clear(chunk, 4);
  CHECK(attn_chunk_live(chunk)[0] == 0 && attn_chunk_live(chunk)[1] >> 63 == 1);
  free(chunk);
  free(x);
}

static void test_center(void) {
  const float x[] = {3, 4, 0, 0, 0, -2};
  float center[2];
  CHECK(!attn_center(ATTN_L2, 2, x, 3, NULL, center));
  CHECK(center[0] == 1 && center[1] == 2.0f / 3);
  CHECK(!attn_center(ATTN_COSINE, 2, x, 3, NULL, center));
  CHECK(fabsf(center[0] - 0.2f) < 1e-7f && fabsf(center[1] + 0.2f / 3) < 1e-7f);
  CHECK(!attn_center(ATTN_DOT, 2, x, 0, NULL, center));
  CHECK(center[0] == 0 && center[1] == 0);
  unit_fail_at = 1, unit_count = 0;
  CHECK(attn_center(ATTN_L2, 2, x, 3, NULL, center) == ATTN_NOMEM);
  unit_fail_at = 0;
}

/* ---------------------------------------------------------------------- filters */

static int compare_rowids(const void *a, const void *b) {
  const int64_t *x = a, *y = b;
  return *x < *y ? -1 : *x > *y;
}

static void test_filter(void) {
  float *x = make_vectors(NORMAL, 6, 1, D);
  uint64_t random = 1;
  for (int round = 0; round < 60; round++) {
    uint8_t *chunk = new_chunk(NULL);
    int64_t wanted[100], range = 1 + (int64_t)random_below(&random, 1000);
    size_t n = random_below(&random, 100);
    uint64_t filter[2], expected[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
      wanted[i] = (int64_t)random_below(&random, (size_t)range) - range / 2;
    }
    qsort(wanted, n, sizeof *wanted, compare_rowids);
    for (uint32_t slot = 0; slot < N_SLOT; slot++) {
      int64_t rowid = round % 2
                          ? (int64_t)random_below(&random, (size_t)range) - range / 2
                          : slot * range / N_SLOT - range / 2;
      attn_chunk_put(chunk, slot, rowid, x, NULL);
      if (slot % 7 == 0) {
        attn_chunk_clear(chunk, slot);
      } else if (n && bsearch(&rowid, wanted, n, sizeof *wanted, compare_rowids)) {
        expected[slot / 64] |= (uint64_t)1 << (slot % 64);
      }
    }
    attn_chunk_filter(chunk, wanted, n, filter);
    CHECK(filter[0] == expected[0] && filter[1] == expected[1]);
    free(chunk);
  }
  free(x);
}

/* ----------------------------------------------------------------------- damage */

static void test_bad_arguments(void) {
  attn_error err = {""};
  attn_chunk_shape bad = shape;
  uint8_t *chunk = malloc(SIZE);
  float *x = make_vectors(NORMAL, 7, 1, D);
  bad.d = 65537;
  CHECK_STATUS(ATTN_INVALID, attn_chunk_init(&bad, NULL, &err, chunk),
               "a vector of 65537 dimensions, expected 1 to 65536");
  bad = shape, bad.n_slot = 100;
  CHECK_STATUS(ATTN_INVALID, attn_chunk_init(&bad, NULL, &err, chunk),
               "a chunk of 100 slots, expected a multiple of 64 up to 65536");
  bad.n_slot = 0;
  CHECK_STATUS(ATTN_INVALID, attn_chunk_init(&bad, NULL, &err, chunk),
               "a chunk of 0 slots, expected a multiple of 64 up to 65536");
  bad.n_slot = 65536 + 64;
  CHECK_STATUS(ATTN_INVALID, attn_chunk_init(&bad, NULL, &err, chunk),
               "a chunk of 65600 slots, expected a multiple of 64 up to 65536");
  bad = shape, bad.metric = ATTN_L1;
  CHECK_STATUS(ATTN_INVALID, attn_chunk_init(&bad, NULL, &err, chunk),
               "a search by metric 1, expected cosine, l2 or dot");
  x[0] = INFINITY;
  CHECK_STATUS(ATTN_INVALID, attn_chunk_init(&shape, x, &err, chunk),
               "center: number 1 of 40 is infinite, expected a finite one");
  CHECK(!attn_chunk_init(&shape, NULL, &err, chunk));
  CHECK_STATUS(ATTN_INVALID, attn_chunk_put(chunk, 0, 1, x, &err),
               "vector: number 1 of 40 is infinite, expected a finite one");
  x[0] = 0, x[39] = NAN;
  CHECK_STATUS(ATTN_INVALID, attn_chunk_put(chunk, 0, 1, x, &err),
               "vector: number 40 of 40 is not a number, expected a finite one");
  CHECK(attn_chunk_live(chunk)[0] == 0);
  free(x);
  free(chunk);
}

/* A change of n bytes, and what the check has to say of it. */
static const struct damage {
  size_t at, n;
  const char *bytes, *message;
} damages[] = {
    {0, 1, "a", "chunk: it does not begin as one"},
    {32, 1, "\1", "chunk: it does not begin as one"},
    {63, 1, "\1", "chunk: it does not begin as one"},
    {4, 1, "\x29",
     "chunk: 41 dimensions, 128 slots and metric 0, expected 40, 128 and 0"},
    {8, 4, "\0\0\0\0",
     "chunk: 40 dimensions, 0 slots and metric 0, expected 40, 128 and 0"},
    {12, 1, "\2", "chunk: 40 dimensions, 128 slots and metric 2, expected 40, 128 and 0"},
    {AT_RADIUS, 4, "\0\0\xc0\x7f", "chunk: its radius is nan"},
    {AT_RADIUS, 4, "\0\0\x80\xbf", "chunk: its radius is -1.000000"},
    {AT_CENTER + 4, 4, "\0\0\x80\x7f",
     "chunk: center: number 2 of 64 is infinite, expected a finite one"},
    {AT_OFFSET + 4 * 5, 4, "\0\0\xc0\x7f", "chunk: slot 5 does not hold a code"},
    {AT_SIGN_SCALE + 2 * 5, 2, "\x80\x7f", "chunk: slot 5 does not hold a code"},
    {AT_CODE_SCALE + 2 * 5, 2, "\xc0\xff", "chunk: slot 5 does not hold a code"},
    {AT_SIGN_ERROR + 2 * 5, 2, "\x80\xbf", "chunk: slot 5 does not hold a code"},
    {AT_CODE_ERROR + 2 * 5, 2, "\xc0\x7f", "chunk: slot 5 does not hold a code"},
};

static void test_damage(void) {
  attn_error err = {""};
  float *x = make_vectors(NORMAL, 8, 10, D);
  uint8_t *chunk = new_chunk(NULL), *copy = malloc(SIZE);
  for (uint32_t i = 0; i < 10; i++) attn_chunk_put(chunk, i, i, x + i * D, NULL);
  CHECK(attn_chunk_check(&shape, chunk, SIZE, &err) == ATTN_OK);
  CHECK_STATUS(ATTN_INVALID, attn_chunk_check(&shape, chunk, SIZE - 1, &err),
               "chunk: 7039 bytes, expected 7040");
  CHECK_STATUS(ATTN_INVALID, attn_chunk_check(&shape, chunk, 0, &err),
               "chunk: 0 bytes, expected 7040");
  memcpy(copy, chunk, SIZE);
  CHECK_STATUS(ATTN_INVALID, attn_chunk_receive(&shape, copy, AT_ROWID - 1, &err),
               "chunk: 6015 bytes, expected 6016 or more");
  CHECK_STATUS(ATTN_INVALID, attn_chunk_receive(&shape, copy, SIZE, &err),
               "chunk: 7040 bytes with rowids of 0");
  copy[AT_WIDTH] = 9;
  CHECK_STATUS(ATTN_INVALID, attn_chunk_receive(&shape, copy, SIZE, &err),
               "chunk: 7040 bytes with rowids of 9");
  for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
    memcpy(copy, chunk, SIZE);
    memcpy(copy + damages[i].at, damages[i].bytes, damages[i].n);
    CHECK_STATUS(ATTN_INVALID, attn_chunk_check(&shape, copy, SIZE, &err),
                 damages[i].message);
  }
  free(copy);
  free(chunk);
  free(x);
}

/* Chunks with random damage that passes the check give rows, whichever, and no worse. */
static void test_damaged_search(void) {
  enum { N = 128 };
  attn_error err = {""};
  float *x = make_vectors(NORMAL, 9, N, D);
  table *t = table_new(ATTN_DOT, x, N, D, 1);
  uint64_t random = 1, n_byte = attn_chunk_size(&t->shape);
  uint8_t *sound = malloc((size_t)n_byte), *chunk = t->chunk[1];
  attn_hit hit[N + 1];
  size_t n_hit, n_passed = 0;
  int ok = 1;
  memcpy(sound, chunk, (size_t)n_byte);
  for (uint64_t round = 0; round < 3000; round++) {
    memcpy(chunk, sound, (size_t)n_byte);
    size_t section = random_below(&random, 2) ? (size_t)n_byte : 1500;
    for (size_t i = 1 + random_below(&random, 30); i > 0; i--) {
      chunk[random_below(&random, section)] = (uint8_t)random_bits(&random);
    }
    if (attn_chunk_check(&t->shape, chunk, n_byte, &err)) continue;
    attn_search_options options =
        table_options(t, round % 20, round % 3 ? ATTN_SIGMA : 0);
    ok &= !table_search(t, &options, x, NULL, &err, hit, &n_hit);
    for (size_t i = 0; i < n_hit; i++) ok &= hit[i].row.slot < 64 && hit[i].row.chunk < 2;
    n_passed++;
  }
  CHECK(ok);
  CHECK(n_passed > 100);
  free(sound);
  table_free(t);
  free(x);
}

int main(void) {
  unit_begin();
  test_codings();
  test_layout();
  test_error_bounds();
  test_ranges();
  test_packing();
  test_width_grows();
  test_clear();
  test_center();
  test_filter();
  test_bad_arguments();
  test_damage();
  test_damaged_search();
  return unit_end();
}
