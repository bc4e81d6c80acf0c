/*
** pre_tokenizer.c - the pre-tokenizers of Hugging Face tokenizers, as a table.
*/
#include "pre_tokenizer.h"
#include "component.h"
#include <stdio.h>

enum { KEEP, ALONE, DROP, OTHER_CLASS };

/* What a pre-tokenizer does with white space, with punctuation, and with what is
** neither white space nor \w; the first that fits counts. */
typedef struct rule {
  const char *type;
  uint8_t space, punctuation, no_word;
} rule;

static const rule rules[] = {
    {"BertPreTokenizer", DROP, ALONE, KEEP},
    {"WhitespaceSplit", DROP, KEEP, KEEP},
    {"Whitespace", DROP, KEEP, OTHER_CLASS}, /* \w+|[^\w\s]+ */
};

static const rule behaviors[] = {
    {"Isolated", KEEP, ALONE, KEEP},
    {"Removed", KEEP, DROP, KEEP},
    {"Contiguous", KEEP, OTHER_CLASS, KEEP},
};

static const rule *find_rule(const rule *list, size_t n, attn_text type) {
  for (size_t i = 0; i < n; i++) {
    if (attne_text_is(type, list[i].type)) return &list[i];
  }
  return NULL;
}

static uint8_t apply_rule(const rule *r, unsigned flags) {
  if (r->space != KEEP && flags & ATTNE_CHAR_SPACE) return r->space;
  if (r->punctuation != KEEP && flags & ATTNE_CHAR_PUNCTUATION) return r->punctuation;
  return flags & ATTNE_CHAR_WORD ? KEEP : r->no_word;
}

/* A rule splits further what those before it left: two characters stay together
** if no rule parts them. */
static attn_status add_rule(attne_splitter *out, attn_error *err, const char *path,
                            const rule *r, unsigned *n_rule) {
  if (*n_rule == 7) { /* a bit each, below ATTNE_SPLIT_ALONE */
    return attne_fail(err, ATTN_UNSUPPORTED, "tokenizer: %.200s is more than 7 steps",
                      path);
  }
  for (unsigned i = 0; i < ATTNE_N_CHAR_INDEX; i++) {
    uint8_t *of = &out->of[i], what = apply_rule(r, attne_char_records[i].flags);
    if (*of == ATTNE_SPLIT_DROP || what == DROP) {
      *of = ATTNE_SPLIT_DROP;
    } else if (*of == ATTNE_SPLIT_ALONE || what == ALONE) {
      *of = ATTNE_SPLIT_ALONE;
    } else if (what == OTHER_CLASS) {
      *of = (uint8_t)(*of | 1u << *n_rule);
    }
  }
  ++*n_rule;
  return ATTN_OK;
}

static attn_status load_byte_level(const attn_settings *s, attn_error *err,
                                   const char *path, attne_byte_level *out) {
  out->is_on = out->prefix_space = out->use_regex = 1;
  attn_status rc =
      attne_settings_bool(s, err, &out->prefix_space, "%s.add_prefix_space", path);
  return rc == ATTN_OK
             ? attne_settings_bool(s, err, &out->use_regex, "%s.use_regex", path)
             : rc;
}

static attn_status load(const attn_settings *s, attn_error *err, const char *path,
                        attne_splitter *out, unsigned *n_rule) {
  attn_text type, behavior = {"Isolated", 8};
  attn_status rc = attne_component_type(s, err, path, &type);
  if (rc != ATTN_OK) return rc;
  if (out->byte_level.is_on) {
    return attne_fail(err, ATTN_UNSUPPORTED,
                      "tokenizer: %.200s comes after a ByteLevel, which is not supported",
                      path);
  }
  if (attne_text_is(type, "ByteLevel")) {
    return load_byte_level(s, err, path, &out->byte_level);
  }
  if (attne_text_is(type, "Sequence")) {
    char item[ATTNE_MAX_PATH];
    for (unsigned i = 0; rc == ATTN_OK; i++) {
      if (!attne_settings_has(s, "%s.pretokenizers[%u]", path, i)) break;
      snprintf(item, sizeof item, "%s.pretokenizers[%u]", path, i);
      rc = load(s, err, item, out, n_rule);
    }
    return rc;
  }
  const rule *r = find_rule(rules, sizeof rules / sizeof *rules, type);
  if (!r && attne_text_is(type, "Punctuation")) {
    rc = attne_settings_text(s, err, &behavior, "%s.behavior", path);
    if (rc != ATTN_OK) return rc;
    r = find_rule(behaviors, sizeof behaviors / sizeof *behaviors, behavior);
    if (!r) type = behavior;
  }
  return r ? add_rule(out, err, path, r, n_rule)
           : attne_component_unsupported(err, path, type);
}

attn_status attne_splitter_load(const attn_settings *settings, attn_error *err,
                                attne_splitter *out) {
  unsigned n_rule = 0;
  memset(out, 0, sizeof *out);
  if (!attne_settings_has(settings, "$.pre_tokenizer")) return ATTN_OK;
  return load(settings, err, "$.pre_tokenizer", out, &n_rule);
}
