/*
** steps.c - the steps of a Transformer over matrices.
**
**   attn_linear(x, w, n [, bias])                      x wᵀ + bias; n columns in x and w
**   attn_activate(x, name)                             relu, gelu, silu, tanh, ...
**   attn_softmax(x, n [, mask])                        of each row of x + mask
**   attn_layer_norm(x, n [, weight [, bias [, eps]]])
**   attn_attend(q, k, v, d [, heads [, mask [, scale]]])
**   attn_weights(q, k, d [, heads [, mask [, scale]]])   what it multiplies v by
**   attn_feed_forward(x, w1, b1, w2, b2 [, weight [, bias [, activation [, eps]]]])
**
** A mask is added to scores, and is a matrix, one row for all queries, or 'causal'.
*/
#include "matrix.h"
#include <math.h>
#include <string.h>

#define LLU(n) ((unsigned long long)(n))

static void linear(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_linear", .argc = argc, .argv = argv};
  attn_error err = {""};
  attns_matrix x = attns_call_matrix(&call, 0, "x"), w = attns_call_matrix(&call, 1, "w");
  size_t n = attns_call_size(&call, 2, "n");
  attns_matrix bias = attns_call_optional(&call, 3, "bias");
  size_t m = attns_call_rows(&call, x, "x", n), n_out = attns_call_rows(&call, w, "w", n);
  attns_call_expect(&call, bias, "bias", n_out, "one for each row of w");
  attn_product p = {.m = m,
                    .n_in = n,
                    .n_out = n_out,
                    .x = x.x,
                    .w = w.x,
                    .is_transposed = 1,
                    .bias = bias.x,
                    .y = attns_call_result(&call, m, n_out),
                    .stop = attns_interrupted,
                    .ctx = sqlite3_context_db_handle(ctx)};
  if (p.y) attns_call_status(&call, attn_matrix_product(&p, &err), &err);
  attns_call_end(&call);
}

/* The text of argument i, or `absent`. */
static attn_text text_argument(attns_call *call, int i, const char *what,
                               const char *absent) {
  attn_text text = {absent, strlen(absent)};
  if (!attns_call_ok(call) || i >= call->argc ||
      sqlite3_value_type(call->argv[i]) == SQLITE_NULL)
    return text;
  char *reason = NULL;
  int rc = attns_value_text(call->argv[i], what, &reason, &text);
  if (reason) {
    attns_call_fail(call, "%s", reason);
  } else {
    call->rc = rc;
  }
  sqlite3_free(reason);
  return text;
}

static void activate(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_activate", .argc = argc, .argv = argv};
  attn_error err = {""};
  attns_matrix x = attns_call_matrix(&call, 0, "x");
  if (sqlite3_value_type(argv[1]) == SQLITE_NULL) call.is_null = 1;
  attn_text name = text_argument(&call, 1, "activation", "");
  float *y = attns_call_result(&call, 1, x.n);
  if (y) attns_call_status(&call, attn_matrix_activate(name, x.n, x.x, &err, y), &err);
  attns_call_end(&call);
}

/* -------------------------------------------------------------------------- masks */

static int is_causal(const attns_call *call, int i) {
  if (i >= call->argc || sqlite3_value_type(call->argv[i]) != SQLITE_TEXT) return 0;
  const char *text = (const char *)sqlite3_value_text(call->argv[i]);
  return text && strcmp(text, "causal") == 0;
}

/* Argument i as [m, n], or NULL. */
static const float *mask_argument(attns_call *call, int i, size_t m, size_t n) {
  if (!attns_call_ok(call)) return NULL;
  int causal = is_causal(call, i);
  attns_matrix given = {NULL, 0};
  if (!causal) given = attns_call_optional(call, i, "mask");
  if ((!given.x && !causal) || !attns_call_ok(call)) return NULL;
  if (given.x && given.n / n == m && given.n % n == 0) return given.x;
  if (given.x && given.n != n) {
    attns_call_fail(
        call,
        "mask has %llu numbers; expected %llu for all, or %llu for each of %llu "
        "queries",
        LLU(given.n), LLU(n), LLU(n), LLU(m));
    return NULL;
  }
  float *mask =
      n > (size_t)-1 / sizeof *mask / m ? NULL : sqlite3_malloc64(m * n * sizeof *mask);
  if (!mask) {
    call->rc = SQLITE_NOMEM;
    return NULL;
  }
  call->owned[call->n_owned++] = mask;
  for (size_t row = 0; row < m; row++) {
    for (size_t k = 0; k < n; k++) {
      mask[row * n + k] = given.x ? given.x[k] : k > row ? -INFINITY : 0;
    }
  }
  return mask;
}

/* --------------------------------------------------------------------------- rows */

static void softmax(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_softmax", .argc = argc, .argv = argv};
  attns_matrix x = attns_call_matrix(&call, 0, "x");
  size_t n = attns_call_size(&call, 1, "n"), m = attns_call_rows(&call, x, "x", n);
  const float *mask = mask_argument(&call, 2, m, n);
  float *y = attns_call_result(&call, m, n);
  for (size_t i = 0; y && i < m * n; i++) y[i] = mask ? x.x[i] + mask[i] : x.x[i];
  if (y) attn_matrix_softmax(m, n, y);
  attns_call_end(&call);
}

/* A norm's weight and bias, 1 and 0 where they are not given; fills what is missing. */
typedef struct norm {
  const float *weight, *bias;
  float eps;
} norm;

static norm norm_arguments(attns_call *call, int weight_at, int bias_at, int eps_at,
                           size_t n) {
  norm out = {NULL, NULL, 0};
  attns_matrix weight = attns_call_optional(call, weight_at, "weight");
  attns_matrix bias = attns_call_optional(call, bias_at, "bias");
  attns_call_expect(call, weight, "weight", n, "one for each column of x");
  attns_call_expect(call, bias, "bias", n, "one for each column of x");
  out.eps = (float)attns_call_number(call, eps_at, "eps", 1e-5);
  if (!(out.eps >= 0))
    attns_call_fail(call, "eps is %g; expected 0 or more", (double)out.eps);
  if (!attns_call_ok(call)) return out;
  float *plain = sqlite3_malloc64(2 * n * sizeof *plain);
  if (!plain) {
    call->rc = SQLITE_NOMEM;
    return out;
  }
  call->owned[call->n_owned++] = plain;
  for (size_t i = 0; i < n; i++) {
    plain[i] = 1;
    plain[n + i] = 0;
  }
  out.weight = weight.x ? weight.x : plain;
  out.bias = bias.x ? bias.x : plain + n;
  return out;
}

static void layer_norm(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_layer_norm", .argc = argc, .argv = argv};
  attns_matrix x = attns_call_matrix(&call, 0, "x");
  size_t n = attns_call_size(&call, 1, "n"), m = attns_call_rows(&call, x, "x", n);
  norm norm = norm_arguments(&call, 2, 3, 4, n);
  float *y = attns_call_result(&call, m, n);
  if (y) attn_matrix_layer_norm(m, n, norm.weight, norm.bias, norm.eps, x.x, y);
  attns_call_end(&call);
}

/* ---------------------------------------------------------------------- attention */

/* The arguments from d on are at `at`; v is not given where only weights are wanted. */
static void attend(attns_call *call, int with_values) {
  const int at = with_values ? 3 : 2;
  attn_error err = {""};
  attn_attend a = {.n_head = 1,
                   .stop = attns_interrupted,
                   .ctx = sqlite3_context_db_handle(call->ctx)};
  attns_matrix q = attns_call_matrix(call, 0, "q"), k = attns_call_matrix(call, 1, "k"),
               v = {0};
  if (with_values) v = attns_call_matrix(call, 2, "v");
  size_t d = attns_call_size(call, at, "d"), d_value = 0;
  if (at + 1 < call->argc && sqlite3_value_type(call->argv[at + 1]) != SQLITE_NULL) {
    a.n_head = attns_call_size(call, at + 1, "heads");
  }
  a.n_query = attns_call_rows(call, q, "q", d);
  a.n_key = attns_call_rows(call, k, "k", d);
  if (attns_call_ok(call) && d % a.n_head) {
    attns_call_fail(call, "d is %llu; expected a multiple of the %llu heads", LLU(d),
                    LLU(a.n_head));
  }
  if (with_values && attns_call_ok(call)) {
    d_value = v.n / a.n_key;
    if (v.n % a.n_key || d_value % a.n_head) {
      attns_call_fail(call,
                      "v has %llu numbers; expected %llu rows, as k has, for %llu heads",
                      LLU(v.n), LLU(a.n_key), LLU(a.n_head));
    }
  }
  a.d_key = d / a.n_head;
  a.d_value = d_value / a.n_head;
  a.q = q.x;
  a.k = k.x;
  a.v = v.x;
  a.mask = mask_argument(call, at + 2, a.n_query, a.n_key);
  a.scale = (float)attns_call_number(call, at + 3, "scale",
                                     (double)(1 / sqrtf((float)a.d_key)));
  if (with_values) {
    a.out = attns_call_result(call, a.n_query, d_value);
  } else if (attns_call_ok(call) && a.n_head <= (size_t)-1 / a.n_query) {
    a.weights = attns_call_result(call, a.n_head * a.n_query, a.n_key);
  }
  if (a.out || a.weights) attns_call_status(call, attn_matrix_attend(&a, &err), &err);
  attns_call_end(call);
}

static void attend_values(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_attend", .argc = argc, .argv = argv};
  attend(&call, 1);
}

static void attend_weights(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_weights", .argc = argc, .argv = argv};
  attend(&call, 0);
}

/* ------------------------------------------------------------------- feed forward */

/* y = x + activation(x w1ᵀ + b1) w2ᵀ + b2; hidden is scratch, [m, wide]. */
static attn_status run_feed_forward(attn_product *up, const float *w2, const float *b2,
                                    float *hidden, attn_error *err, float *y) {
  attn_product down = *up;
  up->y = hidden;
  down.n_in = up->n_out;
  down.n_out = up->n_in;
  down.x = hidden;
  down.w = w2;
  down.bias = b2;
  down.activation = (attn_text){NULL, 0};
  down.y = y;
  attn_status status = attn_matrix_product(up, err);
  if (status == ATTN_OK) status = attn_matrix_product(&down, err);
  if (status != ATTN_OK) return status;
  for (size_t i = 0; i < up->m * up->n_in; i++) y[i] += up->x[i];
  return ATTN_OK;
}

/* The norm of that.  Dropout lets all pass where a model is not being trained. */
static void feed_forward(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_call call = {.ctx = ctx, .name = "attn_feed_forward", .argc = argc, .argv = argv};
  attn_error err = {""};
  attns_matrix x = attns_call_matrix(&call, 0, "x"),
               w1 = attns_call_matrix(&call, 1, "w1"),
               b1 = attns_call_matrix(&call, 2, "b1"),
               w2 = attns_call_matrix(&call, 3, "w2"),
               b2 = attns_call_matrix(&call, 4, "b2");
  const size_t d = attns_call_ok(&call) ? b2.n : 1, wide = b1.n;
  const size_t m = attns_call_rows(&call, x, "x", d);
  attns_call_expect(&call, w1, "w1", wide * d, "b1's numbers times b2's");
  attns_call_expect(&call, w2, "w2", wide * d, "b1's numbers times b2's");
  attn_text activation = text_argument(&call, 7, "activation", "relu");
  norm norm = norm_arguments(&call, 5, 6, 8, d);
  float *y = attns_call_result(&call, m, d);
  float *hidden = y ? sqlite3_malloc64((sqlite3_uint64)m * wide * sizeof *hidden) : NULL;
  if (y && !hidden) call.rc = SQLITE_NOMEM;
  if (hidden) {
    attn_product up = {.m = m,
                       .n_in = d,
                       .n_out = wide,
                       .x = x.x,
                       .w = w1.x,
                       .is_transposed = 1,
                       .bias = b1.x,
                       .activation = activation,
                       .stop = attns_interrupted,
                       .ctx = sqlite3_context_db_handle(ctx)};
    attn_status status = run_feed_forward(&up, w2.x, b2.x, hidden, &err, y);
    attns_call_status(&call, status, &err);
    if (status == ATTN_OK) {
      attn_matrix_layer_norm(m, d, norm.weight, norm.bias, norm.eps, y, y);
    }
  }
  sqlite3_free(hidden);
  attns_call_end(&call);
}

#define FLAGS                                                                            \
  (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_SUBTYPE | SQLITE_RESULT_SUBTYPE)

const attns_function attns_step_functions[] = {
    {"attn_linear", 3, FLAGS, linear},
    {"attn_linear", 4, FLAGS, linear},
    {"attn_activate", 2, FLAGS, activate},
    {"attn_softmax", 2, FLAGS, softmax},
    {"attn_softmax", 3, FLAGS, softmax},
    {"attn_layer_norm", 2, FLAGS, layer_norm},
    {"attn_layer_norm", 3, FLAGS, layer_norm},
    {"attn_layer_norm", 4, FLAGS, layer_norm},
    {"attn_layer_norm", 5, FLAGS, layer_norm},
    {"attn_attend", 4, FLAGS, attend_values},
    {"attn_attend", 5, FLAGS, attend_values},
    {"attn_attend", 6, FLAGS, attend_values},
    {"attn_attend", 7, FLAGS, attend_values},
    {"attn_weights", 3, FLAGS, attend_weights},
    {"attn_weights", 4, FLAGS, attend_weights},
    {"attn_weights", 5, FLAGS, attend_weights},
    {"attn_weights", 6, FLAGS, attend_weights},
    {"attn_feed_forward", 5, FLAGS, feed_forward},
    {"attn_feed_forward", 6, FLAGS, feed_forward},
    {"attn_feed_forward", 7, FLAGS, feed_forward},
    {"attn_feed_forward", 8, FLAGS, feed_forward},
    {"attn_feed_forward", 9, FLAGS, feed_forward},
    {NULL, 0, 0, NULL},
};
