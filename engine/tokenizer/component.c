/*
** component.c - a component of a tokenizer.json: null, or an object with a type.
*/
#include "component.h"

attn_status attne_component_type(const attn_settings *settings, attn_error *err,
                                 const char *path, attn_text *type) {
  attn_status rc = attne_settings_require(settings, err, "%s.type", path);
  return rc == ATTN_OK ? attne_settings_text(settings, err, type, "%s.type", path) : rc;
}

attn_status attne_component_unsupported(attn_error *err, const char *path,
                                        attn_text type) {
  return attne_fail(err, ATTN_UNSUPPORTED,
                    "tokenizer: %.200s has the type '%.*s', which is not supported", path,
                    attne_text_cut(type, 100), type.text);
}
