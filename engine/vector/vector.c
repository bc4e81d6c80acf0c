/*
** vector.c - vectors in the format of sqlite-vec: arithmetic and distances.
*/
#include "../attn.h"
#include "../base/base.h"
#include <float.h>
#include <math.h>

/* ------------------------------------------------------------------- elements */

static uint32_t little_endian(uint32_t x) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return __builtin_bswap32(x);
#else
  return x;
#endif
}

static float get_float(const uint8_t *data, size_t i) {
  uint32_t bits;
  float x;
  memcpy(&bits, data + 4 * i, 4);
  bits = little_endian(bits);
  memcpy(&x, &bits, 4);
  return x;
}

/* The sign of a new NaN depends on the processor. */
static void put_float(uint8_t *data, size_t i, float x) {
  uint32_t bits = 0x7FC00000;
  if (!isnan(x)) memcpy(&bits, &x, 4);
  bits = little_endian(bits);
  memcpy(data + 4 * i, &bits, 4);
}

static int get_int8(const uint8_t *data, size_t i) {
  return (int8_t)data[i];
}

static void put_int8(uint8_t *data, size_t i, int x) {
  data[i] = (uint8_t)(x < -128 ? -128 : x > 127 ? 127 : x);
}

/* Bits that are set: counted in pairs, in fours, in bytes, then added up. */
static size_t popcount(uint64_t x) {
  x -= x >> 1 & UINT64_C(0x5555555555555555);
  x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
  x = (x + (x >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
  return (size_t)(x * UINT64_C(0x0101010101010101) >> 56);
}

static int get_bit(const uint8_t *data, size_t i) {
  return data[i / 8] >> i % 8 & 1;
}

double attn_vector_get(const attn_vector *v, size_t i) {
  switch (v->type) {
  case ATTN_VECTOR_FLOAT32:
    return (double)get_float(v->data, i);
  case ATTN_VECTOR_INT8:
    return get_int8(v->data, i);
  default:
    return get_bit(v->data, i);
  }
}

void attn_vector_floats(const attn_vector *v, float *values) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  for (size_t i = 0; i < v->n; i++) values[i] = get_float(v->data, i);
#else
  memcpy(values, v->data, v->n * sizeof *values);
#endif
}

int attn_floats_are_finite(size_t n, const float *x) {
  enum { LANES = 16 };
  int32_t top[LANES] = {0}, bits[LANES], all = 0;
  for (; n >= LANES; n -= LANES, x += LANES) {
    memcpy(bits, x, sizeof bits);
    for (int i = 0; i < LANES; i++) {
      bits[i] &= INT32_MAX;
      top[i] = bits[i] > top[i] ? bits[i] : top[i];
    }
  }
  for (size_t i = 0; i < n; i++) all |= !isfinite(x[i]);
  for (int i = 0; i < LANES; i++) all |= top[i] >= 0x7f800000;
  return !all;
}

/* --------------------------------------------------------- making and freeing */

static const struct {
  const char *name, *plural;
  unsigned bits; /* of an element */
} types[] = {{"float32", "float32 vectors", 32},
             {"bit", "bitvectors", 1},
             {"int8", "int8 vectors", 8}};

const char *attn_vector_type_name(attn_vector_type type) {
  return types[type].name;
}

size_t attn_vector_bytes(const attn_vector *v) {
  return v->type == ATTN_VECTOR_BIT ? v->n / 8 : v->n * (types[v->type].bits / 8);
}

attn_status attn_vector_new(attn_vector_type type, size_t n, attn_error *err,
                            attn_vector *out) {
  *out = (attn_vector){type, n, NULL, attne_alloc((uint64_t)n * types[type].bits / 8)};
  if (!out->owned) return attne_no_memory(err);
  out->data = out->owned;
  return ATTN_OK;
}

void attn_vector_free(attn_vector *v) {
  attne_release(v->owned);
  *v = (attn_vector){0};
}

attn_status attn_vector_from_blob(attn_vector_type type, const void *blob, size_t n_byte,
                                  attn_error *err, attn_vector *out) {
  *out = (attn_vector){type, 0, blob, NULL};
  if (n_byte == 0)
    return attne_fail(err, ATTN_INVALID, "zero-length vectors are not supported.");
  if (type == ATTN_VECTOR_FLOAT32 && n_byte % 4)
    return attne_fail(
        err, ATTN_INVALID,
        "invalid float32 vector BLOB length. Must be divisible by 4, found %zu", n_byte);
  out->n = type == ATTN_VECTOR_BIT ? n_byte * 8 : n_byte / (types[type].bits / 8);
  return ATTN_OK;
}

void attn_vector_from_floats(float *values, size_t n, attn_vector *out) {
  uint8_t *bytes = (uint8_t *)values;
  for (size_t i = 0; i < n; i++) put_float(bytes, i, values[i]);
  *out = (attn_vector){ATTN_VECTOR_FLOAT32, n, bytes, bytes};
}

attn_vector attn_vector_of_floats(const float *values, size_t n, float *stored) {
  attn_vector v = {ATTN_VECTOR_FLOAT32, n, (const uint8_t *)values, NULL};
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  attn_vector_floats(&v, stored); /* to change the order is to change it back */
  v.data = (const uint8_t *)stored;
#else
  (void)stored;
#endif
  return v;
}

/* ----------------------------------------------------------------- arithmetic */

attn_status attn_vector_match(const attn_vector *a, const attn_vector *b,
                              attn_error *err) {
  if (a->type != b->type)
    return attne_fail(err, ATTN_INVALID,
                      "Vector type mistmatch. First vector has type %s, while the second "
                      "has type %s.",
                      types[a->type].name, types[b->type].name);
  if (a->n != b->n)
    return attne_fail(
        err, ATTN_INVALID,
        "Vector dimension mistmatch. First vector has %zu dimensions, while "
        "the second has %zu dimensions.",
        a->n, b->n);
  return ATTN_OK;
}

/* a + sign * b; `verb` is for the error. */
static attn_status combine(const attn_vector *a, int sign, const attn_vector *b,
                           const char *verb, attn_error *err, attn_vector *out) {
  *out = (attn_vector){0};
  if (a->type == ATTN_VECTOR_BIT)
    return attne_fail(err, ATTN_INVALID, "Cannot %s two bitvectors together.", verb);
  if (attn_vector_new(a->type, a->n, err, out)) return ATTN_NOMEM;
  if (a->type == ATTN_VECTOR_FLOAT32) {
    float s = (float)sign;
    for (size_t i = 0; i < a->n; i++)
      put_float(out->owned, i, get_float(a->data, i) + s * get_float(b->data, i));
  } else {
    for (size_t i = 0; i < a->n; i++)
      put_int8(out->owned, i, get_int8(a->data, i) + sign * get_int8(b->data, i));
  }
  return ATTN_OK;
}

attn_status attn_vector_add(const attn_vector *a, const attn_vector *b, attn_error *err,
                            attn_vector *out) {
  return combine(a, 1, b, "add", err, out);
}

attn_status attn_vector_subtract(const attn_vector *a, const attn_vector *b,
                                 attn_error *err, attn_vector *out) {
  return combine(a, -1, b, "subtract", err, out);
}

attn_status attn_vector_quantize_int8(const attn_vector *v, attn_error *err,
                                      attn_vector *out) {
  *out = (attn_vector){0};
  if (v->type != ATTN_VECTOR_FLOAT32)
    return attne_fail(err, ATTN_INVALID,
                      "Can only quantize float32 vectors to int8, found %s",
                      types[v->type].name);
  if (attn_vector_new(ATTN_VECTOR_INT8, v->n, err, out)) return ATTN_NOMEM;
  double step = (double)(float)(2.0 / 255);
  for (size_t i = 0; i < v->n; i++) {
    double x = ((double)get_float(v->data, i) + 1) / step - 128;
    if (!(x <= 127)) x = 127; /* NaN as well */
    put_int8(out->owned, i, x < -128 ? -128 : (int)x);
  }
  return ATTN_OK;
}

attn_status attn_vector_quantize_binary(const attn_vector *v, attn_error *err,
                                        attn_vector *out) {
  *out = (attn_vector){0};
  if (v->n % 8)
    return attne_fail(
        err, ATTN_INVALID,
        "Binary quantization requires vectors with a length divisible by 8");
  if (v->type == ATTN_VECTOR_BIT)
    return attne_fail(err, ATTN_INVALID,
                      "Can only binary quantize float or int8 vectors");
  if (attn_vector_new(ATTN_VECTOR_BIT, v->n, err, out)) return ATTN_NOMEM;
  memset(out->owned, 0, v->n / 8);
  for (size_t i = 0; i < v->n; i++)
    out->owned[i / 8] |= (uint8_t)((attn_vector_get(v, i) > 0) << i % 8);
  return ATTN_OK;
}

/* -------------------------------------------------------------------- distances */

typedef enum term { PRODUCT, SQUARE, ABSOLUTE } term;

/* The sums are called with a constant term, so that each call becomes a loop of
** its own. */
#if defined(__GNUC__)
#define INLINE __attribute__((always_inline)) static inline
#else
#define INLINE static inline
#endif

enum { LANES = 8 };

INLINE void add_floats(term t, const uint8_t *a, const uint8_t *b, size_t j,
                       double *lane) {
  double x = (double)get_float(a, j), y = (double)get_float(b, j), d = x - y;
  lane[j] += t == PRODUCT ? x * y : t == SQUARE ? d * d : fabs(d);
}

INLINE double join(double *lane) {
  for (size_t width = LANES / 2; width; width /= 2)
    for (size_t j = 0; j < width; j++) lane[j] += lane[j + width];
  return lane[0];
}

INLINE double float_sum(term t, const uint8_t *a, const uint8_t *b, size_t n) {
  double lane[LANES] = {0};
  for (; n >= LANES; n -= LANES, a += 4 * LANES, b += 4 * LANES)
    for (size_t j = 0; j < LANES; j++) add_floats(t, a, b, j, lane);
  for (size_t j = 0; j < n; j++) add_floats(t, a, b, j, lane);
  return join(lane);
}

/* a·b, a·a and b·b in one go. */
INLINE void add_products(const uint8_t *a, const uint8_t *b, size_t j,
                         double lane[3][LANES]) {
  add_floats(PRODUCT, a, b, j, lane[0]);
  add_floats(PRODUCT, a, a, j, lane[1]);
  add_floats(PRODUCT, b, b, j, lane[2]);
}

static void float_products(const uint8_t *a, const uint8_t *b, size_t n, double out[3]) {
  double lane[3][LANES] = {{0}};
  for (; n >= LANES; n -= LANES, a += 4 * LANES, b += 4 * LANES)
    for (size_t j = 0; j < LANES; j++) add_products(a, b, j, lane);
  for (size_t j = 0; j < n; j++) add_products(a, b, j, lane);
  for (int i = 0; i < 3; i++) out[i] = join(lane[i]);
}

INLINE int int8_term(term t, int x, int y) {
  int d = x - y;
  return t == PRODUCT ? x * y : t == SQUARE ? d * d : d < 0 ? -d : d;
}

INLINE int64_t int8_sum(term t, const uint8_t *a, const uint8_t *b, size_t n) {
  int64_t sum = 0;
  while (n >= 2 * LANES) {
    int32_t lane[2 * LANES] = {0};
    /* 32768 times 255² is just below 2^31 */
    for (int k = 0; k < 32768 && n >= 2 * LANES; k++) {
      for (size_t j = 0; j < 2 * LANES; j++)
        lane[j] += int8_term(t, get_int8(a, j), get_int8(b, j));
      n -= 2 * LANES, a += 2 * LANES, b += 2 * LANES;
    }
    for (size_t j = 0; j < 2 * LANES; j++) sum += lane[j];
  }
  for (size_t j = 0; j < n; j++) sum += int8_term(t, get_int8(a, j), get_int8(b, j));
  return sum;
}

/* Sums of int8 are exact: at most 2^31 times 255² stays below 2^53. */
INLINE double sum(term t, const attn_vector *a, const attn_vector *b) {
  return a->type == ATTN_VECTOR_FLOAT32 ? float_sum(t, a->data, b->data, a->n)
                                        : (double)int8_sum(t, a->data, b->data, a->n);
}

static double dot(const attn_vector *a, const attn_vector *b) {
  return sum(PRODUCT, a, b);
}

static double rounded(double x) {
  return fabs(x) <= (double)FLT_MAX ? (double)(float)x : x;
}

static double l1(const attn_vector *a, const attn_vector *b) {
  return sum(ABSOLUTE, a, b);
}

static double l2(const attn_vector *a, const attn_vector *b) {
  return rounded(sqrt(sum(SQUARE, a, b)));
}

/* The square root of the product makes the distance of a vector from itself 0;
** double has the range for it.  Rounding must not make other ones negative. */
static double cosine(const attn_vector *a, const attn_vector *b) {
  double dots[3]; /* a·b, a·a, b·b */
  if (a->type == ATTN_VECTOR_FLOAT32) {
    float_products(a->data, b->data, a->n, dots);
  } else {
    dots[0] = dot(a, b), dots[1] = dot(a, a), dots[2] = dot(b, b);
  }
  double norms = sqrt(dots[1] * dots[2]);
  double distance = norms == 0 ? 1 : 1 - dots[0] / norms;
  return rounded(distance < 0 ? 0 : distance > 2 ? 2 : distance);
}

static double negative_dot(const attn_vector *a, const attn_vector *b) {
  return rounded(-dot(a, b));
}

static double hamming(const attn_vector *a, const attn_vector *b) {
  size_t n = 0, n_byte = a->n / 8, i = 0;
  for (; i + 8 <= n_byte; i += 8) {
    uint64_t x, y;
    memcpy(&x, a->data + i, 8);
    memcpy(&y, b->data + i, 8);
    n += popcount(x ^ y);
  }
  for (; i < n_byte; i++) n += popcount(a->data[i] ^ b->data[i]);
  return (double)n;
}

attn_status attn_vector_normalize(const attn_vector *v, attn_error *err,
                                  attn_vector *out) {
  *out = (attn_vector){0};
  if (v->type != ATTN_VECTOR_FLOAT32)
    return attne_fail(err, ATTN_INVALID,
                      "only float32 vectors are supported when normalizing");
  if (attn_vector_new(v->type, v->n, err, out)) return ATTN_NOMEM;
  double norm = sqrt(dot(v, v)), scale = norm == 0 ? 1 : 1 / norm;
  for (size_t i = 0; i < v->n; i++)
    put_float(out->owned, i, (float)((double)get_float(v->data, i) * scale));
  return ATTN_OK;
}

attn_status attn_vector_distance(attn_metric metric, const attn_vector *a,
                                 const attn_vector *b, attn_error *err, double *out) {
  static const struct {
    const char *name;
    double (*between)(const attn_vector *a, const attn_vector *b);
  } metrics[] = {{"L2", l2},
                 {"L1", l1},
                 {"cosine", cosine},
                 {"hamming", hamming},
                 {"dot", negative_dot}};
  *out = 0;
  if ((metric == ATTN_HAMMING) != (a->type == ATTN_VECTOR_BIT))
    return attne_fail(err, ATTN_INVALID, "Cannot calculate %s distance between two %s.",
                      metrics[metric].name, types[a->type].plural);
  *out = metrics[metric].between(a, b);
  return ATTN_OK;
}
