/*
** chunk.h - a chunk from the inside.
*/
#ifndef ATTNE_CHUNK_H
#define ATTNE_CHUNK_H

#include "../base/base.h"
#include "../kernels/scan.h"
#include "../attn.h"

/* Estimates of two qualities: from the sign bit alone, and from all four bits. */
typedef enum level { COARSE, FINE, N_LEVEL } level;

#define N_FINE 3 /* planes that FINE adds */

typedef struct chunk_view {
  attn_metric metric;
  uint32_t d, n_slot;
  size_t n_group; /* of 32 dimensions */
  float *radius;
  float *center; /* [d] */
  uint64_t *live;
  int64_t *rowid;
  float *offset;
  uint16_t *scale[N_LEVEL], *error[N_LEVEL]; /* bfloat16 */
  uint8_t *sign, *fine;
} chunk_view;

void attne_chunk_view(const void *chunk, chunk_view *out);

/* ATTN_INVALID where one of n numbers is not finite. */
attn_status attne_check_finite(size_t n, const float *x, const char *what,
                               attn_error *err);

/* ATTN_INVALID unless vectors of d numbers can be searched by the metric. */
attn_status attne_check_space(attn_metric metric, uint32_t d, attn_error *err);

/* The middle of the codes of a level: y = code - half. */
static inline double attne_code_half(level l) {
  return l == COARSE ? 0.5 : 7.5;
}

static inline float attne_bf16(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

#endif
