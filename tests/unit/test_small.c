/*
** test_small.c - the small parts of the engine, each at its edges: messages, sizes,
** shapes, headers of safetensors, the drawing of a token, buckets of distances,
** characters, the logarithm.
*/
#include "unit.h"
#include "../../engine/base/base.h"
#include "../../engine/base/deterministic.h"
#include "../../engine/nn/positions.h"
#include "../../engine/tasks/sample.h"
#include "../../engine/tokenizer/unicode.h"
#include <math.h>

/* A message is cut between characters, wherever the end of its room falls. */
static void test_messages(void) {
  char text[600];
  for (int first = 0; first < 4; first++) { /* bytes before characters of three */
    attn_error err;
    memset(text, 'x', sizeof text);
    for (size_t i = (size_t)first; i + 3 < sizeof text; i += 3)
      memcpy(text + i, "\xe4\xb8\xad", 3);
    text[sizeof text - 1] = 0;
    CHECK(attne_fail(&err, ATTN_INVALID, "%s", text) == ATTN_INVALID);
    size_t n = strlen(err.message), room = sizeof err.message - 1;
    CHECK(n <= room && n > room - 4 && (n - (size_t)first) % 3 == 0);
    CHECK(memcmp(err.message, text, n) == 0);
  }
  memset(text, 0x80, sizeof text - 1); /* no beginning of a character in all of it */
  attn_error err;
  attne_fail(&err, ATTN_IO, "%s", text);
  CHECK(err.message[0] == 0);
  CHECK(attne_fail(NULL, ATTN_IO, "%s", text) == ATTN_IO);
}

static void test_memory(void) {
  int overflow = 0;
  CHECK(attne_mul(UINT64_MAX / 3, 3, &overflow) == UINT64_MAX && !overflow);
  CHECK(attne_mul(0, UINT64_MAX, &overflow) == 0 && !overflow);
  CHECK(attne_add(UINT64_MAX - 1, 1, &overflow) == UINT64_MAX && !overflow);
  CHECK(attne_add(UINT64_MAX, 1, &overflow) == 0 && overflow == 1);
  attne_mul(1, 1, &overflow);
  CHECK(overflow == 1); /* it stays so */
  overflow = 0;
  CHECK(attne_mul(UINT64_MAX / 3 + 1, 3, &overflow) == 0 && overflow == 1);
  void *p = attne_alloc(0), *q = attne_resize(NULL, 0);
  CHECK(p && q);
  p = attne_resize(p, 0);
  CHECK(p != NULL);
  attne_release(p);
  attne_release(q);
  attne_release(NULL);
  CHECK(unit_live == 0);
}

static int by_size(const void *a, const void *b) {
  return memcmp(a, b, 1);
}

/* Bytes of items that are larger than what is swapped at once, of all orders of five
** values. */
static void test_order(void) {
  enum { N = 5, SIZE = 130 };
  char list[N][SIZE];
  for (size_t n = 0; n <= N; n++) {
    for (int order = 0; order < 3125; order += n < N ? 311 : 1) {
      for (size_t k = 0; k <= n + 1; k++) {
        int count[N] = {0}, expected = 0, is_right = 1;
        for (size_t i = 0, rest = (size_t)order; i < n; i++, rest /= N) {
          memset(list[i], (int)(rest % N), SIZE);
          count[rest % N]++;
        }
        attn_sort_first(list, n, k, SIZE, by_size);
        for (size_t i = 0; i < n; i++) {
          while (i < k && !count[expected]) expected++;
          is_right &= i >= k || list[i][0] == expected;
          is_right &= list[i][SIZE - 1] == list[i][0] && --count[(int)list[i][0]] >= 0;
        }
        CHECK(is_right);
      }
    }
  }
  attn_sort(NULL, 0, 1, by_size);
}

static void test_shapes(void) {
  static const struct {
    const char *text;
    int n;
    int64_t first;
  } shapes[] = {
      {"[]", 0, 0},
      {"[7]", 1, 7},
      {"[0,1]", 2, 0},
      {"[1,2,3,4,5,6,7,8]", 8, 1},
      {"[999999999999999]", 1, 999999999999999},
      {"", -1, 0},
      {"7", -1, 0},
      {"[", -1, 0},
      {"[7", -1, 0},
      {"[7]x", -1, 0},
      {"[7;8]", -1, 0},
      {"[7,]", -1, 0},
      {"[,7]", -1, 0},
      {"[-7]", -1, 0},
      {"[ 7]", -1, 0},
      {"[7.0]", -1, 0},
      {"[1,2,3,4,5,6,7,8,9]", -1, 0},
      {"[] ", -1, 0},
      {"[12345678901234567]", -1, 0},
  };
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    int64_t dim[ATTN_MAX_DIM] = {0};
    int n = attn_shape_parse(shapes[i].text, dim);
    CHECK(n == shapes[i].n && (n < 1 || dim[0] == shapes[i].first));
  }
  int64_t dim[] = {INT64_MAX, 2, 2};
  CHECK(attn_shape_bytes(dim, 0, 4) == 4);
  CHECK(attn_shape_bytes(dim + 1, 2, 4) == 16);
  CHECK(attn_shape_bytes(dim, 3, 1) == UINT64_MAX);
  CHECK(attn_dtype_find("BF16")->dtype == ATTN_BF16 && !attn_dtype_find("BF17"));
}

static void test_headers(void) {
  uint8_t first[8] = {2};
  uint64_t n;
  attn_error err;
  CHECK_STATUS(ATTN_OK, attn_safetensors_header(first, 10, &err, &n), "");
  CHECK(n == 2);
  CHECK_STATUS(ATTN_INVALID, attn_safetensors_header(first, 9, &err, &n),
               "the header length is 2; expected 2 to 1 in a file of 9 bytes");
  CHECK_STATUS(ATTN_INVALID, attn_safetensors_header(first, 7, &err, &n),
               "the header length is 2; expected 2 to 0 in a file of 7 bytes");
  first[0] = 1;
  CHECK_STATUS(ATTN_INVALID, attn_safetensors_header(first, 10, &err, &n),
               "the header length is 1; expected 2 to 2 in a file of 10 bytes");
  first[7] = 1;
  CHECK_STATUS(
      ATTN_INVALID, attn_safetensors_header(first, UINT64_MAX, &err, &n),
      "the header length is 72057594037927937; expected 2 to 100000000 in a file of "
      "18446744073709551615 bytes");
}

static attn_safetensor tensor(const char *name, uint64_t begin, uint64_t end, int64_t n) {
  return (attn_safetensor){.name = name,
                           .dtype = attn_dtype_find("F32"),
                           .n_dim = 1,
                           .dim = {n},
                           .begin = begin,
                           .end = end};
}

static void test_places(void) {
  attn_error err;
  attn_safetensor t[] = {tensor("c", 8, 16, 2), tensor("b", 0, 8, 2),
                         tensor("a", 8, 8, 0), tensor("d", 8, 8, 0)};
  CHECK_STATUS(ATTN_OK, attn_safetensors_check(t, 4, 16, &err), "");
  CHECK(strcmp(t[0].name, "b") == 0 && strcmp(t[1].name, "a") == 0);
  CHECK(strcmp(t[2].name, "d") == 0 && strcmp(t[3].name, "c") == 0);
  CHECK_STATUS(ATTN_OK, attn_safetensors_check(t, 0, 0, &err), "");
  CHECK_STATUS(ATTN_INVALID, attn_safetensors_check(t, 4, 17, &err),
               "the tensors cover 16 bytes of data; the file has 17");
  CHECK_STATUS(
      ATTN_INVALID, attn_safetensors_check(t + 1, 3, 16, &err),
      "tensor \"a\" begins at byte 8 of the data; expected 0, where the one before it "
      "ends");
  t[0] = tensor("x", 8, 0, 2);
  CHECK_STATUS(ATTN_INVALID, attn_safetensors_check(t, 1, 8, &err),
               "tensor \"x\" has data_offsets [8, 0]; its shape and dtype make 8 bytes");
  t[0] = tensor("x", 0, 9, 2);
  CHECK_STATUS(ATTN_INVALID, attn_safetensors_check(t, 1, 9, &err),
               "tensor \"x\" has data_offsets [0, 9]; its shape and dtype make 8 bytes");
  t[0] = tensor("x", 0, UINT64_MAX, INT64_MAX); /* which is no number of bytes */
  CHECK(attn_safetensors_check(t, 1, 9, &err) == ATTN_INVALID);
}

static void test_drawing(void) {
  enum { N = 6 };
  const float inf = INFINITY;
  const float logits[N] = {0, 3, 1, 3, -inf, NAN}, nans[N] = {NAN, NAN, 1, 0, NAN, -inf};
  const float lost[2] = {NAN, NAN}, infinite[3] = {1, inf, 2};
  uint64_t memory[64];
  int n_drawn[N] = {0};
  CHECK(attne_sample_memory(N) <= sizeof memory);
  attne_sampling s = {.top_p = 1};
  CHECK(attne_sample(&s, logits, N, memory) == 1); /* of equal ones the first */
  CHECK(attne_sample(&s, nans, N, memory) == 2);
  CHECK(attne_sample(&s, lost, 2, memory) >= 0 &&
        attne_sample(&s, infinite, 3, memory) == 1);
  CHECK(s.state == 0); /* there was no choice */
  s.temperature = 1;
  CHECK(attne_sample(&s, infinite, 3, memory) == 1 && s.state == 0);
  for (int i = 0; i < 4000; i++) n_drawn[attne_sample(&s, logits, N, memory)]++;
  CHECK(n_drawn[4] == 0 && n_drawn[5] == 0); /* never -inf or NaN */
  CHECK(n_drawn[1] > 1600 && n_drawn[1] < 1900 && n_drawn[3] > 1600 && n_drawn[3] < 1900);
  CHECK(n_drawn[2] > 150 && n_drawn[2] < 320 && n_drawn[0] > 40 && n_drawn[0] < 150);
  memset(n_drawn, 0, sizeof n_drawn);
  s.top_k = 2;
  for (int i = 0; i < 400; i++) n_drawn[attne_sample(&s, logits, N, memory)]++;
  CHECK(n_drawn[1] + n_drawn[3] == 400 && n_drawn[1] > 150 && n_drawn[3] > 150);
  s.top_k = 0, s.top_p = 0.4; /* the likeliest has 0.45 */
  for (int i = 0; i < 100; i++) CHECK(attne_sample(&s, logits, N, memory) == 1);
  s.top_k = 100, s.top_p = 1e-9;
  CHECK(attne_sample(&s, logits, N, memory) == 1);
  double sum = 0;
  for (int32_t i = 0; i < 4; i++) sum += exp(attne_log_probability(logits, 4, i, memory));
  CHECK(fabs(sum - 1) < 1e-6);
  CHECK(attne_log_probability(logits, 5, 4, memory) == -INFINITY);
  CHECK(isnan(attne_log_probability(lost, 2, 0, memory)));
}

/* T5's buckets: small distances have their own, large ones share, the rest are the last.
*/
static void test_buckets(void) {
  uint32_t last = 0;
  for (int64_t d = 0; d < 1000; d++) {
    uint32_t b = attne_distance_bucket(-d, 1, 32, 128);
    CHECK(d < 16 ? b == (uint32_t)d : b >= last && b >= 16 && b < 32);
    CHECK(attne_distance_bucket(d, 1, 32, 128) == 0); /* what comes after is not seen */
    CHECK(d < 128 || b == 31);
    last = b;
    CHECK(attne_distance_bucket(d, 0, 32, 128) ==
          attne_distance_bucket(-d, 0, 32, 128) + (d ? 16 : 0));
  }
  CHECK(attne_distance_bucket(INT64_MIN / 2, 0, 32, 128) == 15);
  CHECK(attne_distance_bucket(INT64_MAX / 2, 0, 32, 128) == 31);
}

/* A character, or as many bytes as may be thrown away as the beginning of one. */
static void test_characters(void) {
  static const struct {
    const char *text;
    unsigned n;
    uint32_t c;
  } list[] = {
      {"\x7f", 1, 0x7F},
      {"\x80", 1, 0xFFFD},
      {"\xc1\xbf", 1, 0xFFFD},
      {"\xc2\x80", 2, 0x80},
      {"\xdf\xbf", 2, 0x7FF},
      {"\xe0\x9f\xbf", 1, 0xFFFD},
      {"\xe0\xa0\x80", 3, 0x800},
      {"\xed\x9f\xbf", 3, 0xD7FF},
      {"\xed\xa0\x80", 1, 0xFFFD},
      {"\xef\xbf\xbf", 3, 0xFFFF},
      {"\xf0\x8f\xbf\xbf", 1, 0xFFFD},
      {"\xf0\x90\x80\x80", 4, 0x10000},
      {"\xf4\x8f\xbf\xbf", 4, 0x10FFFF},
      {"\xf4\x90\x80\x80", 1, 0xFFFD},
      {"\xf5\x80\x80\x80", 1, 0xFFFD},
      {"\xf0\x9f\x98", 3, 0xFFFD},
      {"\xf0\x9fx", 2, 0xFFFD},
  };
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    uint32_t c;
    CHECK(attne_utf8_decode(list[i].text, strlen(list[i].text), &c) == list[i].n);
    CHECK(c == list[i].c);
  }
}

/* Within two units of the last place of libm's, over all magnitudes and near 1. */
static void test_logarithm(void) {
  double worst = 0;
  for (double x = 4.9e-324; x < INFINITY; x *= 1.57) {
    double error = fabs(attne_log(x) - log(x)) / (fabs(log(x)) * 0x1p-52);
    if (error > worst) worst = error;
  }
  for (int i = -1000; i <= 1000; i++) {
    double x = 1 + i * 0x1p-12, expected = log(x);
    if (i && fabs(attne_log(x) - expected) > worst * fabs(expected) * 0x1p-52) {
      worst = fabs(attne_log(x) - expected) / (fabs(expected) * 0x1p-52);
    }
  }
  if (worst > 2) printf("! log is off by %g units in the last place\n", worst);
  CHECK(worst <= 2);
  CHECK(attne_log(1) == 0 && attne_log(0) == -INFINITY &&
        attne_log(INFINITY) == INFINITY);
  CHECK(isnan(attne_log(-1)) && isnan(attne_log(NAN)));
}

int main(void) {
  unit_begin();
  test_messages();
  test_memory();
  test_order();
  test_shapes();
  test_headers();
  test_places();
  test_drawing();
  test_buckets();
  test_characters();
  test_logarithm();
  return unit_end();
}
