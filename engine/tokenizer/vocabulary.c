/*
** vocabulary.c - tokens by id and ids by token.
*/
#include "vocabulary.h"

struct attne_slot {
  uint32_t tag; /* low bits of the hash; the high ones choose the slot */
  int32_t id;   /* -1: free */
};

/* No honest vocabulary needs as many; one that was made to collide must not make
** every lookup slow. */
enum { MAX_PROBE = 256 };

uint64_t attne_hash(uint64_t hash, const char *text, size_t n) {
  for (size_t i = 0; i < n; i++) hash = attne_hash_add(hash, text[i]);
  return hash;
}

static int equals(const attne_vocabulary *v, int32_t id, attn_text prefix,
                  attn_text text) {
  const char *token = v->text + v->begin[id];
  size_t n = v->begin[id + 1] - v->begin[id];
  return n == prefix.n_text + text.n_text &&
         memcmp(token, prefix.text, prefix.n_text) == 0 &&
         memcmp(token + prefix.n_text, text.text, text.n_text) == 0;
}

/* The slot of a token, or the free one where it belongs; NULL when too many are
** tried. */
static struct attne_slot *find_slot(const attne_vocabulary *v, uint64_t hash,
                                    attn_text prefix, attn_text text) {
  uint64_t mask = (UINT64_C(1) << v->n_slot_log2) - 1;
  uint64_t i = hash >> (64 - v->n_slot_log2);
  for (int n = 0; n < MAX_PROBE; n++, i = (i + 1) & mask) {
    struct attne_slot *slot = &v->slot[i];
    if (slot->id < 0) return slot;
    if (slot->tag == (uint32_t)hash && equals(v, slot->id, prefix, text)) return slot;
  }
  return NULL;
}

int32_t attne_vocabulary_find(const attne_vocabulary *v, uint64_t hash, attn_text prefix,
                              attn_text text) {
  const struct attne_slot *slot = find_slot(v, hash, prefix, text);
  return slot ? slot->id : -1;
}

const char *attne_vocabulary_text(const attne_vocabulary *v, int32_t id,
                                  uint32_t *n_text) {
  *n_text = 0;
  if (id < 0 || (uint32_t)id >= v->n) return NULL;
  const char *text = v->text + v->begin[id];
  *n_text = v->begin[id + 1] - v->begin[id];
  /* No text: the empty token, or none. */
  attn_text empty = {"", 0};
  return *n_text || attne_vocabulary_find(v, ATTNE_HASH_EMPTY, empty, empty) == id ? text
                                                                                   : NULL;
}

static attn_status insert(attne_vocabulary *v, int32_t id, attn_text token,
                          attn_error *err) {
  uint64_t hash = attne_hash(ATTNE_HASH_EMPTY, token.text, token.n_text);
  struct attne_slot *slot = find_slot(v, hash, (attn_text){"", 0}, token);
  if (!slot) {
    return attne_fail(
        err, ATTN_INVALID,
        "tokenizer: more than %d tokens of the vocabulary have the hash of token %d",
        MAX_PROBE, (int)id);
  }
  if (slot->id < 0) v->n_distinct++;
  slot->tag = (uint32_t)hash;
  slot->id = id;
  return ATTN_OK;
}

attn_status attne_vocabulary_init(attne_vocabulary *out, const attn_vocab *vocab,
                                  attn_error *err) {
  memset(out, 0, sizeof *out);
  uint64_t n_text = 0;
  for (uint32_t i = 0; i < vocab->n; i++)
    n_text += vocab->token[i] ? vocab->n_token[i] : 0;
  if (vocab->n > INT32_MAX / 2 || n_text > UINT32_MAX) {
    return attne_fail(err, ATTN_INVALID,
                      "tokenizer: a vocabulary of %u tokens and %llu bytes is too large",
                      (unsigned)vocab->n, (unsigned long long)n_text);
  }
  out->n = vocab->n;
  while (UINT64_C(1) << out->n_slot_log2 < 2 * (uint64_t)vocab->n + 2) out->n_slot_log2++;
  uint64_t n_slot = UINT64_C(1) << out->n_slot_log2;
  out->text = attne_alloc(n_text);
  out->begin = attne_alloc((vocab->n + UINT64_C(1)) * sizeof *out->begin);
  out->slot = attne_alloc(n_slot * sizeof *out->slot);
  if (!out->text || !out->begin || !out->slot) return attne_no_memory(err);
  for (uint64_t i = 0; i < n_slot; i++) out->slot[i].id = -1;
  uint32_t end = out->begin[0] = 0;
  attn_status rc = ATTN_OK;
  for (uint32_t i = 0; i < vocab->n && rc == ATTN_OK; i++) {
    out->begin[i + 1] = end;
    if (!vocab->token[i]) continue;
    uint32_t n = vocab->n_token[i];
    memcpy(out->text + end, vocab->token[i], n);
    out->begin[i + 1] = end += n;
    if (n > out->longest) out->longest = n;
    rc = insert(out, (int32_t)i, (attn_text){vocab->token[i], n}, err);
  }
  return rc;
}

void attne_vocabulary_free(attne_vocabulary *v) {
  attne_release(v->text);
  attne_release(v->begin);
  attne_release(v->slot);
}

uint64_t attne_vocabulary_memory(const attne_vocabulary *v) {
  if (!v->begin) return 0;
  return v->begin[v->n] + (v->n + UINT64_C(1)) * sizeof *v->begin +
         (sizeof *v->slot << v->n_slot_log2);
}
