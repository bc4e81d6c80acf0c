/*
** bert_pass.c - some texts forward through the encoder, and the gradient of the loss
** back.
**
** Backward (Rumelhart, Hinton and Williams 1986), with dY for the gradient by Y:
**   Y = X Wᵀ + b       dX = dY W         (dW = dYᵀ X, db = sum of dY: bert_step.c)
**   P = softmax(s S)   dS = s P (dP - sum of dP P)
**   Y = norm(Z)        dZ = (dN - mean dN - N mean(dN N)) / sigma, N = (Z - mean) / sigma,
**                      dN = dY weight;  d weight = sum of dY N, d bias = sum of dY
**   Y = drop(X)        dX = drop(dY): the numbers dropped are the same ones
** The gradient of a linear's result takes the place of something that is not needed any
** more (bert.h), where the sum over the tokens finds it.
*/
#include "bert.h"
#include "../base/deterministic.h"
#include "../base/random.h"
#include "../kernels/pack.h"
#include <math.h>

static const float eps = 1e-12f; /* BERT's */

typedef struct work {
  const attne_bert *bert;
  const attne_bert_shape *shape;
  const attne_bert_memory *memory;
  const attne_bert_batch *batch;
  const attne_kernels_f32 *kernels;
  const attne_bert_pass *pass;
  const attne_bert_group *group;
  size_t d, row, n_row;    /* its rows of the batch */
  size_t masked, n_masked; /* and of the masked tokens */
  float *norms;            /* [n_norm, 2, d] */
  float *scratch;
} work;

/* ---------------------------------------------------------------------- products */

/* c[m, n] = or += a[m, k] packedᵀ + bias */
static void multiply(const work *w, size_t m, size_t k, const float *a, size_t lda,
                     const float *packed, attne_output out) {
  attne_gemm_f32 g = {.m = m, .k = k, .a = a, .lda = lda, .packed = packed, .out = out};
  w->kernels->gemm(&g);
}

/* y[m, n_out] = x[m, n_in] Wᵀ + b */
static void forward(const work *w, uint32_t i, size_t m, const float *x, float *y) {
  attne_bert_dense dense = attne_bert_matrix(w->bert, i);
  multiply(w, m, dense.n_in, x, dense.n_in, w->memory->packed[i].rows,
           (attne_output){.n = dense.n_out,
                          .bias = w->bert->weight + dense.bias,
                          .c = y,
                          .ldc = dense.n_out});
}

/* dx[m, n_in] = or += dy[m, n_out] W */
static void backward(const work *w, uint32_t i, size_t m, const float *dy,
                     attne_store store, float *dx) {
  attne_bert_dense dense = attne_bert_matrix(w->bert, i);
  multiply(w, m, dense.n_out, dy, dense.n_out, w->memory->packed[i].columns,
           (attne_output){.n = dense.n_in, .store = store, .c = dx, .ldc = dense.n_in});
}

static void transpose(size_t n, size_t m, const float *x, size_t ld, float *out,
                      size_t ld_out) {
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < m; j++) out[j * ld_out + i] = x[i * ld + j];
  }
}

/* ----------------------------------------------------------------------- dropout */

/* Where dropout stands: three times in a layer, and behind the embedding. */
enum { DROP_WEIGHTS, DROP_ATTENTION, DROP_FFN, N_DROP };

/* Number i of a place is dropped where random number i says so; x is number `first`. */
static void drop(const work *w, uint32_t place, uint64_t first, size_t n, float *x) {
  const uint32_t limit = (uint32_t)(w->pass->dropout * 0x1p32);
  const float scale = (float)(1 / (1 - w->pass->dropout));
  if (limit == 0) return;
  uint64_t key = attne_random_key(w->pass->key, place);
  for (size_t i = 0; i < n; i++) {
    x[i] *= attne_random_at(key, first + i) >> 32 < limit ? 0.0f : scale;
  }
}

static void drop_rows(const work *w, uint32_t place, float *x) {
  drop(w, place, w->row * w->d, w->n_row * w->d, x);
}

/* ------------------------------------------------------------------------- norms */

static float sum_lanes(float lane[16]) {
  for (int n = 8; n > 0; n /= 2) {
    for (int i = 0; i < n; i++) lane[i] += lane[i + n];
  }
  return lane[0];
}

/* Means of a row: of x, and of (x - center)². */
static float mean_of(size_t n, const float *x) {
  float lane[16] = {0};
  for (size_t i = 0; i < n; i++) lane[i % 16] += x[i];
  return sum_lanes(lane) / (float)n;
}

static float variance_of(size_t n, const float *x, float center) {
  float lane[16] = {0};
  for (size_t i = 0; i < n; i++) lane[i % 16] += (x[i] - center) * (x[i] - center);
  return sum_lanes(lane) / (float)n;
}

static void norm(const work *w, const attne_bert_norm *norm, size_t m, const float *z,
                 float *y) {
  w->kernels->layer_norm(m, w->d, w->bert->weight + norm->weight,
                         w->bert->weight + norm->bias, eps, z, y);
}

/* One row: dy becomes dz. */
static void norm_back_row(size_t d, const float *weight, const float *z, float *dy,
                          float *d_weight, float *d_bias) {
  float mean = mean_of(d, z), by = 1.0f / sqrtf(variance_of(d, z, mean) + eps);
  float sum[16] = {0}, product[16] = {0};
  for (size_t i = 0; i < d; i++) {
    float n = (z[i] - mean) * by;
    d_weight[i] += dy[i] * n;
    d_bias[i] += dy[i];
    dy[i] *= weight[i];
    sum[i % 16] += dy[i];
    product[i % 16] += dy[i] * n;
  }
  float mean_dn = sum_lanes(sum) / (float)d, mean_dn_n = sum_lanes(product) / (float)d;
  for (size_t i = 0; i < d; i++) {
    dy[i] = by * (dy[i] - mean_dn - (z[i] - mean) * by * mean_dn_n);
  }
}

/* `which` counts as attne_bert_memory.norms does. */
static void norm_back(const work *w, const attne_bert_norm *norm, uint32_t which,
                      size_t m, const float *z, float *dy) {
  float *d_weight = w->norms + (size_t)which * 2 * w->d, *d_bias = d_weight + w->d;
  memset(d_weight, 0, 2 * w->d * sizeof *d_weight);
  for (size_t i = 0; i < m; i++) {
    norm_back_row(w->d, w->bert->weight + norm->weight, z + i * w->d, dy + i * w->d,
                  d_weight, d_bias);
  }
}

/* --------------------------------------------------------------------- attention */

static size_t whole_panels(size_t n) {
  return (n + ATTNE_PANEL - 1) / ATTNE_PANEL * ATTNE_PANEL;
}

/* One head of one text. */
typedef struct head {
  size_t n, d; /* tokens; numbers of a query */
  size_t ld;   /* between rows of weights, and of scratch of this shape */
  float scale;
  float *q, *k, *v; /* rows ld_qkv apart */
  size_t ld_qkv;
  float *context; /* rows d_model apart */
  float *weights; /* [n, ld] */
  uint32_t place; /* its dropout, from number `first` on */
  uint64_t first;
  /* scratch: packed, two of the weights' shape, three [n, d] */
  float *packed, *a, *b, *out[3];
} head;

static size_t head_scratch(const attne_bert_shape *s) {
  size_t n = whole_panels(s->max_length), d = whole_panels(s->d_model / s->n_head);
  return n * d + 2 * n * n + 3 * n * d;
}

size_t attne_bert_pass_scratch(const attne_bert_shape *shape) {
  return head_scratch(shape);
}

static head find_head(const work *w, uint32_t layer, uint32_t text, uint32_t i,
                      float *context) {
  const attne_bert_activation *act = &w->memory->layer[layer];
  const size_t row = w->batch->begin[text], n = w->batch->begin[text + 1] - row;
  const size_t dh = w->d / w->shape->n_head, whole = whole_panels(w->shape->max_length);
  const size_t first = (row * w->shape->n_head + i * n) * w->shape->max_length;
  head h = {.n = n, .d = dh, .ld = w->shape->max_length, .ld_qkv = 3 * w->d};
  h.scale = 1.0f / sqrtf((float)dh);
  h.q = act->qkv + row * 3 * w->d + i * dh;
  h.k = h.q + w->d;
  h.v = h.k + w->d;
  h.context = context + row * w->d + i * dh;
  h.weights = act->weights + first;
  h.place = layer * N_DROP + DROP_WEIGHTS;
  h.first = first;
  h.packed = w->scratch;
  h.a = h.packed + whole * whole_panels(dh);
  h.b = h.a + whole * whole;
  for (int k = 0; k < 3; k++) h.out[k] = h.b + whole * whole + (size_t)k * whole * dh;
  return h;
}

/* out = weights after dropout */
static void drop_weights(const work *w, const head *h, const float *from, float *out) {
  for (size_t i = 0; i < h->n; i++) {
    memmove(out + i * h->ld, from + i * h->ld, h->n * sizeof *out);
    drop(w, h->place, h->first + i * h->ld, h->n, out + i * h->ld);
  }
}

/* c[n, n] = a[n, d] bᵀ */
static void all_pairs(const work *w, const head *h, const float *a, size_t lda,
                      const float *b, size_t ldb, float *c) {
  attne_pack_rows(0, h->n, h->d, b, ldb, h->packed);
  multiply(w, h->n, h->d, a, lda, h->packed,
           (attne_output){.n = h->n, .c = c, .ldc = h->ld});
}

/* c[n, d] = a[n, n] b */
static void mix(const work *w, const head *h, const float *a, const float *b, size_t ldb,
                float *c, size_t ldc) {
  attne_pack_columns(0, h->n, h->n, h->d, b, ldb, h->packed);
  multiply(w, h->n, h->n, a, h->ld, h->packed,
           (attne_output){.n = h->d, .c = c, .ldc = ldc});
}

static void attend(const work *w, uint32_t layer, uint32_t text, uint32_t i) {
  head h = find_head(w, layer, text, i, w->memory->layer[layer].context);
  all_pairs(w, &h, h.q, h.ld_qkv, h.k, h.ld_qkv, h.weights);
  w->kernels->softmax(h.n, h.n, h.scale, h.weights, h.ld);
  drop_weights(w, &h, h.weights, h.a);
  mix(w, &h, h.a, h.v, h.ld_qkv, h.context, w->d);
}

/* dP becomes dS. */
static void softmax_back(const head *h, float *dp) {
  for (size_t i = 0; i < h->n; i++) {
    const float *p = h->weights + i * h->ld;
    float *row = dp + i * h->ld, lane[16] = {0};
    for (size_t j = 0; j < h->n; j++) lane[j % 16] += row[j] * p[j];
    float sum = sum_lanes(lane);
    for (size_t j = 0; j < h->n; j++) row[j] = h->scale * p[j] * (row[j] - sum);
  }
}

/* Query, key and value become the gradients by them. */
static void attend_back(const work *w, uint32_t layer, uint32_t text, uint32_t i) {
  head h = find_head(w, layer, text, i, w->memory->d_y);
  drop_weights(w, &h, h.weights, h.a);
  transpose(h.n, h.n, h.a, h.ld, h.b, h.ld);
  mix(w, &h, h.b, h.context, w->d, h.out[2], h.d);
  all_pairs(w, &h, h.context, w->d, h.v, h.ld_qkv, h.a);
  drop_weights(w, &h, h.a, h.a);
  softmax_back(&h, h.a);
  mix(w, &h, h.a, h.k, h.ld_qkv, h.out[0], h.d);
  transpose(h.n, h.n, h.a, h.ld, h.b, h.ld);
  mix(w, &h, h.b, h.q, h.ld_qkv, h.out[1], h.d);
  float *const to[] = {h.q, h.k, h.v};
  for (int k = 0; k < 3; k++) {
    for (size_t j = 0; j < h.n; j++) {
      memcpy(to[k] + j * h.ld_qkv, h.out[k] + j * h.d, h.d * sizeof(float));
    }
  }
}

static void each_head(const work *w, uint32_t layer,
                      void (*run)(const work *, uint32_t, uint32_t, uint32_t)) {
  for (uint32_t text = w->group->first; text < w->group->end; text++) {
    for (uint32_t i = 0; i < w->shape->n_head; i++) run(w, layer, text, i);
  }
}

/* ----------------------------------------------------------------------- forward */

static void add(size_t n, const float *x, float *y) {
  for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void multiply_by(size_t n, const float *x, float *y) {
  for (size_t i = 0; i < n; i++) y[i] *= x[i];
}

static float *layer_input(const work *w, uint32_t i) {
  float *x = i < w->shape->n_layer ? w->memory->layer[i].x : w->memory->x;
  return x + w->row * w->d;
}

static uint32_t embedding_place(const work *w) {
  return w->shape->n_layer * N_DROP;
}

static void embed(const work *w) {
  const float *weight = w->bert->weight, *type = weight + w->bert->type;
  float *z = w->memory->embedded + w->row * w->d;
  for (uint32_t text = w->group->first; text < w->group->end; text++) {
    const uint32_t begin = w->batch->begin[text], end = w->batch->begin[text + 1];
    for (uint32_t i = begin; i < end; i++, z += w->d) {
      const float *word = weight + w->bert->word + w->batch->id[i] * w->d;
      const float *position = weight + w->bert->position + (i - begin) * w->d;
      for (size_t k = 0; k < w->d; k++) z[k] = word[k] + type[k] + position[k];
    }
  }
  z -= w->n_row * w->d;
  norm(w, &w->bert->norm_embedding, w->n_row, z, layer_input(w, 0));
  drop_rows(w, embedding_place(w), layer_input(w, 0));
}

static void layer_forward(const work *w, uint32_t i) {
  const attne_bert_activation *a = &w->memory->layer[i];
  const attne_bert_layer *layer = &w->bert->layer[i];
  const size_t m = w->n_row, n = m * w->d, at = w->row * w->d, d_ff = w->shape->d_ff;
  float *slope = a->slope + w->row * d_ff, *wide = a->wide + w->row * d_ff;
  forward(w, 4 * i, m, a->x + at, a->qkv + 3 * at);
  each_head(w, i, attend);
  forward(w, 4 * i + 1, m, a->context + at, a->attended + at);
  drop_rows(w, i * N_DROP + DROP_ATTENTION, a->attended + at);
  add(n, a->x + at, a->attended + at);
  norm(w, &layer->norm_attention, m, a->attended + at, a->y + at);
  forward(w, 4 * i + 2, m, a->y + at, slope);
  w->kernels->gelu(m * d_ff, slope, wide);
  forward(w, 4 * i + 3, m, wide, a->fed + at);
  drop_rows(w, i * N_DROP + DROP_FFN, a->fed + at);
  add(n, a->y + at, a->fed + at);
  norm(w, &layer->norm_ffn, m, a->fed + at, layer_input(w, i + 1));
}

/* The loss, and the gradient of it by the logits. */
static double cross_entropy(const work *w, float *logits) {
  const size_t n_vocab = w->shape->n_vocab;
  const float part = 1.0f / (float)w->batch->masked_begin[w->batch->n];
  double loss = 0;
  w->kernels->softmax(w->n_masked, n_vocab, 1, logits, n_vocab);
  for (size_t i = 0; i < w->n_masked; i++, logits += n_vocab) {
    uint32_t target = w->batch->target[w->masked + i];
    double p = (double)logits[target];
    loss -= attne_log(p > 1e-37 ? p : 1e-37);
    logits[target] -= 1.0f;
    for (size_t k = 0; k < n_vocab; k++) logits[k] *= part;
  }
  return loss;
}

/* ---------------------------------------------------------------------- the head */

/* The masked tokens forward and back: d_x is the gradient by the output of the last
** layer, which is zero at all other tokens. */
static double predict(const work *w, float *d_x) {
  const attne_bert_memory *memory = w->memory;
  const size_t d = w->d, m = w->n_masked, at = w->masked * d;
  const uint32_t transform = 4 * w->shape->n_layer;
  float *picked = memory->picked + at, *slope = memory->slope + at;
  float *activated = memory->activated + at, *head = memory->head + at;
  float *d_head = memory->d_head + at;
  float *logits = memory->logits + w->masked * w->shape->n_vocab;
  const uint32_t *row = w->batch->row + w->masked;
  for (size_t i = 0; i < m; i++) {
    memcpy(picked + i * d, memory->x + row[i] * d, d * sizeof *picked);
  }
  forward(w, transform, m, picked, slope);
  w->kernels->gelu(m * d, slope, activated);
  norm(w, &w->bert->norm_head, m, activated, head);
  forward(w, transform + 1, m, head, logits);
  double loss = cross_entropy(w, logits);

  backward(w, transform + 1, m, logits, ATTNE_SET, d_head);
  norm_back(w, &w->bert->norm_head, attne_bert_norms(w->shape) - 1, m, activated, d_head);
  multiply_by(m * d, d_head, slope);
  backward(w, transform, m, slope, ATTNE_SET, d_head);
  memset(d_x, 0, w->n_row * d * sizeof *d_x);
  for (size_t i = 0; i < m; i++) {
    memcpy(d_x + (row[i] - w->row) * d, d_head + i * d, d * sizeof *d_x);
  }
  return loss;
}

/* ---------------------------------------------------------------------- backward */

/* d_x: by the layer's output, then by its input. */
static void layer_back(const work *w, uint32_t i, float *d_x) {
  const attne_bert_activation *a = &w->memory->layer[i];
  const attne_bert_layer *layer = &w->bert->layer[i];
  const size_t m = w->n_row, n = m * w->d, at = w->row * w->d, d_ff = w->shape->d_ff;
  float *slope = a->slope + w->row * d_ff, *d_wide = w->memory->d_wide + w->row * d_ff;
  norm_back(w, &layer->norm_ffn, 2 * i + 2, m, a->fed + at, d_x);
  memcpy(a->fed + at, d_x, n * sizeof *d_x);
  drop_rows(w, i * N_DROP + DROP_FFN, a->fed + at);
  backward(w, 4 * i + 3, m, a->fed + at, ATTNE_SET, d_wide);
  multiply_by(m * d_ff, d_wide, slope);
  backward(w, 4 * i + 2, m, slope, ATTNE_ADD, d_x);
  norm_back(w, &layer->norm_attention, 2 * i + 1, m, a->attended + at, d_x);
  memcpy(a->attended + at, d_x, n * sizeof *d_x);
  drop_rows(w, i * N_DROP + DROP_ATTENTION, a->attended + at);
  backward(w, 4 * i + 1, m, a->attended + at, ATTNE_SET, w->memory->d_y + at);
  each_head(w, i, attend_back);
  backward(w, 4 * i, m, a->qkv + 3 * at, ATTNE_ADD, d_x);
}

void attne_bert_group_pass(const attne_bert *bert, const attne_bert_pass *pass,
                           size_t group, float *scratch) {
  const attne_bert_batch *batch = pass->batch;
  const attne_bert_group *g = &bert->memory->group[group];
  const size_t d = bert->shape.d_model, row = batch->begin[g->first];
  const size_t masked = batch->masked_begin[g->first];
  work w = {.bert = bert,
            .shape = &bert->shape,
            .memory = bert->memory,
            .batch = batch,
            .kernels = attne_kernels_get()->f32,
            .pass = pass,
            .group = g,
            .d = d,
            .row = row,
            .n_row = batch->begin[g->end] - row,
            .masked = masked,
            .n_masked = batch->masked_begin[g->end] - masked,
            .norms = bert->memory->norms + group * attne_bert_norms(&bert->shape) * 2 * d,
            .scratch = scratch};
  float *d_x = bert->memory->d_x + row * d;
  embed(&w);
  for (uint32_t i = 0; i < bert->shape.n_layer; i++) layer_forward(&w, i);
  bert->memory->loss[group] = predict(&w, d_x);
  for (uint32_t i = bert->shape.n_layer; i-- > 0;) layer_back(&w, i, d_x);
  drop_rows(&w, embedding_place(&w), d_x);
  norm_back(&w, &bert->norm_embedding, 0, w.n_row, bert->memory->embedded + row * d, d_x);
  memcpy(bert->memory->embedded + row * d, d_x, w.n_row * d * sizeof *d_x);
}
