/*
** random.h - random numbers by their number: SplitMix64 (Steele, Lea and Flood,
** "Fast splittable pseudorandom number generators", 2014).
**
** Number i of a stream is a function of the stream's key and i alone, so that any of them
** can be had at any time, by any thread, again.
*/
#ifndef ATTNE_RANDOM_H
#define ATTNE_RANDOM_H

#include "base.h"

static inline uint64_t attne_random_mix(uint64_t x) {
  x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
  return x ^ x >> 31;
}

static inline uint64_t attne_random_at(uint64_t key, uint64_t i) {
  return attne_random_mix(key + (i + 1) * UINT64_C(0x9E3779B97F4A7C15));
}

/* A stream of its own for each number. */
static inline uint64_t attne_random_key(uint64_t key, uint64_t number) {
  return attne_random_mix(attne_random_mix(key) + number * UINT64_C(0xD1342543DE82EF95));
}

/* 0 .. n - 1 from the upper 32 bits. */
static inline uint32_t attne_random_below(uint64_t random, uint32_t n) {
  return (uint32_t)((random >> 32) * n >> 32);
}

#endif
