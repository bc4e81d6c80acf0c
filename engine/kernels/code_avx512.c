/*
** code_avx512.c - the coding of vectors for AVX-512.
*/
#include "code_rows.h"

void attn_code_avx512(const attn_coding *coding, attn_code_sums *out) {
  code_row(coding, out);
}
