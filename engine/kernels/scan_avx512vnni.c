/*
** scan_avx512vnni.c - the scan with vpdpbusd: sixteen rows in a register.
**
** A bit is masked, not moved: bit f of a byte enters as 0 or 2^f, the sums of
** each place are kept apart, and are brought to one scale at the end.
*/
#include "scan.h"
#include <immintrin.h>
#include <string.h>

static __m512i broadcast(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, sizeof four);
  return _mm512_set1_epi32(four);
}

void attn_scan_avx512vnni(const uint8_t *block, size_t n_group, const int8_t *query,
                          int32_t dot[ATTN_SCAN_ROWS]) {
  __m512i sum[8];
#pragma GCC unroll 8
  for (int f = 0; f < 8; f++) sum[f] = _mm512_setzero_si512();
  for (size_t g = 0; g < n_group; g++) {
    __m512i rows = _mm512_loadu_si512(block);
#pragma GCC unroll 8
    for (int f = 0; f < 8; f++) {
      __m512i bit = _mm512_and_si512(rows, _mm512_set1_epi8((char)(1 << f)));
      sum[f] = _mm512_dpbusd_epi32(sum[f], bit, broadcast(query + 4 * f));
    }
    block += ATTN_SCAN_GROUP;
    query += ATTN_SCAN_DIMS;
  }
  __m512i total = sum[7];
#pragma GCC unroll 8
  for (int f = 6; f >= 0; f--) {
    total = _mm512_add_epi32(_mm512_srai_epi32(total, 1), sum[f]);
  }
  _mm512_storeu_si512(dot, total);
}
