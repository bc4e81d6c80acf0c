/*
** generation.c - reads what a model's configuration says of generating.
**
** generation_config.json comes first; config.json fills what it does not say.
*/
#include "generation.h"
#include "../base/settings.h"
#include <stdio.h>

/* An id of a settings file, or -1. */
static attn_status get_id(const attn_settings *s, const char *file, const char *name,
                          attn_error *err, int32_t *out) {
  int64_t id = *out;
  attn_status rc =
      attne_settings_integer(s, err, 0, INT32_MAX, &id, "$.%s.%s", file, name);
  *out = (int32_t)id;
  return rc;
}

static attn_status add_id(const attn_settings *s, const char *path, attn_error *err,
                          attne_id_list *out) {
  int64_t id = -1;
  attn_status rc = attne_settings_integer(s, err, 0, INT32_MAX, &id, "%s", path);
  if (rc != ATTN_OK || id < 0) return rc;
  if (out->n == ATTNE_MAX_IDS) {
    return attne_fail(err, ATTN_UNSUPPORTED,
                      "%s is one too many; expected at most %d ids", path, ATTNE_MAX_IDS);
  }
  out->id[out->n++] = (int32_t)id;
  return ATTN_OK;
}

attn_status attne_generation_ids(const attn_settings *s, const char *path, int sequences,
                                 attn_error *err, attne_id_list *out) {
  char element[ATTNE_MAX_PATH];
  const attn_setting *found = attne_settings_find(s, "%s", path);
  if (!found || found->kind == ATTN_NULL) return ATTN_OK;
  if (found->kind != ATTN_ARRAY) return add_id(s, path, err, out);
  attn_status rc = ATTN_OK;
  for (unsigned i = 0; rc == ATTN_OK; i++) {
    if (!attne_settings_find(s, "%s[%u]", path, i)) break;
    if (sequences && attne_settings_find(s, "%s[%u][1]", path, i)) continue;
    snprintf(element, sizeof element, sequences ? "%s[%u][0]" : "%s[%u]", path, i);
    rc = add_id(s, element, err, out);
  }
  return rc;
}

attn_status attne_generation_configure(const attn_settings *s, attn_error *err,
                                       attne_generation *out) {
  const struct {
    const char *name;
    int32_t *id;
  } ids[] = {{"bos_token_id", &out->bos},
             {"decoder_start_token_id", &out->decoder_start},
             {"forced_bos_token_id", &out->forced_bos},
             {"forced_eos_token_id", &out->forced_eos}};
  attn_status rc = ATTN_OK;
  int64_t max_tokens = 0;
  memset(out, 0, sizeof *out);
  for (size_t i = 0; rc == ATTN_OK && i < sizeof ids / sizeof ids[0]; i++) {
    *ids[i].id = -1;
    rc = get_id(s, "transformer", ids[i].name, err, ids[i].id);
    if (rc == ATTN_OK) rc = get_id(s, "generation", ids[i].name, err, ids[i].id);
  }
  if (rc == ATTN_OK)
    rc = attne_generation_ids(s, "$.generation.eos_token_id", 0, err, &out->eos);
  if (rc == ATTN_OK && out->eos.n == 0) {
    rc = attne_generation_ids(s, "$.transformer.eos_token_id", 0, err, &out->eos);
  }
  if (rc == ATTN_OK) {
    rc =
        attne_generation_ids(s, "$.generation.suppress_tokens", 0, err, &out->suppressed);
  }
  if (rc == ATTN_OK) {
    rc = attne_generation_ids(s, "$.generation.bad_words_ids", 1, err, &out->suppressed);
  }
  if (rc == ATTN_OK) {
    rc = attne_settings_integer(s, err, 1, ATTNE_MAX_NEW_TOKENS, &max_tokens,
                                "$.generation.max_new_tokens");
  }
  out->max_tokens = (uint32_t)max_tokens;
  return rc;
}
