/*
** vocab.h - a folder's tokenizer: its settings and its vocabulary.
*/
#ifndef ATTN_VOCAB_H
#define ATTN_VOCAB_H

#include "sql.h"

typedef struct attn_vocab_request {
  sqlite3 *db;
  const char *folder;           /* where vocab.txt would be */
  const char *tokenizer_config; /* JSON or NULL */
  const char *sentence;         /* sentence_bert_config.json or NULL */
} attn_vocab_request;

/* *tokenizer: tokenizer.json, or NULL where there is none; replaced by the same
** without its vocabulary.  *vocab[n]: the blob of attn_tokenizer (see store.c). */
int attn_vocab_read(const attn_vocab_request *request, char **tokenizer, char **error,
                    char **vocab, sqlite3_int64 *n);

/* The blob as the engine wants it; its tokens are borrowed from the blob.  `model`
** is for the error. */
int attn_vocab_parse(const unsigned char *data, sqlite3_int64 n_data, const char *model,
                     char **error, attn_vocab *out);
/* Appends a token to a blob that is being made. */
void attn_vocab_append(sqlite3_str *blob, const char *token, uint32_t n);

void attn_vocab_free(attn_vocab *vocab);

#endif
