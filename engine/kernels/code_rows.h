/*
** code_rows.h - the coding of code.h, in plain C that compilers turn into vectors of the
** instruction set that a file is compiled for: loops over 8 or 32 numbers, one rounded
** operation after the other, which have the same bits in a vector as alone.
*/
#include "code.h"
#include "sums.h"
#include <string.h>

#define STEP 0.335 /* the best for numbers of a normal distribution */

/* o for one group of dimensions; zero beyond the last. */
static inline void load_group(const attne_coding *v, size_t g, float *restrict o) {
  float tail[ATTNE_SCAN_DIMS] = {0};
  size_t begin = g * ATTNE_SCAN_DIMS;
  const float *c = v->center + begin, *x = v->x + begin;
  if (v->d - begin < ATTNE_SCAN_DIMS) {
    memcpy(tail, x, (v->d - begin) * sizeof *x);
    x = tail;
  }
  for (int i = 0; i < ATTNE_SCAN_DIMS; i++) {
    o[i] = (float)(v->weight * (double)x[i] - (double)c[i]);
  }
}

/* Bit p of the codes of 32 dimensions, four codes in a word: bit f of byte j is that of
** number 4 f + j. */
static inline uint32_t gather_plane(const uint32_t four[ATTNE_SCAN_DIMS / 4], int p) {
  uint32_t plane = 0;
  for (int f = 0; f < ATTNE_SCAN_DIMS / 4; f++) {
    plane |= (four[f] >> p & 0x01010101u) << f;
  }
  return plane;
}

static inline void store_group(const attne_coding *v, size_t g,
                               const int32_t code[ATTNE_SCAN_DIMS]) {
  uint8_t byte[ATTNE_SCAN_DIMS];
  uint32_t four[ATTNE_SCAN_DIMS / 4];
  for (int i = 0; i < ATTNE_SCAN_DIMS; i++) byte[i] = (uint8_t)code[i];
  memcpy(four, byte, sizeof four);
  uint8_t *to = v->fine + g * ATTNE_SCAN_GROUP;
  uint32_t plane = gather_plane(four, ATTNE_CODE_FINE);
  memcpy(v->sign + g * ATTNE_SCAN_GROUP, &plane, sizeof plane);
  for (int p = ATTNE_CODE_FINE - 1; p >= 0; p--, to += v->n_group * ATTNE_SCAN_GROUP) {
    plane = gather_plane(four, p);
    memcpy(to, &plane, sizeof plane);
  }
}

/* The sums that are needed before there is a code. */
static inline void sum_vector(const attne_coding *v, attne_code_sums *out) {
  float o[ATTNE_SCAN_DIMS];
  double oo[N_LANE] = {0}, oc[N_LANE] = {0};
  for (size_t g = 0; g < v->n_group; g++) {
    const float *c = v->center + g * ATTNE_SCAN_DIMS;
    load_group(v, g, o);
    for (int i = 0; i < ATTNE_SCAN_DIMS; i += N_LANE) {
      for (int j = 0; j < N_LANE; j++) {
        oo[j] += (double)o[i + j] * (double)o[i + j];
        oc[j] += (double)o[i + j] * (double)c[i + j];
      }
    }
  }
  out->oo = join_lanes(oo);
  out->oc = join_lanes(oc);
}

/* Rounds o to the grid and stores the codes.  Within a group float32 is enough. */
static inline void encode(const attne_coding *v, attne_code_sums *s) {
  double step = STEP * sqrt(s->oo / (double)v->d);
  float inverse = step > 1e-38 ? (float)(1 / step) : 0;
  double sign_sum[N_LANE] = {0}, fine_sum[N_LANE] = {0}, yy_sum[N_LANE] = {0};
  for (size_t g = 0; g < v->n_group; g++) {
    float o[ATTNE_SCAN_DIMS], sign[N_LANE] = {0}, fine[N_LANE] = {0}, yy[N_LANE] = {0};
    int32_t code[ATTNE_SCAN_DIMS];
    load_group(v, g, o);
    for (int i = 0; i < ATTNE_SCAN_DIMS; i++) {
      float level = o[i] * inverse + 8;
      level = level > 0 ? level : 0;
      level = level < 15 ? level : 15;
      code[i] = (int32_t)level;
    }
    for (int i = 0; i < ATTNE_SCAN_DIMS; i += N_LANE) {
      for (int j = 0; j < N_LANE; j++) {
        float y = (float)code[i + j] - 7.5f;
        yy[j] += y * y;
        fine[j] += o[i + j] * y;
        sign[j] += o[i + j] * ((float)(code[i + j] >> 3) - 0.5f);
      }
    }
    for (int j = 0; j < N_LANE; j++) {
      sign_sum[j] += (double)sign[j];
      fine_sum[j] += (double)fine[j];
      yy_sum[j] += (double)yy[j];
    }
    store_group(v, g, code);
  }
  double nothing = (double)(v->n_group * ATTNE_SCAN_DIMS - v->d) / 4; /* has code 8 */
  s->oy[0] = join_lanes(sign_sum);
  s->oy[1] = join_lanes(fine_sum);
  s->yy[0] = (double)v->d / 4;
  s->yy[1] = join_lanes(yy_sum) - nothing;
}

static inline void code_row(const attne_coding *v, attne_code_sums *out) {
  sum_vector(v, out);
  encode(v, out);
}
