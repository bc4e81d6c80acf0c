/*
** sums.h - sums over float32 vectors, in double precision and in one order.
**
** Number i is added to lane i % 8, and the lanes are joined by a fixed tree.  The
** product of two float32 is exact in double precision, so it does not matter
** whether it is fused with the addition; and a sum of squares is finite where all
** numbers are.
*/
#ifndef ATTNE_SUMS_H
#define ATTNE_SUMS_H

#include <math.h>
#include <stddef.h>

enum { N_LANE = 8 };

static inline double join_lanes(const double lane[N_LANE]) {
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
         ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static inline double dot_product(size_t n, const float *x, const float *y) {
  double lane[N_LANE] = {0};
  for (; n >= N_LANE; n -= N_LANE, x += N_LANE, y += N_LANE) {
    for (size_t j = 0; j < N_LANE; j++) lane[j] += (double)x[j] * (double)y[j];
  }
  for (size_t j = 0; j < n; j++) lane[j] += (double)x[j] * (double)y[j];
  return join_lanes(lane);
}

/* 1 / |x|, or 0 for a zero vector. */
static inline double inverse_norm(size_t n, const float *x) {
  double square = dot_product(n, x, x);
  return square > 0 ? 1 / sqrt(square) : 0;
}

#endif
