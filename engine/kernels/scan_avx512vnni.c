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

/* Variables, as gcc would move the elements of an array to and fro. */
#define EACH_PLACE(X) X(7) X(6) X(5) X(4) X(3) X(2) X(1) X(0)

#define CLEAR(f) __m512i sum##f = _mm512_setzero_si512();
#define ADD(f)                                                                           \
  sum##f = _mm512_dpbusd_epi32(sum##f,                                                   \
                               _mm512_and_si512(rows, _mm512_set1_epi8((char)(1 << f))), \
                               broadcast(query + 4 * f));
#define HALVE_AND_ADD(f) total = _mm512_add_epi32(_mm512_srai_epi32(total, 1), sum##f);

void attne_scan_avx512vnni(const uint8_t *block, size_t n_group, const int8_t *query,
                           int32_t dot[ATTNE_SCAN_ROWS]) {
  EACH_PLACE(CLEAR)
  for (; n_group > 0; n_group--) {
    __m512i rows = _mm512_loadu_si512(block);
    EACH_PLACE(ADD)
    block += ATTNE_SCAN_GROUP;
    query += ATTNE_SCAN_DIMS;
  }
  __m512i total = _mm512_setzero_si512();
  EACH_PLACE(HALVE_AND_ADD)
  _mm512_storeu_si512(dot, total);
}
