/*
** scan.c - which scan serves which instruction set.
*/
#include "scan.h"
#include "kernels.h"

static const struct {
  const char *isa;
  attn_scan *scan;
} scans[] = {
#if defined(__x86_64__)
    {"avx2", attn_scan_avx2},
    {"avx512", attn_scan_avx2},
    {"avx512vnni", attn_scan_avx512vnni},
#elif defined(__aarch64__)
    {"neon", attn_scan_neon},
    {"dotprod", attn_scan_dotprod},
#endif
    {"scalar", attn_scan_scalar},
};

attn_scan *attn_scan_get(void) {
  const char *isa = attn_isa_name();
  size_t i = 0;
  while (i + 1 < sizeof scans / sizeof scans[0] && strcmp(isa, scans[i].isa) != 0) i++;
  return scans[i].scan;
}
