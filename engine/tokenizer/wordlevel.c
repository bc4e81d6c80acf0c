/*
** wordlevel.c - WordLevel: a word is a token, or unknown.
*/
#include "word_model.h"

typedef struct wordlevel {
  const attne_vocabulary *vocabulary;
  attne_unknown unknown;
} wordlevel;

static attn_status load(void *model, const attn_settings *s,
                        const attne_vocabulary *vocabulary, const attn_vocab *vocab,
                        attn_error *err, uint64_t *max_char) {
  wordlevel *m = model;
  attn_text unknown = {"<unk>", 5};
  (void)vocab;
  m->vocabulary = vocabulary;
  *max_char = (uint64_t)vocabulary->longest + 1; /* more is no token in any case */
  attn_status rc = attne_settings_text(s, err, &unknown, "$.model.unk_token");
  if (rc == ATTN_OK) attne_unknown_find(vocabulary, unknown, &m->unknown);
  return rc;
}

static attn_status split(const void *model, attne_word *word, attn_error *err,
                         attn_tokens *out) {
  const wordlevel *m = model;
  int32_t id = -1;
  if (word->n_char <= m->vocabulary->longest) {
    id = attne_vocabulary_find(m->vocabulary,
                               attne_hash(ATTNE_HASH_EMPTY, word->text, word->n),
                               (attn_text){"", 0}, (attn_text){word->text, word->n});
  }
  if (id < 0) return attne_unknown_add(&m->unknown, word, err, out);
  return attne_tokens_add(out, id, word->whole);
}

static void free_nothing(void *model) {
  (void)model;
}

static uint64_t no_memory(const void *model) {
  (void)model;
  return 0;
}

const attne_word_model attne_wordlevel = {"WordLevel", sizeof(wordlevel), load,
                                          split,       free_nothing,      no_memory};
