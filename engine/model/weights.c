/*
** weights.c - from a source of tensors to the weights of a graph.
**
** The graph is walked twice: first all tensors are checked and memory is counted, then
** it is allocated, in one block, and the tensors are read.  They arrive in pieces of a
** few rows, become what the graph's precision wants and go straight to where they are
** used: a table, a vector or the panels of a linear.  Nothing holds a tensor twice.
*/
#include "weights.h"
#include "../format/floats.h"
#include "../nn/int8.h"
#include "../nn/positions.h"
#include "../base/settings.h"
#include <stdio.h>

enum { PIECE = 1 << 18 }; /* bytes of float32 at a time, a part of the L2 cache */

typedef struct loader {
  const attn_source *source;
  const attne_architecture *a;
  const attn_settings *settings;
  attn_error *err;
  char *memory;    /* of the weights; NULL: it is counted, and tensors are not read */
  uint64_t n_byte; /* taken of it */
  int overflow;
  unsigned char *mark;   /* of tensors that may be int8, or NULL */
  attne_linear **linear; /* likewise, those that they are part of */
  char *raw;             /* a piece as stored */
  float *piece;          /* the same as float32, PIECE bytes or one row */
  float *zeros;          /* [d_model]: the bias of norms that have none */
} loader;

/* The rows of a tensor that are wanted, first, first + 1 ...; n_column 0: it is a vector.
*/
typedef struct slice {
  uint32_t n_row, n_column; /* of the tensor */
  uint32_t first, n;
} slice;

/* Where they go: to a table, row by row, in float32 or int8; or into a linear, as outputs
** first, first + 1 ...; or as its inputs, all of them, where the tensor is transposed. */
typedef struct destination {
  float *table;
  int8_t *rounded; /* a table, and its scales */
  float *scale;
  attne_linear *linear;
  uint32_t first;
  int is_transposed;
  int may_be_int8; /* as it is stored */
} destination;

static uint32_t dtype_size(attn_dtype dtype) {
  return dtype == ATTN_F32 ? 4 : dtype == ATTN_I8 ? 1 : 2;
}

/* Are stored numbers what this machine computes with, byte for byte? */
static int is_native(attn_dtype dtype) {
  return dtype == ATTN_F32 && memcmp(&(float){1}, "\0\0\200\077", 4) == 0;
}

/* --------------------------------------------------------------------- tensors */

static int search(const attn_source *source, const char *name, size_t *out) {
  size_t low = 0, high = source->n_tensor;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(source->tensor[middle].name, name);
    if (order == 0) {
      *out = middle;
      return 1;
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return 0;
}

static attn_status find_tensor(const loader *l, const char *name, size_t *out) {
  char whole[ATTNE_MAX_NAME];
  if (search(l->source, name, out)) return ATTN_OK;
  snprintf(whole, sizeof whole, "%s%s", l->a->prefix ? l->a->prefix : "", name);
  if (search(l->source, whole, out)) return ATTN_OK;
  return attne_fail(l->err, ATTN_INVALID, "missing tensor \"%s\"", name);
}

size_t attne_weights_scales(const attn_source *source, size_t i) {
  char name[2 * ATTNE_MAX_NAME];
  const attn_tensor *t = &source->tensor[i];
  size_t k;
  if (t->dtype != ATTN_I8 || t->n_dim != 2) return source->n_tensor;
  int n = snprintf(name, sizeof name, "%s%s", t->name, ATTNE_SCALE_SUFFIX);
  if (n >= (int)sizeof name || !search(source, name, &k)) return source->n_tensor;
  const attn_tensor *s = &source->tensor[k];
  int fits = s->dtype == ATTN_F32 && s->n_dim == 2 && s->dim[0] == t->dim[0] &&
             s->dim[1] == (int64_t)attne_groups_i8((uint64_t)t->dim[1]);
  return fits ? k : source->n_tensor;
}

static attn_status check_scales(const loader *l, size_t i) {
  const attn_tensor *t = &l->source->tensor[i];
  if (t->dtype != ATTN_I8 || attne_weights_scales(l->source, i) < l->source->n_tensor) {
    return ATTN_OK;
  }
  return attne_fail(
      l->err, ATTN_INVALID,
      "tensor \"%s\" is I8; expected its scales in a tensor \"%s%s\" of F32 "
      "[%lld, %lld]",
      t->name, t->name, ATTNE_SCALE_SUFFIX, (long long)t->dim[0],
      (long long)attne_groups_i8((uint64_t)t->dim[1]));
}

static attn_status check_dtype(const loader *l, const attn_tensor *t, int may_be_int8) {
  if (t->dtype == ATTN_F32 || t->dtype == ATTN_F16 || t->dtype == ATTN_BF16 ||
      (t->dtype == ATTN_I8 && may_be_int8)) {
    return ATTN_OK;
  }
  return attne_fail(l->err, ATTN_UNSUPPORTED,
                    "tensor \"%s\" is no F32, F16 or BF16, which is expected of a weight",
                    t->name);
}

/* n_column 0: a vector of n_row numbers. */
static attn_status check_shape(const loader *l, const attn_tensor *t, uint32_t n_row,
                               uint32_t n_column) {
  int n_dim = n_column ? 2 : 1;
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
    return attne_fail(l->err, ATTN_INVALID,
                      "tensor \"%s\" has shape %s; its configuration expects %s", t->name,
                      found, expected);
  }
  return ATTN_OK;
}

/* A tensor that is read, some rows at a time. */
typedef struct stored {
  size_t i; /* its number */
  attn_dtype dtype;
  uint32_t width; /* of a row */
  float *scale;   /* where it is int8: of each group of each row */
} stored;

static const float *scales_of(const stored *t, uint32_t row) {
  return t->scale + row * attne_groups_i8(t->width);
}

/* Rows [first, first + n), as they are stored. */
static attn_status read_raw(loader *l, const stored *t, uint32_t first, uint32_t n,
                            void *out) {
  uint64_t row_size = (uint64_t)t->width * dtype_size(t->dtype);
  return l->source->read(l->source->ctx, t->i, first * row_size, n * row_size, out,
                         l->err);
}

/* The same as float32. */
static attn_status read_rows(loader *l, const stored *t, uint32_t first, uint32_t n,
                             float *out) {
  void *raw = is_native(t->dtype) ? (void *)out : l->raw;
  attn_status rc = read_raw(l, t, first, n, raw);
  if (rc != ATTN_OK || raw == out) return rc;
  if (t->dtype == ATTN_I8) {
    attne_int8_to_f32(raw, scales_of(t, first), n, t->width, out);
  } else {
    attne_floats_read(t->dtype, raw, (size_t)n * t->width, out);
  }
  return ATTN_OK;
}

/* Rows [first, first + n) that are int8 where int8 is wanted, as number `at` and on. */
static attn_status copy_int8(loader *l, const stored *t, uint32_t first, uint32_t at,
                             uint32_t n, const destination *to) {
  void *raw = to->linear ? (void *)l->raw : to->rounded + (size_t)at * t->width;
  attn_status rc = read_raw(l, t, first, n, raw);
  if (rc != ATTN_OK) return rc;
  if (to->linear) {
    attne_linear_pack_i8(to->linear, to->first + at, n, raw, scales_of(t, first));
  } else {
    size_t n_group = attne_groups_i8(t->width);
    memcpy(to->scale + at * n_group, scales_of(t, first), n * n_group * sizeof *t->scale);
  }
  return ATTN_OK;
}

static attn_status copy_rows(loader *l, const stored *t, uint32_t first, uint32_t at,
                             uint32_t n, const destination *to) {
  int wants_int8 =
      to->linear ? to->linear->precision == ATTN_PRECISION_INT8 : to->rounded != NULL;
  if (t->dtype == ATTN_I8 && wants_int8) return copy_int8(l, t, first, at, n, to);
  float *row = to->table ? to->table + (size_t)at * t->width : l->piece;
  attn_status rc = read_rows(l, t, first, n, row);
  if (rc != ATTN_OK || to->table) return rc;
  if (to->rounded) {
    attne_int8_round(n, t->width, NULL, row, to->rounded + (size_t)at * t->width,
                     to->scale + at * attne_groups_i8(t->width));
  } else if (to->is_transposed) {
    attne_linear_pack_columns(to->linear, at, n, row);
  } else {
    attne_linear_pack(to->linear, to->first + at, n, row);
  }
  return ATTN_OK;
}

static attn_status copy_tensor(loader *l, const stored *t, const slice *of,
                               const destination *to) {
  attn_status rc = ATTN_OK;
  uint32_t step = (uint32_t)(PIECE / (t->width * sizeof(float)));
  if (step > 16) step &= ~15u; /* whole groups of rows are quicker to pack */
  if (step == 0) step = 1;
  for (uint32_t at = 0; rc == ATTN_OK && at < of->n; at += step) {
    uint32_t n = of->n - at < step ? of->n - at : step;
    rc = copy_rows(l, t, of->first + at, at, n, to);
  }
  return rc;
}

/* The scales of an int8 tensor are read whole: its own rows come a few at a time, and
** going from one tensor to the other each time would be slow. */
static attn_status read_scales(loader *l, stored *t) {
  const stored scales = {.i = attne_weights_scales(l->source, t->i),
                         .dtype = ATTN_F32,
                         .width = (uint32_t)attne_groups_i8(t->width)};
  const uint32_t n_row = (uint32_t)l->source->tensor[t->i].dim[0];
  const size_t n = (size_t)n_row * scales.width;
  t->scale = attne_alloc(n * sizeof *t->scale);
  if (!t->scale) return attne_no_memory(l->err);
  attn_status rc = read_raw(l, &scales, 0, n_row, t->scale);
  if (rc == ATTN_OK) attne_floats_read(ATTN_F32, t->scale, n, t->scale); /* in place */
  return rc;
}

static attn_status read_tensor(loader *l, const char *name, const slice *of,
                               const destination *to) {
  stored t = {.width = of->n_column ? of->n_column : 1};
  attn_status rc = find_tensor(l, name, &t.i);
  if (rc != ATTN_OK) return rc;
  const attn_tensor *tensor = &l->source->tensor[t.i];
  t.dtype = tensor->dtype;
  rc = check_dtype(l, tensor, to->may_be_int8);
  if (rc == ATTN_OK) rc = check_shape(l, tensor, of->n_row, of->n_column);
  if (rc == ATTN_OK) rc = check_scales(l, t.i);
  if (rc != ATTN_OK) return rc;
  if (l->mark && to->may_be_int8) l->mark[t.i] = 1;
  if (!l->memory) return ATTN_OK;
  if (l->linear && to->may_be_int8) l->linear[t.i] = to->linear;
  if (t.dtype == ATTN_I8) rc = read_scales(l, &t);
  if (rc == ATTN_OK) rc = copy_tensor(l, &t, of, to);
  attne_release(t.scale);
  return rc;
}

/* ---------------------------------------------------------------- destinations */

/* Takes n bytes of the memory, a multiple of 64; NULL while it is counted. */
static void *take_memory(loader *l, uint64_t n) {
  char *p = l->memory ? l->memory + l->n_byte : NULL;
  l->n_byte = attne_add(l->n_byte, n, &l->overflow);
  return p;
}

static void *take_rows(loader *l, uint32_t n_row, uint64_t row_size) {
  uint64_t n = attne_mul(n_row, row_size, &l->overflow);
  uint64_t whole = attne_add(n, 63, &l->overflow) / 64 * 64;
  char *p = take_memory(l, whole);
  if (p) memset(p + n, 0, whole - n); /* models are compared by their memory */
  return p;
}

static float *take_table(loader *l, uint32_t n_row, uint32_t n_column) {
  return take_rows(l, n_row, (uint64_t)(n_column ? n_column : 1) * sizeof(float));
}

static attn_status load_table(loader *l, const char *name, uint32_t n_row,
                              uint32_t n_column, const float **out) {
  float *p = take_table(l, n_row, n_column);
  *out = p;
  return read_tensor(l, name, &(slice){n_row, n_column, 0, n_row},
                     &(destination){.table = p});
}

static attn_status load_norm(loader *l, const char *base, uint32_t layer,
                             const attne_graph *g, attne_norm *norm) {
  char name[ATTNE_MAX_NAME];
  if (!base) return ATTN_OK;
  norm->eps = g->eps;
  attn_status rc = load_table(l, attne_parameter_name(name, base, layer, "weight"),
                              g->d_model, 0, &norm->weight);
  norm->bias = l->zeros;
  if (rc != ATTN_OK || !g->has_bias) return rc;
  return load_table(l, attne_parameter_name(name, base, layer, "bias"), g->d_model, 0,
                    &norm->bias);
}

/* Outputs `to`, `to` + 1 ... of a linear, from rows of one pair of tensors. */
typedef struct part {
  const char *base;
  slice of; /* n_column is the linear's */
  uint32_t to;
  int may_be_int8;
} part;

static attn_status load_part(loader *l, const part *part, uint32_t layer, int has_bias,
                             attne_linear *linear) {
  char name[ATTNE_MAX_NAME];
  destination weight = {
      .linear = linear, .first = part->to, .may_be_int8 = part->may_be_int8};
  slice of = part->of;
  of.n_column = linear->n_in;
  if (l->a->is_transposed) {
    of = (slice){linear->n_in, of.n_row, 0, linear->n_in};
    weight.is_transposed = 1;
  }
  attn_status rc = read_tensor(l, attne_parameter_name(name, part->base, layer, "weight"),
                               &of, &weight);
  if (rc != ATTN_OK || !has_bias) return rc;
  destination bias = {.table = l->memory ? linear->bias + part->to : NULL};
  of = part->of;
  of.n_column = 0;
  return read_tensor(l, attne_parameter_name(name, part->base, layer, "bias"), &of,
                     &bias);
}

static void init_linear(loader *l, uint32_t n_out, uint32_t n_in,
                        attn_precision precision, attne_linear *linear) {
  uint64_t n = attne_linear_size(n_out, n_in, precision);
  void *memory = take_memory(l, n);
  if (n == 0) l->overflow = 1;
  linear->n_in = n_in;
  linear->n_out = n_out;
  if (memory) attne_linear_init(linear, n_out, n_in, precision, memory);
}

static attn_status load_linear(loader *l, const attne_graph *g, const char *base,
                               uint32_t layer, uint32_t n_out, uint32_t n_in,
                               attne_linear *linear) {
  init_linear(l, n_out, n_in, g->precision, linear);
  return load_part(l, &(part){base, {n_out, 0, 0, n_out}, 0, 1}, layer, g->has_bias,
                   linear);
}

/* `n` projections one after the other, from as many tensors, or from the last of the
** three in one. */
static attn_status load_projections(loader *l, const attne_graph *g, uint32_t d_heads,
                                    const char *const *base, uint32_t n,
                                    const char *whole, uint32_t layer,
                                    attne_linear *linear) {
  attn_status rc = ATTN_OK;
  init_linear(l, n * d_heads, g->d_model, g->precision, linear);
  if (whole) {
    slice of = {3 * d_heads, 0, (3 - n) * d_heads, n * d_heads};
    return load_part(l, &(part){whole, of, 0, 1}, layer, g->has_bias, linear);
  }
  for (uint32_t i = 0; rc == ATTN_OK && i < n; i++) {
    part part = {base[i], {d_heads, 0, 0, d_heads}, i * d_heads, 1};
    rc = load_part(l, &part, layer, g->has_bias, linear);
  }
  return rc;
}

static attn_status load_cross(loader *l, const attne_stack_names *names, uint32_t i,
                              const attne_graph *g, const attne_stack *stack,
                              attne_layer *layer) {
  const char *const base[] = {names->cross_key, names->cross_value};
  const char *whole = names->cross_key ? NULL : names->cross_query;
  uint32_t d_heads = (uint32_t)attne_stack_width(stack);
  part query = {names->cross_query, {whole ? 3 * d_heads : d_heads, 0, 0, d_heads}, 0, 1};
  init_linear(l, d_heads, g->d_model, g->precision, &layer->cross_q);
  attn_status rc = load_part(l, &query, i, g->has_bias, &layer->cross_q);
  if (rc == ATTN_OK) {
    rc = load_projections(l, g, d_heads, base, 2, whole, i, &layer->cross_kv);
  }
  if (rc == ATTN_OK) {
    rc = load_linear(l, g, names->cross_out, i, g->d_model, d_heads, &layer->cross_out);
  }
  if (rc == ATTN_OK) rc = load_norm(l, names->norm_cross, i, g, &layer->norm_cross);
  return rc;
}

static attn_status load_layer(loader *l, const attne_stack_names *names, uint32_t i,
                              const attne_graph *g, const attne_stack *stack,
                              attne_layer *layer) {
  const char *const base[] = {names->query, names->key, names->value};
  const char *whole = names->key ? NULL : names->query;
  const char *up = g->is_gated ? names->gated_up : names->up;
  uint32_t d = g->d_model, d_heads = (uint32_t)attne_stack_width(stack);
  attn_status rc = load_projections(l, g, d_heads, base, 3, whole, i, &layer->qkv);
  if (rc == ATTN_OK) rc = load_linear(l, g, names->out, i, d, d_heads, &layer->out);
  if (rc == ATTN_OK)
    rc = load_norm(l, names->norm_attention, i, g, &layer->norm_attention);
  if (rc == ATTN_OK && stack->has_cross) rc = load_cross(l, names, i, g, stack, layer);
  if (rc == ATTN_OK) rc = load_linear(l, g, up, i, stack->d_ff, d, &layer->up);
  if (rc == ATTN_OK && g->is_gated) {
    rc = load_linear(l, g, names->gate, i, stack->d_ff, d, &layer->gate);
  }
  if (rc == ATTN_OK) rc = load_linear(l, g, names->down, i, d, stack->d_ff, &layer->down);
  if (rc == ATTN_OK) rc = load_norm(l, names->norm_ffn, i, g, &layer->norm_ffn);
  return rc;
}

/* Each head's biases stand together, a distance after the other. */
static attn_status load_relative(loader *l, const char *base, attne_stack *stack) {
  char name[ATTNE_MAX_NAME];
  attne_relative *r = &stack->relative;
  const uint32_t n_head = stack->n_head, n = 2 * r->max_distance + 1;
  attn_status rc = load_table(l, attne_parameter_name(name, base, 0, "weight"),
                              r->n_bucket, n_head, &r->weight);
  float *bias = take_table(l, n_head, n);
  r->bias = bias;
  for (uint32_t i = 0; rc == ATTN_OK && bias && i < n; i++) {
    uint32_t bucket = attne_distance_bucket(
        (int64_t)i - r->max_distance, stack->is_causal, r->n_bucket, r->max_distance);
    for (size_t h = 0; h < n_head; h++) bias[h * n + i] = r->weight[bucket * n_head + h];
  }
  return rc;
}

static attn_status load_positions(loader *l, const attne_stack_names *names,
                                  const attne_graph *g, attne_stack *stack) {
  char name[ATTNE_MAX_NAME];
  if (l->a->positions == ATTNE_POSITIONS_SINUSOIDAL) {
    float *table = take_table(l, stack->n_position, g->d_model);
    if (table) attne_sinusoids(stack->n_position, g->d_model, ATTNE_SINES_FIRST, table);
    stack->position = table;
  }
  if (names->relative) return load_relative(l, names->relative, stack);
  if (!names->position) return ATTN_OK;
  return load_table(l, attne_parameter_name(name, names->position, 0, "weight"),
                    stack->n_position, g->d_model, &stack->position);
}

/* Where the stack has no layers to fill, as they are only checked, one takes them all. */
static attn_status load_stack(loader *l, const attne_stack_names *names,
                              const attne_graph *g, attne_stack *stack) {
  if (stack->n_head == 0) return ATTN_OK;
  attn_status rc = load_positions(l, names, g, stack);
  if (rc == ATTN_OK)
    rc = load_norm(l, names->norm_embedding, 0, g, &stack->norm_embedding);
  if (rc == ATTN_OK) rc = load_norm(l, names->norm_final, 0, g, &stack->norm_final);
  for (uint32_t i = 0; rc == ATTN_OK && i < stack->n_layer; i++) {
    attne_layer scratch = {0};
    rc = load_layer(l, names, i, g, stack, stack->layer ? &stack->layer[i] : &scratch);
  }
  return rc;
}

/* The table of words, in the precision of the graph. */
static attn_status load_words(loader *l, const char *name, attne_graph *g) {
  const slice of = {g->n_vocab, g->d_model, 0, g->n_vocab};
  destination to = {.may_be_int8 = !g->is_static};
  if (g->precision == ATTN_PRECISION_INT8) {
    to.rounded = take_rows(l, g->n_vocab, g->d_model);
    to.scale = take_table(l, g->n_vocab, (uint32_t)attne_groups_i8(g->d_model));
  } else {
    to.table = take_table(l, g->n_vocab, g->d_model);
  }
  g->word = to.table;
  g->word_int8 = to.rounded;
  g->word_scales = to.scale;
  return read_tensor(l, name, &of, &to);
}

static attn_status load_embeddings(loader *l, attne_graph *g) {
  char name[ATTNE_MAX_NAME];
  attn_status rc = ATTN_OK;
  uint32_t d = g->d_model;
  l->zeros = take_table(l, d, 0);
  if (l->zeros) memset(l->zeros, 0, d * sizeof *l->zeros);
  if (l->a->word && !(g->has_head && g->is_tied)) {
    rc = load_words(l, attne_parameter_name(name, l->a->word, 0, "weight"), g);
  }
  if (rc != ATTN_OK || !l->a->type) return rc;
  return load_table(l, attne_parameter_name(name, l->a->type, 0, "weight"), g->n_type, d,
                    &g->type);
}

/* In float32, as one number wrong is one word wrong. */
static attn_status load_head(loader *l, attne_graph *g) {
  if (!g->has_head) return ATTN_OK;
  char name[ATTNE_MAX_NAME];
  slice of = {g->n_vocab, g->d_model, 0, g->n_vocab};
  init_linear(l, g->n_vocab, g->d_model, ATTN_PRECISION_F32, &g->head);
  attn_status rc = read_tensor(
      l, attne_parameter_name(name, g->is_tied ? l->a->word : l->a->head, 0, "weight"),
      &of, &(destination){.linear = &g->head});
  if (rc != ATTN_OK || !l->a->head_bias) return rc;
  of = (slice){1, g->n_vocab, 0, 1};
  return read_tensor(l, l->a->head_bias, &of, &(destination){.table = g->head.bias});
}

static int has_parameter(const loader *l, const char *base, const char *suffix) {
  char name[ATTNE_MAX_NAME];
  size_t i;
  return search(l->source, attne_parameter_name(name, base, 0, suffix), &i);
}

/* The head that names hidden words is there whole, or is of no interest.  Where its words
** are its own, it may have a bias beside them that goes before the other. */
static attn_status load_mlm_head(loader *l, attne_graph *g) {
  const attne_mlm_names *names = &l->a->mlm;
  const char *bias = names->bias;
  char name[ATTNE_MAX_NAME];
  int is_tied = 1;
  uint32_t d = g->d_model;
  if (!names->transform) return ATTN_OK;
  attn_status rc = attne_settings_bool(l->settings, l->err, &is_tied,
                                       "$.transformer.tie_word_embeddings");
  if (rc != ATTN_OK) return rc;
  if (!is_tied && has_parameter(l, names->word, "bias")) bias = names->word;
  if (!has_parameter(l, names->transform, "weight") ||
      !has_parameter(l, names->transform, "bias") ||
      !has_parameter(l, names->norm, "weight") ||
      !has_parameter(l, names->norm, "bias") || !has_parameter(l, bias, "bias") ||
      !(is_tied || has_parameter(l, names->word, "weight"))) {
    return ATTN_OK;
  }
  init_linear(l, d, d, ATTN_PRECISION_F32, &g->mlm.transform);
  rc = load_part(l, &(part){names->transform, {d, 0, 0, d}, 0, 0}, 0, 1,
                 &g->mlm.transform);
  if (rc == ATTN_OK) rc = load_norm(l, names->norm, 0, g, &g->mlm.norm);
  if (rc == ATTN_OK) {
    rc = load_table(l, attne_parameter_name(name, bias, 0, "bias"), g->n_vocab, 0,
                    &g->mlm.bias);
  }
  if (rc != ATTN_OK || is_tied) return rc;
  return load_table(l, attne_parameter_name(name, names->word, 0, "weight"), g->n_vocab,
                    d, &g->mlm.word);
}

static attn_status load_dense(loader *l, attne_dense *dense) {
  const attn_settings *s = l->settings;
  char base[ATTNE_MAX_NAME];
  attn_text path = {0};
  int with_bias = 1;
  uint32_t n_in = dense->linear.n_in, n_out = dense->linear.n_out;
  attn_status rc =
      attne_settings_text(s, l->err, &path, "$.modules[%u].path", dense->module);
  if (rc == ATTN_OK) {
    rc = attne_settings_bool(s, l->err, &with_bias, "$.modules[%u].config.bias",
                             dense->module);
  }
  if (rc != ATTN_OK) return rc;
  if (path.n_text > ATTNE_MAX_NAME / 2) {
    return attne_fail(l->err, ATTN_INVALID,
                      "$.modules[%u].path has %zu bytes; expected at most %d",
                      dense->module, path.n_text, ATTNE_MAX_NAME / 2);
  }
  snprintf(base, sizeof base, "%.*s/linear", (int)path.n_text, path.text);
  /* Dense modules run once a text, so int8 would gain nothing. */
  init_linear(l, n_out, n_in, ATTN_PRECISION_F32, &dense->linear);
  return load_part(l, &(part){base, {n_out, 0, 0, n_out}, 0, 0}, 0, with_bias,
                   &dense->linear);
}

/* Of all that the source has, whether they are used or not. */
static attn_status check_bytes(const loader *l) {
  attn_status rc = ATTN_OK;
  for (size_t i = 0; rc == ATTN_OK && i < l->source->n_tensor; i++) {
    const attn_tensor *t = &l->source->tensor[i];
    rc = attn_limit_check(ATTN_LIMIT_TENSOR_BYTES, t->n_byte, l->err,
                          "tensor \"%s\" has %llu bytes", t->name,
                          (unsigned long long)t->n_byte);
  }
  return rc;
}

static attn_status load_graph(loader *l, attne_graph *g) {
  attn_status rc = check_bytes(l);
  if (rc == ATTN_OK) rc = load_embeddings(l, g);
  if (rc == ATTN_OK) rc = load_stack(l, l->a->encoder, g, &g->encoder);
  if (rc == ATTN_OK) rc = load_stack(l, l->a->decoder, g, &g->decoder);
  if (rc == ATTN_OK) rc = load_head(l, g);
  if (rc == ATTN_OK) rc = load_mlm_head(l, g);
  for (uint32_t i = 0; rc == ATTN_OK && i < g->n_dense; i++) {
    rc = load_dense(l, &g->dense[i]);
  }
  return rc;
}

/* The most that a row of a tensor has: one is the least that can be taken at a time. */
static uint64_t widest_row(const attne_graph *g) {
  const attne_stack *const stacks[] = {&g->encoder, &g->decoder};
  uint64_t widest = g->has_head && g->n_vocab > g->d_model ? g->n_vocab : g->d_model;
  for (int i = 0; i < 2; i++) {
    uint64_t qkv = 3 * (uint64_t)attne_stack_width(stacks[i]);
    if (stacks[i]->d_ff > widest) widest = stacks[i]->d_ff;
    if (qkv > widest) widest = qkv;
  }
  for (uint32_t i = 0; i < g->n_dense; i++) {
    if (g->dense[i].linear.n_in > widest) widest = g->dense[i].linear.n_in;
  }
  return widest;
}

/* The second walk: the tensors are known to be there. */
static attn_status read_weights(loader *l, attne_graph *graph,
                                attne_weight_block *weights) {
  uint64_t size = widest_row(graph) * sizeof(float);
  attn_status rc = ATTN_OK;
  if (size < PIECE) size = PIECE;
  l->n_byte = 0;
  l->raw = attne_alloc(size);
  l->piece = attne_alloc(size);
  l->memory = weights->memory = attn_alloc_aligned(weights->n_byte);
  if (!l->raw || !l->piece || !l->memory) rc = attne_no_memory(l->err);
  if (rc == ATTN_OK) rc = load_graph(l, graph);
  attne_release(l->raw);
  attne_release(l->piece);
  return rc;
}

static attn_status make_layers(attne_stack *stack) {
  stack->layer = attne_alloc_zero(stack->n_layer * sizeof *stack->layer);
  return stack->layer ? ATTN_OK : ATTN_NOMEM;
}

attn_status attne_weights_load(attne_graph *graph, const attne_architecture *architecture,
                               const attn_settings *settings, const attn_source *source,
                               attne_linear **linear, attn_error *err,
                               attne_weight_block *weights) {
  loader l = {.source = source,
              .a = architecture,
              .settings = settings,
              .err = err,
              .linear = linear};
  attn_status rc = make_layers(&graph->encoder);
  if (rc == ATTN_OK) rc = make_layers(&graph->decoder);
  if (rc != ATTN_OK) return attne_no_memory(err);
  rc = load_graph(&l, graph);
  if (rc != ATTN_OK) return rc;
  if (l.overflow) return attne_no_memory(err);
  rc = attne_model_bytes_take(l.n_byte, err);
  if (rc != ATTN_OK) return rc;
  weights->n_byte = l.n_byte;
  return read_weights(&l, graph, weights);
}

attn_status attne_weights_check(const attne_graph *graph,
                                const attne_architecture *architecture,
                                const attn_settings *settings, const attn_source *source,
                                attn_error *err, unsigned char *mark) {
  attne_graph scratch = *graph; /* takes what the loader would set */
  loader l = {.source = source,
              .a = architecture,
              .settings = settings,
              .err = err,
              .mark = mark};
  return load_graph(&l, &scratch);
}

void attne_weights_free(attne_graph *graph, attne_weight_block *weights) {
  attne_release(graph->encoder.layer);
  attne_release(graph->decoder.layer);
  attn_release_aligned(weights->memory);
  attne_model_bytes_return(weights->n_byte);
}
