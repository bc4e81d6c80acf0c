/*
** test_tokenizer.c - the tokenizer against Hugging Face tokenizers 0.22.
**
** tests/fixtures/tokenizer/make.py says what stands in the fixtures.  Where a hash
** differs, compare.py shows the tokens of both.
*/
#include "tokenizers.h"
#include "../../engine/tokenizer/vocabulary.h"

/* ---------------------------------------------------------------- vocabularies */

static attn_vocab real_vocab, identity_vocab;

static void make_identity_vocab(void) {
  enum { N = 0x30000 };
  const char **token = calloc(N, sizeof *token);
  uint32_t *n_token = calloc(N, sizeof *n_token);
  char *text = malloc(4 * N);
  for (uint32_t c = 0; c < N; c++) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    token[c] = text;
    n_token[c] = encode_utf8(c, text);
    text += n_token[c];
  }
  identity_vocab = (attn_vocab){.token = token, .n_token = n_token, .n = N};
}

static attn_status make(configuration *c, attn_error *err) {
  attn_settings settings = {c->setting, c->n};
  return attn_tokenizer_new(&settings, is_identity(c) ? &identity_vocab : &real_vocab,
                            err, &c->tokenizer);
}

/* ----------------------------------------------------------------- the fixtures */

static void test_code_points(void) {
  file f = read_file("tokenizer/code_points.txt");
  size_t n = 0;
  for (char *line; (line = next_line(&f));) {
    char name[40], expected[17], block[20];
    unsigned first;
    if (n++ % unit_each(11)) continue;
    if (sscanf(line, "%39s %x %16s", name, &first, expected) != 3) continue;
    snprintf(block, sizeof block, "block U+%04X", first);
    check_hash(hash_block(find_configuration(name), first), expected, name, block);
  }
  free(f.text);
}

static void test_texts(void) {
  enum { N = 10000 };
  static attn_text text[N];
  static char *expected[N];
  static uint64_t all[N];
  file texts = read_file("tokenizer/texts.txt"),
       hashes = read_file("tokenizer/texts.hash");
  for (size_t i = 0; i < N; i++) {
    text[i] = unescape(next_line(&texts));
    expected[i] = next_line(&hashes);
    if (i % unit_each(10)) continue;
    uint64_t uncased = 0;
    hash_text(&uncased, find_configuration("uncased"), text[i], 0);
    check_hash(uncased, expected[i], "uncased", text[i].text);
  }
  for (int k = 0; k < n_configuration; k++) {
    for (size_t i = 0; i < N && !is_identity(&configurations[k]); i += unit_each(10)) {
      hash_text(&all[i], &configurations[k], text[i], 0);
    }
  }
  for (size_t i = 0; i < N; i += unit_each(10)) {
    check_hash(all[i], expected[i] + 17, "all configurations", text[i].text);
  }
  CHECK(next_line(&texts) == NULL);
  free(texts.text);
  free(hashes.text);
}

static void check_tokens(attn_text text, const char *expected) {
  char got[100000] = "", *p = got;
  attn_tokens tokens = {0};
  const configuration *c = find_configuration("uncased");
  attn_tokenize(c->tokenizer, text.text, text.n_text, 0, NULL, &tokens);
  for (size_t i = 0; i < tokens.n; i++) {
    p += sprintf(p, "%s%d:%u:%u", i ? " " : "", tokens.token[i].id, tokens.token[i].start,
                 tokens.token[i].end);
  }
  attn_tokens_free(&tokens);
  unit_check(strcmp(got, expected) == 0, text.text, __FILE__, __LINE__);
}

static void test_cases(void) {
  file f = read_file("tokenizer/cases.txt");
  for (char *line; (line = next_line(&f));) {
    attn_text text = unescape(line);
    check_tokens(text, next_line(&f));
    char *expected = strtok(next_line(&f), " ");
    for (int i = 0; i < n_configuration; i++) {
      if (is_identity(&configurations[i])) continue;
      uint64_t h = 0;
      hash_text(&h, &configurations[i], text, 0);
      if (*expected != '-') check_hash(h, expected, configurations[i].name, line);
      expected = strtok(NULL, " ");
    }
    uint64_t h = 0;
    for (uint32_t n = 2; n <= 20; n++)
      hash_text(&h, find_configuration("uncased"), text, n);
    check_hash(h, expected, "truncated", line);
  }
  free(f.text);
}

/* All texts again, a thousand at a time, by the models of wordlevel.txt. */
static void test_wordlevel(void) {
  enum { N = 12000 };
  static attn_text text[N];
  file settings = read_file("tokenizer/wordlevel.txt"),
       texts = read_file("tokenizer/texts.txt"), cases = read_file("tokenizer/cases.txt");
  int n = 0, first_configuration = n_configuration;
  attn_error err = {""};
  for (char *line; n < N && (line = next_line(&texts));) text[n++] = unescape(line);
  for (char *line; n < N && (line = next_line(&cases));) {
    text[n++] = unescape(line);
    next_line(&cases);
    next_line(&cases);
  }
  read_configurations(&settings);
  for (int i = first_configuration; i < n_configuration; i++) {
    CHECK_STATUS(ATTN_OK, make(&configurations[i], &err), "");
  }
  for (char *line; (line = next_line(&settings));) {
    char name[40], expected[17], block[40];
    int first;
    if (sscanf(line, "hash %39s %d %16s", name, &first, expected) != 3) continue;
    uint64_t h = 0;
    for (int i = first; i < n && i < first + 1000; i++) {
      hash_text(&h, find_configuration(name), text[i], 0);
    }
    snprintf(block, sizeof block, "texts %d and on", first);
    check_hash(h, expected, name, block);
  }
  for (int i = first_configuration; i < n_configuration; i++) {
    attn_tokenizer_free(configurations[i].tokenizer);
  }
  n_configuration = first_configuration;
  free(settings.text);
  free(texts.text);
  free(cases.text);
}

/* --------------------------------------------------------------------- lookups */

static int has_text(const attn_tokenizer *t, int32_t id, const char *expected) {
  uint32_t n;
  const char *text = attn_token_text(t, id, &n);
  return text && n == strlen(expected) && memcmp(text, expected, n) == 0;
}

static void test_lookup(void) {
  const attn_tokenizer *t = find_configuration("added_raw")->tokenizer;
  uint32_t n;
  CHECK(attn_token_id(t, "[CLS]", 5) == 101 && has_text(t, 101, "[CLS]"));
  CHECK(attn_token_id(t, "hello", 5) == 7592 && has_text(t, 7592, "hello"));
  CHECK(attn_token_id(t, "##ing", 5) == 2075 && has_text(t, 2075, "##ing"));
  CHECK(attn_token_id(t, "Bar", 3) == 30522 && has_text(t, 30522, "Bar"));
  CHECK(attn_token_id(t, "no such token", 13) == -1);
  CHECK(attn_token_id(t, "", 0) == -1);
  CHECK(attn_token_text(t, -1, &n) == NULL && n == 0);
  CHECK(attn_token_text(t, 40000, &n) == NULL && n == 0);
  CHECK(attn_tokenizer_memory(t) > 231508 && attn_tokenizer_memory(t) < 1000000);
  attn_tokenizer_free(NULL);
}

/* ------------------------------------------------------------------ truncation */

static void test_truncation(void) {
  const attn_tokenizer *t = find_configuration("uncased")->tokenizer;
  attn_tokens tokens = {0};
  CHECK(attn_tokenize(t, "Hello world", 11, 0, NULL, &tokens) == ATTN_OK &&
        tokens.n == 4);
  /* A second text is appended; fewer than the special tokens are what begins them. */
  CHECK(attn_tokenize(t, "Hello world", 11, 1, NULL, &tokens) == ATTN_OK &&
        tokens.n == 5);
  CHECK(tokens.token[4].id == 101 && tokens.token[1].id == 7592);
  CHECK(attn_tokenize(t, "Hello world", 11, 2, NULL, &tokens) == ATTN_OK &&
        tokens.n == 7);
  CHECK(tokens.token[5].id == 101 && tokens.token[6].id == 102);
  CHECK(attn_tokenize(t, "Hello world", 11, 3, NULL, &tokens) == ATTN_OK &&
        tokens.n == 10);
  CHECK(tokens.token[8].id == 7592 && tokens.token[8].start == 0 &&
        tokens.token[8].end == 5);
  attn_tokens_free(&tokens);
  CHECK(tokens.n == 0 && tokens.token == NULL);
}

/* Accents stay or go whatever becomes of capitals; ids by tokenizers 0.22. */
static void test_accents(void) {
  static const struct {
    const char *path;
    attn_kind kind;
    size_t n;
    int32_t id[6];
  } cases[] = {
      {"$.normalizer.\"strip_accents\"", ATTN_NULL, 5, {101, 7668, 16660, 8566, 102}},
      {"$.normalizer.\"strip_accents\"", ATTN_TRUE, 5, {101, 7668, 16660, 8566, 102}},
      {"$.normalizer.\"strip_accents\"", ATTN_FALSE, 4, {101, 100, 100, 102}},
      {"$.normalizer.lowercase", ATTN_FALSE, 4, {101, 100, 100, 102}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    attn_error err = {""};
    attn_tokens tokens = {0};
    configuration *c =
        changed("uncased", cases[i].path, (attn_setting){.kind = cases[i].kind});
    CHECK(make(c, &err) == ATTN_OK);
    const char text[] = "Caf\xc3\xa9 \xc3\x91"
                        "and\xc3\xba"; /* Café Ñandú */
    CHECK(attn_tokenize(c->tokenizer, text, sizeof text - 1, 0, &err, &tokens) ==
          ATTN_OK);
    CHECK(tokens.n == cases[i].n);
    for (size_t k = 0; k < tokens.n && k < cases[i].n; k++) {
      CHECK(tokens.token[k].id == cases[i].id[k]);
    }
    attn_tokens_free(&tokens);
    attn_tokenizer_free(c->tokenizer);
  }
}

static void test_time(void) {
  static const char *const units[] = {"a",
                                      "un",
                                      "\xcc\x81\xcc\x96",
                                      "\xe0\xbd\xb3\xcd\x84",
                                      "[SEP",
                                      "[",
                                      "<l",
                                      " ",
                                      "<b>  ",
                                      " <l>",
                                      "abcd",
                                      "New Yor",
                                      "\xff",
                                      "\xe4\xb8\xad"};
  static const char *const names[] = {"uncased", "added_both", "no_pre_tokenizer",
                                      "roberta_space"};
  for (size_t k = 0; k < 4; k++) {
    const attn_tokenizer *t = find_configuration(names[k])->tokenizer;
    if (k < 2) check_reads_beginning(t); /* to the others the text is one word */
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
      attn_text text = repeat(units[i], 200000 / unit_each(10));
      CHECK(seconds(t, text) < 5); /* 0.03 s, a quarter of a minute were it quadratic */
      free((void *)(uintptr_t)text.text);
    }
  }
}

/* ---------------------------------------------------------------- what is wrong */

static const wrong wrongs[] = {
    {"uncased", "$.model.type", ATTN_TEXT, "Unigram", ATTN_UNSUPPORTED,
     "tokenizer: $.model has the type 'Unigram', which is not supported"},
    {"uncased", "$.model.type", ATTN_TRUE, NULL, ATTN_INVALID,
     "settings: $.model.type is true, expected text"},
    {"uncased", "$.model.\"max_input_chars_per_word\"", ATTN_TEXT, "many", ATTN_INVALID,
     "settings: $.model.max_input_chars_per_word is the text 'many', expected an "
     "integer "
     "from 0 to 9223372036854775807"},
    {"uncased", "$.model.\"unk_token\"", ATTN_ARRAY, NULL, ATTN_INVALID,
     "settings: $.model.unk_token is an array, expected text"},
    {"uncased", "$.normalizer.type", ATTN_TEXT, "NFKC", ATTN_UNSUPPORTED,
     "tokenizer: $.normalizer has the type 'NFKC', which is not supported"},
    {"uncased", "$.normalizer.type", ATTN_NULL, NULL, ATTN_INVALID,
     "settings: $.normalizer.type is missing"},
    {"uncased", "$.normalizer.lowercase", ATTN_INTEGER, NULL, ATTN_INVALID,
     "settings: $.normalizer.lowercase is an integer (0), expected true or false"},
    {"nested_words", "$.normalizer.normalizers[1].normalizers[0].type", ATTN_TEXT, "Nmt",
     ATTN_UNSUPPORTED,
     "tokenizer: $.normalizer.normalizers[1].normalizers[0] has the type 'Nmt', which is "
     "not "
     "supported"},
    {"uncased", "$.\"pre_tokenizer\".type", ATTN_TEXT, "CharDelimiterSplit",
     ATTN_UNSUPPORTED,
     "tokenizer: $.pre_tokenizer has the type 'CharDelimiterSplit', which is not "
     "supported"},
    {"split_removed", "$.\"pre_tokenizer\".behavior", ATTN_TEXT, "MergedWithNext",
     ATTN_UNSUPPORTED,
     "tokenizer: $.pre_tokenizer has the type 'MergedWithNext', which is not supported"},
    {"uncased", "$.\"post_processor\".type", ATTN_TEXT, "Other", ATTN_UNSUPPORTED,
     "tokenizer: $.post_processor has the type 'Other', which is not supported"},
    {"uncased", "$.\"post_processor\".single[0].SpecialToken.id", ATTN_TEXT, "[X]",
     ATTN_INVALID, "settings: $.post_processor.special_tokens.\"[X]\".ids is missing"},
    {"uncased", "$.\"post_processor\".single[1].Sequence.id", ATTN_TEXT, "B",
     ATTN_UNSUPPORTED,
     "tokenizer: $.post_processor.single has 0 places for text A and 1 for B; expected "
     "one "
     "for A"},
    {"bert_processing", "$.\"post_processor\".cls[1]", ATTN_TEXT, "[CLS]", ATTN_INVALID,
     "settings: $.post_processor.cls[1] is the text '[CLS]', expected an integer "
     "from 0 to "
     "2147483647"},
    {"uncased", "$.\"added_tokens\"[2].content", ATTN_TEXT, "[SEP]", ATTN_INVALID,
     "tokenizer: '[SEP]' is twice in $.added_tokens"},
    {"uncased", "$.\"added_tokens\"[2].content", ATTN_NULL, NULL, ATTN_INVALID,
     "settings: $.added_tokens[2].content is missing"},
    {"uncased", "$.\"added_tokens\"[2].lstrip", ATTN_REAL, NULL, ATTN_INVALID,
     "settings: $.added_tokens[2].lstrip is a number (0), expected true or false"},
    {"added_normalized", "$.\"added_tokens\"[5].content", ATTN_TEXT, "\xcc\x81",
     ATTN_UNSUPPORTED,
     "tokenizer: the added token '\xcc\x81' has 0 normalized characters, 1 to 1000 are "
     "supported"},
    {"added_normalized", "$.\"added_tokens\"[5].content", ATTN_TEXT, "\xe4\xb8\xad",
     ATTN_UNSUPPORTED,
     "tokenizer: the added token '<R>' is rstrip while '\xe4\xb8\xad' begins with white "
     "space, "
     "which is not supported"},
};

static void test_wrong(void) {
  check_wrong(wrongs, sizeof wrongs / sizeof *wrongs, make);
}

static void test_no_unknown(void) {
  static const char *const token[] = {"a", "b"};
  static const uint32_t n_token[] = {1, 1};
  attn_setting setting[] = {
      {.path = "$.model.type", .kind = ATTN_TEXT, .text = "WordPiece", .n_text = 9}};
  attn_settings settings = {setting, 1};
  attn_vocab vocab = {.token = token, .n_token = n_token, .n = 2};
  attn_error err = {""};
  attn_tokenizer *t;
  attn_tokens tokens = {0};
  CHECK(attn_tokenizer_new(&settings, &vocab, &err, &t) == ATTN_OK);
  CHECK(attn_tokenize(t, "a", 1, 0, &err, &tokens) == ATTN_OK && tokens.n == 1);
  CHECK_STATUS(
      ATTN_INVALID, attn_tokenize(t, "ab", 2, 0, &err, &tokens),
      "tokenizer: neither a word of the text nor the unknown token '[UNK]' is in the "
      "vocabulary");
  CHECK(tokens.n == 1 && tokens.token[0].id == 0);
  attn_tokens_free(&tokens);
  attn_tokenizer_free(t);
  setting[0] = (attn_setting){
      .path = "$.model.type", .kind = ATTN_TEXT, .text = "WordLevel", .n_text = 9};
  CHECK(attn_tokenizer_new(&settings, &vocab, &err, &t) == ATTN_OK);
  CHECK_STATUS(
      ATTN_INVALID, attn_tokenize(t, "ab", 2, 0, &err, &tokens),
      "tokenizer: neither a word of the text nor the unknown token '<unk>' is in the "
      "vocabulary");
  attn_tokens_free(&tokens);
  attn_tokenizer_free(t);
  settings.n_entry = 0;
  CHECK_STATUS(ATTN_INVALID, attn_tokenizer_new(&settings, &vocab, &err, &t),
               "settings: $.model.type is missing");
}

static attn_status make_of(attn_setting *setting, size_t n, const attn_vocab *vocab,
                           attn_error *err, attn_tokenizer **out) {
  attn_settings settings = {setting, n};
  return attn_tokenizer_new(&settings, vocab, err, out);
}

/* `n` times the settings of one item of a list: path[i], path[i].key. */
static size_t add_items(attn_setting *setting, char (*paths)[80], const char *path,
                        const char *key, const char *text, int n) {
  for (int i = 0; i < n; i++) {
    snprintf(paths[2 * i], 80, "%s[%d]", path, i);
    snprintf(paths[2 * i + 1], 80, "%s[%d].%s", path, i, key);
    setting[2 * i] = (attn_setting){.path = paths[2 * i], .kind = ATTN_OBJECT};
    setting[2 * i + 1] = (attn_setting){.path = paths[2 * i + 1],
                                        .kind = ATTN_TEXT,
                                        .text = text,
                                        .n_text = strlen(text)};
  }
  return 2 * (size_t)n;
}

#define TEXT(p, t)                                                                       \
  ((attn_setting){.path = p, .kind = ATTN_TEXT, .text = t, .n_text = strlen(t)})
#define OBJECT(p) ((attn_setting){.path = p, .kind = ATTN_OBJECT})

static void test_limits(void) {
  static char paths[40][80], long_token[4002];
  attn_vocab none = {.n = 0};
  attn_setting s[50] = {TEXT("$.model.type", "WordPiece")};
  attn_error err;
  attn_tokenizer *t;
  size_t n;

  s[1] = OBJECT("$.normalizer");
  s[2] = TEXT("$.normalizer.type", "Sequence");
  n = 3 + add_items(s + 3, paths, "$.normalizer.normalizers", "type", "Lowercase", 17);
  CHECK_STATUS(ATTN_UNSUPPORTED, make_of(s, n, &none, &err, &t),
               "tokenizer: $.normalizer has more than 16 steps");
  s[1] = OBJECT("$.pre_tokenizer");
  s[2] = TEXT("$.pre_tokenizer.type", "Sequence");
  n = 3 +
      add_items(s + 3, paths, "$.pre_tokenizer.pretokenizers", "type", "Whitespace", 8);
  CHECK_STATUS(ATTN_UNSUPPORTED, make_of(s, n, &none, &err, &t),
               "tokenizer: $.pre_tokenizer.pretokenizers[7] is more than 7 steps");
  s[1] = OBJECT("$.post_processor");
  s[2] = TEXT("$.post_processor.type", "TemplateProcessing");
  s[3] = (attn_setting){.path = "$.post_processor.single", .kind = ATTN_ARRAY};
  CHECK_STATUS(ATTN_UNSUPPORTED, make_of(s, 4, &none, &err, &t),
               "tokenizer: $.post_processor.single has 0 places for text A and 0 for B; "
               "expected one for A");

  memset(long_token, 'x', 4001);
  n = add_items(s, paths, "$.added_tokens", "content", long_token, 1);
  s[n++] = TEXT("$.model.type", "WordPiece");
  CHECK_STATUS(ATTN_UNSUPPORTED, make_of(s, n, &none, &err, &t),
               "tokenizer: $.added_tokens[0] has 4001 bytes, at most 4000 are supported");
  s[1].n_text = 1001;
  CHECK(make_of(s, n, &none, &err, &t) == ATTN_UNSUPPORTED);
  CHECK(strstr(err.message, "has 1001 normalized characters, 1 to 1000 are supported"));
  s[1].n_text = 0; /* passed over */
  CHECK_STATUS(ATTN_OK, make_of(s, n, &none, &err, &t), "");
  size_t too_long = SIZE_MAX;
  CHECK(attn_tokenize(t, "", too_long, 0, &err, &scratch) == ATTN_INVALID);
  CHECK(strstr(err.message, " bytes, at most 4294967295 are possible"));
  attn_tokenizer_free(t);
}

static void test_vocabulary(void) {
  enum { N = 300 };
  static char text[N][12];
  static const char *token[N];
  static uint32_t n_token[N];
  attn_setting s[] = {TEXT("$.model.type", "WordPiece")};
  attn_error err;
  attn_tokenizer *t;
  uint32_t n = 0, length;
  /* Tokens whose hashes all begin with ten zeros are refused, rather than made a
  ** list to be searched from end to end. */
  for (uint32_t i = 0; n < N; i++) {
    snprintf(text[n], sizeof text[n], "%u", i);
    n_token[n] = (uint32_t)strlen(text[n]);
    if (attne_hash(ATTNE_HASH_EMPTY, text[n], n_token[n]) >> 54) continue;
    token[n] = text[n];
    n++;
  }
  attn_vocab collides = {.token = token, .n_token = n_token, .n = N};
  CHECK(make_of(s, 1, &collides, &err, &t) == ATTN_INVALID);
  CHECK(strstr(err.message,
               "tokenizer: more than 256 tokens of the vocabulary have the hash"));
  uint32_t lie[] = {UINT32_MAX, UINT32_MAX};
  attn_vocab large = {.token = token, .n_token = lie, .n = 2};
  CHECK_STATUS(ATTN_INVALID, make_of(s, 1, &large, &err, &t),
               "tokenizer: a vocabulary of 2 tokens and 8589934590 bytes is too large");
  /* Unused ids, an empty token, one that is there twice. */
  const char *odd_token[] = {"a", NULL, "", "a"};
  uint32_t n_odd[] = {1, 0, 0, 1};
  attn_vocab odd = {.token = odd_token, .n_token = n_odd, .n = 4};
  CHECK_STATUS(ATTN_OK, make_of(s, 1, &odd, &err, &t), "");
  CHECK(attn_token_id(t, "a", 1) == 3 && has_text(t, 0, "a") && has_text(t, 3, "a"));
  CHECK(attn_token_id(t, "", 0) == 2 && has_text(t, 2, ""));
  CHECK(attn_token_text(t, 1, &length) == NULL);
  attn_tokenizer_free(t);
}

/* Every allocation fails in turn. */
static void test_no_memory(void) {
  static const char *const names[] = {"added_both", "template", "nested_words",
                                      "roberta_space"};
  static const char text[] =
      "Some [SEP] <l>  <b>  x\xcc\x81\xcc\x96\xcc\x81 New York \xe4\xb8\xad ";
  for (size_t k = 0; k < 4; k++) {
    configuration c = *find_configuration(names[k]);
    int live = unit_live, done = 0;
    for (int n = 1; !done; n++) {
      attn_tokens tokens = {0};
      attn_error err = {""};
      unit_fail_at = n;
      unit_count = 0;
      attn_status status = make(&c, &err);
      for (int i = 0; i < 20 && status == ATTN_OK; i++) {
        status = attn_tokenize(c.tokenizer, text, sizeof text - 1, 0, &err, &tokens);
      }
      done = status == ATTN_OK && unit_count < n;
      CHECK(done || (status == ATTN_NOMEM && strcmp(err.message, "out of memory") == 0));
      attn_tokens_free(&tokens);
      attn_tokenizer_free(c.tokenizer);
      CHECK(unit_live == live);
    }
    unit_fail_at = 0;
  }
}

static void test_damage(void) {
  attn_vocab few = real_vocab;
  few.n = 200; /* special ones among them */
  for (configuration *c = configurations; c < configurations + n_configuration; c++) {
    damage_configuration(c, &few);
  }
}

int main(void) {
  unit_begin();
  file vocab = read_file("tokenizer/vocab.txt"),
       settings = read_file("tokenizer/configurations.txt");
  attn_error err = {""};
  real_vocab = read_vocab(&vocab);
  make_identity_vocab();
  read_configurations(&settings);
  for (int i = 0; i < n_configuration; i++)
    CHECK(make(&configurations[i], &err) == ATTN_OK);
  test_lookup();
  test_truncation();
  test_cases();
  check_corpus("tokenizer/cases.txt");
  test_texts();
  test_wordlevel();
  test_code_points();
  test_accents();
  test_time();
  test_wrong();
  test_no_unknown();
  test_limits();
  test_vocabulary();
  test_no_memory();
  test_damage();
  for (int i = 0; i < n_configuration; i++)
    attn_tokenizer_free(configurations[i].tokenizer);
  attn_tokens_free(&scratch);
  free(vocab.text);
  free(settings.text);
  CHECK(unit_live == 0);
  return unit_end();
}
