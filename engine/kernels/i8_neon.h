/*
** i8_neon.h - rows of int8 for both of arm64's tiers.
*/
#ifndef ATTNE_I8_NEON_H
#define ATTNE_I8_NEON_H

typedef int8_t element;

INLINE uint16x8_t low_bits(float32x4_t a, float32x4_t b) {
  return vcombine_u16(vmovn_u32(vreinterpretq_u32_f32(a)),
                      vmovn_u32(vreinterpretq_u32_f32(b)));
}

INLINE void store_elements(element *p, v16 x) {
  uint8x16_t bytes = vcombine_u8(vmovn_u16(low_bits(x.q[0], x.q[1])),
                                 vmovn_u16(low_bits(x.q[2], x.q[3])));
  vst1q_s8(p, vreinterpretq_s8_u8(bytes));
}

INLINE int8x16_t four_elements(const element *p) {
  int32_t four;
  memcpy(&four, p, sizeof four);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

#endif
