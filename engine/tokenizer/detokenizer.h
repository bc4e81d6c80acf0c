/*
** detokenizer.h - from tokens back to text: the decoders of Hugging Face tokenizers.
**
** A decoder is a list of steps, each of which makes pieces of text from pieces of text;
** in the end they are joined.
*/
#ifndef ATTN_DETOKENIZER_H
#define ATTN_DETOKENIZER_H

#include "../base/settings.h"

enum { ATTN_MAX_DECODER_STEP = 16 };

typedef struct attn_detokenizer_step {
  int type;
  char *from, *to; /* texts of the step's */
  size_t n_from, n_to;
  int64_t start, stop;
  int flag;
} attn_detokenizer_step;

typedef struct attn_detokenizer {
  attn_detokenizer_step step[ATTN_MAX_DECODER_STEP];
  unsigned n_step;
  attn_status status; /* not ATTN_OK where the settings have something that is not here; */
  attn_error err;     /* then it matters to those alone who decode */
} attn_detokenizer;

/* Reads $.decoder: null, ByteLevel, WordPiece, BPEDecoder, Metaspace, Replace (of a
** text), Strip, Fuse, ByteFallback, or a Sequence of them.  Only ATTN_NOMEM is a
** failure. */
attn_status attn_detokenizer_load(const attn_settings *settings, attn_detokenizer *out);
void attn_detokenizer_free(attn_detokenizer *decoder);

/* Pieces of text, one behind the other.  Start with all zero. */
typedef struct attn_pieces {
  attn_buffer text;
  size_t *end;
  size_t n, n_alloc;
} attn_pieces;

/* Ends a piece that was written to pieces->text. */
attn_status attn_pieces_end(attn_pieces *pieces);
void attn_pieces_free(attn_pieces *pieces);

/* Decodes tokens.  They are changed. */
attn_status attn_detokenizer_run(const attn_detokenizer *decoder, attn_pieces *tokens,
                                 attn_error *err, attn_buffer *out);

#endif
