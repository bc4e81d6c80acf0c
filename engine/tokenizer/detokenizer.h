/*
** detokenizer.h - from tokens back to text: the decoders of Hugging Face tokenizers.
**
** A decoder is a list of steps, each of which makes pieces of text from pieces of text;
** in the end they are joined.
*/
#ifndef ATTNE_DETOKENIZER_H
#define ATTNE_DETOKENIZER_H

#include "../base/settings.h"

enum { ATTNE_MAX_DECODER_STEP = 16 };

typedef struct attne_detokenizer_step {
  int type;
  char *from, *to; /* texts of the step's */
  size_t n_from, n_to;
  int64_t start, stop;
  int flag;
} attne_detokenizer_step;

typedef struct attne_detokenizer {
  attne_detokenizer_step step[ATTNE_MAX_DECODER_STEP];
  unsigned n_step;
  attn_status
      status;     /* not ATTN_OK where the settings have something that is not here; */
  attn_error err; /* then it matters to those alone who decode */
} attne_detokenizer;

/* Reads $.decoder: null, ByteLevel, WordPiece, BPEDecoder, Metaspace, Replace (of a
** text), Strip, Fuse, ByteFallback, or a Sequence of them.  Only ATTN_NOMEM is a
** failure. */
attn_status attne_detokenizer_load(const attn_settings *settings, attne_detokenizer *out);
void attne_detokenizer_free(attne_detokenizer *decoder);

/* Pieces of text, one behind the other.  Start with all zero. */
typedef struct attne_pieces {
  attn_buffer text;
  size_t *end;
  size_t n, n_alloc;
} attne_pieces;

/* Ends a piece that was written to pieces->text. */
attn_status attne_pieces_end(attne_pieces *pieces);
void attne_pieces_free(attne_pieces *pieces);

/* Decodes tokens.  They are changed. */
attn_status attne_detokenizer_run(const attne_detokenizer *decoder, attne_pieces *tokens,
                                  attn_error *err, attn_buffer *out);

#endif
