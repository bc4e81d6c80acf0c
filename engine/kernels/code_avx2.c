/*
** code_avx2.c - the coding of vectors for AVX2.
*/
#include "code_rows.h"

void attne_code_avx2(const attne_coding *coding, attne_code_sums *out) {
  code_row(coding, out);
}
