/*
** wordpiece.c - WordPiece.
*/
#include "wordpiece.h"
#include <stdio.h>

attn_status attn_wordpiece_load(const attn_settings *s, const attn_vocabulary *vocabulary,
                                attn_error *err, attn_wordpiece *out) {
  attn_text unknown = {"[UNK]", 5}, prefix = {"##", 2};
  int64_t max_char = 100;
  memset(out, 0, sizeof *out);
  out->vocabulary = vocabulary;
  attn_status rc = attn_settings_text(s, err, &unknown, "$.model.unk_token");
  if (rc == ATTN_OK) {
    rc = attn_settings_text(s, err, &prefix, "$.model.continuing_subword_prefix");
  }
  if (rc == ATTN_OK) {
    rc = attn_settings_integer(s, err, 0, INT64_MAX, &max_char,
                               "$.model.max_input_chars_per_word");
  }
  if (rc != ATTN_OK) return rc;
  out->max_char = (uint64_t)max_char;
  out->unknown = attn_vocabulary_find(
      vocabulary, attn_hash(ATTN_HASH_EMPTY, unknown.text, unknown.n_text),
      (attn_text){"", 0}, unknown);
  snprintf(out->unknown_name, sizeof out->unknown_name, "%.*s",
           attn_text_cut(unknown, sizeof out->unknown_name - 1), unknown.text);
  out->prefix = attn_alloc(prefix.n_text);
  if (!out->prefix) return attn_no_memory(err);
  memcpy(out->prefix, prefix.text, prefix.n_text);
  out->n_prefix = prefix.n_text;
  out->prefix_hash = attn_hash(ATTN_HASH_EMPTY, prefix.text, prefix.n_text);
  return ATTN_OK;
}

void attn_wordpiece_free(attn_wordpiece *model) {
  attn_release(model->prefix);
}

/* The longest token that the word has at byte `start`; its end, or `start`. */
static size_t longest(const attn_wordpiece *model, attn_word *word, size_t start,
                      int32_t *id) {
  attn_text prefix = {model->prefix, start > 0 ? model->n_prefix : 0};
  uint64_t hash = start > 0 ? model->prefix_hash : ATTN_HASH_EMPTY;
  size_t end = word->n;
  if (end - start > model->vocabulary->longest) end = start + model->vocabulary->longest;
  for (size_t i = start; i < end; i++) {
    word->hash[i] = hash = attn_hash_add(hash, word->text[i]);
  }
  for (; end > start; end--) {
    if (end < word->n && (word->text[end] & 0xC0) == 0x80)
      continue; /* inside a character */
    attn_text text = {word->text + start, end - start};
    *id = attn_vocabulary_find(model->vocabulary, word->hash[end - 1], prefix, text);
    if (*id >= 0) return end;
  }
  return start;
}

static attn_status unknown(const attn_wordpiece *model, const attn_word *word,
                           attn_error *err, attn_tokens *out) {
  if (model->unknown < 0) {
    return attn_fail(
        err, ATTN_INVALID,
        "tokenizer: neither a word of the text nor the unknown token '%s' is in "
        "the vocabulary",
        model->unknown_name);
  }
  return attn_tokens_add(out, model->unknown, word->whole);
}

attn_status attn_wordpiece_split(const attn_wordpiece *model, attn_word *word,
                                 attn_error *err, attn_tokens *out) {
  size_t n_before = out->n;
  if (word->n_char > model->max_char) return unknown(model, word, err, out);
  for (size_t start = 0; start < word->n;) {
    int32_t id;
    size_t end = longest(model, word, start, &id);
    if (end == start) {
      out->n = n_before;
      return unknown(model, word, err, out);
    }
    attn_span at = {word->at[start].start, word->at[end - 1].end};
    attn_status rc = attn_tokens_add(out, id, at);
    if (rc != ATTN_OK) return rc;
    start = end;
  }
  return ATTN_OK;
}
