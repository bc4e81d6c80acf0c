/*
** masked_lm.c - which words are hidden: what a model that learned by cloze says of them.
**
** The head of BertForMaskedLM, of RoBERTa's and DistilBERT's likewise, over the vectors
** that leave the last layer:
**
**   logits = norm(activation(x Wᵀ + b)) wordᵀ + bias
**
** The words are those of the table, or of one of the head's own.  They are packed for the
** product some hundreds at a time, so that nobody who only embeds has them in memory
** twice.
*/
#include "../model/model.h"
#include "../base/settings.h"
#include "../nn/stack.h"
#include "../base/random.h"

enum {
  N_WORD = 256, /* words that are packed at a time */
  N_ROW = 64,   /* hidden words that are told at a time */
  MASKING = 4   /* a stream of random numbers that no training uses */
};

int32_t attn_model_mask(const attn_model *model) {
  return model->graph.mlm.bias ? model->mask : -1;
}

/* ------------------------------------------------------------------------ hiding */

attn_status attn_masking_read(attn_settings *options, attn_error *err,
                              attn_masking *out) {
  static const char *const known[] = {"mask", "seed", NULL};
  int64_t seed = 1;
  out->share = 0.15;
  attn_status rc = attne_settings_sort(options, err);
  if (rc == ATTN_OK) rc = attne_settings_only(options, known, err);
  if (rc == ATTN_OK) rc = attne_settings_real(options, err, &out->share, "$.mask");
  if (rc == ATTN_OK) {
    rc = attne_settings_integer(options, err, INT64_MIN, INT64_MAX, &seed, "$.seed");
  }
  out->seed = (uint64_t)seed;
  if (rc != ATTN_OK || (out->share >= 0 && out->share <= 1)) return rc;
  return attne_fail(err, ATTN_INVALID, "option mask is %g; expected 0 to 1", out->share);
}

size_t attn_mask_tokens(const attn_model *model, const attn_masking *how, uint64_t number,
                        size_t n, int32_t *id, uint32_t *at, int32_t *was) {
  const uint64_t key = attne_random_key(attne_random_key(how->seed, MASKING), number);
  uint32_t n_known = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (attn_token_is_special(model->tokenizer, id[i])) continue;
    if ((uint32_t)id[i] < model->graph.n_vocab) at[n_known++] = i;
  }
  uint32_t n_masked = (uint32_t)(how->share * n_known + 0.5);
  if (n_masked == 0 && n_known) n_masked = 1;
  /* The first n_hidden of a shuffle, by their place. */
  for (uint32_t k = 0; k < n_masked; k++) {
    uint32_t other = k + attne_random_below(attne_random_at(key, k), n_known - k);
    uint32_t place = at[other];
    at[other] = at[k];
    uint32_t i = k;
    for (; i > 0 && at[i - 1] > place; i--) at[i] = at[i - 1];
    at[i] = place;
  }
  for (uint32_t k = 0; k < n_masked; k++) {
    was[k] = id[at[k]];
    id[at[k]] = model->mask;
  }
  return n_masked;
}

/* ------------------------------------------------------------------------ vectors */

/* Takes the vectors of the hidden words as they leave the last layer. */
typedef struct catcher {
  const attne_graph *graph;
  const attn_batch *batch;
  const uint32_t *at; /* [n], ascending */
  size_t n;
  float *x; /* [n, d_model] */
} catcher;

static void see(void *ctx, const attn_view *view) {
  const catcher *c = ctx;
  if (view->kind != ATTN_TRACE_HIDDEN || view->layer != c->graph->encoder.n_layer) return;
  const size_t first = c->batch->begin[view->sequence] + view->first;
  for (size_t i = 0; i < c->n; i++) {
    if (c->at[i] < first || c->at[i] >= first + view->n) continue;
    memcpy(c->x + i * c->graph->d_model, view->x + (c->at[i] - first) * view->ld,
           c->graph->d_model * sizeof *c->x);
  }
}

static attn_status find_vectors(attn_workspace *workspace, const attn_model *model,
                                catcher *c, attn_stop stop, attn_error *err) {
  const attn_observer observer = {see, c};
  const attn_embed_options options = {
      .observer = &observer, .stop = stop.requested, .ctx = stop.ctx};
  float *embedded =
      attne_alloc(c->batch->n * (uint64_t)model->info.dimension * sizeof(float));
  if (!embedded) return attne_no_memory(err);
  attn_status rc = attn_encode(workspace, model, c->batch, &options, err, embedded);
  attne_release(embedded);
  return rc;
}

/* --------------------------------------------------------------------------- head */

/* Memory of a pass: x and what becomes of it [n, d_model], words as they are stored and
** packed. */
typedef struct head {
  float *x, *y, *rows;
  void *packed;
} head;

static void free_head(head *h) {
  attne_release(h->x);
  attne_release(h->y);
  attne_release(h->rows);
  attn_release_aligned(h->packed);
}

static attn_status make_head(const attne_graph *g, size_t n, attn_error *err, head *out) {
  const uint64_t row = g->d_model * sizeof(float);
  *out = (head){.x = attne_alloc(n * row),
                .y = attne_alloc(N_ROW * row),
                .rows = attne_alloc(N_WORD * row),
                .packed = attn_alloc_aligned(
                    attne_linear_size(N_WORD, g->d_model, ATTN_PRECISION_F32))};
  return out->x && out->y && out->rows && out->packed ? ATTN_OK : attne_no_memory(err);
}

static void copy_rows(const attne_graph *g, uint32_t first, uint32_t n, float *out) {
  const size_t d = g->d_model;
  if (g->mlm.word) {
    memcpy(out, g->mlm.word + first * d, n * d * sizeof *out);
    return;
  }
  for (uint32_t i = 0; i < n; i++)
    attne_copy_token_embedding(g, (int32_t)(first + i), out + i * d);
}

/* m rows of x become probabilities of all words. */
static void name_words(const attne_graph *g, const head *h, size_t m, const float *x,
                       float *out) {
  const attne_kernels_f32 *kernels = attne_kernels_get()->f32;
  const size_t d = g->d_model, n_vocab = g->n_vocab;
  attne_linear_apply(&g->mlm.transform, m, x, NULL, ATTNE_SET, g->activation, h->y);
  attne_apply_norm(g, &g->mlm.norm, m, h->y, h->y);
  for (uint32_t at = 0, n; at < n_vocab; at += n) {
    attne_linear words;
    n = g->n_vocab - at < N_WORD ? g->n_vocab - at : N_WORD;
    copy_rows(g, at, n, h->rows);
    attne_linear_init(&words, n, g->d_model, ATTN_PRECISION_F32, h->packed);
    attne_linear_pack(&words, 0, n, h->rows);
    kernels->gemm(&(attne_gemm_f32){
        .m = m,
        .k = d,
        .a = h->y,
        .lda = d,
        .packed = words.packed,
        .out = {.n = n, .bias = g->mlm.bias + at, .c = out + at, .ldc = n_vocab}});
  }
  kernels->softmax(m, n_vocab, 1, out, n_vocab);
}

attn_status attn_fill_masks(attn_workspace *workspace, const attn_model *model,
                            const attn_batch *batch, const uint32_t *at, size_t n,
                            attn_stop stop, attn_error *err, float *out) {
  const attne_graph *g = &model->graph;
  head h = {0};
  attn_status rc = make_head(g, n, err, &h);
  catcher c = {g, batch, at, n, h.x};
  if (rc == ATTN_OK) rc = find_vectors(workspace, model, &c, stop, err);
  for (size_t i = 0, m; rc == ATTN_OK && i < n; i += m) {
    m = n - i < N_ROW ? n - i : N_ROW;
    if (stop.requested && stop.requested(stop.ctx)) {
      rc = attne_fail(err, ATTN_INTERRUPTED, "interrupted");
    } else {
      name_words(g, &h, m, h.x + i * g->d_model, out + i * g->n_vocab);
    }
  }
  free_head(&h);
  return rc;
}

/* ------------------------------------------------------------------------ guesses */

/* The first of equal ones counts as likelier, and a NaN as less likely than all. */
static int is_more_likely(const attn_prediction *a, const attn_prediction *b) {
  float x = a->probability == a->probability ? a->probability : -1;
  float y = b->probability == b->probability ? b->probability : -1;
  return x != y ? x > y : a->id < b->id;
}

static attn_prediction guess(const float *probability, uint32_t id) {
  return (attn_prediction){(int32_t)id, probability[id]};
}

uint32_t attn_rank(const float *probability, uint32_t n, int32_t id,
                   attn_prediction *best) {
  const attn_prediction given = guess(probability, (uint32_t)id);
  uint32_t rank = 1;
  *best = given;
  for (uint32_t i = 0; i < n; i++) {
    const attn_prediction other = guess(probability, i);
    rank += (uint32_t)is_more_likely(&other, &given);
    if (is_more_likely(&other, best)) *best = other;
  }
  return rank;
}

static int by_likelihood(const void *a, const void *b) {
  return is_more_likely(a, b) ? -1 : is_more_likely(b, a);
}

attn_status attn_most_likely(const float *probability, uint32_t n, uint32_t k,
                             attn_error *err, attn_prediction **out) {
  attn_prediction *list = *out = attne_alloc(n * sizeof *list);
  if (!list) return attne_no_memory(err);
  for (uint32_t i = 0; i < n; i++) list[i] = guess(probability, i);
  attn_sort_first(list, n, k, sizeof *list, by_likelihood);
  return ATTN_OK;
}
