/*
** cbow_trainer.c - the latent space by cloze: CBOW with negative sampling.
**
** Mikolov, Sutskever, Chen, Corrado and Dean, "Distributed Representations of Words and
** Phrases and their Compositionality" (2013), with the numbers of word2vec.c and gensim:
**
**   subsampling  a word of n among N is kept with min(1, sqrt(t / f) + t / f), f = n / N,
**                t = sample
**   window       1 .. window words on either side, drawn anew for each word
**   context      the mean of their rows in the table of words
**   negative     words drawn with weight n^(3/4); one that is the word itself is passed over
**   step         one of gradient descent (kernels.h); its rate falls linearly from alpha to
**                min_alpha over all epochs
**
** Negative words come from an alias table (Vose 1991): two numbers a draw, however large
** the vocabulary.  Powers of 3/4 are square roots, and all numbers that decide anything
** are made of operations that IEEE 754 rounds exactly, so that one thread gives the same
** bits on every machine.
**
** With more threads, each works at chunks of its own on the same tables without a lock,
** as word2vec does (Recht et al., "Hogwild!", 2011): now and then an update is lost, and
** the result is as good but not the same each time.
**
** Memory: 4 bytes a word of the corpus; 8 bytes x dim (rounded up to 16) a word of the
** vocabulary.
*/
#include "trainer.h"
#include "corpus.h"
#include "../base/deterministic.h"
#include "../base/random.h"
#include "../kernels/kernels.h"
#include "../base/threads.h"
#include <math.h>

enum {
  DIM,
  WINDOW,
  NEGATIVE,
  SAMPLE,
  MIN_COUNT,
  EPOCHS,
  ALPHA,
  MIN_ALPHA,
  SEED,
  THREADS,
  MAX_VOCAB,
  LOWERCASE,
  N_OPTION
};

static const attn_train_option options[N_OPTION] = {
    [DIM] = {"dim", ATTN_OPTION_INTEGER, 100, 1, 4096, 0},
    [WINDOW] = {"window", ATTN_OPTION_INTEGER, 5, 1, 100, 0},
    [NEGATIVE] = {"negative", ATTN_OPTION_INTEGER, 5, 1, ATTNE_CBOW_TARGETS - 1, 0},
    [SAMPLE] = {"sample", ATTN_OPTION_REAL, 1e-3, 0, 1, 0},
    [MIN_COUNT] = {"min_count", ATTN_OPTION_INTEGER, 5, 1, 1e9, 0},
    [EPOCHS] = {"epochs", ATTN_OPTION_INTEGER, 5, 1, 100000, 0},
    [ALPHA] = {"alpha", ATTN_OPTION_REAL, 0.025, 1e-6, 1, 0},
    [MIN_ALPHA] = {"min_alpha", ATTN_OPTION_REAL, 0.0001, 0, 1, 0},
    [SEED] = {"seed", ATTN_OPTION_INTEGER, 1, 0, 9007199254740991.0, 0},
    [THREADS] = {"threads", ATTN_OPTION_INTEGER, 1, 1, ATTN_MAX_THREADS, 1},
    [MAX_VOCAB] = {"max_vocab", ATTN_OPTION_INTEGER, 0, 0, 1 << 23, 0},
    [LOWERCASE] = {"lowercase", ATTN_OPTION_BOOL, 1, 0, 1, 0},
};

/* An entry of the alias table: row i is itself below `keep`, else `other`. */
typedef struct alias {
  uint32_t keep, other;
} alias;

/* What one thread works with. */
typedef struct worker {
  uint64_t random;
  uint32_t *text; /* the words of a text that were kept: [ATTNE_CHUNK_MAX] */
  float *hidden, *gradient;
  double likelihood, log_likelihood; /* a product, and the log of those before */
  uint64_t n_example;
} worker;

typedef struct cbow {
  attn_trainer base;
  attne_corpus corpus;
  uint32_t n_row;  /* words and the unknown one, which is row 0 */
  size_t stride;   /* floats of a row */
  float *in, *out; /* [n_row, stride] */
  uint32_t *keep;  /* [n_row]: a word is kept where 32 random bits are not above it */
  alias *negative; /* [n_row - 1]: word i is row i + 1 */
  worker worker[ATTN_MAX_THREADS];
  uint32_t n_worker;
  attn_tensor tensor; /* the result */
  const float *data;
} cbow;

static uint32_t option(const cbow *c, int i) {
  return (uint32_t)c->base.value[i];
}

static uint64_t n_step(const cbow *c) {
  return (uint64_t)c->corpus.n_chunk * option(c, EPOCHS);
}

/* ---------------------------------------------------------------------- random */

/* The numbers of a stream one after the other. */
static uint64_t next_random(uint64_t *state) {
  return attne_random_mix(*state += UINT64_C(0x9E3779B97F4A7C15));
}

/* A stream of its own for each number. */
static uint64_t random_stream(const cbow *c, uint64_t number) {
  return attne_random_key((uint64_t)c->base.value[SEED], number);
}

/* 0 .. n - 1 from the low 32 bits. */
static uint32_t below(uint64_t random, uint32_t n) {
  return (uint32_t)((random & UINT32_MAX) * n >> 32);
}

/* ---------------------------------------------------------------------- tables */

/* Each entry takes part of what is above the average from another one. */
static attn_status make_negative(cbow *c, attn_error *err) {
  uint32_t n = c->n_row - 1, n_small = 0, n_large = 0;
  double *share = attne_alloc(n * sizeof *share), sum = 0;
  uint32_t *list =
      attne_alloc(n * sizeof *list); /* small ones, and large ones from the end */
  if (share && list) {
    for (uint32_t i = 0; i < n; i++) {
      double root = sqrt((double)c->corpus.words.count[i]);
      sum += share[i] = root * sqrt(root);
    }
    for (uint32_t i = 0; i < n; i++) {
      share[i] = share[i] / sum * n;
      if (share[i] < 1) {
        list[n_small++] = i;
      } else {
        list[n - ++n_large] = i;
      }
    }
    while (n_small && n_large) {
      uint32_t small = list[--n_small], large = list[n - n_large];
      c->negative[small] = (alias){(uint32_t)(share[small] * 0x1p32), large};
      share[large] -= 1 - share[small];
      if (share[large] < 1) {
        n_large--;
        list[n_small++] = large;
      }
    }
    /* What is left is 1 but for rounding. */
    while (n_small) c->negative[list[--n_small]].keep = UINT32_MAX;
    while (n_large) c->negative[list[n - n_large--]].keep = UINT32_MAX;
  }
  attne_release(share);
  attne_release(list);
  return share && list ? ATTN_OK : attne_no_memory(err);
}

static uint32_t draw_negative(const cbow *c, uint64_t random) {
  uint32_t i = below(random, c->n_row - 1);
  return 1 + (random >> 32 < c->negative[i].keep || c->negative[i].keep == UINT32_MAX
                  ? i
                  : c->negative[i].other);
}

/* Words start with numbers from -1/dim to 1/dim, as gensim's, all else with 0. */
static void first_weights(cbow *c) {
  uint32_t dim = option(c, DIM);
  uint64_t n = (uint64_t)c->n_row * c->stride, random = random_stream(c, UINT64_MAX);
  memset(c->in, 0, n * sizeof(float));
  memset(c->out, 0, n * sizeof(float));
  for (uint32_t i = 1; i < c->n_row; i++) {
    for (uint32_t k = 0; k < dim; k++) {
      double x = (double)(next_random(&random) >> 11) * 0x1p-52 - 1;
      c->in[i * c->stride + k] = (float)(x / dim);
    }
  }
}

static attn_status make_worker(const cbow *c, worker *w, attn_error *err) {
  w->text = attne_alloc(ATTNE_CHUNK_MAX * sizeof *w->text);
  w->hidden = attn_alloc_aligned(c->stride * sizeof(float));
  w->gradient = attn_alloc_aligned(c->stride * sizeof(float));
  w->likelihood = 1;
  return w->text && w->hidden && w->gradient ? ATTN_OK : attne_no_memory(err);
}

static attn_status make_tables(cbow *c, attn_error *err) {
  c->n_row = (uint32_t)c->corpus.words.n + 1;
  c->stride = (option(c, DIM) + 15u) / 16 * 16;
  uint64_t n = (uint64_t)c->n_row * c->stride;
  attn_status rc = attn_limit_call(2 * n * sizeof(float), err);
  if (rc != ATTN_OK) return rc;
  c->in = attn_alloc_aligned(n * sizeof(float));
  c->out = attn_alloc_aligned(n * sizeof(float));
  c->keep = attne_alloc_zero(c->n_row * sizeof *c->keep);
  c->negative = attne_alloc_zero(c->n_row * sizeof *c->negative);
  if (!c->in || !c->out || !c->keep || !c->negative) return attne_no_memory(err);
  rc = make_negative(c, err);
  c->n_worker = option(c, THREADS);
  for (uint32_t i = 0; rc == ATTN_OK && i < c->n_worker; i++) {
    rc = make_worker(c, &c->worker[i], err);
  }
  if (rc != ATTN_OK) return rc;
  for (uint32_t i = 1; i < c->n_row; i++) {
    c->keep[i] = attne_corpus_keep(&c->corpus, c->base.value[SAMPLE], i - 1);
  }
  first_weights(c);
  return ATTN_OK;
}

/* -------------------------------------------------------------------- preparing */

static attn_status add_text(attn_trainer *base, attn_text text, attn_error *err) {
  return attne_corpus_add(&((cbow *)base)->corpus, base->words, text, err);
}

/* Is there a text of two words? */
static int has_context(const attne_corpus *corpus) {
  for (uint64_t i = 1; i < corpus->n_id; i++) {
    if (attne_corpus_id(corpus, i) != ATTNE_TEXT_END &&
        attne_corpus_id(corpus, i - 1) != ATTNE_TEXT_END) {
      return 1;
    }
  }
  return 0;
}

static attn_status check_context(const cbow *c, attn_error *err) {
  if (has_context(&c->corpus)) return ATTN_OK;
  return attne_fail(err, ATTN_INVALID,
                    "no text of the corpus has two words beside each other that come %u "
                    "times or more (min_count)",
                    option(c, MIN_COUNT));
}

static attn_status prepare(attn_trainer *base, attn_error *err) {
  cbow *c = (cbow *)base;
  if (c->base.value[MIN_ALPHA] > c->base.value[ALPHA]) {
    return attne_fail(err, ATTN_INVALID,
                      "option min_alpha is %.15g; expected no more than alpha, %.15g",
                      c->base.value[MIN_ALPHA], c->base.value[ALPHA]);
  }
  /* The vocabulary of a model has at most 2^24 tokens. */
  uint32_t max_vocab = option(c, MAX_VOCAB);
  attn_status rc = attne_corpus_finish(&c->corpus, option(c, MIN_COUNT),
                                       max_vocab ? max_vocab : 1 << 23, err);
  if (rc == ATTN_OK) rc = check_context(c, err);
  return rc == ATTN_OK ? make_tables(c, err) : rc;
}

static void hash_corpus(const attn_trainer *base, char sha256[65]) {
  attne_corpus_hash(&((const cbow *)base)->corpus, sha256);
}

/* --------------------------------------------------------------------- training */

static double rate(const cbow *c, uint64_t step) {
  const attne_corpus *corpus = &c->corpus;
  uint64_t epoch = step / corpus->n_chunk;
  double first = c->base.value[ALPHA], last = c->base.value[MIN_ALPHA];
  double done =
      (double)(epoch * corpus->n_total + corpus->chunk[step % corpus->n_chunk].n_before) /
      (double)(corpus->n_total * option(c, EPOCHS));
  return first - (first - last) * done;
}

/* The likelihood is multiplied up, as a log costs as much as half an example. */
static void count_loss(worker *w, const float *p, size_t n) {
  for (size_t t = 0; t < n; t++) {
    double right = t == 0 ? p[0] : 1.0 - p[t];
    w->likelihood *= right > 1e-10 ? right : 1e-10;
    if (w->likelihood < 1e-200) {
      w->log_likelihood += attne_log(w->likelihood);
      w->likelihood = 1;
    }
  }
  w->n_example++;
}

/* The example of word i of the n in w->text. */
static void learn_word(const cbow *c, worker *w, uint32_t n, uint32_t i,
                       attne_cbow *example, void (*kernel)(const attne_cbow *)) {
  uint32_t window = option(c, WINDOW), n_context = 0, n_target = 1;
  uint32_t context[2 * 100], target[ATTNE_CBOW_TARGETS];
  uint32_t reach = 1 + below(next_random(&w->random), window);
  uint32_t first = i > reach ? i - reach : 0, end = n - i > reach ? i + reach + 1 : n;
  for (uint32_t k = first; k < end; k++) {
    if (k != i) context[n_context++] = w->text[k];
  }
  if (n_context == 0) return;
  target[0] = w->text[i];
  for (uint32_t k = 0; k < option(c, NEGATIVE); k++) {
    target[n_target] = draw_negative(c, next_random(&w->random));
    n_target += target[n_target] != target[0];
  }
  example->context = context;
  example->n_context = n_context;
  example->target = target;
  example->n_target = n_target;
  kernel(example);
  count_loss(w, example->p, n_target);
}

static void learn_text(const cbow *c, worker *w, uint32_t n, double alpha) {
  float p[ATTNE_CBOW_TARGETS];
  void (*kernel)(const attne_cbow *) = attne_kernels_get()->f32->cbow;
  attne_cbow example = {.d = c->stride,
                        .in = c->in,
                        .out = c->out,
                        .alpha = (float)alpha,
                        .hidden = w->hidden,
                        .gradient = w->gradient,
                        .p = p};
  for (uint32_t i = 0; i < n; i++) learn_word(c, w, n, i, &example, kernel);
}

static void learn_chunk(const cbow *c, worker *w, uint64_t step) {
  const attne_chunk *chunk = &c->corpus.chunk[step % c->corpus.n_chunk];
  double alpha = rate(c, step);
  uint32_t n = 0;
  w->random = random_stream(c, step);
  for (uint64_t i = chunk->begin; i < chunk[1].begin; i++) {
    uint32_t id = attne_corpus_id(&c->corpus, i);
    if (id != ATTNE_TEXT_END) {
      uint64_t random = next_random(&w->random);
      if (random >> 32 <= c->keep[id]) w->text[n++] = id;
    }
    if (id == ATTNE_TEXT_END || i + 1 == chunk[1].begin) {
      learn_text(c, w, n, alpha);
      n = 0;
    }
  }
}

static void learn_piece(void *ctx, uint32_t slot, size_t i) {
  cbow *c = ctx;
  learn_chunk(c, &c->worker[slot], c->base.step + i);
}

static attn_status step(attn_trainer *base, attn_error *err) {
  cbow *c = (cbow *)base;
  uint64_t left = n_step(c) - c->base.step, n = c->n_worker == 1 ? 1 : 8 * c->n_worker;
  if (n > left) n = left;
  uint32_t slots = attne_job_slots((size_t)n);
  attn_status rc =
      attne_run(&(attne_job){.run = learn_piece,
                             .ctx = c,
                             .n_piece = (size_t)n,
                             .n_slot = slots < c->n_worker ? slots : c->n_worker,
                             .stop = base->stop,
                             .stop_ctx = base->stop_ctx});
  if (rc != ATTN_OK) return attne_fail(err, rc, "interrupted");
  c->base.step += n;
  return ATTN_OK;
}

/* ----------------------------------------------------------------- state, result */

static double take_loss(cbow *c) {
  double sum = 0, n = 0;
  for (uint32_t i = 0; i < c->n_worker; i++) {
    worker *w = &c->worker[i];
    sum -= w->log_likelihood + attne_log(w->likelihood);
    n += (double)w->n_example;
    w->log_likelihood = 0;
    w->likelihood = 1;
    w->n_example = 0;
  }
  return n > 0 ? sum / n : -1;
}

static void progress(attn_trainer *base, attn_train_progress *out) {
  cbow *c = (cbow *)base;
  const attne_corpus *corpus = &c->corpus;
  uint64_t last = c->base.step ? c->base.step - 1 : 0;
  out->step = c->base.step;
  out->n_step = n_step(c);
  out->n_epoch = option(c, EPOCHS);
  out->epoch = (uint32_t)(last / corpus->n_chunk) + 1;
  out->n_word = c->base.step / corpus->n_chunk * corpus->n_total +
                corpus->chunk[c->base.step % corpus->n_chunk].n_before;
  out->n_word_all = corpus->n_total * out->n_epoch;
  out->loss = take_loss(c);
  out->learning_rate = rate(c, last);
}

static int blocks(const attn_trainer *base, attn_train_block *block) {
  const cbow *c = (const cbow *)base;
  uint64_t n = (uint64_t)c->n_row * c->stride;
  block[0] = (attn_train_block){"in", c->in, n};
  block[1] = (attn_train_block){"out", c->out, n};
  return 2;
}

static attn_status seek(attn_trainer *base, uint64_t to, attn_error *err) {
  cbow *c = (cbow *)base;
  if (to > n_step(c)) {
    return attne_fail(err, ATTN_INVALID, "step %llu of %llu", (unsigned long long)to,
                      (unsigned long long)n_step(c));
  }
  c->base.step = to;
  return ATTN_OK;
}

static attn_status config(const attn_trainer *base, attn_error *err, char **out) {
  const cbow *c = (const cbow *)base;
  return attne_format_text(
      err, out,
      "{\"transformer\":{\"model_type\":\"word2vec\",\"hidden_size\":%u,\"vocab_size\":%"
      "u},"
      "\"modules\":[{\"type\":\"StaticEmbedding\","
      "\"class\":\"sentence_transformers.models.StaticEmbedding\",\"path\":\"\"},"
      "{\"type\":\"Normalize\",\"class\":\"sentence_transformers.models.Normalize\","
      "\"path\":\"1_Normalize\"}],"
      "\"tokenizer\":{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"
      "\"added_tokens\":[],"
      "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
      "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":%s},"
      "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":null,"
      "\"decoder\":null,\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"[UNK]\"}}}",
      option(c, DIM), c->n_row, c->base.value[LOWERCASE] > 0 ? "true" : "false");
}

static attn_text token(const attn_trainer *base, uint32_t id) {
  const attne_corpus *corpus = &((const cbow *)base)->corpus;
  if (id == 0) return (attn_text){"[UNK]", 5};
  return attne_names_text(&corpus->words, id - 1);
}

/* Closes the gaps between the rows of `in`. */
static attn_status result(attn_trainer *base, attn_error *err, attn_train_result *out) {
  cbow *c = (cbow *)base;
  uint32_t dim = option(c, DIM);
  (void)err;
  for (uint32_t i = 1; i < c->n_row; i++) {
    memmove(c->in + (size_t)i * dim, c->in + i * c->stride, dim * sizeof(float));
  }
  c->tensor = (attn_tensor){.name = "embedding.weight",
                            .dtype = ATTN_F32,
                            .n_dim = 2,
                            .dim = {c->n_row, dim},
                            .n_byte = (uint64_t)c->n_row * dim * sizeof(float)};
  c->data = c->in;
  out->tensor = &c->tensor;
  out->data = &c->data;
  out->n_tensor = 1;
  out->token = token;
  out->n_token = c->n_row;
  return ATTN_OK;
}

static void clear(attn_trainer *base) {
  cbow *c = (cbow *)base;
  attne_corpus_free(&c->corpus);
  attn_release_aligned(c->in);
  attn_release_aligned(c->out);
  attne_release(c->keep);
  attne_release(c->negative);
  for (uint32_t i = 0; i < ATTN_MAX_THREADS; i++) {
    attne_release(c->worker[i].text);
    attn_release_aligned(c->worker[i].hidden);
    attn_release_aligned(c->worker[i].gradient);
  }
}

const attne_train_kind attne_train_cbow = {
    .name = "cbow",
    .option = options,
    .n_option = N_OPTION,
    .n_byte = sizeof(cbow),
    .config = config,
    .add = add_text,
    .prepare = prepare,
    .corpus = hash_corpus,
    .progress = progress,
    .blocks = blocks,
    .seek = seek,
    .step = step,
    .result = result,
    .clear = clear,
};
