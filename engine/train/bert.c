/*
** bert.c - the parameters of a BERT encoder and the memory to train it.
*/
#include "bert.h"
#include "../base/random.h"
#include "../kernels/kernels.h"
#include <stdio.h>

/* ------------------------------------------------------------------- parameters */

static size_t take(size_t *at, size_t n) {
  size_t begin = *at;
  *at += n;
  return begin;
}

static void place_matrix(attn_bert_dense *dense, uint32_t n_out, uint32_t n_in, size_t *at) {
  dense->n_out = n_out;
  dense->n_in = n_in;
  dense->weight = take(at, (size_t)n_out * n_in);
}

static void place_norm(attn_bert_norm *norm, size_t d, size_t *at) {
  norm->weight = take(at, d);
  norm->bias = take(at, d);
}

void attn_bert_place(attn_bert *b, const attn_bert_shape *shape) {
  const uint32_t d = shape->d_model;
  size_t at = 0;
  b->shape = *shape;
  b->word = take(&at, (size_t)shape->n_vocab * d);
  b->position = take(&at, (size_t)shape->max_length * d);
  b->type = take(&at, d);
  for (uint32_t i = 0; i < shape->n_layer; i++) {
    attn_bert_layer *layer = &b->layer[i];
    place_matrix(&layer->qkv, 3 * d, d, &at);
    place_matrix(&layer->out, d, d, &at);
    place_matrix(&layer->up, shape->d_ff, d, &at);
    place_matrix(&layer->down, d, shape->d_ff, &at);
  }
  place_matrix(&b->transform, d, d, &at);
  b->n_decay = at;
  place_norm(&b->norm_embedding, d, &at);
  for (uint32_t i = 0; i < shape->n_layer; i++) {
    attn_bert_layer *layer = &b->layer[i];
    attn_bert_dense *const dense[] = {&layer->qkv, &layer->out, &layer->up, &layer->down};
    for (int k = 0; k < 4; k++) dense[k]->bias = take(&at, dense[k]->n_out);
    place_norm(&layer->norm_attention, d, &at);
    place_norm(&layer->norm_ffn, d, &at);
  }
  b->transform.bias = take(&at, d);
  place_norm(&b->norm_head, d, &at);
  b->bias = take(&at, shape->n_vocab);
  b->n = at;
}

attn_bert_dense attn_bert_matrix(const attn_bert *b, uint32_t i) {
  const attn_bert_layer *layer = &b->layer[i / 4];
  if (i == 4 * b->shape.n_layer) return b->transform;
  if (i > 4 * b->shape.n_layer) {
    return (attn_bert_dense){b->shape.n_vocab, b->shape.d_model, b->word, b->bias};
  }
  return i % 4 == 0 ? layer->qkv : i % 4 == 1 ? layer->out : i % 4 == 2 ? layer->up : layer->down;
}

static void set(float *x, size_t n, float value) {
  for (size_t i = 0; i < n; i++) x[i] = value;
}

/* The sum of twelve uniform numbers, less 6, has variance 1, and no bits that depend on
** a library. */
static float normal(uint64_t key, uint64_t i) {
  int64_t sum = 0;
  for (uint64_t k = 0; k < 6; k++) {
    uint64_t random = attn_random_at(key, 6 * i + k);
    sum += (int64_t)(random >> 32) + (int64_t)(random & UINT32_MAX);
  }
  return (float)((double)sum * 0x1p-32 - 6);
}

void attn_bert_first_weights(attn_bert *b, uint64_t seed) {
  const size_t d = b->shape.d_model;
  const uint64_t key = attn_random_key(seed, UINT64_MAX);
  for (size_t i = 0; i < b->n_decay; i++) b->weight[i] = 0.02f * normal(key, i);
  set(b->weight + b->n_decay, b->n - b->n_decay, 0);
  set(b->weight + b->norm_embedding.weight, d, 1);
  set(b->weight + b->norm_head.weight, d, 1);
  for (uint32_t i = 0; i < b->shape.n_layer; i++) {
    set(b->weight + b->layer[i].norm_attention.weight, d, 1);
    set(b->weight + b->layer[i].norm_ffn.weight, d, 1);
  }
}

/* ---------------------------------------------------------------------- tensors */

static int by_name(const void *a, const void *b) {
  return strcmp(((const attn_bert_tensor *)a)->name, ((const attn_bert_tensor *)b)->name);
}

typedef struct tensor_list {
  attn_bert_tensor *tensor;
  size_t n;
} tensor_list;

static void name_tensor(tensor_list *list, const char *prefix, const char *name, size_t at,
                        int64_t n_row, int64_t n_column) {
  attn_bert_tensor *t = &list->tensor[list->n++];
  snprintf(t->name, sizeof t->name, "%s%s", prefix, name);
  t->at = at;
  t->n_row = n_row;
  t->n_column = n_column;
}

static void name_dense(tensor_list *list, const char *prefix, const char *name,
                       const attn_bert_dense *dense) {
  char weight[60], bias[60];
  snprintf(weight, sizeof weight, "%s.weight", name);
  snprintf(bias, sizeof bias, "%s.bias", name);
  name_tensor(list, prefix, weight, dense->weight, dense->n_out, dense->n_in);
  name_tensor(list, prefix, bias, dense->bias, dense->n_out, 0);
}

static void name_norm(tensor_list *list, const char *prefix, const char *name,
                      const attn_bert_norm *norm, int64_t d) {
  char full[60];
  snprintf(full, sizeof full, "%s%s", prefix, name);
  name_tensor(list, full, ".weight", norm->weight, d, 0);
  name_tensor(list, full, ".bias", norm->bias, d, 0);
}

static void name_layer(tensor_list *list, const attn_bert *b, uint32_t i) {
  static const char *const third[] = {"attention.self.query", "attention.self.key",
                                      "attention.self.value"};
  const attn_bert_layer *layer = &b->layer[i];
  const uint32_t d = b->shape.d_model;
  char prefix[32];
  snprintf(prefix, sizeof prefix, "encoder.layer.%u.", i);
  for (uint32_t k = 0; k < 3; k++) {
    attn_bert_dense part = {d, d, layer->qkv.weight + (size_t)k * d * d,
                            layer->qkv.bias + k * d};
    name_dense(list, prefix, third[k], &part);
  }
  name_dense(list, prefix, "attention.output.dense", &layer->out);
  name_norm(list, prefix, "attention.output.LayerNorm", &layer->norm_attention, d);
  name_dense(list, prefix, "intermediate.dense", &layer->up);
  name_dense(list, prefix, "output.dense", &layer->down);
  name_norm(list, prefix, "output.LayerNorm", &layer->norm_ffn, d);
}

size_t attn_bert_tensors(const attn_bert *b, attn_bert_tensor *out) {
  tensor_list list = {out, 0};
  const attn_bert_shape *s = &b->shape;
  const int64_t d = s->d_model;
  name_tensor(&list, "embeddings.", "word_embeddings.weight", b->word, s->n_vocab, d);
  name_tensor(&list, "embeddings.", "position_embeddings.weight", b->position,
              s->max_length, d);
  name_tensor(&list, "embeddings.", "token_type_embeddings.weight", b->type, 1, d);
  name_norm(&list, "embeddings.", "LayerNorm", &b->norm_embedding, d);
  for (uint32_t i = 0; i < s->n_layer; i++) name_layer(&list, b, i);
  name_dense(&list, "cls.predictions.", "transform.dense", &b->transform);
  name_norm(&list, "cls.predictions.", "transform.LayerNorm", &b->norm_head, d);
  name_tensor(&list, "cls.predictions.", "bias", b->bias, s->n_vocab, 0);
  attn_sort(out, list.n, sizeof *out, by_name);
  return list.n;
}

/* ----------------------------------------------------------------------- memory */

static uint64_t max_group(const attn_bert_shape *s) {
  return (uint64_t)s->max_token / ATTN_BERT_GROUP + 1;
}

/* Cuts floats off a block; while it is counted, there is none. */
typedef struct cutter {
  char *block;
  uint64_t n_byte;
  int overflow;
} cutter;

static void *cut(cutter *c, uint64_t n, uint64_t size) {
  uint64_t bytes = attn_add(attn_mul(n, size, &c->overflow), 63, &c->overflow) / 64 * 64;
  uint64_t at = c->n_byte;
  c->n_byte = attn_add(at, bytes, &c->overflow);
  return c->block ? c->block + at : NULL;
}

static float *rows(cutter *c, uint64_t n, uint64_t width) {
  return cut(c, attn_mul(n, width, &c->overflow), sizeof(float));
}

static void cut_layer(const attn_bert_shape *s, cutter *c, attn_bert_activation *a) {
  const uint64_t n = s->max_token, d = s->d_model;
  a->x = rows(c, n, d);
  a->qkv = rows(c, n, 3 * d);
  a->weights = rows(c, n, (uint64_t)s->n_head * s->max_length);
  a->context = rows(c, n, d);
  a->attended = rows(c, n, d);
  a->y = rows(c, n, d);
  a->slope = rows(c, n, s->d_ff);
  a->wide = rows(c, n, s->d_ff);
  a->fed = rows(c, n, d);
}

static void cut_memory(const attn_bert *b, cutter *c, attn_bert_memory *m) {
  const attn_bert_shape *s = &b->shape;
  const uint64_t d = s->d_model, n_group = max_group(s);
  for (uint32_t i = 0; i < 4 * s->n_layer + 2; i++) {
    attn_bert_dense dense = attn_bert_matrix(b, i);
    m->packed[i].rows = cut(c, attn_packed_size(dense.n_out, dense.n_in), sizeof(float));
    m->packed[i].columns = cut(c, attn_packed_size(dense.n_in, dense.n_out), sizeof(float));
  }
  for (uint32_t i = 0; i < s->n_layer; i++) cut_layer(s, c, &m->layer[i]);
  m->embedded = rows(c, s->max_token, d);
  m->x = rows(c, s->max_token, d);
  m->d_x = rows(c, s->max_token, d);
  m->d_y = rows(c, s->max_token, d);
  m->d_wide = rows(c, s->max_token, s->d_ff);
  m->picked = rows(c, s->max_masked, d);
  m->slope = rows(c, s->max_masked, d);
  m->activated = rows(c, s->max_masked, d);
  m->head = rows(c, s->max_masked, d);
  m->d_head = rows(c, s->max_masked, d);
  m->logits = rows(c, s->max_masked, s->n_vocab);
  m->norms = rows(c, n_group * attn_bert_norms(s), 2 * d);
  m->loss = cut(c, n_group, sizeof *m->loss);
  m->squares = cut(c, b->n / ATTN_BERT_STEP + 1, sizeof *m->squares);
  m->group = cut(c, n_group, sizeof *m->group);
}

static attn_status alloc_memory(const attn_bert *b, attn_bert_memory *m, uint32_t n_thread,
                                attn_error *err) {
  size_t pass = attn_bert_pass_scratch(&b->shape), sum = attn_bert_sum_scratch(&b->shape);
  cutter counter = {0};
  cut_memory(b, &counter, m);
  uint64_t n_byte = counter.overflow ? UINT64_MAX : counter.n_byte;
  attn_status rc = attn_limit_call(n_byte, err);
  if (rc != ATTN_OK) return rc;
  m->block = counter.overflow ? NULL : attn_alloc_aligned(n_byte);
  if (!m->block) return attn_no_memory(err);
  cut_memory(b, &(cutter){m->block, 0, 0}, m);
  for (; m->n_slot < n_thread; m->n_slot++) {
    float *scratch = attn_alloc_aligned((pass > sum ? pass : sum) * sizeof *scratch);
    if (!scratch) return attn_no_memory(err);
    m->slot[m->n_slot] = scratch;
  }
  /* Outputs that fill up a panel are computed, if not kept: not with what was there. */
  for (uint32_t i = 0; i < 4 * b->shape.n_layer + 2; i++) {
    attn_bert_dense dense = attn_bert_matrix(b, i);
    set(m->packed[i].rows, attn_packed_size(dense.n_out, dense.n_in), 0);
    set(m->packed[i].columns, attn_packed_size(dense.n_in, dense.n_out), 0);
  }
  return ATTN_OK;
}

static float *zeros(size_t n) {
  float *x = attn_alloc_aligned((uint64_t)n * sizeof *x);
  if (x) set(x, n, 0);
  return x;
}

attn_status attn_bert_alloc(attn_bert *b, uint32_t n_thread, attn_error *err) {
  attn_status rc = attn_limit_call(4 * (uint64_t)b->n * sizeof(float), err);
  if (rc != ATTN_OK) return rc;
  b->weight = zeros(b->n);
  b->gradient = zeros(b->n);
  b->first = zeros(b->n);
  b->second = zeros(b->n);
  b->memory = attn_alloc_zero(sizeof *b->memory);
  if (!b->weight || !b->gradient || !b->first || !b->second || !b->memory) {
    return attn_no_memory(err);
  }
  return alloc_memory(b, b->memory, n_thread, err);
}

void attn_bert_free(attn_bert *b) {
  attn_bert_memory *m = b->memory;
  attn_release_aligned(b->weight);
  attn_release_aligned(b->gradient);
  attn_release_aligned(b->first);
  attn_release_aligned(b->second);
  for (uint32_t i = 0; m && i < m->n_slot; i++) attn_release_aligned(m->slot[i]);
  if (m) attn_release_aligned(m->block);
  attn_release(m);
  b->weight = b->gradient = b->first = b->second = NULL;
  b->memory = NULL;
}
