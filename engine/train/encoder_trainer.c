/*
** encoder_trainer.c - a small BERT that learns by cloze: some words of a text are hidden,
** and the encoder says which they were.
**
** Devlin, Chang, Lee and Toutanova (2019), with their numbers:
**   hidden      15 % (`mask`) of the known words of a text, at least one.  Of these 80 %
**               become [MASK], 10 % another word, 10 % stay; drawn anew each time
**   step        AdamW on a batch of texts.  Its rate rises linearly over the first `warmup`
**               of all steps and falls linearly to 0 over the rest
** The next-sentence task is left out, as RoBERTa does, and [CLS] text [SEP] has one type.
**
** The vocabulary is [PAD] [UNK] [CLS] [SEP] [MASK] and the words of the corpus, the most
** frequent first; rarer ones are [UNK], which is never hidden.  A long text is cut into
** pieces of max_length tokens, the special ones included.  Each epoch takes the pieces in
** an order of its own.
**
** The result has the tensors of BertForMaskedLM: the encoder, of which embed takes the
** mean, and cls.predictions, the head that names the hidden word (its matrix is that of
** the words).
**
** Memory: 4 bytes a word of the corpus, 16 bytes a parameter and 8 for each of a matrix,
** and what a batch needs (bert.h): for each of its tokens and each layer about 4 (12
** d_model + 2 d_ff + n_head max_length) bytes, 4 bytes a hidden word and word of the
** vocabulary.
*/
#include "trainer.h"
#include "bert.h"
#include "corpus.h"
#include "../base/random.h"
#include <math.h>

enum {
  D_MODEL,
  N_LAYER,
  N_HEAD,
  D_FF,
  MAX_LENGTH,
  BATCH,
  EPOCHS,
  STEPS,
  LEARNING_RATE,
  WARMUP,
  WEIGHT_DECAY,
  DROPOUT,
  MASK,
  CLIP,
  SEED,
  THREADS,
  MIN_COUNT,
  MAX_VOCAB,
  LOWERCASE,
  N_OPTION
};

static const attn_train_option options[N_OPTION] = {
    [D_MODEL] = {"d_model", ATTN_OPTION_INTEGER, 128, 1, 4096, 0},
    [N_LAYER] = {"n_layer", ATTN_OPTION_INTEGER, 2, 1, ATTNE_BERT_LAYERS, 0},
    [N_HEAD] = {"n_head", ATTN_OPTION_INTEGER, 4, 1, 256, 0},
    [D_FF] = {"d_ff", ATTN_OPTION_INTEGER, 512, 1, 16384, 0},
    [MAX_LENGTH] = {"max_length", ATTN_OPTION_INTEGER, 64, 4, 2048, 0},
    [BATCH] = {"batch", ATTN_OPTION_INTEGER, 32, 1, 4096, 0},
    [EPOCHS] = {"epochs", ATTN_OPTION_INTEGER, 10, 1, 100000, 0},
    [STEPS] = {"steps", ATTN_OPTION_INTEGER, 0, 0, 1e9, 0}, /* 0: as the epochs have */
    [LEARNING_RATE] = {"learning_rate", ATTN_OPTION_REAL, 1e-3, 0, 1, 0},
    [WARMUP] = {"warmup", ATTN_OPTION_REAL, 0.1, 0, 1, 0},
    [WEIGHT_DECAY] = {"weight_decay", ATTN_OPTION_REAL, 0.01, 0, 1, 0},
    [DROPOUT] = {"dropout", ATTN_OPTION_REAL, 0.1, 0, 0.9, 0},
    [MASK] = {"mask", ATTN_OPTION_REAL, 0.15, 0, 0.9, 0},
    [CLIP] = {"clip", ATTN_OPTION_REAL, 1, 0, 1e9, 0}, /* 0: never */
    [SEED] = {"seed", ATTN_OPTION_INTEGER, 1, 0, 9007199254740991.0, 0},
    [THREADS] = {"threads", ATTN_OPTION_INTEGER, 0, 0, ATTN_MAX_THREADS, 1}, /* 0: all */
    [MIN_COUNT] = {"min_count", ATTN_OPTION_INTEGER, 5, 1, 1e9, 0},
    [MAX_VOCAB] = {"max_vocab", ATTN_OPTION_INTEGER, 30000, 1, 1 << 20, 0},
    [LOWERCASE] = {"lowercase", ATTN_OPTION_BOOL, 1, 0, 1, 0},
};

enum { PAD, UNKNOWN, CLS, SEP, MASKED, N_SPECIAL };

static const char *const special[N_SPECIAL] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                               "[MASK]"};

/* Part of a text: ids begin .. begin + n of the corpus. */
typedef struct piece {
  uint64_t begin;
  uint32_t n, n_known; /* words; those that are not unknown */
} piece;

typedef struct encoder {
  attn_trainer base;
  attne_corpus corpus;
  attne_bert bert;
  piece *piece;
  uint32_t *order;               /* [n_piece]: of an epoch */
  uint64_t n_piece, order_epoch; /* UINT64_MAX: of none */
  uint32_t n_thread;

  uint32_t *id, *begin, *masked_begin, *row, *target, *known; /* a batch; scratch */
  double loss, n_loss; /* sum and number since it was last asked */
  attne_bert_tensor *name;
  attn_tensor *tensor;
  const float **data;
} encoder;

static uint32_t option(const encoder *e, int i) {
  return (uint32_t)e->base.value[i];
}

static uint64_t steps_of_epoch(const encoder *e) {
  return (e->n_piece + option(e, BATCH) - 1) / option(e, BATCH);
}

static uint64_t n_step(const encoder *e) {
  uint64_t n = option(e, STEPS);
  return n ? n : steps_of_epoch(e) * option(e, EPOCHS);
}

/* Streams of random numbers: of an epoch's order, of a step. */
static uint64_t random_key(const encoder *e, uint64_t kind, uint64_t number) {
  return attne_random_key(attne_random_key((uint64_t)e->base.value[SEED], kind), number);
}

/* -------------------------------------------------------------------- preparing */

static attn_status add_text(attn_trainer *base, attn_text text, attn_error *err) {
  return attne_corpus_add(&((encoder *)base)->corpus, base->words, text, err);
}

/* Calls for each piece of a text with a known word: counts them, or writes them down. */
static uint64_t cut_texts(const encoder *e, piece *out) {
  const uint32_t most = option(e, MAX_LENGTH) - 2;
  uint64_t n_piece = 0;
  piece at = {0, 0, 0};
  for (uint64_t i = 0; i <= e->corpus.n_id; i++) {
    uint32_t id = i < e->corpus.n_id ? attne_corpus_id(&e->corpus, i) : ATTNE_TEXT_END;
    if (id == ATTNE_TEXT_END || at.n == most) {
      if (at.n_known && out) out[n_piece] = at;
      n_piece += at.n_known > 0;
      at = (piece){i + (id == ATTNE_TEXT_END), 0, 0};
    }
    if (id != ATTNE_TEXT_END) {
      at.n++;
      at.n_known += id != 0;
    }
  }
  return n_piece;
}

static uint32_t n_hidden(const encoder *e, uint32_t n_known) {
  uint32_t n = (uint32_t)(e->base.value[MASK] * n_known + 0.5);
  return n ? n : 1;
}

static attn_status make_pieces(encoder *e, attn_error *err) {
  e->n_piece = cut_texts(e, NULL);
  if (e->n_piece > UINT32_MAX) {
    return attne_fail(err, ATTN_INVALID,
                      "the corpus has %llu texts; at most %u are supported",
                      (unsigned long long)e->n_piece, UINT32_MAX);
  }
  e->piece = attne_alloc(e->n_piece * sizeof *e->piece);
  e->order = attne_alloc(e->n_piece * sizeof *e->order);
  e->order_epoch = UINT64_MAX;
  if (!e->piece || !e->order) return attne_no_memory(err);
  cut_texts(e, e->piece);
  return ATTN_OK;
}

static attn_status make_batch(encoder *e, attn_error *err) {
  uint64_t batch = option(e, BATCH), n_token = e->bert.shape.max_token;
  e->id = attne_alloc(n_token * sizeof *e->id);
  e->known = attne_alloc(n_token * sizeof *e->known);
  e->begin = attne_alloc((batch + 1) * sizeof *e->begin);
  e->masked_begin = attne_alloc((batch + 1) * sizeof *e->masked_begin);
  e->row = attne_alloc(n_token * sizeof *e->row);
  e->target = attne_alloc(n_token * sizeof *e->target);
  return e->id && e->known && e->begin && e->masked_begin && e->row && e->target
             ? ATTN_OK
             : attne_no_memory(err);
}

static attn_status make_network(encoder *e, attn_error *err) {
  uint32_t longest = 0, batch = option(e, BATCH), running;
  if (e->n_piece < batch) batch = (uint32_t)e->n_piece;
  for (uint64_t i = 0; i < e->n_piece; i++) {
    if (e->piece[i].n > longest) longest = e->piece[i].n;
  }
  attn_get_threads(&e->n_thread, &running);
  if (option(e, THREADS)) e->n_thread = option(e, THREADS);
  attne_bert_place(&e->bert,
                   &(attne_bert_shape){.n_vocab = (uint32_t)e->corpus.words.n + N_SPECIAL,
                                       .d_model = option(e, D_MODEL),
                                       .n_layer = option(e, N_LAYER),
                                       .n_head = option(e, N_HEAD),
                                       .d_ff = option(e, D_FF),
                                       .max_length = option(e, MAX_LENGTH),
                                       .max_token = batch * (longest + 2),
                                       .max_masked = batch * n_hidden(e, longest)});
  attn_status rc = attne_bert_alloc(&e->bert, e->n_thread, err);
  if (rc == ATTN_OK) attne_bert_first_weights(&e->bert, (uint64_t)e->base.value[SEED]);
  return rc;
}

static attn_status check_options(const encoder *e, attn_error *err) {
  if (option(e, D_MODEL) % option(e, N_HEAD)) {
    return attne_fail(err, ATTN_INVALID,
                      "option d_model is %u; expected a multiple of n_head, %u",
                      option(e, D_MODEL), option(e, N_HEAD));
  }
  return ATTN_OK;
}

static attn_status prepare(attn_trainer *base, attn_error *err) {
  encoder *e = (encoder *)base;
  e->corpus.keeps_unknown = 1;
  attn_status rc = check_options(e, err);
  if (rc == ATTN_OK) {
    rc = attne_corpus_finish(&e->corpus, option(e, MIN_COUNT), option(e, MAX_VOCAB), err);
  }
  if (rc == ATTN_OK) rc = make_pieces(e, err);
  if (rc == ATTN_OK) rc = make_network(e, err);
  return rc == ATTN_OK ? make_batch(e, err) : rc;
}

static void hash_corpus(const attn_trainer *base, char sha256[65]) {
  attne_corpus_hash(&((const encoder *)base)->corpus, sha256);
}

/* ------------------------------------------------------------------------- a batch */

/* Fisher and Yates' shuffle. */
static void shuffle(encoder *e, uint64_t epoch) {
  uint64_t key = random_key(e, 1, epoch);
  if (e->order_epoch == epoch) return;
  for (uint32_t i = 0; i < e->n_piece; i++) {
    uint32_t k = attne_random_below(attne_random_at(key, i), i + 1);
    e->order[i] = e->order[k];
    e->order[k] = i;
  }
  e->order_epoch = epoch;
}

/* What a hidden word is seen as. */
static uint32_t seen_as(const encoder *e, uint32_t id, uint64_t random) {
  uint32_t which = (uint32_t)(random & UINT32_MAX) % 10;
  if (which == 0) return id;
  if (which > 1) return MASKED;
  return N_SPECIAL + attne_random_below(random, (uint32_t)e->corpus.words.n);
}

/* Text i of the batch, its rows and masked words behind those before it. */
static void lay_out(encoder *e, uint32_t i, const piece *p, uint64_t key) {
  uint32_t row = e->begin[i], n_known = 0, masked = e->masked_begin[i];
  e->id[row++] = CLS;
  for (uint32_t k = 0; k < p->n; k++, row++) {
    uint32_t id = attne_corpus_id(&e->corpus, p->begin + k);
    e->id[row] = id ? id - 1 + N_SPECIAL : UNKNOWN;
    if (id) e->known[n_known++] = row;
  }
  e->id[row++] = SEP;
  uint32_t n = n_hidden(e, n_known);
  for (uint32_t k = 0; k < n; k++) {
    uint32_t other = k + attne_random_below(attne_random_at(key, 2 * k), n_known - k);
    uint32_t at = e->known[other];
    e->known[other] = e->known[k];
    e->row[masked] = at;
    e->target[masked++] = e->id[at];
    e->id[at] = seen_as(e, e->id[at], attne_random_at(key, 2 * k + 1));
  }
  e->begin[i + 1] = row;
  e->masked_begin[i + 1] = masked;
}

static attne_bert_batch make_step(encoder *e, uint64_t key) {
  const uint64_t size = option(e, BATCH), per_epoch = steps_of_epoch(e);
  uint64_t first = e->base.step % per_epoch * size, n = e->n_piece - first;
  if (n > size) n = size;
  shuffle(e, e->base.step / per_epoch);
  e->begin[0] = e->masked_begin[0] = 0;
  for (uint32_t i = 0; i < n; i++) {
    lay_out(e, i, &e->piece[e->order[first + i]], attne_random_key(key, i));
  }
  return (attne_bert_batch){(size_t)n,       e->id,  e->begin,
                            e->masked_begin, e->row, e->target};
}

/* --------------------------------------------------------------------- training */

static double rate(const encoder *e, uint64_t step) {
  double n = (double)n_step(e), warm = floor(e->base.value[WARMUP] * n);
  double at = (double)step;
  return e->base.value[LEARNING_RATE] *
         (at < warm ? (at + 1) / warm : (n - at) / (n - warm));
}

static attn_status step(attn_trainer *base, attn_error *err) {
  encoder *e = (encoder *)base;
  double loss = 0;
  uint64_t key = random_key(e, 2, base->step);
  attne_bert_batch batch = make_step(e, key);
  attne_bert_pass pass = {.batch = &batch,
                          .dropout = base->value[DROPOUT],
                          .key = random_key(e, 3, base->step),
                          .stop = base->stop,
                          .ctx = base->stop_ctx};
  attn_status rc = attne_bert_gradient(&e->bert, &pass, &loss);
  if (rc != ATTN_OK) return attne_fail(err, rc, "interrupted");
  attne_bert_step(&e->bert, &(attne_adamw){.rate = rate(e, base->step),
                                           .beta1 = 0.9,
                                           .beta2 = 0.999,
                                           .eps = 1e-8,
                                           .decay = base->value[WEIGHT_DECAY],
                                           .clip = base->value[CLIP],
                                           .step = base->step + 1});
  e->loss += loss * batch.masked_begin[batch.n];
  e->n_loss += batch.masked_begin[batch.n];
  base->step++;
  return ATTN_OK;
}

/* ----------------------------------------------------------------- state, result */

static void progress(attn_trainer *base, attn_train_progress *out) {
  encoder *e = (encoder *)base;
  uint64_t last = base->step ? base->step - 1 : 0, per_epoch = steps_of_epoch(e);
  double words = (double)e->corpus.n_total / (double)per_epoch;
  out->step = base->step;
  out->n_step = n_step(e);
  out->epoch = (uint32_t)(last / per_epoch) + 1;
  out->n_epoch = (uint32_t)((out->n_step - 1) / per_epoch) + 1;
  out->n_word = (uint64_t)(words * (double)out->step);
  out->n_word_all = (uint64_t)(words * (double)out->n_step);
  out->loss = e->n_loss > 0 ? e->loss / e->n_loss : -1;
  out->learning_rate = rate(e, last);
  e->loss = e->n_loss = 0;
}

static int blocks(const attn_trainer *base, attn_train_block *block) {
  const attne_bert *b = &((const encoder *)base)->bert;
  block[0] = (attn_train_block){"weight", b->weight, b->n};
  block[1] = (attn_train_block){"first", b->first, b->n};
  block[2] = (attn_train_block){"second", b->second, b->n};
  return 3;
}

static attn_status seek(attn_trainer *base, uint64_t to, attn_error *err) {
  encoder *e = (encoder *)base;
  if (to > n_step(e)) {
    return attne_fail(err, ATTN_INVALID, "step %llu of %llu", (unsigned long long)to,
                      (unsigned long long)n_step(e));
  }
  base->step = to;
  return ATTN_OK;
}

#define SPECIAL(id, text)                                                                \
  "{\"id\":" #id ",\"content\":\"" text "\",\"single_word\":false,\"lstrip\":false,"     \
  "\"rstrip\":false,\"normalized\":false,\"special\":true}"

/* clang-format off */
#define SPECIALS                                                                         \
  SPECIAL(0, "[PAD]") "," SPECIAL(1, "[UNK]") "," SPECIAL(2, "[CLS]") ","                \
  SPECIAL(3, "[SEP]") "," SPECIAL(4, "[MASK]")
/* clang-format on */

static attn_status config(const attn_trainer *base, attn_error *err, char **out) {
  const encoder *e = (const encoder *)base;
  return attne_format_text(
      err, out,
      "{\"transformer\":{\"architectures\":[\"BertForMaskedLM\"],\"model_type\":\"bert\","
      "\"vocab_size\":%u,\"hidden_size\":%u,\"num_hidden_layers\":%u,"
      "\"num_attention_heads\":%u,\"intermediate_size\":%u,\"hidden_act\":\"gelu\","
      "\"max_position_embeddings\":%u,\"type_vocab_size\":1,\"layer_norm_eps\":1e-12,"
      "\"pad_token_id\":0},"
      "\"sentence\":{\"max_seq_length\":%u,\"do_lower_case\":false},"
      "\"modules\":[{\"type\":\"Transformer\","
      "\"class\":\"sentence_transformers.models.Transformer\",\"path\":\"\"},"
      "{\"type\":\"Pooling\",\"class\":\"sentence_transformers.models.Pooling\","
      "\"path\":\"1_Pooling\",\"config\":{\"word_embedding_dimension\":%u,"
      "\"pooling_mode_mean_tokens\":true}},"
      "{\"type\":\"Normalize\",\"class\":\"sentence_transformers.models.Normalize\","
      "\"path\":\"2_Normalize\"}],"
      "\"tokenizer\":{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"
      "\"added_tokens\":[" SPECIALS "],"
      "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
      "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":%s},"
      "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
      "\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[CLS]\",2],"
      "\"sep\":[\"[SEP]\",3]},"
      "\"decoder\":null,\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"[UNK]\"}}}",
      e->bert.shape.n_vocab, option(e, D_MODEL), option(e, N_LAYER), option(e, N_HEAD),
      option(e, D_FF), option(e, MAX_LENGTH), option(e, MAX_LENGTH), option(e, D_MODEL),
      base->value[LOWERCASE] > 0 ? "true" : "false");
}

static attn_text token(const attn_trainer *base, uint32_t id) {
  const attne_corpus *corpus = &((const encoder *)base)->corpus;
  if (id < N_SPECIAL) return (attn_text){special[id], strlen(special[id])};
  return attne_names_text(&corpus->words, id - N_SPECIAL);
}

static attn_status result(attn_trainer *base, attn_error *err, attn_train_result *out) {
  encoder *e = (encoder *)base;
  e->name = attne_alloc(ATTNE_BERT_TENSORS * sizeof *e->name);
  e->tensor = attne_alloc(ATTNE_BERT_TENSORS * sizeof *e->tensor);
  e->data = attne_alloc(ATTNE_BERT_TENSORS * sizeof *e->data);
  if (!e->name || !e->tensor || !e->data) return attne_no_memory(err);
  out->n_tensor = attne_bert_tensors(&e->bert, e->name);
  for (size_t i = 0; i < out->n_tensor; i++) {
    const attne_bert_tensor *t = &e->name[i];
    int64_t n = t->n_row * (t->n_column ? t->n_column : 1);
    e->tensor[i] = (attn_tensor){.name = t->name,
                                 .dtype = ATTN_F32,
                                 .n_dim = t->n_column ? 2 : 1,
                                 .dim = {t->n_row, t->n_column},
                                 .n_byte = (uint64_t)n * sizeof(float)};
    e->data[i] = e->bert.weight + t->at;
  }
  out->tensor = e->tensor;
  out->data = e->data;
  out->token = token;
  out->n_token = e->bert.shape.n_vocab;
  return ATTN_OK;
}

static void clear(attn_trainer *base) {
  encoder *e = (encoder *)base;
  void *const memory[] = {e->piece,        e->order,  e->id,     e->begin,
                          e->masked_begin, e->row,    e->target, e->known,
                          e->name,         e->tensor, e->data};
  attne_corpus_free(&e->corpus);
  attne_bert_free(&e->bert);
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) attne_release(memory[i]);
}

const attne_train_kind attne_train_encoder = {
    .name = "encoder",
    .option = options,
    .n_option = N_OPTION,
    .n_byte = sizeof(encoder),
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
