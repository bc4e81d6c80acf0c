/*
** positions.h - what tells tokens apart by their place, where it is no learned table.
*/
#ifndef ATTNE_POSITIONS_H
#define ATTNE_POSITIONS_H

#include "../base/base.h"

/* The sinusoids of Vaswani et al. (2017): out[n, d], a row p of
**   sin(p / 10000^(2i / d))     i < (d + 1) / 2
**   cos(p / 10000^(2i / d))     i < d / 2
** taken in turns, or, as Marian has them, all sines first. */
typedef enum attne_sinusoid_order {
  ATTNE_IN_TURNS,
  ATTNE_SINES_FIRST
} attne_sinusoid_order;

void attne_sinusoids(size_t n, size_t d, attne_sinusoid_order order, float *out);

/* The bucket of a distance, key minus query (Raffel et al. 2020): half of n_bucket for
** either direction, or, where only those before are seen, all for them.  In a direction
** the first half are distances, and the others grow as powers up to max_distance. */
uint32_t attne_distance_bucket(int64_t distance, int is_causal, uint32_t n_bucket,
                               uint32_t max_distance);

#endif
