/*
** test_vector.c - distances against the formulas in long double, at every length
** and address; failing allocations; NaN.
**
** isa: all
*/
#include "unit.h"
#include <math.h>

enum { MAX_N = 100 };

static double difference(double a, double b) {
  return fabs(a - b) / (1 + fabs(b));
}

/* The metric by its definition. */
static double by_definition(attn_metric metric, const attn_vector *a,
                            const attn_vector *b) {
  long double square = 0, absolute = 0, ab = 0, aa = 0, bb = 0, bits = 0;
  for (size_t i = 0; i < a->n; i++) {
    long double x = attn_vector_get(a, i), y = attn_vector_get(b, i);
    square += (x - y) * (x - y);
    absolute += fabsl(x - y);
    ab += x * y, aa += x * x, bb += y * y;
    bits += x != y;
  }
  switch (metric) {
  case ATTN_L2:
    return (double)sqrtl(square);
  case ATTN_L1:
    return (double)absolute;
  case ATTN_COSINE:
    return aa * bb > 0 ? (double)(1 - ab / sqrtl(aa * bb)) : 1;
  case ATTN_HAMMING:
    return (double)bits;
  default:
    return (double)-ab;
  }
}

static void fill(attn_vector_type type, uint8_t *bytes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float x = (float)(rand() % 2001 - 1000) / 128.0f;
    if (type == ATTN_VECTOR_FLOAT32) {
      memcpy(bytes + 4 * i, &x, 4);
    } else {
      bytes[i] = (uint8_t)rand();
    }
  }
}

static void test_distances(void) {
  static uint8_t memory_a[4 * MAX_N + 8], memory_b[4 * MAX_N + 8];
  attn_error err;
  for (int type = ATTN_VECTOR_FLOAT32; type <= ATTN_VECTOR_INT8; type++) {
    double worst = 0;
    for (size_t n = 1; n <= MAX_N; n++) {
      for (size_t offset = 0; offset < 4; offset++) {
        attn_vector_type t = (attn_vector_type)type;
        attn_vector a = {t, t == ATTN_VECTOR_BIT ? 8 * n : n, memory_a + offset, NULL};
        attn_vector b = {t, a.n, memory_b + (offset * 3) % 4, NULL};
        fill(t, memory_a + offset, n);
        fill(t, memory_b + (offset * 3) % 4, n);
        for (int m = ATTN_L2; m <= ATTN_DOT; m++) {
          double got;
          if (attn_vector_distance((attn_metric)m, &a, &b, &err, &got)) continue;
          worst = fmax(worst, difference(got, by_definition((attn_metric)m, &a, &b)));
        }
      }
    }
    CHECK(worst < 6e-8); /* half a place of float32 */
  }
}

/* Every allocation fails in turn. */
static attn_status all_of_it(int *n_byte) {
  attn_vector v = {0}, sum = {0}, unit = {0}, code = {0}, bits = {0};
  attn_error err;
  char *text = NULL;
  size_t n_text = 0;
  static const char array[] = "[1, 2.5, -3e-2, 4, 5, 6, 7, 8]";
  attn_status s =
      attn_vector_from_json(ATTN_VECTOR_FLOAT32, array, strlen(array), &err, &v);
  if (!s) s = attn_vector_add(&v, &v, &err, &sum);
  if (!s) s = attn_vector_normalize(&sum, &err, &unit);
  if (!s) s = attn_vector_quantize_int8(&unit, &err, &code);
  if (!s) s = attn_vector_quantize_binary(&code, &err, &bits);
  if (!s) s = attn_vector_to_json(&bits, &err, &text, &n_text);
  *n_byte = (int)n_text;
  if (text) unit_release(text);
  attn_vector_free(&v);
  attn_vector_free(&sum);
  attn_vector_free(&unit);
  attn_vector_free(&code);
  attn_vector_free(&bits);
  return s;
}

static void test_memory(void) {
  int n_byte;
  for (int n = 1;; n++) {
    unit_fail_at = n, unit_count = 0;
    attn_status status = all_of_it(&n_byte);
    CHECK(unit_live == 0);
    if (status == ATTN_OK && unit_count < n) break;
    CHECK(status == ATTN_NOMEM);
  }
  unit_fail_at = 0;
  CHECK(n_byte == (int)strlen("[1,1,0,1,1,1,1,1]"));
}

/* A NaN that is made has the same bits on every processor. */
static void test_nan(void) {
  const uint8_t infinities[] = {0, 0, 0x80, 0x7F, 0, 0, 0x80, 0xFF};
  const uint8_t nan[] = {0, 0, 0xC0, 0x7F, 0, 0, 0xC0, 0x7F};
  attn_vector v, out;
  attn_error err;
  CHECK(!attn_vector_from_blob(ATTN_VECTOR_FLOAT32, infinities, 8, &err, &v));
  CHECK(!attn_vector_subtract(&v, &v, &err, &out) && memcmp(out.data, nan, 8) == 0);
  attn_vector_free(&out);
  CHECK(!attn_vector_normalize(&v, &err, &out) && memcmp(out.data, nan, 8) == 0);
  attn_vector_free(&out);
}

int main(void) {
  unit_begin();
  test_distances();
  test_memory();
  test_nan();
  return unit_end();
}
