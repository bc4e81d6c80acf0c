/*
** unknown.c - the token for words that are not in the vocabulary.
*/
#include "word_model.h"
#include <stdio.h>

void attne_unknown_find(const attne_vocabulary *vocabulary, attn_text token,
                        attne_unknown *out) {
  out->id = attne_vocabulary_find(vocabulary,
                                  attne_hash(ATTNE_HASH_EMPTY, token.text, token.n_text),
                                  (attn_text){"", 0}, token);
  snprintf(out->name, sizeof out->name, "%.*s",
           attne_text_cut(token, sizeof out->name - 1), token.text);
}

attn_status attne_unknown_add(const attne_unknown *unknown, const attne_word *word,
                              attn_error *err, attn_tokens *out) {
  if (unknown->id < 0) {
    return attne_fail(
        err, ATTN_INVALID,
        "tokenizer: neither a word of the text nor the unknown token '%s' is in "
        "the vocabulary",
        unknown->name);
  }
  return attne_tokens_add(out, unknown->id, word->whole);
}
