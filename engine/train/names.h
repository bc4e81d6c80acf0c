/*
** names.h - distinct texts, numbered from 0 as they come, with a count beside each.
*/
#ifndef ATTNE_NAMES_H
#define ATTNE_NAMES_H

#include "../base/base.h"

typedef struct attne_names {
  char *text;
  uint64_t *begin; /* of a text: [n + 1] */
  uint64_t *count; /* [n], for whoever counts; of a new text 0 */
  uint32_t n;
  uint64_t n_text_alloc, n_alloc;
  uint32_t *slot; /* open addressing, at most half full: number + 1, or 0 */
  unsigned n_slot_log2;
} attne_names;

void attne_names_free(attne_names *names);

/* The number of a text, which is added where it is new. */
attn_status attne_names_add(attne_names *names, attn_text text, attn_error *err,
                            uint32_t *out);

/* The number of a text, or UINT32_MAX. */
uint32_t attne_names_find(const attne_names *names, attn_text text);

attn_text attne_names_text(const attne_names *names, uint32_t i);

#endif
