/*
** wordpiece.c - WordPiece (Schuster and Nakajima 2012; Devlin et al. 2019).
**
** A word becomes the longest token that it starts with, then the longest one,
** written with the prefix "##", that the rest starts with, and so on.  If that
** finds nothing somewhere, or the word is too long, all of it is one unknown
** token.
*/
#include "word_model.h"

typedef struct wordpiece {
  const attne_vocabulary *vocabulary;
  char *prefix; /* "##" */
  size_t n_prefix;
  uint64_t prefix_hash;
  attne_unknown unknown;
  uint64_t max_char; /* of a word */
} wordpiece;

static attn_status load(void *model, const attn_settings *s,
                        const attne_vocabulary *vocabulary, const attn_vocab *vocab,
                        attn_error *err, uint64_t *max_char) {
  wordpiece *m = model;
  attn_text unknown = {"[UNK]", 5}, prefix = {"##", 2};
  int64_t max = 100;
  (void)vocab;
  m->vocabulary = vocabulary;
  attn_status rc = attne_settings_text(s, err, &unknown, "$.model.unk_token");
  if (rc == ATTN_OK) {
    rc = attne_settings_text(s, err, &prefix, "$.model.continuing_subword_prefix");
  }
  if (rc == ATTN_OK) {
    rc = attne_settings_integer(s, err, 0, INT64_MAX, &max,
                                "$.model.max_input_chars_per_word");
  }
  if (rc != ATTN_OK) return rc;
  *max_char = m->max_char = (uint64_t)max;
  attne_unknown_find(vocabulary, unknown, &m->unknown);
  m->prefix = attne_alloc(prefix.n_text);
  if (!m->prefix) return attne_no_memory(err);
  memcpy(m->prefix, prefix.text, prefix.n_text);
  m->n_prefix = prefix.n_text;
  m->prefix_hash = attne_hash(ATTNE_HASH_EMPTY, prefix.text, prefix.n_text);
  return ATTN_OK;
}

static void free_prefix(void *model) {
  attne_release(((wordpiece *)model)->prefix);
}

static uint64_t memory(const void *model) {
  return ((const wordpiece *)model)->n_prefix;
}

/* The longest token that the word has at byte `start`; its end, or `start`. */
static size_t longest(const wordpiece *m, attne_word *word, size_t start, int32_t *id) {
  attn_text prefix = {m->prefix, start > 0 ? m->n_prefix : 0};
  uint64_t hash = start > 0 ? m->prefix_hash : ATTNE_HASH_EMPTY;
  size_t end = word->n;
  if (end - start > m->vocabulary->longest) end = start + m->vocabulary->longest;
  for (size_t i = start; i < end; i++) {
    word->hash[i] = hash = attne_hash_add(hash, word->text[i]);
  }
  for (; end > start; end--) {
    if (end < word->n && (word->text[end] & 0xC0) == 0x80)
      continue; /* inside a character */
    attn_text text = {word->text + start, end - start};
    *id = attne_vocabulary_find(m->vocabulary, word->hash[end - 1], prefix, text);
    if (*id >= 0) return end;
  }
  return start;
}

static attn_status split(const void *model, attne_word *word, attn_error *err,
                         attn_tokens *out) {
  const wordpiece *m = model;
  size_t n_before = out->n;
  if (word->n_char > m->max_char) return attne_unknown_add(&m->unknown, word, err, out);
  for (size_t start = 0; start < word->n;) {
    int32_t id;
    size_t end = longest(m, word, start, &id);
    if (end == start) {
      out->n = n_before;
      return attne_unknown_add(&m->unknown, word, err, out);
    }
    attne_span at = {word->at[start].start, word->at[end - 1].end};
    attn_status rc = attne_tokens_add(out, id, at);
    if (rc != ATTN_OK) return rc;
    start = end;
  }
  return ATTN_OK;
}

const attne_word_model attne_wordpiece = {"WordPiece", sizeof(wordpiece), load,
                                          split,       free_prefix,       memory};
