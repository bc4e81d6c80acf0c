/*
** code.c - which coding serves which instruction set.
*/
#include "code.h"
#include "kernels.h"

static const struct {
  const char *isa;
  attn_code *code;
} codes[] = {
#if defined(__x86_64__)
    {"avx2", attn_code_avx2},
    {"avx512", attn_code_avx2},
    {"avx512vnni", attn_code_avx2},
#elif defined(__aarch64__)
    {"neon", attn_code_neon},
    {"dotprod", attn_code_neon},
#endif
    {"scalar", attn_code_scalar},
};

attn_code *attn_code_get(void) {
  const char *isa = attn_isa_name();
  size_t i = 0;
  while (i + 1 < sizeof codes / sizeof codes[0] && strcmp(isa, codes[i].isa) != 0) i++;
  return codes[i].code;
}
