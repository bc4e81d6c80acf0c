/*
** dispatch.c - chooses the instruction set, once per process.
**
** A tier is a row of the table below.  It lists the features of the CPU that it needs and
** brings a function for every kind of kernel.  Rows stand from the slowest to the
** fastest. A CPU runs the last row whose features it has, so a tier need not build on the
** row before it.  ATTN_ISA=name lowers the choice to that row or one above it.
**
** To add a tier, add its files and a row here: see README.md.
*/
#include "kernels.h"
#include "sha256.h"
#include <stdatomic.h>
#include <stdio.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif
#endif

/* ------------------------------------------------------------------ features of a CPU */

enum {
  AVX2 = 1 << 0,   /* with FMA and F16C, and a system that saves YMM registers */
  AVX512 = 1 << 1, /* F, BW, DQ, VL, and a system that saves ZMM and mask registers */
  VNNI512 = 1 << 2,
  SHA = 1 << 3, /* SSSE3 and SSE4.1 come with it */
  DOTPROD = 1 << 4
};

#if defined(__x86_64__)
/* A feature's bits in CPUID (Intel SDM, volume 2A), and in XCR0 the registers that the
** system must save.  Not __builtin_cpu_supports: it needs a constructor that not every
** compiler's library has. */
typedef struct cpu_bits {
  unsigned leaf_1_ecx, leaf_7_ebx, leaf_7_ecx, xcr0;
} cpu_bits;

static const struct {
  uint32_t feature;
  cpu_bits bits;
} x86_features[] = {
    {AVX2,
     {.leaf_1_ecx =
          1u << 12 | 1u << 27 | 1u << 28 | 1u << 29, /* FMA, OSXSAVE, AVX, F16C */
      .leaf_7_ebx = 1u << 5,
      .xcr0 = 0x06}},
    {AVX512,
     {.leaf_7_ebx = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31, /* F, DQ, BW, VL */
      .xcr0 = 0xE6}},
    {VNNI512, {.leaf_7_ecx = 1u << 11, .xcr0 = 0xE6}},
    {SHA, {.leaf_7_ebx = 1u << 29}},
};

static cpu_bits read_cpu(void) {
  unsigned eax, ebx = 0, ecx = 0, edx, high;
  cpu_bits cpu = {0};
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) cpu.leaf_1_ecx = ecx;
  if (cpu.leaf_1_ecx & 1u << 27) {
    __asm__ volatile("xgetbv" : "=a"(cpu.xcr0), "=d"(high) : "c"(0));
  }
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    cpu.leaf_7_ebx = ebx;
    cpu.leaf_7_ecx = ecx;
  }
  return cpu;
}

static uint32_t cpu_features(void) {
  const cpu_bits cpu = read_cpu();
  uint32_t found = 0;
  for (size_t i = 0; i < sizeof x86_features / sizeof x86_features[0]; i++) {
    const cpu_bits *need = &x86_features[i].bits;
    if ((cpu.leaf_1_ecx & need->leaf_1_ecx) == need->leaf_1_ecx &&
        (cpu.leaf_7_ebx & need->leaf_7_ebx) == need->leaf_7_ebx &&
        (cpu.leaf_7_ecx & need->leaf_7_ecx) == need->leaf_7_ecx &&
        (cpu.xcr0 & need->xcr0) == need->xcr0) {
      found |= x86_features[i].feature;
    }
  }
  return found;
}
#elif defined(__aarch64__) && defined(__linux__)
static uint32_t cpu_features(void) {
  return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? DOTPROD : 0;
}
#else
static uint32_t cpu_features(void) {
  return 0;
}
#endif

/* ------------------------------------------------------------------------- the table */

/* The kernels of a row are in the library only on their architecture; elsewhere the row
** is no more than a name that ATTN_ISA may have. */
#if defined(__x86_64__)
#define X86(...) __VA_ARGS__
#else
#define X86(...) NULL, NULL, NULL, NULL
#endif
#if defined(__aarch64__)
#define ARM(...) __VA_ARGS__
#else
#define ARM(...) NULL, NULL, NULL, NULL
#endif

static const attne_kernels tiers[] = {
    {"scalar", 0, &attne_f32_scalar, &attne_i8_scalar, attne_scan_scalar,
     attne_code_scalar},
    {"avx2", AVX2,
     X86(&attne_f32_avx2, &attne_i8_avx2, attne_scan_avx2, attne_code_avx2)},
    {"avx512", AVX2 | AVX512,
     X86(&attne_f32_avx512, &attne_i8_avx512, attne_scan_avx2, attne_code_avx2)},
    {"avx512vnni", AVX2 | AVX512 | VNNI512,
     X86(&attne_f32_avx512, &attne_i8_avx512vnni, attne_scan_avx512vnni,
         attne_code_avx2)},
    {"neon", 0, ARM(&attne_f32_neon, &attne_i8_neon, attne_scan_neon, attne_code_neon)},
    {"dotprod", DOTPROD,
     ARM(&attne_f32_neon, &attne_i8_dotprod, attne_scan_dotprod, attne_code_neon)},
};

static const attne_kernels *const end = tiers + sizeof tiers / sizeof tiers[0];

const attne_kernels *attne_kernels_next(const attne_kernels *previous) {
  const uint32_t features = cpu_features();
  for (const attne_kernels *t = previous ? previous + 1 : tiers; t < end; t++) {
    if (t->f32 && (t->needs & features) == t->needs) return t;
  }
  return NULL;
}

const attne_kernels *attne_kernels_by_name(const char *name) {
  const attne_kernels *t = NULL;
  while ((t = attne_kernels_next(t)) != NULL && strcmp(name, t->name) != 0) {
  }
  return t;
}

/* ------------------------------------------------------------------------- the choice */

static _Atomic(const attne_kernels *) in_use;

/* The row of a name, or NULL. */
static const attne_kernels *find_row(const char *name) {
  const attne_kernels *t = tiers;
  while (t < end && strcmp(name, t->name) != 0) t++;
  return t < end ? t : NULL;
}

/* The last tier of this CPU at or above `limit`; NULL, or a row of another architecture,
** limits nothing. */
static const attne_kernels *best_tier(const attne_kernels *limit) {
  const attne_kernels *best = tiers;
  for (const attne_kernels *t = NULL; (t = attne_kernels_next(t)) != NULL; best = t) {
    if (limit && limit->f32 && t > limit) break;
  }
  return best;
}

/* The first choice stays; every later call gets it. */
static const attne_kernels *choose(const attne_kernels *limit) {
  const attne_kernels *chosen = atomic_load(&in_use);
  if (!chosen) {
    const attne_kernels *best = best_tier(limit);
    if (atomic_compare_exchange_strong(&in_use, &chosen, best)) chosen = best;
  }
  return chosen;
}

attn_status attn_isa_init(const char *wanted, attn_error *err) {
  const attne_kernels *limit = wanted ? find_row(wanted) : NULL;
  if (wanted && !limit) {
    char names[sizeof tiers / sizeof tiers[0] * 16] = "";
    for (const attne_kernels *t = tiers; t < end; t++) {
      size_t n = strlen(names);
      snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", t->name);
    }
    return attne_fail(err, ATTN_INVALID, "ATTN_ISA is \"%s\", expected one of %s", wanted,
                      names);
  }
  choose(limit);
  return ATTN_OK;
}

const char *attn_isa_name(void) {
  return attne_kernels_get()->name;
}

const attne_kernels *attne_kernels_get(void) {
  return choose(NULL);
}

void attne_kernels_use(const attne_kernels *kernels) {
  atomic_store(&in_use, kernels);
}

attne_sha256_blocks *attne_sha256_choose(void) {
#if defined(__x86_64__)
  if (attne_kernels_get() != tiers && cpu_features() & SHA) return attne_sha256_shani;
#endif
  return attne_sha256_scalar;
}
