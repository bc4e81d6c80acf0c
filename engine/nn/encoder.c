/*
** encoder.c - the forward pass.
**
** The batch is cut into passes of a few hundred tokens, whole sequences each, so
** that the activations of a pass stay in the second-level cache through all
** layers.  A pass has no padding: its tokens are the rows of one matrix, and
** only attention and pooling see where a sequence ends.
*/
#include "encoder.h"
#include "../kernels/four.h"
#include "stack.h"
#include <math.h>

/* The arena of a pass of up to n tokens in up to n sequences: that of the stack, and
** behind its layers pooled, mapped [n, width]. */
typedef struct arena {
  attne_layout stack;
  uint64_t pooled, mapped;
  uint64_t size;
} arena;

/* The widest row between the token vectors and the result. */
static uint64_t pooled_width(const attne_graph *graph) {
  uint64_t width = (uint64_t)graph->n_pool * graph->d_model;
  for (uint32_t i = 0; i < graph->n_dense; i++) {
    width = attne_largest(width, graph->dense[i].linear.n_out);
  }
  return width;
}

/* Floats of scratch for any linear of the graph: n_token rows, or n in a dense one. */
static uint64_t linear_scratch(const attne_graph *graph, uint64_t n_token, uint64_t n,
                               int *overflow) {
  uint64_t size = attne_stack_scratch(attne_graph_last(graph), n_token, overflow);
  for (uint32_t i = 0; i < graph->n_dense; i++) {
    const attne_linear *linear = &graph->dense[i].linear;
    size = attne_largest(size, attne_linear_scratch(linear, n, overflow) / sizeof(float));
  }
  return size;
}

/* Returns non-zero when a size overflows. */
static int plan_arena(const attne_graph *graph, uint64_t n_token, uint64_t n,
                      uint32_t max_length, arena *plan) {
  const uint64_t line = 16; /* a cache line in floats */
  int overflow = 0;
  if (graph->is_static) n_token = max_length = 0; /* rows are read where they are */
  uint64_t pooled =
      attne_add(attne_mul(n, pooled_width(graph), &overflow), line, &overflow) / line *
      line;
  attne_layout_stack(graph, attne_graph_last(graph), n_token, max_length,
                     linear_scratch(graph, n_token, n, &overflow), &plan->stack,
                     &overflow);
  plan->pooled = plan->stack.free;
  plan->mapped = attne_add(plan->pooled, pooled, &overflow);
  plan->size =
      attne_largest(plan->stack.size, attne_add(plan->mapped, pooled, &overflow));
  attne_mul(plan->size, sizeof(float), &overflow);
  return overflow;
}

static int plan_batch(const attne_graph *graph, uint32_t n_token, size_t n,
                      uint32_t max_length, arena *plan) {
  uint64_t pass = attne_least(n_token, attne_largest(ATTNE_PASS_TOKENS, max_length));
  return plan_arena(graph, pass, graph->is_static ? n : attne_least(n, pass), max_length,
                    plan);
}

uint64_t attne_forward_memory(const attne_graph *graph, uint32_t n_token, uint32_t n,
                              uint32_t max_length) {
  arena plan;
  return plan_batch(graph, n_token, n, max_length, &plan) ? 0 : plan.size * sizeof(float);
}

/* From the pooled vectors to the result: applies the dense modules, normalizes. */
static void finish(const attne_graph *graph, const attne_sequences *rows, const arena *at,
                   float *arena, float *out) {
  float *from = arena + at->pooled, *to = arena + at->mapped;
  for (uint32_t i = 0; i < graph->n_dense; i++) {
    const attne_dense *dense = &graph->dense[i];
    attne_linear_apply(&dense->linear, rows->n, from, arena + at->stack.scratch,
                       ATTNE_SET, dense->activation, to);
    float *swap = from;
    from = to;
    to = swap;
  }
  if (graph->normalize) attne_unit_length(rows->n, graph->dimension, from);
  for (size_t i = 0; i < rows->n * graph->dimension; i++) {
    /* Processors differ in the NaN that they make; the result does not. */
    out[i] = from[i] == from[i] ? from[i] : NAN;
  }
}

/* The mean of the rows of the words. */
static void pool_words(const attne_graph *graph, const int32_t *id,
                       const attne_sequences *rows, float *out) {
  const size_t d = graph->d_model;
  for (size_t i = 0; i < rows->n; i++, out += d) {
    uint32_t n = rows->begin[i + 1] - rows->begin[i];
    memset(out, 0, d * sizeof *out);
    for (uint32_t t = rows->begin[i]; t < rows->begin[i + 1]; t++) {
      const float *word = graph->word + (size_t)id[t] * d;
      attne_show_hidden(graph, rows, i, t - rows->begin[i], 1, 0, word);
      add_row(d, word, out);
    }
    for (size_t k = 0; n && k < d; k++) out[k] /= (float)n;
  }
}

static void pass(const attne_graph *graph, const attn_batch *batch,
                 const attne_sequences *rows, const arena *at, float *arena, float *out) {
  const attne_stack *stack = attne_graph_last(graph);
  float *x = arena + at->stack.x;
  if (graph->is_static) {
    pool_words(graph, batch->id, rows, arena + at->pooled);
    finish(graph, rows, at, arena, out);
    return;
  }
  for (size_t i = 0; i < rows->n; i++) {
    size_t first = rows->begin[i], n = rows->begin[i + 1] - first;
    attne_embed_tokens(graph, stack, batch->id + first,
                       batch->type ? batch->type + first : NULL, 0, n, x);
    x += n * graph->d_model;
  }
  attne_run_stack(&(attne_pass){.graph = graph,
                                .stack = stack,
                                .plan = &at->stack,
                                .arena = arena,
                                .rows = rows,
                                .is_causal = stack->is_causal});
  attne_pool_rows(graph, rows, arena + at->stack.x, arena + at->pooled);
  finish(graph, rows, at, arena, out);
}

/* How many sequences from `first` on make a pass: it ends before it has too many
** tokens, unless it is one sequence. */
static size_t pass_size(const attn_batch *batch, size_t first) {
  size_t end = first + 1;
  while (end < batch->n &&
         batch->begin[end + 1] - batch->begin[first] <= ATTNE_PASS_TOKENS)
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

void attne_forward(const attne_graph *graph, const attn_batch *batch,
                   const attn_observer *observer, size_t number, void *memory,
                   float *out) {
  arena plan;
  plan_batch(graph, batch->begin[batch->n] - batch->begin[0], batch->n,
             longest_sequence(batch), &plan);
  for (size_t i = 0, n; i < batch->n; i += n) {
    n = pass_size(batch, i);
    attne_sequences rows = {batch->begin + i, batch->n_skip ? batch->n_skip + i : NULL, n,
                            observer, number + i};
    pass(graph, batch, &rows, &plan, memory, out + i * graph->dimension);
  }
}
