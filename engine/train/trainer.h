/*
** trainer.h - what all kinds of training share inside the engine; attn.h has the steps of
** a run.
**
** How to add a kind: write engine/train/KIND.c with a struct that begins with
** attn_trainer and a row of attne_train_kind, and list the row in train.c.  Options are
** the row's data: name, range, default.  All memory is freed by `clear`, which copes with
** a struct of which nothing or half is made.  No step may take longer than a person
** wants to wait for an interrupt, or it asks trainer->stop itself.
*/
#ifndef ATTNE_TRAINER_H
#define ATTNE_TRAINER_H

#include "../attn.h"

typedef struct attne_train_kind {
  const char *name;
  const attn_train_option *option;
  size_t n_option; /* at most ATTNE_KIND_OPTIONS */
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
} attne_train_kind;

enum { ATTNE_RUN_OPTIONS = 3, ATTNE_KIND_OPTIONS = 32 };

struct attn_trainer {
  const attne_train_kind *kind;
  double run_value[ATTNE_RUN_OPTIONS];
  double value[ATTNE_KIND_OPTIONS]; /* of option i of the kind */
  const attn_tokenizer *words;
  uint64_t step; /* done, which `step` counts up */
  int (*stop)(void *ctx);
  void *stop_ctx;
};

extern const attne_train_kind attne_train_cbow, attne_train_encoder;

#endif
