/*
** vocab.h - a folder's tokenizer: its settings, its vocabulary and its merges.
*/
#ifndef ATTNS_VOCAB_H
#define ATTNS_VOCAB_H

#include "../sql.h"

/* The large parts of a tokenizer, as attn_tokenizer.data has them (see vocab.c). */
enum { ATTNS_PART_VOCAB, ATTNS_PART_MERGES, ATTNS_N_PART };

typedef struct attns_parts {
  char *data[ATTNS_N_PART]; /* from sqlite3_malloc; NULL: there is none */
  sqlite3_int64 n[ATTNS_N_PART];
} attns_parts;

extern const char *const attns_part_names[ATTNS_N_PART]; /* attn_tokenizer.part */

void attns_parts_free(attns_parts *parts);

typedef struct attns_vocab_request {
  sqlite3 *db;
  const char *folder;           /* where vocab.txt would be */
  const char *config;           /* config.json: JSON */
  const char *tokenizer_config; /* JSON or NULL */
  const char *sentence;         /* sentence_bert_config.json or NULL */
} attns_vocab_request;

/* *tokenizer: tokenizer.json, or NULL where there is none; replaced by the same
** without its large parts, which are *parts. */
int attns_vocab_read(const attns_vocab_request *request, char **tokenizer, char **error,
                     attns_parts *parts);

/* The parts as the engine wants them; its texts are borrowed from them.  `model` is for
** the error. */
int attns_vocab_parse(const attns_parts *parts, const char *model, char **error,
                      attn_vocab *out);
/* Appends a text to the blob of a part that is being made, and takes it into the parts.
*/
void attns_vocab_append(sqlite3_str *blob, const char *text, uint32_t n);
int attns_vocab_finish(sqlite3_str *blob, int part, attns_parts *parts);

void attns_vocab_free(attn_vocab *vocab);

/* The other way: a vocabulary, with merges or without, as parts. */
int attns_vocab_write(sqlite3 *db, const attn_vocab *vocab, int has_merges,
                      attns_parts *out);

#endif
