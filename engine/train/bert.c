/*
** bert.c - the parameters of a BERT encoder: their places, first values and names.
*/
#include "bert.h"
#include "../base/random.h"
#include <stdio.h>

/* ------------------------------------------------------------------- parameters */

static size_t take(size_t *at, size_t n) {
  size_t begin = *at;
  *at += n;
  return begin;
}

static void place_matrix(attne_bert_dense *dense, uint32_t n_out, uint32_t n_in,
                         size_t *at) {
  dense->n_out = n_out;
  dense->n_in = n_in;
  dense->weight = take(at, (size_t)n_out * n_in);
}

static void place_norm(attne_bert_norm *norm, size_t d, size_t *at) {
  norm->weight = take(at, d);
  norm->bias = take(at, d);
}

void attne_bert_place(attne_bert *b, const attne_bert_shape *shape) {
  const uint32_t d = shape->d_model;
  size_t at = 0;
  b->shape = *shape;
  b->word = take(&at, (size_t)shape->n_vocab * d);
  b->position = take(&at, (size_t)shape->max_length * d);
  b->type = take(&at, d);
  for (uint32_t i = 0; i < shape->n_layer; i++) {
    attne_bert_layer *layer = &b->layer[i];
    place_matrix(&layer->qkv, 3 * d, d, &at);
    place_matrix(&layer->out, d, d, &at);
    place_matrix(&layer->up, shape->d_ff, d, &at);
    place_matrix(&layer->down, d, shape->d_ff, &at);
  }
  place_matrix(&b->transform, d, d, &at);
  b->n_decay = at;
  place_norm(&b->norm_embedding, d, &at);
  for (uint32_t i = 0; i < shape->n_layer; i++) {
    attne_bert_layer *layer = &b->layer[i];
    attne_bert_dense *const dense[] = {&layer->qkv, &layer->out, &layer->up,
                                       &layer->down};
    for (int k = 0; k < 4; k++) dense[k]->bias = take(&at, dense[k]->n_out);
    place_norm(&layer->norm_attention, d, &at);
    place_norm(&layer->norm_ffn, d, &at);
  }
  b->transform.bias = take(&at, d);
  place_norm(&b->norm_head, d, &at);
  b->bias = take(&at, shape->n_vocab);
  b->n = at;
}

attne_bert_dense attne_bert_matrix(const attne_bert *b, uint32_t i) {
  const attne_bert_layer *layer = &b->layer[i / 4];
  if (i == 4 * b->shape.n_layer) return b->transform;
  if (i > 4 * b->shape.n_layer) {
    return (attne_bert_dense){b->shape.n_vocab, b->shape.d_model, b->word, b->bias};
  }
  return i % 4 == 0   ? layer->qkv
         : i % 4 == 1 ? layer->out
         : i % 4 == 2 ? layer->up
                      : layer->down;
}

static void set(float *x, size_t n, float value) {
  for (size_t i = 0; i < n; i++) x[i] = value;
}

/* The sum of twelve uniform numbers, less 6, has variance 1, and no bits that depend on
** a library. */
static float normal(uint64_t key, uint64_t i) {
  int64_t sum = 0;
  for (uint64_t k = 0; k < 6; k++) {
    uint64_t random = attne_random_at(key, 6 * i + k);
    sum += (int64_t)(random >> 32) + (int64_t)(random & UINT32_MAX);
  }
  return (float)((double)sum * 0x1p-32 - 6);
}

void attne_bert_first_weights(attne_bert *b, uint64_t seed) {
  const size_t d = b->shape.d_model;
  const uint64_t key = attne_random_key(seed, UINT64_MAX);
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
  return strcmp(((const attne_bert_tensor *)a)->name,
                ((const attne_bert_tensor *)b)->name);
}

typedef struct tensor_list {
  attne_bert_tensor *tensor;
  size_t n;
  uint32_t layer; /* whose tensors come next */
} tensor_list;

static void add_tensor(tensor_list *list, const char *base, const char *suffix, size_t at,
                       int64_t n_row, int64_t n_column) {
  attne_bert_tensor *t = &list->tensor[list->n++];
  attne_parameter_name(t->name, base, list->layer, suffix);
  t->at = at;
  t->n_row = n_row;
  t->n_column = n_column;
}

static void add_dense(tensor_list *list, const char *base,
                      const attne_bert_dense *dense) {
  add_tensor(list, base, "weight", dense->weight, dense->n_out, dense->n_in);
  add_tensor(list, base, "bias", dense->bias, dense->n_out, 0);
}

static void add_norm(tensor_list *list, const char *base, const attne_bert_norm *norm,
                     int64_t d) {
  add_tensor(list, base, "weight", norm->weight, d, 0);
  add_tensor(list, base, "bias", norm->bias, d, 0);
}

static void add_layer(tensor_list *list, const attne_stack_names *names,
                      const attne_bert_layer *layer, uint32_t d) {
  const char *const projection[] = {names->query, names->key, names->value};
  for (uint32_t k = 0; k < 3; k++) {
    attne_bert_dense part = {d, d, layer->qkv.weight + (size_t)k * d * d,
                             layer->qkv.bias + k * d};
    add_dense(list, projection[k], &part);
  }
  add_dense(list, names->out, &layer->out);
  add_norm(list, names->norm_attention, &layer->norm_attention, d);
  add_dense(list, names->up, &layer->up);
  add_dense(list, names->down, &layer->down);
  add_norm(list, names->norm_ffn, &layer->norm_ffn, d);
}

size_t attne_bert_tensors(const attne_bert *b, attne_bert_tensor *out) {
  const attne_architecture *a = attne_architecture_find((attn_text){"bert", 4});
  const attne_stack_names *names = a->encoder;
  const attne_bert_shape *s = &b->shape;
  const uint32_t d = s->d_model;
  tensor_list list = {out, 0, 0};
  add_tensor(&list, a->word, "weight", b->word, s->n_vocab, d);
  add_tensor(&list, names->position, "weight", b->position, s->max_length, d);
  add_tensor(&list, a->type, "weight", b->type, 1, d);
  add_norm(&list, names->norm_embedding, &b->norm_embedding, d);
  for (; list.layer < s->n_layer; list.layer++) {
    add_layer(&list, names, &b->layer[list.layer], d);
  }
  add_dense(&list, a->mlm.transform, &b->transform);
  add_norm(&list, a->mlm.norm, &b->norm_head, d);
  add_tensor(&list, a->mlm.bias, "bias", b->bias, s->n_vocab, 0);
  attn_sort(out, list.n, sizeof *out, by_name);
  return list.n;
}
