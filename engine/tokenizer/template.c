/*
** template.c - the special tokens before and after those of the text.
**
**   TemplateProcessing  {"single": [{"SpecialToken": {"id": "[CLS]"}},
**                                   {"Sequence": {"id": "A"}}, ...],
**                        "special_tokens": {"[CLS]": {"ids": [101]}}}
**   BertProcessing      {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]}
**   RobertaProcessing   the same, "trim_offsets" and "add_prefix_space"
*/
#include "template.h"
#include "component.h"
#include <stdio.h>

static attn_status add(attn_template *out, attn_error *err, int64_t id) {
  if (out->n == out->n_alloc) {
    uint32_t n = out->n_alloc ? 2 * out->n_alloc : 4;
    int32_t *p = attn_resize(out->id, n * sizeof *p);
    if (!p) return attn_no_memory(err);
    out->id = p;
    out->n_alloc = n;
  }
  out->id[out->n++] = (int32_t)id;
  return ATTN_OK;
}

/* Adds the id that stands at a path. */
static attn_status add_at(const attn_settings *s, attn_error *err, attn_template *out,
                          const char *path) {
  int64_t id = 0;
  attn_status rc = attn_settings_require(s, err, "%s", path);
  if (rc == ATTN_OK) rc = attn_settings_integer(s, err, 0, INT32_MAX, &id, "%s", path);
  return rc == ATTN_OK ? add(out, err, id) : rc;
}

/* The name of a special token as a key of a path: with the escapes of JSON. */
static void escape(attn_text name, char *out, size_t n_out) {
  size_t n = 0;
  for (size_t i = 0; i < name.n_text && n + 3 < n_out; i++) {
    if (name.text[i] == '"' || name.text[i] == '\\') out[n++] = '\\';
    out[n++] = name.text[i];
  }
  out[n] = 0;
}

static attn_status add_special(const attn_settings *s, attn_error *err, attn_text name,
                               attn_template *out) {
  char key[ATTN_MAX_PATH], path[2 * ATTN_MAX_PATH];
  escape(name, key, sizeof key);
  attn_status rc =
      attn_settings_require(s, err, "$.post_processor.special_tokens.\"%s\".ids", key);
  for (unsigned i = 0; rc == ATTN_OK; i++) {
    snprintf(path, sizeof path, "$.post_processor.special_tokens.\"%s\".ids[%u]", key, i);
    if (!attn_settings_has(s, "%s", path)) break;
    rc = add_at(s, err, out, path);
  }
  return rc;
}

static attn_status load_template(const attn_settings *s, attn_error *err,
                                 attn_template *out) {
  unsigned n_text = 0;
  attn_status rc = attn_settings_require(s, err, "$.post_processor.single");
  for (unsigned i = 0; rc == ATTN_OK; i++) {
    attn_text name = {NULL, 0};
    if (!attn_settings_has(s, "$.post_processor.single[%u]", i)) break;
    rc = attn_settings_text(s, err, &name, "$.post_processor.single[%u].SpecialToken.id",
                            i);
    if (rc == ATTN_OK && name.text) {
      rc = add_special(s, err, name, out);
      continue;
    }
    if (rc == ATTN_OK) {
      rc =
          attn_settings_text(s, err, &name, "$.post_processor.single[%u].Sequence.id", i);
    }
    if (rc == ATTN_OK && (!name.text || !attn_text_is(name, "A") || n_text++)) {
      rc = attn_fail(
          err, ATTN_UNSUPPORTED,
          "tokenizer: $.post_processor.single[%u] is neither a special token nor "
          "the one place of the text",
          i);
    }
    out->n_before = out->n;
  }
  if (rc == ATTN_OK && n_text == 0) {
    rc = attn_fail(err, ATTN_UNSUPPORTED,
                   "tokenizer: $.post_processor.single has no place for the text");
  }
  return rc;
}

static attn_status load_cls_sep(const attn_settings *s, attn_error *err,
                                attn_template *out) {
  attn_status rc = add_at(s, err, out, "$.post_processor.cls[1]");
  out->n_before = out->n;
  return rc == ATTN_OK ? add_at(s, err, out, "$.post_processor.sep[1]") : rc;
}

static attn_status load_roberta(const attn_settings *s, attn_error *err,
                                attn_template *out) {
  attn_status rc = load_cls_sep(s, err, out);
  out->trim_offsets = out->keep_one = 1;
  if (rc == ATTN_OK) {
    rc = attn_settings_bool(s, err, &out->trim_offsets, "$.post_processor.trim_offsets");
  }
  if (rc == ATTN_OK) {
    rc = attn_settings_bool(s, err, &out->keep_one, "$.post_processor.add_prefix_space");
  }
  return rc;
}

attn_status attn_template_load(const attn_settings *s, attn_error *err,
                               attn_template *out) {
  static const struct {
    const char *type;
    attn_status (*load)(const attn_settings *, attn_error *, attn_template *);
  } types[] = {{"TemplateProcessing", load_template},
               {"BertProcessing", load_cls_sep},
               {"RobertaProcessing", load_roberta}};
  attn_text type;
  memset(out, 0, sizeof *out);
  if (!attn_settings_has(s, "$.post_processor")) return ATTN_OK;
  attn_status rc = attn_component_type(s, err, "$.post_processor", &type);
  if (rc != ATTN_OK) return rc;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (attn_text_is(type, types[i].type)) return types[i].load(s, err, out);
  }
  return attn_component_unsupported(err, "$.post_processor", type);
}

void attn_template_free(attn_template *template) {
  attn_release(template->id);
}
