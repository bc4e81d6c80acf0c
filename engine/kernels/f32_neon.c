/*
** f32_neon.c - the float32 kernels for Advanced SIMD.
*/
#define TILE_ROWS   6
#define TILE_PANELS 1

#include "lanes_neon.h"
#include "f32.h"

extern const attne_kernels_f32 attne_f32_neon;
const attne_kernels_f32 attne_f32_neon = F32_KERNELS;
