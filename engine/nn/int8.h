/*
** int8.h - rows of weights from float32 to int8 and back; see also attn.h.
*/
#ifndef ATTNE_INT8_H
#define ATTNE_INT8_H

#include "../kernels/kernels.h"

/* Rounds rows, row[n, k], which are overwritten: q[n, k] and scale[n][groups], which is
** NaN where a number is not finite.  q may be the memory of row.  Each number is rounded
** to the nearest; or, with the feedback[groups][128][128] of calibrate.h, what is behind
** it makes up for its error. */
void attne_int8_round(size_t n, size_t k, const float *feedback, float *row, int8_t *q,
                      float *scale);

/* And back: row[n, k]. */
void attne_int8_to_f32(const int8_t *q, const float *scale, size_t n, size_t k,
                       float *row);

#endif
