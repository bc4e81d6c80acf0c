/*
** f32_avx512.c - the float32 kernels for AVX-512.
*/
#define TILE_ROWS   8
#define TILE_PANELS 2

#include "lanes_avx512.h"
#include "f32.h"

extern const attne_kernels_f32 attne_f32_avx512;
const attne_kernels_f32 attne_f32_avx512 = F32_KERNELS;
