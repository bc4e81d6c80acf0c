/*
** test_bpe.c - byte-pair encoding and decoding against Hugging Face tokenizers 0.22.
**
** tests/fixtures/bpe/make.py says what stands in the fixtures.  Where a hash differs,
** compare.py there shows the tokens of both.
*/
#include "tokenizers.h"

/* --------------------------------------------------------------------- the models */

static attn_status make(configuration *c, attn_error *err) {
  attn_settings settings = {c->setting, c->n};
  return attn_tokenizer_new(&settings, vocab_of(c), err, &c->tokenizer);
}

/* ------------------------------------------------------------------- the fixtures */

static void test_code_points(void) {
  file f = read_file("bpe/code_points.txt");
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

static int has_all_texts(const char *name) {
  return strcmp(name, "gpt2/bytes") == 0 || strcmp(name, "prefix_space/bytes") == 0 ||
         strcmp(name, "fallback/plain") == 0;
}

static void test_texts(void) {
  enum { N = 10000, CHUNK = 500 };
  static attn_text text[N];
  file texts = read_file("tokenizer/texts.txt"), hashes = read_file("bpe/texts.txt");
  for (int i = 0; i < N; i++) text[i] = unescape(next_line(&texts));
  for (char *line; (line = next_line(&hashes));) {
    char name[40], expected[17];
    int first;
    uint64_t h = 0;
    if (sscanf(line, "%39s %d %16s", name, &first, expected) != 3) exit(1);
    const configuration *c = find_configuration(name);
    for (int i = first; i < first + CHUNK; i += has_all_texts(name) ? 1 : 10) {
      hash_text(&h, c, text[i], 0);
    }
    check_hash(h, expected, name, text[first].text);
  }
  free(texts.text);
  free(hashes.text);
}

static void hash_decoded(uint64_t *h, const configuration *c, const int32_t *id, size_t n,
                         int keep_special) {
  attn_buffer text = {0};
  attn_error err = {""};
  CHECK_STATUS(ATTN_OK, attn_detokenize(c->tokenizer, id, n, keep_special, &err, &text),
               "");
  *h = *h * P + text.n;
  for (size_t i = 0; i < text.n; i++) *h = *h * P + (unsigned char)text.text[i];
  attn_buffer_free(&text);
}

/* Of the ids of the tokens in scratch, and eight others. */
static void hash_decodings(uint64_t *h, const configuration *c) {
  size_t n = scratch.n;
  int32_t *id = malloc((n + 8) * sizeof *id);
  uint64_t seed = n, n_vocab = vocab_of(c)->n;
  for (size_t i = 0; i < n; i++) {
    id[i] = scratch.token[i].id;
    seed += (uint64_t)id[i];
  }
  for (uint64_t k = 0; k < 8; k++) {
    id[n + k] = (int32_t)((seed * 31 + k * k * 977) % (n_vocab + 20));
  }
  hash_decoded(h, c, id, n + 8, 0);
  hash_decoded(h, c, id, n + 8, 1);
  free(id);
}

static void test_cases(void) {
  file f = read_file("bpe/cases.txt");
  for (char *line; (line = next_line(&f));) {
    attn_text text = unescape(line);
    char *expected = strtok(next_line(&f), " ");
    for (int i = 0; i < n_configuration; i++) {
      uint64_t h = 0;
      hash_text(&h, &configurations[i], text, 0);
      hash_decodings(&h, &configurations[i]);
      if (*expected != '-') check_hash(h, expected, configurations[i].name, line);
      expected = strtok(NULL, " ");
    }
  }
  free(f.text);
}

/* ------------------------------------------------------------- truncation and time */

static void test_truncation(void) {
  const char text[] = "Truncated where it's wanted, and no further: 1234567 times!";
  for (int i = 0; i < n_configuration; i++) {
    const configuration *c = &configurations[i];
    attn_tokens all = {0}, some = {0};
    CHECK(attn_tokenize(c->tokenizer, text, sizeof text - 1, 0, NULL, &all) == ATTN_OK);
    for (uint32_t n = 4; n < 12; n++) {
      some.n = 0;
      CHECK(attn_tokenize(c->tokenizer, text, sizeof text - 1, n, NULL, &some) ==
            ATTN_OK);
      CHECK(some.n == n || all.n < n);
      /* The last may be one of the template's. */
      CHECK(memcmp(all.token, some.token, (some.n - 1) * sizeof *all.token) == 0);
    }
    attn_tokens_free(&all);
    attn_tokens_free(&some);
  }
}

static void test_time(void) {
  static const char *const units[] = {
      "a", "ab",           " ",  "'",    "'r", "aaab", "\xff",
      "1", "\xe4\xb8\xad", "\n", "</s>", "the"};
  for (int k = 0; k < n_configuration; k++) {
    const attn_tokenizer *t = configurations[k].tokenizer;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
      attn_text text = repeat(units[i], 40000 / unit_each(10));
      CHECK(seconds(t, text) < 5); /* 0.02 s; far more were it quadratic */
      free((void *)(uintptr_t)text.text);
    }
  }
  check_reads_beginning(find_configuration("gpt2/bytes")->tokenizer);
}

/* ------------------------------------------------------------------ what is wrong */

static const wrong wrongs[] = {
    {"suffix/suffix", "$.model.dropout", ATTN_REAL, "0.5", ATTN_UNSUPPORTED,
     "tokenizer: $.model.dropout is 0.5, which makes tokens random and is not supported"},
    {"suffix/suffix", "$.model.dropout", ATTN_TEXT, "0.1", ATTN_INVALID,
     "settings: $.model.dropout is the text '0.1', expected a number"},
    {"suffix/suffix", "$.model.byte_fallback", ATTN_TRUE, NULL, ATTN_UNSUPPORTED,
     "tokenizer: $.model has byte_fallback beside a prefix or a suffix, which is not "
     "supported"},
    {"suffix/suffix", "$.model.fuse_unk", ATTN_NULL, NULL, ATTN_OK, ""},
    {"prefix/prefix", "$.model.continuing_subword_prefix", ATTN_TEXT, "no such prefix",
     ATTN_INVALID,
     "tokenizer: $.model.merges[0] has the second part '@@r'; expected it to begin with "
     "'no such prefix'"},
    {"prefix/prefix", "$.model.continuing_subword_prefix", ATTN_TEXT, "@", ATTN_INVALID,
     "tokenizer: $.model.merges[0] has the token '@@o@r', which is not in the "
     "vocabulary"},
    {"gpt2/bytes", "$.pre_tokenizer.use_regex", ATTN_INTEGER, NULL, ATTN_INVALID,
     "settings: $.pre_tokenizer.use_regex is an integer (0), expected true or false"},
    {"gpt2/bytes", "$.post_processor.trim_offsets", ATTN_TEXT, "no", ATTN_INVALID,
     "settings: $.post_processor.trim_offsets is the text 'no', expected true or false"},
    {"lower/bytes", "$.pre_tokenizer.pretokenizers[1].type", ATTN_TEXT, "ByteLevel",
     ATTN_UNSUPPORTED,
     "tokenizer: $.pre_tokenizer.pretokenizers[2] comes after a ByteLevel, which is not "
     "supported"},
    {"one_word/bytes", "$.post_processor.processors[1].type", ATTN_TEXT, "ByteLevel",
     ATTN_UNSUPPORTED,
     "tokenizer: $.post_processor.processors[1] does what one before it does, which is "
     "not supported"},
    {"one_word/bytes", "$.post_processor.processors[1].type", ATTN_TEXT, "Sequence",
     ATTN_UNSUPPORTED,
     "tokenizer: $.post_processor.processors[1] has the type 'Sequence', which is not "
     "supported"},
};

static void test_wrong(void) {
  check_wrong(wrongs, sizeof wrongs / sizeof *wrongs, make);
}

#define TEXT(p, t)                                                                       \
  ((attn_setting){.path = p, .kind = ATTN_TEXT, .text = t, .n_text = strlen(t)})

static void test_merges(void) {
  static const char *const token[] = {"a", "b", "ab"};
  static const uint32_t n_token[] = {1, 1, 2};
  attn_text merge[] = {{"a", 1}, {"b", 1}, {"ab", 2}, {"c", 1}};
  attn_setting s[] = {TEXT("$.model.type", "BPE"), TEXT("$.model.unk_token", "?")};
  attn_settings settings = {s, 1};
  attn_vocab vocab = {
      .token = token, .n_token = n_token, .n = 3, .merge = merge, .n_merge = 2};
  attn_error err = {""};
  attn_tokenizer *t;
  attn_tokens tokens = {0};
  CHECK_STATUS(ATTN_INVALID, attn_tokenizer_new(&settings, &vocab, &err, &t),
               "tokenizer: $.model.merges[1] has the token 'c', which is not in the "
               "vocabulary");
  merge[3] = (attn_text){"a", 1};
  CHECK_STATUS(ATTN_INVALID, attn_tokenizer_new(&settings, &vocab, &err, &t),
               "tokenizer: $.model.merges[1] has the token 'aba', which is not in the "
               "vocabulary");
  vocab.n_merge = 1;
  CHECK(attn_tokenizer_new(&settings, &vocab, &err, &t) == ATTN_OK);
  /* No unknown token: other characters are passed over. */
  CHECK(attn_tokenize(t, "xabx", 4, 0, &err, &tokens) == ATTN_OK && tokens.n == 1);
  CHECK(tokens.token[0].id == 2 && attn_tokenizer_memory(t) > 100);
  attn_tokenizer_free(t);
  settings.n_entry = 2;
  CHECK(attn_tokenizer_new(&settings, &vocab, &err, &t) == ATTN_OK);
  CHECK_STATUS(
      ATTN_INVALID, attn_tokenize(t, "abx", 3, 0, &err, &tokens),
      "tokenizer: neither a character of the text nor the unknown token '?' is in "
      "the vocabulary");
  attn_tokenizer_free(t);
  attn_tokens_free(&tokens);
}

/* A decoder that is not here matters to those alone who decode. */
static void test_decoder(void) {
  attn_error err = {""};
  attn_buffer out = {0};
  int32_t id = 40;
  configuration *c = changed("gpt2/bytes", "$.decoder.type", TEXT("", "CTC"));
  CHECK(make(c, &err) == ATTN_OK);
  CHECK_STATUS(ATTN_UNSUPPORTED, attn_detokenize(c->tokenizer, &id, 1, 0, &err, &out),
               "tokenizer: $.decoder has the type 'CTC', which is not supported");
  CHECK(attn_detokenize(c->tokenizer, &id, 0, 0, NULL, &out) == ATTN_UNSUPPORTED);
  attn_tokenizer_free(c->tokenizer);
  c = changed("suffix/suffix", "$.decoder.suffix", TEXT("", ""));
  CHECK(make(c, &err) == ATTN_OK);
  CHECK_STATUS(ATTN_UNSUPPORTED, attn_detokenize(c->tokenizer, &id, 1, 0, &err, &out),
               "tokenizer: $.decoder.suffix is empty, which is not supported");
  attn_tokenizer_free(c->tokenizer);
  c = changed("skip/plain", "$.decoder.replacement", TEXT("", ""));
  CHECK(make(c, &err) == ATTN_OK);
  CHECK_STATUS(ATTN_UNSUPPORTED, attn_detokenize(c->tokenizer, &id, 1, 0, &err, &out),
               "tokenizer: $.decoder.replacement is empty, which is not supported");
  attn_tokenizer_free(c->tokenizer);
  CHECK(out.n == 0 && out.text == NULL);
  id = -1;
  const attn_tokenizer *t = find_configuration("gpt2/bytes")->tokenizer;
  CHECK(attn_detokenize(t, &id, 1, 0, &err, &out) == ATTN_OK && out.n == 0);
  for (int i = 0; i < n_configuration; i++) {
    t = configurations[i].tokenizer;
    CHECK(attn_detokenize(t, NULL, 0, 0, &err, &out) == ATTN_OK && out.n == 0);
  }
  attn_buffer_free(&out);
}

/* Every allocation fails in turn. */
static void test_no_memory(void) {
  static const char *const names[] = {"prefix_space/bytes", "suffix/suffix",
                                      "fallback/plain", "odd_fused/odd"};
  static const char text[] = "Don't <mask>  abc \xe4\xb8\xad\xf0\x9f\x98\x80 aaaa";
  for (size_t k = 0; k < 4; k++) {
    configuration c = *find_configuration(names[k]);
    int live = unit_live, done = 0;
    for (int n = 1; !done; n++) {
      attn_tokens tokens = {0};
      attn_buffer decoded = {0};
      attn_error err = {""};
      int32_t id[] = {5, 2000, 41, 3, 70, 300, 261, 18};
      unit_fail_at = n;
      unit_count = 0;
      attn_status status = make(&c, &err);
      if (status == ATTN_OK) {
        status = attn_tokenize(c.tokenizer, text, sizeof text - 1, 0, &err, &tokens);
      }
      if (status == ATTN_OK) {
        status = attn_detokenize(c.tokenizer, id, 8, 1, &err, &decoded);
      }
      done = status == ATTN_OK && unit_count < n;
      CHECK(done || (status == ATTN_NOMEM && strcmp(err.message, "out of memory") == 0));
      attn_tokens_free(&tokens);
      attn_buffer_free(&decoded);
      attn_tokenizer_free(c.tokenizer);
      CHECK(unit_live == live);
    }
    unit_fail_at = 0;
  }
}

static void test_damage(void) {
  for (configuration *c = configurations; c < configurations + n_configuration; c++) {
    damage_configuration(c, vocab_of(c));
  }
}

int main(void) {
  unit_begin();
  file f = read_file("bpe/models.txt"), settings = read_file("bpe/configurations.txt");
  attn_error err = {""};
  read_models(&f);
  read_configurations(&settings);
  for (int i = 0; i < n_configuration; i++) {
    CHECK_STATUS(ATTN_OK, make(&configurations[i], &err), "");
  }
  test_cases();
  check_corpus("bpe/cases.txt");
  test_texts();
  test_code_points();
  test_truncation();
  test_time();
  test_wrong();
  test_merges();
  test_decoder();
  test_no_memory();
  test_damage();
  for (int i = 0; i < n_configuration; i++) {
    attn_tokenizer_free(configurations[i].tokenizer);
  }
  attn_tokens_free(&scratch);
  free(f.text);
  free(settings.text);
  CHECK(unit_live == 0);
  return unit_end();
}
