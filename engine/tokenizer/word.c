/*
** word.c - a word on its way from the pre-tokenizer to the model, and the list of
** tokens that comes out.
*/
#include "word.h"

static attn_status grow(attne_word *word) {
  size_t n = word->n_alloc ? 2 * word->n_alloc : 128;
  char *text = attne_resize(word->text, n);
  if (text) word->text = text;
  attne_span *at = text ? attne_resize(word->at, n * sizeof *at) : NULL;
  if (at) word->at = at;
  uint64_t *hash = at ? attne_resize(word->hash, n * sizeof *hash) : NULL;
  if (!hash) return ATTN_NOMEM;
  word->hash = hash;
  word->n_alloc = n;
  return ATTN_OK;
}

attn_status attne_word_add(attne_word *word, uint32_t c, attne_span at) {
  if (word->n_char < word->max_char) {
    if (word->n_alloc - word->n < 4) {
      attn_status rc = grow(word);
      if (rc != ATTN_OK) return rc;
    }
    unsigned n = attne_utf8_encode(c, word->text + word->n);
    for (unsigned i = 0; i < n; i++) word->at[word->n++] = at;
  }
  if (word->n_char++ == 0) word->whole.start = at.start;
  word->whole.end = at.end;
  return ATTN_OK;
}

void *attne_word_room(attne_word *word, size_t n) {
  if (n <= word->n_room) return word->room;
  void *room = attne_alloc(2 * (uint64_t)n);
  if (!room) return NULL;
  attne_release(word->room);
  word->room = room;
  word->n_room = 2 * n;
  return room;
}

void attne_word_free(attne_word *word) {
  attne_release(word->text);
  attne_release(word->at);
  attne_release(word->hash);
  attne_release(word->room);
}

attn_status attne_tokens_add(attn_tokens *tokens, int32_t id, attne_span at) {
  if (tokens->n == tokens->n_alloc) {
    size_t n = tokens->n_alloc ? 2 * tokens->n_alloc : 64;
    attn_token *token = attne_resize(tokens->token, n * sizeof *token);
    if (!token) return ATTN_NOMEM;
    tokens->token = token;
    tokens->n_alloc = n;
  }
  tokens->token[tokens->n++] = (attn_token){.id = id, .start = at.start, .end = at.end};
  return ATTN_OK;
}
