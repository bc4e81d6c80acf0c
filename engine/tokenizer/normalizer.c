/*
** normalizer.c - the normalizers of Hugging Face tokenizers, as steps.
**
**   BertNormalizer = clean_text, handle_chinese_chars, NFD + strip Mn, lowercase
**
** The library keeps, for each normalized character, the range of the original
** that it stands for.  A character that a step adds gets the range of the
** character before it.  NFD sorts marks, and there the library hands out ranges
** by position, not by character: the first sorted mark that began a source
** character gets the range of the first source character of the run, and so on.
*/
#include "normalizer.h"
#include "component.h"
#include <stdio.h>

enum {
  CLEAN,            /* drop control characters; every white space becomes ' ' */
  SPACE_CJK,        /* ' ' before and after a CJK character */
  NFD,              /* canonical decomposition and ordering */
  STRIP_NONSPACING, /* drop category Mn */
  STRIP_MARKS,      /* drop category M */
  LOWER
};

/* ------------------------------------------------------------------- settings */

static attn_status add_step(attne_normalizer *out, attn_error *err, uint8_t step) {
  if (out->n_step == ATTNE_MAX_STEP) {
    return attne_fail(err, ATTN_UNSUPPORTED,
                      "tokenizer: $.normalizer has more than %d steps", ATTNE_MAX_STEP);
  }
  out->step[out->n_step++] = step;
  return ATTN_OK;
}

static attn_status load_bert(const attn_settings *s, attn_error *err, const char *path,
                             attne_normalizer *out) {
  int clean = 1, cjk = 1, lower = 1;
  attn_status rc = attne_settings_bool(s, err, &clean, "%s.clean_text", path);
  if (rc == ATTN_OK) {
    rc = attne_settings_bool(s, err, &cjk, "%s.handle_chinese_chars", path);
  }
  if (rc == ATTN_OK) rc = attne_settings_bool(s, err, &lower, "%s.lowercase", path);
  int strip = lower; /* where strip_accents is null */
  if (rc == ATTN_OK) rc = attne_settings_bool(s, err, &strip, "%s.strip_accents", path);
  if (rc == ATTN_OK && clean) rc = add_step(out, err, CLEAN);
  if (rc == ATTN_OK && cjk) rc = add_step(out, err, SPACE_CJK);
  if (rc == ATTN_OK && strip) rc = add_step(out, err, NFD);
  if (rc == ATTN_OK && strip) rc = add_step(out, err, STRIP_NONSPACING);
  if (rc == ATTN_OK && lower) rc = add_step(out, err, LOWER);
  return rc;
}

static attn_status load(const attn_settings *s, attn_error *err, const char *path,
                        attne_normalizer *out);

static attn_status load_sequence(const attn_settings *s, attn_error *err,
                                 const char *path, attne_normalizer *out) {
  char item[ATTNE_MAX_PATH];
  attn_status rc = ATTN_OK;
  for (unsigned i = 0; rc == ATTN_OK; i++) {
    if (!attne_settings_has(s, "%s.normalizers[%u]", path, i)) break;
    snprintf(item, sizeof item, "%s.normalizers[%u]", path, i);
    rc = load(s, err, item, out);
  }
  return rc;
}

static attn_status load(const attn_settings *s, attn_error *err, const char *path,
                        attne_normalizer *out) {
  static const struct {
    const char *type;
    uint8_t step;
  } simple[] = {{"Lowercase", LOWER}, {"NFD", NFD}, {"StripAccents", STRIP_MARKS}};
  attn_text type;
  attn_status rc = attne_component_type(s, err, path, &type);
  if (rc != ATTN_OK) return rc;
  if (attne_text_is(type, "BertNormalizer")) return load_bert(s, err, path, out);
  if (attne_text_is(type, "Sequence")) return load_sequence(s, err, path, out);
  for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
    if (attne_text_is(type, simple[i].type)) return add_step(out, err, simple[i].step);
  }
  return attne_component_unsupported(err, path, type);
}

attn_status attne_normalizer_load(const attn_settings *settings, attn_error *err,
                                  attne_normalizer *out) {
  memset(out, 0, sizeof *out);
  if (!attne_settings_has(settings, "$.normalizer")) return ATTN_OK;
  return load(settings, err, "$.normalizer", out);
}

/* ------------------------------------------------------------------------ NFD */

struct attne_mark {
  uint32_t c;
  uint8_t combining_class;
  uint8_t is_added; /* not the first of its source character's decomposition */
  attne_span at;    /* of the source character */
};

static void apply(attne_normalization *pass, unsigned i, uint32_t c, attne_span at);

static int grow_marks(attne_marks *marks) {
  size_t n = marks->n_alloc ? 2 * marks->n_alloc : 16;
  struct attne_mark *mark = attne_resize(marks->mark, n * sizeof *mark);
  if (mark) marks->mark = mark;
  uint32_t *order = mark ? attne_resize(marks->order, n * sizeof *order) : NULL;
  if (order) marks->order = order;
  if (!order) return 0;
  marks->n_alloc = n;
  return 1;
}

/* order[] = the marks sorted by combining class; equal ones keep their order. */
static void sort_marks(attne_marks *marks) {
  marks->order[0] = 0;
  if (marks->n == 1) return;
  uint32_t begin[257] = {0};
  for (size_t k = 0; k < marks->n; k++) begin[marks->mark[k].combining_class + 1]++;
  for (size_t k = 1; k < 257; k++) begin[k] += begin[k - 1];
  for (size_t k = 0; k < marks->n; k++) {
    marks->order[begin[marks->mark[k].combining_class]++] = (uint32_t)k;
  }
}

/* Lets out the waiting marks of step i. */
static void end_marks(attne_normalization *pass, unsigned i) {
  attne_marks *marks = &pass->marks[i];
  size_t n = marks->n, source = 0;
  if (n == 0) return;
  sort_marks(marks);
  pass->n_waiting -= n;
  marks->n = 0;
  for (size_t k = 0; k < n; k++) {
    const struct attne_mark *mark = &marks->mark[marks->order[k]];
    if (!mark->is_added) {
      while (marks->mark[source].is_added) source++;
      marks->at = marks->mark[source++].at;
    }
    apply(pass, i + 1, mark->c, marks->at);
  }
}

static void add_mark(attne_normalization *pass, unsigned i, struct attne_mark mark) {
  attne_marks *marks = &pass->marks[i];
  if (marks->n == marks->n_alloc && !grow_marks(marks)) {
    pass->status = ATTN_NOMEM;
    return;
  }
  marks->mark[marks->n++] = mark;
  pass->n_waiting++;
}

static void decompose(attne_normalization *pass, unsigned i, uint32_t c, attne_span at) {
  attne_marks *marks = &pass->marks[i];
  uint32_t part[ATTNE_MAX_DECOMPOSITION];
  unsigned n = attne_decompose(c, part);
  for (unsigned k = 0; k < n; k++) {
    uint8_t combining_class = attne_char_of(part[k])->combining_class;
    if (combining_class) {
      add_mark(pass, i, (struct attne_mark){part[k], combining_class, k > 0, at});
    } else {
      end_marks(pass, i);
      if (k == 0) marks->at = at;
      apply(pass, i + 1, part[k], marks->at);
    }
  }
}

/* ---------------------------------------------------------------------- steps */

/* Takes a character from step i on. */
static void apply(attne_normalization *pass, unsigned i, uint32_t c, attne_span at) {
  for (; i < pass->normalizer->n_step; i++) {
    const attne_char *is = attne_char_of(c);
    switch (pass->normalizer->step[i]) {
    case CLEAN:
      if (is->flags & ATTNE_CHAR_CONTROL) return;
      if (is->flags & ATTNE_CHAR_SPACE) c = ' ';
      break;
    case SPACE_CJK:
      if (is->flags & ATTNE_CHAR_CJK) {
        apply(pass, i + 1, ' ', at);
        apply(pass, i + 1, c, at);
        c = ' ';
      }
      break;
    case NFD:
      decompose(pass, i, c, at);
      return;
    case STRIP_NONSPACING:
      if (is->flags & ATTNE_CHAR_NONSPACING) return;
      break;
    case STRIP_MARKS:
      if (is->flags & ATTNE_CHAR_MARK) return;
      break;
    case LOWER:
      if (c == 0x130) { /* the one character with a lower case of two */
        apply(pass, i + 1, 'i', at);
        c = 0x307;
      } else {
        c = (uint32_t)((int32_t)c + is->to_lower);
      }
      break;
    }
  }
  pass->sink(pass->ctx, c, at);
}

void attne_normalize(attne_normalization *pass, uint32_t c, attne_span at) {
  apply(pass, 0, c, at);
}

void attne_normalize_end(attne_normalization *pass) {
  for (unsigned i = 0; i < pass->normalizer->n_step; i++) end_marks(pass, i);
}

void attne_normalization_free(attne_normalization *pass) {
  for (unsigned i = 0; i < ATTNE_MAX_STEP; i++) {
    attne_release(pass->marks[i].mark);
    attne_release(pass->marks[i].order);
  }
}
