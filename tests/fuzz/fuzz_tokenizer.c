/*
** fuzz_tokenizer.c - libFuzzer target: texts, and the settings of tokenizers.
**
** The first byte chooses what the rest is:
**   'S'    lines "path TAB kind TAB text" (kind: a digit, attn_kind), then, behind
**          an empty line, the vocabulary, a token a line, and, behind another one,
**          merges, "left right" a line: a tokenizer is made of them, and if that
**          works, a text goes through it, and its ids back
**   other  a text for one of the tokenizers of tests/fixtures: WordPiece, WordLevel and
**          byte-pair encoding, in all configurations of which the reference's tokens are
**          known; tests/parts/fuzz has the reference read what is found here
** Tokens must lie in the text and in order, and a text cut to n tokens must give
** the first n of the whole.  It runs in the repository's root.
*/
#include "../unit/tokenizers.h"

static void check(int ok) {
  if (!ok) abort();
}

/* -------------------------------------------------------------------- tokenizers */

static const char *const fixtures[] = {
    "tokenizer/configurations.txt", "tokenizer/wordlevel.txt", "bpe/configurations.txt"};

static attn_tokenizer *tokenizers[MAX_CONFIGURATION];
static int n_tokenizer;

static void make_tokenizers(void) {
  static file words, pieces, settings[3]; /* what is read points there */
  static attn_vocab vocab;
  attn_error err;
  words = read_file("tokenizer/vocab.txt"), pieces = read_file("bpe/models.txt");
  vocab = read_vocab(&words);
  read_models(&pieces);
  for (int i = 0; i < 3; i++) {
    settings[i] = read_file(fixtures[i]);
    read_configurations(&settings[i]);
  }
  for (int i = 0; i < n_configuration; i++) {
    configuration *c = &configurations[i];
    attn_settings all = {c->setting, c->n};
    if (is_identity(c)) continue;
    check(attn_tokenizer_new(&all, strchr(c->name, '/') ? vocab_of(c) : &vocab, &err,
                             &tokenizers[n_tokenizer++]) == ATTN_OK);
  }
}

/* ------------------------------------------------------------------------- texts */

/* A blank that was put before a text stands at its first character, and when offsets are
** trimmed behind it: so a token may begin before the one before it, but never end there.
*/
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

/* The first tokens of `all`, up to those of the template. */
static void check_first(const attn_tokens *some, const attn_tokens *all) {
  for (size_t i = 0; i < some->n && some->token[i].end; i++) {
    const attn_token *a = &some->token[i], *b = &all->token[i];
    check(a->id == b->id && a->start == b->start && a->end == b->end);
  }
}

/* A text as two, cut somewhere in the middle. */
static void tokenize_pair(const attn_tokenizer *t, const char *text, size_t n_text,
                          uint32_t n) {
  attn_text pair[2] = {{text, n_text / 2}, {text + n_text / 2, n_text - n_text / 2}};
  attn_tokens all = {0}, some = {0};
  attn_error err = {""};
  attn_status status = attn_tokenize_pair(t, pair, 0, &err, &all);
  check(status == ATTN_OK || err.message[0]);
  check(attn_tokenize_pair(t, pair, n, &err, &some) == status);
  check(some.n <= all.n && (some.n <= n || status != ATTN_OK));
  for (size_t i = 0; i < all.n; i++) {
    check(all.token[i].text <= 2);
    check(all.token[i].text == 0 ||
          all.token[i].end <= pair[all.token[i].text - 1].n_text);
  }
  attn_tokens_free(&all);
  attn_tokens_free(&some);
}

static void tokenize(const attn_tokenizer *t, const char *text, size_t n_text) {
  attn_tokens all = {0}, some = {0};
  attn_error err = {""};
  uint32_t n = 1 + (uint32_t)n_text % 13;
  attn_status status = attn_tokenize(t, text, n_text, 0, &err, &all);
  if (status == ATTN_OK) {
    check_tokens(&all, n_text);
    check(attn_tokenize(t, text, n_text, n, &err, &some) == ATTN_OK);
    check(some.n <= n && (all.n > n || some.n == all.n));
    check_first(&some, &all);
  } else {
    check(status == ATTN_INVALID && err.message[0] && all.n == 0);
  }
  tokenize_pair(t, text, n_text, n);
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
  for (char *next; line && *line && *line != '\n' && settings.n_entry < MAX_LINE;
       line = next) {
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
  if (!n_tokenizer) make_tokenizers();
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
    tokenize(tokenizers[data[0] % n_tokenizer], copy, size - 1);
  }
  free(copy);
  return 0;
}
