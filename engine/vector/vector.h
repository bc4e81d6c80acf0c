/*
** vector.h - vectors in the format of sqlite-vec, and what is computed with them.
**
**   float32   4 bytes an element, IEEE 754, little-endian
**   int8      1 byte an element, two's complement
**   bit       8 elements a byte, element 0 is its least significant bit
**
** The bytes are worked on where they lie; they need not be aligned.  Sums of
** float32 are made in double, in which every product of two of them is exact, and
** over 8 lanes joined by one fixed tree: the same bits on every machine.  A NaN
** that comes out of arithmetic is always 0x7FC00000.
*/
/* Before the guard: attn.h, of which this is a part, includes it in its turn. */
#include "../attn.h"

#ifndef ATTN_VECTOR_H
#define ATTN_VECTOR_H


typedef enum attn_vector_type {
  ATTN_VECTOR_FLOAT32,
  ATTN_VECTOR_BIT,
  ATTN_VECTOR_INT8
} attn_vector_type;

typedef struct attn_vector {
  attn_vector_type type;
  size_t n;            /* elements, at least 1; of bits a multiple of 8 */
  const uint8_t *data; /* its bytes, borrowed if they are not owned */
  uint8_t *owned;      /* data again, or NULL */
} attn_vector;

/* "float32", "bit", "int8" */
const char *attn_vector_type_name(attn_vector_type type);

/* Releases what is owned; an all-zero vector is fine. */
void attn_vector_free(attn_vector *vector);

size_t attn_vector_bytes(const attn_vector *vector);

/* Element i < n as a number. */
double attn_vector_get(const attn_vector *vector, size_t i);

/* The elements of a float32 vector, aligned and in the byte order of this
** machine: values[n]. */
void attn_vector_floats(const attn_vector *vector, float *values);

/* 1 if none of n numbers is infinite or not a number. */
int attn_floats_are_finite(size_t n, const float *x);

/* ------------------------------------------------------------------- from, to */

/* Allocates; the elements are to be written to out->owned. */
attn_status attn_vector_new(attn_vector_type type, size_t n, attn_error *err,
                            attn_vector *out);

/* Borrows the bytes of a blob. */
attn_status attn_vector_from_blob(attn_vector_type type, const void *blob, size_t n_byte,
                                  attn_error *err, attn_vector *out);

/* Takes over values[n], which is memory from attn_alloc and changes its byte
** order where it has to. */
void attn_vector_from_floats(float *values, size_t n, attn_vector *out);

/* A vector of the same numbers, which stays valid as long as values[n] and stored[n] do:
** where numbers have another byte order than vectors, it is in `stored`. */
attn_vector attn_vector_of_floats(const float *values, size_t n, float *stored);

/* Reads a float32 or int8 vector from a JSON array:
**
**   vector = [ws] "[" [ws] number [ws] *( "," [ws] number [ws] ) "]" [ws]
**
** with the numbers of decimal.h, for int8 without fraction and exponent.  A
** number that is not finite as float32, or no int8, is out of range. */
attn_status attn_vector_from_json(attn_vector_type type, const char *text, size_t n_text,
                                  attn_error *err, attn_vector *out);

/* Writes a JSON array without spaces, "[0.1,-2.0]" or "[3,-128]"; an element that
** is not finite becomes null.  The caller releases *text (attn_release). */
attn_status attn_vector_to_json(const attn_vector *vector, attn_error *err, char **text,
                                size_t *n_text);

/* ----------------------------------------------------------------- arithmetic */

/* Fails unless the two vectors have the same type and length, as every function
** of two vectors below asks for. */
attn_status attn_vector_match(const attn_vector *a, const attn_vector *b,
                              attn_error *err);

/* a + b and a - b.  int8 stops at -128 and 127; bit vectors cannot be added. */
attn_status attn_vector_add(const attn_vector *a, const attn_vector *b, attn_error *err,
                            attn_vector *out);
attn_status attn_vector_subtract(const attn_vector *a, const attn_vector *b,
                                 attn_error *err, attn_vector *out);

/* x / |x| of a float32 vector; a zero vector stays what it is. */
attn_status attn_vector_normalize(const attn_vector *vector, attn_error *err,
                                  attn_vector *out);

/* float32 to int8, [-1, 1] to [-128, 127]: trunc((x + 1) / (2 / 255) - 128), cut
** to the range.  NaN gives 127. */
attn_status attn_vector_quantize_int8(const attn_vector *vector, attn_error *err,
                                      attn_vector *out);

/* float32 or int8 to bit: element > 0.  The length must be a multiple of 8. */
attn_status attn_vector_quantize_binary(const attn_vector *vector, attn_error *err,
                                        attn_vector *out);

/* ------------------------------------------------------------------ distances */

typedef enum attn_metric {
  ATTN_L2,      /* sqrt(sum (a - b)²), rounded to float32 where that is finite */
  ATTN_L1,      /* sum |a - b| */
  ATTN_COSINE,  /* 1 - a·b / (|a| |b|), rounded to float32; 1 for a zero vector */
  ATTN_HAMMING, /* number of bits that differ */
  ATTN_DOT      /* -a·b, rounded to float32 where that is finite */
} attn_metric;

/* Hamming is for bit vectors alone, the others are for float32 and int8. */
attn_status attn_vector_distance(attn_metric metric, const attn_vector *a,
                                 const attn_vector *b, attn_error *err, double *out);

#endif
