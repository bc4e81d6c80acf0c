/*
** test_kernels.c - every instruction set of this machine gives the bits of the
** scalar kernels, and these are close to libm's doubles.
**
** A difference is printed with the tier, the function, the shape, the place and
** both values, so that whoever adds an instruction set sees where it begins.
*/
#include "unit.h"
#include "../../engine/kernels/kernels.h"
#include "../../engine/kernels/lanes_scalar.h"
#include "../../engine/kernels/pack.h"
#include "../../engine/kernels/math16.h"

/* --------------------------------------------------------------- random numbers */

enum { SEED = 88172645 };
static uint64_t state = SEED; /* xorshift64, Marsaglia 2003 */

static uint64_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* About normal with deviation 1: the sum of uniform numbers. */
static float random_normal(void) {
  float sum = 0;
  for (int i = 0; i < 12; i++) sum += (float)(random_bits() >> 40) * 0x1p-24f;
  return sum - 6;
}

static void fill(size_t n, float *x) {
  for (size_t i = 0; i < n; i++) x[i] = random_normal();
}

/* One bit pattern for all NaNs: which one comes out differs between processors. */
static int same(float a, float b) {
  return to_bits(a) == to_bits(b) || (a != a && b != b);
}

/* FNV-1a over all results of the scalar kernels.  It is the same on every
** processor, and changes only when the order of a sum or a polynomial does. */
static const uint64_t all_results = 0x16ef4933da21306bu;
static uint64_t hash = 14695981039346656037u;

static void add_to_hash(size_t n, const float *x) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits = x[i] == x[i] ? to_bits(x[i]) : 0x7FC00000u;
    for (int k = 0; k < 4; k++) hash = (hash ^ (bits >> 8 * k & 255)) * 1099511628211u;
  }
}

/* --------------------------------------------------------------------------- fma */

static int fma_agrees(float a, float b, float c) {
  float got = fma_exact(a, b, c), expected = fmaf(a, b, c);
  if (same(got, expected)) return 1;
  printf("! fma(%a, %a, %a) is %a, expected %a\n", (double)a, (double)b, (double)c,
         (double)got, (double)expected);
  return 0;
}

/* A number whose exponent puts c near a * b, or near the ends of the range. */
static float random_near(int exponent) {
  uint32_t e = (uint32_t)(exponent + (int)(random_bits() % 60) - 30 + 127) & 255;
  uint32_t fraction = (uint32_t)random_bits() & 0x7FFFFF;
  if (random_bits() & 1) fraction &= 0x7FE000; /* short: makes ties */
  return from_bits(e << 23 | fraction | (uint32_t)(random_bits() & 1) << 31);
}

static void test_fma(void) {
  static const uint32_t special[] = {
      0,          1,          2,          0x007FFFFF, 0x00800000, 0x00800001, 0x33800000,
      0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x4B7FFFFF, 0x7F7FFFFF, 0x7F800000, 0x7FC00000,
      0x1FFFFFFF, 0x20000001, 0x5F7FFFFF, 0x3F000000, 0x34000000, 0x00400000, 0x00000003};
  enum { N = sizeof special / sizeof special[0] };
  int ok = 1;
  for (unsigned i = 0; i < N * N * N * 8; i++) {
    unsigned s = i & 7, k = i >> 3;
    float a = from_bits(special[k % N] | (s & 1) << 31);
    float b = from_bits(special[k / N % N] | (s >> 1 & 1) << 31);
    float c = from_bits(special[k / N / N] | (s >> 2) << 31);
    ok = ok && fma_agrees(a, b, c);
  }
  CHECK(ok);
  const char *count = getenv("ATTN_TEST_FMA"); /* millions */
  for (long i = (count ? atol(count) : 2) * 1000000; ok && i > 0; i--) {
    int e = (int)(random_bits() % 250) - 125;
    float a = random_near(e), b = random_near(-e / 2);
    float c = random_near(i & 1 ? e - e / 2 : -126);
    ok = fma_agrees(a, b, c);
    a = from_bits((uint32_t)random_bits());
    b = from_bits((uint32_t)random_bits());
    c = from_bits((uint32_t)random_bits());
    ok = ok && fma_agrees(a, b, c);
  }
  CHECK(ok);
}

/* ---------------------------------------------------------------------- accuracy */

static float first_lane(v16 x) {
  return x.lane[0];
}
static float exp_of(float x) {
  return first_lane(exp16(v16_set(x)));
}
static float tanh_of(float x) {
  return first_lane(tanh16(v16_set(x)));
}
static float gelu_of(float x) {
  return first_lane(gelu16(v16_set(x)));
}
static float gelu_rough_of(float x) {
  return first_lane(gelu_rough16(v16_set(x)));
}
static float gelu_tanh_of(float x) {
  return first_lane(gelu_tanh16(v16_set(x)));
}
static float silu_of(float x) {
  return first_lane(activate16(ATTNE_SILU, v16_set(x)));
}
static float sigmoid_of(float x) {
  return first_lane(activate16(ATTNE_SIGMOID, v16_set(x)));
}
static float relu_of(float x) {
  return first_lane(activate16(ATTNE_RELU, v16_set(x)));
}

static double true_gelu(double x) {
  return x * 0.5 * erfc(-x * sqrt(0.5));
}
static double true_gelu_tanh(double x) {
  return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}
static double true_sigmoid(double x) {
  return 1 / (1 + exp(-x));
}
static double true_silu(double x) {
  return x * true_sigmoid(x);
}
static double true_relu(double x) {
  return x > 0 ? x : 0;
}

/* Largest error over numbers of all sizes up to `limit`, in units of the last
** place of the true value, or of `floor` where that is larger. */
static double largest_error(float (*f)(float), double (*expected)(double), float limit,
                            double floor) {
  double worst = 0;
  for (uint32_t bits = 0; bits <= to_bits(limit);
       bits += 9973 * (uint32_t)unit_each(10)) {
    for (uint32_t sign = 0; sign < 2; sign++) {
      float x = from_bits(bits | sign << 31);
      double y = expected((double)x), size = fabs(y) > floor ? fabs(y) : floor;
      int e;
      frexp(size, &e);
      double error = fabs((double)f(x) - y) / ldexp(1, e < -125 ? -149 : e - 24);
      if (!(error <= worst)) worst = error;
    }
  }
  return worst;
}

static void test_accuracy(void) {
  CHECK(largest_error(exp_of, exp, 87, 0) <= 1.1);
  CHECK(largest_error(tanh_of, tanh, 30, 0) <= 1.6);
  CHECK(largest_error(sigmoid_of, true_sigmoid, 80, 0) <= 2.5);
  CHECK(largest_error(silu_of, true_silu, 80, 0) <= 3);
  CHECK(largest_error(relu_of, true_relu, 80, 0) == 0);
  /* Where the true value is a small difference of large ones, what counts is the
  ** error beside the numbers that it is added to. */
  CHECK(largest_error(gelu_of, true_gelu, 10, 0.25) <= 1.3);
  CHECK(largest_error(gelu_rough_of, true_gelu, 10, 0.25) <= 2.1e-5 / 0x1p-25);
  CHECK(largest_error(gelu_tanh_of, true_gelu_tanh, 10, 0.25) <= 2);
}

static void test_ends_of_range(void) {
  CHECK(exp_of(0) == 1 && exp_of(-0.0f) == 1);
  CHECK(exp_of(INFINITY) == INFINITY && exp_of(89) == INFINITY);
  CHECK(exp_of(-INFINITY) == 0 && exp_of(-88) == 0);
  CHECK(exp_of(-87.3f) > 0 && exp_of(88.3f) < INFINITY);
  CHECK(tanh_of(INFINITY) == 1 && tanh_of(-INFINITY) == -1);
  CHECK(to_bits(tanh_of(-0.0f)) == 0x80000000u);
  CHECK(gelu_of(100) == 100 && gelu_of(-100) == 0 && gelu_of(INFINITY) == INFINITY);
  CHECK(gelu_of(-INFINITY) == 0);
  CHECK(gelu_rough_of(100) == 100 && gelu_rough_of(INFINITY) == INFINITY);
  CHECK(fabsf(gelu_rough_of(-INFINITY)) < 1e-6f);
  float (*const all[])(float) = {exp_of,       tanh_of, gelu_of,   gelu_rough_of,
                                 gelu_tanh_of, silu_of, sigmoid_of};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) CHECK(isnan(all[i](NAN)));
}

/* ----------------------------------------------------------------- tier by tier */

/* A block of numbers with guards before, between and after its rows. */
enum { MAX_BLOCK = 1 << 16 };
static const float guard = -12345.0f;

static void fill_guards(float *x) {
  for (size_t i = 0; i < MAX_BLOCK; i++) x[i] = guard;
}

/* The whole block is the same, guards included. */
static int blocks_agree(const char *tier, const char *what, const float *x,
                        const float *expected) {
  for (size_t i = 0; i < MAX_BLOCK; i++) {
    if (same(x[i], expected[i])) continue;
    printf("! %s %s: number %zu is %a, expected %a\n", tier, what, i, (double)x[i],
           (double)expected[i]);
    return 0;
  }
  return 1;
}

static int guards_intact(const float *x, size_t m, size_t n, size_t ld) {
  for (size_t i = 0; i < MAX_BLOCK; i++) {
    if ((i / ld >= m || i % ld >= n) && to_bits(x[i]) != to_bits(guard)) return 0;
  }
  return 1;
}

static float a[MAX_BLOCK], w[MAX_BLOCK], packed[2 * MAX_BLOCK], bias[MAX_BLOCK];
static float start[MAX_BLOCK], expected[MAX_BLOCK], got[MAX_BLOCK];

static void pack(size_t n, size_t n_k, const float *rows) {
  memset(packed, 0, attne_packed_size(n, n_k) * sizeof *packed);
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < n_k; k++) {
      packed[attne_packed_index(i, n_k) + k * ATTNE_PANEL] = rows[i * n_k + k];
    }
  }
}

/* What becomes of a result: added, or activated. */
static float finished(const attne_output *out, size_t i, size_t j, float x) {
  if (out->store == ATTNE_ADD) return start[i * out->ldc + j] + x;
  if (out->activation == ATTNE_IDENTITY) return x;
  return first_lane(activate16(out->activation, v16_set(x)));
}

/* The definition: one chain per output, or some. */
static int gemm_agrees_with_definition(const attne_gemm_f32 *g, const float *c) {
  for (size_t i = 0; i < g->m; i++) {
    for (size_t j = 0; j < g->out.n; j++) {
      float sum = g->out.bias ? g->out.bias[j] : 0, all = 0;
      for (size_t k = 0; k < g->k; k++) {
        if (g->chain && k && k % g->chain == 0) {
          all = k == g->chain ? sum : all + sum;
          sum = 0;
        }
        sum = fmaf(g->a[i * g->lda + k], w[j * g->k + k], sum);
      }
      if (g->chain && g->k > g->chain) sum = all + sum;
      if (!same(finished(&g->out, i, j, sum), c[i * g->out.ldc + j])) return 0;
    }
  }
  return 1;
}

/* Runs a product on the scalar tier, for `expected`, and compares the others. */
static void compare_gemm(attne_gemm_f32 *g, const char *what) {
  memcpy(expected, start, sizeof expected);
  g->out.c = expected;
  attne_kernels_by_name("scalar")->f32->gemm(g);
  CHECK(gemm_agrees_with_definition(g, expected));
  CHECK(guards_intact(expected, g->m, g->out.n, g->out.ldc));
  add_to_hash(g->m * g->out.ldc, expected);
  g->out.c = got;
  for (const attne_kernels *tier = NULL; (tier = attne_kernels_next(tier)) != NULL;) {
    memcpy(got, start, sizeof got);
    tier->f32->gemm(g);
    CHECK(blocks_agree(tier->name, what, got, expected));
  }
}

static void test_gemm(size_t m, size_t n, size_t k, attne_store store,
                      attne_activation activation, int has_bias) {
  char what[100];
  attne_output out = {n, has_bias ? bias : NULL, store, activation, NULL, n + 5};
  attne_gemm_f32 g = {m, k, a, k + 3, packed, out, 0};
  snprintf(what, sizeof what, "gemm m %zu n %zu k %zu store %d activation %d bias %d", m,
           n, k, (int)store, (int)activation, has_bias);
  fill(m * (k + 3), a);
  fill(n * k, w);
  fill(n, bias);
  pack(n, k, w);
  fill_guards(start);
  for (size_t i = 0; i < m; i++) fill(n, start + i * out.ldc);
  compare_gemm(&g, what);
}

static void test_gemms(void) {
  for (size_t m = 1; m <= 30; m++) {
    size_t n = 1 + random_bits() % 70, k = 1 + random_bits() % 40;
    test_gemm(m, n, k, m % 3 ? ATTNE_SET : ATTNE_ADD, ATTNE_IDENTITY, m % 2);
  }
  for (size_t n = 1; n <= 50; n++) test_gemm(3, n, 7, ATTNE_ADD, ATTNE_IDENTITY, 1);
  for (int f = ATTNE_IDENTITY; f <= ATTNE_SIGMOID; f++) {
    test_gemm(15, 37, 5, ATTNE_SET, (attne_activation)f, 1);
    test_gemm(5, 500, 1, ATTNE_SET, (attne_activation)f, 1);
  }
  test_gemm(13, 33, 1536, ATTNE_SET, ATTNE_IDENTITY, 1);
  test_gemm(2, 3, 0, ATTNE_SET, ATTNE_GELU, 1);
}

/* Numbers that overflow, underflow and are none. */
static void test_special_numbers(void) {
  static const uint32_t special[] = {0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF,
                                     0x00000001, 0x80000001, 0x00800000, 0x1E3CE508};
  const size_t m = 8, n = 40, k = 5;
  for (int f = ATTNE_IDENTITY; f <= ATTNE_SIGMOID; f++) {
    attne_output out = {n, bias, ATTNE_SET, (attne_activation)f, NULL, n};
    attne_gemm_f32 g = {m, k, a, k, packed, out, 0};
    for (size_t i = 0; i < m * k; i++) a[i] = from_bits(special[random_bits() % 8]);
    for (size_t i = 0; i < n * k; i++) {
      w[i] = i % 3 ? 1 : from_bits(special[random_bits() % 8]);
    }
    for (size_t i = 0; i < n; i++) bias[i] = from_bits(special[random_bits() % 8]);
    pack(n, k, w);
    fill_guards(start);
    compare_gemm(&g, "gemm of special numbers");
  }
}

static int softmax_is_right(size_t m, size_t n, float scale, size_t ld) {
  for (size_t i = 0; i < m; i++) {
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < n; k++) most = fmax(most, (double)start[i * ld + k]);
    for (size_t k = 0; k < n; k++)
      sum += exp((double)scale * ((double)start[i * ld + k] - most));
    for (size_t k = 0; k < n; k++) {
      double y = exp((double)scale * ((double)start[i * ld + k] - most)) / sum;
      if (!(fabs((double)expected[i * ld + k] - y) <= 4e-7 * y + 1e-12)) return 0;
    }
  }
  return 1;
}

static void test_softmax(size_t m, size_t n, float scale) {
  const size_t ld = n + 2;
  char what[100];
  snprintf(what, sizeof what, "softmax m %zu n %zu", m, n);
  fill_guards(start);
  for (size_t i = 0; i < m; i++) fill(n, start + i * ld);
  memcpy(expected, start, sizeof expected);
  attne_kernels_by_name("scalar")->f32->softmax(m, n, scale, expected, ld);
  CHECK(guards_intact(expected, m, n, ld));
  CHECK(softmax_is_right(m, n, scale, ld));
  add_to_hash(m * ld, expected);
  for (const attne_kernels *tier = NULL; (tier = attne_kernels_next(tier)) != NULL;) {
    memcpy(got, start, sizeof got);
    tier->f32->softmax(m, n, scale, got, ld);
    CHECK(blocks_agree(tier->name, what, got, expected));
  }
}

/* The two norms: LayerNorm, and RMSNorm, whose mean counts as 0. */
typedef struct norm {
  const char *name;
  int is_rms;
} norm;

static const norm layer_norm = {"layer_norm", 0}, rms_norm = {"rms_norm", 1};

static void run_norm(const norm *norm, const attne_kernels *tier, size_t m, size_t n,
                     float eps, const float *x, float *y) {
  (norm->is_rms ? tier->f32->rms_norm : tier->f32->layer_norm)(m, n, w, bias, eps, x, y);
}

static int norm_is_right(const norm *norm, size_t m, size_t n, float eps) {
  for (size_t i = 0; i < m; i++) {
    double mean = 0, variance = 0;
    for (size_t k = 0; k < n && !norm->is_rms; k++)
      mean += (double)a[i * n + k] / (double)n;
    for (size_t k = 0; k < n; k++) {
      variance +=
          ((double)a[i * n + k] - mean) * ((double)a[i * n + k] - mean) / (double)n;
    }
    for (size_t k = 0; k < n; k++) {
      double y =
          ((double)a[i * n + k] - mean) / sqrt(variance + (double)eps) * (double)w[k] +
          (double)bias[k];
      if (!(fabs((double)expected[i * n + k] - y) <= 3e-6)) return 0;
    }
  }
  return 1;
}

static void test_norm(const norm *norm, size_t m, size_t n) {
  const float eps = 1e-5f;
  char what[100];
  snprintf(what, sizeof what, "%s m %zu n %zu", norm->name, m, n);
  fill(m * n, a);
  fill(n, w);
  fill(n, bias);
  fill_guards(start);
  memcpy(expected, start, sizeof expected);
  run_norm(norm, attne_kernels_by_name("scalar"), m, n, eps, a, expected);
  CHECK(guards_intact(expected, 1, m * n, MAX_BLOCK));
  CHECK(norm_is_right(norm, m, n, eps));
  add_to_hash(m * n, expected);
  for (const attne_kernels *tier = NULL; (tier = attne_kernels_next(tier)) != NULL;) {
    memcpy(got, start, sizeof got);
    run_norm(norm, tier, m, n, eps, a, got);
    CHECK(blocks_agree(tier->name, what, got, expected));
    memcpy(got, start, sizeof got);
    memcpy(got, a, m * n * sizeof *a);
    run_norm(norm, tier, m, n, eps, got, got);
    CHECK(blocks_agree(tier->name, what, got, expected));
  }
}

static void test_rows(void) {
  for (size_t n = 1; n <= 50; n++) {
    test_softmax(1 + n % 4, n, 0.3f);
    if (n > 1) test_norm(&layer_norm, 1 + n % 3, n);
  }
  test_softmax(2, 513, 20.0f); /* most of it underflows */
  test_softmax(2, 4096, 0.01f);
  test_norm(&layer_norm, 2, 384);
  test_norm(&layer_norm, 2, 1023);
}

/* Outside of the hash: what has been added since. */
static void test_rms_norm(void) {
  for (size_t n = 1; n <= 50; n++) test_norm(&rms_norm, 1 + n % 3, n);
  test_norm(&rms_norm, 2, 1023);
  fill_guards(expected);
  memset(a, 0, 5 * sizeof *a);
  run_norm(&rms_norm, attne_kernels_by_name("scalar"), 1, 5, 1e-6f, a, expected);
  CHECK(memcmp(expected, bias, 5 * sizeof *bias) == 0); /* of nothing but zeros */
}

/* A product in two parts, the second of which goes on where the first one ended, is the
** product, bit for bit: begun with a bias, in rows that stand apart. */
static void test_continue(size_t n, size_t k, size_t first) {
  char what[100];
  attne_output out = {n, bias, ATTNE_SET, ATTNE_IDENTITY, expected, n};
  attne_gemm_f32 whole = {1, k, a, k, packed, out, 0};
  snprintf(what, sizeof what, "continued gemm n %zu k %zu from %zu", n, k, first);
  fill(k, a);
  fill(n * k, w);
  fill(n, bias);
  fill_guards(expected);
  pack(n, k, w);
  attne_kernels_by_name("scalar")->f32->gemm(&whole);
  for (const attne_kernels *tier = NULL; (tier = attne_kernels_next(tier)) != NULL;) {
    attne_gemm_f32 part = whole;
    fill_guards(got);
    part.out.c = got;
    part.k = first;
    tier->f32->gemm(&part);
    part.a = a + first;
    part.k = k - first;
    part.packed = packed + first * ATTNE_PANEL;
    part.out.bias = NULL;
    part.out.store = ATTNE_CONTINUE;
    tier->f32->gemm(&part);
    CHECK(blocks_agree(tier->name, what, got, expected));
  }
}

/* Chains of every length, of which the last is shorter or is not. */
static void test_chains(void) {
  const size_t m = 11, n = 37, k = 40;
  for (size_t chain = 1; chain <= 41; chain++) {
    attne_output out = {n,    bias, chain % 2 ? ATTNE_SET : ATTNE_ADD, ATTNE_IDENTITY,
                        NULL, n};
    if (chain % 4 == 1) out.activation = ATTNE_GELU;
    attne_gemm_f32 g = {m, k, a, k, packed, out, chain};
    fill(m * k, a);
    fill(n * k, w);
    fill(n, bias);
    pack(n, k, w);
    fill_guards(start);
    for (size_t i = 0; i < m; i++) fill(n, start + i * n);
    compare_gemm(&g, "gemm in chains");
  }
}

static void test_continues(void) {
  for (size_t n = 1; n <= ATTNE_PANEL; n++) test_continue(n, 2 + n, 1 + n % 2);
  test_continue(16, 40, 0);
  test_continue(16, 40, 40);
  test_continue(5, 300, 299);
}

/* -------------------------------------------------------------------------- int8 */

enum { MAX_I8 = 1 << 13 };
static int8_t weights_i8[MAX_BLOCK], packed_i8[2 * MAX_BLOCK];
static int32_t offset[MAX_I8];
static float scale[MAX_I8], row_scale[MAX_I8], rotated[MAX_I8];
static uint8_t rows_i8[2 * MAX_BLOCK];

/* The definition in double, i and j counted from the start of their block:
** y[i] = sum over j of (-1)^(number of ones in i & j) x[j]. */
static int rotation_is_right(size_t n, const float *x, const float *y) {
  const size_t block = attne_rotation_block(n);
  for (size_t i = 0; i < n; i++) {
    const float *first = x + i / block * block;
    double sum = 0, size = 0;
    for (size_t j = 0; j < block; j++) {
      sum += __builtin_parityll(i % block & j) ? -(double)first[j] : (double)first[j];
      size += fabs((double)first[j]);
    }
    if (!(fabs((double)y[i] - sum) <= 1e-6 * size)) return 0;
  }
  return 1;
}

static void test_rotation(void) {
  static const size_t sizes[] = {1,  3,  2,  4,   8,   24,  40,  16,
                                 48, 32, 64, 192, 128, 384, 1536};
  CHECK(attne_rotation_block(384) == 128 && attne_rotation_block(35) == 1);
  CHECK(attne_rotation_block(24) == 8 && attne_rotation_block(1024) == 128);
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    size_t n = sizes[s];
    fill_guards(start);
    fill(n, start);
    memcpy(expected, start, sizeof expected);
    attne_kernels_by_name("scalar")->i8->rotate(n, expected);
    CHECK(rotation_is_right(n, start, expected));
    CHECK(guards_intact(expected, 1, n, MAX_BLOCK));
    add_to_hash(n, expected);
    for (const attne_kernels *tier = NULL; (tier = attne_kernels_next(tier)) != NULL;) {
      memcpy(got, start, sizeof got);
      tier->i8->rotate(n, got);
      CHECK(blocks_agree(tier->name, "rotate", got, expected));
    }
  }
}

/* Outputs in whole panels. */
static size_t padded(size_t n) {
  return (n + ATTNE_PANEL - 1) / ATTNE_PANEL * ATTNE_PANEL;
}

/* The nearest integer, half to even. */
static int nearest(float x) {
  return (int)(x + 0x1.8p+23f - 0x1.8p+23f);
}

static float largest(size_t n, const float *x) {
  float most = 0;
  for (size_t k = 0; k < n; k++) most = fmaxf(most, fabsf(x[k]));
  return most;
}

/* The definition: rotated, rounded and summed exactly, group by group. */
static int gemm_i8_agrees_with_definition(const attne_gemm_i8 *g, const float *c) {
  const size_t n_group = attne_groups_i8(g->k);
  for (size_t i = 0; i < g->m; i++) {
    memcpy(rotated, a + i * g->k, g->k * sizeof *a);
    attne_kernels_by_name("scalar")->i8->rotate(g->k, rotated);
    for (size_t j = 0; j < g->out.n; j++) {
      float x = g->out.bias ? g->out.bias[j] : 0;
      for (size_t group = 0, k = 0; group < n_group; group++) {
        const size_t end = k + 128 < g->k ? k + 128 : g->k;
        const float most = largest(end - k, rotated + k);
        int64_t sum = 0;
        if (!same(row_scale[i * n_group + group], most / 127)) return 0;
        for (; k < end; k++) {
          int q = most > 0 ? nearest(rotated[k] * (127 / most)) : 0;
          sum += q * weights_i8[j * g->k + k];
        }
        x = fmaf((float)sum, most / 127 * scale[group * padded(g->out.n) + j], x);
      }
      int rough = g->out.store == ATTNE_SET && g->out.activation == ATTNE_GELU;
      x = rough ? gelu_rough_of(x) : finished(&g->out, i, j, x);
      if (!same(x, c[i * g->out.ldc + j])) return 0;
    }
  }
  return 1;
}

static void pack_i8(size_t n, size_t n_k) { /* and their offsets */
  memset(packed_i8, 0, sizeof packed_i8);
  memset(offset, 0, sizeof offset);
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < n_k; k++) {
      int8_t x = weights_i8[i * n_k + k];
      packed_i8[attne_packed_index_i8(i, n_k) + k / 4 * (4 * ATTNE_PANEL) + k % 4] = x;
      offset[k / 128 * padded(n) + i] -= 128 * x;
    }
  }
}

static void run_i8(const char *tier, attne_gemm_i8 *g, float *c) {
  const attne_kernels_i8 *kernels = attne_kernels_by_name(tier)->i8;
  memset(row_scale, 0, sizeof row_scale);
  memset(rows_i8, 0xA5, sizeof rows_i8);
  memcpy(c, start, sizeof start);
  g->out.c = c;
  kernels->quantize(g->m, g->k, a, rows_i8, row_scale);
  CHECK(rows_i8[g->m * attne_row_size_i8(g->k)] == 0xA5);
  kernels->gemm(g);
}

/* Numbers to multiply are in a and weights_i8. */
static void compare_gemm_i8(size_t m, size_t n, size_t k, attne_store store,
                            attne_activation activation, int exact) {
  char what[100];
  attne_output out = {n, m % 2 ? bias : NULL, store, activation, NULL, n + 5};
  attne_gemm_i8 g = {m, k, rows_i8, row_scale, packed_i8, scale, offset, out};
  snprintf(what, sizeof what, "int8 gemm m %zu n %zu k %zu store %d activation %d", m, n,
           k, (int)store, (int)activation);
  fill(n, bias);
  fill(attne_groups_i8(k) * padded(n), scale);
  pack_i8(n, k);
  fill_guards(start);
  for (size_t i = 0; i < m; i++) fill(n, start + i * out.ldc);
  run_i8("scalar", &g, expected);
  CHECK(!exact || gemm_i8_agrees_with_definition(&g, expected));
  CHECK(guards_intact(expected, m, n, out.ldc));
  add_to_hash(m * out.ldc, expected);
  for (const attne_kernels *tier = NULL; (tier = attne_kernels_next(tier)) != NULL;) {
    run_i8(tier->name, &g, got);
    CHECK(blocks_agree(tier->name, what, got, expected));
  }
}

static void test_gemm_i8(size_t m, size_t n, size_t k, attne_store store,
                         attne_activation activation) {
  fill(m * k, a);
  for (size_t i = 0; i < n * k; i++) weights_i8[i] = (int8_t)(random_bits() % 255) - 127;
  compare_gemm_i8(m, n, k, store, activation, 1);
}

static void test_gemms_i8(void) {
  for (size_t m = 1; m <= 30; m++) {
    size_t n = 1 + random_bits() % 70, k = 1 + random_bits() % 200;
    test_gemm_i8(m, n, k, m % 3 ? ATTNE_SET : ATTNE_ADD, ATTNE_IDENTITY);
  }
  for (size_t n = 1; n <= 50; n++) test_gemm_i8(3, n, 128, ATTNE_ADD, ATTNE_IDENTITY);
  for (int f = ATTNE_IDENTITY; f <= ATTNE_SIGMOID; f++) {
    test_gemm_i8(15, 37, 32, ATTNE_SET, (attne_activation)f);
  }
  static const size_t group_sizes[] = {127, 128, 129, 130, 132, 192, 255, 256, 257, 1536};
  for (size_t i = 0; i < sizeof group_sizes / sizeof group_sizes[0]; i++) {
    test_gemm_i8(13, 33, group_sizes[i], i % 2 ? ATTNE_SET : ATTNE_ADD, ATTNE_IDENTITY);
  }

  /* The largest sums, all of one sign: rows that rotate to a constant and to zero, and
  ** numbers of which none is 0. */
  for (int sign = -1; sign <= 1; sign++) {
    size_t m = 4, n = 17, k = 3001;
    for (size_t i = 0; i < m * k; i++) a[i] = (float)(sign * (int)(i / k));
    for (size_t i = 0; i < n * k; i++) weights_i8[i] = i / k % 2 ? 127 : -127;
    compare_gemm_i8(m, n, k, ATTNE_SET, ATTNE_IDENTITY, 1);
  }

  /* A number that is not finite, or is not when it is rotated, spoils its row and no
  ** other. */
  static const uint32_t special[][2] = {{0x7F800000, 0},
                                        {0xFFC00000, 0},
                                        {0x7F7FFFFF, 0x7F7FFFFF},
                                        {0x7F7FFFFF, 0},
                                        {0x00000001, 0}};
  for (size_t s = 0; s < 5; s++) {
    fill(3 * 64, a);
    a[64 + 5] = from_bits(special[s][0]);
    a[64 + 9] = from_bits(special[s][1]);
    compare_gemm_i8(3, 20, 64, ATTNE_SET, ATTNE_IDENTITY, 0);
    CHECK(isnan(row_scale[1]) == (s < 3));
    CHECK(!isnan(row_scale[0]) && !isnan(row_scale[2]));
  }

  /* Groups have scales of their own: what is small in one is not lost beside what is
  ** large in another; and one that is zero or not finite is so by itself. */
  fill(2 * 328, a);
  for (size_t k = 0; k < 128; k++) a[k] *= 1e-6f;
  memset(a + 128, 0, 128 * sizeof *a);
  a[328 + 256] = INFINITY;
  compare_gemm_i8(2, 20, 328, ATTNE_SET, ATTNE_IDENTITY, 0);
  CHECK(row_scale[0] > 0 && row_scale[0] < 1e-5f && row_scale[1] == 0 &&
        row_scale[2] > 0.01f);
  CHECK(row_scale[3] > 0.01f && row_scale[4] > 0.01f && isnan(row_scale[5]));
}

/* ---------------------------------------------------------------------- packing */

/* Packs x[n, k] in two pieces, by rows and by columns: both are packed[p][k][j] = x[16 p
** + j][k], and what fills up the last panel is not written. */
static void test_pack(size_t n, size_t k, size_t cut) {
  enum { MOST = 64 * 64 };
  static float x[MOST], turned[MOST], by_rows[MOST], by_columns[MOST];
  const size_t size = attne_packed_size(n, k);
  int same = size <= MOST && cut <= n;
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < k; j++)
      turned[j * n + i] = x[i * k + j] = (float)(i * k + j + 1);
  }
  memset(by_rows, 0, sizeof by_rows);
  memset(by_columns, 0, sizeof by_columns);
  attne_pack_rows(cut, n - cut, k, x + cut * k, k, by_rows);
  attne_pack_rows(0, cut, k, x, k, by_rows);
  const size_t cut_k = cut < k ? cut : k;
  attne_pack_columns(0, cut_k, k, n, turned, n, by_columns);
  attne_pack_columns(cut_k, k - cut_k, k, n, turned + cut_k * n, n, by_columns);
  for (size_t at = 0; same && at < size; at++) {
    const size_t output = at / (16 * k) * 16 + at % 16, input = at / 16 % k;
    const float expected = output < n ? x[output * k + input] : 0;
    same = by_rows[at] == expected && by_columns[at] == expected;
  }
  if (!same) printf("! packing %zu x %zu, cut at %zu\n", n, k, cut);
  CHECK(same);
}

static void test_packing(void) {
  for (size_t n = 1; n <= 40; n += n < 20 ? 1 : 7) {
    for (size_t k = 1; k <= 33; k += k < 9 ? 1 : 8) {
      for (size_t cut = 0; cut <= n; cut += cut < 6 ? 1 : 5) test_pack(n, k, cut);
    }
  }
}

/* --------------------------------------------------------------------- dispatch */

static void test_dispatch(void) {
  attn_error err = {""};
  CHECK_STATUS(ATTN_INVALID, attn_isa_init("sse9", &err),
               "ATTN_ISA is \"sse9\", expected one of scalar, avx2, avx512, avx512vnni, "
               "neon, dotprod");
  CHECK(attn_isa_init("scalar", &err) == ATTN_OK);
  CHECK(attne_kernels_by_name(attn_isa_name()) ==
        attne_kernels_get()); /* the first choice */
  CHECK(attne_kernels_by_name("sse9") == NULL);
  CHECK(attne_kernels_by_name("scalar") != NULL);
  /* A tier without one of its kernels must not pass for one that has it. */
  size_t n_tier = 0;
  for (const attne_kernels *t = NULL; (t = attne_kernels_next(t)) != NULL; n_tier++) {
    CHECK(t->f32 && t->i8 && t->scan && t->code);
    CHECK(attne_kernels_by_name(t->name) == t);
  }
  CHECK(n_tier >= 1);
  const char *wanted = getenv("ATTN_ISA");
  if (wanted && attne_kernels_by_name(wanted))
    CHECK(strcmp(attn_isa_name(), wanted) == 0);
}

/* test_kernels --tiers lists the tiers of this machine: tests/run asks for them. */
static int list_tiers(void) {
  for (const attne_kernels *t = NULL; (t = attne_kernels_next(t)) != NULL;) puts(t->name);
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--tiers") == 0) return list_tiers();
  unit_begin();
  test_dispatch();
  test_packing();
  test_fma();
  test_accuracy();
  test_ends_of_range();
  state = SEED; /* whatever ATTN_TEST_FMA is */
  test_gemms();
  test_special_numbers();
  test_rows();
  test_rotation();
  test_gemms_i8();
  CHECK(hash == all_results);
  if (hash != all_results) printf("! the hash is %016llx\n", (unsigned long long)hash);
  test_rms_norm();
  test_chains();
  test_continues();
  return unit_end();
}
