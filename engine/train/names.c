/*
** names.c - distinct texts, numbered from 0 as they come.
*/
#include "names.h"
#include "../tokenizer/vocabulary.h"

/* No honest list needs as many; one that was made to collide must not make every lookup
** slow. */
enum { MAX_PROBE = 256 };

void attn_names_free(attn_names *names) {
  attn_release(names->text);
  attn_release(names->begin);
  attn_release(names->count);
  attn_release(names->slot);
  memset(names, 0, sizeof *names);
}

attn_text attn_names_text(const attn_names *names, uint32_t i) {
  return (attn_text){names->text + names->begin[i],
                     (size_t)(names->begin[i + 1] - names->begin[i])};
}

/* The slot of a text, or the free one where it belongs; NULL when too many are tried. */
static uint32_t *find_slot(const attn_names *names, attn_text text) {
  uint64_t mask = (UINT64_C(1) << names->n_slot_log2) - 1;
  uint64_t i = attn_hash(ATTN_HASH_EMPTY, text.text, text.n_text);
  i >>= 64 - names->n_slot_log2;
  for (int n = 0; n < MAX_PROBE; n++, i = (i + 1) & mask) {
    uint32_t *slot = &names->slot[i];
    if (*slot == 0) return slot;
    attn_text other = attn_names_text(names, *slot - 1);
    if (other.n_text == text.n_text && memcmp(other.text, text.text, text.n_text) == 0) {
      return slot;
    }
  }
  return NULL;
}

static attn_status too_alike(attn_error *err) {
  return attn_fail(err, ATTN_INVALID,
                   "the corpus has more than %d different words of the same hash",
                   MAX_PROBE);
}

static attn_status grow_slots(attn_names *names, attn_error *err) {
  unsigned n_log2 = names->n_slot_log2 ? names->n_slot_log2 + 1 : 10;
  uint32_t *slot = n_log2 > 31 ? NULL : attn_alloc_zero(sizeof *slot << n_log2);
  if (!slot) return attn_no_memory(err);
  attn_release(names->slot);
  names->slot = slot;
  names->n_slot_log2 = n_log2;
  for (uint32_t i = 0; i < names->n; i++) {
    uint32_t *at = find_slot(names, attn_names_text(names, i));
    if (!at) return too_alike(err);
    *at = i + 1;
  }
  return ATTN_OK;
}

static attn_status reserve(attn_names *names, size_t n_text, attn_error *err) {
  if (names->n == names->n_alloc) {
    uint64_t n = 2 * names->n_alloc + 256;
    uint64_t *begin = attn_resize(names->begin, (n + 1) * sizeof *begin);
    if (begin) names->begin = begin;
    uint64_t *count = begin ? attn_resize(names->count, n * sizeof *count) : NULL;
    if (!count) return attn_no_memory(err);
    if (names->n == 0) begin[0] = 0;
    names->count = count;
    names->n_alloc = n;
  }
  if (names->n_text_alloc - names->begin[names->n] < n_text) {
    uint64_t n = 2 * names->n_text_alloc + n_text + 1024;
    char *text = attn_resize(names->text, n);
    if (!text) return attn_no_memory(err);
    names->text = text;
    names->n_text_alloc = n;
  }
  return ATTN_OK;
}

attn_status attn_names_add(attn_names *names, attn_text text, attn_error *err,
                           uint32_t *out) {
  attn_status rc = ATTN_OK;
  if (names->n_slot_log2 == 0 || 2 * (uint64_t)names->n >= UINT64_C(1) << names->n_slot_log2) {
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

uint32_t attn_names_find(const attn_names *names, attn_text text) {
  const uint32_t *slot = names->n_slot_log2 ? find_slot(names, text) : NULL;
  return slot && *slot ? *slot - 1 : UINT32_MAX;
}
