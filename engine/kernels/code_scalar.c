/*
** code_scalar.c - the coding of vectors for plain C.
*/
#include "code_rows.h"

void attn_code_scalar(const attn_coding *coding, attn_code_sums *out) {
  code_row(coding, out);
}
