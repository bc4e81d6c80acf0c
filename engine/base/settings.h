/*
** settings.h - looking things up in a flattened JSON document.
**
** A path names a node as SQLite's json_tree does: $.modules[1].type.  Whether a
** key is quoted makes no difference: $."hidden_size" and $.hidden_size are the
** same node.  Only a key with '.', '[' or '"' in it has to be quoted, and is
** then spelled with the escapes of the JSON source.
**
** Every function that takes a path takes a printf format and its arguments.  A
** path of ATTNE_MAX_PATH bytes or more is that of no node.
*/
#ifndef ATTNE_SETTINGS_H
#define ATTNE_SETTINGS_H

#include "base.h"

enum { ATTNE_MAX_PATH = 512 };

/* Sorts the entries for the functions below.  A path that comes twice is
** ATTN_INVALID. */
attn_status attne_settings_sort(attn_settings *settings, attn_error *err);

/* The node at a path, or NULL. */
const attn_setting *attne_settings_find(const attn_settings *settings, const char *path,
                                        ...) ATTNE_FORMAT(2, 3);

/* 1 if the node is there and is not null. */
int attne_settings_has(const attn_settings *settings, const char *path, ...)
    ATTNE_FORMAT(2, 3);

/* ATTN_INVALID, with the path in the message, unless attne_settings_has. */
attn_status attne_settings_require(const attn_settings *settings, attn_error *err,
                                   const char *path, ...) ATTNE_FORMAT(3, 4);

/* ATTN_INVALID unless the document is an object and each of its keys is in the list,
** which ends with NULL: "unknown option "x"; known are ...". */
attn_status attne_settings_only(const attn_settings *settings, const char *const *keys,
                                attn_error *err);

/* The typed value of a node.  *value holds the default on entry and keeps it
** where the node is missing or null.  Another type, or a number out of its
** range, is ATTN_INVALID: the message names the path, what was found and what
** was expected.  An integer is taken where a real is asked for, not the other
** way round.  Text is borrowed from the settings. */
attn_status attne_settings_bool(const attn_settings *settings, attn_error *err,
                                int *value, const char *path, ...) ATTNE_FORMAT(4, 5);
attn_status attne_settings_integer(const attn_settings *settings, attn_error *err,
                                   int64_t min, int64_t max, int64_t *value,
                                   const char *path, ...) ATTNE_FORMAT(6, 7);
attn_status attne_settings_real(const attn_settings *settings, attn_error *err,
                                double *value, const char *path, ...) ATTNE_FORMAT(4, 5);
attn_status attne_settings_text(const attn_settings *settings, attn_error *err,
                                attn_text *value, const char *path, ...)
    ATTNE_FORMAT(4, 5);

/* 1 if the text is `literal`. */
int attne_text_is(attn_text text, const char *literal);

/* The length of the text for %.*s in a message: at most max bytes, whole
** characters. */
int attne_text_cut(attn_text text, int max);

#endif
