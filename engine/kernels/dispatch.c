/*
** dispatch.c - chooses the instruction set, once per process.
**
** A tier is a row of the table below, the slowest first; a CPU that has a tier
** has all those above it in the table.
*/
#include "kernels.h"
#include "sha256.h"
#include <stdatomic.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif
#endif

extern const attn_kernels_f32 attn_f32_scalar, attn_f32_avx2, attn_f32_avx512,
    attn_f32_neon;
extern const attn_kernels_i8 attn_i8_scalar, attn_i8_avx2, attn_i8_avx512,
    attn_i8_avx512vnni, attn_i8_neon, attn_i8_dotprod;

static int has_scalar(void) {
  return 1;
}

#if defined(__x86_64__)
/* What CPUID has to say (Intel SDM, volume 2A) and, by XCR0, which registers the system
** saves.  Not __builtin_cpu_supports, which needs a constructor that not every compiler's
** library has. */
typedef struct cpu_features {
  unsigned leaf_1_ecx, leaf_7_ebx, leaf_7_ecx, xcr0;
} cpu_features;

static const cpu_features avx2 = {
    .leaf_1_ecx = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29, /* FMA, OSXSAVE, AVX, F16C */
    .leaf_7_ebx = 1u << 5,
    .xcr0 = 0x06 /* XMM, YMM */
};
static const cpu_features avx512 = {
    .leaf_7_ebx = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31, /* F, DQ, BW, VL */
    .xcr0 = 0xE6                                             /* masks, ZMM too */
};
static const cpu_features vnni = {.leaf_7_ecx = 1u << 11};

static int cpu_has(const cpu_features *wanted) {
  unsigned eax, ebx = 0, ecx = 0, edx, high;
  cpu_features cpu = {0};
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) cpu.leaf_1_ecx = ecx;
  if (cpu.leaf_1_ecx & 1u << 27) {
    __asm__ volatile("xgetbv" : "=a"(cpu.xcr0), "=d"(high) : "c"(0));
  }
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    cpu.leaf_7_ebx = ebx;
    cpu.leaf_7_ecx = ecx;
  }
  return (cpu.leaf_1_ecx & wanted->leaf_1_ecx) == wanted->leaf_1_ecx &&
         (cpu.leaf_7_ebx & wanted->leaf_7_ebx) == wanted->leaf_7_ebx &&
         (cpu.leaf_7_ecx & wanted->leaf_7_ecx) == wanted->leaf_7_ecx &&
         (cpu.xcr0 & wanted->xcr0) == wanted->xcr0;
}

static int has_avx2(void) {
  return cpu_has(&avx2);
}
static int has_avx512(void) {
  return has_avx2() && cpu_has(&avx512);
}
static int has_avx512vnni(void) {
  return has_avx512() && cpu_has(&vnni);
}
#elif defined(__aarch64__)
static int has_dotprod(void) {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return 0;
#endif
}
#endif

static const attn_kernels tiers[] = {
    {"scalar", has_scalar, &attn_f32_scalar, &attn_i8_scalar},
#if defined(__x86_64__)
    {"avx2", has_avx2, &attn_f32_avx2, &attn_i8_avx2},
    {"avx512", has_avx512, &attn_f32_avx512, &attn_i8_avx512},
    {"avx512vnni", has_avx512vnni, &attn_f32_avx512, &attn_i8_avx512vnni},
#elif defined(__aarch64__)
    {"neon", has_scalar, &attn_f32_neon, &attn_i8_neon},
    {"dotprod", has_dotprod, &attn_f32_neon, &attn_i8_dotprod},
#endif
};
enum { N_TIER = sizeof tiers / sizeof tiers[0] };

/* Every word that ATTN_ISA may be, on whatever machine. */
static const char *const words[] = {"scalar",     "avx2", "avx512",
                                    "avx512vnni", "neon", "dotprod"};

static _Atomic(const attn_kernels *) in_use;

/* The fastest tier that the CPU has, up to the one called `limit`; a name of
** another architecture limits nothing. */
static const attn_kernels *best_tier(const char *limit) {
  const attn_kernels *best = &tiers[0];
  for (int i = 0; i < N_TIER && tiers[i].supported(); i++) {
    best = &tiers[i];
    if (limit && strcmp(limit, best->name) == 0) break;
  }
  return best;
}

/* The first choice stays; whoever comes later is given that. */
static const attn_kernels *choose(const char *limit) {
  const attn_kernels *chosen = atomic_load(&in_use);
  if (!chosen) {
    const attn_kernels *best = best_tier(limit);
    if (atomic_compare_exchange_strong(&in_use, &chosen, best)) chosen = best;
  }
  return chosen;
}

attn_status attn_isa_init(const char *wanted, attn_error *err) {
  if (wanted) {
    size_t i = 0, n = sizeof words / sizeof words[0];
    while (i < n && strcmp(wanted, words[i]) != 0) i++;
    if (i == n) {
      return attn_fail(err, ATTN_INVALID,
                       "ATTN_ISA is \"%s\", expected one of scalar, avx2, avx512, "
                       "avx512vnni, neon, dotprod",
                       wanted);
    }
  }
  choose(wanted);
  return ATTN_OK;
}

const char *attn_isa_name(void) {
  return attn_kernels_get()->name;
}

const attn_kernels *attn_kernels_get(void) {
  return choose(NULL);
}

const attn_kernels *attn_kernels_by_name(const char *name) {
  for (int i = 0; i < N_TIER; i++) {
    if (strcmp(name, tiers[i].name) == 0 && tiers[i].supported()) return &tiers[i];
  }
  return NULL;
}

void attn_kernels_use(const attn_kernels *kernels) {
  atomic_store(&in_use, kernels);
}

/* SSE4.1 and SSSE3 come with every CPU that has SHA. */
attn_sha256_blocks *attn_sha256_choose(void) {
#if defined(__x86_64__)
  unsigned eax, ebx, ecx, edx;
  int has_sha = __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx >> 29 & 1);
  if (has_sha && strcmp(attn_isa_name(), "scalar") != 0) return attn_sha256_shani;
#endif
  return attn_sha256_scalar;
}
