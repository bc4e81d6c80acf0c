/*
** decimal.h - float32 as decimal text, both ways exact and the same in every
** locale.
*/
#ifndef ATTNE_DECIMAL_H
#define ATTNE_DECIMAL_H

#include <stddef.h>

/* Reads the number that `text` begins with and returns its bytes, or 0 where
** there is none:
**
**   number = [ "+" | "-" ] ( int [ "." *digit ] | "." 1*digit ) [ e [ sign ] 1*digit ]
**   int    = "0" | nonzero *digit
**
** That is JSON's number and the forms "+1", "1." and ".5" of JSON5.  *out is the
** float32 nearest to it, ties to even; infinite when it is beyond the largest
** one.  The time is linear in the bytes read.
** Example: "2.5e-1,3" gives 6 bytes and 0.25. */
size_t attne_decimal_read(const char *text, size_t n_text, float *out);

/* The most bytes that attne_decimal_write writes: "-1234567800000000.0". */
enum { ATTNE_DECIMAL_MAX = 19 };

/* Writes the shortest digits that read back as the same finite float32, of these
** the nearest to it, in the notation of Python's repr: "0.1", "1e-07", "3.0".
** Returns the bytes; no NUL is added. */
size_t attne_decimal_write(float value, char *out);

#endif
