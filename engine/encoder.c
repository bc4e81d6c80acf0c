/*
** encoder.c - the forward pass.
**
** The batch is cut into passes of a few hundred tokens, whole sequences each, so
** that the activations of a pass stay in the second-level cache through all
** layers.  A pass has no padding: its tokens are the rows of one matrix, and
** only attention and pooling see where a sequence ends.
*/
#include "encoder.h"
#include "layers.h"
#include <math.h>

/* The arena of a pass of up to n tokens in up to n sequences, in floats.
**
**   x          [n, d_model]
**   quantized  scratch of the linears
**   qkv        [n, 3 d_model]    wide [n, d_ff]    pooled, mapped [n, width]
**   context    [n, d_model]
**   scratch    of attention
**
** The three columns are never needed at the same time and share their memory. */
typedef struct arena {
  uint64_t x, quantized, qkv, context, scratch;
  uint64_t wide;
  uint64_t pooled, mapped;
  uint64_t size;
} arena;

static uint64_t largest(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

/* The widest row between the token vectors and the result. */
static uint64_t pooled_width(const attn_graph *graph) {
  uint64_t width = (uint64_t)graph->n_pool * graph->d_model;
  for (uint32_t i = 0; i < graph->n_dense; i++) {
    width = largest(width, graph->dense[i].linear.n_out);
  }
  return width;
}

/* Floats of scratch for any linear of the graph: n_token rows, or n in a dense one. */
static uint64_t linear_scratch(const attn_graph *graph, uint64_t n_token, uint64_t n,
                               int *overflow) {
  uint64_t size = 0;
  for (uint32_t i = 0; i < graph->n_layer; i++) {
    const attn_layer *layer = &graph->layer[i];
    const attn_linear *const all[] = {&layer->qkv, &layer->out, &layer->up, &layer->down};
    for (int k = 0; k < 4; k++) {
      size = largest(size, attn_linear_scratch(all[k], n_token, overflow));
    }
  }
  for (uint32_t i = 0; i < graph->n_dense; i++) {
    size = largest(size, attn_linear_scratch(&graph->dense[i].linear, n, overflow));
  }
  return size / sizeof(float);
}

/* Returns non-zero when a size overflows. */
static int plan_arena(const attn_graph *graph, uint64_t n_token, uint64_t n,
                      uint32_t max_length, arena *plan) {
  const uint64_t line = 16; /* a cache line in floats */
  int overflow = 0;
  if (graph->is_bag) n_token = max_length = 0; /* rows are read where they are */
  uint64_t row = attn_add(attn_mul(n_token, graph->d_model, &overflow), line, &overflow);
  uint64_t wide = attn_mul(n_token, graph->d_ff, &overflow);
  uint64_t pooled =
      attn_add(attn_mul(n, pooled_width(graph), &overflow), line, &overflow);
  row = row / line * line;
  pooled = pooled / line * line;
  plan->x = 0;
  plan->quantized = row;
  plan->qkv = plan->wide = plan->pooled =
      attn_add(row, linear_scratch(graph, n_token, n, &overflow), &overflow);
  plan->context = attn_add(plan->qkv, attn_mul(row, 3, &overflow), &overflow);
  plan->scratch = attn_add(plan->context, row, &overflow);
  plan->mapped = attn_add(plan->pooled, pooled, &overflow);
  plan->size = attn_add(plan->scratch,
                        attn_attention_scratch(graph, max_length, &overflow), &overflow);
  plan->size = largest(plan->size, attn_add(plan->wide, wide, &overflow));
  plan->size = largest(plan->size, attn_add(plan->mapped, pooled, &overflow));
  attn_mul(plan->size, sizeof(float), &overflow);
  return overflow;
}

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static int plan_batch(const attn_graph *graph, uint32_t n_token, size_t n,
                      uint32_t max_length, arena *plan) {
  uint64_t pass = least(n_token, largest(ATTN_PASS_TOKENS, max_length));
  return plan_arena(graph, pass, graph->is_bag ? n : least(n, pass), max_length, plan);
}

uint64_t attn_forward_memory(const attn_graph *graph, uint32_t n_token, uint32_t n,
                             uint32_t max_length) {
  arena plan;
  return plan_batch(graph, n_token, n, max_length, &plan) ? 0 : plan.size * sizeof(float);
}

static void norm(const attn_norm *norm, size_t m, size_t n, float *x) {
  attn_kernels_get()->f32->layer_norm(m, n, norm->weight, norm->bias, norm->eps, x, x);
}

/* The n tokens of a batch from `first` on, a sequence: x = word + type + position,
** added in this order. */
static void embed(const attn_graph *graph, const attn_batch *batch, size_t first,
                  size_t n, float *x) {
  const size_t d = graph->d_model;
  const int32_t *id = batch->id + first;
  const uint8_t *types = graph->n_type > 1 && batch->type ? batch->type + first : NULL;
  uint32_t next = graph->first_position;
  for (size_t i = 0; i < n; i++, x += d) {
    uint32_t at = id[i] == graph->uncounted ? (uint32_t)id[i] : next++;
    const float *word = graph->word + (size_t)id[i] * d;
    const float *position = graph->position + (size_t)at * d;
    const float *type = graph->type && types ? graph->type + types[i] * d : graph->type;
    for (size_t k = 0; k < d; k++) {
      float sum = type ? word[k] + type[k] : word[k];
      x[k] = sum + position[k];
    }
  }
}

/* Shows n token vectors of sequence i, from `first` on, that enter a layer. */
static void show(const attn_graph *graph, const attn_rows *rows, size_t i, size_t first,
                 size_t n, uint32_t layer, const float *x) {
  const attn_observer *observer = rows->observer;
  if (!observer) return;
  attn_view view = {.sight = ATTN_SEE_HIDDEN,
                    .sequence = rows->number + i,
                    .layer = layer,
                    .first = first,
                    .n = n,
                    .d = graph->d_model,
                    .x = x,
                    .ld = graph->d_model};
  observer->see(observer->ctx, &view);
}

/* The same of all tokens. */
static void show_all(const attn_graph *graph, const attn_rows *rows, uint32_t layer,
                     const float *x) {
  for (size_t i = 0; i < rows->n; i++) {
    size_t n = rows->begin[i + 1] - rows->begin[i];
    show(graph, rows, i, 0, n, layer, x);
    x += n * graph->d_model;
  }
}

/* x += attention(x), x += ffn(x), each followed by its norm. */
static void layer(const attn_graph *graph, uint32_t number, const attn_rows *rows,
                  const arena *at, float *arena) {
  const attn_layer *layer = &graph->layer[number];
  const size_t m = attn_rows_total(rows), d = graph->d_model;
  float *x = arena + at->x, *qkv = arena + at->qkv, *context = arena + at->context;
  float *wide = arena + at->wide, *scratch = arena + at->quantized;
  attn_linear_apply(&layer->qkv, m, x, scratch, ATTN_SET, ATTN_IDENTITY, qkv);
  attn_attention(graph, rows, number, qkv, arena + at->scratch, context);
  attn_linear_apply(&layer->out, m, context, scratch, ATTN_ADD, ATTN_IDENTITY, x);
  norm(&layer->norm_attention, m, d, x);
  attn_linear_apply(&layer->up, m, x, scratch, ATTN_SET, graph->activation, wide);
  attn_linear_apply(&layer->down, m, wide, scratch, ATTN_ADD, ATTN_IDENTITY, x);
  norm(&layer->norm_ffn, m, d, x);
}

/* From the pooled vectors to the result: applies the dense modules, normalizes. */
static void finish(const attn_graph *graph, const attn_rows *rows, const arena *at,
                   float *arena, float *out) {
  float *from = arena + at->pooled, *to = arena + at->mapped;
  for (uint32_t i = 0; i < graph->n_dense; i++) {
    const attn_dense *dense = &graph->dense[i];
    attn_linear_apply(&dense->linear, rows->n, from, arena + at->quantized, ATTN_SET,
                      dense->activation, to);
    float *swap = from;
    from = to;
    to = swap;
  }
  if (graph->normalize) attn_unit_length(rows->n, graph->dimension, from);
  for (size_t i = 0; i < rows->n * graph->dimension; i++) {
    /* Processors differ in the NaN that they make; the result does not. */
    out[i] = from[i] == from[i] ? from[i] : NAN;
  }
}

/* The mean of the rows of the words. */
static void pool_words(const attn_graph *graph, const int32_t *id, const attn_rows *rows,
                       float *out) {
  const size_t d = graph->d_model;
  for (size_t i = 0; i < rows->n; i++, out += d) {
    uint32_t n = rows->begin[i + 1] - rows->begin[i];
    memset(out, 0, d * sizeof *out);
    for (uint32_t t = rows->begin[i]; t < rows->begin[i + 1]; t++) {
      const float *word = graph->word + (size_t)id[t] * d;
      show(graph, rows, i, t - rows->begin[i], 1, 0, word);
      for (size_t k = 0; k < d; k++) out[k] += word[k];
    }
    for (size_t k = 0; n && k < d; k++) out[k] /= (float)n;
  }
}

static void pass(const attn_graph *graph, const attn_batch *batch, const attn_rows *rows,
                 const arena *at, float *arena, float *out) {
  if (graph->is_bag) {
    pool_words(graph, batch->id, rows, arena + at->pooled);
    finish(graph, rows, at, arena, out);
    return;
  }
  for (size_t i = 0; i < rows->n; i++) {
    size_t first = rows->begin[i] - rows->begin[0];
    embed(graph, batch, rows->begin[i], rows->begin[i + 1] - rows->begin[i],
          arena + at->x + first * graph->d_model);
  }
  norm(&graph->norm_embedding, attn_rows_total(rows), graph->d_model, arena + at->x);
  for (uint32_t i = 0; i < graph->n_layer; i++) {
    show_all(graph, rows, i, arena + at->x);
    layer(graph, i, rows, at, arena);
  }
  show_all(graph, rows, graph->n_layer, arena + at->x);
  attn_pool_rows(graph, rows, arena + at->x, arena + at->pooled);
  finish(graph, rows, at, arena, out);
}

/* How many sequences from `first` on make a pass: it ends before it has too many
** tokens, unless it is one sequence. */
static size_t pass_size(const attn_batch *batch, size_t first) {
  size_t end = first + 1;
  while (end < batch->n &&
         batch->begin[end + 1] - batch->begin[first] <= ATTN_PASS_TOKENS)
    end++;
  return end - first;
}

static uint32_t longest_sequence(const attn_batch *batch) {
  uint32_t n = 0;
  for (size_t i = 0; i < batch->n; i++) {
    if (batch->begin[i + 1] - batch->begin[i] > n)
      n = batch->begin[i + 1] - batch->begin[i];
  }
  return n;
}

void attn_forward(const attn_graph *graph, const attn_batch *batch,
                  const attn_observer *observer, size_t number, void *memory,
                  float *out) {
  arena plan;
  plan_batch(graph, batch->begin[batch->n] - batch->begin[0], batch->n,
             longest_sequence(batch), &plan);
  for (size_t i = 0, n; i < batch->n; i += n) {
    n = pass_size(batch, i);
    attn_rows rows = {batch->begin + i, batch->n_skip ? batch->n_skip + i : NULL, n,
                      observer, number + i};
    pass(graph, batch, &rows, &plan, memory, out + i * graph->dimension);
  }
}
