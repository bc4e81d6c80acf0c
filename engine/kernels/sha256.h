/*
** sha256.h - the compression function of SHA-256 over n blocks of 64 bytes.
*/
#ifndef ATTN_KERNELS_SHA256_H
#define ATTN_KERNELS_SHA256_H

#include "../base/base.h"

extern const uint32_t attn_sha256_constant[64];

typedef void attn_sha256_blocks(uint32_t state[8], const uint8_t *block, size_t n);

attn_sha256_blocks attn_sha256_scalar;
attn_sha256_blocks attn_sha256_shani; /* x86-64 with the SHA extensions */

/* The fastest that this CPU and ATTN_ISA allow. */
attn_sha256_blocks *attn_sha256_choose(void);

#endif
