/*
** trainer.h - training a model on texts: what all kinds of training have in common.
**
** A run of a kind goes through these steps, and whoever drives it (sql/train/train.c) calls
** them in this order:
**
**   new       the options, checked
**   add       each text of the corpus
**   prepare   the vocabulary, the first weights
**   seek      after the blocks of its state have been filled, to go on where a run of the
**             same options and corpus stood
**   step      again and again until progress says that all are done; each takes a few
**             milliseconds to a few seconds
**   result    the tensors of the model and its configuration
**
** Between two steps the state of a run is the number of steps done and the floats of its
** blocks, nothing else: whatever is random in step i comes from the seed and i.  That is
** why a run that was interrupted ends with the same bits as one that was not.
**
** How to add a kind: write engine/train/KIND.c with a struct that begins with
** attn_trainer and a row of attn_train_kind, and list the row in train.c.  Options are
** the row's data: name, range, default.  All memory is freed by `clear`, which copes with
** a struct of which nothing or half is made.  No step may take longer than a person
** wants to wait for an interrupt, or it asks trainer->stop itself.
*/
#include "../attn.h"

#ifndef ATTN_TRAIN_H
#define ATTN_TRAIN_H

typedef enum attn_option_type {
  ATTN_OPTION_INTEGER,
  ATTN_OPTION_REAL,
  ATTN_OPTION_BOOL
} attn_option_type;

typedef struct attn_train_option {
  const char *name;
  attn_option_type type;
  double value;    /* its default */
  double min, max; /* both included */
  int is_free;     /* 1: may change when a run is resumed */
} attn_train_option;

typedef struct attn_trainer attn_trainer;

/* Makes a run from options as JSON: an object whose $.kind is text (default "cbow") and
** whose other members are options of that kind, or of every run:
**   progress    seconds between two reports; 0: after every step
**   checkpoint  seconds after which the state is to be kept; 0: with every report
**   restart     an interrupted run of that name is forgotten */
attn_status attn_trainer_new(attn_settings *options, attn_error *err, attn_trainer **out);
void attn_trainer_free(attn_trainer *trainer);

/* The value of an option that every kind has: one of the above. */
double attn_trainer_option(const attn_trainer *trainer, const char *name);

/* The options that have to be the same when it is resumed, as JSON; $.kind first. */
attn_status attn_trainer_options(const attn_trainer *trainer, attn_error *err, char **out);

/* The configuration of the model as attn_model.config holds it, memory to be released.
** Its $.tokenizer is right from the beginning, and what cuts the texts into words. */
attn_status attn_trainer_config(const attn_trainer *trainer, attn_error *err, char **out);

/* `words` is borrowed until prepare. */
void attn_trainer_set_words(attn_trainer *trainer, const attn_tokenizer *words);
attn_status attn_trainer_add(attn_trainer *trainer, attn_text text, attn_error *err);
attn_status attn_trainer_prepare(attn_trainer *trainer, attn_error *err);

/* Names the corpus, as far as training depends on it. */
void attn_trainer_corpus(const attn_trainer *trainer, char sha256[65]);

typedef struct attn_train_progress {
  uint64_t step, n_step;   /* done; in all */
  uint32_t epoch, n_epoch; /* the one at work, from 1 */
  uint64_t n_word;         /* words of the corpus that were read, in all epochs so far */
  uint64_t n_word_all;     /* and that will be in all */
  double loss; /* mean of an example since it was last asked; negative: there was none */
  double learning_rate;
} attn_train_progress;

void attn_trainer_progress(attn_trainer *trainer, attn_train_progress *out);

/* Floats that make up the state; valid from prepare to result. */
typedef struct attn_train_block {
  const char *name;
  float *data;
  uint64_t n;
} attn_train_block;

enum { ATTN_TRAIN_BLOCKS = 8 };

int attn_trainer_blocks(const attn_trainer *trainer,
                        attn_train_block block[ATTN_TRAIN_BLOCKS]);

/* Steps done. */
uint64_t attn_trainer_step_number(const attn_trainer *trainer);

attn_status attn_trainer_seek(attn_trainer *trainer, uint64_t step, attn_error *err);

/* stop is asked between pieces of a step, by the calling thread.  A step that it ended
** is ATTN_INTERRUPTED, and the run can only be freed. */
attn_status attn_trainer_step(attn_trainer *trainer, int (*stop)(void *ctx), void *ctx,
                              attn_error *err);

/* The model, in the trainer's memory.  After it there are no more steps. */
typedef struct attn_train_result {
  const attn_tensor *tensor; /* F32, sorted by name */
  const float *const *data;
  size_t n_tensor;
  attn_text (*token)(const attn_trainer *trainer, uint32_t id);
  uint32_t n_token;
} attn_train_result;

attn_status attn_trainer_result(attn_trainer *trainer, attn_error *err,
                                attn_train_result *out);

/* --------------------------------------------------------------- for the kinds */

typedef struct attn_train_kind {
  const char *name;
  const attn_train_option *option;
  size_t n_option; /* at most ATTN_KIND_OPTIONS */
  size_t n_byte;   /* of its struct */
  attn_status (*config)(const attn_trainer *, attn_error *, char **out);
  attn_status (*add)(attn_trainer *, attn_text text, attn_error *);
  attn_status (*prepare)(attn_trainer *, attn_error *);
  void (*corpus)(const attn_trainer *, char sha256[65]);
  void (*progress)(attn_trainer *, attn_train_progress *);
  int (*blocks)(const attn_trainer *, attn_train_block *);
  attn_status (*seek)(attn_trainer *, uint64_t step, attn_error *);
  attn_status (*step)(attn_trainer *, attn_error *);
  attn_status (*result)(attn_trainer *, attn_error *, attn_train_result *);
  void (*clear)(attn_trainer *);
} attn_train_kind;

enum { ATTN_RUN_OPTIONS = 3, ATTN_KIND_OPTIONS = 32 };

struct attn_trainer {
  const attn_train_kind *kind;
  double run_value[ATTN_RUN_OPTIONS];
  double value[ATTN_KIND_OPTIONS]; /* of option i of the kind */
  const attn_tokenizer *words;
  uint64_t step; /* done, which `step` counts up */
  int (*stop)(void *ctx);
  void *stop_ctx;
};

extern const attn_train_kind attn_train_cbow, attn_train_encoder;

#endif
