/*
** names.c - distinct texts, numbered from 0 as they come.
*/
#include "names.h"
#include "../tokenizer/vocabulary.h"

/* No honest list needs as many; one that was made to collide must not make every lookup
** slow. */
enum { MAX_PROBE = 256 };

void attne_names_free(attne_names *names) {
  attne_release(names->text);
  attne_release(names->begin);
  attne_release(names->count);
  attne_release(names->slot);
  memset(names, 0, sizeof *names);
}

attn_text attne_names_text(const attne_names *names, uint32_t i) {
  return (attn_text){names->text + names->begin[i],
                     (size_t)(names->begin[i + 1] - names->begin[i])};
}

/* The slot of a text, or the free one where it belongs; NULL when too many are tried. */
static uint32_t *find_slot(const attne_names *names, attn_text text) {
  uint64_t mask = (UINT64_C(1) << names->n_slot_log2) - 1;
  uint64_t i = attne_hash(ATTNE_HASH_EMPTY, text.text, text.n_text);
  i >>= 64 - names->n_slot_log2;
  for (int n = 0; n < MAX_PROBE; n++, i = (i + 1) & mask) {
    uint32_t *slot = &names->slot[i];
    if (*slot == 0) return slot;
    attn_text other = attne_names_text(names, *slot - 1);
    if (other.n_text == text.n_text && memcmp(other.text, text.text, text.n_text) == 0) {
      return slot;
    }
  }
  return NULL;
}

static attn_status too_alike(attn_error *err) {
  return attne_fail(err, ATTN_INVALID,
                    "the corpus has more than %d different words of the same hash",
                    MAX_PROBE);
}

static attn_status grow_slots(attne_names *names, attn_error *err) {
  unsigned n_log2 = names->n_slot_log2 ? names->n_slot_log2 + 1 : 10;
  uint32_t *slot = n_log2 > 31 ? NULL : attne_alloc_zero(sizeof *slot << n_log2);
  if (!slot) return attne_no_memory(err);
  attne_release(names->slot);
  names->slot = slot;
  names->n_slot_log2 = n_log2;
  for (uint32_t i = 0; i < names->n; i++) {
    uint32_t *at = find_slot(names, attne_names_text(names, i));
    if (!at) return too_alike(err);
    *at = i + 1;
  }
  return ATTN_OK;
}

static attn_status reserve(attne_names *names, size_t n_text, attn_error *err) {
  if (names->n == names->n_alloc) {
    uint64_t n = 2 * names->n_alloc + 256;
    uint64_t *begin = attne_resize(names->begin, (n + 1) * sizeof *begin);
    if (begin) names->begin = begin;
    uint64_t *count = begin ? attne_resize(names->count, n * sizeof *count) : NULL;
    if (!count) return attne_no_memory(err);
    if (names->n == 0) begin[0] = 0;
    names->count = count;
    names->n_alloc = n;
  }
  if (names->n_text_alloc - names->begin[names->n] < n_text) {
    uint64_t n = 2 * names->n_text_alloc + n_text + 1024;
    char *text = attne_resize(names->text, n);
    if (!text) return attne_no_memory(err);
    names->text = text;
    names->n_text_alloc = n;
  }
  return ATTN_OK;
}

attn_status attne_names_add(attne_names *names, attn_text text, attn_error *err,
                            uint32_t *out) {
  attn_status rc = ATTN_OK;
  if (names->n_slot_log2 == 0 || 2 * (uint64_t)names->n >= UINT64_C(1)
                                                               << names->n_slot_log2) {
    rc = grow_slots(names, err);
  }
  if (rc == ATTN_OK) rc = reserve(names, text.n_text, err);
  if (rc != ATTN_OK) return rc;
  uint32_t *slot = find_slot(names, text);
  if (!slot) return too_alike(err);
  if (*slot == 0) {
    uint32_t i = names->n++;
    if (text.n_text) memcpy(names->text + names->begin[i], text.text, text.n_text);
    names->begin[i + 1] = names->begin[i] + text.n_text;
    names->count[i] = 0;
    *slot = i + 1;
  }
  *out = *slot - 1;
  return ATTN_OK;
}

uint32_t attne_names_find(const attne_names *names, attn_text text) {
  const uint32_t *slot = names->n_slot_log2 ? find_slot(names, text) : NULL;
  return slot && *slot ? *slot - 1 : UINT32_MAX;
}
