/*
** int8.c - rows of weights from float32 to int8 and back.
**
** A row is rotated, which spreads its outliers (kernels/i8.h), and rounded to integers
** times a scale, of which each group of 128 has its own.
*/
#include "int8.h"
#include "../kernels/four.h"
#include <math.h>

/* x / scale as an integer in -127 .. 127, half to even; by is 1 / scale. */
static float to_integer(float x, float by) {
  x *= by;
  x = x > 127 ? 127 : x < -127 ? -127 : x;
  return x + 0x1.8p+23f - 0x1.8p+23f;
}

/* Returns the scale of a group, 0 where it is zero and NaN where it is not finite. */
static float scale_of(size_t n, const float *row) {
  float largest = 0, poison = 0;
  for (size_t k = 0; k < n; k++) {
    if (fabsf(row[k]) > largest) largest = fabsf(row[k]);
    poison += row[k] * 0;
  }
  return poison != 0 || largest < 1e-30f ? poison : largest / 127;
}

/* feedback[n][128], or NULL. */
static void round_group(size_t n, const float *feedback, const float *row, float scale,
                        int8_t *q) {
  float error[ATTNE_I8_GROUP] = {0}; /* of those before, as far as it concerns each */
  const float by = 1 / scale;
  for (size_t i = 0; i < n; i++) {
    const float x = row[i], rounded = to_integer(x + error[i], by);
    q[i] = (int8_t)rounded; /* may be the memory of a row before */
    if (!feedback) continue;
    add_scaled_row(n - i - 1, x - rounded * scale, feedback + i * ATTNE_I8_GROUP + i + 1,
                   error + i + 1);
  }
}

/* Rotation makes a row longer by the root of the block, and so it does with the row
** that this one is multiplied by: the scale takes both back. */
void attne_int8_round(size_t n, size_t k, const float *feedback, float *row, int8_t *q,
                      float *scale) {
  const attne_kernels_i8 *kernels = attne_kernels_get()->i8;
  for (size_t i = 0; i < n; i++, row += k, q += k) {
    kernels->rotate(k, row);
    for (size_t first = 0, size; first < k; first += size) {
      size = attne_group_size_i8(first, k);
      float step = scale_of(size, row + first);
      if (step > 0) {
        round_group(size, feedback ? feedback + first * ATTNE_I8_GROUP : NULL,
                    row + first, step, q + first);
      } else {
        memset(q + first, 0, size);
      }
      *scale++ = step / (float)attne_rotation_block(k);
    }
  }
}

/* Integers are rotated back exactly: a sum of 128 of them is far below 2^24. */
void attne_int8_to_f32(const int8_t *q, const float *scale, size_t n, size_t k,
                       float *row) {
  const attne_kernels_i8 *kernels = attne_kernels_get()->i8;
  for (size_t i = 0; i < n; i++, q += k, row += k) {
    for (size_t j = 0; j < k; j++) row[j] = (float)q[j];
    kernels->rotate(k, row);
    for (size_t first = 0, size; first < k; first += size) {
      size = attne_group_size_i8(first, k);
      scale_row(size, *scale++, row + first);
    }
  }
}
