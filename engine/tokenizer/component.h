/*
** component.h - a component of a tokenizer.json: null, or an object with a type.
*/
#ifndef ATTNE_COMPONENT_H
#define ATTNE_COMPONENT_H

#include "../base/settings.h"

/* The type of the component at a path.  ATTN_INVALID where it has none. */
attn_status attne_component_type(const attn_settings *settings, attn_error *err,
                                 const char *path, attn_text *type);

/* ATTN_UNSUPPORTED, with the path and the type in the message. */
attn_status attne_component_unsupported(attn_error *err, const char *path,
                                        attn_text type);

#endif
