/*
** unicode.h - UTF-8, and what Hugging Face tokenizers 0.22 knows of characters.
**
** The properties are those of that library's crates, which stem from several
** versions of Unicode; see unicode_tables.py.
*/
#ifndef ATTNE_UNICODE_H
#define ATTNE_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum {
  ATTNE_CHAR_SPACE = 1,       /* White_Space */
  ATTNE_CHAR_CONTROL = 2,     /* dropped by BERT's clean_text: category C, NUL, U+FFFD */
  ATTNE_CHAR_PUNCTUATION = 4, /* category P, and all of ASCII's */
  ATTNE_CHAR_WORD = 8,        /* \w of a regular expression */
  ATTNE_CHAR_MARK = 16,       /* category M */
  ATTNE_CHAR_NONSPACING = 32, /* category Mn */
  ATTNE_CHAR_CJK = 64,        /* BERT puts spaces around it */
  ATTNE_CHAR_DECOMPOSES = 128,
  ATTNE_CHAR_LETTER = 256, /* \p{L} of a regular expression */
  ATTNE_CHAR_NUMBER = 512  /* \p{N} */
};

typedef struct attne_char {
  uint16_t flags;
  uint8_t combining_class; /* canonical; 0: a starter */
  int32_t to_lower;        /* add it for the lower case (U+0130: its first character) */
} attne_char;

enum { ATTNE_MAX_DECOMPOSITION = 4, ATTNE_N_CHAR_INDEX = 256 };

/* unicode_tables.c */
extern const attne_char attne_char_records[ATTNE_N_CHAR_INDEX];
extern const uint8_t attne_char_page[], attne_char_index_of[];
extern const uint16_t attne_char_block[]; /* 32 to a page, of 16 characters each */
/* Those that decompose: where each plane begins, the low halves of the code points, and
** what they decompose to, in UTF-16. */
extern const uint16_t attne_decomposition_plane[18], attne_decomposition_of[];
extern const uint16_t attne_decomposition_at[], attne_decomposition_part[];

/* Which of at most 256 kinds of characters c is, a code point; and its properties. */
static inline uint8_t attne_char_index(uint32_t c) {
  uint16_t block = attne_char_block[attne_char_page[c >> 9] * 32 + (c >> 4 & 31)];
  return attne_char_index_of[block * 16 + (c & 15)];
}
static inline const attne_char *attne_char_of(uint32_t c) {
  return &attne_char_records[attne_char_index(c)];
}

/* The full canonical decomposition of c; returns its length, 1 where there is none. */
unsigned attne_decompose(uint32_t c, uint32_t out[ATTNE_MAX_DECOMPOSITION]);

/* Reads one character of a text of n > 0 bytes and returns its length.  A maximal
** part of a character, or a byte that is none, gives U+FFFD. */
unsigned attne_utf8_decode(const char *text, size_t n, uint32_t *c);

/* Writes a character; returns its length, 1 to 4. */
unsigned attne_utf8_encode(uint32_t c, char out[4]);

#endif
