/*
** token_embeddings.c - the table of words of a model, looked at by itself.
*/
#include "../model/model.h"
#include "../nn/stack.h"
#include <math.h>

int attn_model_token_embedding(const attn_model *model, int64_t id, float *out) {
  const attne_graph *g = &model->graph;
  if (id < 0 || id >= g->n_vocab) return 0;
  attne_copy_token_embedding(g, (int32_t)id, out);
  return 1;
}

/* Sums in double, over 4 lanes in a fixed order. */
static double dot(const float *a, const float *b, size_t n) {
  double sum[4] = {0};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t k = 0; k < 4; k++) sum[k] += (double)a[i + k] * b[i + k];
  }
  for (; i < n; i++) sum[0] += (double)a[i] * b[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static int by_similarity(const void *a, const void *b) {
  const attn_near *x = a, *y = b;
  if (x->similarity != y->similarity) return x->similarity > y->similarity ? -1 : 1;
  return x->id < y->id ? -1 : x->id > y->id;
}

static double cosine(const float *a, double a_length, const float *b, size_t n) {
  double length = a_length * sqrt(dot(b, b, n));
  double x = length > 0 ? dot(a, b, n) / length : 0;
  return x == x ? x : 0; /* a NaN has no place in an order */
}

attn_status attn_model_nearest(const attn_model *model, const float *vector, uint32_t k,
                               attn_error *err, attn_near **out, uint32_t *n) {
  const attne_graph *g = &model->graph;
  const size_t d = g->d_model;
  *n = 0;
  attn_near *list = *out = attne_alloc(g->n_vocab * sizeof *list);
  float *word = attne_alloc(d * sizeof *word);
  if (!list || !word) {
    attne_release(word);
    return attne_no_memory(err);
  }
  double length = sqrt(dot(vector, vector, d));
  for (uint32_t i = 0; i < g->n_vocab; i++) {
    attne_copy_token_embedding(g, (int32_t)i, word);
    list[i] = (attn_near){(int32_t)i, cosine(vector, length, word, d)};
  }
  attne_release(word);
  *n = k < g->n_vocab ? k : g->n_vocab;
  attn_sort_first(list, g->n_vocab, *n, sizeof *list, by_similarity);
  return ATTN_OK;
}
