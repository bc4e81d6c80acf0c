/*
** stack.c - token vectors through the layers of an encoder or a decoder.
**
**   x = norm(x)
**   per layer: attention to the sequence itself, attention to the encoder's result (of a
**   decoder that has one), feed-forward; each reads x, through a norm if that comes
**   first, and is added to x, which a norm follows if it does not
**   x = norm(x)
*/
#include "stack.h"
#include "../kernels/four.h"
#include "int8.h"

enum { LINE = 16 }; /* a cache line in floats */

uint64_t attne_stack_scratch(const attne_stack *stack, uint64_t n_token, int *overflow) {
  uint64_t size = 0;
  for (uint32_t i = 0; i < stack->n_layer; i++) {
    const attne_layer *layer = &stack->layer[i];
    const attne_linear *const all[] = {
        &layer->qkv,  &layer->out,     &layer->up,       &layer->gate,
        &layer->down, &layer->cross_q, &layer->cross_kv, &layer->cross_out};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
      if (all[k]->n_in == 0) continue; /* it has none such */
      size = attne_largest(size, attne_linear_scratch(all[k], n_token, overflow));
    }
  }
  return size / sizeof(float);
}

/* n rows of d numbers in whole lines. */
static uint64_t lines(uint64_t n, uint64_t d, int *overflow) {
  return attne_add(attne_mul(n, d, overflow), LINE, overflow) / LINE * LINE;
}

void attne_layout_stack(const attne_graph *graph, const attne_stack *stack,
                        uint64_t n_token, uint32_t n_key, uint64_t linear_scratch,
                        attne_layout *plan, int *overflow) {
  const uint64_t d_heads = attne_stack_width(stack);
  const uint64_t x = lines(n_token, graph->d_model, overflow);
  const uint64_t row = lines(n_token, d_heads, overflow);
  const uint64_t wide = lines(n_token, stack->d_ff, overflow);
  plan->x = 0;
  plan->normed = graph->norm_first ? x : 0;
  plan->scratch = attne_add(plan->normed, x, overflow);
  plan->free = attne_add(plan->scratch, linear_scratch, overflow);
  plan->qkv = plan->wide = plan->free;
  plan->context = attne_add(plan->qkv, attne_mul(row, 3, overflow), overflow);
  plan->scores = attne_add(plan->context, row, overflow);
  plan->size =
      attne_add(plan->scores, attne_attention_scratch(stack, n_key, overflow), overflow);
  plan->gate = attne_add(plan->wide, wide, overflow);
  plan->size = attne_largest(plan->size,
                             attne_add(plan->gate, graph->is_gated ? wide : 0, overflow));
  attne_mul(plan->size, sizeof(float), overflow);
}

void attne_apply_norm(const attne_graph *graph, const attne_norm *norm, size_t m,
                      const float *x, float *y) {
  const attne_kernels_f32 *kernels = attne_kernels_get()->f32;
  if (!norm->weight) return;
  (graph->norm == ATTNE_RMS_NORM ? kernels->rms_norm : kernels->layer_norm)(
      m, graph->d_model, norm->weight, norm->bias, norm->eps, x, y);
}

/* ------------------------------------------------------------------- embeddings */

void attne_copy_token_embedding(const attne_graph *graph, int32_t id, float *x) {
  const size_t d = graph->d_model;
  if (graph->word_int8) {
    const float *scale = graph->word_scales + (size_t)id * attne_groups_i8(d);
    attne_int8_to_f32(graph->word_int8 + (size_t)id * d, scale, 1, d, x);
    return;
  }
  if (graph->word) {
    memcpy(x, graph->word + (size_t)id * d, d * sizeof *x);
    return;
  }
  const float *packed = graph->head.packed;
  packed += attne_packed_index((size_t)id, d);
  for (size_t k = 0; k < d; k++) x[k] = packed[k * ATTNE_PANEL];
}

/* x = scale word + type + position, in this order. */
void attne_embed_tokens(const attne_graph *graph, const attne_stack *stack,
                        const int32_t *id, const uint8_t *types, uint32_t first, size_t n,
                        float *x) {
  const size_t d = graph->d_model;
  uint32_t next = stack->first_position + first;
  for (size_t i = 0; i < n; i++, x += d) {
    uint32_t at = id[i] == stack->uncounted ? (uint32_t)id[i] : next++;
    const float *type = graph->type;
    const float *position = stack->position ? stack->position + (size_t)at * d : NULL;
    if (type && types && graph->n_type > 1) type += types[i] * d;
    attne_copy_token_embedding(graph, id[i], x);
    if (graph->word_scale != 1) scale_row(d, graph->word_scale, x);
    if (type) add_row(d, type, x);
    if (position) add_row(d, position, x);
  }
}

void attne_show_hidden(const attne_graph *graph, const attne_sequences *rows, size_t i,
                       size_t first, size_t n, uint32_t layer, const float *x) {
  const attn_observer *observer = rows->observer;
  if (!observer) return;
  attn_view view = {.kind = ATTN_TRACE_HIDDEN,
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
static void show_all(const attne_pass *p, uint32_t layer) {
  const float *x = p->arena + p->plan->x;
  for (size_t i = 0; i < p->rows->n; i++) {
    size_t n = p->rows->begin[i + 1] - p->rows->begin[i];
    attne_show_hidden(p->graph, p->rows, i, 0, n, layer, x);
    x += n * p->graph->d_model;
  }
}

/* ----------------------------------------------------------------------- layers */

/* What a sublayer reads: x, or x through its norm. */
static const float *begin_sublayer(const attne_pass *p, const attne_norm *norm,
                                   size_t m) {
  const float *x = p->arena + p->plan->x;
  if (!p->graph->norm_first) return x;
  attne_apply_norm(p->graph, norm, m, x, p->arena + p->plan->normed);
  return p->arena + p->plan->normed;
}

/* x += linear(y), and its norm. */
static void end_sublayer(const attne_pass *p, const attne_norm *norm, size_t m,
                         const attne_linear *linear, const float *y) {
  float *x = p->arena + p->plan->x;
  attne_linear_apply(linear, m, y, p->arena + p->plan->scratch, ATTNE_ADD, ATTNE_IDENTITY,
                     x);
  if (!p->graph->norm_first) attne_apply_norm(p->graph, norm, m, x, x);
}

static void self_attention(const attne_pass *p, const attne_layer *layer, uint32_t i,
                           size_t m) {
  const size_t d_heads = attne_stack_width(p->stack);
  const attne_mask mask = {p->is_causal, p->bias,
                           p->stack->relative.bias ? &p->stack->relative : NULL};
  float *qkv = p->arena + p->plan->qkv, *context = p->arena + p->plan->context;
  float *scores = p->arena + p->plan->scores;
  const float *x = begin_sublayer(p, &layer->norm_attention, m);
  attne_linear_apply(&layer->qkv, m, x, p->arena + p->plan->scratch, ATTNE_SET,
                     ATTNE_IDENTITY, qkv);
  if (p->cache && p->cache->self) {
    attne_kv *cached = &p->cache->self[i];
    attne_kv_append(p->stack, m, qkv + d_heads, 3 * d_heads, cached);
    attne_kv_attention(p->stack, m, p->cache->n_token, qkv, 3 * d_heads, cached, &mask,
                       scores, context);
  } else {
    attne_attention(p->stack, p->rows, i, qkv, &mask, scores, context);
  }
  end_sublayer(p, &layer->norm_attention, m, &layer->out, context);
}

static void cross_attention(const attne_pass *p, const attne_layer *layer, uint32_t i,
                            size_t m) {
  const attne_mask mask = {0, p->cross_bias, NULL};
  float *q = p->arena + p->plan->qkv, *context = p->arena + p->plan->context;
  const float *x = begin_sublayer(p, &layer->norm_cross, m);
  attne_linear_apply(&layer->cross_q, m, x, p->arena + p->plan->scratch, ATTNE_SET,
                     ATTNE_IDENTITY, q);
  attne_kv_attention(p->stack, m, 0, q, attne_stack_width(p->stack), &p->cache->cross[i],
                     &mask, p->arena + p->plan->scores, context);
  end_sublayer(p, &layer->norm_cross, m, &layer->cross_out, context);
}

static void feed_forward(const attne_pass *p, const attne_layer *layer, size_t m) {
  float *wide = p->arena + p->plan->wide, *gate = p->arena + p->plan->gate;
  float *scratch = p->arena + p->plan->scratch;
  const float *x = begin_sublayer(p, &layer->norm_ffn, m);
  attne_linear_apply(&layer->up, m, x, scratch, ATTNE_SET, p->graph->activation, wide);
  if (p->graph->is_gated) {
    attne_linear_apply(&layer->gate, m, x, scratch, ATTNE_SET, ATTNE_IDENTITY, gate);
    multiply_row(m * p->stack->d_ff, gate, wide);
  }
  end_sublayer(p, &layer->norm_ffn, m, &layer->down, wide);
}

attn_status attne_run_stack(const attne_pass *p) {
  const size_t m = attne_sequences_total(p->rows);
  float *x = p->arena + p->plan->x;
  attne_apply_norm(p->graph, &p->stack->norm_embedding, m, x, x);
  for (uint32_t i = 0; i < p->stack->n_layer; i++) {
    const attne_layer *layer = &p->stack->layer[i];
    if (p->stop.requested && p->stop.requested(p->stop.ctx)) return ATTN_INTERRUPTED;
    show_all(p, i);
    self_attention(p, layer, i, m);
    if (p->cache && p->cache->cross) cross_attention(p, layer, i, m);
    feed_forward(p, layer, m);
  }
  attne_apply_norm(p->graph, &p->stack->norm_final, m, x, x);
  show_all(p, p->stack->n_layer);
  if (p->cache && p->cache->self) p->cache->n_token += (uint32_t)m;
  return ATTN_OK;
}
