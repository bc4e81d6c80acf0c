/*
** transform.c - matrices through an encoder and a decoder, with masks.
**
** A mask is what is added to the scores of one attention: -inf hides a key from a query.
*/
#include "../model/model.h"
#include "../nn/decoder.h"
#include "../base/settings.h"
#include <math.h>
#include <stdio.h>

/* The three attentions, and the sizes of their scores. */
enum { SOURCE, TARGET, CROSS, N_ATTENTION };

typedef struct masks {
  const attn_settings *options;
  attn_error *err;
  uint32_t n_query[N_ATTENTION], n_key[N_ATTENTION];
  float *bias[N_ATTENTION]; /* NULL: nothing is added */
} masks;

/* An element's number; `found` may be NULL. */
static attn_status get_element(masks *m, const attn_setting *found, const char *name,
                               uint32_t row, uint32_t column, float *out) {
  attn_kind kind = found ? found->kind : ATTN_NULL;
  if (kind == ATTN_TRUE || kind == ATTN_FALSE) {
    *out = kind == ATTN_TRUE ? -INFINITY : 0;
    return ATTN_OK;
  }
  if (kind == ATTN_INTEGER || kind == ATTN_REAL) {
    *out = (float)found->real;
    return ATTN_OK;
  }
  return attne_fail(m->err, ATTN_INVALID,
                    "option %s: element %u of row %u is neither true, false nor a number",
                    name, column, row);
}

/* How many elements the array at a path has; UINT32_MAX where it is none. */
static uint32_t count_elements(const attn_settings *s, const char *path) {
  uint32_t low = 0, high = 1;
  const attn_setting *found = attne_settings_find(s, "%s", path);
  if (!found || found->kind != ATTN_ARRAY) return UINT32_MAX;
  while (attne_settings_find(s, "%s[%u]", path, high - 1)) high *= 2;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (attne_settings_find(s, "%s[%u]", path, middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static attn_status expect_elements(masks *m, const char *path, uint32_t n) {
  uint32_t found = count_elements(m->options, path);
  if (found == n) return ATTN_OK;
  if (found == UINT32_MAX) {
    return attne_fail(m->err, ATTN_INVALID,
                      "option %s is no array; expected one of %u elements", path + 2, n);
  }
  return attne_fail(m->err, ATTN_INVALID, "option %s has %u elements; expected %u",
                    path + 2, found, n);
}

static attn_status make_bias(masks *m, int which) {
  uint64_t n = (uint64_t)m->n_query[which] * m->n_key[which];
  attn_status rc = attn_limit_call(n * sizeof(float), m->err);
  if (rc != ATTN_OK) return rc;
  if (!m->bias[which]) m->bias[which] = attne_alloc_zero(n * sizeof(float));
  return m->bias[which] ? ATTN_OK : attne_no_memory(m->err);
}

static attn_status add_mask(masks *m, const char *name, int which) {
  char path[64];
  const uint32_t n_row = m->n_query[which], n = m->n_key[which];
  if (!attne_settings_has(m->options, "$.%s", name)) return ATTN_OK;
  snprintf(path, sizeof path, "$.%s", name);
  attn_status rc = expect_elements(m, path, n_row);
  if (rc == ATTN_OK) rc = make_bias(m, which);
  for (uint32_t i = 0; rc == ATTN_OK && i < n_row; i++) {
    snprintf(path, sizeof path, "$.%s[%u]", name, i);
    rc = expect_elements(m, path, n);
    for (uint32_t k = 0; rc == ATTN_OK && k < n; k++) {
      float x = 0;
      rc = get_element(m, attne_settings_find(m->options, "%s[%u]", path, k), name, i, k,
                       &x);
      m->bias[which][(size_t)i * n + k] += x;
    }
  }
  return rc;
}

static attn_status add_padding(masks *m, const char *name, int which) {
  char path[64];
  const uint32_t n_row = m->n_query[which], n = m->n_key[which];
  if (!attne_settings_has(m->options, "$.%s", name)) return ATTN_OK;
  snprintf(path, sizeof path, "$.%s", name);
  attn_status rc = expect_elements(m, path, n);
  if (rc == ATTN_OK) rc = make_bias(m, which);
  for (uint32_t k = 0; rc == ATTN_OK && k < n; k++) {
    float x = 0;
    rc = get_element(m, attne_settings_find(m->options, "%s[%u]", path, k), name, 0, k,
                     &x);
    for (size_t i = 0; i < n_row; i++) m->bias[which][i * n + k] += x;
  }
  return rc;
}

static attn_status get_options(masks *m, attn_settings *options, int *causal) {
  static const struct {
    const char *mask, *padding;
  } names[N_ATTENTION] = {{"src_mask", "src_key_padding_mask"},
                          {"tgt_mask", "tgt_key_padding_mask"},
                          {"memory_mask", "memory_key_padding_mask"}};
  static const char *const known[] = {"causal",
                                      "src_mask",
                                      "src_key_padding_mask",
                                      "tgt_mask",
                                      "tgt_key_padding_mask",
                                      "memory_mask",
                                      "memory_key_padding_mask",
                                      NULL};
  m->options = options;
  attn_status rc = attne_settings_sort(options, m->err);
  if (rc == ATTN_OK) rc = attne_settings_only(options, known, m->err);
  if (rc == ATTN_OK) rc = attne_settings_bool(options, m->err, causal, "$.causal");
  for (int i = 0; rc == ATTN_OK && i < N_ATTENTION; i++) {
    rc = add_mask(m, names[i].mask, i);
    if (rc == ATTN_OK) rc = add_padding(m, names[i].padding, i);
  }
  return rc;
}

attn_status attn_transform(const attn_model *model, const attn_matrices *in,
                           attn_settings *options, attn_stop stop, attn_error *err,
                           float *out) {
  const uint32_t n = in->n_source, n_out = in->n_target;
  masks m = {.err = err, .n_query = {n, n_out, n_out}, .n_key = {n, n_out, n}};
  attne_decoder d = {0};
  attne_pass how = {0};
  float *y;
  attn_status rc = get_options(&m, options, &how.is_causal);
  if (rc == ATTN_OK) rc = attne_decoder_init(&d, &model->graph, 0, stop, err);
  if (rc == ATTN_OK)
    rc = attne_decoder_source(&d, NULL, in->source, n, m.bias[SOURCE], err);
  how.bias = m.bias[TARGET];
  how.cross_bias = m.bias[CROSS];
  if (rc == ATTN_OK) rc = attne_decoder_run(&d, &how, NULL, in->target, n_out, err, &y);
  for (size_t i = 0; rc == ATTN_OK && i < (size_t)n_out * model->graph.d_model; i++) {
    out[i] = y[i] == y[i] ? y[i] : NAN; /* of one pattern, as in encoder.c */
  }
  attne_decoder_free(&d);
  for (int i = 0; i < N_ATTENTION; i++) attne_release(m.bias[i]);
  return rc;
}
