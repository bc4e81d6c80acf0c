/*
** fuzz_tokenizer.c - libFuzzer target: texts, and the settings of tokenizers.
**
** The first byte chooses what the rest is:
**   'S'    lines "path TAB kind TAB text" (kind: a digit, attn_kind), then, behind
**          an empty line, the vocabulary, a token a line, and, behind another one,
**          merges, "left right" a line: a tokenizer is made of them, and if that
**          works, a text goes through it, and its ids back
**   other  a text for one of the tokenizers below
** Tokens must lie in the text and in order, and a text cut to n tokens must give
** the first n of the whole.
**
**   clang -g -O1 -fsanitize=fuzzer,address,undefined tests/fuzz/fuzz_tokenizer.c \
**     engine/tokenizer/[a-z]*.c engine/settings.c engine/base.c -o build/fuzz_tokenizer
*/
#include "../../engine/attn.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int ok) {
  if (!ok) abort();
}

/* -------------------------------------------------------------------- tokenizers */

#define TEXT(p, t)                                                                       \
  { .path = p, .kind = ATTN_TEXT, .text = t, .n_text = sizeof t - 1 }
#define KIND(p, k)                                                                       \
  { .path = p, .kind = k }
#define BERT                                                                             \
  TEXT("$.model.type", "WordPiece"), KIND("$.normalizer", ATTN_OBJECT),                  \
      TEXT("$.normalizer.type", "BertNormalizer"), KIND("$.pre_tokenizer", ATTN_OBJECT), \
      TEXT("$.pre_tokenizer.type", "BertPreTokenizer")
#define ADDED(i, t)                                                                      \
  KIND("$.added_tokens[" i "]", ATTN_OBJECT), TEXT("$.added_tokens[" i "].content", t)
#define FLAG(i, name) KIND("$.added_tokens[" i "]." name, ATTN_TRUE)

static attn_setting uncased[] = {BERT, ADDED("0", "[SEP]"), FLAG("0", "special")};

static attn_setting cased[] = {BERT,
                               KIND("$.normalizer.lowercase", ATTN_FALSE),
                               KIND("$.normalizer.clean_text", ATTN_FALSE),
                               ADDED("0", "[SEP]"),
                               FLAG("0", "special"),
                               FLAG("0", "lstrip"),
                               ADDED("1", "ab"),
                               FLAG("1", "rstrip"),
                               ADDED("2", "abc"),
                               FLAG("2", "single_word"),
                               ADDED("3", "\xc3\xa9")};

static attn_setting roberta[] = {
    TEXT("$.model.type", "WordPiece"),
    KIND("$.normalizer", ATTN_OBJECT),
    TEXT("$.normalizer.type", "NFD"),
    KIND("$.post_processor", ATTN_OBJECT),
    TEXT("$.post_processor.type", "RobertaProcessing"),
    {.path = "$.post_processor.cls[1]", .kind = ATTN_INTEGER, .integer = 1},
    {.path = "$.post_processor.sep[1]", .kind = ATTN_INTEGER, .integer = 2},
    ADDED("0", "[SEP]"),
    FLAG("0", "special"),
    FLAG("0", "lstrip"),
    FLAG("0", "rstrip"),
    ADDED("1", "b\xcc\x81"),
    FLAG("1", "lstrip"),
    ADDED("2", "\xe4\xb8\xad")};

static attn_setting gpt2[] = {TEXT("$.model.type", "BPE"),
                              TEXT("$.model.unk_token", "[UNK]"),
                              KIND("$.pre_tokenizer", ATTN_OBJECT),
                              TEXT("$.pre_tokenizer.type", "ByteLevel"),
                              KIND("$.post_processor", ATTN_OBJECT),
                              TEXT("$.post_processor.type", "ByteLevel"),
                              KIND("$.decoder", ATTN_OBJECT),
                              TEXT("$.decoder.type", "ByteLevel"),
                              ADDED("0", "[SEP]"),
                              FLAG("0", "special")};

static attn_setting bytes[] = {TEXT("$.model.type", "BPE"),
                               TEXT("$.model.end_of_word_suffix", "a"),
                               KIND("$.pre_tokenizer", ATTN_OBJECT),
                               TEXT("$.pre_tokenizer.type", "WhitespaceSplit"),
                               KIND("$.decoder", ATTN_OBJECT),
                               TEXT("$.decoder.type", "BPEDecoder"),
                               TEXT("$.decoder.suffix", "a")};

static attn_settings builtin[] = {{uncased, sizeof uncased / sizeof *uncased},
                                  {cased, sizeof cased / sizeof *cased},
                                  {roberta, sizeof roberta / sizeof *roberta},
                                  {gpt2, sizeof gpt2 / sizeof *gpt2},
                                  {bytes, sizeof bytes / sizeof *bytes}};

static const char *const words[] = {"[UNK]",
                                    "[CLS]",
                                    "[SEP]",
                                    "a",
                                    "b",
                                    "c",
                                    "e",
                                    "s",
                                    ".",
                                    "#",
                                    "[",
                                    "]",
                                    "ab",
                                    "##a",
                                    "##b",
                                    "##c",
                                    "##ing",
                                    "the",
                                    "un",
                                    "##un",
                                    "\xc3\xa9",
                                    "##\xc3\xa9",
                                    "\xe4\xb8\xad",
                                    "\xcc\x81",
                                    "##\xcc\x81",
                                    " ",
                                    "## ",
                                    "##1",
                                    "1",
                                    "\xc4\xa0",
                                    "##\xc4\xa0",
                                    "t",
                                    "he",
                                    "u",
                                    "n",
                                    "ba",
                                    "aba",
                                    "aa",
                                    "aaa",
                                    "\xc4\xa0" "a"};
enum { N_WORD = sizeof words / sizeof *words };

static const attn_text merges[] = {{"a", 1},      {"b", 1},    {"t", 1},  {"he", 2}, {"u", 1},
                                   {"n", 1},      {"b", 1},    {"a", 1},  {"ab", 2}, {"a", 1},
                                   {"a", 1},      {"a", 1},    {"aa", 2}, {"a", 1},  {"a", 1},
                                   {"aa", 2},     {"\xc4\xa0", 2}, {"a", 1}};
enum { N_MERGE = sizeof merges / sizeof *merges / 2, N_BUILTIN = 5 };

static attn_tokenizer *tokenizers[N_BUILTIN];

static void make_builtin(void) {
  uint32_t n_token[N_WORD];
  for (int i = 0; i < N_WORD; i++) n_token[i] = (uint32_t)strlen(words[i]);
  attn_vocab vocab = {.token = words,
                      .n_token = n_token,
                      .n = N_WORD,
                      .merge = merges,
                      .n_merge = N_MERGE};
  attn_error err;
  for (int i = 0; i < N_BUILTIN; i++) {
    check(attn_tokenizer_new(&builtin[i], &vocab, &err, &tokenizers[i]) == ATTN_OK);
  }
}

/* ------------------------------------------------------------------------- texts */

/* A blank that was put before a text stands at its first character, and when offsets are
** trimmed behind it: so a token may begin before the one before it, but never end there. */
static void check_tokens(const attn_tokens *tokens, size_t n_text) {
  uint32_t start = 0;
  for (size_t i = 0; i < tokens->n; i++) {
    const attn_token *t = &tokens->token[i];
    check(t->id >= 0 && t->start <= t->end && t->end <= n_text);
    check(t->end == 0 || t->end >= start);
    if (t->end) start = t->start;
  }
}

/* Back again: text that is UTF-8. */
static void detokenize(const attn_tokenizer *t, const attn_tokens *tokens) {
  attn_buffer text = {0};
  attn_error err = {""};
  int32_t *id = malloc((tokens->n + 1) * sizeof *id);
  check(id != NULL);
  for (size_t i = 0; i < tokens->n; i++) id[i] = tokens->token[i].id;
  for (int keep = 0; keep < 2; keep++) {
    attn_status status = attn_detokenize(t, id, tokens->n, keep, &err, &text);
    check(status == ATTN_OK || (err.message[0] && text.n == 0));
  }
  free(id);
  attn_buffer_free(&text);
}

static void tokenize(const attn_tokenizer *t, const char *text, size_t n_text) {
  attn_tokens all = {0}, some = {0};
  attn_error err = {""};
  attn_status status = attn_tokenize(t, text, n_text, 0, &err, &all);
  if (status == ATTN_OK) {
    check_tokens(&all, n_text);
    check(attn_tokenize(t, text, n_text, 7, &err, &some) == ATTN_OK);
    check(some.n <= 7 && (all.n > 7 || some.n == all.n));
    for (size_t i = 0; i < some.n && some.token[i].end; i++) {
      check(memcmp(&some.token[i], &all.token[i], sizeof *some.token) == 0);
    }
  } else {
    check(status == ATTN_INVALID && err.message[0] && all.n == 0);
  }
  detokenize(t, &all);
  attn_tokens_free(&all);
  attn_tokens_free(&some);
}

/* ---------------------------------------------------------------------- settings */

enum { MAX_LINE = 300 };

/* Cuts a text at the first `c`; returns what follows it, or NULL. */
static char *cut(char *text, char c) {
  char *at = text ? strchr(text, c) : NULL;
  if (at) *at++ = 0;
  return at;
}

static void make_from_settings(char *line) {
  attn_setting setting[MAX_LINE];
  const char *token[MAX_LINE];
  attn_text merge[2 * MAX_LINE];
  uint32_t n_token[MAX_LINE];
  attn_settings settings = {setting, 0};
  attn_vocab vocab = {.token = token, .n_token = n_token};
  for (char *next; line && *line && *line != '\n' && settings.n_entry < MAX_LINE; line = next) {
    next = cut(line, '\n');
    char *kind = cut(line, '\t'), *text = cut(kind, '\t');
    attn_setting *s = &setting[settings.n_entry++];
    *s =
        (attn_setting){.path = line, .kind = kind ? (attn_kind)(*kind & 7) : ATTN_OBJECT};
    s->text = text ? text : "";
    s->n_text = strlen(s->text);
    s->integer = atoll(s->text);
    s->real = (double)s->integer;
  }
  if (line && *line == '\n') line++;
  vocab.merge = merge;
  for (char *next; line && *line && *line != '\n' && vocab.n < MAX_LINE; line = next) {
    next = cut(line, '\n');
    token[vocab.n] = *line == '-' ? NULL : line;
    n_token[vocab.n++] = (uint32_t)strlen(line);
  }
  if (line && *line == '\n') line++;
  for (char *next; line && vocab.n_merge < MAX_LINE; line = next) {
    next = cut(line, '\n');
    char *right = cut(line, ' ');
    if (!right) continue;
    merge[2 * vocab.n_merge] = (attn_text){line, strlen(line)};
    merge[2 * vocab.n_merge++ + 1] = (attn_text){right, strlen(right)};
  }
  static const char text[] =
      "The <mask> \xc3\xa9\xcc\x81\xcc\x96 [SEP]  ab,abc \xe4\xb8\xad\xff a b";
  attn_error err = {""};
  attn_tokenizer *t;
  attn_status status = attn_tokenizer_new(&settings, &vocab, &err, &t);
  if (status == ATTN_OK) {
    uint32_t n;
    tokenize(t, text, sizeof text - 1);
    for (int32_t id = -1; id < MAX_LINE + 10; id++) {
      const char *token_text = attn_token_text(t, id, &n);
      check(!token_text || attn_token_id(t, token_text, n) >= 0);
    }
    check(attn_tokenizer_memory(t) > 0);
  } else {
    check((status == ATTN_INVALID || status == ATTN_UNSUPPORTED) && err.message[0] && !t);
  }
  attn_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!tokenizers[0]) make_builtin();
  if (size == 0) return 0;
  char *copy = malloc(size); /* without a byte behind it, or ended by NUL */
  check(copy != NULL);
  memcpy(copy, data + 1, size - 1);
  if (data[0] == 'S') {
    copy[size - 1] = 0;
    make_from_settings(copy);
  } else {
    char *text = realloc(copy, size > 1 ? size - 1 : 1);
    check(text != NULL);
    copy = text;
    tokenize(tokenizers[data[0] % N_BUILTIN], copy, size - 1);
  }
  free(copy);
  return 0;
}
