/*
** bpe.c - byte-pair encoding (Gage 1994; Sennrich, Haddow and Birch 2016).
**
** A word begins as its characters.  Of all pairs of neighbors that are in the list of
** merges, the one that stands first in it becomes one token, of equal ones the leftmost;
** and again, until there is no such pair.
**
** The pairs that can be merged wait in a heap, ordered by rank and then by place, and the
** symbols are a linked list, so a word of n characters takes O(n log n).  A pair that has
** changed since it was put into the heap is passed over when its turn comes; if the new
** pair happens to make the same token as the old one did, it is merged, as the library
** does it, at the rank of the old one.
**
** Most words of most texts are one token.  Which tokens merging leads to is found out
** once, so that such a word takes one lookup.
*/
#include "word_model.h"
#include <stdio.h>

typedef struct merge {
  int32_t left, right, id;
} merge;

typedef struct bpe {
  const attne_vocabulary *vocabulary;
  merge *merge;   /* by rank */
  uint32_t *slot; /* open addressing, at most half full: rank + 1, or 0 */
  unsigned n_slot_log2;
  uint32_t n_merge;
  uint8_t *is_whole; /* a bit an id: a word that reads like this token becomes it */
  char *prefix,
      *suffix; /* written before all characters but the first; behind the last */
  size_t n_prefix, n_suffix;
  int has_unknown;
  attne_unknown unknown;
  int fuse_unknown; /* several in a row are one */
  int ignore_merges;
  int byte_fallback; /* a character that is no token becomes its bytes, "<0x0A>" */
  int32_t byte[256];
} bpe;

typedef struct symbol {
  int32_t id;
  uint32_t n; /* bytes of the word that it covers; 0: merged into the one before */
  uint32_t previous, next;
} symbol;

/* A pair that begins with symbol `at` and becomes the token `id`. */
typedef struct candidate {
  uint32_t rank, at;
  int32_t id;
} candidate;

/* The word at hand, in the room that it gives. */
typedef struct symbols {
  symbol *symbol;
  candidate *queue;
  size_t n, n_queue;
  char *text; /* room for a character and the suffix */
} symbols;

#define NONE UINT32_MAX
enum { MAX_PROBE = 256, MAX_AFFIX = 256 };

/* --------------------------------------------------------------------- the merges */

static uint64_t pair_slot(const bpe *m, int32_t left, int32_t right) {
  uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
  pair = (pair ^ pair >> 29) * UINT64_C(0x9E3779B97F4A7C15);
  return pair >> (64 - m->n_slot_log2);
}

/* The slot of a pair, or the free one where it belongs; NULL when too many are tried. */
static uint32_t *find_slot(const bpe *m, int32_t left, int32_t right) {
  uint64_t mask = (UINT64_C(1) << m->n_slot_log2) - 1, i = pair_slot(m, left, right);
  for (int n = 0; n < MAX_PROBE; n++, i = (i + 1) & mask) {
    uint32_t *slot = &m->slot[i];
    if (*slot == 0) return slot;
    const merge *merge = &m->merge[*slot - 1];
    if (merge->left == left && merge->right == right) return slot;
  }
  return NULL;
}

/* The rank of a pair, or NONE. */
static uint32_t find_merge(const bpe *m, int32_t left, int32_t right) {
  const uint32_t *slot = find_slot(m, left, right);
  return slot && *slot ? *slot - 1 : NONE;
}

static int32_t find_token(const attne_vocabulary *v, attn_text prefix, attn_text text) {
  uint64_t hash = attne_hash(ATTNE_HASH_EMPTY, prefix.text, prefix.n_text);
  hash = attne_hash(hash, text.text, text.n_text);
  return attne_vocabulary_find(v, hash, prefix, text);
}

static attn_status no_token(attn_error *err, uint32_t rank, attn_text left,
                            attn_text right) {
  return attne_fail(
      err, ATTN_INVALID,
      "tokenizer: $.model.merges[%u] has the token '%.*s%.*s', which is not in "
      "the vocabulary",
      (unsigned)rank, attne_text_cut(left, 100), left.text, attne_text_cut(right, 100),
      right.text);
}

static attn_status load_merge(bpe *m, const attn_vocab *vocab, uint32_t rank,
                              attn_error *err) {
  static const attn_text empty = {"", 0};
  attn_text left = vocab->merge[2 * (size_t)rank],
            right = vocab->merge[2 * (size_t)rank + 1];
  merge *merge = &m->merge[rank];
  merge->left = find_token(m->vocabulary, empty, left);
  if (merge->left < 0) return no_token(err, rank, left, empty);
  merge->right = find_token(m->vocabulary, empty, right);
  if (merge->right < 0) return no_token(err, rank, empty, right);
  /* The library does not look whether it is the prefix that it cuts off. */
  if (right.n_text < m->n_prefix) {
    return attne_fail(
        err, ATTN_INVALID,
        "tokenizer: $.model.merges[%u] has the second part '%.*s'; expected it "
        "to begin with '%.*s'",
        (unsigned)rank, attne_text_cut(right, 100), right.text, (int)m->n_prefix,
        m->prefix);
  }
  right.text += m->n_prefix;
  right.n_text -= m->n_prefix;
  merge->id = find_token(m->vocabulary, left, right);
  if (merge->id < 0) return no_token(err, rank, left, right);
  uint32_t *slot = find_slot(m, merge->left, merge->right);
  if (!slot) {
    return attne_fail(err, ATTN_INVALID,
                      "tokenizer: more than %d pairs have the hash of $.model.merges[%u]",
                      MAX_PROBE, (unsigned)rank);
  }
  *slot = rank + 1; /* of a pair that is there twice, the last counts */
  return ATTN_OK;
}

static attn_status load_merges(bpe *m, const attn_vocab *vocab, attn_error *err) {
  if (vocab->n_merge > INT32_MAX / 2) {
    return attne_fail(err, ATTN_INVALID, "tokenizer: %u merges are too many",
                      (unsigned)vocab->n_merge);
  }
  m->n_merge = vocab->n_merge;
  m->n_slot_log2 = 1;
  while (UINT64_C(1) << m->n_slot_log2 < 2 * (uint64_t)m->n_merge) m->n_slot_log2++;
  m->merge = attne_alloc(m->n_merge * sizeof *m->merge);
  m->slot = attne_alloc_zero(sizeof *m->slot << m->n_slot_log2);
  if (!m->merge || !m->slot) return attne_no_memory(err);
  attn_status rc = ATTN_OK;
  for (uint32_t i = 0; rc == ATTN_OK && i < m->n_merge; i++) {
    rc = load_merge(m, vocab, i, err);
  }
  return rc;
}

/* ----------------------------------------------------------------------- the word */

/* Every merge takes one pair out of the queue and puts in two at most. */
static attn_status reserve(const bpe *m, attne_word *word, size_t n, symbols *out) {
  size_t n_symbol = n * sizeof *out->symbol, n_queue = 2 * n * sizeof *out->queue;
  char *room = attne_word_room(word, n_symbol + n_queue + m->n_suffix + 4);
  if (!room) return ATTN_NOMEM;
  *out = (symbols){.symbol = (symbol *)(void *)room,
                   .queue = (candidate *)(void *)(room + n_symbol),
                   .text = room + n_symbol + n_queue};
  return ATTN_OK;
}

static void add_symbol(symbols *s, int32_t id, uint32_t n) {
  s->symbol[s->n++] = (symbol){.id = id, .n = n};
}

/* Unknown characters that were seen and not added yet. */
typedef struct unknown_run {
  int is_there;
  uint32_t n;
} unknown_run;

static void end_unknown(const bpe *m, symbols *s, unknown_run *run) {
  if (run->is_there) add_symbol(s, m->unknown.id, run->n);
  *run = (unknown_run){0};
}

static int add_bytes(const bpe *m, symbols *s, const char *text, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (m->byte[(unsigned char)text[i]] < 0) return 0;
  }
  for (uint32_t i = 0; i < n; i++) add_symbol(s, m->byte[(unsigned char)text[i]], 1);
  return 1;
}

/* A character that is no token.  Without an unknown token it is passed over. */
static attn_status add_unknown(const bpe *m, symbols *s, const char *text, uint32_t n,
                               attn_error *err, unknown_run *run) {
  if (m->byte_fallback && add_bytes(m, s, text, n)) return ATTN_OK;
  if (!m->has_unknown) return ATTN_OK;
  if (m->unknown.id < 0) {
    return attne_fail(
        err, ATTN_INVALID,
        "tokenizer: neither a character of the text nor the unknown token '%s' "
        "is in the vocabulary",
        m->unknown.name);
  }
  if (!m->fuse_unknown) end_unknown(m, s, run);
  run->is_there = 1;
  run->n += n;
  return ATTN_OK;
}

/* The token of a character, with prefix and suffix where they belong. */
static int32_t find_character(const bpe *m, symbols *s, attn_text c, int is_first,
                              int is_last) {
  attn_text prefix = {m->prefix, is_first ? 0 : m->n_prefix};
  if (!is_last || m->n_suffix == 0) return find_token(m->vocabulary, prefix, c);
  memcpy(s->text, c.text, c.n_text);
  memcpy(s->text + c.n_text, m->suffix, m->n_suffix);
  return find_token(m->vocabulary, prefix, (attn_text){s->text, c.n_text + m->n_suffix});
}

/* The characters of a word as symbols. */
static attn_status begin(const bpe *m, symbols *s, attn_text word, attn_error *err) {
  unknown_run run = {0};
  s->n = 0;
  for (size_t i = 0, n; i < word.n_text; i += n) {
    uint32_t c;
    n = attne_utf8_decode(word.text + i, word.n_text - i, &c);
    int32_t id =
        find_character(m, s, (attn_text){word.text + i, n}, i == 0, i + n == word.n_text);
    if (id >= 0) {
      end_unknown(m, s, &run);
      add_symbol(s, id, (uint32_t)n);
      continue;
    }
    attn_status rc = add_unknown(m, s, word.text + i, (uint32_t)n, err, &run);
    if (rc != ATTN_OK) return rc;
  }
  end_unknown(m, s, &run);
  return ATTN_OK;
}

static int is_before(const candidate *a, const candidate *b) {
  return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(symbols *s, candidate c) {
  size_t i = s->n_queue++;
  for (; i > 0 && is_before(&c, &s->queue[(i - 1) / 2]); i = (i - 1) / 2) {
    s->queue[i] = s->queue[(i - 1) / 2];
  }
  s->queue[i] = c;
}

static candidate pop(symbols *s) {
  candidate top = s->queue[0], last = s->queue[--s->n_queue];
  size_t i = 0, child;
  while ((child = 2 * i + 1) < s->n_queue) {
    if (child + 1 < s->n_queue && is_before(&s->queue[child + 1], &s->queue[child]))
      child++;
    if (!is_before(&s->queue[child], &last)) break;
    s->queue[i] = s->queue[child];
    i = child;
  }
  s->queue[i] = last;
  return top;
}

/* Puts the pair of symbol `at` and the next one into the queue, if it can be merged. */
static void consider(const bpe *m, symbols *s, uint32_t at) {
  uint32_t next = s->symbol[at].next;
  if (next == NONE) return;
  uint32_t rank = find_merge(m, s->symbol[at].id, s->symbol[next].id);
  if (rank != NONE) push(s, (candidate){rank, at, m->merge[rank].id});
}

/* 1 if the pair that a candidate names is there and makes its token. */
static int is_current(const bpe *m, const symbols *s, const candidate *c) {
  const symbol *left = &s->symbol[c->at];
  if (left->n == 0 || left->next == NONE) return 0;
  uint32_t rank = find_merge(m, left->id, s->symbol[left->next].id);
  return rank != NONE && m->merge[rank].id == c->id;
}

static void merge_pairs(const bpe *m, symbols *s) {
  s->n_queue = 0;
  for (uint32_t i = 0; i < s->n; i++) {
    s->symbol[i].previous = i ? i - 1 : NONE;
    s->symbol[i].next = i + 1 < s->n ? i + 1 : NONE;
  }
  for (uint32_t i = 0; i < s->n; i++) consider(m, s, i);
  while (s->n_queue) {
    candidate top = pop(s);
    if (!is_current(m, s, &top)) continue;
    symbol *left = &s->symbol[top.at], *right = &s->symbol[left->next];
    left->id = top.id;
    left->n += right->n;
    left->next = right->next;
    right->n = 0;
    if (left->next != NONE) s->symbol[left->next].previous = top.at;
    if (left->previous != NONE) consider(m, s, left->previous);
    consider(m, s, top.at);
  }
}

/* The tokens of a text as the symbols whose n is not 0. */
static attn_status encode(const bpe *m, attne_word *word, attn_text text, attn_error *err,
                          symbols *out) {
  *out = (symbols){0};
  if (text.n_text >= UINT32_MAX / 2) {
    return attne_fail(err, ATTN_INVALID, "tokenizer: a word of %zu bytes is too long",
                      text.n_text);
  }
  if (reserve(m, word, text.n_text, out) != ATTN_OK) return attne_no_memory(err);
  attn_status rc = begin(m, out, text, err);
  if (rc == ATTN_OK) merge_pairs(m, out);
  return rc;
}

static attn_status split(const void *model, attne_word *word, attn_error *err,
                         attn_tokens *out) {
  const bpe *m = model;
  symbols s;
  attn_text text = {word->text, word->n};
  int32_t id = find_token(m->vocabulary, (attn_text){"", 0}, text);
  if (id >= 0 && (m->ignore_merges || m->is_whole[id / 8] & 1 << id % 8)) {
    return attne_tokens_add(out, id, word->whole);
  }
  attn_status rc = encode(m, word, text, err, &s);
  /* Places are counted in the lengths of the tokens: behind a character that was passed
  ** over they are too small, as the library's are. */
  for (size_t i = 0, at = 0; rc == ATTN_OK && i < s.n; at += s.symbol[i++].n) {
    uint32_t n = s.symbol[i].n;
    if (n == 0) continue;
    attne_span span = {word->at[at].start, word->at[at + n - 1].end};
    rc = attne_tokens_add(out, s.symbol[i].id, span);
  }
  return rc;
}

/* ------------------------------------------------------------------------ loading */

static attn_status find_whole(bpe *m, attn_error *err) {
  attne_word word = {0};
  attn_status rc = ATTN_OK;
  m->is_whole = attne_alloc_zero(m->vocabulary->n / 8 + UINT64_C(1));
  if (!m->is_whole) return attne_no_memory(err);
  for (uint32_t i = 0; rc != ATTN_NOMEM && i < m->vocabulary->n; i++) {
    symbols s;
    uint32_t n;
    int32_t id = (int32_t)i;
    const char *token = attne_vocabulary_text(m->vocabulary, id, &n);
    if (n == 0) continue;
    rc = encode(m, &word, (attn_text){token, n}, NULL, &s);
    if (rc == ATTN_OK && s.n && s.symbol[0].id == id && s.symbol[0].n == n) {
      m->is_whole[i / 8] = (uint8_t)(m->is_whole[i / 8] | 1 << i % 8);
    }
  }
  attne_word_free(&word);
  return rc == ATTN_NOMEM ? attne_no_memory(err) : ATTN_OK;
}

static attn_status load_affix(const attn_settings *s, attn_error *err, const char *path,
                              char **out, size_t *n) {
  attn_text text = {"", 0};
  attn_status rc = attne_settings_text(s, err, &text, "%s", path);
  if (rc != ATTN_OK) return rc;
  if (text.n_text > MAX_AFFIX) {
    return attne_fail(err, ATTN_UNSUPPORTED,
                      "tokenizer: %s has %zu bytes, at most %d are supported", path,
                      text.n_text, MAX_AFFIX);
  }
  *out = attne_alloc(text.n_text);
  if (!*out) return attne_no_memory(err);
  memcpy(*out, text.text, text.n_text);
  *n = text.n_text;
  return ATTN_OK;
}

static attn_status load_unknown(const attn_settings *s, attn_error *err, bpe *out) {
  attn_text unknown = {NULL, 0};
  attn_status rc = attne_settings_text(s, err, &unknown, "$.model.unk_token");
  if (rc != ATTN_OK || !unknown.text) return rc;
  out->has_unknown = 1;
  attne_unknown_find(out->vocabulary, unknown, &out->unknown);
  return ATTN_OK;
}

static attn_status load_flags(const attn_settings *s, attn_error *err, bpe *out) {
  double dropout = 0;
  attn_status rc = attne_settings_bool(s, err, &out->fuse_unknown, "$.model.fuse_unk");
  if (rc == ATTN_OK) {
    rc = attne_settings_bool(s, err, &out->byte_fallback, "$.model.byte_fallback");
  }
  if (rc == ATTN_OK) {
    rc = attne_settings_bool(s, err, &out->ignore_merges, "$.model.ignore_merges");
  }
  if (rc == ATTN_OK) rc = attne_settings_real(s, err, &dropout, "$.model.dropout");
  if (rc == ATTN_OK && dropout != 0) {
    return attne_fail(
        err, ATTN_UNSUPPORTED,
        "tokenizer: $.model.dropout is %g, which makes tokens random and is not "
        "supported",
        dropout);
  }
  if (rc == ATTN_OK && out->byte_fallback && (out->n_prefix || out->n_suffix)) {
    return attne_fail(
        err, ATTN_UNSUPPORTED,
        "tokenizer: $.model has byte_fallback beside a prefix or a suffix, which "
        "is not supported");
  }
  return rc;
}

static void load_bytes(bpe *m) {
  for (int i = 0; i < 256; i++) {
    char name[8];
    snprintf(name, sizeof name, "<0x%02X>", (unsigned)i);
    m->byte[i] = find_token(m->vocabulary, (attn_text){"", 0}, (attn_text){name, 6});
  }
}

static attn_status load(void *model, const attn_settings *s,
                        const attne_vocabulary *vocabulary, const attn_vocab *vocab,
                        attn_error *err, uint64_t *max_char) {
  bpe *m = model;
  m->vocabulary = vocabulary;
  *max_char = UINT64_MAX;
  attn_status rc =
      load_affix(s, err, "$.model.continuing_subword_prefix", &m->prefix, &m->n_prefix);
  if (rc == ATTN_OK) {
    rc = load_affix(s, err, "$.model.end_of_word_suffix", &m->suffix, &m->n_suffix);
  }
  if (rc == ATTN_OK) rc = load_flags(s, err, m);
  if (rc == ATTN_OK) rc = load_unknown(s, err, m);
  if (rc != ATTN_OK) return rc;
  load_bytes(m);
  rc = load_merges(m, vocab, err);
  return rc == ATTN_OK ? find_whole(m, err) : rc;
}

static void free_model(void *model) {
  bpe *m = model;
  attne_release(m->merge);
  attne_release(m->slot);
  attne_release(m->is_whole);
  attne_release(m->prefix);
  attne_release(m->suffix);
}

static uint64_t memory(const void *model) {
  const bpe *m = model;
  if (!m->slot) return 0;
  return m->n_merge * sizeof *m->merge + (sizeof *m->slot << m->n_slot_log2) +
         m->vocabulary->n / 8 + 1 + m->n_prefix + m->n_suffix;
}

const attne_word_model attne_bpe = {"BPE", sizeof(bpe), load, split, free_model, memory};
