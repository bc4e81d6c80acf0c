/*
** test_train.c - CBOW: the vocabulary and the subsampling of gensim, one step of gradient
** descent by PyTorch (tests/fixtures/train), and the same bits whenever a run is cut.
** isa: all
*/
#include "unit.h"
#include "../../engine/kernels/kernels.h"
#include "../../engine/train/corpus.h"
#include <math.h>

#define FIXTURES "tests/fixtures/"

static FILE *open_file(const char *name) {
  FILE *f = fopen(name, "rb");
  if (!f) {
    printf("! cannot open %s\n", name);
    exit(1);
  }
  return f;
}

/* --------------------------------------------------------------------- tokenizer */

#define TEXT(p, t)                                                                       \
  { .path = p, .kind = ATTN_TEXT, .text = t, .n_text = sizeof t - 1 }

static attn_tokenizer *new_words(void) {
  static const char *const token[] = {"[UNK]"};
  static const uint32_t n_token[] = {5};
  attn_vocab vocab = {.token = token, .n_token = n_token, .n = 1};
  attn_setting setting[] = {TEXT("$.model.type", "WordLevel"),
                            TEXT("$.model.unk_token", "[UNK]"),
                            TEXT("$.normalizer.type", "BertNormalizer"),
                            {.path = "$.normalizer", .kind = ATTN_OBJECT},
                            {.path = "$.pre_tokenizer", .kind = ATTN_OBJECT},
                            TEXT("$.pre_tokenizer.type", "BertPreTokenizer")};
  attn_settings settings = {setting, sizeof setting / sizeof *setting};
  attn_tokenizer *t;
  CHECK(attn_tokenizer_new(&settings, &vocab, NULL, &t) == ATTN_OK);
  return t;
}

/* The next line of texts.txt, unescaped; -1 at the end. */
static long next_text(FILE *f, char *out) {
  long n = 0;
  int c;
  while ((c = getc(f)) != EOF && c != '\n') {
    if (c == '\\') c = getc(f) == 'n' ? '\n' : '\\';
    out[n++] = (char)c;
  }
  return c == EOF && n == 0 ? -1 : n;
}

typedef attn_status add_text(void *to, const attn_tokenizer *words, attn_text text);

static attn_status add_texts(void *to, const attn_tokenizer *words, add_text *add) {
  static char text[1 << 16];
  FILE *f = open_file(FIXTURES "st/texts.txt");
  attn_status rc = ATTN_OK;
  long n;
  for (int i = 0; rc == ATTN_OK && i < 200 && (n = next_text(f, text)) >= 0; i++) {
    rc = add(to, words, (attn_text){text, (size_t)n});
  }
  fclose(f);
  return rc;
}

static attn_status to_corpus(void *to, const attn_tokenizer *words, attn_text text) {
  return attne_corpus_add(to, words, text, NULL);
}

/* -------------------------------------------------------------------- vocabulary */

static void test_vocabulary(const attn_tokenizer *words) {
  attne_corpus corpus = {0};
  FILE *f = open_file(FIXTURES "train/vocabulary.txt");
  char word[400];
  unsigned long long count, keep;
  size_t i = 0;
  CHECK(add_texts(&corpus, words, to_corpus) == ATTN_OK);
  CHECK(attne_corpus_finish(&corpus, 2, 0, NULL) == ATTN_OK);
  while (fscanf(f, "%399s %llu %llu", word, &count, &keep) == 3 && i < corpus.words.n) {
    size_t n = (size_t)(corpus.words.begin[i + 1] - corpus.words.begin[i]);
    CHECK(n == strlen(word) &&
          memcmp(word, corpus.words.text + corpus.words.begin[i], n) == 0);
    CHECK(corpus.words.count[i] == count);
    double difference = (double)attne_corpus_keep(&corpus, 1e-3, i) - (double)keep;
    CHECK(fabs(difference) <= 2);
    i++;
  }
  CHECK(i == corpus.words.n && feof(f));
  CHECK(attne_corpus_keep(&corpus, 0, 0) == UINT32_MAX);
  fclose(f);
  /* Every word is in one chunk. */
  CHECK(corpus.n_chunk >= 1 && corpus.chunk[0].begin == 0);
  CHECK(corpus.chunk[corpus.n_chunk].begin == corpus.n_id);
  CHECK(corpus.chunk[corpus.n_chunk].n_before == corpus.n_total);
  attne_corpus_free(&corpus);
}

/* A text that is longer than a chunk is cut; max_word keeps the most frequent. */
static void test_chunks(const attn_tokenizer *words) {
  enum { N = 50000 };
  attne_corpus corpus = {0};
  char *text = malloc(2 * N);
  for (int i = 0; i < N; i++) memcpy(text + 2 * i, i % 3 ? "a " : "b ", 2);
  CHECK(attne_corpus_add(&corpus, words, (attn_text){text, 2 * N}, NULL) == ATTN_OK);
  CHECK(attne_corpus_add(&corpus, words, (attn_text){"c", 1}, NULL) == ATTN_OK);
  CHECK(attne_corpus_add(&corpus, words, (attn_text){"  ", 2}, NULL) == ATTN_OK);
  CHECK(attne_corpus_finish(&corpus, 1, 2, NULL) == ATTN_OK);
  CHECK(corpus.words.n == 2 && corpus.words.text[0] == 'a' && corpus.n_total == N);
  CHECK(corpus.n_id == N + 1 && corpus.n_chunk == 3);
  CHECK(corpus.chunk[1].n_before == ATTNE_CHUNK_MAX);
  free(text);
  attne_corpus_free(&corpus);
}

/* -------------------------------------------------------------------------- step */

/* n rows of d numbers, in rows of `stride`. */
static void read_numbers(FILE *f, int n, int d, int stride, float *out) {
  memset(out, 0, (size_t)(n * stride) * sizeof *out);
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < d; k++) CHECK(fscanf(f, "%f", &out[i * stride + k]) == 1);
  }
}

static double difference(int n, const float *a, const float *b) {
  double most = 0;
  for (int i = 0; i < n; i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
  return most;
}

static void test_step(void) {
  enum { STRIDE = 32, N = 9 * STRIDE };
  static _Alignas(64) float in[N], out[N], hidden[STRIDE], gradient[STRIDE];
  float expected_in[N], expected_out[N], p[16], expected_p[16];
  uint32_t context[16], target[16];
  int n_row, d, n_context, n_target;
  float alpha;
  FILE *f = open_file(FIXTURES "train/step.txt");
  CHECK(fscanf(f, "%d %d %d %d %f", &n_row, &d, &n_context, &n_target, &alpha) == 5);
  for (int i = 0; i < n_context; i++) CHECK(fscanf(f, "%u", &context[i]) == 1);
  for (int i = 0; i < n_target; i++) CHECK(fscanf(f, "%u", &target[i]) == 1);
  read_numbers(f, n_row, d, STRIDE, in);
  read_numbers(f, n_row, d, STRIDE, out);
  read_numbers(f, 1, n_target, n_target, expected_p);
  read_numbers(f, n_row, d, STRIDE, expected_in);
  read_numbers(f, n_row, d, STRIDE, expected_out);
  fclose(f);
  attne_cbow c = {STRIDE,           in,    out,    context,  target, (size_t)n_context,
                  (size_t)n_target, alpha, hidden, gradient, p};
  attne_kernels_get()->f32->cbow(&c);
  CHECK(difference(n_target, p, expected_p) < 1e-6);
  CHECK(difference(N, in, expected_in) < 1e-6);
  CHECK(difference(N, out, expected_out) < 1e-6);
}

/* --------------------------------------------------------------------------- runs */

static attn_status to_trainer(void *to, const attn_tokenizer *words, attn_text text) {
  (void)words;
  return attn_trainer_add(to, text, NULL);
}

#define INTEGER(p, i)                                                                    \
  { .path = p, .kind = ATTN_INTEGER, .integer = i, .real = i }

static attn_status new_run(const attn_tokenizer *words, attn_trainer **out) {
  attn_setting setting[] = {{.path = "$", .kind = ATTN_OBJECT},
                            INTEGER("$.dim", 20),
                            INTEGER("$.epochs", 3),
                            INTEGER("$.\"min_count\"", 2)};
  attn_settings settings = {setting, 4};
  attn_error err;
  attn_status rc = attn_trainer_new(&settings, &err, out);
  if (rc != ATTN_OK) return rc;
  attn_trainer_set_words(*out, words);
  rc = add_texts(*out, words, to_trainer);
  if (rc == ATTN_OK) rc = attn_trainer_prepare(*out, &err);
  if (rc != ATTN_OK) {
    attn_trainer_free(*out);
    *out = NULL;
  }
  return rc;
}

static void hash_result(attn_trainer *t, char hex[65]) {
  attn_train_result result;
  attn_sha256 hash;
  CHECK(attn_trainer_result(t, NULL, &result) == ATTN_OK && result.n_tensor == 1);
  attn_sha256_init(&hash);
  attn_sha256_update(&hash, result.data[0], (size_t)result.tensor[0].n_byte);
  attn_sha256_final(&hash, hex);
}

static void run_to_end(attn_trainer *t, char hex[65]) {
  attn_train_progress p;
  do {
    CHECK(attn_trainer_step(t, NULL, NULL, NULL) == ATTN_OK);
    attn_trainer_progress(t, &p);
    CHECK(p.loss > 0 && p.loss < 5 && p.learning_rate > 0 && p.learning_rate <= 0.025);
  } while (p.step < p.n_step);
  CHECK(p.n_word == p.n_word_all && p.epoch == 3);
  hash_result(t, hex);
}

static void test_resume(const attn_tokenizer *words) {
  attn_trainer *whole, *first, *second;
  attn_train_block from[ATTN_TRAIN_BLOCKS], to[ATTN_TRAIN_BLOCKS];
  char expected[65], got[65], corpus[2][65];
  CHECK(new_run(words, &whole) == ATTN_OK);
  run_to_end(whole, expected);
  for (uint64_t n = 0; n < 3; n++) {
    CHECK(new_run(words, &first) == ATTN_OK && new_run(words, &second) == ATTN_OK);
    for (uint64_t i = 0; i < n; i++) {
      CHECK(attn_trainer_step(first, NULL, NULL, NULL) == ATTN_OK);
    }
    int n_block = attn_trainer_blocks(first, from);
    CHECK(n_block == 2 && attn_trainer_blocks(second, to) == 2);
    for (int i = 0; i < n_block; i++) {
      CHECK(from[i].n == to[i].n);
      memcpy(to[i].data, from[i].data, from[i].n * sizeof(float));
    }
    CHECK(attn_trainer_seek(second, n, NULL) == ATTN_OK);
    attn_trainer_corpus(first, corpus[0]);
    attn_trainer_corpus(second, corpus[1]);
    CHECK(strcmp(corpus[0], corpus[1]) == 0);
    run_to_end(second, got);
    CHECK(strcmp(got, expected) == 0);
    attn_trainer_free(first);
    attn_trainer_free(second);
  }
  attn_trainer_free(whole);
  CHECK(strncmp(expected, "e0dbae84ecaaf449", 16) == 0); /* on every instruction set */
}

static void test_no_memory(const attn_tokenizer *words) {
  int live = unit_live, done = 0;
  for (int n = 1; !done; n++) {
    attn_trainer *t;
    unit_fail_at = n, unit_count = 0;
    attn_status status = new_run(words, &t);
    done = status == ATTN_OK && unit_count < n;
    CHECK(done || status == ATTN_NOMEM);
    attn_trainer_free(t);
    CHECK(unit_live == live);
  }
  unit_fail_at = 0;
}

/* A text is not cut where there is no memory for one of its words. */
static void test_no_word(const attn_tokenizer *words) {
  char text[8000];
  size_t n_text = 0;
  int live = unit_live, done = 0;
  for (int i = 0; i < 1000; i++) n_text += (size_t)sprintf(text + n_text, "w%d ", i);
  for (int n = 1; !done; n++) {
    attne_corpus corpus = {0};
    CHECK(attne_corpus_add(&corpus, words, (attn_text){"a", 1}, NULL) == ATTN_OK);
    unit_fail_at = n, unit_count = 0;
    attn_status status =
        attne_corpus_add(&corpus, words, (attn_text){text, n_text}, NULL);
    unit_fail_at = 0;
    done = unit_count < n;
    CHECK(status == (done ? ATTN_OK : ATTN_NOMEM));
    attne_corpus_free(&corpus);
    CHECK(unit_live == live);
  }
}

int main(void) {
  unit_begin();
  attn_tokenizer *words = new_words();
  test_vocabulary(words);
  test_chunks(words);
  test_step();
  test_resume(words);
  test_no_memory(words);
  test_no_word(words);
  attn_tokenizer_free(words);
  CHECK(unit_live == 0);
  return unit_end();
}
