/*
** vocab_trainer.h - learning the vocabulary of a tokenizer from texts, as Hugging Face's
** BpeTrainer and WordPieceTrainer do.
*/
#ifndef ATTN_TRAIN_VOCAB_H
#define ATTN_TRAIN_VOCAB_H

/* Included by attn.h. */

typedef struct attn_vocab_options {
  uint32_t vocab_size;       /* tokens at most, special ones and characters included */
  uint64_t min_frequency;    /* of a pair, to be merged */
  const attn_text *special;  /* the first tokens */
  size_t n_special;
  uint32_t limit_alphabet;   /* characters at most; UINT32_MAX: all that there are */
  attn_text alphabet;        /* characters that are kept first, seen or not */
  attn_text prefix, suffix;  /* of a character that is not a word's first; that is its last */
  uint64_t max_token_length; /* characters of a token; 0: no limit */
} attn_vocab_options;

/* A run: new, add the words of every text, learn, result.  Options are borrowed. */
typedef struct attn_vocab_trainer attn_vocab_trainer;

attn_status attn_vocab_trainer_new(const attn_vocab_options *options, attn_error *err,
                                   attn_vocab_trainer **out);
void attn_vocab_trainer_free(attn_vocab_trainer *trainer);

/* Counts the words of a text; `words` has the normalizer and the pre-tokenizer that cut
** it, and any model. */
attn_status attn_vocab_trainer_add(attn_vocab_trainer *trainer,
                                   const attn_tokenizer *words, attn_text text,
                                   attn_error *err);

/* stop is asked now and then by the calling thread; non-zero: ATTN_INTERRUPTED.  A
** vocab_size that special tokens and characters fill already is ATTN_INVALID, and so are
** texts in which there is no word. */
attn_status attn_vocab_trainer_learn(attn_vocab_trainer *trainer, int (*stop)(void *ctx),
                                     void *ctx, attn_error *err);

/* What was learned, valid as long as the trainer: tokens by id and the merges. */
attn_status attn_vocab_trainer_result(attn_vocab_trainer *trainer, attn_error *err,
                                      attn_vocab *out);

#endif
