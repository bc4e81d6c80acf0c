/*
** sha256_shani.c - SHA-256 with the x86 SHA extensions: four rounds a step.
**
** The instructions keep the state as the words ABEF and CDGH, from the highest lane
** down.  Source: Intel SDM volume 2, SHA256RNDS2, SHA256MSG1, SHA256MSG2.
*/
#include "sha256.h"
#include <immintrin.h>

/* Rounds 4 i .. 4 i + 3; w holds the last 16 message words, in turn. */
static inline void four_rounds(__m128i *abef, __m128i *cdgh, __m128i w, int i) {
  __m128i k =
      _mm_loadu_si128((const __m128i *)(const void *)(attne_sha256_constant + 4 * i));
  __m128i wk = _mm_add_epi32(w, k);
  *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, wk);
  *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

/* The next four message words from the last sixteen, a oldest. */
static inline __m128i next_words(__m128i a, __m128i b, __m128i c, __m128i d) {
  __m128i t = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8(d, c, 4));
  return _mm_sha256msg2_epu32(t, d);
}

void attne_sha256_shani(uint32_t state[8], const uint8_t *block, size_t n) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  __m128i low = _mm_loadu_si128((const __m128i *)(const void *)state);        /* DCBA */
  __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(state + 4)); /* HGFE */
  low = _mm_shuffle_epi32(low, 0xb1);                                         /* CDAB */
  high = _mm_shuffle_epi32(high, 0x1b);                                       /* EFGH */
  __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
  for (; n > 0; n--, block += 64) {
    __m128i w[4], abef_before = abef, cdgh_before = cdgh;
    for (int i = 0; i < 4; i++) {
      w[i] = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));
      w[i] = _mm_shuffle_epi8(w[i], big_endian);
      four_rounds(&abef, &cdgh, w[i], i);
    }
    for (int i = 4; i < 16; i += 4) {
      for (int k = 0; k < 4; k++) {
        w[k] = next_words(w[k], w[(k + 1) & 3], w[(k + 2) & 3], w[(k + 3) & 3]);
        four_rounds(&abef, &cdgh, w[k], i + k);
      }
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  low = _mm_shuffle_epi32(abef, 0x1b);  /* FEBA */
  high = _mm_shuffle_epi32(cdgh, 0xb1); /* DCHG */
  _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(low, high, 0xf0));
  _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(high, low, 8));
}
