/*
** code_scalar.c - the coding of vectors for plain C.
*/
#include "code_rows.h"

void attne_code_scalar(const attne_coding *coding, attne_code_sums *out) {
  code_row(coding, out);
}
