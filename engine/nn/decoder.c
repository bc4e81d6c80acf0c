/*
** decoder.c - passes of decoders: over a whole sequence at once, or token after token.
**
** A long sequence goes through in passes of some hundred tokens where its keys and
** values are kept; the bits are those of one pass over all of it, since a token's are
** made from those before it alone.
*/
#include "decoder.h"
#include "encoder.h"

void attne_decoder_free(attne_decoder *d) {
  attne_release(d->cache.self);
  attne_release(d->cache.cross);
  attn_release_aligned(d->memory);
  attn_release_aligned(d->kept);
  attn_release_aligned(d->arena);
  memset(d, 0, sizeof *d);
}

attn_status attne_decoder_init(attne_decoder *d, const attne_graph *graph, int keeps,
                               attn_stop stop, attn_error *err) {
  const attne_stack *stack = &graph->decoder;
  const uint64_t size = stack->n_layer * sizeof(attne_kv);
  memset(d, 0, sizeof *d);
  d->graph = graph;
  d->stop = stop;
  if (keeps) {
    d->cache.self = attne_alloc_zero(size);
    if (!d->cache.self) return attne_no_memory(err);
  }
  if (stack->has_cross) {
    d->cache.cross = attne_alloc_zero(size);
    if (!d->cache.cross) return attne_no_memory(err);
  }
  return ATTN_OK;
}

uint32_t attne_stack_positions(const attne_stack *stack) {
  return stack->position ? stack->n_position - stack->first_position : 1 << 20;
}

attn_status attne_check_ids(const attne_graph *graph, const char *what, const int32_t *id,
                            size_t n, uint32_t max, attn_error *err) {
  if (n < 1 || n > max) {
    return attne_fail(err, ATTN_INVALID, "%s has %zu tokens; expected 1 to %u", what, n,
                      max);
  }
  attn_status rc =
      attn_limit_check(ATTN_LIMIT_TOKENS, n, err, "%s has %zu tokens", what, n);
  if (rc != ATTN_OK) return rc;
  for (size_t i = 0; i < n; i++) {
    if (id[i] < 0 || (uint32_t)id[i] >= graph->n_vocab) {
      return attne_fail(
          err, ATTN_INVALID,
          "%s has token id %d; expected 0 to %u, as the model has embeddings", what,
          id[i], graph->n_vocab - 1);
    }
  }
  return ATTN_OK;
}

/* ------------------------------------------------------------------------ memory */

static attn_status reserve_arena(attne_decoder *d, const attne_layout *plan, int overflow,
                                 attn_error *err) {
  uint64_t size = attne_mul(plan->size, sizeof(float), &overflow);
  uint64_t all = attne_add(size, d->n_cached, &overflow);
  if (overflow) return attne_no_memory(err);
  if (size <= d->n_arena) return ATTN_OK;
  attn_status rc = attn_limit_call(all, err);
  if (rc != ATTN_OK) return rc;
  attn_release_aligned(d->arena);
  d->n_arena = 0;
  d->arena = attn_alloc_aligned(size);
  if (!d->arena) return attne_no_memory(err);
  d->n_arena = size;
  return ATTN_OK;
}

/* Keys and values of n tokens in every layer, in *out of *n_byte bytes. */
static attn_status make_cached(const attne_decoder *d, uint32_t capacity, attne_kv *layer,
                               attn_error *err, float **out, uint64_t *n_byte) {
  const attne_stack *stack = &d->graph->decoder;
  int overflow = 0;
  uint64_t size =
      attne_mul(attne_kv_size(stack, capacity, &overflow), stack->n_head, &overflow);
  *n_byte = attne_mul(size, 2 * (uint64_t)stack->n_layer * sizeof(float), &overflow);
  uint64_t all =
      attne_add(attne_add(*n_byte, d->n_cached, &overflow), d->n_arena, &overflow);
  attn_status rc = overflow ? attne_no_memory(err) : attn_limit_call(all, err);
  if (rc != ATTN_OK) return rc;
  float *memory = *out = attn_alloc_aligned(*n_byte);
  if (!memory) return attne_no_memory(err);
  for (uint32_t i = 0; i < stack->n_layer; i++) {
    layer[i] = (attne_kv){.keys = memory + 2 * i * size,
                          .values = memory + (2 * i + 1) * size,
                          .n = 0,
                          .capacity = capacity};
  }
  return ATTN_OK;
}

/* Room for n more tokens, of which there may be a few or a great many to come. */
static attn_status reserve_kept(attne_decoder *d, uint32_t n, attn_error *err) {
  const attne_stack *stack = &d->graph->decoder;
  const uint32_t need = d->cache.n_token + n;
  if (!d->cache.self || need <= d->cache.self[0].capacity) return ATTN_OK;
  uint32_t capacity = need + need / 2 + 64;
  uint32_t most = attne_stack_positions(stack);
  if (capacity > most) capacity = need > most ? need : most;
  attne_kv *layer = attne_alloc(stack->n_layer * sizeof *layer);
  float *memory;
  uint64_t n_byte;
  attn_status rc = layer ? make_cached(d, capacity, layer, err, &memory, &n_byte)
                         : attne_no_memory(err);
  if (rc != ATTN_OK) {
    attne_release(layer);
    return rc;
  }
  for (uint32_t i = 0; d->cache.n_token && i < stack->n_layer; i++) {
    attne_kv_move(stack, &d->cache.self[i], &layer[i]);
  }
  attne_release(d->cache.self);
  attn_release_aligned(d->kept);
  d->cache.self = layer;
  d->kept = memory;
  d->n_cached += n_byte - d->n_kept;
  d->n_kept = n_byte;
  return ATTN_OK;
}

/* ----------------------------------------------------------------------- encoder */

/* The keys and values that each layer of the decoder sees of x[n, d_model]. */
static attn_status keep_source(attne_decoder *d, const float *x, uint32_t n,
                               float *scratch, float *kv, attn_error *err) {
  const attne_stack *stack = &d->graph->decoder;
  uint64_t n_byte;
  if (!d->cache.cross) return ATTN_OK;
  attn_release_aligned(d->memory);
  d->memory = NULL;
  d->n_cached = d->n_kept;
  attn_status rc = make_cached(d, n, d->cache.cross, err, &d->memory, &n_byte);
  if (rc != ATTN_OK) return rc;
  d->n_cached += n_byte;
  for (uint32_t i = 0; i < stack->n_layer; i++) {
    const attne_linear *linear = &stack->layer[i].cross_kv;
    attne_linear_apply(linear, n, x, scratch, ATTNE_SET, ATTNE_IDENTITY, kv);
    attne_kv_append(stack, n, kv, linear->n_out, &d->cache.cross[i]);
  }
  d->n_source = n;
  return ATTN_OK;
}

/* The arena of the encoder has to be enough for keep_source as well. */
static void plan_source(const attne_graph *g, uint32_t n, attne_layout *plan,
                        int *overflow) {
  uint64_t d_heads = attne_stack_width(&g->decoder);
  uint64_t scratch = attne_stack_scratch(&g->encoder, n, overflow);
  uint64_t other = attne_stack_scratch(&g->decoder, n, overflow);
  attne_layout_stack(g, &g->encoder, n, n, scratch > other ? scratch : other, plan,
                     overflow);
  uint64_t kv = attne_add(plan->free, attne_mul(n, 2 * d_heads, overflow), overflow);
  if (kv > plan->size) plan->size = kv;
}

attn_status attne_decoder_source(attne_decoder *d, const int32_t *id, const float *x,
                                 uint32_t n, const float *bias, attn_error *err) {
  const attne_graph *g = d->graph;
  attne_layout plan;
  int overflow = 0;
  plan_source(g, n, &plan, &overflow);
  attn_status rc = reserve_arena(d, &plan, overflow, err);
  if (rc != ATTN_OK) return rc;
  float *arena = d->arena;
  if (id) {
    attne_embed_tokens(g, &g->encoder, id, NULL, 0, n, arena + plan.x);
  } else {
    memcpy(arena + plan.x, x, (size_t)n * g->d_model * sizeof *x);
  }
  const uint32_t begin[] = {0, n};
  rc = attne_run_stack(&(attne_pass){.graph = g,
                                     .stack = &g->encoder,
                                     .plan = &plan,
                                     .arena = arena,
                                     .rows = &(attne_sequences){.begin = begin, .n = 1},
                                     .bias = bias,
                                     .stop = d->stop});
  if (rc != ATTN_OK) return attne_fail(err, rc, "interrupted");
  return keep_source(d, arena + plan.x, n, arena + plan.scratch, arena + plan.free, err);
}

/* ----------------------------------------------------------------------- decoder */

/* Logits of n rows of x, in place of x. */
static void apply_head(const attne_graph *g, float *x, uint32_t n, float *logits) {
  for (size_t k = 0; g->head_scale != 1 && k < (size_t)n * g->d_model; k++) {
    x[k] *= g->head_scale;
  }
  attne_linear_apply(&g->head, n, x, NULL, ATTNE_SET, ATTNE_IDENTITY, logits);
}

attn_status attne_decoder_run(attne_decoder *d, const attne_pass *how, const int32_t *id,
                              const float *y, uint32_t n, attn_error *err, float **out) {
  const attne_graph *g = d->graph;
  const uint32_t begin[] = {0, n};
  const uint32_t n_self = d->cache.n_token + n;
  attne_layout plan;
  attne_pass pass = *how;
  int overflow = 0;
  attne_layout_stack(g, &g->decoder, n, n_self > d->n_source ? n_self : d->n_source,
                     attne_stack_scratch(&g->decoder, n, &overflow), &plan, &overflow);
  attn_status rc = reserve_arena(d, &plan, overflow, err);
  if (rc != ATTN_OK) return rc;
  *out = (float *)d->arena + plan.x;
  if (id) {
    attne_embed_tokens(g, &g->decoder, id, NULL, d->cache.n_token, n, *out);
  } else {
    memcpy(*out, y, (size_t)n * g->d_model * sizeof *y);
  }
  pass.graph = g;
  pass.stack = &g->decoder;
  pass.plan = &plan;
  pass.arena = d->arena;
  pass.rows = &(attne_sequences){.begin = begin, .n = 1};
  pass.cache = &d->cache;
  pass.stop = d->stop;
  rc = attne_run_stack(&pass);
  return rc == ATTN_OK ? rc : attne_fail(err, rc, "interrupted");
}

attn_status attne_decoder_add(attne_decoder *d, const int32_t *id, uint32_t n,
                              uint32_t n_logits, attn_error *err, float *logits) {
  const attne_graph *g = d->graph;
  const attne_pass how = {.is_causal = 1};
  attn_status rc = reserve_kept(d, n, err);
  for (uint32_t at = 0, step; rc == ATTN_OK && at < n; at += step) {
    float *x;
    step = n - at;
    if (d->cache.self && step > ATTNE_PASS_TOKENS) step = ATTNE_PASS_TOKENS;
    rc = attne_decoder_run(d, &how, id + at, NULL, step, err, &x);
    /* Rows of this pass from which logits are wanted. */
    uint32_t first = n - n_logits > at ? n - n_logits - at : 0;
    if (rc != ATTN_OK || first >= step) continue;
    apply_head(g, x + (size_t)first * g->d_model, step - first,
               logits + ((size_t)at + first - (n - n_logits)) * g->n_vocab);
  }
  return rc;
}
