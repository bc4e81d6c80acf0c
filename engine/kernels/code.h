/*
** code.h - from a vector to its code of 4 bits a dimension, as engine/search/chunk.c
** describes it.
**
**   o = weight x - center,   code[i] = floor(o[i] / step) + 8 in 0 .. 15,
**   y[i] = code[i] - 7.5,    step = 0.335 rms(o)
**
** and what the factors of the row are made of: |o|^2, o.center, o.y and |y|^2, for the
** sign bit alone (y = bit - 1/2) and for all four.  Sums are of eight lanes, joined by
** one tree, so that they have the same bits on every instruction set.
*/
#ifndef ATTNE_CODE_H
#define ATTNE_CODE_H

#include "scan.h"

#define ATTNE_CODE_FINE 3 /* planes besides that of the signs */

typedef struct attne_coding {
  size_t d, n_group;   /* numbers, and groups of 32 of them */
  const float *x;      /* [d] */
  const float *center; /* [32 n_group] */
  double weight;
  uint8_t *sign, *fine; /* where the bits of the row begin, in the blocks of scan.h */
} attne_coding;

typedef struct attne_code_sums {
  double oo, oc;
  double oy[2], yy[2]; /* sign, all bits */
} attne_code_sums;

typedef void attne_code(const attne_coding *coding, attne_code_sums *out);

attne_code attne_code_scalar, attne_code_avx2, attne_code_neon;

#endif
