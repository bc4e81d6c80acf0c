/*
** model.h - what a loaded model is made of.
*/
#ifndef ATTN_MODEL_H
#define ATTN_MODEL_H

#include "generate.h"
#include "weights.h"

struct attn_model {
  attn_model_info info;
  attn_graph graph;
  attn_generation generation;
  attn_weights weights;
  attn_tokenizer *tokenizer; /* or NULL */
  char *prompt[ATTN_N_PROMPT]; /* NULL: empty */
  size_t n_prompt[ATTN_N_PROMPT];
  uint64_t n_byte;

  /* the list of published models, under its lock */
  char *key; /* NULL: not published */
  uint32_t n_user;
  attn_model *next;
};

#endif
