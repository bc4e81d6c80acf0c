/*
** floats.c - F32, F16 (IEEE 754 binary16) and BF16 (the upper half of binary32) to
** float32.
*/
#include "floats.h"

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t read_16(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  return (uint32_t)u[0] | (uint32_t)u[1] << 8;
}

static uint32_t read_32(const char *p) {
  return read_16(p) | read_16(p + 2) << 16;
}

/* IEEE 754 binary16, subnormals included: 2^112 moves its exponent to float32's. */
static float from_f16(uint32_t h) {
  uint32_t sign = (h & 0x8000) << 16, rest = (h & 0x7fff) << 13;
  if ((h & 0x7c00) == 0x7c00) return from_bits(sign | 0x7f800000 | rest);
  float magnitude = from_bits(rest) * 0x1p112f;
  return sign ? -magnitude : magnitude;
}

void attne_floats_read(attn_dtype dtype, const void *data, size_t n, float *out) {
  const char *raw = data;
  switch (dtype) {
  case ATTN_F16:
    for (size_t i = 0; i < n; i++) out[i] = from_f16(read_16(raw + 2 * i));
    break;
  case ATTN_BF16:
    for (size_t i = 0; i < n; i++) out[i] = from_bits(read_16(raw + 2 * i) << 16);
    break;
  default:
    for (size_t i = 0; i < n; i++) out[i] = from_bits(read_32(raw + 4 * i));
    break;
  }
}
