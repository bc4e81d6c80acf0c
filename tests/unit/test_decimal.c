/*
** test_decimal.c - float32 as decimal text, against the C library's strtof and
** printf, which are exact in glibc and musl.
*/
#include "unit.h"
#include "../../engine/base/decimal.h"
#include <float.h>
#include <math.h>

static uint64_t state = 88172645463325252u;

static uint64_t random64(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}

static float from_bits(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

static float random_float(void) {
  for (;;) {
    float f = from_bits((uint32_t)random64());
    if (isfinite(f)) return f;
  }
}

/* 1 if the text is read as strtof reads it, all of it. */
static int reads_like_strtof(const char *text) {
  float got = 0, expected = strtof(text, NULL);
  size_t n = attne_decimal_read(text, strlen(text), &got);
  if (n == strlen(text) && memcmp(&got, &expected, sizeof got) == 0) return 1;
  printf("!   %s: %zu bytes, %a, expected %a\n", text, n, (double)got, (double)expected);
  return 0;
}

/* Texts of one kind. */
enum kind {
  SHORTEST,
  DOUBLE,
  MIDDLE,
  NEAR_MIDDLE,
  SUBNORMAL,
  INTEGER,
  FRACTION,
  LONG,
  N_KIND
};

static void make_text(enum kind kind, char *text, size_t size) {
  float f = random_float();
  double middle = ((double)f + (double)nextafterf(f, 0)) / 2;
  switch (kind) {
  case SHORTEST:
    snprintf(text, size, "%.9g", (double)f);
    break;
  case DOUBLE:
    snprintf(text, size, "%.17g", (double)f * 1.0000000123);
    break;
  case MIDDLE:
    snprintf(text, size, "%.120e", middle);
    break;
  case NEAR_MIDDLE:
    /* A digit far behind the others decides. */
    snprintf(text, size, "%.150e", middle);
    *(strchr(text, 'e') - 1) = '1';
    break;
  case SUBNORMAL:
    f = from_bits((uint32_t)random64() & 0xFFFFFF);
    snprintf(text, size, "%.*e", (int)(random64() % 120), (double)f * 1.5);
    break;
  case INTEGER:
    snprintf(text, size, "%llu", (unsigned long long)(random64() >> random64() % 64));
    break;
  case FRACTION:
    snprintf(text, size, "0.%019llu%d", (unsigned long long)(random64() / 2),
             (int)(random64() % 1000));
    break;
  default:
    snprintf(text, size, "%.60f", (double)f);
    break;
  }
}

static void test_read(void) {
  static const char *const numbers[] = {"0",
                                        "-0",
                                        "0.0",
                                        "1",
                                        "16777217",
                                        "16777219",
                                        "-16777217.0000000000000000000000000001",
                                        "3.4028234663852886e38",
                                        "3.4028235677973365e38",
                                        "3.4028235677973366e38",
                                        "1e39",
                                        "-1e400",
                                        "340282356779733661637539395458142568447",
                                        "340282356779733661637539395458142568448",
                                        "7.0064923216240853e-46",
                                        "7.0064923216240854e-46",
                                        "1e-46",
                                        "1e-400",
                                        "1e99999999999999999999",
                                        "1e-99999999999999999999",
                                        "0e99999999999999999999",
                                        ".5",
                                        "5.",
                                        "+1",
                                        "1E5",
                                        "1e+5",
                                        "1.e-5"};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    CHECK(reads_like_strtof(numbers[i]));
  for (int kind = 0; kind < N_KIND; kind++) {
    char text[400];
    int n_good = 0, n = 20000;
    for (int i = 0; i < n; i++) {
      make_text((enum kind)kind, text, sizeof text);
      n_good += reads_like_strtof(text);
    }
    CHECK(n_good == n);
  }
}

/* How much of a text is a number. */
static void test_end(void) {
  static const struct {
    const char *text;
    size_t n;
  } ends[] = {{"", 0},    {"-", 0},   {".", 0},      {"-.", 0},   {"e5", 0},
              {"1e", 0},  {"1e+", 0}, {"x", 0},      {" 1", 0},   {"inf", 0},
              {"nan", 0}, {"01", 1},  {"-01", 2},    {"00.5", 1}, {"1.5.2", 3},
              {"1-2", 1}, {"1,2", 1}, {"1e5e5", 3},  {"0x10", 1}, {"1..2", 2},
              {"--1", 0}, {"+-1", 0}, {"1e-05]", 5}, {"12 ", 2}};
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    float x;
    CHECK(attne_decimal_read(ends[i].text, strlen(ends[i].text), &x) == ends[i].n);
  }
  float x = 7;
  CHECK(attne_decimal_read("123", 2, &x) == 2 && x == 12);
}

/* Reads back as it was, and no shorter digits do. */
static int writes_well(float f) {
  char text[ATTNE_DECIMAL_MAX + 1], shorter[40];
  size_t n = attne_decimal_write(f, text);
  if (n > ATTNE_DECIMAL_MAX) return 0;
  text[n] = 0;
  if (strtof(text, NULL) != f || signbit(strtof(text, NULL)) != signbit(f)) return 0;
  int n_digit = 0, trailing = 0, seen = 0;
  for (const char *p = text; *p && *p != 'e'; p++) {
    if (*p < '0' || *p > '9' || (*p == '0' && !seen)) continue;
    seen = 1, n_digit++;
    trailing = *p == '0' ? trailing + 1 : 0;
  }
  n_digit -= trailing;
  if (n_digit < 2) return 1;
  snprintf(shorter, sizeof shorter, "%.*e", n_digit - 2, (double)f);
  return strtof(shorter, NULL) != f;
}

static void test_write(void) {
  int n_good = 0, n = 100000;
  for (int i = 0; i < n; i++) n_good += writes_well(random_float());
  CHECK(n_good == n);
  CHECK(writes_well(0.0f) && writes_well(-0.0f) && writes_well(FLT_MAX) &&
        writes_well(-FLT_MAX));
  CHECK(writes_well(FLT_MIN) && writes_well(FLT_TRUE_MIN) && writes_well(-1e15f));
}

int main(void) {
  unit_begin();
  test_read();
  test_end();
  test_write();
  return unit_end();
}
