/*
** generation.h - what a configuration says of how to generate.
*/
#ifndef ATTNE_GENERATE_H
#define ATTNE_GENERATE_H

#include "../base/base.h"

enum { ATTNE_MAX_IDS = 32, ATTNE_MAX_NEW_TOKENS = 1 << 24 };

/* A short list of token ids. */
typedef struct attne_id_list {
  int32_t id[ATTNE_MAX_IDS];
  uint32_t n;
} attne_id_list;

/* -1 where there is none. */
typedef struct attne_generation {
  int32_t bos, decoder_start;
  int32_t forced_bos, forced_eos; /* the first token, and the last that is possible */
  attne_id_list eos;
  attne_id_list suppressed; /* never generated */
  uint32_t max_tokens;      /* 0: nothing is said */
} attne_generation;

/* Reads the ids at `path`: one id, an array of ids, or null.  With `sequences` the
** elements are arrays; an array of several ids is left out, since nothing suppresses a
** sequence. */
attn_status attne_generation_ids(const attn_settings *settings, const char *path,
                                 int sequences, attn_error *err, attne_id_list *out);

/* From generation_config.json, else from config.json. */
attn_status attne_generation_configure(const attn_settings *settings, attn_error *err,
                                       attne_generation *out);

#endif
