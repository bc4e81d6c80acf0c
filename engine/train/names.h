/*
** names.h - distinct texts, numbered from 0 as they come, with a count beside each.
*/
#ifndef ATTN_NAMES_H
#define ATTN_NAMES_H

#include "../base/base.h"

typedef struct attn_names {
  char *text;
  uint64_t *begin; /* of a text: [n + 1] */
  uint64_t *count; /* [n], for whoever counts; of a new text 0 */
  uint32_t n;
  uint64_t n_text_alloc, n_alloc;
  uint32_t *slot; /* open addressing, at most half full: number + 1, or 0 */
  unsigned n_slot_log2;
} attn_names;

void attn_names_free(attn_names *names);

/* The number of a text, which is added where it is new. */
attn_status attn_names_add(attn_names *names, attn_text text, attn_error *err,
                           uint32_t *out);

/* The number of a text, or UINT32_MAX. */
uint32_t attn_names_find(const attn_names *names, attn_text text);

attn_text attn_names_text(const attn_names *names, uint32_t i);

#endif
