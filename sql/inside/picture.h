/*
** picture.h - what the pictures of attn_svg have in common.
**
** A picture is SVG 1.1 with a style sheet: it stands alone, asks no network and runs no
** script.  Colors are those of the reader's light or dark mode (prefers-color-scheme).
** Text from outside is escaped, and characters that XML does not have become U+FFFD.
*/
#ifndef ATTNS_PICTURE_H
#define ATTNS_PICTURE_H

#include "../sql.h"

enum { ATTNS_N_COLOR = 12 }; /* classes c0 .. c11: strokes; f0 .. f11: fills */

/* The root element, the style, a title and the background. */
void attns_picture_begin(sqlite3_str *out, int width, int height, attn_text title);
void attns_picture_end(sqlite3_str *out);

/* A text as content or attribute, at most n_max characters of it. */
void attns_picture_text(sqlite3_str *out, attn_text text, int n_max);

/* <text class="style" x= y=>...</text>; the style is "", "end", "middle" or "small" or
** several of them. */
void attns_picture_label(sqlite3_str *out, const char *style, int x, int y,
                         attn_text text, int n_max);

/* A text of the C program. */
attn_text attns_picture_word(const char *text);

/* The pictures: what they show are the arguments behind the kind. */
int attns_picture_heads(attns_connection *c, int argc, sqlite3_value **argv, char **error,
                        sqlite3_str *out);
int attns_picture_model(attns_connection *c, int argc, sqlite3_value **argv, char **error,
                        sqlite3_str *out);
int attns_picture_map(attns_connection *c, int argc, sqlite3_value **argv, char **error,
                      sqlite3_str *out);
int attns_picture_curve(attns_connection *c, int argc, sqlite3_value **argv, char **error,
                        sqlite3_str *out);

#endif
