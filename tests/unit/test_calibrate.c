/*
** test_calibrate.c - rounding where what is behind a number makes up for its error,
** against the definition: with the errors so far, the numbers that are left would best be
** those that make (w - q) H (w - q)ᵀ least, and the next of them is rounded.
*/
#include "../../engine/quantize/calibrate.h"
#include "../../engine/nn/int8.h"
#include "unit.h"
#include <math.h>

enum { G = ATTNE_I8_GROUP, N_ROW = 12, N_SAMPLE = 300 };

static float random_number(void) {
  static uint32_t state = 1;
  state = state * 1664525 + 1013904223;
  return (float)(state >> 8) / (1 << 23) - 1;
}

/* H of numbers that have much in common, from the diagonal to the right. */
static void make_h(size_t n, double (*h)[G]) {
  memset(h, 0, G * sizeof *h);
  for (int s = 0; s < N_SAMPLE; s++) {
    double x[G], common[4];
    for (int k = 0; k < 4; k++) common[k] = (double)random_number();
    for (size_t i = 0; i < n; i++) x[i] = (double)random_number() + 3 * common[i % 4];
    for (size_t i = 0; i < n; i++) {
      for (size_t k = i; k < n; k++) h[i][k] += x[i] * x[k];
    }
  }
}

static double element(double (*h)[G], size_t i, size_t k) {
  return i < k ? h[i][k] : h[k][i];
}

/* The errors of numbers j ... that make the whole least, given those before: H_rr e_r =
** - H_rb e_b, by elimination.  Returns that of number j. */
static double best_error(size_t n, double (*h)[G], size_t j, const double *error) {
  static double a[G][G + 1];
  const size_t m = n - j;
  for (size_t r = 0; r < m; r++) {
    for (size_t c = 0; c < m; c++) a[r][c] = element(h, j + r, j + c);
    a[r][m] = 0;
    for (size_t k = 0; k < j; k++) a[r][m] -= element(h, j + r, k) * error[k];
  }
  /* From the last unknown to the first, so that the first is what is left. */
  for (size_t p = m; p-- > 1;) {
    for (size_t r = 0; r < p; r++) {
      double by = a[r][p] / a[p][p];
      for (size_t c = 0; c < p; c++) a[r][c] -= by * a[p][c];
      a[r][m] -= by * a[p][m];
    }
  }
  return a[0][m] / a[0][0];
}

static double loss(size_t n, double (*h)[G], const double *error) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < n; k++) sum += error[i] * element(h, i, k) * error[k];
  }
  return sum;
}

/* U D Uᵀ is H. */
static void test_factor(size_t n) {
  static double h[G][G], whole[G][G];
  static float u[G][G];
  double largest = 0;
  make_h(n, h);
  memcpy(whole, h, sizeof h);
  memset(u, 0, sizeof u);
  attne_factor(n, h, u);
  for (size_t i = 0; i < n; i++) u[i][i] = 1;
  for (size_t i = 0; i < n; i++) {
    for (size_t k = i; k < n; k++) {
      double sum = 0;
      for (size_t j = k; j < n; j++) sum += (double)u[i][j] * h[j][j] * (double)u[k][j];
      double off = fabs(sum - whole[i][k]) / sqrt(whole[i][i] * whole[k][k]);
      if (off > largest) largest = off;
    }
  }
  CHECK(largest < 1e-5);
}

/* Rows of k numbers, in groups of which the last may be smaller. */
static void test_round(size_t k) {
  enum { MAX_K = 320, N_GROUP = 3 };
  static double h[N_GROUP][G][G], rest[G][G];
  static float feedback[N_GROUP][G][G], row[N_ROW * MAX_K], copy[N_ROW * MAX_K];
  static float scale[N_ROW * N_GROUP], plain_scale[N_ROW * N_GROUP];
  static int8_t q[N_ROW * MAX_K], plain[N_ROW * MAX_K];
  const size_t n_group = attne_groups_i8(k), block = attne_rotation_block(k);
  double made_up = 0, nearest = 0;
  int n_other = 0;

  memset(feedback, 0, sizeof feedback);
  for (size_t g = 0; g < n_group; g++) {
    size_t n = attne_group_size_i8(g * G, k);
    make_h(n, h[g]);
    memcpy(rest, h[g], sizeof rest);
    attne_factor(n, rest, feedback[g]);
  }
  for (size_t i = 0; i < N_ROW * k; i++) row[i] = random_number();
  memcpy(copy, row, sizeof row);
  attne_int8_round(N_ROW, k, NULL, copy, plain, plain_scale);
  memcpy(copy, row, sizeof row);
  attne_int8_round(N_ROW, k, feedback[0][0], copy, q, scale);
  CHECK(memcmp(scale, plain_scale, N_ROW * n_group * sizeof *scale) == 0);
  for (size_t r = 0; r < N_ROW; r++) {
    attne_kernels_get()->i8->rotate(k, row + r * k);
    for (size_t g = 0; g < n_group; g++) {
      const size_t n = attne_group_size_i8(g * G, k), first = r * k + g * G;
      const double step = (double)scale[r * n_group + g] * (double)block;
      double error[G], other[G];
      for (size_t i = 0; i < n; i++) {
        double x = (double)row[first + i];
        double wanted = x - (i ? best_error(n, h[g], i, error) : 0);
        double integer = nearbyint(wanted / step);
        integer = integer > 127 ? 127 : integer < -127 ? -127 : integer;
        n_other += integer != (double)q[first + i];
        error[i] = x - (double)q[first + i] * step;
        other[i] = x - (double)plain[first + i] * step;
      }
      made_up += loss(n, h[g], error);
      nearest += loss(n, h[g], other);
    }
  }
  CHECK(n_other == 0);
  CHECK(made_up < 0.7 * nearest);
}

int main(void) {
  unit_begin();
  test_factor(1);
  test_factor(2);
  test_factor(37);
  test_factor(128);
  test_round(128);
  test_round(20);
  test_round(288);
  return unit_end();
}
