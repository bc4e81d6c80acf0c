/*
** template.c - the special tokens around those of a text, or of two.
**
**   TemplateProcessing  {"single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
**                                   {"Sequence": {"id": "A", "type_id": 0}}, ...],
**                        "pair": [...],
**                        "special_tokens": {"[CLS]": {"ids": [101]}}}
**   BertProcessing      {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]}
**                       [CLS] A [SEP]   [CLS] A [SEP] B [SEP], the last two of type 1
**   RobertaProcessing   the same, "trim_offsets" and "add_prefix_space"
**                       <s> A </s>   <s> A </s> </s> B </s>, all of type 0
**   none                A   A B, the last of type 1
**   ByteLevel           the same, "trim_offsets" and "add_prefix_space"
**   Sequence            {"processors": [...]}
*/
#include "template.h"
#include "component.h"
#include <stdio.h>

static attn_status add(attne_places *out, attn_error *err, int64_t id, int64_t type) {
  if (out->n == out->n_alloc) {
    uint32_t n = out->n_alloc ? 2 * out->n_alloc : 4;
    attne_place *p = attne_resize(out->place, n * sizeof *p);
    if (!p) return attne_no_memory(err);
    out->place = p;
    out->n_alloc = n;
  }
  out->place[out->n++] = (attne_place){(int32_t)id, (uint8_t)type};
  if (id >= 0) out->n_special++;
  return ATTN_OK;
}

/* Adds the id that stands at a path. */
static attn_status add_at(const attn_settings *s, attn_error *err, attne_places *out,
                          int64_t type, const char *path) {
  int64_t id = 0;
  attn_status rc = attne_settings_require(s, err, "%s", path);
  if (rc == ATTN_OK) rc = attne_settings_integer(s, err, 0, INT32_MAX, &id, "%s", path);
  return rc == ATTN_OK ? add(out, err, id, type) : rc;
}

/* ----------------------------------------------------------- TemplateProcessing */

/* The name of a special token as a key of a path: with the escapes of JSON. */
static void escape(attn_text name, char *out, size_t n_out) {
  size_t n = 0;
  for (size_t i = 0; i < name.n_text && n + 3 < n_out; i++) {
    if (name.text[i] == '"' || name.text[i] == '\\') out[n++] = '\\';
    out[n++] = name.text[i];
  }
  out[n] = 0;
}

static attn_status add_special(const attn_settings *s, attn_error *err, const char *place,
                               attn_text name, int64_t type, attne_places *out) {
  char key[ATTNE_MAX_PATH], path[3 * ATTNE_MAX_PATH];
  escape(name, key, sizeof key);
  attn_status rc =
      attne_settings_require(s, err, "%s.special_tokens.\"%s\".ids", place, key);
  for (unsigned i = 0; rc == ATTN_OK; i++) {
    snprintf(path, sizeof path, "%s.special_tokens.\"%s\".ids[%u]", place, key, i);
    if (!attne_settings_has(s, "%s", path)) break;
    rc = add_at(s, err, out, type, path);
  }
  return rc;
}

/* Entry i of a list, of the kind SpecialToken or Sequence: *name is empty where it is of
** another. */
static attn_status read_entry(const attn_settings *s, attn_error *err, const char *list,
                              unsigned i, const char *kind, attn_text *name,
                              int64_t *type) {
  *name = (attn_text){NULL, 0};
  *type = 0;
  attn_status rc = attne_settings_text(s, err, name, "%s[%u].%s.id", list, i, kind);
  if (rc != ATTN_OK) return rc;
  return attne_settings_integer(s, err, 0, UINT8_MAX, type, "%s[%u].%s.type_id", list, i,
                                kind);
}

static attn_status add_entry(const attn_settings *s, attn_error *err, const char *place,
                             const char *list, unsigned i, attne_places *out) {
  attn_text name;
  int64_t type;
  attn_status rc = read_entry(s, err, list, i, "SpecialToken", &name, &type);
  if (rc == ATTN_OK && name.text) return add_special(s, err, place, name, type, out);
  if (rc == ATTN_OK) rc = read_entry(s, err, list, i, "Sequence", &name, &type);
  if (rc != ATTN_OK) return rc;
  if (name.text && attne_text_is(name, "A")) return add(out, err, ATTNE_FIRST_TEXT, type);
  if (name.text && attne_text_is(name, "B"))
    return add(out, err, ATTNE_SECOND_TEXT, type);
  return attne_fail(err, ATTN_UNSUPPORTED,
                    "tokenizer: %.200s[%u] is neither a special token nor "
                    "the place of a text",
                    list, i);
}

static attn_status load_list(const attn_settings *s, attn_error *err, const char *place,
                             const char *key, attne_places *out) {
  char list[ATTNE_MAX_PATH];
  attn_status rc = ATTN_OK;
  snprintf(list, sizeof list, "%s.%s", place, key);
  for (unsigned i = 0; rc == ATTN_OK; i++) {
    if (!attne_settings_has(s, "%s[%u]", list, i)) break;
    rc = add_entry(s, err, place, list, i, out);
  }
  return rc;
}

static uint32_t count(const attne_places *places, int32_t id) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < places->n; i++) n += places->place[i].id == id;
  return n;
}

/* Few programs use pairs, so a file without a sound list of them is no worse for it. */
static attn_status load_template(const attn_settings *s, attn_error *err,
                                 const char *path, attne_template *out) {
  attn_status rc = attne_settings_require(s, err, "%s.single", path);
  if (rc == ATTN_OK) rc = load_list(s, err, path, "single", &out->single);
  if (rc != ATTN_OK) return rc;
  uint32_t n_first = count(&out->single, ATTNE_FIRST_TEXT);
  uint32_t n_second = count(&out->single, ATTNE_SECOND_TEXT);
  if (n_first != 1 || n_second != 0) {
    return attne_fail(err, ATTN_UNSUPPORTED,
                      "tokenizer: %.200s.single has %u places for text A and %u for B; "
                      "expected one for A",
                      path, n_first, n_second);
  }
  rc = load_list(s, NULL, path, "pair", &out->pair);
  if (rc == ATTN_NOMEM) return attne_no_memory(err);
  if (rc != ATTN_OK || count(&out->pair, ATTNE_FIRST_TEXT) != 1 ||
      count(&out->pair, ATTNE_SECOND_TEXT) != 1) {
    out->pair.n = 0;
  }
  return ATTN_OK;
}

/* -------------------------------------------------------------------- the others */

/* One letter a place: C and S for cls and sep, A and B for the texts; s and b are S and
** B of type 1. */
static attn_status add_letters(const attn_settings *s, attn_error *err, const char *path,
                               const char *letters, attne_places *out) {
  char cls[ATTNE_MAX_PATH], sep[ATTNE_MAX_PATH];
  attn_status rc = ATTN_OK;
  snprintf(cls, sizeof cls, "%s.cls[1]", path);
  snprintf(sep, sizeof sep, "%s.sep[1]", path);
  for (; rc == ATTN_OK && *letters; letters++) {
    switch (*letters) {
    case 'C':
      rc = add_at(s, err, out, 0, cls);
      break;
    case 'S':
      rc = add_at(s, err, out, 0, sep);
      break;
    case 's':
      rc = add_at(s, err, out, 1, sep);
      break;
    case 'A':
      rc = add(out, err, ATTNE_FIRST_TEXT, 0);
      break;
    case 'B':
      rc = add(out, err, ATTNE_SECOND_TEXT, 0);
      break;
    default:
      rc = add(out, err, ATTNE_SECOND_TEXT, 1);
      break;
    }
  }
  return rc;
}

static attn_status load_letters(const attn_settings *s, attn_error *err, const char *path,
                                const char *single, const char *pair,
                                attne_template *out) {
  attn_status rc = add_letters(s, err, path, single, &out->single);
  return rc == ATTN_OK ? add_letters(s, err, path, pair, &out->pair) : rc;
}

static attn_status load_bert(const attn_settings *s, attn_error *err, const char *path,
                             attne_template *out) {
  return load_letters(s, err, path, "CAS", "CASbs", out);
}

static attn_status load_trim(const attn_settings *s, attn_error *err, const char *path,
                             attne_template *out) {
  out->trim_offsets = out->keep_one = 1;
  attn_status rc =
      attne_settings_bool(s, err, &out->trim_offsets, "%s.trim_offsets", path);
  return rc == ATTN_OK
             ? attne_settings_bool(s, err, &out->keep_one, "%s.add_prefix_space", path)
             : rc;
}

static attn_status load_roberta(const attn_settings *s, attn_error *err, const char *path,
                                attne_template *out) {
  attn_status rc = load_letters(s, err, path, "CAS", "CASSBS", out);
  return rc == ATTN_OK ? load_trim(s, err, path, out) : rc;
}

typedef attn_status (*loader)(const attn_settings *, attn_error *, const char *,
                              attne_template *);

static attn_status find_loader(const attn_settings *s, attn_error *err, const char *path,
                               loader *out) {
  static const struct {
    const char *type;
    loader load;
  } types[] = {{"TemplateProcessing", load_template},
               {"BertProcessing", load_bert},
               {"RobertaProcessing", load_roberta},
               {"ByteLevel", load_trim}};
  attn_text type;
  attn_status rc = attne_component_type(s, err, path, &type);
  if (rc != ATTN_OK) return rc;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (!attne_text_is(type, types[i].type)) continue;
    *out = types[i].load;
    return ATTN_OK;
  }
  return attne_component_unsupported(err, path, type);
}

/* One of them trims, another adds tokens; two of a kind have no place here. */
static attn_status load_sequence(const attn_settings *s, attn_error *err,
                                 attne_template *out) {
  unsigned n_trim = 0, n_template = 0;
  attn_status rc = ATTN_OK;
  for (unsigned i = 0; rc == ATTN_OK; i++) {
    char item[ATTNE_MAX_PATH];
    loader load = NULL;
    snprintf(item, sizeof item, "$.post_processor.processors[%u]", i);
    if (!attne_settings_has(s, "%s", item)) break;
    rc = find_loader(s, err, item, &load);
    if (rc != ATTN_OK) break;
    n_trim += load == load_trim || load == load_roberta;
    n_template += load != load_trim;
    if (n_trim > 1 || n_template > 1) {
      return attne_fail(
          err, ATTN_UNSUPPORTED,
          "tokenizer: %s does what one before it does, which is not supported", item);
    }
    rc = load(s, err, item, out);
  }
  return rc;
}

attn_status attne_template_load(const attn_settings *s, attn_error *err,
                                attne_template *out) {
  static const char path[] = "$.post_processor";
  loader load;
  attn_text type;
  attn_status rc = ATTN_OK;
  memset(out, 0, sizeof *out);
  if (attne_settings_has(s, path)) {
    rc = attne_component_type(s, err, path, &type);
    if (rc == ATTN_OK && attne_text_is(type, "Sequence")) {
      rc = load_sequence(s, err, out);
    } else if (rc == ATTN_OK) {
      rc = find_loader(s, err, path, &load);
      if (rc == ATTN_OK) rc = load(s, err, path, out);
    }
  }
  if (rc != ATTN_OK || out->single.n) return rc;
  return load_letters(s, err, path, "A", "Ab", out);
}

void attne_template_free(attne_template *template) {
  attne_release(template->single.place);
  attne_release(template->pair.place);
}

uint64_t attne_template_memory(const attne_template *template) {
  return (uint64_t)(template->single.n_alloc + template->pair.n_alloc) *
         sizeof(attne_place);
}
