/*
** vector_json.c - vectors as JSON arrays of numbers.
**
** These are parsed here, not by the host's JSON functions: a vector literal is
** part of a query and often 10 KB long.
*/
#include "../attn.h"
#include "../base/base.h"
#include "../base/decimal.h"
#include <math.h>

/* -------------------------------------------------------------------- reading */

static const char *skip_space(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p;
}

/* Reads an integer: its bytes and, cut to +-1000, its value.  0 bytes: none. */
static size_t read_integer(const char *text, size_t n_text, int *value) {
  const char *p = text, *end = text + n_text;
  int negative = *p == '-', x = 0;
  if (*p == '-' || *p == '+') p++;
  const char *start = p;
  for (; p < end && *p >= '0' && *p <= '9' && (p == start || *start != '0'); p++) {
    if (x < 1000) x = x * 10 + (*p - '0');
  }
  *value = negative ? -x : x;
  return p > start ? (size_t)(p - text) : 0;
}

/* Reads the number at *p as element i of `elements`, float or int8_t. */
static attn_status read_element(attn_vector_type type, const char **p, const char *end,
                                size_t i, attn_error *err, void *elements) {
  size_t n_text = (size_t)(end - *p), n;
  int in_range;
  if (type == ATTN_VECTOR_INT8) {
    int x = 0;
    n = read_integer(*p, n_text, &x);
    in_range = x >= INT8_MIN && x <= INT8_MAX;
    ((int8_t *)elements)[i] = (int8_t)x;
  } else {
    float x = 0;
    n = attne_decimal_read(*p, n_text, &x);
    in_range = !isinf(x);
    ((float *)elements)[i] = x;
  }
  if (n == 0) return attne_fail(err, ATTN_INVALID, "JSON parsing error");
  if (!in_range)
    return attne_fail(err, ATTN_INVALID, "JSON parsing error: value out of range for %s",
                      attn_vector_type_name(type));
  *p += n;
  return ATTN_OK;
}

/* Reads what follows the "[" at `p`, up to the end of the text. */
static attn_status read_elements(const char *text, const char *p, const char *end,
                                 attn_error *err, attn_vector *out) {
  size_t n = 0;
  for (char last = ','; last != ']'; n++) {
    p = skip_space(p, end);
    if (p < end && *p == ']' && n == 0)
      return attne_fail(err, ATTN_INVALID, "zero-length vectors are not supported.");
    if (p < end && read_element(out->type, &p, end, n, err, out->owned))
      return ATTN_INVALID;
    p = skip_space(p, end);
    if (p == end)
      return attne_fail(err, ATTN_INVALID,
                        "JSON parsing error: the text ends before ']'");
    last = *p++;
    if (last != ',' && last != ']')
      return attne_fail(err, ATTN_INVALID, "JSON parsing error");
  }
  p = skip_space(p, end);
  if (p < end)
    return attne_fail(err, ATTN_INVALID,
                      "JSON parsing error: text after ']', at byte %zu",
                      (size_t)(p - text));
  if (out->type == ATTN_VECTOR_FLOAT32)
    attn_vector_from_floats((float *)(void *)out->owned, n, out);
  return ATTN_OK;
}

attn_status attn_vector_from_json(attn_vector_type type, const char *text, size_t n_text,
                                  attn_error *err, attn_vector *out) {
  const char *end = text + n_text, *p = skip_space(text, end);
  size_t n = 1;
  *out = (attn_vector){0};
  if (n_text == 0)
    return attne_fail(err, ATTN_INVALID, "zero-length vectors are not supported.");
  if (p == end || *p != '[')
    return attne_fail(err, ATTN_INVALID,
                      "JSON array parsing error: Input does not start with '['");
  for (const char *q = p; (q = memchr(q, ',', (size_t)(end - q))); q++) n++;
  attn_status status = attn_vector_new(type, n, err, out);
  if (!status) status = read_elements(text, p + 1, end, err, out);
  if (status) attn_vector_free(out);
  return status;
}

/* -------------------------------------------------------------------- writing */

static size_t write_integer(int x, char *out) {
  char *p = out;
  if (x < 0) *p++ = '-', x = -x;
  if (x >= 100) *p++ = (char)('0' + x / 100);
  if (x >= 10) *p++ = (char)('0' + x / 10 % 10);
  *p++ = (char)('0' + x % 10);
  return (size_t)(p - out);
}

attn_status attn_vector_to_json(const attn_vector *v, attn_error *err, char **text,
                                size_t *n_text) {
  int is_float = v->type == ATTN_VECTOR_FLOAT32, overflow = 0;
  uint64_t longest = is_float ? ATTNE_DECIMAL_MAX : sizeof "-128" - 1;
  uint64_t size = attne_add(attne_mul(v->n, longest + 1, &overflow), 1, &overflow);
  char *p = *text = overflow ? NULL : attne_alloc(size);
  *n_text = 0;
  if (!p) return attne_no_memory(err);
  for (size_t i = 0; i < v->n; i++) {
    double x = attn_vector_get(v, i);
    *p++ = i ? ',' : '[';
    if (!isfinite(x)) {
      memcpy(p, "null", 4);
      p += 4;
    } else {
      p += is_float ? attne_decimal_write((float)x, p) : write_integer((int)x, p);
    }
  }
  *p++ = ']';
  *n_text = (size_t)(p - *text);
  return ATTN_OK;
}
