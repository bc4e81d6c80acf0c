/*
** code_neon.c - the coding of vectors for NEON.
*/
#include "code_rows.h"

void attn_code_neon(const attn_coding *coding, attn_code_sums *out) {
  code_row(coding, out);
}
