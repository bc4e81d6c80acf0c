/*
** weights.c - from a source of tensors to the weights of a graph.
**
** The graph is walked twice: first all tensors are checked and memory is counted, then
** it is allocated, in one block, and the tensors are read.  They arrive in pieces of a
** few rows, are widened to float32 and go straight to where they are used: a table, a
** vector or the panels of a linear.  Nothing holds a tensor twice.
*/
#include "weights.h"
#include "settings.h"
#include <stdio.h>

enum {
  PIECE = 1 << 18, /* bytes of float32 at a time, a part of the L2 cache */
  MAX_NAME = 256
};

typedef struct loader {
  const attn_source *source;
  attn_error *err;
  char *memory;    /* of the weights; NULL: it is counted, and tensors are not read */
  uint64_t n_byte; /* taken of it */
  int overflow;
  char *raw;    /* a piece as stored */
  float *piece; /* the same as float32, PIECE bytes or one row */
} loader;

/* Where the rows of a tensor go: to a table, row by row, or into a linear, as outputs
** first, first + 1 ... */
typedef struct destination {
  float *table;
  attn_linear *linear;
  uint32_t first;
} destination;

/* --------------------------------------------------------------- number formats */

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t read_16(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  return (uint32_t)u[0] | (uint32_t)u[1] << 8;
}

static uint32_t read_32(const char *p) {
  return read_16(p) | read_16(p + 2) << 16;
}

/* IEEE 754 binary16, subnormals included: 2^112 moves its exponent to float32's. */
static float from_f16(uint32_t h) {
  uint32_t sign = (h & 0x8000) << 16, rest = (h & 0x7fff) << 13;
  if ((h & 0x7c00) == 0x7c00) return from_bits(sign | 0x7f800000 | rest);
  float magnitude = from_bits(rest) * 0x1p112f;
  return sign ? -magnitude : magnitude;
}

static void widen(attn_dtype dtype, const char *raw, size_t n, float *out) {
  switch (dtype) {
  case ATTN_F16:
    for (size_t i = 0; i < n; i++) out[i] = from_f16(read_16(raw + 2 * i));
    break;
  case ATTN_BF16:
    for (size_t i = 0; i < n; i++) out[i] = from_bits(read_16(raw + 2 * i) << 16);
    break;
  default:
    for (size_t i = 0; i < n; i++) out[i] = from_bits(read_32(raw + 4 * i));
    break;
  }
}

static uint32_t dtype_size(attn_dtype dtype) {
  return dtype == ATTN_F32 ? 4 : 2;
}

/* Are stored numbers what this machine computes with, byte for byte? */
static int is_native(attn_dtype dtype) {
  return dtype == ATTN_F32 && memcmp(&(float){1}, "\0\0\200\077", 4) == 0;
}

/* --------------------------------------------------------------------- tensors */

static attn_status find_tensor(const loader *l, const char *name, size_t *out) {
  size_t low = 0, high = l->source->n_tensor;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(l->source->tensor[middle].name, name);
    if (order == 0) {
      *out = middle;
      return ATTN_OK;
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return attn_fail(l->err, ATTN_INVALID, "missing tensor \"%s\"", name);
}

/* n_column 0: a vector of n_row numbers. */
static attn_status check_tensor(const loader *l, const attn_tensor *t, uint32_t n_row,
                                uint32_t n_column) {
  int n_dim = n_column ? 2 : 1;
  if (t->dtype != ATTN_F32 && t->dtype != ATTN_F16 && t->dtype != ATTN_BF16) {
    return attn_fail(
        l->err, ATTN_UNSUPPORTED,
        "tensor \"%s\" is no F32, F16 or BF16, which is expected of a weight", t->name);
  }
  if (t->n_dim != n_dim || t->dim[0] != n_row || (n_column && t->dim[1] != n_column)) {
    char found[ATTN_MAX_DIM * 21 + 2] = "[]", expected[48];
    size_t n = 0;
    for (int i = 0; i < t->n_dim; i++) {
      n += (size_t)snprintf(found + n, sizeof found - n, "%s%lld", i ? ", " : "[",
                            (long long)t->dim[i]);
    }
    if (n) snprintf(found + n, sizeof found - n, "]");
    if (n_column) {
      snprintf(expected, sizeof expected, "[%u, %u]", n_row, n_column);
    } else {
      snprintf(expected, sizeof expected, "[%u]", n_row);
    }
    return attn_fail(l->err, ATTN_INVALID,
                     "tensor \"%s\" has shape %s; its configuration expects %s", t->name,
                     found, expected);
  }
  return ATTN_OK;
}

/* Reads n rows as float32 into `out`. */
static attn_status read_rows(loader *l, size_t i, uint32_t first, uint32_t n,
                             uint32_t n_column, float *out) {
  const attn_dtype dtype = l->source->tensor[i].dtype;
  uint64_t row_size = (uint64_t)n_column * dtype_size(dtype);
  void *raw = is_native(dtype) ? (void *)out : l->raw;
  attn_status rc =
      l->source->read(l->source->ctx, i, first * row_size, n * row_size, raw, l->err);
  if (rc == ATTN_OK && raw != out) widen(dtype, raw, (size_t)n * n_column, out);
  return rc;
}

static attn_status read_tensor(loader *l, const char *name, uint32_t n_row,
                               uint32_t n_column, const destination *to) {
  size_t i = 0;
  attn_status rc = find_tensor(l, name, &i);
  if (rc != ATTN_OK) return rc;
  rc = check_tensor(l, &l->source->tensor[i], n_row, n_column);
  if (rc != ATTN_OK || !l->memory) return rc;
  uint32_t width = n_column ? n_column : 1;
  uint32_t step = (uint32_t)(PIECE / (width * sizeof(float)));
  if (step > 16) step &= ~15u; /* whole groups of rows are quicker to pack */
  if (step == 0) step = 1;
  for (uint32_t first = 0; rc == ATTN_OK && first < n_row; first += step) {
    uint32_t n = n_row - first < step ? n_row - first : step;
    float *row = to->table ? to->table + (size_t)first * width : l->piece;
    rc = read_rows(l, i, first, n, width, row);
    if (rc == ATTN_OK && to->linear)
      attn_linear_pack(to->linear, to->first + first, n, row);
  }
  return rc;
}

/* ---------------------------------------------------------------- destinations */

/* Takes n bytes of the memory, a multiple of 64; NULL while it is counted. */
static void *take_memory(loader *l, uint64_t n) {
  char *p = l->memory ? l->memory + l->n_byte : NULL;
  l->n_byte = attn_add(l->n_byte, n, &l->overflow);
  return p;
}

static attn_status load_table(loader *l, const char *name, uint32_t n_row,
                              uint32_t n_column, const float **out) {
  const uint64_t row = (uint64_t)(n_column ? n_column : 1) * sizeof(float);
  uint64_t n = attn_add(attn_mul(n_row, row, &l->overflow), 63, &l->overflow) / 64 * 64;
  float *p = take_memory(l, n);
  *out = p;
  return read_tensor(l, name, n_row, n_column, &(destination){.table = p});
}

/* The name of a parameter: base, which may hold a layer's number, and .suffix */
static const char *parameter(char name[MAX_NAME], const char *base, uint32_t layer,
                             const char *suffix) {
  const char *mark = strstr(base, "%u");
  if (mark) {
    snprintf(name, MAX_NAME, "%.*s%u%s%s", (int)(mark - base), base, layer, mark + 2,
             suffix);
  } else {
    snprintf(name, MAX_NAME, "%s%s", base, suffix);
  }
  return name;
}

static attn_status load_norm(loader *l, const char *base, uint32_t layer, uint32_t d,
                             float eps, attn_norm *norm) {
  char name[MAX_NAME];
  norm->eps = eps;
  attn_status rc =
      load_table(l, parameter(name, base, layer, ".weight"), d, 0, &norm->weight);
  if (rc != ATTN_OK) return rc;
  return load_table(l, parameter(name, base, layer, ".bias"), d, 0, &norm->bias);
}

/* Rows first .. first + n_row - 1 of a linear come from one pair of tensors. */
static attn_status load_part(loader *l, const char *base, uint32_t layer, uint32_t first,
                             uint32_t n_row, int with_bias, attn_linear *linear) {
  char name[MAX_NAME];
  destination weight = {.linear = linear, .first = first};
  attn_status rc = read_tensor(l, parameter(name, base, layer, ".weight"), n_row,
                               linear->n_in, &weight);
  if (rc != ATTN_OK || !with_bias) return rc;
  destination bias = {.table = l->memory ? linear->bias + first : NULL};
  return read_tensor(l, parameter(name, base, layer, ".bias"), n_row, 0, &bias);
}

static void init_linear(loader *l, uint32_t n_out, uint32_t n_in,
                        attn_precision precision, attn_linear *linear) {
  uint64_t n = attn_linear_size(n_out, n_in, precision);
  void *memory = take_memory(l, n);
  if (n == 0) l->overflow = 1;
  linear->n_in = n_in;
  linear->n_out = n_out;
  if (memory) attn_linear_init(linear, n_out, n_in, precision, memory);
}

static attn_status load_linear(loader *l, const char *base, uint32_t layer,
                               uint32_t n_out, uint32_t n_in, attn_precision precision,
                               attn_linear *linear) {
  init_linear(l, n_out, n_in, precision, linear);
  return load_part(l, base, layer, 0, n_out, 1, linear);
}

static attn_status load_qkv(loader *l, const attn_architecture *a, uint32_t layer,
                            uint32_t d, attn_precision precision, attn_linear *linear) {
  const char *const base[] = {a->query, a->key, a->value};
  attn_status rc = ATTN_OK;
  init_linear(l, 3 * d, d, precision, linear);
  for (uint32_t i = 0; rc == ATTN_OK && i < 3; i++) {
    rc = load_part(l, base[i], layer, i * d, d, 1, linear);
  }
  return rc;
}

static attn_status load_layer(loader *l, const attn_architecture *a, uint32_t i,
                              const attn_graph *g, attn_layer *layer) {
  uint32_t d = g->d_model;
  float eps = g->norm_embedding.eps;
  attn_status rc = load_qkv(l, a, i, d, g->precision, &layer->qkv);
  if (rc == ATTN_OK) rc = load_linear(l, a->out, i, d, d, g->precision, &layer->out);
  if (rc == ATTN_OK)
    rc = load_norm(l, a->norm_attention, i, d, eps, &layer->norm_attention);
  if (rc == ATTN_OK) rc = load_linear(l, a->up, i, g->d_ff, d, g->precision, &layer->up);
  if (rc == ATTN_OK)
    rc = load_linear(l, a->down, i, d, g->d_ff, g->precision, &layer->down);
  if (rc == ATTN_OK) rc = load_norm(l, a->norm_ffn, i, d, eps, &layer->norm_ffn);
  return rc;
}

static attn_status load_embeddings(loader *l, const attn_architecture *a, attn_graph *g) {
  char name[MAX_NAME];
  uint32_t d = g->d_model;
  attn_status rc =
      load_table(l, parameter(name, a->word, 0, ".weight"), g->n_vocab, d, &g->word);
  if (rc == ATTN_OK && !g->is_bag) {
    rc = load_table(l, parameter(name, a->position, 0, ".weight"), g->n_position, d,
                    &g->position);
  }
  if (rc == ATTN_OK && a->type) {
    rc = load_table(l, parameter(name, a->type, 0, ".weight"), g->n_type, d, &g->type);
  }
  if (rc != ATTN_OK || g->is_bag) return rc;
  return load_norm(l, a->norm_embedding, 0, d, g->norm_embedding.eps, &g->norm_embedding);
}

static attn_status load_dense(loader *l, const attn_settings *s, attn_dense *dense) {
  char base[MAX_NAME];
  attn_text path = {0};
  int with_bias = 1;
  uint32_t n_in = dense->linear.n_in, n_out = dense->linear.n_out;
  attn_status rc =
      attn_settings_text(s, l->err, &path, "$.modules[%u].path", dense->module);
  if (rc == ATTN_OK) {
    rc = attn_settings_bool(s, l->err, &with_bias, "$.modules[%u].config.bias",
                            dense->module);
  }
  if (rc != ATTN_OK) return rc;
  if (path.n_text > MAX_NAME / 2) {
    return attn_fail(l->err, ATTN_INVALID,
                     "$.modules[%u].path has %zu bytes; expected at most %d",
                     dense->module, path.n_text, MAX_NAME / 2);
  }
  snprintf(base, sizeof base, "%.*s/linear", (int)path.n_text, path.text);
  /* Dense modules run once a text, so int8 would gain nothing. */
  init_linear(l, n_out, n_in, ATTN_PRECISION_F32, &dense->linear);
  return load_part(l, base, 0, 0, n_out, with_bias, &dense->linear);
}

static attn_status load_graph(loader *l, const attn_architecture *a,
                              const attn_settings *s, attn_graph *g) {
  attn_status rc = load_embeddings(l, a, g);
  for (uint32_t i = 0; rc == ATTN_OK && i < g->n_layer; i++)
    rc = load_layer(l, a, i, g, &g->layer[i]);
  for (uint32_t i = 0; rc == ATTN_OK && i < g->n_dense; i++) {
    rc = load_dense(l, s, &g->dense[i]);
  }
  return rc;
}

/* The second walk: the tensors are known to be there. */
static attn_status read_weights(attn_graph *graph, const attn_architecture *architecture,
                                const attn_settings *settings, const attn_source *source,
                                attn_error *err, attn_weights *weights) {
  /* One row is the least that can be taken at a time. */
  uint64_t widest = graph->d_ff > graph->d_model ? graph->d_ff : graph->d_model;
  for (uint32_t i = 0; i < graph->n_dense; i++) {
    if (graph->dense[i].linear.n_in > widest) widest = graph->dense[i].linear.n_in;
  }
  uint64_t size = widest * sizeof(float) > PIECE ? widest * sizeof(float) : PIECE;
  loader l = {.source = source, .err = err};
  attn_status rc = ATTN_OK;
  l.raw = attn_alloc(size);
  l.piece = attn_alloc(size);
  l.memory = weights->memory = attn_alloc_aligned(weights->n_byte);
  if (!l.raw || !l.piece || !l.memory) rc = attn_no_memory(err);
  if (rc == ATTN_OK) rc = load_graph(&l, architecture, settings, graph);
  attn_release(l.raw);
  attn_release(l.piece);
  return rc;
}

attn_status attn_weights_load(attn_graph *graph, const attn_architecture *architecture,
                              const attn_settings *settings, const attn_source *source,
                              attn_error *err, attn_weights *weights) {
  loader count = {.source = source, .err = err};
  graph->layer = attn_alloc_zero(graph->n_layer * sizeof *graph->layer);
  if (!graph->layer) return attn_no_memory(err);
  attn_status rc = load_graph(&count, architecture, settings, graph);
  if (rc != ATTN_OK) return rc;
  if (count.overflow) return attn_no_memory(err);
  weights->n_byte = count.n_byte;
  return read_weights(graph, architecture, settings, source, err, weights);
}

attn_status attn_weights_check(const attn_graph *graph,
                               const attn_architecture *architecture,
                               const attn_settings *settings, const attn_source *source,
                               attn_error *err) {
  /* A scratch graph with one layer takes what the loader would set. */
  attn_graph scratch = *graph;
  attn_layer layer;
  loader l = {.source = source, .err = err};
  attn_status rc = load_embeddings(&l, architecture, &scratch);
  for (uint32_t i = 0; rc == ATTN_OK && i < graph->n_layer; i++) {
    memset(&layer, 0, sizeof layer);
    rc = load_layer(&l, architecture, i, &scratch, &layer);
  }
  for (uint32_t i = 0; rc == ATTN_OK && i < graph->n_dense; i++) {
    rc = load_dense(&l, settings, &scratch.dense[i]);
  }
  return rc;
}

void attn_weights_free(attn_graph *graph, attn_weights *weights) {
  attn_release(graph->layer);
  attn_release_aligned(weights->memory);
}
