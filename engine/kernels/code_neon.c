/*
** code_neon.c - the coding of vectors for NEON.
*/
#include "code_rows.h"

void attne_code_neon(const attne_coding *coding, attne_code_sums *out) {
  code_row(coding, out);
}
