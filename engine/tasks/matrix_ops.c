/*
** matrix_ops.c - the steps of a Transformer, each alone, over matrices of the caller's.
**
** All arithmetic is the kernels'; here it is put together for sizes and masks that the
** caller chooses, where the forward pass has those of its graph.
*/
#include "../attn.h"
#include "../model/architecture.h"
#include "../nn/positions.h"
#include "../base/settings.h"
#include "../kernels/pack.h"

enum { N_ROW = 64 /* at a time: between two questions whether to stop */ };

static attn_status requested(int (*stop)(void *ctx), void *ctx, attn_error *err) {
  if (!stop || !stop(ctx)) return ATTN_OK;
  return attne_fail(err, ATTN_INTERRUPTED, "interrupted");
}

/* --------------------------------------------------------------------- products */

/* Memory for a packed matrix of n outputs and k inputs; what fills up the last panel is
** zero. */
static attn_status alloc_packed(size_t n, size_t k, attn_error *err, float **out) {
  int overflow = 0;
  uint64_t size =
      attne_mul(attne_whole_panels(n), attne_mul(k, sizeof(float), &overflow), &overflow);
  *out = overflow ? NULL : attn_alloc_aligned(size);
  if (!*out) return attne_no_memory(err);
  size_t last = n / ATTNE_PANEL * ATTNE_PANEL;
  if (last < n) memset(*out + last * k, 0, ATTNE_PANEL * k * sizeof **out);
  return ATTN_OK;
}

static attn_status find_activation(attn_text name, attn_error *err,
                                   attne_activation *out) {
  *out = ATTNE_IDENTITY;
  if (name.n_text == 0 || attne_activation_find(name, out)) return ATTN_OK;
  return attne_fail(
      err, ATTN_INVALID,
      "unknown activation \"%.*s\"; expected relu, gelu, gelu_new, silu, tanh, "
      "sigmoid or linear",
      attne_text_cut(name, 100), name.text);
}

attn_status attn_matrix_product(const attn_product *p, attn_error *err) {
  attne_activation activation;
  float *packed = NULL;
  attn_status rc = find_activation(p->activation, err, &activation);
  if (rc == ATTN_OK) rc = alloc_packed(p->n_out, p->n_in, err, &packed);
  if (rc == ATTN_OK && p->is_transposed) {
    attne_pack_rows(0, p->n_out, p->n_in, p->w, p->n_in, packed);
  } else if (rc == ATTN_OK) {
    attne_pack_columns(0, p->n_in, p->n_in, p->n_out, p->w, p->n_out, packed);
  }
  for (size_t i = 0; rc == ATTN_OK && i < p->m; i += N_ROW) {
    attne_gemm_f32 g = {.m = attne_least(N_ROW, p->m - i),
                        .k = p->n_in,
                        .a = p->x + i * p->n_in,
                        .lda = p->n_in,
                        .packed = packed,
                        .out = {.n = p->n_out,
                                .bias = p->bias,
                                .activation = activation,
                                .c = p->y + i * p->n_out,
                                .ldc = p->n_out},
                        /* as in a model: linears have chains, attention has none */
                        .chain = p->is_transposed ? ATTNE_CHAIN : 0};
    attne_kernels_get()->f32->gemm(&g);
    rc = requested(p->stop, p->ctx, err);
  }
  attn_release_aligned(packed);
  return rc;
}

attn_status attn_matrix_activate(attn_text activation, size_t n, const float *x,
                                 attn_error *err, float *y) {
  attne_activation found;
  attn_status rc = find_activation(activation, err, &found);
  if (rc == ATTN_OK) attne_kernels_get()->f32->activate(found, n, x, y);
  return rc;
}

/* ------------------------------------------------------------------------- rows */

void attn_matrix_softmax(size_t m, size_t n, float *x) {
  attne_kernels_get()->f32->softmax(m, n, 1, x, n);
}

void attn_matrix_layer_norm(size_t m, size_t n, const float *weight, const float *bias,
                            float eps, const float *x, float *y) {
  attne_kernels_get()->f32->layer_norm(m, n, weight, bias, eps, x, y);
}

/* -------------------------------------------------------------------- attention */

/* One head of an attention, packed. */
typedef struct head {
  const attn_attend *attend;
  size_t number;
  float *keys, *values;
  float *scores; /* [N_ROW, n_key] */
} head;

/* From scores of m queries from i on to weights.  The kernel scales where it can. */
static void weigh(const head *h, size_t i, size_t m) {
  const attn_attend *a = h->attend;
  float scale = a->scale;
  if (a->mask || !(scale > 0)) {
    for (size_t k = 0; k < m * a->n_key; k++) {
      h->scores[k] *= scale;
      if (a->mask) h->scores[k] += a->mask[i * a->n_key + k];
    }
    scale = 1;
  }
  attne_kernels_get()->f32->softmax(m, a->n_key, scale, h->scores, a->n_key);
}

/* m queries from i on. */
static void attend(const head *h, size_t i, size_t m) {
  const attn_attend *a = h->attend;
  const size_t ld_query = a->n_head * a->d_key, ld_out = a->n_head * a->d_value;
  attne_gemm_f32 score = {.m = m,
                          .k = a->d_key,
                          .a = a->q + i * ld_query + h->number * a->d_key,
                          .lda = ld_query,
                          .packed = h->keys,
                          .out = {.n = a->n_key, .c = h->scores, .ldc = a->n_key}};
  attne_kernels_get()->f32->gemm(&score);
  weigh(h, i, m);
  if (a->weights) {
    memcpy(a->weights + (h->number * a->n_query + i) * a->n_key, h->scores,
           m * a->n_key * sizeof(float));
  }
  if (!a->v) return;
  float *out = a->out + i * ld_out + h->number * a->d_value;
  attne_gemm_f32 mix = {.m = m,
                        .k = a->n_key,
                        .a = h->scores,
                        .lda = a->n_key,
                        .packed = h->values,
                        .out = {.n = a->d_value, .c = out, .ldc = ld_out}};
  attne_kernels_get()->f32->gemm(&mix);
}

static attn_status run_head(head *h, attn_error *err) {
  const attn_attend *a = h->attend;
  const size_t ld_key = a->n_head * a->d_key, ld_value = a->n_head * a->d_value;
  attn_status rc = alloc_packed(a->n_key, a->d_key, err, &h->keys);
  if (rc == ATTN_OK) {
    attne_pack_rows(0, a->n_key, a->d_key, a->k + h->number * a->d_key, ld_key, h->keys);
  }
  if (rc == ATTN_OK && a->v) rc = alloc_packed(a->d_value, a->n_key, err, &h->values);
  if (rc == ATTN_OK && a->v) {
    attne_pack_columns(0, a->n_key, a->n_key, a->d_value, a->v + h->number * a->d_value,
                       ld_value, h->values);
  }
  for (size_t i = 0; rc == ATTN_OK && i < a->n_query; i += N_ROW) {
    attend(h, i, attne_least(N_ROW, a->n_query - i));
    rc = requested(a->stop, a->ctx, err);
  }
  attn_release_aligned(h->keys);
  attn_release_aligned(h->values);
  h->keys = h->values = NULL;
  return rc;
}

attn_status attn_matrix_attend(const attn_attend *a, attn_error *err) {
  int overflow = 0;
  uint64_t n = attne_mul(N_ROW * sizeof(float), a->n_key, &overflow);
  head h = {.attend = a, .scores = overflow ? NULL : attn_alloc_aligned(n)};
  attn_status rc = h.scores ? ATTN_OK : attne_no_memory(err);
  for (; rc == ATTN_OK && h.number < a->n_head; h.number++) rc = run_head(&h, err);
  attn_release_aligned(h.scores);
  return rc;
}

/* -------------------------------------------------------------------- positions */

void attn_matrix_positions(size_t m, size_t n, float *x) {
  attne_sinusoids(m, n, ATTNE_IN_TURNS, x);
}
