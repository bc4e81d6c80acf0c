/*
** test_train_encoder.c - a BERT encoder that learns: loss, gradients and AdamW by PyTorch
** (tests/fixtures/train), gradients by finite differences with dropout at work, and the
** same bits for any number of threads.
** isa: all
*/
#include "unit.h"
#include "../../engine/kernels/kernels.h"
#include "../../engine/train/bert.h"
#include "../../engine/base/random.h"
#include <math.h>

enum { MAX_ROWS = 400 };

typedef struct example {
  attne_bert_batch batch;
  uint32_t id[MAX_ROWS], begin[MAX_ROWS + 1];
  uint32_t masked_begin[MAX_ROWS + 1], row[MAX_ROWS], target[MAX_ROWS];
} example;

static void point(example *e, size_t n) {
  e->batch = (attne_bert_batch){n, e->id, e->begin, e->masked_begin, e->row, e->target};
}

static double number(FILE *f) {
  double x = NAN;
  CHECK(fscanf(f, "%lf", &x) == 1);
  return x;
}

static uint32_t whole(FILE *f) {
  return (uint32_t)number(f);
}

/* ----------------------------------------------------------------------- PyTorch */

static void read_example(FILE *f, example *e) {
  uint32_t n = whole(f), n_masked;
  for (uint32_t i = 0; i < n; i++) e->begin[i + 1] = e->begin[i] + whole(f);
  for (uint32_t i = 0; i < e->begin[n]; i++) e->id[i] = whole(f);
  n_masked = whole(f);
  for (uint32_t i = 0, text = 0; i < n_masked; i++) {
    e->row[i] = whole(f);
    e->target[i] = whole(f);
    while (e->row[i] >= e->begin[text + 1]) e->masked_begin[++text] = i;
    for (uint32_t k = text; k < n; k++) e->masked_begin[k + 1] = i + 1;
  }
  point(e, n);
}

static double worst(size_t n, const float *x, const double *y) {
  double most = 0;
  for (size_t i = 0; i < n; i++) {
    double d = fabs((double)x[i] - y[i]);
    if (!(d <= most)) most = d;
  }
  return most;
}

static double largest(size_t n, const double *x) {
  double most = 0;
  for (size_t i = 0; i < n; i++) most = fabs(x[i]) > most ? fabs(x[i]) : most;
  return most;
}

/* Tensors in the order of the file, which is that of attne_bert_tensors. */
typedef struct expected {
  attne_bert_tensor tensor[ATTNE_BERT_TENSORS];
  size_t n;
  double *gradient, *after; /* [bert.n] */
} expected;

static void read_tensors(FILE *f, attne_bert *b, expected *e) {
  char name[100];
  e->n = attne_bert_tensors(b, e->tensor);
  CHECK(e->n == whole(f));
  for (size_t i = 0; i < e->n; i++) {
    const attne_bert_tensor *t = &e->tensor[i];
    size_t n = (size_t)(t->n_row * (t->n_column ? t->n_column : 1));
    CHECK(fscanf(f, "%99s", name) == 1 && strcmp(name, t->name) == 0);
    CHECK(whole(f) == n);
    for (size_t k = 0; k < n; k++) b->weight[t->at + k] = (float)number(f);
    for (size_t k = 0; k < n; k++) e->gradient[t->at + k] = number(f);
    for (size_t k = 0; k < n; k++) e->after[t->at + k] = number(f);
  }
}

static size_t tensor_size(const attne_bert_tensor *t) {
  return (size_t)(t->n_row * (t->n_column ? t->n_column : 1));
}

static void test_reference(void) {
  static example e;
  static expected x;
  attne_bert b = {0};
  FILE *f = fopen("tests/fixtures/train/encoder.txt", "r");
  if (!f) {
    CHECK(f != NULL);
    return;
  }
  attne_bert_shape shape = {0};
  shape.n_vocab = whole(f), shape.d_model = whole(f), shape.n_layer = whole(f);
  shape.n_head = whole(f), shape.d_ff = whole(f), shape.max_length = whole(f);
  shape.max_token = 32, shape.max_masked = 8;
  read_example(f, &e);
  double expected_loss = number(f), loss = 0;
  attne_adamw adamw = {.rate = number(f)};
  adamw.beta1 = number(f), adamw.beta2 = number(f), adamw.eps = number(f);
  adamw.decay = number(f), adamw.clip = number(f);
  attne_bert_place(&b, &shape);
  CHECK(attne_bert_alloc(&b, 1, NULL) == ATTN_OK);
  x.gradient = calloc(b.n, sizeof(double));
  x.after = calloc(b.n, sizeof(double));
  read_tensors(f, &b, &x);
  fclose(f);

  CHECK(attne_bert_gradient(&b, &(attne_bert_pass){.batch = &e.batch}, &loss) == ATTN_OK);
  CHECK(fabs(loss / expected_loss - 1) < 1e-6);
  double all = largest(b.n, x.gradient), most = 0;
  for (size_t i = 0; i < x.n; i++) {
    const attne_bert_tensor *t = &x.tensor[i];
    size_t n = tensor_size(t);
    double size = largest(n, x.gradient + t->at);
    double error = worst(n, b.gradient + t->at, x.gradient + t->at);
    /* A key's bias has none: it moves all scores of a query alike. */
    int is_zero = size < 1e-12 * all;
    double relative = error / (is_zero ? all : size);
    if (!(relative < 1e-5)) printf("! %s: %g\n", t->name, relative);
    CHECK(relative < 1e-5);
    if (relative > most) most = relative;
  }

  /* Two steps with PyTorch's gradient. */
  for (size_t i = 0; i < b.n; i++) b.gradient[i] = (float)x.gradient[i];
  for (adamw.step = 1; adamw.step <= 2; adamw.step++)
    CHECK(attne_bert_step(&b, &adamw) > 0);
  most = 0;
  for (size_t i = 0; i < x.n; i++) {
    const attne_bert_tensor *t = &x.tensor[i];
    if (strstr(t->name, "key.bias")) continue; /* a sign of what is no number */
    double error = worst(tensor_size(t), b.weight + t->at, x.after + t->at);
    if (!(error < 1e-6)) printf("! %s: %g\n", t->name, error);
    CHECK(error < 1e-6);
  }
  free(x.gradient);
  free(x.after);
  attne_bert_free(&b);
  CHECK(unit_live == 0);
}

/* ------------------------------------------------------------ finite differences */

/* Texts of 1, 2, ... tokens, some of them masked. */
static void make_example(example *e, uint32_t n_text, uint32_t n_vocab) {
  uint32_t at = 0, n_masked = 0;
  for (uint32_t i = 0; i < n_text; i++) {
    uint32_t n = 1 + (i * 7) % 20;
    for (uint32_t k = 0; k < n; k++, at++) {
      e->id[at] = attne_random_below(attne_random_at(1, at), n_vocab);
      if (k % 4 == 1) {
        e->row[n_masked] = at;
        e->target[n_masked++] = attne_random_below(attne_random_at(2, at), n_vocab);
      }
    }
    e->begin[i + 1] = at;
    e->masked_begin[i + 1] = n_masked;
  }
  point(e, n_text);
}

static const attne_bert_shape shape = {.n_vocab = 70,
                                       .d_model = 32,
                                       .n_layer = 2,
                                       .n_head = 2,
                                       .d_ff = 80,
                                       .max_length = 20,
                                       .max_token = MAX_ROWS,
                                       .max_masked = MAX_ROWS / 4};

static void make_bert(attne_bert *b, uint32_t n_thread) {
  memset(b, 0, sizeof *b);
  attne_bert_place(b, &shape);
  CHECK(attne_bert_alloc(b, n_thread, NULL) == ATTN_OK);
  attne_bert_first_weights(b, 5);
}

static double loss_at(attne_bert *b, const attne_bert_pass *pass, const float *weight,
                      const float *direction, float by) {
  double loss = NAN;
  for (size_t i = 0; i < b->n; i++) b->weight[i] = weight[i] + by * direction[i];
  CHECK(attne_bert_gradient(b, pass, &loss) == ATTN_OK);
  return loss;
}

/* The slope of the loss within the n numbers from `at` on, in the direction of their
** gradient. */
static void check_slope(attne_bert *b, const attne_bert_pass *pass, const char *name,
                        const float *weight, const float *gradient, size_t at, size_t n) {
  const float by = 4e-3f;
  double size = 0;
  float *direction = calloc(b->n, sizeof *direction);
  for (size_t k = at; k < at + n; k++) size += (double)gradient[k] * (double)gradient[k];
  double slope = sqrt(size);
  for (size_t k = at; k < at + n; k++)
    direction[k] = (float)((double)gradient[k] / slope);
  double found = (loss_at(b, pass, weight, direction, by) -
                  loss_at(b, pass, weight, direction, -by)) /
                 (2 * (double)by);
  int is_near = fabs(found - slope) < 2e-2 * slope + 2e-4;
  if (!is_near) printf("! %s: %g, expected %g\n", name, slope, found);
  CHECK(is_near);
  free(direction);
}

/* Within each tensor, and of words at either end of a block of them. */
static void test_differences(void) {
  static const uint32_t words[] = {0, ATTNE_BERT_BLOCK - 1, ATTNE_BERT_BLOCK, 69};
  static example e;
  static attne_bert_tensor tensor[ATTNE_BERT_TENSORS];
  attne_bert b;
  make_example(&e, 9, shape.n_vocab);
  for (size_t i = 0; i < 12; i++) e.id[7 * i] = words[i % 4];
  make_bert(&b, 1);
  for (size_t i = 0; i < b.n_decay; i++) b.weight[i] *= 10; /* so that all is at work */
  attne_bert_pass pass = {.batch = &e.batch, .dropout = 0.3, .key = 77};
  float *weight = malloc(2 * b.n * sizeof *weight), *gradient = weight + b.n;
  double loss;
  CHECK(attne_bert_gradient(&b, &pass, &loss) == ATTN_OK);
  memcpy(weight, b.weight, b.n * sizeof *weight);
  memcpy(gradient, b.gradient, b.n * sizeof *weight);
  size_t n = attne_bert_tensors(&b, tensor);
  for (size_t i = 0; i < n; i++) {
    const size_t at = tensor[i].at, size = tensor_size(&tensor[i]);
    if (strstr(tensor[i].name, "key.bias")) {
      for (size_t k = at; k < at + size; k++) CHECK(fabsf(gradient[k]) < 3e-5f);
    } else {
      check_slope(&b, &pass, tensor[i].name, weight, gradient, at, size);
    }
  }
  for (size_t i = 0; i < 4; i++) {
    check_slope(&b, &pass, "a word", weight, gradient, b.word + words[i] * shape.d_model,
                shape.d_model);
  }
  free(weight);
  attne_bert_free(&b);
}

/* ---------------------------------------------------------------------- same bits */

static uint64_t hash_floats(uint64_t hash, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    hash = (hash ^ bits) * UINT64_C(0x100000001B3);
  }
  return hash;
}

static uint64_t train(uint32_t n_thread, double dropout, double *last) {
  static example e;
  attne_bert b;
  attn_set_threads(n_thread);
  make_example(&e, 16, shape.n_vocab);
  make_bert(&b, n_thread);
  attne_adamw adamw = {
      .rate = 3e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01, .clip = 1};
  for (uint64_t i = 1; i <= 5; i++) {
    attne_bert_pass pass = {.batch = &e.batch, .dropout = dropout, .key = i};
    CHECK(attne_bert_gradient(&b, &pass, last) == ATTN_OK);
    adamw.step = i;
    attne_bert_step(&b, &adamw);
  }
  uint64_t hash = hash_floats(hash_floats(1, b.weight, b.n), b.second, b.n);
  attne_bert_free(&b);
  attn_set_threads(0);
  return hash;
}

static void test_bits(void) {
  double loss, plain;
  uint64_t one = train(1, 0.1, &loss);
  CHECK(loss < log(70));
  CHECK(train(3, 0.1, &loss) == one);
  const attne_kernels *best = attne_kernels_get();
  attne_kernels_use(attne_kernels_by_name("scalar"));
  CHECK(train(2, 0.1, &loss) == one);
  attne_kernels_use(best);
  CHECK(train(1, 0, &plain) != one);
}

/* The kernel that both values of an activation come from. */
/* Normal numbers of mean 0 and standard deviation 0.02. */
static void test_first_weights(void) {
  attne_bert b;
  double sum = 0, squares = 0;
  make_bert(&b, 1);
  for (size_t i = 0; i < b.n_decay; i++) {
    sum += (double)b.weight[i];
    squares += (double)b.weight[i] * (double)b.weight[i];
  }
  double n = (double)b.n_decay, mean = sum / n;
  CHECK(fabs(mean) < 5 * 0.02 / sqrt(n));
  CHECK(fabs(sqrt(squares / n - mean * mean) - 0.02) < 5 * 0.02 / sqrt(2 * n));
  attne_bert_free(&b);
}

static void test_gelu(void) {
  float x[37], y[37];
  for (int i = 0; i < 37; i++) x[i] = (float)(i - 18) * 0.43f;
  float before[37];
  memcpy(before, x, sizeof x);
  attne_kernels_get()->f32->gelu(37, x, y);
  for (int i = 0; i < 37; i++) {
    double u = (double)before[i], p = 0.5 * erfc(-u / sqrt(2));
    double slope = p + u * exp(-u * u / 2) / sqrt(2 * acos(-1));
    CHECK(fabs((double)y[i] - u * p) < 1e-6);
    CHECK(fabs((double)x[i] - slope) < 1e-6);
  }
}

static int stop_now(void *ctx) {
  return --*(int *)ctx < 0;
}

static void test_failures(void) {
  static example e;
  attne_bert b;
  double loss;
  make_example(&e, 9, shape.n_vocab);
  for (int n = 1;; n++) {
    memset(&b, 0, sizeof b);
    attne_bert_place(&b, &shape);
    unit_fail_at = n, unit_count = 0;
    attn_status rc = attne_bert_alloc(&b, 2, NULL);
    int is_whole = unit_count < n;
    unit_fail_at = 0;
    attne_bert_free(&b);
    CHECK(unit_live == 0);
    if (rc == ATTN_OK && is_whole) break;
    CHECK(rc == ATTN_NOMEM);
  }
  make_bert(&b, 1);
  for (int n = 0; n < 4; n++) {
    int left = n;
    attne_bert_pass pass = {.batch = &e.batch, .stop = stop_now, .ctx = &left};
    CHECK(attne_bert_gradient(&b, &pass, &loss) == ATTN_INTERRUPTED);
  }
  attne_bert_free(&b);
}

/* ------------------------------------------------------------- the kind of training */

#define TEXT(p, t)                                                                       \
  { .path = p, .kind = ATTN_TEXT, .text = t, .n_text = sizeof t - 1 }
#define WHOLE(p, n)                                                                      \
  { .path = p, .kind = ATTN_INTEGER, .integer = n, .real = n }

static attn_tokenizer *new_words(void) {
  static const char *const token[] = {"[UNK]"};
  static const uint32_t n_token[] = {5};
  attn_vocab vocab = {.token = token, .n_token = n_token, .n = 1};
  attn_setting setting[] = {TEXT("$.model.type", "WordLevel"),
                            TEXT("$.model.unk_token", "[UNK]"),
                            {.path = "$.pre_tokenizer", .kind = ATTN_OBJECT},
                            TEXT("$.pre_tokenizer.type", "BertPreTokenizer")};
  attn_settings settings = {setting, sizeof setting / sizeof *setting};
  attn_tokenizer *t = NULL;
  CHECK(attn_tokenizer_new(&settings, &vocab, NULL, &t) == ATTN_OK);
  return t;
}

/* A whole training: the words of the vocabulary in one text, and the last loss. */
static attn_status train_kind(const attn_tokenizer *words, char *vocabulary,
                              double *loss) {
  attn_setting setting[] = {{.path = "$", .kind = ATTN_OBJECT},
                            TEXT("$.kind", "encoder"),
                            WHOLE("$.d_model", 8),
                            WHOLE("$.n_head", 2),
                            WHOLE("$.d_ff", 8),
                            WHOLE("$.max_length", 5),
                            WHOLE("$.min_count", 2),
                            WHOLE("$.batch", 3),
                            WHOLE("$.epochs", 2),
                            WHOLE("$.threads", 2)};
  attn_settings settings = {setting, sizeof setting / sizeof *setting};
  attn_trainer *t = NULL;
  attn_train_progress progress = {0};
  attn_train_result result;
  attn_status rc = attn_trainer_new(&settings, NULL, &t);
  if (rc == ATTN_OK) {
    attn_trainer_set_words(t, words);
    for (int i = 0; rc == ATTN_OK && i < 5; i++) {
      rc = attn_trainer_add(t, (attn_text){"a b rare a b a odd", i ? 12 : 18}, NULL);
    }
  }
  if (rc == ATTN_OK) rc = attn_trainer_prepare(t, NULL);
  do {
    if (rc == ATTN_OK) rc = attn_trainer_step(t, NULL, NULL, NULL);
    if (rc == ATTN_OK) attn_trainer_progress(t, &progress);
  } while (rc == ATTN_OK && progress.step < progress.n_step);
  if (rc == ATTN_OK) rc = attn_trainer_result(t, NULL, &result);
  *vocabulary = 0;
  for (uint32_t i = 0; rc == ATTN_OK && i < result.n_token; i++) {
    attn_text token = result.token(t, i);
    strncat(vocabulary, token.text, token.n_text);
    strcat(vocabulary, " ");
  }
  *loss = progress.loss;
  attn_trainer_free(t);
  return rc;
}

static void test_kind(void) {
  char vocabulary[1000];
  double loss = 0;
  attn_tokenizer *words = new_words();
  int live = unit_live;
  attn_set_threads(2);
  for (int n = 1;; n++) {
    unit_fail_at = n, unit_count = 0;
    attn_status rc = train_kind(words, vocabulary, &loss);
    CHECK(unit_live == live);
    if (rc == ATTN_OK && unit_count < n) break;
    CHECK(rc == ATTN_NOMEM);
  }
  unit_fail_at = 0;
  attn_set_threads(0);
  CHECK(strcmp(vocabulary, "[PAD] [UNK] [CLS] [SEP] [MASK] a b rare ") == 0);
  CHECK(loss > 0 && loss < 5);
  attn_tokenizer_free(words);
}

int main(void) {
  unit_begin();
  test_first_weights();
  test_gelu();
  test_reference();
  test_differences();
  test_bits();
  test_failures();
  test_kind();
  CHECK(unit_live == 0);
  return unit_end();
}
