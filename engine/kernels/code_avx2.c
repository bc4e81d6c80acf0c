/*
** code_avx2.c - the coding of vectors for AVX2.
*/
#include "code_rows.h"

void attn_code_avx2(const attn_coding *coding, attn_code_sums *out) {
  code_row(coding, out);
}
