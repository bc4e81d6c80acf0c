/*
** int8.h - weights as they are stored, to and from float32; see also attn.h.
*/
#ifndef ATTN_INT8_H
#define ATTN_INT8_H

#include "../kernels/kernels.h"

/* n numbers of dtype F32, F16 or BF16, little-endian. */
void attn_widen(attn_dtype dtype, const void *data, size_t n, float *out);

#define ATTN_SCALE_SUFFIX "_scale" /* behind a tensor's name: its scales */

/* The number of the tensor that has the scales of tensor i; n_tensor where i is none that
** is stored with scales. */
size_t attn_int8_scales(const attn_source *source, size_t i);

/* Rounds rows, row[n, k], which are overwritten: q[n, k] and scale[n][groups], which is
** NaN where a number is not finite.  q may be the memory of row.  Each number is rounded to
** the nearest; or, with the feedback[groups][128][128] of calibrate.h, what is behind it
** makes up for its error. */
void attn_int8_round(size_t n, size_t k, const float *feedback, float *row, int8_t *q,
                     float *scale);

/* And back: row[n, k]. */
void attn_int8_to_f32(const int8_t *q, const float *scale, size_t n, size_t k, float *row);

#endif
