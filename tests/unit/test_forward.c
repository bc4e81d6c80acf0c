/*
** test_forward.c - the forward pass of tiny random graphs beside the formulas in
** double, and its bits: the same on every instruction set, for a text alone and
** for the same text anywhere in a batch.
*/
#include "unit.h"
#include "../../engine/nn/encoder.h"
#include "../../engine/nn/int8.h"
#include <math.h>

enum {
  N_VOCAB = 50,
  MAX_LENGTH = 300,
  MAX_WIDE = 512,
  MAX_TOKENS = 20000,
  MAX_SEQUENCES = 400
};

/* --------------------------------------------------------------- random numbers */

static uint64_t state = 88172645;

static uint32_t random_below(uint32_t n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32) % n;
}

static float random_number(void) {
  return (float)random_below(1 << 24) * 0x1p-23f - 1;
}

/* ------------------------------------------------------------------ a tiny graph */

/* A linear with the weights that it was packed from, and its memory. */
typedef struct plain {
  float *weight; /* [n_out, n_in] */
  const attne_linear *linear;
  void *memory;
} plain;

enum { MAX_PLAIN = 64 };
static plain plains[MAX_PLAIN];
static int n_plain;
static float *owned[MAX_PLAIN];
static int n_owned;

static float *random_floats(size_t n, float size, float center) {
  float *x = malloc(n * sizeof *x);
  for (size_t i = 0; i < n; i++) x[i] = center + size * random_number();
  return owned[n_owned++] = x;
}

static attn_precision precision;

static void make_linear(attne_linear *linear, uint32_t n_out, uint32_t n_in) {
  float *weight = random_floats((size_t)n_out * n_in, 1.5f / sqrtf((float)n_in), 0);
  float *copy =
      malloc((size_t)n_out * n_in * sizeof *copy); /* packing may overwrite it */
  uint64_t size = attne_linear_size(n_out, n_in, precision);
  char *memory = attn_alloc_aligned(size + 64);
  memset(memory, 0xAB, (size_t)size + 64);
  attne_linear_init(linear, n_out, n_in, precision, memory);
  uint32_t middle = n_out / 3; /* rows come in any order, a few at a time */
  memcpy(copy, weight, (size_t)n_out * n_in * sizeof *copy);
  attne_linear_pack(linear, middle, n_out - middle, copy + (size_t)middle * n_in);
  attne_linear_pack(linear, 0, middle, copy);
  for (uint32_t i = 0; i < n_out; i++) linear->bias[i] = 0.1f * random_number();
  CHECK((unsigned char)memory[size] == 0xAB);
  free(copy);
  plains[n_plain++] = (plain){weight, linear, memory};
}

static attne_norm make_norm(uint32_t d) {
  const float *weight = random_floats(d, 0.3f, 1);
  return (attne_norm){weight, random_floats(d, 0.1f, 0), 1e-5f};
}

static void make_graph(attne_graph *graph, uint32_t n_head, uint32_t d_head,
                       uint32_t d_ff, uint32_t n_layer) {
  uint32_t d = n_head * d_head;
  *graph = (attne_graph){.d_model = d,
                         .activation = ATTNE_GELU,
                         .n_vocab = N_VOCAB,
                         .word_scale = 1,
                         .encoder = {.n_layer = n_layer,
                                     .n_head = n_head,
                                     .d_head = d_head,
                                     .d_ff = d_ff,
                                     .score_scale = 1 / sqrtf((float)d_head),
                                     .n_position = MAX_LENGTH + 2,
                                     .uncounted = -1},
                         .pool = {ATTNE_POOL_MEAN},
                         .n_pool = 1,
                         .pool_prompt = 1,
                         .normalize = 1,
                         .dimension = d};
  graph->word = random_floats((size_t)N_VOCAB * d, 1, 0);
  attne_stack *stack = &graph->encoder;
  stack->position = random_floats((size_t)stack->n_position * d, 0.5f, 0);
  stack->norm_embedding = make_norm(d);
  stack->layer = calloc(n_layer, sizeof *stack->layer);
  for (uint32_t i = 0; i < n_layer; i++) {
    attne_layer *layer = &stack->layer[i];
    make_linear(&layer->qkv, 3 * d, d);
    make_linear(&layer->out, d, d);
    make_linear(&layer->up, d_ff, d);
    make_linear(&layer->down, d, d_ff);
    layer->norm_attention = make_norm(d);
    layer->norm_ffn = make_norm(d);
  }
}

static void add_dense(attne_graph *graph, uint32_t n_out, attne_activation activation) {
  attne_dense *dense = &graph->dense[graph->n_dense++];
  make_linear(&dense->linear, n_out, graph->dimension);
  dense->activation = activation;
  graph->dimension = n_out;
}

static void free_graph(attne_graph *graph) {
  for (int i = 0; i < n_plain; i++) attn_release_aligned(plains[i].memory);
  for (int i = 0; i < n_owned; i++) free(owned[i]);
  n_plain = n_owned = 0;
  free(graph->encoder.layer);
}

/* ---------------------------------------------------------- the same in double */

static const float *weight_of(const attne_linear *linear) {
  int i = 0;
  while (plains[i].linear != linear) i++;
  return plains[i].weight;
}

static double activate(attne_activation f, double x) {
  switch (f) {
  case ATTNE_GELU:
    return 0.5 * x * (1 + erf(x / sqrt(2)));
  case ATTNE_GELU_TANH:
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
  case ATTNE_RELU:
    return x > 0 ? x : 0;
  case ATTNE_SILU:
    return x / (1 + exp(-x));
  case ATTNE_TANH:
    return tanh(x);
  case ATTNE_SIGMOID:
    return 1 / (1 + exp(-x));
  case ATTNE_IDENTITY:
    break;
  }
  return x;
}

/* y = f(x Wᵀ + b) for one row. */
static void apply(const attne_linear *linear, attne_activation f, const double *x,
                  double *y) {
  const float *weight = weight_of(linear);
  for (uint32_t i = 0; i < linear->n_out; i++) {
    double sum = (double)linear->bias[i];
    for (uint32_t k = 0; k < linear->n_in; k++) {
      sum += (double)weight[(size_t)i * linear->n_in + k] * x[k];
    }
    y[i] = activate(f, sum);
  }
}

static void apply_norm(const attne_graph *graph, const attne_norm *norm, double *x) {
  const size_t d = graph->d_model;
  double mean = 0, variance = 0;
  if (!norm->weight) return;
  for (size_t k = 0; graph->norm == ATTNE_LAYER_NORM && k < d; k++)
    mean += x[k] / (double)d;
  for (size_t k = 0; k < d; k++) variance += (x[k] - mean) * (x[k] - mean) / (double)d;
  for (size_t k = 0; k < d; k++) {
    x[k] = (x[k] - mean) / sqrt(variance + (double)norm->eps) * (double)norm->weight[k] +
           (double)norm->bias[k];
  }
}

/* What a sublayer reads of x, and what becomes of x with its result. */
static void begin_sublayer(const attne_graph *graph, const attne_norm *norm,
                           const double *x, double *out) {
  memcpy(out, x, graph->d_model * sizeof *x);
  if (graph->norm_first) apply_norm(graph, norm, out);
}

static void end_sublayer(const attne_graph *graph, const attne_norm *norm,
                         const double *more, double *x) {
  for (size_t k = 0; k < graph->d_model; k++) x[k] += more[k];
  if (!graph->norm_first) apply_norm(graph, norm, x);
}

static double reference_x[MAX_LENGTH][MAX_WIDE], reference_qkv[MAX_LENGTH][3 * MAX_WIDE];
static double reference_context[MAX_LENGTH][MAX_WIDE];

static void reference_attention(const attne_graph *graph, size_t n) {
  const attne_stack *stack = &graph->encoder;
  const size_t d_model = graph->d_model, d = stack->d_head;
  for (size_t i = 0; i < n; i++) {
    for (size_t first = 0; first < d_model; first += d) {
      double weight[MAX_LENGTH], sum = 0, *out = reference_context[i] + first;
      const size_t end = stack->is_causal ? i + 1 : n;
      for (size_t j = 0; j < end; j++) {
        double score = 0;
        for (size_t k = first; k < first + d; k++) {
          score += reference_qkv[i][k] * reference_qkv[j][d_model + k];
        }
        sum += weight[j] = exp(score * (double)stack->score_scale);
      }
      for (size_t k = 0; k < d; k++) {
        out[k] = 0;
        for (size_t j = 0; j < end; j++) {
          out[k] += weight[j] / sum * reference_qkv[j][2 * d_model + first + k];
        }
      }
    }
  }
}

static void reference_layer(const attne_graph *graph, const attne_layer *layer,
                            size_t n) {
  double in[MAX_WIDE], wide[MAX_WIDE], gate[MAX_WIDE], more[MAX_WIDE];
  for (size_t i = 0; i < n; i++) {
    begin_sublayer(graph, &layer->norm_attention, reference_x[i], in);
    apply(&layer->qkv, ATTNE_IDENTITY, in, reference_qkv[i]);
  }
  reference_attention(graph, n);
  for (size_t i = 0; i < n; i++) {
    apply(&layer->out, ATTNE_IDENTITY, reference_context[i], more);
    end_sublayer(graph, &layer->norm_attention, more, reference_x[i]);
    begin_sublayer(graph, &layer->norm_ffn, reference_x[i], in);
    apply(&layer->up, graph->activation, in, wide);
    if (graph->is_gated) {
      apply(&layer->gate, ATTNE_IDENTITY, in, gate);
      for (uint32_t k = 0; k < layer->gate.n_out; k++) wide[k] *= gate[k];
    }
    apply(&layer->down, ATTNE_IDENTITY, wide, more);
    end_sublayer(graph, &layer->norm_ffn, more, reference_x[i]);
  }
}

/* Column k of rows [first, n), pooled. */
static double reference_pool(attne_pool pool, size_t first, size_t n, size_t k) {
  double sum = 0, most = -INFINITY, weighted = 0, weights = 0;
  for (size_t i = first; i < n; i++) {
    double x = reference_x[i][k];
    sum += x;
    most = x > most ? x : most;
    weighted += (double)(i + 1) * x;
    weights += (double)(i + 1);
  }
  switch (pool) {
  case ATTNE_POOL_CLS:
    return reference_x[first][k];
  case ATTNE_POOL_MAX:
    return most;
  case ATTNE_POOL_MEAN:
    return sum / (double)(n - first);
  case ATTNE_POOL_MEAN_SQRT_LEN:
    return sum / sqrt((double)(n - first));
  case ATTNE_POOL_WEIGHTED_MEAN:
    return weighted / weights;
  case ATTNE_POOL_LAST:
    return reference_x[n - 1][k];
  case ATTNE_N_POOL:
    break;
  }
  return NAN;
}

static void reference_embed(const attne_graph *graph, const int32_t *id,
                            const uint8_t *type, size_t n) {
  const attne_stack *stack = &graph->encoder;
  uint32_t next = stack->first_position;
  for (size_t i = 0; i < n; i++) {
    uint32_t at = id[i] == stack->uncounted ? (uint32_t)id[i] : next++;
    size_t row = type ? type[i] : 0;
    for (size_t k = 0; k < graph->d_model; k++) {
      reference_x[i][k] =
          (double)graph->word_scale *
              (double)graph->word[(size_t)id[i] * graph->d_model + k] +
          (double)stack->position[(size_t)at * graph->d_model + k] +
          (graph->type ? (double)graph->type[row * graph->d_model + k] : 0);
    }
    apply_norm(graph, &stack->norm_embedding, reference_x[i]);
  }
}

/* Sequence i of a batch. */
static void reference_forward(const attne_graph *graph, const attn_batch *batch, size_t i,
                              double *out) {
  size_t first = batch->begin[i], n = batch->begin[i + 1] - first;
  size_t n_skip = batch->n_skip ? batch->n_skip[i] : 0;
  double from[MAX_WIDE * ATTNE_N_POOL], to[MAX_WIDE], length = 0;
  size_t width = 0;
  reference_embed(graph, batch->id + first, batch->type ? batch->type + first : NULL, n);
  for (uint32_t l = 0; l < graph->encoder.n_layer; l++)
    reference_layer(graph, &graph->encoder.layer[l], n);
  for (size_t k = 0; k < n; k++)
    apply_norm(graph, &graph->encoder.norm_final, reference_x[k]);
  for (uint32_t p = 0; p < graph->n_pool; p++) {
    for (size_t k = 0; k < graph->d_model; k++) {
      from[width++] =
          reference_pool(graph->pool[p], graph->pool_prompt ? 0 : n_skip, n, k);
    }
  }
  for (uint32_t l = 0; l < graph->n_dense; l++) {
    apply(&graph->dense[l].linear, graph->dense[l].activation, from, to);
    memcpy(from, to, sizeof to);
  }
  for (uint32_t k = 0; k < graph->dimension; k++) length += from[k] * from[k];
  for (uint32_t k = 0; k < graph->dimension; k++) {
    out[k] = graph->normalize ? from[k] / sqrt(length) : from[k];
  }
}

/* ------------------------------------------------------------------------ a batch */

static int32_t ids[MAX_TOKENS];
static uint32_t begin[MAX_SEQUENCES + 1], skips[MAX_SEQUENCES];

/* n sequences of the lengths 1 .. longest, some of them many times. */
static attn_batch make_batch(size_t n, uint32_t longest, int with_skips) {
  for (size_t i = 0; i < n; i++) {
    uint32_t length = i == 1 ? longest : 1 + random_below(i % 7 ? 20 : longest);
    begin[i + 1] = begin[i] + length;
    skips[i] = random_below(length);
    for (uint32_t k = begin[i]; k < begin[i + 1]; k++)
      ids[k] = (int32_t)random_below(N_VOCAB);
  }
  return (attn_batch){ids, begin, with_skips ? skips : NULL, n, NULL};
}

static const attn_observer *watching; /* NULL: nobody is */

/* Runs the batch in an arena of exactly the size that was asked for. */
static void run(const attne_graph *graph, const attn_batch *batch, float *out) {
  const uint32_t n = batch->begin[batch->n] - batch->begin[0];
  uint64_t size = attne_forward_memory(graph, n, (uint32_t)batch->n, MAX_LENGTH);
  char *arena = attn_alloc_aligned(size + 64);
  memset(arena, 0xAB, (size_t)size + 64); /* what it holds before does not matter */
  attne_forward(graph, batch, watching, 0, arena, out);
  int intact = 1;
  for (int i = 0; i < 64; i++)
    intact = intact && (unsigned char)arena[size + (uint64_t)i] == 0xAB;
  CHECK(intact);
  attn_release_aligned(arena);
}

static float results[MAX_SEQUENCES * MAX_WIDE], others[MAX_SEQUENCES * MAX_WIDE];

/* Sequence by sequence, the error beside the reference is at most `limit`. */
static void check_values(const attne_graph *graph, const attn_batch *batch,
                         double limit) {
  double worst = 0, expected[MAX_WIDE * ATTNE_N_POOL];
  for (size_t i = 0; i < batch->n; i += unit_each(5)) {
    reference_forward(graph, batch, i, expected);
    for (uint32_t k = 0; k < graph->dimension; k++) {
      double error = fabs((double)results[i * graph->dimension + k] - expected[k]);
      if (!(error <= worst)) worst = error;
    }
  }
  if (!(worst <= limit))
    printf("! largest error %g, at most %g expected\n", worst, limit);
  CHECK(worst <= limit);
}

/* Sequences [first, first + n) of the batch alone: the bits of `results`. */
static int same_bits(const attne_graph *graph, const attn_batch *batch, size_t first,
                     size_t n) {
  attn_batch part = {batch->id, batch->begin + first,
                     batch->n_skip ? batch->n_skip + first : NULL, n, batch->type};
  memset(others, 0, n * graph->dimension * sizeof *others);
  run(graph, &part, others);
  return memcmp(others, results + first * graph->dimension,
                n * graph->dimension * sizeof *others) == 0;
}

/* Each text alone, and on every instruction set some alone and together: the same bits.
** The portable code is slow and has the fewest ways to go, so it sees the first texts
** only, of which one has the greatest length, and where it is watched a short one. */
static void check_bits(const attne_graph *graph, const attn_batch *batch) {
  int same = 1;
  for (size_t i = 0; i < batch->n; i += unit_each(5))
    same = same && same_bits(graph, batch, i, 1);
  CHECK(same);

  const attne_kernels *chosen = attne_kernels_get();
  for (const attne_kernels *tier = NULL; (tier = attne_kernels_next(tier)) != NULL;) {
    const int is_scalar = tier == attne_kernels_next(NULL);
    const size_t n = is_scalar && batch->n > 3 ? 3 : batch->n;
    const size_t first = is_scalar && unit_each(2) == 2 ? n - 1 : 0;
    attne_kernels_use(tier);
    same = same_bits(graph, batch, first, n - first);
    for (size_t i = first; i < n; i += 7) same = same && same_bits(graph, batch, i, 1);
    if (!same) printf("! %s differs\n", tier->name);
    CHECK(same);
  }
  attne_kernels_use(chosen);
}

/* Where it is watched, the first texts do. */
static void check_graph(const attne_graph *graph, const attn_batch *batch, double limit) {
  attn_batch some = *batch;
  if (some.n > 10) some.n /= unit_each(5);
  run(graph, &some, results);
  check_values(graph, &some, limit);
  check_bits(graph, &some);
}

/* ------------------------------------------------------------------------- tests */

static void test_plain(void) {
  attne_graph graph;
  make_graph(&graph, 3, 16, 100, 2);
  attn_batch batch = make_batch(60, MAX_LENGTH, 0);
  check_graph(&graph, &batch, 1e-6);
  free_graph(&graph);
}

/* No width is a multiple of 16; RoBERTa's positions; every pooling; dense heads. */
static void test_odd_shapes(void) {
  attne_graph graph;
  make_graph(&graph, 5, 7, 51, 3);
  graph.type = random_floats(graph.d_model, 0.5f, 0);
  graph.encoder.first_position = 2;
  graph.encoder.uncounted = 1;
  graph.normalize = 0;
  attn_batch batch = make_batch(40, 70, 1);
  for (int f = ATTNE_IDENTITY; f <= ATTNE_SIGMOID; f++) {
    graph.activation = (attne_activation)f;
    graph.pool_prompt = f % 2;
    graph.pool[0] = (attne_pool)(f % ATTNE_N_POOL);
    check_graph(&graph, &batch, 2e-5);
  }
  free_graph(&graph);
}

/* Every choice that a graph has, by turns. */
static void test_choices(void) {
  attne_graph graph;
  make_graph(&graph, 3, 12, 40, 2);
  for (uint32_t i = 0; i < graph.encoder.n_layer; i++) {
    make_linear(&graph.encoder.layer[i].gate, 40, graph.d_model);
  }
  const attne_norm first = graph.encoder.norm_embedding, last = make_norm(graph.d_model);
  attn_batch batch = make_batch(3, 70, 0);
  for (unsigned choice = 0; choice < 64; choice += choice < 4 ? 1 : 11) {
    graph.norm_first = choice & 1;
    graph.encoder.is_causal = choice >> 1 & 1;
    graph.norm = choice & 4 ? ATTNE_RMS_NORM : ATTNE_LAYER_NORM;
    graph.is_gated = choice >> 3 & 1;
    graph.encoder.score_scale = choice & 16 ? 1 : 1 / sqrtf(12);
    graph.word_scale = choice & 32 ? 3 : 1;
    graph.encoder.norm_embedding = choice & 1 ? (attne_norm){0} : first;
    graph.encoder.norm_final = choice & 1 ? last : (attne_norm){0};
    check_graph(&graph, &batch, 2e-6);
  }
  free_graph(&graph);
}

/* A later token never changes what stands before it, be it infinite. */
static void test_causal(void) {
  attne_graph graph;
  make_graph(&graph, 2, 24, 50, 2);
  graph.encoder.is_causal = 1;
  graph.pool[0] = ATTNE_POOL_CLS;
  attn_batch batch = make_batch(1, MAX_LENGTH, 0);
  begin[1] = MAX_LENGTH;
  for (uint32_t n = MAX_LENGTH; n > 1; n--)
    ids[n - 1] = (int32_t)random_below(N_VOCAB - 1);
  run(&graph, &batch, results);
  for (uint32_t n = 1; n < MAX_LENGTH; n += 17) {
    begin[1] = n;
    run(&graph, &batch, others);
    CHECK(memcmp(others, results, graph.dimension * sizeof(float)) == 0);
  }
  float *word = malloc((size_t)N_VOCAB * graph.d_model * sizeof *word);
  memcpy(word, graph.word, (size_t)N_VOCAB * graph.d_model * sizeof *word);
  word[(N_VOCAB - 1) * graph.d_model + 5] = INFINITY;
  graph.word = word;
  ids[1] = ids[100] = N_VOCAB - 1;
  begin[1] = MAX_LENGTH;
  run(&graph, &batch, others);
  CHECK(memcmp(others, results, graph.dimension * sizeof(float)) == 0);
  graph.pool[0] = ATTNE_POOL_LAST;
  run(&graph, &batch, others);
  CHECK(isnan(others[0]));
  free(word);
  free_graph(&graph);
}

static void test_heads(void) {
  attne_graph graph;
  make_graph(&graph, 2, 8, 33, 1);
  for (int p = 0; p < ATTNE_N_POOL; p++) graph.pool[p] = (attne_pool)p;
  graph.n_pool = ATTNE_N_POOL;
  graph.dimension = graph.d_model * ATTNE_N_POOL;
  add_dense(&graph, 77, ATTNE_TANH);
  add_dense(&graph, 19, ATTNE_IDENTITY);
  attn_batch batch = make_batch(MAX_SEQUENCES, 30, 1);
  check_graph(&graph, &batch, 1e-6);
  free_graph(&graph);
}

static void test_no_layers(void) {
  attne_graph graph;
  make_graph(&graph, 1, 4, 1, 0);
  attn_batch batch = make_batch(3, 4, 0);
  check_graph(&graph, &batch, 1e-6);
  free_graph(&graph);
}

/* A model of three token types. */
static void test_types(void) {
  static uint8_t types[MAX_TOKENS];
  attne_graph graph;
  make_graph(&graph, 2, 8, 20, 1);
  graph.n_type = 3;
  graph.type = random_floats(3 * graph.d_model, 0.5f, 0);
  attn_batch batch = make_batch(40, 30, 0);
  for (int i = 0; i < MAX_TOKENS; i++) types[i] = (uint8_t)random_below(3);
  batch.type = types;
  check_graph(&graph, &batch, 1e-6);
  graph.n_type = 1; /* takes no notice */
  run(&graph, &batch, results);
  batch.type = NULL;
  check_values(&graph, &batch, 1e-6);
  free_graph(&graph);
}

/* What an observer has seen. */
typedef struct witness {
  const attne_graph *graph;
  const attn_batch *batch;
  size_t n_view[ATTN_TRACE_WEIGHTS + 1];
  size_t n_row; /* of weights */
  double worst[ATTN_TRACE_WEIGHTS + 1];
  attn_view queries, keys; /* of the head at hand */
} witness;

static double worse(double worst, double error) {
  return error <= worst ? worst : error;
}

/* The softmax of the products of the queries and keys that were shown before. */
static void see_weights(witness *w, const attn_view *view) {
  const attn_view *q = &w->queries, *k = &w->keys;
  for (size_t i = 0; i < view->n; i++) {
    double expected[MAX_LENGTH], sum = 0;
    for (size_t j = 0; j < view->d; j++) {
      double score = 0;
      for (size_t c = 0; c < q->d; c++) {
        score +=
            (double)q->x[(view->first + i) * q->ld + c] * (double)k->x[j * k->ld + c];
      }
      sum += expected[j] = exp(score / sqrt((double)q->d));
    }
    for (size_t j = 0; j < view->d; j++) {
      double error = fabs((double)view->x[i * view->ld + j] - expected[j] / sum);
      w->worst[ATTN_TRACE_WEIGHTS] = worse(w->worst[ATTN_TRACE_WEIGHTS], error);
    }
  }
  w->n_row += view->n;
}

/* What enters the first layer and leaves the last one. */
static void see_hidden(witness *w, const attn_view *view) {
  double ignored[MAX_WIDE * ATTNE_N_POOL];
  attne_graph part = *w->graph;
  part.encoder.n_layer = view->layer;
  reference_forward(&part, w->batch, view->sequence, ignored);
  for (size_t i = 0; i < view->n; i++) {
    for (size_t k = 0; k < view->d; k++) {
      double error = fabs((double)view->x[i * view->ld + k] - reference_x[i][k]);
      w->worst[ATTN_TRACE_HIDDEN] = worse(w->worst[ATTN_TRACE_HIDDEN], error);
    }
  }
}

static void see(void *ctx, const attn_view *view) {
  witness *w = ctx;
  w->n_view[view->kind]++;
  switch (view->kind) {
  case ATTN_TRACE_HIDDEN:
    see_hidden(w, view);
    break;
  case ATTN_TRACE_QUERIES:
    w->queries = *view;
    break;
  case ATTN_TRACE_KEYS:
    w->keys = *view;
    break;
  case ATTN_TRACE_VALUES:
    CHECK(view->n == w->keys.n && view->d == w->graph->encoder.d_head);
    break;
  case ATTN_TRACE_WEIGHTS:
    see_weights(w, view);
    break;
  }
}

/* Everything is shown once, with its right numbers, and changes no bit. */
static void test_observer(void) {
  attne_graph graph;
  make_graph(&graph, 3, 7, 51, 2);
  attn_batch batch = make_batch(30, 200, 0);
  witness w = {.graph = &graph, .batch = &batch};
  attn_observer observer = {see, &w};
  run(&graph, &batch, others);
  watching = &observer;
  run(&graph, &batch, results);
  watching = NULL;
  CHECK(memcmp(others, results, batch.n * graph.dimension * sizeof(float)) == 0);
  CHECK(w.n_view[ATTN_TRACE_HIDDEN] == batch.n * 3);
  CHECK(w.n_view[ATTN_TRACE_QUERIES] == batch.n * 6 &&
        w.n_view[ATTN_TRACE_KEYS] == batch.n * 6);
  CHECK(w.n_view[ATTN_TRACE_VALUES] == batch.n * 6);
  CHECK(w.n_row == begin[batch.n] * 6);
  CHECK(w.worst[ATTN_TRACE_HIDDEN] < 1e-5 && w.worst[ATTN_TRACE_WEIGHTS] < 1e-6);
  free_graph(&graph);
}

/* NaN has one bit pattern in a result, whatever the processor made of it. */
static void test_not_a_number(void) {
  attne_graph graph;
  make_graph(&graph, 2, 8, 20, 1);
  graph.encoder.layer[0].up.bias[3] = -NAN;
  attn_batch batch = make_batch(2, 5, 0);
  run(&graph, &batch, results);
  const uint32_t nan = 0x7FC00000u;
  CHECK(memcmp(results, &nan, sizeof nan) == 0);
  free_graph(&graph);
}

static void test_memory(void) {
  attne_graph graph;
  make_graph(&graph, 2, 8, 20, 1);
  uint64_t one = attne_forward_memory(&graph, 1, 1, 1);
  uint64_t many = attne_forward_memory(&graph, UINT32_MAX, UINT32_MAX, 512);
  CHECK(one > 0 && one < 32768);
  CHECK(many > one && many < 1 << 20); /* bounded: passes of a few hundred tokens */
  graph.encoder.d_ff = UINT32_MAX;
  graph.d_model = UINT32_MAX;
  CHECK(attne_forward_memory(&graph, UINT32_MAX, UINT32_MAX, UINT32_MAX) == 0);
  free_graph(&graph);

  CHECK(attne_linear_size(UINT32_MAX, UINT32_MAX, ATTN_PRECISION_F32) == 0);
  CHECK(attne_linear_size(384, 1536, ATTN_PRECISION_F32) == (1536 * 4 + 4) * 384);
  CHECK(attne_linear_size(384, 1536, ATTN_PRECISION_INT8) == (1536 + 4 + 12 * 8) * 384);
}

/* The table of words as int8. */
static void round_words(attne_graph *graph) {
  static int8_t q[N_VOCAB * MAX_WIDE];
  static float scale[N_VOCAB * MAX_WIDE / ATTNE_I8_GROUP], row[N_VOCAB * MAX_WIDE];
  memcpy(row, graph->word, (size_t)N_VOCAB * graph->d_model * sizeof *row);
  attne_int8_round(N_VOCAB, graph->d_model, NULL, row, q, scale);
  graph->precision = ATTN_PRECISION_INT8;
  graph->word_int8 = q;
  graph->word_scales = scale;
}

/* int8: near the reference, and all that holds for bits. */
static void test_int8(void) {
  attne_graph graph;
  precision = ATTN_PRECISION_INT8;
  make_graph(&graph, 5, 32, 256, 2);
  attn_batch batch = make_batch(60, MAX_LENGTH, 0);
  check_graph(&graph, &batch, 0.01);
  round_words(&graph);
  check_graph(&graph, &batch, 0.01);
  free_graph(&graph);
  make_graph(&graph, 3, 7, 37, 2); /* no width is a multiple of 4 */
  check_graph(&graph, &batch, 0.02);
  free_graph(&graph);
  precision = ATTN_PRECISION_F32;
}

/* Rows that were quantized and stored are packed as rows that are quantized now. */
static void test_stored_rows(void) {
  enum { N_OUT = 21, N_IN = 208, N_GROUP = 2 };
  attne_linear linear;
  float row[N_OUT * N_IN], scale[N_OUT * N_GROUP], x[3 * N_IN], y[3 * N_OUT],
      z[3 * N_OUT];
  int8_t q[N_OUT * N_IN];
  precision = ATTN_PRECISION_INT8;
  make_linear(&linear, N_OUT, N_IN);
  int overflow = 0;
  void *scratch = attn_alloc_aligned(attne_linear_scratch(&linear, 3, &overflow));
  for (int i = 0; i < 3 * N_IN; i++) x[i] = random_number();
  attne_linear_apply(&linear, 3, x, scratch, ATTNE_SET, ATTNE_IDENTITY, y);

  memcpy(row, weight_of(&linear), sizeof row);
  attne_int8_round(N_OUT, N_IN, NULL, row, q, scale);
  memset(linear.packed, 0, 32 * N_IN);
  attne_linear_pack_i8(&linear, 5, N_OUT - 5, q + 5 * N_IN, scale + 5 * N_GROUP);
  attne_linear_pack_i8(&linear, 0, 5, q, scale);
  attne_linear_apply(&linear, 3, x, scratch, ATTNE_SET, ATTNE_IDENTITY, z);
  CHECK(memcmp(y, z, sizeof y) == 0);
  for (int i = 0; i < 3; i++) {
    double exact[N_OUT], wide[N_IN];
    for (int k = 0; k < N_IN; k++) wide[k] = (double)x[i * N_IN + k];
    apply(&linear, ATTNE_IDENTITY, wide, exact);
    for (int k = 0; k < N_OUT; k++)
      CHECK(fabs((double)y[i * N_OUT + k] - exact[k]) < 0.05);
  }

  memset(row, 0, sizeof row);
  row[N_IN + 3] = INFINITY;
  attne_int8_round(2, N_IN, NULL, row, q, scale);
  CHECK(scale[0] == 0 && scale[1] == 0 && isnan(scale[2]) && scale[3] == 0);
  attn_release_aligned(scratch);
  for (; n_plain > 0; n_plain--) attn_release_aligned(plains[n_plain - 1].memory);
  for (; n_owned > 0; n_owned--) free(owned[n_owned - 1]);
  precision = ATTN_PRECISION_F32;
}

int main(void) {
  unit_begin();
  test_plain();
  test_odd_shapes();
  test_choices();
  test_causal();
  test_heads();
  test_types();
  test_observer();
  test_no_layers();
  test_not_a_number();
  test_memory();
  test_int8();
  test_stored_rows();
  CHECK(unit_live == 0);
  return unit_end();
}
