/*
** f32_scalar.c - the float32 kernels for plain C.
*/
#define TILE_ROWS   4
#define TILE_PANELS 1

#include "lanes_scalar.h"
#include "f32.h"

extern const attn_kernels_f32 attn_f32_scalar;
const attn_kernels_f32 attn_f32_scalar = F32_KERNELS;
