/*
** trainer.c - the kinds of training, their options, and what is the same for all.
*/
#include "trainer.h"
#include "../base/settings.h"
#include <math.h>
#include <stdio.h>

static const attne_train_kind *const kinds[] = {&attne_train_cbow, &attne_train_encoder};
enum { N_KIND = sizeof kinds / sizeof kinds[0] };

static const attn_train_option run_options[ATTNE_RUN_OPTIONS] = {
    {"progress", ATTN_OPTION_REAL, 1, 0, 1e9, 1},
    {"checkpoint", ATTN_OPTION_REAL, 60, 0, 1e9, 1},
    {"restart", ATTN_OPTION_BOOL, 0, 0, 1, 1},
};

/* --------------------------------------------------------------------- options */

static const attn_train_option *find_option(const attn_train_option *list, size_t n,
                                            const char *name) {
  for (size_t i = 0; i < n; i++) {
    if (strcmp(list[i].name, name) == 0) return &list[i];
  }
  return NULL;
}

/* "a, b, c": the names of a list, in a buffer. */
static size_t list_names(const attn_train_option *list, size_t n, char *out,
                         size_t size) {
  size_t at = 0;
  for (size_t i = 0; i < n && at < size; i++) {
    at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", list[i].name);
  }
  return at;
}

static attn_status unknown_option(const attne_train_kind *kind, const char *name,
                                  attn_error *err) {
  char own[300], run[60];
  list_names(kind->option, kind->n_option, own, sizeof own);
  list_names(run_options, ATTNE_RUN_OPTIONS, run, sizeof run);
  return attne_fail(err, ATTN_INVALID,
                    "unknown option %.40s; training of kind %s has kind, %s, %s", name,
                    kind->name, run, own);
}

static attn_status bad_value(const attn_train_option *o, const attn_setting *s,
                             attn_error *err) {
  static const char *const expected[] = {"a whole number", "a number", "true or false"};
  static const char *const kind_names[] = {"null", "false", "true",     "",
                                           "",     "",      "an array", "an object"};
  char found[80];
  if (s->kind == ATTN_TEXT) {
    attn_text text = {s->text, s->n_text};
    snprintf(found, sizeof found, "\"%.*s\"", attne_text_cut(text, 40), s->text);
  } else if (s->kind == ATTN_INTEGER) {
    snprintf(found, sizeof found, "%lld", (long long)s->integer);
  } else if (s->kind == ATTN_REAL) {
    snprintf(found, sizeof found, "%.15g", s->real);
  } else {
    snprintf(found, sizeof found, "%s", kind_names[s->kind]);
  }
  if (o->type == ATTN_OPTION_BOOL) {
    return attne_fail(err, ATTN_INVALID, "option %s is %s; expected true or false",
                      o->name, found);
  }
  return attne_fail(err, ATTN_INVALID, "option %s is %s; expected %s from %.15g to %.15g",
                    o->name, found, expected[o->type], o->min, o->max);
}

static attn_status read_option(const attn_train_option *o, const attn_setting *s,
                               attn_error *err, double *out) {
  int is_number =
      s->kind == ATTN_INTEGER || (s->kind == ATTN_REAL && o->type == ATTN_OPTION_REAL);
  if (s->kind == ATTN_NULL) return ATTN_OK; /* the default */
  if (o->type == ATTN_OPTION_BOOL) {
    if (s->kind != ATTN_TRUE && s->kind != ATTN_FALSE) return bad_value(o, s, err);
    *out = s->kind == ATTN_TRUE;
    return ATTN_OK;
  }
  double value = s->kind == ATTN_INTEGER ? (double)s->integer : s->real;
  if (!is_number || !(value >= o->min && value <= o->max)) return bad_value(o, s, err);
  *out = value;
  return ATTN_OK;
}

static void set_defaults(attn_trainer *t) {
  for (size_t i = 0; i < ATTNE_RUN_OPTIONS; i++) t->run_value[i] = run_options[i].value;
  for (size_t i = 0; i < t->kind->n_option; i++) t->value[i] = t->kind->option[i].value;
}

/* json_tree quotes keys that are no plain words: $."min_count". */
static attn_status read_options(attn_trainer *t, const attn_settings *s,
                                attn_error *err) {
  attn_status rc = ATTN_OK;
  set_defaults(t);
  for (size_t i = 0; rc == ATTN_OK && i < s->n_entry; i++) {
    char name[64];
    const char *path = s->entry[i].path + 1; /* behind the $ */
    if (*path != '.') continue;
    path += path[1] == '"' ? 2 : 1;
    size_t n = strcspn(path, "\"");
    snprintf(name, sizeof name, "%.*s", (int)(n < 60 ? n : 60), path);
    if (strcmp(name, "kind") == 0) continue;
    const attn_train_option *o = find_option(t->kind->option, t->kind->n_option, name);
    double *value = o ? &t->value[o - t->kind->option] : NULL;
    if (!o) {
      o = find_option(run_options, ATTNE_RUN_OPTIONS, name);
      value = o ? &t->run_value[o - run_options] : NULL;
    }
    rc =
        o ? read_option(o, &s->entry[i], err, value) : unknown_option(t->kind, name, err);
  }
  return rc;
}

static attn_status find_kind(const attn_settings *s, attn_error *err,
                             const attne_train_kind **out) {
  attn_text name = {"cbow", 4};
  const attn_setting *root = attne_settings_find(s, "$");
  if (root && root->kind != ATTN_OBJECT) {
    return attne_fail(err, ATTN_INVALID,
                      "the options are no JSON object; expected one like {\"dim\": 100}");
  }
  const attn_setting *kind = attne_settings_find(s, "$.kind");
  if (kind && kind->kind == ATTN_TEXT) name = (attn_text){kind->text, kind->n_text};
  for (int i = 0; i < N_KIND && (!kind || kind->kind == ATTN_TEXT); i++) {
    *out = kinds[i];
    if (attne_text_is(name, kinds[i]->name)) return ATTN_OK;
  }
  char known[100];
  size_t at = 0;
  for (int i = 0; i < N_KIND; i++) {
    at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? " or " : "",
                           kinds[i]->name);
  }
  return attne_fail(err, ATTN_INVALID, "option kind is %s%.*s%s; expected %s",
                    kind->kind == ATTN_TEXT ? "\"" : "no text",
                    kind->kind == ATTN_TEXT ? attne_text_cut(name, 40) : 0, name.text,
                    kind->kind == ATTN_TEXT ? "\"" : "", known);
}

attn_status attn_trainer_new(attn_settings *options, attn_error *err,
                             attn_trainer **out) {
  const attne_train_kind *kind = NULL;
  *out = NULL;
  attn_status rc = attne_settings_sort(options, err);
  if (rc == ATTN_OK) rc = find_kind(options, err, &kind);
  if (rc != ATTN_OK) return rc;
  attn_trainer *t = attne_alloc_zero(kind->n_byte);
  if (!t) return attne_no_memory(err);
  t->kind = kind;
  rc = read_options(t, options, err);
  if (rc == ATTN_OK) {
    *out = t;
  } else {
    attn_trainer_free(t);
  }
  return rc;
}

void attn_trainer_free(attn_trainer *t) {
  if (!t) return;
  t->kind->clear(t);
  attne_release(t);
}

double attn_trainer_option(const attn_trainer *t, const char *name) {
  const attn_train_option *o = find_option(run_options, ATTNE_RUN_OPTIONS, name);
  return o ? t->run_value[o - run_options] : NAN;
}
attn_status attn_trainer_options(const attn_trainer *t, attn_error *err, char **out) {
  char list[ATTNE_KIND_OPTIONS * 48] = "";
  size_t at = 0;
  for (size_t i = 0; i < t->kind->n_option && at < sizeof list; i++) {
    const attn_train_option *o = &t->kind->option[i];
    if (o->is_free) continue;
    at += (size_t)snprintf(list + at, sizeof list - at, ",\"%.24s\":%.17g", o->name,
                           t->value[i]);
  }
  return attne_format_text(err, out, "{\"kind\":\"%s\"%s}", t->kind->name, list);
}

/* ------------------------------------------------------------------------ steps */

attn_status attn_trainer_config(const attn_trainer *t, attn_error *err, char **out) {
  return t->kind->config(t, err, out);
}

void attn_trainer_set_words(attn_trainer *t, const attn_tokenizer *words) {
  t->words = words;
}

attn_status attn_trainer_add(attn_trainer *t, attn_text text, attn_error *err) {
  return t->kind->add(t, text, err);
}

attn_status attn_trainer_prepare(attn_trainer *t, attn_error *err) {
  attn_status rc = t->kind->prepare(t, err);
  t->words = NULL;
  return rc;
}

void attn_trainer_corpus(const attn_trainer *t, char sha256[65]) {
  t->kind->corpus(t, sha256);
}

void attn_trainer_progress(attn_trainer *t, attn_train_progress *out) {
  memset(out, 0, sizeof *out);
  t->kind->progress(t, out);
}

int attn_trainer_blocks(const attn_trainer *t,
                        attn_train_block block[ATTN_TRAIN_BLOCKS]) {
  return t->kind->blocks(t, block);
}

uint64_t attn_trainer_step_number(const attn_trainer *t) {
  return t->step;
}

attn_status attn_trainer_seek(attn_trainer *t, uint64_t step, attn_error *err) {
  return t->kind->seek(t, step, err);
}

attn_status attn_trainer_step(attn_trainer *t, int (*stop)(void *ctx), void *ctx,
                              attn_error *err) {
  t->stop = stop;
  t->stop_ctx = ctx;
  return t->kind->step(t, err);
}

attn_status attn_trainer_result(attn_trainer *t, attn_error *err,
                                attn_train_result *out) {
  memset(out, 0, sizeof *out);
  return t->kind->result(t, err, out);
}
