/*
** floats.h - the float formats of tensors: F32, F16, BF16.
*/
#ifndef ATTNE_FLOATS_H
#define ATTNE_FLOATS_H

#include "../base/base.h"

/* Converts n numbers of dtype F32, F16 or BF16, little-endian, to float32.  `out` may be
** `data` where the dtype is F32. */
void attne_floats_read(attn_dtype dtype, const void *data, size_t n, float *out);

#endif
