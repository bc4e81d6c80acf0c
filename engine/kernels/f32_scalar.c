/*
** f32_scalar.c - the float32 kernels for plain C.
*/
#define TILE_ROWS   4
#define TILE_PANELS 1

#include "lanes_scalar.h"
#include "f32.h"

extern const attne_kernels_f32 attne_f32_scalar;
const attne_kernels_f32 attne_f32_scalar = F32_KERNELS;
