/*
** detokenizer.c - from tokens back to text.
**
**   ByteLevel     the bytes that the characters stand for; what is no UTF-8 is U+FFFD
**   WordPiece     a blank before each token but those with the prefix, which lose it;
**                 `cleanup` takes blanks away before punctuation and English endings
**   BPEDecoder    the suffix of each token becomes a blank
**   Metaspace     U+2581 becomes a blank, or at the beginning nothing
**   Replace       one text becomes another
**   Strip         takes a character away from the ends of each token
**   Fuse          all tokens become one
**   ByteFallback  tokens like <0x0A> become the bytes that they name
*/
#include "detokenizer.h"
#include "byte_level.h"
#include "component.h"
#include <stdio.h>

enum { BYTE_LEVEL, WORDPIECE, BPE, METASPACE, REPLACE, STRIP, FUSE, BYTE_FALLBACK };

/* -------------------------------------------------------------------------- pieces */

attn_status attne_pieces_end(attne_pieces *p) {
  if (p->n == p->n_alloc) {
    size_t n = p->n_alloc ? 2 * p->n_alloc : 64;
    size_t *end = attne_resize(p->end, n * sizeof *end);
    if (!end) return ATTN_NOMEM;
    p->end = end;
    p->n_alloc = n;
  }
  p->end[p->n++] = p->text.n;
  return ATTN_OK;
}

void attne_pieces_free(attne_pieces *p) {
  attn_buffer_free(&p->text);
  attne_release(p->end);
  *p = (attne_pieces){0};
}

static attn_text piece(const attne_pieces *p, size_t i) {
  size_t begin = i ? p->end[i - 1] : 0;
  if (!p->text.text) return (attn_text){"", 0}; /* no piece has a text */
  return (attn_text){p->text.text + begin, p->end[i] - begin};
}

static attn_status add_char(attn_buffer *out, uint32_t c) {
  char text[4];
  return attne_buffer_add(out, text, attne_utf8_encode(c, text));
}

static int begins_with(attn_text text, const char *what, size_t n) {
  return n <= text.n_text && memcmp(text.text, what, n) == 0;
}

/* Appends a text in which each `from` is a `to`. */
static attn_status add_replaced(attn_buffer *out, attn_text text, attn_text from,
                                attn_text to) {
  attn_status rc = ATTN_OK;
  while (rc == ATTN_OK && text.n_text) {
    int is_there = begins_with(text, from.text, from.n_text);
    size_t n = is_there ? from.n_text : 1;
    rc = is_there ? attne_buffer_add(out, to.text, to.n_text)
                  : attne_buffer_add(out, text.text, 1);
    text.text += n;
    text.n_text -= n;
  }
  return rc;
}

/* ------------------------------------------------------------------------- the steps */

/* A token with a character that stands for no byte is taken as it is. */
static attn_status add_bytes(attn_buffer *out, attn_text token) {
  size_t n_before = out->n;
  for (size_t i = 0; i < token.n_text;) {
    uint32_t c;
    i += attne_utf8_decode(token.text + i, token.n_text - i, &c);
    int byte = attne_char_byte(c);
    if (byte < 0) {
      out->n = n_before;
      return attne_buffer_add(out, token.text, token.n_text);
    }
    char text = (char)byte;
    attn_status rc = attne_buffer_add(out, &text, 1);
    if (rc != ATTN_OK) return rc;
  }
  return ATTN_OK;
}

static attn_status add_lossy(attn_buffer *out, attn_text bytes) {
  attn_status rc = ATTN_OK;
  for (size_t i = 0; rc == ATTN_OK && i < bytes.n_text;) {
    uint32_t c;
    i += attne_utf8_decode(bytes.text + i, bytes.n_text - i, &c);
    rc = add_char(out, c);
  }
  return rc;
}

static attn_status decode_byte_level(const attne_detokenizer_step *step,
                                     const attne_pieces *in, attne_pieces *out) {
  attn_buffer bytes = {0};
  attn_status rc = ATTN_OK;
  (void)step;
  for (size_t i = 0; rc == ATTN_OK && i < in->n; i++)
    rc = add_bytes(&bytes, piece(in, i));
  if (rc == ATTN_OK) rc = add_lossy(&out->text, (attn_text){bytes.text, bytes.n});
  attn_buffer_free(&bytes);
  return rc == ATTN_OK ? attne_pieces_end(out) : rc;
}

/* Replaces in out->text from `begin` on; `to` is not longer than `from`. */
static void replace_within(attn_buffer *out, size_t begin, const char *from,
                           const char *to) {
  size_t n_from = strlen(from), n_to = strlen(to), n = begin;
  for (size_t i = begin; i < out->n;) {
    if (begins_with((attn_text){out->text + i, out->n - i}, from, n_from)) {
      memcpy(out->text + n, to, n_to);
      n += n_to;
      i += n_from;
    } else {
      out->text[n++] = out->text[i++];
    }
  }
  out->n = n;
}

static attn_status decode_wordpiece(const attne_detokenizer_step *step,
                                    const attne_pieces *in, attne_pieces *out) {
  static const char *const cleanup[][2] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  attn_status rc = ATTN_OK;
  for (size_t i = 0; rc == ATTN_OK && i < in->n; i++) {
    attn_text token = piece(in, i);
    size_t begin = out->text.n;
    if (i > 0 && begins_with(token, step->from, step->n_from)) {
      token.text += step->n_from;
      token.n_text -= step->n_from;
    } else if (i > 0) {
      rc = attne_buffer_add(&out->text, " ", 1);
    }
    if (rc == ATTN_OK) rc = attne_buffer_add(&out->text, token.text, token.n_text);
    for (size_t k = 0; step->flag && k < sizeof cleanup / sizeof *cleanup; k++) {
      replace_within(&out->text, begin, cleanup[k][0], cleanup[k][1]);
    }
    if (rc == ATTN_OK) rc = attne_pieces_end(out);
  }
  return rc;
}

static attn_status decode_bpe(const attne_detokenizer_step *step, const attne_pieces *in,
                              attne_pieces *out) {
  attn_status rc = ATTN_OK;
  for (size_t i = 0; rc == ATTN_OK && i < in->n; i++) {
    rc = add_replaced(&out->text, piece(in, i), (attn_text){step->from, step->n_from},
                      (attn_text){" ", i + 1 < in->n});
    if (rc == ATTN_OK) rc = attne_pieces_end(out);
  }
  return rc;
}

static attn_status decode_metaspace(const attne_detokenizer_step *step,
                                    const attne_pieces *in, attne_pieces *out) {
  attn_status rc = ATTN_OK;
  for (size_t i = 0; rc == ATTN_OK && i < in->n; i++) {
    rc = add_replaced(&out->text, piece(in, i), (attn_text){step->from, step->n_from},
                      (attn_text){" ", i > 0 || !step->flag});
    if (rc == ATTN_OK) rc = attne_pieces_end(out);
  }
  return rc;
}

static attn_status decode_replace(const attne_detokenizer_step *step,
                                  const attne_pieces *in, attne_pieces *out) {
  attn_status rc = ATTN_OK;
  for (size_t i = 0; rc == ATTN_OK && i < in->n; i++) {
    rc = add_replaced(&out->text, piece(in, i), (attn_text){step->from, step->n_from},
                      (attn_text){step->to, step->n_to});
    if (rc == ATTN_OK) rc = attne_pieces_end(out);
  }
  return rc;
}

static attn_status decode_strip(const attne_detokenizer_step *step,
                                const attne_pieces *in, attne_pieces *out) {
  attn_status rc = ATTN_OK;
  size_t n = step->n_from;
  for (size_t i = 0; rc == ATTN_OK && i < in->n; i++) {
    attn_text token = piece(in, i);
    for (int64_t k = 0; k < step->start && begins_with(token, step->from, n); k++) {
      token.text += n;
      token.n_text -= n;
    }
    for (int64_t k = 0; k < step->stop && token.n_text >= n; k++) {
      if (memcmp(token.text + token.n_text - n, step->from, n) != 0) break;
      token.n_text -= n;
    }
    rc = attne_buffer_add(&out->text, token.text, token.n_text);
    if (rc == ATTN_OK) rc = attne_pieces_end(out);
  }
  return rc;
}

static attn_status decode_fuse(const attne_detokenizer_step *step, const attne_pieces *in,
                               attne_pieces *out) {
  (void)step;
  attn_status rc = attne_buffer_add(&out->text, in->text.text, in->text.n);
  return rc == ATTN_OK ? attne_pieces_end(out) : rc;
}

/* The byte that a token names, or -1. */
static int named_byte(attn_text token) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  if (token.n_text != 6 || memcmp(token.text, "<0x", 3) != 0 || token.text[5] != '>') {
    return -1;
  }
  const char *high = memchr(digits, token.text[3], 32),
             *low = memchr(digits, token.text[4], 32);
  return high && low ? (int)((high - digits) % 16 * 16 + (low - digits) % 16) : -1;
}

static int is_utf8(attn_text bytes) {
  for (size_t i = 0; i < bytes.n_text;) {
    uint32_t c;
    unsigned n = attne_utf8_decode(bytes.text + i, bytes.n_text - i, &c);
    if (c == 0xFFFD && !begins_with((attn_text){bytes.text + i, n}, "\xEF\xBF\xBD", 3)) {
      return 0;
    }
    i += n;
  }
  return 1;
}

/* Bytes in a row become a text, or as many U+FFFD where they are no UTF-8. */
static attn_status end_bytes(attn_buffer *bytes, attne_pieces *out) {
  attn_text text = {bytes->text, bytes->n};
  attn_status rc = ATTN_OK;
  if (bytes->n == 0) return ATTN_OK;
  if (is_utf8(text)) {
    rc = attne_buffer_add(&out->text, text.text, text.n_text);
  } else {
    for (size_t i = 0; rc == ATTN_OK && i < text.n_text; i++) {
      rc = add_char(&out->text, 0xFFFD);
    }
  }
  bytes->n = 0;
  return rc == ATTN_OK ? attne_pieces_end(out) : rc;
}

static attn_status decode_byte_fallback(const attne_detokenizer_step *step,
                                        const attne_pieces *in, attne_pieces *out) {
  attn_buffer bytes = {0};
  attn_status rc = ATTN_OK;
  (void)step;
  for (size_t i = 0; rc == ATTN_OK && i < in->n; i++) {
    attn_text token = piece(in, i);
    int value = named_byte(token);
    char byte = (char)value;
    if (value >= 0) {
      rc = attne_buffer_add(&bytes, &byte, 1);
      continue;
    }
    rc = end_bytes(&bytes, out);
    if (rc == ATTN_OK) rc = attne_buffer_add(&out->text, token.text, token.n_text);
    if (rc == ATTN_OK) rc = attne_pieces_end(out);
  }
  if (rc == ATTN_OK) rc = end_bytes(&bytes, out);
  attn_buffer_free(&bytes);
  return rc;
}

static attn_status (*const decoders[])(const attne_detokenizer_step *,
                                       const attne_pieces *, attne_pieces *) = {
    [BYTE_LEVEL] = decode_byte_level,
    [WORDPIECE] = decode_wordpiece,
    [BPE] = decode_bpe,
    [METASPACE] = decode_metaspace,
    [REPLACE] = decode_replace,
    [STRIP] = decode_strip,
    [FUSE] = decode_fuse,
    [BYTE_FALLBACK] = decode_byte_fallback,
};

/* Without a decoder, blanks join the tokens. */
static attn_status join(const attne_pieces *in, int blanks, attn_buffer *out) {
  attn_status rc = ATTN_OK;
  if (!blanks) return attne_buffer_add(out, in->text.text, in->text.n);
  for (size_t i = 0; rc == ATTN_OK && i < in->n; i++) {
    attn_text token = piece(in, i);
    if (i) rc = attne_buffer_add(out, " ", 1);
    if (rc == ATTN_OK) rc = attne_buffer_add(out, token.text, token.n_text);
  }
  return rc;
}

attn_status attne_detokenizer_run(const attne_detokenizer *d, attne_pieces *tokens,
                                  attn_error *err, attn_buffer *out) {
  attne_pieces other = {0};
  if (d->status != ATTN_OK) return attne_fail(err, d->status, "%s", d->err.message);
  attn_status rc = ATTN_OK;
  for (unsigned i = 0; rc == ATTN_OK && i < d->n_step; i++) {
    other.text.n = other.n = 0;
    rc = decoders[d->step[i].type](&d->step[i], tokens, &other);
    attne_pieces swap = *tokens;
    *tokens = other;
    other = swap;
  }
  if (rc == ATTN_OK) rc = join(tokens, d->n_step == 0, out);
  attne_pieces_free(&other);
  return rc == ATTN_OK ? rc : attne_no_memory(err);
}

/* ------------------------------------------------------------------------- settings */

/* Copies a text of the settings; where `text` is none, it has to be there. */
static attn_status load_text(const attn_settings *s, attn_error *err, const char *path,
                             const char *key, attn_text text, char **out, size_t *n) {
  if (!text.text) {
    attn_status rc = attne_settings_require(s, err, "%s.%s", path, key);
    if (rc != ATTN_OK) return rc;
  }
  attn_status rc = attne_settings_text(s, err, &text, "%s.%s", path, key);
  if (rc != ATTN_OK) return rc;
  *out = attne_alloc(text.n_text);
  if (!*out) return attne_no_memory(err);
  memcpy(*out, text.text, text.n_text);
  *n = text.n_text;
  return ATTN_OK;
}

static attn_status require_text(attn_error *err, const char *path, const char *key,
                                size_t n) {
  return n ? ATTN_OK
           : attne_fail(err, ATTN_UNSUPPORTED,
                        "tokenizer: %.200s.%s is empty, which is not supported", path,
                        key);
}

static attn_status load_wordpiece(const attn_settings *s, attn_error *err,
                                  const char *path, attne_detokenizer_step *out) {
  out->flag = 1;
  attn_status rc =
      load_text(s, err, path, "prefix", (attn_text){"##", 2}, &out->from, &out->n_from);
  return rc == ATTN_OK ? attne_settings_bool(s, err, &out->flag, "%s.cleanup", path) : rc;
}

static attn_status load_bpe(const attn_settings *s, attn_error *err, const char *path,
                            attne_detokenizer_step *out) {
  attn_status rc =
      load_text(s, err, path, "suffix", (attn_text){"</w>", 4}, &out->from, &out->n_from);
  return rc == ATTN_OK ? require_text(err, path, "suffix", out->n_from) : rc;
}

static attn_status load_metaspace(const attn_settings *s, attn_error *err,
                                  const char *path, attne_detokenizer_step *out) {
  attn_text scheme = {"always", 6};
  int prefix_space = 1;
  attn_status rc = load_text(s, err, path, "replacement", (attn_text){"\xE2\x96\x81", 3},
                             &out->from, &out->n_from);
  if (rc == ATTN_OK) rc = require_text(err, path, "replacement", out->n_from);
  if (rc == ATTN_OK) rc = attne_settings_text(s, err, &scheme, "%s.prepend_scheme", path);
  if (rc == ATTN_OK) {
    rc = attne_settings_bool(s, err, &prefix_space, "%s.add_prefix_space", path);
  }
  out->flag = prefix_space && !attne_text_is(scheme, "never");
  return rc;
}

static attn_status load_replace(const attn_settings *s, attn_error *err, const char *path,
                                attne_detokenizer_step *out) {
  attn_text none = {NULL, 0};
  attn_status rc =
      load_text(s, err, path, "pattern.String", none, &out->from, &out->n_from);
  if (rc == ATTN_OK) rc = require_text(err, path, "pattern.String", out->n_from);
  return rc == ATTN_OK ? load_text(s, err, path, "content", none, &out->to, &out->n_to)
                       : rc;
}

static attn_status load_strip(const attn_settings *s, attn_error *err, const char *path,
                              attne_detokenizer_step *out) {
  attn_text none = {NULL, 0};
  attn_status rc = load_text(s, err, path, "content", none, &out->from, &out->n_from);
  if (rc == ATTN_OK) rc = require_text(err, path, "content", out->n_from);
  if (rc == ATTN_OK) {
    rc = attne_settings_integer(s, err, 0, INT64_MAX, &out->start, "%s.start", path);
  }
  return rc == ATTN_OK
             ? attne_settings_integer(s, err, 0, INT64_MAX, &out->stop, "%s.stop", path)
             : rc;
}

static const struct {
  const char *name;
  int type;
  attn_status (*load)(const attn_settings *, attn_error *, const char *,
                      attne_detokenizer_step *);
} types[] = {
    {"ByteLevel", BYTE_LEVEL, NULL},
    {"WordPiece", WORDPIECE, load_wordpiece},
    {"BPEDecoder", BPE, load_bpe},
    {"Metaspace", METASPACE, load_metaspace},
    {"Replace", REPLACE, load_replace},
    {"Strip", STRIP, load_strip},
    {"Fuse", FUSE, NULL},
    {"ByteFallback", BYTE_FALLBACK, NULL},
};

static attn_status load(const attn_settings *s, attn_error *err, const char *path,
                        attne_detokenizer *out) {
  attn_text type;
  attn_status rc = attne_component_type(s, err, path, &type);
  if (rc != ATTN_OK) return rc;
  if (attne_text_is(type, "Sequence")) {
    char item[ATTNE_MAX_PATH];
    for (unsigned i = 0; rc == ATTN_OK; i++) {
      if (!attne_settings_has(s, "%s.decoders[%u]", path, i)) break;
      snprintf(item, sizeof item, "%s.decoders[%u]", path, i);
      rc = load(s, err, item, out);
    }
    return rc;
  }
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (!attne_text_is(type, types[i].name)) continue;
    if (out->n_step == ATTNE_MAX_DECODER_STEP) {
      return attne_fail(err, ATTN_UNSUPPORTED,
                        "tokenizer: $.decoder has more than %d steps",
                        ATTNE_MAX_DECODER_STEP);
    }
    attne_detokenizer_step *step = &out->step[out->n_step++];
    step->type = types[i].type;
    return types[i].load ? types[i].load(s, err, path, step) : ATTN_OK;
  }
  return attne_component_unsupported(err, path, type);
}

attn_status attne_detokenizer_load(const attn_settings *s, attne_detokenizer *out) {
  memset(out, 0, sizeof *out);
  if (!attne_settings_has(s, "$.decoder")) return ATTN_OK;
  out->status = load(s, &out->err, "$.decoder", out);
  return out->status == ATTN_NOMEM ? ATTN_NOMEM : ATTN_OK;
}

void attne_detokenizer_free(attne_detokenizer *d) {
  for (unsigned i = 0; i < d->n_step; i++) {
    attne_release(d->step[i].from);
    attne_release(d->step[i].to);
  }
}
