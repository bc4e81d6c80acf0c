/*
** calibrate.c - see calibrate.h.
*/
#include "calibrate.h"
#include "../model/model.h"
#include "../nn/decoder.h"
#include "../kernels/four.h"

enum {
  G = ATTNE_I8_GROUP,
  N_SEQUENCE = 32,
  N_TOKEN = 32 /* of a sequence, at most */
};

/* H gets this much of its mean diagonal more on the diagonal: for texts whose inputs are
** other ones. */
#define DAMPING 0.5

/* H of one linear's inputs, which are rotated as its weights will be. */
typedef struct hessian hessian;

struct hessian {
  size_t n_in;
  float *row; /* [n_in] */
  float *sum; /* [groups][G][G], from the diagonal to the right; later U */
  hessian *next;
};

struct attne_calibration {
  hessian **of; /* for each tensor of the source, or NULL */
  hessian *all;
};

/* ----------------------------------------------------------------------- Hessian */

/* The observer of a linear: adds xᵀx of each row of x[m, n_in]. */
static void add_inputs(void *ctx, size_t m, const float *x) {
  hessian *h = ctx;
  const size_t n_in = h->n_in;
  for (size_t i = 0; i < m; i++, x += n_in) {
    float *sum = h->sum, *row = h->row;
    memcpy(row, x, n_in * sizeof *row);
    attne_kernels_get()->i8->rotate(n_in, row);
    for (size_t first = 0; first < n_in; first += G, row += G, sum += G * G) {
      const size_t n = attne_group_size_i8(first, n_in);
      for (size_t k = 0; k < n; k++)
        add_scaled_row(n - k, row[k], row + k, sum + k * (G + 1));
    }
  }
}

static attn_status make_hessian(attne_calibration *c, size_t n_in, attn_error *err,
                                hessian **out) {
  const size_t n_sum = attne_groups_i8(n_in) * G * G;
  hessian *m = attne_alloc_zero(sizeof *m + (n_in + n_sum) * sizeof *m->sum);
  *out = m;
  if (!m) return attne_no_memory(err);
  m->n_in = n_in;
  m->sum = (float *)(m + 1);
  m->row = m->sum + n_sum;
  m->next = c->all;
  c->all = m;
  return ATTN_OK;
}

/* ------------------------------------------------------------------------- U D Uᵀ */

/* H of a group, in double and damped; 0 where it has numbers that are not finite. */
static int read_hessian(float (*sum)[G], size_t n, double (*h)[G]) {
  double trace = 0;
  for (size_t i = 0; i < n; i++) {
    for (size_t k = i; k < n; k++) h[i][k] = (double)sum[i][k];
    trace += h[i][i];
  }
  for (size_t i = 0; i < n; i++) h[i][i] += DAMPING * trace / (double)n;
  return trace > 0 && trace - trace == 0;
}

/* From the last column to the first: what remains of H without a column is what the
** columns before it are made of. */
void attne_factor(size_t n, double (*h)[G], float (*u)[G]) {
  for (size_t j = n; j-- > 0;) {
    for (size_t i = 0; i < j; i++) {
      double x = h[i][j] / h[j][j];
      for (size_t k = i; k < j; k++) h[i][k] -= x * h[k][j];
      u[i][j] = (float)x;
    }
  }
}

/* Where H says nothing, a number's error is its own. */
static void factor_groups(hessian *m, double (*h)[G]) {
  float(*sum)[G] = (float(*)[G])m->sum;
  for (size_t first = 0; first < m->n_in; first += G, sum += G) {
    const size_t n = attne_group_size_i8(first, m->n_in);
    int known = read_hessian(sum, n, h);
    memset(sum, 0, G * sizeof *sum);
    if (known) attne_factor(n, h, sum);
  }
}

/* ------------------------------------------------------------------------ running */

/* Sequences of neighbors from all over the vocabulary, through the encoder, the decoder,
** or one and then the other. */
static attn_status run(const attn_model *model, attn_stop stop, attn_error *err) {
  const attne_graph *g = &model->graph;
  const uint64_t most =
      attne_least(attne_stack_positions(&g->encoder), attne_stack_positions(&g->decoder));
  const uint32_t n = (uint32_t)attne_least(N_TOKEN, most);
  attne_decoder d = {0};
  attn_status rc = attne_decoder_init(&d, g, 0, stop, err);
  for (uint32_t i = 0; rc == ATTN_OK && i < N_SEQUENCE; i++) {
    int32_t id[N_TOKEN];
    for (uint32_t k = 0; k < n; k++) {
      id[k] = (int32_t)(((uint64_t)i * g->n_vocab / N_SEQUENCE + k) % g->n_vocab);
    }
    if (g->encoder.n_head) rc = attne_decoder_source(&d, id, NULL, n, NULL, err);
    if (rc == ATTN_OK && g->decoder.n_head)
      rc = attne_decoder_add(&d, id, n, 0, err, NULL);
  }
  attne_decoder_free(&d);
  return rc;
}

/* Observes each linear that is int8.  Tensors that are parts of one linear share its
** Hessian. */
static attn_status observe(attne_calibration *c, attne_linear *const *linear,
                           size_t n_tensor, attn_error *err) {
  attn_status rc = ATTN_OK;
  uint64_t n_byte = 0;
  for (size_t i = 0; i < n_tensor; i++) {
    if (linear[i]) n_byte += attne_groups_i8(linear[i]->n_in) * G * G * sizeof(float);
  }
  rc = attn_limit_call(n_byte, err);
  for (size_t i = 0; rc == ATTN_OK && i < n_tensor; i++) {
    if (!linear[i]) continue;
    if (!linear[i]->observe) {
      hessian *h;
      rc = make_hessian(c, linear[i]->n_in, err, &h);
      if (rc != ATTN_OK) break;
      linear[i]->observe = add_inputs;
      linear[i]->observe_ctx = h;
    }
    c->of[i] = linear[i]->observe_ctx;
  }
  return rc;
}

static attn_status calibrate(attne_calibration *c, attn_settings *settings,
                             const attn_source *source, attne_linear **linear,
                             attn_stop stop, attn_error *err) {
  attn_model *model;
  attn_status rc = attne_model_load_linears(settings, NULL, source, linear, err, &model);
  if (rc == ATTN_OK && model->graph.n_vocab) {
    rc = observe(c, linear, source->n_tensor, err);
    if (rc == ATTN_OK) rc = run(model, stop, err);
  }
  attn_model_release(model);
  return rc;
}

static attn_status factor_all(attne_calibration *c, attn_stop stop, attn_error *err) {
  double(*h)[G] = attne_alloc(G * sizeof *h);
  attn_status rc = h ? ATTN_OK : attne_no_memory(err);
  for (hessian *m = c->all; rc == ATTN_OK && m; m = m->next) {
    if (stop.requested && stop.requested(stop.ctx)) {
      rc = attne_fail(err, ATTN_INTERRUPTED, "interrupted");
    } else {
      factor_groups(m, h);
    }
  }
  attne_release(h);
  return rc;
}

/* ------------------------------------------------------------------------ outside */

void attne_calibration_free(attne_calibration *c) {
  if (!c) return;
  for (hessian *m = c->all, *next; m; m = next) {
    next = m->next;
    attne_release(m);
  }
  attne_release(c->of);
  attne_release(c);
}

attn_status attne_calibration_new(attn_settings *settings, const attn_source *source,
                                  attn_stop stop, attn_error *err,
                                  attne_calibration **out) {
  attne_calibration *c = attne_alloc_zero(sizeof *c);
  attne_linear **linear = attne_alloc_zero(source->n_tensor * sizeof *linear);
  if (c) c->of = attne_alloc_zero(source->n_tensor * sizeof *c->of);
  attn_status rc = c && c->of && linear ? ATTN_OK : attne_no_memory(err);
  if (rc == ATTN_OK) rc = calibrate(c, settings, source, linear, stop, err);
  if (rc == ATTN_OK) rc = factor_all(c, stop, err);
  attne_release(linear);
  *out = rc == ATTN_OK ? c : NULL;
  if (rc != ATTN_OK) attne_calibration_free(c);
  return rc;
}

const float *attne_calibration_feedback(const attne_calibration *c, size_t i) {
  return c && c->of[i] ? c->of[i]->sum : NULL;
}
