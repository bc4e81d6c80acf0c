/*
** scan_dotprod.c - the scan with sdot: four rows in a register.
**
** A set bit becomes a byte of ones, -1, so the sums come out negative.
*/
#include "scan.h"
#include <arm_neon.h>
#include <string.h>

static int8x16_t broadcast(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, sizeof four);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

void attne_scan_dotprod(const uint8_t *block, size_t n_group, const int8_t *query,
                        int32_t dot[ATTNE_SCAN_ROWS]) {
  int32x4_t sum[4];
  for (int i = 0; i < 4; i++) sum[i] = vdupq_n_s32(0);
  for (size_t g = 0; g < n_group; g++) {
    for (int f = 0; f < 8; f++) {
      int8x16_t q = broadcast(query + 4 * f);
      uint8x16_t place = vdupq_n_u8((uint8_t)(1 << f));
      for (int i = 0; i < 4; i++) {
        int8x16_t set = vreinterpretq_s8_u8(vtstq_u8(vld1q_u8(block + 16 * i), place));
        sum[i] = vdotq_s32(sum[i], set, q);
      }
    }
    block += ATTNE_SCAN_GROUP;
    query += ATTNE_SCAN_DIMS;
  }
  for (int i = 0; i < 4; i++) vst1q_s32(dot + 4 * i, vnegq_s32(sum[i]));
}
