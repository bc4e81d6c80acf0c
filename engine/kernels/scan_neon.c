/*
** scan_neon.c - the scan with pairwise sums: four rows in a register.
*/
#include "scan.h"
#include <arm_neon.h>
#include <string.h>

/* 16 groups add 16 x 8 x 2 x 127 = 32512 at most to a sum of 16 bits. */
#define GROUPS 16

static int8x16_t broadcast(const int8_t *q) {
  int32_t four;
  memcpy(&four, q, sizeof four);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

void attne_scan_neon(const uint8_t *block, size_t n_group, const int8_t *query,
                     int32_t dot[ATTNE_SCAN_ROWS]) {
  int32x4_t total[4];
  for (int i = 0; i < 4; i++) total[i] = vdupq_n_s32(0);
  while (n_group > 0) {
    size_t n = n_group < GROUPS ? n_group : GROUPS;
    int16x8_t sum[4];
    for (int i = 0; i < 4; i++) sum[i] = vdupq_n_s16(0);
    n_group -= n;
    for (; n > 0; n--) {
      for (int f = 0; f < 8; f++) {
        int8x16_t q = broadcast(query + 4 * f);
        uint8x16_t place = vdupq_n_u8((uint8_t)(1 << f));
        for (int i = 0; i < 4; i++) {
          int8x16_t set = vreinterpretq_s8_u8(vtstq_u8(vld1q_u8(block + 16 * i), place));
          sum[i] = vpadalq_s8(sum[i], vandq_s8(set, q));
        }
      }
      block += ATTNE_SCAN_GROUP;
      query += ATTNE_SCAN_DIMS;
    }
    for (int i = 0; i < 4; i++) total[i] = vpadalq_s16(total[i], sum[i]);
  }
  for (int i = 0; i < 4; i++) vst1q_s32(dot + 4 * i, total[i]);
}
