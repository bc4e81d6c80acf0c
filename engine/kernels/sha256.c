/*
** sha256.c - the Secure Hash Algorithm 256, FIPS 180-4.
*/
#include "sha256.h"
#include <stdio.h>

void attn_sha256_init(attn_sha256 *hash) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memset(hash, 0, sizeof *hash);
  memcpy(hash->state, start, sizeof start);
  hash->blocks = attne_sha256_choose();
}

void attn_sha256_update(attn_sha256 *hash, const void *data, size_t n) {
  const uint8_t *p = data;
  size_t used = (size_t)(hash->n_byte % 64);
  hash->n_byte += n;
  if (used) {
    size_t take = n < 64 - used ? n : 64 - used;
    memcpy(hash->block + used, p, take);
    p += take;
    n -= take;
    if (used + take < 64) return;
    hash->blocks(hash->state, hash->block, 1);
  }
  hash->blocks(hash->state, p, n / 64);
  p += n / 64 * 64;
  n %= 64;
  if (n) memcpy(hash->block, p, n);
}

void attn_sha256_final(attn_sha256 *hash, char hex[65]) {
  uint64_t n_bit = hash->n_byte * 8;
  uint8_t tail[8];
  static const uint8_t pad[64] = {0x80};
  for (int i = 0; i < 8; i++) tail[i] = (uint8_t)(n_bit >> (56 - 8 * i));
  attn_sha256_update(hash, pad, 1 + (size_t)((119 - hash->n_byte % 64) % 64));
  attn_sha256_update(hash, tail, 8);
  for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08x", hash->state[i]);
}
