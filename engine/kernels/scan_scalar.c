/*
** scan_scalar.c - the scan in plain C.
**
** Four bits of a byte choose one of 16 sums of four numbers of the query; the
** sums of a group are made once and serve its 16 rows.
*/
#include "scan.h"
#include <string.h>

/* sum[v] = the q[4 f] with bit f of v set, added up. */
static void subset_sums(const int8_t *q, int16_t sum[16]) {
  sum[0] = 0;
  for (int f = 0; f < 4; f++) {
    for (int v = 0; v < 1 << f; v++) sum[v + (1 << f)] = (int16_t)(sum[v] + q[4 * f]);
  }
}

void attne_scan_scalar(const uint8_t *block, size_t n_group, const int8_t *query,
                       int32_t dot[ATTNE_SCAN_ROWS]) {
  memset(dot, 0, ATTNE_SCAN_ROWS * sizeof dot[0]);
  for (size_t g = 0; g < n_group; g++) {
    int16_t low[4][16], high[4][16];
    for (int j = 0; j < 4; j++) {
      subset_sums(query + j, low[j]);
      subset_sums(query + 16 + j, high[j]);
    }
    for (int r = 0; r < ATTNE_SCAN_ROWS; r++) {
      for (int j = 0; j < 4; j++) {
        uint8_t bits = block[4 * r + j];
        dot[r] += low[j][bits & 15] + high[j][bits >> 4];
      }
    }
    block += ATTNE_SCAN_GROUP;
    query += ATTNE_SCAN_DIMS;
  }
}
