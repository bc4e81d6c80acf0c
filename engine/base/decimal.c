/*
** decimal.c - float32 as decimal text, both ways exact.
**
** A number kept * 10^e is first computed in double, which for the range of
** float32 is off by less than 4 of its last places.  Unless the result is that
** close to the middle between two float32, rounding it is right (Clinger, "How
** to Read Floating Point Numbers Accurately", 1990, with double in the place of
** his extended precision).  One text in tens of millions is left for the exact
** comparison with that middle, in integers:
**
**   digits * 10^e  <=>  (2m + 1) * 2^(q-1)        where m * 2^q is the float32 below
**
** Writing tries 9 digits, which are always enough, and then fewer, as long as
** they read back as the same number.
*/
#include "decimal.h"
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* The middle between two float32 has at most 113 significant digits; of the
** digits behind these it only counts whether one is not zero. */
enum { MAX_KEPT = 19, MAX_DIGIT = 120 };

/* A number without its sign: kept * 10^exponent, up to the digits in `rest`. */
typedef struct decimal {
  uint64_t kept; /* the first 19 significant digits */
  int64_t exponent;
  size_t n_digit;   /* significant digits, trailing zeros included */
  const char *rest; /* the text from the 20th on */
} decimal;

static const double power_of_10[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static uint32_t bits_of(float f) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  return bits;
}

static uint64_t bits_of_double(double d) {
  uint64_t bits;
  memcpy(&bits, &d, sizeof bits);
  return bits;
}

/* ------------------------------------------------------- exact, in integers */

/* At most 121 digits (402 bits) times 2^150, or 2^25 times 5^167 times 2^18. */
typedef struct big {
  uint32_t limb[24]; /* least significant first */
  int n;
} big;

static void big_mul_add(big *b, uint32_t factor, uint32_t carry) {
  for (int i = 0; i < b->n; i++) {
    uint64_t x = (uint64_t)b->limb[i] * factor + carry;
    b->limb[i] = (uint32_t)x;
    carry = (uint32_t)(x >> 32);
  }
  if (carry) b->limb[b->n++] = carry;
}

/* Times base^exponent; an exponent below 1 leaves it alone. */
static void big_mul_power(big *b, uint32_t base, int exponent) {
  uint32_t factor = 1;
  for (; exponent > 0; exponent--) {
    if (factor > UINT32_MAX / base) {
      big_mul_add(b, factor, 0);
      factor = 1;
    }
    factor *= base;
  }
  big_mul_add(b, factor, 0);
}

static int big_compare(const big *a, const big *b) {
  if (a->n != b->n) return a->n < b->n ? -1 : 1;
  for (int i = a->n - 1; i >= 0; i--) {
    if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
  }
  return 0;
}

/* Sets *b to the digits as an integer; returns the power of ten behind it. */
static int big_from_decimal(const decimal *d, big *b) {
  int exponent = (int)d->exponent, dropped = 0;
  const char *p = d->rest;
  *b = (big){{(uint32_t)d->kept, (uint32_t)(d->kept >> 32)}, d->kept >> 32 ? 2 : 1};
  for (size_t i = MAX_KEPT; i < d->n_digit; p++) {
    if (*p == '.') continue;
    if (i++ < MAX_DIGIT) {
      big_mul_add(b, 10, (uint32_t)(*p - '0'));
      exponent--;
    } else if (*p != '0') {
      dropped = 1;
    }
  }
  if (!dropped) return exponent;
  big_mul_add(b, 10, 1); /* a little more than the digits say */
  return exponent - 1;
}

/* Compares digits * 10^exponent with the middle between the float32 of these
** bits and the next one. */
static int compare_with_middle(const big *digits, int exponent, uint32_t bits) {
  uint32_t biased = bits >> 23, m = bits & 0x7FFFFF;
  if (biased) m |= 0x800000;
  int q = (int)(biased ? biased : 1) - 150;
  int twos = exponent - (q - 1); /* of 10^exponent = 5^exponent 2^exponent, and 2^(q-1) */
  big left = *digits, right = {{2 * m + 1}, 1};
  big_mul_power(&left, 5, exponent);
  big_mul_power(&left, 2, twos);
  big_mul_power(&right, 5, -exponent);
  big_mul_power(&right, 2, -twos);
  return big_compare(&left, &right);
}

/* Corrects a guess that is off by one place at most.  In a tie the even wins. */
static uint32_t round_exactly(const decimal *d, uint32_t guess) {
  big digits;
  int exponent = big_from_decimal(d, &digits);
  int even = !(guess & 1);
  if (compare_with_middle(&digits, exponent, guess) >= even) return guess + 1;
  if (guess && compare_with_middle(&digits, exponent, guess - 1) <= -even)
    return guess - 1;
  return guess;
}

/* ---------------------------------------------------------- usual, in double */

static double scale(double x, int exponent) {
  for (; exponent > 22; exponent -= 22) x *= 1e22;
  for (; exponent < -22; exponent += 22) x /= 1e22;
  return exponent < 0 ? x / power_of_10[-exponent] : x * power_of_10[exponent];
}

/* The bits of the nearest float32, of which infinity is one. */
static uint32_t nearest(const decimal *d) {
  int64_t n_kept = d->n_digit < MAX_KEPT ? (int64_t)d->n_digit : MAX_KEPT;
  int64_t leading = d->exponent + n_kept; /* below 10^leading */
  if (d->kept == 0 || leading < -45) return 0;
  if (leading > 39) return bits_of((float)HUGE_VAL);
  double x = scale((double)d->kept, (int)d->exponent);
  float guess = x < (double)FLT_MAX ? (float)x : FLT_MAX;
  int64_t from_middle = (int64_t)(bits_of_double(x) & 0x1FFFFFFF) - 0x10000000;
  if (x < (double)FLT_MIN || x > (double)FLT_MAX || (from_middle > -8 && from_middle < 8))
    return round_exactly(d, bits_of(guess));
  return bits_of(guess);
}

/* ------------------------------------------------------------------- reading */

static int is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* Takes digits as far as there are any; returns where they end. */
static const char *read_digits(const char *p, const char *end, decimal *d) {
  for (; p < end && is_digit(*p); p++) {
    if (d->n_digit < MAX_KEPT) {
      d->kept = d->kept * 10 + (uint64_t)(*p - '0');
      d->n_digit += d->kept != 0;
    } else {
      if (d->n_digit++ == MAX_KEPT) d->rest = p;
      d->exponent++;
    }
  }
  return p;
}

/* Digits with a point somewhere; NULL if there are none.  A leading 0 is the only
** digit before the point. */
static const char *read_mantissa(const char *p, const char *end, decimal *d) {
  const char *start = p;
  p = p < end && *p == '0' ? p + 1 : read_digits(p, end, d);
  int64_t n = p - start;
  if (p < end && *p == '.') {
    const char *fraction = p + 1;
    p = read_digits(fraction, end, d);
    d->exponent -= p - fraction;
    n += p - fraction;
  }
  return n ? p : NULL;
}

/* What follows an "e"; returns where it ends, or NULL if it has no digits.  Past
** 10^17 the value no longer matters: no text is long enough to make up for it. */
static const char *read_exponent(const char *p, const char *end, int64_t *exponent) {
  int64_t x = 0;
  int negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) p++;
  const char *start = p;
  for (; p < end && is_digit(*p); p++) {
    if (x < INT64_C(10000000000000000)) x = x * 10 + (*p - '0');
  }
  *exponent += negative ? -x : x;
  return p > start ? p : NULL;
}

size_t attne_decimal_read(const char *text, size_t n_text, float *out) {
  const char *p = text, *end = text + n_text;
  decimal d = {0};
  int negative = n_text && *p == '-';
  if (n_text && (*p == '-' || *p == '+')) p++;
  p = read_mantissa(p, end, &d);
  if (p && p < end && (*p == 'e' || *p == 'E'))
    p = read_exponent(p + 1, end, &d.exponent);
  if (!p) return 0;
  uint32_t bits = nearest(&d) | (uint32_t)negative << 31;
  memcpy(out, &bits, sizeof bits);
  return (size_t)(p - text);
}

/* ------------------------------------------------------------------- writing */

static int reads_back(uint64_t digits, int n_digit, int exponent, uint32_t bits) {
  decimal d = {digits, exponent, (size_t)n_digit, NULL};
  return nearest(&d) == bits;
}

/* The shortest digits * 10^exponent for a positive value. */
static uint64_t shortest(float value, int *exponent) {
  double x = (double)value;
  int e2 = (int)(bits_of_double(x) >> 52) - 1023;
  int e10 = (e2 * 1233) >> 12; /* floor(log10(2^e2)): that of value, or one less */
  if (scale(x, 16 - e10) >= 1e17) e10++;
  uint64_t all = (uint64_t)scale(x, 16 - e10), unit = 100000000, best = 0; /* 17 digits */
  for (int n = 9; n > 0; n--, unit *= 10) {
    /* Below a power of two the float32 are twice as dense, so the next digit up
    ** can read back where the nearest does not. */
    uint64_t digits = (all + unit / 2 - !(all / unit & 1)) / unit; /* half to even */
    int e = e10 - n + 1;
    if (!reads_back(digits, n, e, bits_of(value)) &&
        !reads_back(++digits, n, e, bits_of(value)))
      break;
    best = digits;
    *exponent = e;
  }
  while (best % 10 == 0) best /= 10, ++*exponent;
  return best;
}

static char *write_zeros(char *out, int n) {
  for (; n > 0; n--) *out++ = '0';
  return out;
}

/* d.ddde-07 */
static char *write_scientific(char *out, const char *digit, int n, int exponent) {
  *out++ = digit[0];
  if (n > 1) {
    *out++ = '.';
    memcpy(out, digit + 1, (size_t)n - 1);
    out += n - 1;
  }
  *out++ = 'e';
  *out++ = exponent < 0 ? '-' : '+';
  if (exponent < 0) exponent = -exponent;
  *out++ = (char)('0' + exponent / 10);
  *out++ = (char)('0' + exponent % 10);
  return out;
}

/* 0.00ddd, dd.d or ddd000.0; `point` digits stand before the point. */
static char *write_positional(char *out, const char *digit, int n, int point) {
  int n_int = point < 0 ? 0 : point < n ? point : n;
  memcpy(out, digit, (size_t)n_int);
  out = write_zeros(out + n_int, point <= 0 ? 1 : point - n_int);
  *out++ = '.';
  out = write_zeros(out, n == n_int ? 1 : -point);
  memcpy(out, digit + n_int, (size_t)(n - n_int));
  return out + (n - n_int);
}

size_t attne_decimal_write(float value, char *out) {
  char *p = out, digit[9] = "0";
  int n = 1, exponent = 0;
  if (bits_of(value) >> 31) {
    *p++ = '-';
    value = -value;
  }
  if (value > 0) {
    uint64_t rest = shortest(value, &exponent);
    n = 0;
    for (uint64_t r = rest; r; r /= 10) n++;
    for (int i = n - 1; i >= 0; i--, rest /= 10) digit[i] = (char)('0' + rest % 10);
  }
  int point = n + exponent;
  p = point > -4 && point <= 16 ? write_positional(p, digit, n, point)
                                : write_scientific(p, digit, n, point - 1);
  return (size_t)(p - out);
}
