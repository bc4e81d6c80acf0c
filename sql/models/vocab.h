/*
** vocab.h - a folder's tokenizer: its settings, its vocabulary and its merges.
*/
#ifndef ATTN_VOCAB_H
#define ATTN_VOCAB_H

#include "../sql.h"

/* The large parts of a tokenizer, as attn_tokenizer.data has them (see vocab.c). */
enum { ATTN_PART_VOCAB, ATTN_PART_MERGES, ATTN_N_PART };

typedef struct attn_parts {
  char *data[ATTN_N_PART]; /* from sqlite3_malloc; NULL: there is none */
  sqlite3_int64 n[ATTN_N_PART];
} attn_parts;

extern const char *const attn_part_names[ATTN_N_PART]; /* attn_tokenizer.part */

void attn_parts_free(attn_parts *parts);

typedef struct attn_vocab_request {
  sqlite3 *db;
  const char *folder;           /* where vocab.txt would be */
  const char *config;           /* config.json: JSON */
  const char *tokenizer_config; /* JSON or NULL */
  const char *sentence;         /* sentence_bert_config.json or NULL */
} attn_vocab_request;

/* *tokenizer: tokenizer.json, or NULL where there is none; replaced by the same
** without its large parts, which are *parts. */
int attn_vocab_read(const attn_vocab_request *request, char **tokenizer, char **error,
                    attn_parts *parts);

/* The parts as the engine wants them; its texts are borrowed from them.  `model` is for
** the error. */
int attn_vocab_parse(const attn_parts *parts, const char *model, char **error,
                     attn_vocab *out);
/* Appends a text to the blob of a part that is being made, and takes it into the parts. */
void attn_vocab_append(sqlite3_str *blob, const char *text, uint32_t n);
int attn_vocab_finish(sqlite3_str *blob, int part, attn_parts *parts);

void attn_vocab_free(attn_vocab *vocab);

/* The other way: a vocabulary, with merges or without, as parts. */
int attn_vocab_write(sqlite3 *db, const attn_vocab *vocab, int has_merges, attn_parts *out);

#endif
