/*
** f32_avx2.c - the float32 kernels for AVX2 and FMA.
*/
#define TILE_ROWS   6
#define TILE_PANELS 1

#include "lanes_avx2.h"
#include "f32.h"

extern const attne_kernels_f32 attne_f32_avx2;
const attne_kernels_f32 attne_f32_avx2 = F32_KERNELS;
