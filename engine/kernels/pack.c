/*
** pack.c - see pack.h.  Blocks of four by four are transposed in registers.
*/
#include "pack.h"
#include "four.h"

static inline four first_of_both(four a, four b) {
  return (four){a[0], b[0], a[1], b[1]};
}

static inline four last_of_both(four a, four b) {
  return (four){a[2], b[2], a[3], b[3]};
}

/* Numbers 0 .. 3 of four rows become four columns, ATTNE_PANEL apart. */
static inline void transpose_four(const float *x, size_t ld, float *packed) {
  four a = four_load(x), b = four_load(x + ld);
  four c = four_load(x + 2 * ld), d = four_load(x + 3 * ld);
  four ac = first_of_both(a, c), bd = first_of_both(b, d);
  four ac_last = last_of_both(a, c), bd_last = last_of_both(b, d);
  four_store(packed, first_of_both(ac, bd));
  four_store(packed + ATTNE_PANEL, last_of_both(ac, bd));
  four_store(packed + 2 * ATTNE_PANEL, first_of_both(ac_last, bd_last));
  four_store(packed + 3 * ATTNE_PANEL, last_of_both(ac_last, bd_last));
}

/* n rows, a multiple of 4, of one panel.  Step by step over k, so that whole panels are
** written without a gap. */
static void pack_fours(size_t n, size_t k, const float *x, size_t ld, float *packed) {
  const size_t whole = k / 4 * 4;
  for (size_t at = 0; at < whole; at += 4, packed += 4 * ATTNE_PANEL) {
    for (size_t i = 0; i < n; i += 4) transpose_four(x + i * ld + at, ld, packed + i);
  }
  for (size_t at = whole; at < k; at++, packed += ATTNE_PANEL) {
    for (size_t i = 0; i < n; i++) packed[i] = x[i * ld + at];
  }
}

void attne_pack_rows(size_t first, size_t n, size_t k, const float *x, size_t ld,
                     float *packed) {
  for (size_t i = 0, step; i < n; i += step) {
    const size_t output = first + i, left = n - i;
    float *to = packed + attne_packed_index(output, k);
    if (output % 4 == 0 && left >= 4) {
      const size_t room = ATTNE_PANEL - output % ATTNE_PANEL;
      step = left < room ? left / 4 * 4 : room;
      pack_fours(step, k, x + i * ld, ld, to);
    } else {
      step = 1;
      for (size_t at = 0; at < k; at++) to[at * ATTNE_PANEL] = x[i * ld + at];
    }
  }
}

void attne_pack_columns(size_t first, size_t n, size_t n_k, size_t n_out, const float *x,
                        size_t ld, float *packed) {
  for (size_t j = 0; j < n_out; j += ATTNE_PANEL) {
    const size_t width = n_out - j < ATTNE_PANEL ? n_out - j : ATTNE_PANEL;
    float *to = packed + attne_packed_index(j, n_k) + first * ATTNE_PANEL;
    for (size_t i = 0; i < n; i++, to += ATTNE_PANEL) {
      if (width == ATTNE_PANEL) { /* a copy of known size needs no call */
        memcpy(to, x + i * ld + j, ATTNE_PANEL * sizeof *x);
      } else {
        memcpy(to, x + i * ld + j, width * sizeof *x);
      }
    }
  }
}
