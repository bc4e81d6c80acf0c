/*
** model.h - what a loaded model is made of.
*/
#ifndef ATTNE_MODEL_H
#define ATTNE_MODEL_H

#include "generation.h"
#include "weights.h"

enum { ATTNE_N_ORIGIN = 64 };

struct attn_model {
  attn_model_info info;
  attne_graph graph;
  attne_generation generation;
  attne_weight_block weights;
  attn_tokenizer *tokenizer;   /* or NULL */
  int32_t mask;                /* its token for a hidden word, or -1 */
  char *prompt[ATTN_N_PROMPT]; /* NULL: empty */
  size_t n_prompt[ATTN_N_PROMPT];
  uint64_t n_byte, n_tokenizer; /* memory, of it the tokenizer's */

  /* the list of published models, under its lock */
  char *key; /* NULL: not published */
  char *words;
  char *origin[ATTNE_N_ORIGIN]; /* the latest that it came from, in a ring */
  uint32_t n_origin, n_user;
  attn_model *next;
};

/* Does what attn_model_check does, and marks with 1 the tensors that may be stored as
** int8; the others with 0: mark[n_tensor], or NULL. */
attn_status attne_model_mark_int8(attn_settings *settings, const attn_source *source,
                                  attn_error *err, unsigned char *mark,
                                  attn_precision *precision);

/* Does what attn_model_load does.  Where linear[n_tensor] is not NULL, it is set to those
** that tensors which may be stored as int8 are part of. */
attn_status attne_model_load_linears(attn_settings *settings, attn_tokenizer *tokenizer,
                                     const attn_source *source, attne_linear **linear,
                                     attn_error *err, attn_model **out);

#endif
