/*
** unknown.c - the token for words that are not in the vocabulary.
*/
#include "word_model.h"
#include <stdio.h>

void attn_unknown_find(const attn_vocabulary *vocabulary, attn_text token,
                       attn_unknown *out) {
  out->id = attn_vocabulary_find(vocabulary,
                                 attn_hash(ATTN_HASH_EMPTY, token.text, token.n_text),
                                 (attn_text){"", 0}, token);
  snprintf(out->name, sizeof out->name, "%.*s",
           attn_text_cut(token, sizeof out->name - 1), token.text);
}

attn_status attn_unknown_add(const attn_unknown *unknown, const attn_word *word,
                             attn_error *err, attn_tokens *out) {
  if (unknown->id < 0) {
    return attn_fail(
        err, ATTN_INVALID,
        "tokenizer: neither a word of the text nor the unknown token '%s' is in "
        "the vocabulary",
        unknown->name);
  }
  return attn_tokens_add(out, unknown->id, word->whole);
}
