/*
** principal.c - the two principal components of the rows of a matrix.
**
** Subspace iteration (Rutishauser 1969): a few directions V are multiplied by the
** covariance XᵀX and made orthonormal again and again; within them the eigenvectors are
** those of the small matrix (XV)ᵀ(XV), which Jacobi's rotations find.  More directions
** than two make it converge quickly.  All in double, in a fixed order: the same map of
** the same vectors on every machine.
*/
#include "../base/base.h"
#include <math.h>

enum { N_DIRECTION = 8, MAX_STEP = 1000 };

typedef struct subspace {
  size_t m, n;
  int k;            /* directions */
  const float *x;   /* [m, n] */
  double *mean;     /* [n] */
  double *v, *next; /* [k, n] */
  double *y;        /* [m, k]: X V */
  double value[N_DIRECTION];
} subspace;

static double dot(size_t n, const double *a, const double *b) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* Gram and Schmidt's way, twice, for exactness.  A direction that is lost becomes one
** that depends on the seed. */
static void orthonormalize(size_t n, int k, double *v) {
  uint32_t seed = 1;
  for (int i = 0; i < k; i++) {
    double *a = v + (size_t)i * n;
    double length = sqrt(dot(n, a, a));
    for (int round = 0; round < 2; round++) {
      if (!(length > 1e-300)) {
        for (size_t c = 0; c < n; c++) {
          seed = seed * 1664525 + 1013904223;
          a[c] = (double)seed / 4294967296.0 - 0.5;
        }
      }
      for (int j = 0; j < i; j++) {
        const double *b = v + (size_t)j * n;
        double part = dot(n, a, b);
        for (size_t c = 0; c < n; c++) a[c] -= part * b[c];
      }
      length = sqrt(dot(n, a, a));
      for (size_t c = 0; c < n; c++) a[c] = length > 1e-300 ? a[c] / length : 0;
    }
  }
}

/* y = X V, with X less its mean. */
static void project(subspace *s) {
  for (size_t i = 0; i < s->m; i++) {
    const float *row = s->x + i * s->n;
    for (int j = 0; j < s->k; j++) {
      const double *v = s->v + (size_t)j * s->n;
      double sum = 0;
      for (size_t c = 0; c < s->n; c++) sum += ((double)row[c] - s->mean[c]) * v[c];
      s->y[i * (size_t)s->k + (size_t)j] = sum;
    }
  }
}

/* next = Xᵀ y */
static void expand(subspace *s) {
  memset(s->next, 0, (size_t)s->k * s->n * sizeof *s->next);
  for (size_t i = 0; i < s->m; i++) {
    const float *row = s->x + i * s->n;
    for (int j = 0; j < s->k; j++) {
      double *next = s->next + (size_t)j * s->n, y = s->y[i * (size_t)s->k + (size_t)j];
      for (size_t c = 0; c < s->n; c++) next[c] += ((double)row[c] - s->mean[c]) * y;
    }
  }
}

/* One rotation of the symmetric t[k, k] that makes t[p][q] zero; the rows of e turn with
** it. */
static void rotate(int k, double t[N_DIRECTION][N_DIRECTION],
                   double e[N_DIRECTION][N_DIRECTION], int p, int q) {
  if (t[p][q] == 0) return;
  double theta = (t[q][q] - t[p][p]) / (2 * t[p][q]);
  double tangent = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
  double cosine = 1 / sqrt(tangent * tangent + 1), sine = tangent * cosine;
  for (int i = 0; i < k; i++) {
    double a = t[i][p], b = t[i][q];
    t[i][p] = cosine * a - sine * b;
    t[i][q] = sine * a + cosine * b;
  }
  for (int i = 0; i < k; i++) {
    double a = t[p][i], b = t[q][i];
    t[p][i] = cosine * a - sine * b;
    t[q][i] = sine * a + cosine * b;
    a = e[p][i], b = e[q][i];
    e[p][i] = cosine * a - sine * b;
    e[q][i] = sine * a + cosine * b;
  }
}

/* The eigenvectors of t, as rows, the largest value first. */
static void solve(int k, double t[N_DIRECTION][N_DIRECTION],
                  double e[N_DIRECTION][N_DIRECTION], double *value) {
  double unsorted[N_DIRECTION][N_DIRECTION] = {{0}};
  int taken[N_DIRECTION] = {0};
  for (int i = 0; i < k; i++) unsorted[i][i] = 1;
  for (int sweep = 0; sweep < 30; sweep++) {
    for (int p = 0; p < k; p++) {
      for (int q = p + 1; q < k; q++) rotate(k, t, unsorted, p, q);
    }
  }
  for (int i = 0; i < k; i++) {
    int best = -1;
    for (int j = 0; j < k; j++) {
      if (!taken[j] && (best < 0 || t[j][j] > t[best][best])) best = j;
    }
    taken[best] = 1;
    value[i] = t[best][best];
    memcpy(e[i], unsorted[best], sizeof e[i]);
  }
}

/* Turns the directions into the eigenvectors of what they span. */
static void align(subspace *s) {
  double t[N_DIRECTION][N_DIRECTION] = {{0}}, e[N_DIRECTION][N_DIRECTION] = {{0}};
  for (size_t i = 0; i < s->m; i++) {
    const double *y = s->y + i * (size_t)s->k;
    for (int a = 0; a < s->k; a++) {
      for (int b = 0; b < s->k; b++) t[a][b] += y[a] * y[b];
    }
  }
  solve(s->k, t, e, s->value);
  for (int i = 0; i < s->k; i++) {
    double *to = s->next + (size_t)i * s->n;
    for (size_t c = 0; c < s->n; c++) {
      to[c] = 0;
      for (int j = 0; j < s->k; j++) to[c] += e[i][j] * s->v[(size_t)j * s->n + c];
    }
  }
  double *swap = s->v;
  s->v = s->next;
  s->next = swap;
}

static attn_status iterate(subspace *s, int (*stop)(void *ctx), void *ctx,
                           attn_error *err) {
  double before[2] = {0, 0};
  orthonormalize(s->n, s->k, s->v);
  for (int step = 0; step < MAX_STEP; step++) {
    if (stop && stop(ctx)) return attne_fail(err, ATTN_INTERRUPTED, "interrupted");
    project(s);
    align(s);
    double change = fabs(s->value[0] - before[0]) + fabs(s->value[1] - before[1]);
    before[0] = s->value[0];
    before[1] = s->value[1];
    if (change <= 1e-14 * s->value[0]) break;
    project(s);
    expand(s);
    memcpy(s->v, s->next, (size_t)s->k * s->n * sizeof *s->v);
    orthonormalize(s->n, s->k, s->v);
  }
  project(s);
  return ATTN_OK;
}

/* Returns the sum of squares of X less its mean, and sets that. */
static double center(subspace *s) {
  double total = 0;
  for (size_t i = 0; i < s->m; i++) {
    for (size_t c = 0; c < s->n; c++) {
      s->mean[c] += (double)s->x[i * s->n + c] / (double)s->m;
    }
  }
  for (size_t i = 0; i < s->m; i++) {
    for (size_t c = 0; c < s->n; c++) {
      double d = (double)s->x[i * s->n + c] - s->mean[c];
      total += d * d;
    }
  }
  return total;
}

static double sign_of(size_t n, const double *v) {
  size_t largest = 0;
  for (size_t c = 1; c < n; c++) {
    if (fabs(v[c]) > fabs(v[largest])) largest = c;
  }
  return v[largest] < 0 ? -1 : 1;
}

attn_status attn_matrix_principal(size_t m, size_t n, const float *x,
                                  int (*stop)(void *ctx), void *ctx, attn_error *err,
                                  double *xy, double share[2]) {
  int overflow = 0;
  subspace s = {.m = m, .n = n, .x = x, .k = n < N_DIRECTION ? (int)n : N_DIRECTION};
  uint64_t size = attne_mul(n, 2 * (uint64_t)s.k + 1, &overflow);
  size = attne_add(size, attne_mul(m, (uint64_t)s.k, &overflow), &overflow);
  size = attne_mul(size, sizeof(double), &overflow);
  double *memory = overflow ? NULL : attne_alloc_zero(size);
  if (!memory) return attne_no_memory(err);
  s.mean = memory;
  s.v = s.mean + n;
  s.next = s.v + (size_t)s.k * n;
  s.y = s.next + (size_t)s.k * n;
  double total = center(&s);
  attn_status rc = iterate(&s, stop, ctx, err);
  for (int a = 0; rc == ATTN_OK && a < 2; a++) {
    double sign = a < s.k ? sign_of(n, s.v + (size_t)a * n) : 0;
    share[a] = a < s.k && total > 0 ? s.value[a] / total : 0;
    for (size_t i = 0; i < m; i++) {
      xy[2 * i + (size_t)a] = a < s.k ? sign * s.y[i * (size_t)s.k + (size_t)a] : 0;
    }
  }
  attne_release(memory);
  return rc;
}
