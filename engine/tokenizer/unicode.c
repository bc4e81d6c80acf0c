/*
** unicode.c - UTF-8 and canonical decomposition (Unicode, sections 3.9 and 3.12).
*/
#include "unicode.h"

/* Hangul syllables: S = 0xAC00 + (L * 21 + V) * 28 + T */
enum { S_BASE = 0xAC00, L_BASE = 0x1100, V_BASE = 0x1161, T_BASE = 0x11A7 };
enum { L_COUNT = 19, V_COUNT = 21, T_COUNT = 28 };

static unsigned decompose_hangul(uint32_t s, uint32_t *out) {
  out[0] = L_BASE + s / (V_COUNT * T_COUNT);
  out[1] = V_BASE + s / T_COUNT % V_COUNT;
  out[2] = T_BASE + s % T_COUNT;
  return s % T_COUNT ? 3 : 2;
}

static unsigned find_decomposition(uint32_t c) {
  unsigned low = attne_decomposition_plane[c >> 16];
  unsigned high = attne_decomposition_plane[(c >> 16) + 1];
  while (high - low > 1) {
    unsigned middle = (low + high) / 2;
    if (attne_decomposition_of[middle] <= (c & 0xFFFF)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

unsigned attne_decompose(uint32_t c, uint32_t out[ATTNE_MAX_DECOMPOSITION]) {
  out[0] = c;
  if (!(attne_char_of(c)->flags & ATTNE_CHAR_DECOMPOSES)) return 1;
  if (c - S_BASE < L_COUNT * V_COUNT * T_COUNT) return decompose_hangul(c - S_BASE, out);
  unsigned i = find_decomposition(c), n = 0;
  for (unsigned at = attne_decomposition_at[i]; at < attne_decomposition_at[i + 1];
       at++) {
    uint32_t part = attne_decomposition_part[at];
    if (part >= 0xD800 && part <= 0xDBFF) {
      part =
          0x10000 + (part - 0xD800) * 0x400 + (attne_decomposition_part[++at] - 0xDC00u);
    }
    out[n++] = part;
  }
  return n;
}

unsigned attne_utf8_decode(const char *text, size_t n, uint32_t *c) {
  const unsigned char *s = (const unsigned char *)text;
  unsigned char lead = s[0];
  *c = lead;
  if (lead < 0x80) return 1;
  *c = 0xFFFD;
  if (lead < 0xC2 || lead > 0xF4) return 1;
  unsigned length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  uint32_t code = lead & (0x7Fu >> length);
  /* The second byte's range excludes long forms, surrogates and above 10FFFF. */
  unsigned char min = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char max = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (unsigned i = 1; i < length; i++) {
    if (i >= n || s[i] < min || s[i] > max) return i;
    code = code << 6 | (s[i] & 0x3F);
    min = 0x80;
    max = 0xBF;
  }
  *c = code;
  return length;
}

unsigned attne_utf8_encode(uint32_t c, char out[4]) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  unsigned n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (unsigned i = n; i-- > 1; c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
  out[0] = (char)(0xF00 >> n | c); /* n ones and a zero, then the top bits */
  return n;
}
