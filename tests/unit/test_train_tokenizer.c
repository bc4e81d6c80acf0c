/*
** test_train_tokenizer.c - vocabularies learned from texts, against Hugging Face's
** trainers of tokenizers 0.22; tests/fixtures/train_tokenizer/make.py says how they were
** made.
*/
#include "tokenizers.h"

enum { N_TEXT = 10000 };

static attn_text text[N_TEXT];

static const char *const small_text[] = {
    "low low low low low lower lower newest newest newest newest newest newest",
    "widest widest widest ----------- \xc3\xa9t\xc3\xa9 Low"};
static attn_text small[2];

#define TEXT(p, t)                                                                       \
  ((attn_setting){.path = p, .kind = ATTN_TEXT, .text = t, .n_text = strlen(t)})

/* What cuts the texts into words. */
enum { BYTES, SPLIT, WORDS, BERT, N_CUTTER };

static attn_tokenizer *cutters[N_CUTTER];

static void make_cutter(int which, const char *pre_tokenizer, int lower) {
  attn_setting s[8] = {TEXT("$.model.type", "WordLevel"),
                       {.path = "$.pre_tokenizer", .kind = ATTN_OBJECT},
                       TEXT("$.pre_tokenizer.type", pre_tokenizer),
                       {.path = "$.pre_tokenizer.add_prefix_space", .kind = ATTN_FALSE},
                       {.path = "$.normalizer", .kind = ATTN_OBJECT},
                       TEXT("$.normalizer.type", "BertNormalizer")};
  attn_settings settings = {s, lower ? 6 : 4};
  attn_vocab none = {.n = 0};
  attn_error err = {""};
  CHECK_STATUS(ATTN_OK, attn_tokenizer_new(&settings, &none, &err, &cutters[which]), "");
}

/* ------------------------------------------------------------------------ the cases */

#define SPECIAL(...)                                                                     \
  (const char *const[]) {                                                                \
    __VA_ARGS__, NULL                                                                    \
  }
#define BERT_SPECIAL SPECIAL("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

typedef struct learning {
  const char *name;
  int cutter, first, end; /* texts */
  const char *const *special;
  uint32_t vocab_size, limit;
  uint64_t min_frequency, max_length;
  const char *prefix, *suffix;
} learning;

static const learning learnings[] = {
    {"bytes", BYTES, 0, 4000, SPECIAL("<|endoftext|>"), 3000, UINT32_MAX, 0, 0, "", ""},
    {"all_languages", BYTES, 4000, 10000, SPECIAL("<|endoftext|>"), 2000, UINT32_MAX, 3,
     0, "", ""},
    {"split", SPLIT, 0, 3000, SPECIAL("<unk>"), 3000, 70, 0, 0, "", ""},
    {"suffix", WORDS, 0, 3000, SPECIAL("<unk>"), 1500, 70, 2, 0, "", "</w>"},
    {"short", WORDS, 0, 3000, SPECIAL("<unk>"), 1500, UINT32_MAX, 0, 5, "", ""},
    {"exhausted", WORDS, 0, 40, SPECIAL(NULL), 30000, UINT32_MAX, 0, 0, "", ""},
    {"wordpiece", BERT, 0, 4000, BERT_SPECIAL, 3000, 100, 0, 0, "##", ""},
    {"wordpiece_rare", BERT, 0, 10000, BERT_SPECIAL, 8000, UINT32_MAX, 30, 0, "##", ""},
    {"small_bpe", BYTES, -1, -1, SPECIAL("<|endoftext|>"), 280, UINT32_MAX, 0, 0, "", ""},
    {"small_wordpiece", BERT, -1, -1, BERT_SPECIAL, 60, UINT32_MAX, 0, 0, "##", ""},
};

static attn_text text_of(const char *s) {
  return (attn_text){s, strlen(s)};
}

/* All 256 characters of ByteLevel. */
static attn_text byte_alphabet(void) {
  static char out[600];
  size_t n = 0;
  for (uint32_t c = 33; c < 324; c++) {
    if (c < 256 && ((c > 126 && c < 161) || c == 173)) continue;
    n += encode_utf8(c, out + n);
  }
  return (attn_text){out, n};
}

static attn_vocab_options options_of(const learning *l, attn_text special[8]) {
  attn_vocab_options o = {.vocab_size = l->vocab_size,
                          .min_frequency = l->min_frequency,
                          .special = special,
                          .limit_alphabet = l->limit,
                          .prefix = text_of(l->prefix),
                          .suffix = text_of(l->suffix),
                          .max_token_length = l->max_length};
  for (; l->special[o.n_special]; o.n_special++) {
    special[o.n_special] = text_of(l->special[o.n_special]);
  }
  if (l->cutter == BYTES) o.alphabet = byte_alphabet();
  return o;
}

static attn_status learn(const learning *l, const attn_vocab_options *o, attn_error *err,
                         attn_vocab_trainer **t, attn_vocab *vocab) {
  attn_status rc = attn_vocab_trainer_new(o, err, t);
  const attn_text *list = l->first < 0 ? small : text + l->first;
  int n = l->first < 0 ? 2 : l->end - l->first;
  for (int i = 0; rc == ATTN_OK && i < n; i++) {
    rc = attn_vocab_trainer_add(*t, cutters[l->cutter], list[i], err);
  }
  if (rc == ATTN_OK) rc = attn_vocab_trainer_learn(*t, NULL, NULL, err);
  return rc == ATTN_OK ? attn_vocab_trainer_result(*t, err, vocab) : rc;
}

static void hash_vocab(const attn_vocab *vocab, char tokens[65], char merges[65]) {
  attn_sha256 hash;
  attn_sha256_init(&hash);
  for (uint32_t i = 0; i < vocab->n; i++) {
    attn_sha256_update(&hash, vocab->token[i], vocab->n_token[i]);
    attn_sha256_update(&hash, "\n", 1);
  }
  attn_sha256_final(&hash, tokens);
  attn_sha256_init(&hash);
  for (size_t i = 0; i < 2 * (size_t)vocab->n_merge; i++) {
    attn_sha256_update(&hash, vocab->merge[i].text, vocab->merge[i].n_text);
    attn_sha256_update(&hash, i % 2 ? "\n" : " ", 1);
  }
  attn_sha256_final(&hash, merges);
}

static void test_cases(void) {
  file f = read_file("train_tokenizer/expected.txt");
  for (size_t i = 0; i < sizeof learnings / sizeof *learnings; i++) {
    const learning *l = &learnings[i];
    attn_text special[8];
    attn_vocab_options o = options_of(l, special);
    attn_vocab_trainer *t;
    attn_vocab vocab = {.n = 0};
    attn_error err = {""};
    char name[40], tokens[65], merges[65], want_tokens[65], want_merges[65];
    unsigned n, n_merge;
    CHECK(sscanf(next_line(&f), "%39s %u %u %64s %64s", name, &n, &n_merge, want_tokens,
                 want_merges) == 5);
    CHECK(strcmp(name, l->name) == 0);
    CHECK_STATUS(ATTN_OK, learn(l, &o, &err, &t, &vocab), "");
    hash_vocab(&vocab, tokens, merges);
    unit_check(vocab.n == n && strcmp(tokens, want_tokens) == 0, name, __FILE__,
               __LINE__);
    /* WordPiece keeps no merges. */
    unit_check(strncmp(l->prefix, "##", 2) == 0 ||
                   (vocab.n_merge == n_merge && strcmp(merges, want_merges) == 0),
               name, __FILE__, __LINE__);
    attn_vocab_trainer_free(t);
  }
  free(f.text);
}

/* ------------------------------------------------------------------ what is wrong */

static int stop_at(void *ctx) {
  return --*(int *)ctx == 0;
}

static void test_wrong(void) {
  attn_text special[8];
  learning l = learnings[9];
  attn_vocab_options o = options_of(&l, special);
  attn_vocab_trainer *t;
  attn_vocab vocab;
  attn_error err = {""};
  o.vocab_size = 20;
  CHECK_STATUS(
      ATTN_INVALID, learn(&l, &o, &err, &t, &vocab),
      "vocab_size is 20, while the special tokens and the characters of the texts "
      "are 24 already; limit_alphabet can leave out rare ones");
  attn_vocab_trainer_free(t);
  l.first = l.end = 0;
  CHECK_STATUS(ATTN_INVALID, learn(&l, &o, &err, &t, &vocab),
               "the texts have no word to learn from");
  attn_vocab_trainer_free(t);
  attn_vocab_trainer_free(NULL);
  /* Stopped at every place where it asks. */
  l = learnings[9];
  o.vocab_size = 60;
  for (int n = 1, done = 0; !done; n++) {
    int left = n;
    CHECK(attn_vocab_trainer_new(&o, &err, &t) == ATTN_OK);
    CHECK(attn_vocab_trainer_add(t, cutters[BERT], small[0], &err) == ATTN_OK);
    attn_status rc = attn_vocab_trainer_learn(t, stop_at, &left, &err);
    done = rc == ATTN_OK;
    CHECK(done || (rc == ATTN_INTERRUPTED && n < 40));
    attn_vocab_trainer_free(t);
  }
}

/* Every allocation fails in turn. */
static void test_no_memory(void) {
  for (int k = 8; k < 10; k++) {
    const learning *l = &learnings[k];
    int live = unit_live, done = 0;
    for (int n = 1; !done; n++) {
      attn_text special[8];
      attn_vocab_options o = options_of(l, special);
      attn_vocab_trainer *t;
      attn_vocab vocab;
      attn_error err = {""};
      unit_fail_at = n;
      unit_count = 0;
      attn_status status = learn(l, &o, &err, &t, &vocab);
      done = status == ATTN_OK && unit_count < n;
      CHECK(done || (status == ATTN_NOMEM && strcmp(err.message, "out of memory") == 0));
      attn_vocab_trainer_free(t);
      CHECK(unit_live == live);
    }
    unit_fail_at = 0;
  }
}

int main(void) {
  unit_begin();
  file f = read_file("tokenizer/texts.txt");
  for (int i = 0; i < N_TEXT; i++) text[i] = unescape(next_line(&f));
  for (int i = 0; i < 2; i++) small[i] = text_of(small_text[i]);
  make_cutter(BYTES, "ByteLevel", 0);
  make_cutter(SPLIT, "WhitespaceSplit", 0);
  make_cutter(WORDS, "BertPreTokenizer", 0);
  make_cutter(BERT, "BertPreTokenizer", 1);
  test_cases();
  test_wrong();
  test_no_memory();
  for (int i = 0; i < N_CUTTER; i++) attn_tokenizer_free(cutters[i]);
  attn_tokens_free(&scratch);
  CHECK(unit_live == 0);
  return unit_end();
}
