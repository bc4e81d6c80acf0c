/*
** bert_memory.c - the memory in which a BERT encoder is trained.
*/
#include "bert.h"
#include "../kernels/kernels.h"

static uint64_t max_group(const attne_bert_shape *s) {
  return (uint64_t)s->max_token / ATTNE_BERT_GROUP + 1;
}

/* Cuts floats off a block; while it is counted, there is none. */
typedef struct cutter {
  char *block;
  uint64_t n_byte;
  int overflow;
} cutter;

static void *cut(cutter *c, uint64_t n, uint64_t size) {
  uint64_t bytes =
      attne_add(attne_mul(n, size, &c->overflow), 63, &c->overflow) / 64 * 64;
  uint64_t at = c->n_byte;
  c->n_byte = attne_add(at, bytes, &c->overflow);
  return c->block ? c->block + at : NULL;
}

static float *rows(cutter *c, uint64_t n, uint64_t width) {
  return cut(c, attne_mul(n, width, &c->overflow), sizeof(float));
}

static void cut_layer(const attne_bert_shape *s, cutter *c, attne_bert_activation *a) {
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

static void cut_memory(const attne_bert *b, cutter *c, attne_bert_memory *m) {
  const attne_bert_shape *s = &b->shape;
  const uint64_t d = s->d_model, n_group = max_group(s);
  for (uint32_t i = 0; i < 4 * s->n_layer + 2; i++) {
    attne_bert_dense dense = attne_bert_matrix(b, i);
    m->packed[i].rows = cut(c, attne_packed_size(dense.n_out, dense.n_in), sizeof(float));
    m->packed[i].columns =
        cut(c, attne_packed_size(dense.n_in, dense.n_out), sizeof(float));
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
  m->norms = rows(c, n_group * attne_bert_norms(s), 2 * d);
  m->loss = cut(c, n_group, sizeof *m->loss);
  m->squares = cut(c, b->n / ATTNE_BERT_STEP + 1, sizeof *m->squares);
  m->group = cut(c, n_group, sizeof *m->group);
}

static void clear(float *x, size_t n) {
  memset(x, 0, n * sizeof *x);
}

static attn_status alloc_memory(const attne_bert *b, attne_bert_memory *m,
                                uint32_t n_thread, attn_error *err) {
  size_t pass = attne_bert_pass_scratch(&b->shape),
         sum = attne_bert_sum_scratch(&b->shape);
  cutter counter = {0};
  cut_memory(b, &counter, m);
  uint64_t n_byte = counter.overflow ? UINT64_MAX : counter.n_byte;
  attn_status rc = attn_limit_call(n_byte, err);
  if (rc != ATTN_OK) return rc;
  m->block = counter.overflow ? NULL : attn_alloc_aligned(n_byte);
  if (!m->block) return attne_no_memory(err);
  cut_memory(b, &(cutter){m->block, 0, 0}, m);
  for (; m->n_slot < n_thread; m->n_slot++) {
    float *scratch = attn_alloc_aligned((pass > sum ? pass : sum) * sizeof *scratch);
    if (!scratch) return attne_no_memory(err);
    m->slot[m->n_slot] = scratch;
  }
  /* Outputs that fill up a panel are computed, if not kept: not with what was there. */
  for (uint32_t i = 0; i < 4 * b->shape.n_layer + 2; i++) {
    attne_bert_dense dense = attne_bert_matrix(b, i);
    clear(m->packed[i].rows, attne_packed_size(dense.n_out, dense.n_in));
    clear(m->packed[i].columns, attne_packed_size(dense.n_in, dense.n_out));
  }
  return ATTN_OK;
}

static float *zeros(size_t n) {
  float *x = attn_alloc_aligned((uint64_t)n * sizeof *x);
  if (x) clear(x, n);
  return x;
}

attn_status attne_bert_alloc(attne_bert *b, uint32_t n_thread, attn_error *err) {
  attn_status rc = attn_limit_call(4 * (uint64_t)b->n * sizeof(float), err);
  if (rc != ATTN_OK) return rc;
  b->weight = zeros(b->n);
  b->gradient = zeros(b->n);
  b->first = zeros(b->n);
  b->second = zeros(b->n);
  b->memory = attne_alloc_zero(sizeof *b->memory);
  if (!b->weight || !b->gradient || !b->first || !b->second || !b->memory) {
    return attne_no_memory(err);
  }
  return alloc_memory(b, b->memory, n_thread, err);
}

void attne_bert_free(attne_bert *b) {
  attne_bert_memory *m = b->memory;
  attn_release_aligned(b->weight);
  attn_release_aligned(b->gradient);
  attn_release_aligned(b->first);
  attn_release_aligned(b->second);
  for (uint32_t i = 0; m && i < m->n_slot; i++) attn_release_aligned(m->slot[i]);
  if (m) attn_release_aligned(m->block);
  attne_release(m);
  b->weight = b->gradient = b->first = b->second = NULL;
  b->memory = NULL;
}
