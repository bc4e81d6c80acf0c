/*
** byte_level.c - GPT-2's pre-tokenizer, as a machine that sees a character at a time.
**
** Of white space, all but the last character is a word, and so is the last, unless it is
** a blank, which the word behind it takes in; at the end of the text nothing is left for
** that.  So the last one is held back.  A word that begins with an apostrophe may be one
** of seven endings, of which the longest is known at its third character.
*/
#include "byte_level.h"

enum { LETTER, NUMBER, SPACE, OTHER }; /* classes of characters */

enum {
  START,      /* of the piece */
  NONE,       /* between two words */
  RUN,        /* the word is a run of one class, perhaps behind a blank */
  SPACES,     /* it is white space, and one more is held */
  APOSTROPHE, /* it is an apostrophe */
  ENDING      /* it is an apostrophe, and r, v or l is held */
};

uint32_t attne_byte_char(uint8_t byte) {
  if (byte <= ' ') return 0x100u + byte;
  if (byte >= 0x7F && byte <= 0xA0) return 0x121u + (byte - 0x7Fu);
  return byte == 0xAD ? 0x143 : byte;
}

int attne_char_byte(uint32_t c) {
  if (c >= 0x100 && c <= 0x120) return (int)(c - 0x100);
  if (c >= 0x121 && c <= 0x142) return (int)(c - 0x121 + 0x7F);
  if (c == 0x143) return 0xAD;
  return c < 0x100 && attne_byte_char((uint8_t)c) == c ? (int)c : -1;
}

static uint8_t class_of(uint32_t c) {
  unsigned flags = attne_char_of(c)->flags;
  if (flags & ATTNE_CHAR_LETTER) return LETTER;
  if (flags & ATTNE_CHAR_NUMBER) return NUMBER;
  return flags & ATTNE_CHAR_SPACE ? SPACE : OTHER;
}

/* Adds a character to the word, a byte at a time. */
static attn_status put(attne_byte_words *w, uint32_t c, attne_span at) {
  if (c > ' ' && c < 0x7F) return attne_word_add(w->word, c, at);
  char byte[4];
  unsigned n = attne_utf8_encode(c, byte);
  attn_status rc = ATTN_OK;
  for (unsigned i = 0; i < n && rc == ATTN_OK; i++) {
    rc = attne_word_add(w->word, attne_byte_char((uint8_t)byte[i]), at);
  }
  return rc;
}

static void end_word(attne_byte_words *w) {
  w->end_word(w->ctx);
  w->state = NONE;
}

/* A character where no word is at hand. */
static attn_status begin_word(attne_byte_words *w, uint32_t c, attne_span at) {
  w->class = class_of(c);
  w->state = c == '\'' ? APOSTROPHE : w->class == SPACE ? SPACES : RUN;
  if (w->state != SPACES) return put(w, c, at);
  w->held = c;
  w->held_at = at;
  return ATTN_OK;
}

static attn_status end_spaces(attne_byte_words *w, uint32_t c, attne_span at) {
  uint32_t last = w->held;
  attne_span last_at = w->held_at;
  if (class_of(c) == SPACE) {
    w->held = c;
    w->held_at = at;
    return put(w, last, last_at);
  }
  if (w->word->n) end_word(w);
  attn_status rc = put(w, last, last_at);
  if (rc != ATTN_OK) return rc;
  if (last != ' ') {
    end_word(w);
    return begin_word(w, c, at);
  }
  w->state = RUN; /* an apostrophe here begins no ending */
  w->class = class_of(c);
  return put(w, c, at);
}

static attn_status extend_run(attne_byte_words *w, uint32_t c, attne_span at) {
  if (class_of(c) == w->class) return put(w, c, at);
  end_word(w);
  return begin_word(w, c, at);
}

static attn_status end_apostrophe(attne_byte_words *w, uint32_t c, attne_span at) {
  if (c == 's' || c == 't' || c == 'm' || c == 'd') {
    attn_status rc = put(w, c, at);
    end_word(w);
    return rc;
  }
  if (c == 'r' || c == 'v' || c == 'l') {
    w->state = ENDING;
    w->held = c;
    w->held_at = at;
    return ATTN_OK;
  }
  w->state = RUN;
  return extend_run(w, c, at);
}

static attn_status end_ending(attne_byte_words *w, uint32_t c, attne_span at) {
  uint32_t first = w->held;
  attne_span first_at = w->held_at;
  int is_ending = c == (first == 'l' ? 'l' : 'e');
  if (!is_ending) end_word(w); /* the apostrophe alone */
  attn_status rc = is_ending ? put(w, first, first_at) : begin_word(w, first, first_at);
  if (rc != ATTN_OK) return rc;
  if (!is_ending) return extend_run(w, c, at);
  rc = put(w, c, at);
  end_word(w);
  return rc;
}

attn_status attne_byte_words_add(attne_byte_words *w, uint32_t c, attne_span at) {
  if (!w->settings->use_regex) {
    int is_first = w->state == START;
    w->state = RUN;
    attn_status rc = ATTN_OK;
    if (is_first && w->settings->prefix_space && c != ' ') rc = put(w, ' ', at);
    return rc == ATTN_OK ? put(w, c, at) : rc;
  }
  switch (w->state) {
  case START:
    if (w->settings->prefix_space && c != ' ') {
      begin_word(w, ' ', at); /* holds it back: cannot fail */
      return end_spaces(w, c, at);
    }
    return begin_word(w, c, at);
  case NONE:
    return begin_word(w, c, at);
  case RUN:
    return extend_run(w, c, at);
  case SPACES:
    return end_spaces(w, c, at);
  case APOSTROPHE:
    return end_apostrophe(w, c, at);
  default:
    return end_ending(w, c, at);
  }
}

attn_status attne_byte_words_end(attne_byte_words *w) {
  attn_status rc = ATTN_OK;
  if (w->state == ENDING) {
    end_word(w);
    rc = begin_word(w, w->held, w->held_at);
  }
  if (w->state == SPACES) rc = put(w, w->held, w->held_at);
  if (w->state != START && w->state != NONE) end_word(w);
  w->state = START;
  return rc;
}
