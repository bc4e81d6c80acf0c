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
#ifndef ATTN_CODE_H
#define ATTN_CODE_H

#include "scan.h"

#define ATTN_CODE_FINE 3 /* planes besides that of the signs */

typedef struct attn_coding {
  size_t d, n_group;    /* numbers, and groups of 32 of them */
  const float *x;       /* [d] */
  const float *center;  /* [32 n_group] */
  double weight;
  uint8_t *sign, *fine; /* where the bits of the row begin, in the blocks of scan.h */
} attn_coding;

typedef struct attn_code_sums {
  double oo, oc;
  double oy[2], yy[2]; /* sign, all bits */
} attn_code_sums;

typedef void attn_code(const attn_coding *coding, attn_code_sums *out);

attn_code attn_code_scalar, attn_code_avx2, attn_code_neon;

#endif
