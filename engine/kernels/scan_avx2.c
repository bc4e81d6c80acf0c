/*
** scan_avx2.c - the scan with vpmaddubsw: eight rows in a register.
*/
#include "scan.h"
#include <immintrin.h>
#include <string.h>

/* 16 groups add 16 x 8 x 2 x 127 = 32512 at most to a sum of 16 bits. */
#define GROUPS 16

static __m256i broadcast(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, sizeof four);
  return _mm256_set1_epi32(four);
}

/* The bits 0 or 1 at place f of every byte. */
static __m256i bits(__m256i bytes, int f) {
  return _mm256_and_si256(_mm256_srli_epi16(bytes, f), _mm256_set1_epi8(1));
}

void attne_scan_avx2(const uint8_t *block, size_t n_group, const int8_t *query,
                     int32_t dot[ATTNE_SCAN_ROWS]) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i total0 = _mm256_setzero_si256(), total1 = total0;
  while (n_group > 0) {
    size_t n = n_group < GROUPS ? n_group : GROUPS;
    __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0;
    n_group -= n;
    for (; n > 0; n--) {
      __m256i rows0 = _mm256_loadu_si256((const __m256i *)(const void *)block);
      __m256i rows1 = _mm256_loadu_si256((const __m256i *)(const void *)(block + 32));
#pragma GCC unroll 8 /* shifts by constants are half as dear */
      for (int f = 0; f < 8; f++) {
        __m256i q = broadcast(query + 4 * f);
        sum0 = _mm256_add_epi16(sum0, _mm256_maddubs_epi16(bits(rows0, f), q));
        sum1 = _mm256_add_epi16(sum1, _mm256_maddubs_epi16(bits(rows1, f), q));
      }
      block += ATTNE_SCAN_GROUP;
      query += ATTNE_SCAN_DIMS;
    }
    total0 = _mm256_add_epi32(total0, _mm256_madd_epi16(sum0, ones));
    total1 = _mm256_add_epi32(total1, _mm256_madd_epi16(sum1, ones));
  }
  _mm256_storeu_si256((__m256i *)(void *)dot, total0);
  _mm256_storeu_si256((__m256i *)(void *)(dot + 8), total1);
}
