/*
** bert_step.c - the jobs of a step: matrices are packed, groups of texts go through the
** network, the gradients are summed over the tokens, AdamW moves the parameters.
**
** A sum over tokens, dW = dYᵀ X, is a product like any other (kernels.h): the chain of an
** element runs over all tokens of the batch.  A piece of the job is some rows of dW, or
** one vector.
*/
#include "bert.h"
#include "../kernels/pack.h"
#include "../base/threads.h"
#include <math.h>

typedef struct step {
  attne_bert *bert;
  const attne_bert_pass *pass;
  const attne_adamw *adamw;
  float scale; /* of the gradient */
  float keep, rate,
      root; /* AdamW: 1 - rate decay; rate / (1 - beta1^t); 1 / sqrt(1 - beta2^t) */
} step;

static attn_status run(step *s, size_t n_piece, void (*piece)(void *, uint32_t, size_t)) {
  uint32_t slots = attne_job_slots(n_piece), n = s->bert->memory->n_slot;
  return attne_run(&(attne_job){.run = piece,
                                .ctx = s,
                                .n_piece = n_piece,
                                .n_slot = slots < n ? slots : n,
                                .stop = s->pass ? s->pass->stop : NULL,
                                .stop_ctx = s->pass ? s->pass->ctx : NULL});
}

/* ---------------------------------------------------------------------- packing */

static uint32_t n_matrix(const attne_bert *b) {
  return 4 * b->shape.n_layer + 2;
}

static size_t n_block(const attne_bert_dense *dense) {
  return (dense->n_out + ATTNE_BERT_BLOCK - 1) / ATTNE_BERT_BLOCK;
}

static size_t all_blocks(const attne_bert *b) {
  size_t n = 0;
  for (uint32_t i = 0; i < n_matrix(b); i++) {
    attne_bert_dense dense = attne_bert_matrix(b, i);
    n += n_block(&dense);
  }
  return n;
}

/* Rows first .. first + n of a matrix. */
typedef struct block {
  uint32_t matrix;
  attne_bert_dense dense;
  size_t first, n;
} block;

static block find_block(const attne_bert *b, size_t piece) {
  block out = {.dense = attne_bert_matrix(b, 0)};
  while (piece >= n_block(&out.dense)) {
    piece -= n_block(&out.dense);
    out.dense = attne_bert_matrix(b, ++out.matrix);
  }
  out.first = piece * ATTNE_BERT_BLOCK;
  out.n = out.dense.n_out - out.first;
  if (out.n > ATTNE_BERT_BLOCK) out.n = ATTNE_BERT_BLOCK;
  return out;
}

/* A block is whole panels of the one, and some inputs of each panel of the other. */
static void pack_block(void *ctx, uint32_t slot, size_t piece) {
  const attne_bert *b = ((step *)ctx)->bert;
  block at = find_block(b, piece);
  const size_t n_in = at.dense.n_in, n_out = at.dense.n_out;
  const float *row = b->weight + at.dense.weight + at.first * n_in;
  attne_bert_packed packed = b->memory->packed[at.matrix];
  (void)slot;
  attne_pack_rows(at.first, at.n, n_in, row, n_in, packed.rows);
  attne_pack_columns(at.first, at.n, n_out, n_in, row, n_in, packed.columns);
}

/* ------------------------------------------------------------------------ groups */

static void cut_groups(const attne_bert_batch *batch, attne_bert_memory *m) {
  uint32_t first = 0;
  m->n_group = 0;
  for (uint32_t i = 0; i < batch->n; i++) {
    if (i + 1 < batch->n &&
        batch->begin[i + 1] - batch->begin[first] < ATTNE_BERT_GROUP) {
      continue;
    }
    m->group[m->n_group++] = (attne_bert_group){first, i + 1};
    first = i + 1;
  }
}

static void pass_group(void *ctx, uint32_t slot, size_t piece) {
  step *s = ctx;
  attne_bert_group_pass(s->bert, s->pass, piece, s->bert->memory->slot[slot]);
}

/* -------------------------------------------------------------------------- sums */

size_t attne_bert_sum_scratch(const attne_bert_shape *s) {
  size_t n = s->max_token > s->max_masked ? s->max_token : s->max_masked;
  return n * (ATTNE_BERT_BLOCK + ATTNE_PANEL);
}

/* What a matrix was multiplied by, and the gradient by the result. */
typedef struct operands {
  const float *x, *dy;
  size_t m;
} operands;

static operands find_operands(const step *s, uint32_t matrix) {
  const attne_bert_memory *m = s->bert->memory;
  const attne_bert_batch *batch = s->pass->batch;
  const size_t n = batch->begin[batch->n], n_masked = batch->masked_begin[batch->n];
  const uint32_t n_layer = s->bert->shape.n_layer;
  const attne_bert_activation *a = &m->layer[matrix / 4];
  if (matrix == 4 * n_layer) return (operands){m->picked, m->slope, n_masked};
  if (matrix > 4 * n_layer) return (operands){m->head, m->logits, n_masked};
  switch (matrix % 4) {
  case 0:
    return (operands){a->x, a->qkv, n};
  case 1:
    return (operands){a->context, a->attended, n};
  case 2:
    return (operands){a->y, a->slope, n};
  default:
    return (operands){a->wide, a->fed, n};
  }
}

/* The words of the texts have a share in the gradient of their rows. */
static void add_words(const step *s, const block *at) {
  const attne_bert *b = s->bert;
  const attne_bert_batch *batch = s->pass->batch;
  const size_t d = b->shape.d_model;
  for (size_t i = 0; i < batch->begin[batch->n]; i++) {
    if (batch->id[i] < at->first || batch->id[i] >= at->first + at->n) continue;
    float *to = b->gradient + b->word + batch->id[i] * d;
    const float *from = b->memory->embedded + i * d;
    for (size_t k = 0; k < d; k++) to[k] += from[k];
  }
}

static void sum_block(step *s, uint32_t slot, size_t piece) {
  const attne_bert *b = s->bert;
  const block at = find_block(b, piece);
  const operands o = find_operands(s, at.matrix);
  const size_t n_in = at.dense.n_in, n_out = at.dense.n_out;
  float *columns = b->memory->slot[slot], *packed = columns + ATTNE_BERT_BLOCK * o.m;
  float *dw = b->gradient + at.dense.weight + at.first * n_in;
  for (size_t i = 0; i < o.m; i++) {
    const float *dy = o.dy + i * n_out + at.first;
    for (size_t j = 0; j < at.n; j++) columns[j * o.m + i] = dy[j];
  }
  for (size_t k = 0; k < n_in; k += ATTNE_PANEL) {
    size_t width = n_in - k < ATTNE_PANEL ? n_in - k : ATTNE_PANEL;
    attne_pack_columns(0, o.m, o.m, width, o.x + k, n_in, packed);
    attne_gemm_f32 g = {.m = at.n,
                        .k = o.m,
                        .a = columns,
                        .lda = o.m,
                        .packed = packed,
                        .out = {.n = width, .c = dw + k, .ldc = n_in}};
    attne_kernels_get()->f32->gemm(&g);
  }
  for (size_t j = 0; j < at.n; j++) {
    float sum = 0;
    for (size_t i = 0; i < o.m; i++) sum += columns[j * o.m + i];
    b->gradient[at.dense.bias + at.first + j] = sum;
  }
  if (at.matrix == n_matrix(b) - 1) add_words(s, &at);
}

/* Positions, and the type, which all tokens have. */
static void sum_positions(step *s) {
  const attne_bert *b = s->bert;
  const attne_bert_batch *batch = s->pass->batch;
  const size_t d = b->shape.d_model;
  float *type = b->gradient + b->type;
  memset(b->gradient + b->position, 0, b->shape.max_length * d * sizeof(float));
  memset(type, 0, d * sizeof(float));
  for (size_t text = 0; text < batch->n; text++) {
    float *to = b->gradient + b->position;
    for (size_t i = batch->begin[text]; i < batch->begin[text + 1]; i++, to += d) {
      const float *from = b->memory->embedded + i * d;
      for (size_t k = 0; k < d; k++) {
        to[k] += from[k];
        type[k] += from[k];
      }
    }
  }
}

static attne_bert_norm find_norm(const attne_bert *b, size_t i) {
  if (i == 0) return b->norm_embedding;
  if (i + 1 == attne_bert_norms(&b->shape)) return b->norm_head;
  const attne_bert_layer *layer = &b->layer[(i - 1) / 2];
  return i % 2 ? layer->norm_attention : layer->norm_ffn;
}

static void sum_norm(step *s, size_t i) {
  const attne_bert *b = s->bert;
  const size_t d = b->shape.d_model, n_norm = attne_bert_norms(&b->shape);
  const attne_bert_norm norm = find_norm(b, i);
  float *const to[] = {b->gradient + norm.weight, b->gradient + norm.bias};
  for (size_t half = 0; half < 2; half++) {
    memset(to[half], 0, d * sizeof(float));
    for (size_t group = 0; group < b->memory->n_group; group++) {
      const float *from = b->memory->norms + ((group * n_norm + i) * 2 + half) * d;
      for (size_t k = 0; k < d; k++) to[half][k] += from[k];
    }
  }
}

static void sum_piece(void *ctx, uint32_t slot, size_t piece) {
  step *s = ctx;
  size_t n = all_blocks(s->bert);
  if (piece < n) {
    sum_block(s, slot, piece);
  } else if (piece == n) {
    sum_positions(s);
  } else {
    sum_norm(s, piece - n - 1);
  }
}

attn_status attne_bert_gradient(attne_bert *b, const attne_bert_pass *pass,
                                double *loss) {
  step s = {.bert = b, .pass = pass};
  attne_bert_memory *m = b->memory;
  cut_groups(pass->batch, m);
  attn_status rc = run(&s, all_blocks(b), pack_block);
  if (rc == ATTN_OK) rc = run(&s, m->n_group, pass_group);
  if (rc == ATTN_OK)
    rc = run(&s, all_blocks(b) + 1 + attne_bert_norms(&b->shape), sum_piece);
  if (rc != ATTN_OK) return rc;
  *loss = 0;
  for (size_t i = 0; i < m->n_group; i++) *loss += m->loss[i];
  *loss /= pass->batch->masked_begin[pass->batch->n];
  return ATTN_OK;
}

/* ------------------------------------------------------------------------- AdamW */

static size_t n_piece(const attne_bert *b) {
  return (b->n + ATTNE_BERT_STEP - 1) / ATTNE_BERT_STEP;
}

static size_t piece_end(const attne_bert *b, size_t i) {
  size_t end = (i + 1) * ATTNE_BERT_STEP;
  return end < b->n ? end : b->n;
}

static void square_piece(void *ctx, uint32_t slot, size_t piece) {
  const attne_bert *b = ((step *)ctx)->bert;
  double lane[4] = {0};
  (void)slot;
  for (size_t i = piece * ATTNE_BERT_STEP; i < piece_end(b, piece); i++) {
    lane[i % 4] += (double)b->gradient[i] * (double)b->gradient[i];
  }
  b->memory->squares[piece] = (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

static void move_piece(void *ctx, uint32_t slot, size_t piece) {
  const step *s = ctx;
  const attne_bert *b = s->bert;
  const float beta1 = (float)s->adamw->beta1, beta2 = (float)s->adamw->beta2;
  const float rest1 = (float)(1 - s->adamw->beta1), rest2 = (float)(1 - s->adamw->beta2);
  const float eps = (float)s->adamw->eps;
  (void)slot;
  for (size_t i = piece * ATTNE_BERT_STEP; i < piece_end(b, piece); i++) {
    float g = b->gradient[i] * s->scale;
    float m = b->first[i] = beta1 * b->first[i] + rest1 * g;
    float v = b->second[i] = beta2 * b->second[i] + rest2 * g * g;
    float x = i < b->n_decay ? b->weight[i] * s->keep : b->weight[i];
    b->weight[i] = x - s->rate * m / (sqrtf(v) * s->root + eps);
  }
}

/* x^n by squaring: libraries differ in the last bit of theirs. */
static double power(double x, uint64_t n) {
  double result = 1;
  for (; n; n >>= 1, x *= x) {
    if (n & 1) result *= x;
  }
  return result;
}

double attne_bert_step(attne_bert *b, const attne_adamw *a) {
  step s = {.bert = b, .adamw = a, .scale = 1};
  double sum = 0;
  (void)run(&s, n_piece(b), square_piece);
  for (size_t i = 0; i < n_piece(b); i++) sum += b->memory->squares[i];
  double length = sqrt(sum);
  if (!(length <= 1e30)) return length; /* nothing good can come of it */
  if (a->clip > 0 && length > a->clip) s.scale = (float)(a->clip / length);
  s.keep = (float)(1 - a->rate * a->decay);
  s.rate = (float)(a->rate / (1 - power(a->beta1, a->step)));
  s.root = (float)(1 / sqrt(1 - power(a->beta2, a->step)));
  (void)run(&s, n_piece(b), move_piece);
  return length;
}
