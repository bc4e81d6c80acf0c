/*
** sha256.h - the compression function of SHA-256 over n blocks of 64 bytes.
*/
#ifndef ATTNE_KERNELS_SHA256_H
#define ATTNE_KERNELS_SHA256_H

#include "../base/base.h"

extern const uint32_t attne_sha256_constant[64];

typedef void attne_sha256_blocks(uint32_t state[8], const uint8_t *block, size_t n);

attne_sha256_blocks attne_sha256_scalar;
attne_sha256_blocks attne_sha256_shani; /* x86-64 with the SHA extensions */

/* The fastest that this CPU and ATTN_ISA allow. */
attne_sha256_blocks *attne_sha256_choose(void);

#endif
