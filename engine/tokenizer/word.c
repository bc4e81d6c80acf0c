/*
** word.c - a word on its way from the pre-tokenizer to the model, and the list of
** tokens that comes out.
*/
#include "word.h"

static attn_status grow(attn_word *word) {
  size_t n = word->n_alloc ? 2 * word->n_alloc : 128;
  char *text = attn_resize(word->text, n);
  if (text) word->text = text;
  attn_span *at = text ? attn_resize(word->at, n * sizeof *at) : NULL;
  if (at) word->at = at;
  uint64_t *hash = at ? attn_resize(word->hash, n * sizeof *hash) : NULL;
  if (!hash) return ATTN_NOMEM;
  word->hash = hash;
  word->n_alloc = n;
  return ATTN_OK;
}

attn_status attn_word_add(attn_word *word, uint32_t c, attn_span at) {
  if (word->n_char < word->max_char) {
    if (word->n_alloc - word->n < 4) {
      attn_status rc = grow(word);
      if (rc != ATTN_OK) return rc;
    }
    unsigned n = attn_utf8_encode(c, word->text + word->n);
    for (unsigned i = 0; i < n; i++) word->at[word->n++] = at;
  }
  if (word->n_char++ == 0) word->whole.start = at.start;
  word->whole.end = at.end;
  return ATTN_OK;
}

void *attn_word_room(attn_word *word, size_t n) {
  if (n <= word->n_room) return word->room;
  void *room = attn_alloc(2 * (uint64_t)n);
  if (!room) return NULL;
  attn_release(word->room);
  word->room = room;
  word->n_room = 2 * n;
  return room;
}

void attn_word_free(attn_word *word) {
  attn_release(word->text);
  attn_release(word->at);
  attn_release(word->hash);
  attn_release(word->room);
}

attn_status attn_tokens_add(attn_tokens *tokens, int32_t id, attn_span at) {
  if (tokens->n == tokens->n_alloc) {
    size_t n = tokens->n_alloc ? 2 * tokens->n_alloc : 64;
    attn_token *token = attn_resize(tokens->token, n * sizeof *token);
    if (!token) return ATTN_NOMEM;
    tokens->token = token;
    tokens->n_alloc = n;
  }
  tokens->token[tokens->n++] = (attn_token){.id = id, .start = at.start, .end = at.end};
  return ATTN_OK;
}
