/*
** tokenizers.h - what the tests of tokenizers share: fixtures, configurations, hashes.
**
** tests/fixtures/tokenizer/make.py says what they look like.
*/
#ifndef ATTN_TEST_TOKENIZERS_H
#define ATTN_TEST_TOKENIZERS_H

#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "damage.h"
#include <dirent.h>
#include <sys/mman.h>
#include <time.h>

/* -------------------------------------------------------------------- fixtures */

typedef struct file {
  char *text;
  size_t n;
  char *at; /* the next line */
} file;

static inline file read_file(const char *name) {
  char path[200];
  snprintf(path, sizeof path, "tests/fixtures/%s", name);
  FILE *f = fopen(path, "rb");
  if (!f) {
    printf("! cannot open %s\n", path);
    exit(1);
  }
  fseek(f, 0, SEEK_END);
  file out = {.n = (size_t)ftell(f)};
  rewind(f);
  out.at = out.text = malloc(out.n + 1);
  out.n = fread(out.text, 1, out.n, f);
  out.text[out.n] = 0;
  fclose(f);
  return out;
}

/* The next line without its end; NULL after the last. */
static inline char *next_line(file *f) {
  char *line = f->at, *end = line ? strchr(line, '\n') : NULL;
  if (!end) return NULL;
  *end = 0;
  f->at = end + 1;
  return line;
}

static inline int hex(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Undoes the escapes in place. */
static inline attn_text unescape(char *line) {
  attn_text out = {line, 0};
  for (char *p = line; *p; p++) {
    char c = *p;
    if (c == '\\') {
      c = (char)(hex(p[1]) * 16 + hex(p[2]));
      p += 2;
    }
    line[out.n_text++] = c;
  }
  line[out.n_text] = 0;
  return out;
}

static inline attn_kind kind_of(const char *name) {
  static const char *const names[] = {"null", "false", "true",  "integer",
                                      "real", "text",  "array", "object"};
  int kind = 0;
  while (strcmp(names[kind], name) != 0) kind++;
  return (attn_kind)kind;
}

static inline unsigned encode_utf8(uint32_t c, char *out) {
  unsigned n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const int lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (unsigned i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 63));
  out[0] = (char)(lead[n] | (int)c);
  return n;
}

enum { MAX_CONFIGURATION = 60, MAX_SETTING = 600 };

typedef struct configuration {
  const char *name;
  attn_setting setting[MAX_SETTING];
  size_t n;
  attn_tokenizer *tokenizer;
} configuration;

static configuration configurations[MAX_CONFIGURATION];
static int n_configuration;

static inline void read_configurations(file *f) {
  /* Up to the hashes that may follow. */
  for (char *line; strncmp(f->at, "hash ", 5) != 0 && (line = next_line(f));) {
    if (strncmp(line, "= ", 2) == 0) {
      configurations[n_configuration++].name = line + 2;
      continue;
    }
    configuration *c = &configurations[n_configuration - 1];
    attn_setting *s = &c->setting[c->n++];
    char *kind = strchr(line, '\t'), *value = strchr(kind + 1, '\t');
    *kind++ = *value++ = 0;
    s->path = unescape(line).text;
    s->kind = kind_of(kind);
    s->integer = s->kind == ATTN_INTEGER ? atoll(value) : 0;
    s->real = s->kind == ATTN_REAL ? atof(value) : (double)s->integer;
    attn_text text = unescape(value);
    s->text = text.text;
    s->n_text = text.n_text;
  }
}

static inline configuration *find_configuration(const char *name) {
  for (int i = 0; i < n_configuration; i++) {
    if (strcmp(configurations[i].name, name) == 0) return &configurations[i];
  }
  printf("! no configuration %s\n", name);
  exit(1);
}

/* Those whose vocabulary is the code points. */
static inline int is_identity(const configuration *c) {
  return strncmp(c->name, "identity", 8) == 0;
}

/* ---------------------------------------------------------------- vocabularies */

/* A token a line. */
static inline attn_vocab read_vocab(file *f) {
  const char **token = malloc(40000 * sizeof *token);
  uint32_t *n_token = malloc(40000 * sizeof *n_token), n = 0;
  for (char *line; (line = next_line(f)); n++) {
    token[n] = line;
    n_token[n] = (uint32_t)strlen(line);
  }
  return (attn_vocab){.token = token, .n_token = n_token, .n = n};
}

/* The models of byte-pair encoding, of which a configuration "name/model" has one. */
enum { MAX_MODEL = 8 };

typedef struct model {
  char name[20];
  attn_vocab vocab;
} model;

static model models[MAX_MODEL];

static inline void read_model(file *f, const char *head, model *m) {
  unsigned n, n_merge;
  if (sscanf(head, "= %19s %u %u", m->name, &n, &n_merge) != 3) exit(1);
  const char **token = malloc(n * sizeof *token);
  uint32_t *n_token = malloc(n * sizeof *n_token);
  attn_text *merge = malloc(2 * n_merge * sizeof *merge);
  for (unsigned i = 0; i < n; i++) {
    attn_text text = unescape(next_line(f));
    token[i] = text.text;
    n_token[i] = (uint32_t)text.n_text;
  }
  for (unsigned i = 0; i < n_merge; i++) {
    char *left = next_line(f), *right = strchr(left, ' ');
    *right++ = 0;
    merge[2 * i] = unescape(left);
    merge[2 * i + 1] = unescape(right);
  }
  m->vocab = (attn_vocab){
      .token = token, .n_token = n_token, .n = n, .merge = merge, .n_merge = n_merge};
}

static inline void read_models(file *f) {
  int n = 0;
  for (char *line; (line = next_line(f));) read_model(f, line, &models[n++]);
}

static inline const attn_vocab *vocab_of(const configuration *c) {
  const char *name = strchr(c->name, '/') + 1;
  int i = 0;
  while (strcmp(models[i].name, name) != 0) i++;
  return &models[i].vocab;
}

/* ---------------------------------------------------------------------- hashes */

#define P UINT64_C(0x9E3779B97F4A7C15)

static inline void hash_tokens(uint64_t *h, const attn_tokens *tokens) {
  *h = *h * P + tokens->n;
  for (size_t i = 0; i < tokens->n; i++) {
    *h = *h * P + (uint64_t)tokens->token[i].id;
    *h = *h * P + tokens->token[i].start;
    *h = *h * P + tokens->token[i].end;
  }
}

static attn_tokens scratch;

/* Adds the tokens of a text to a hash. */
static inline void hash_text(uint64_t *h, const configuration *c, attn_text text,
                             uint32_t max_length) {
  attn_error err = {""};
  scratch.n = 0;
  if (attn_tokenize(c->tokenizer, text.text, text.n_text, max_length, &err, &scratch)) {
    printf("! %s: %s\n", c->name, err.message);
    unit_failed++;
  }
  hash_tokens(h, &scratch);
}

static inline void check_hash(uint64_t got, const char *expected, const char *name,
                              const char *text) {
  char hash[17];
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)got);
  if (strncmp(hash, expected, 16) == 0) {
    unit_passed++;
  } else {
    unit_failed++;
    printf("! %s: %.300s\n", name, text);
  }
}

/* ----------------------------------------------------------- texts of the fuzzers */

/* Is a text, of at most a kilobyte, among the lines of a fixture that is in memory? */
static inline int has_case(const char *cases, const unsigned char *text, size_t n) {
  char line[3100] = "\n", *p = line + 1;
  for (size_t i = 0; i < n; i++) {
    int is_plain = text[i] > 0x20 && text[i] < 0x7f && text[i] != '\\';
    p += sprintf(p, is_plain ? "%c" : "\\%02x", text[i]);
  }
  strcpy(p, "\n");
  return strstr(cases, line) != NULL;
}

/* The reference's tokens of each text that the fuzz target for tokenizers starts from are
** in a fixture; if not, make.py beside it writes them. */
static inline void check_corpus(const char *fixture) {
  static const char folder[] = "tests/fuzz/corpus/tokenizer";
  file cases = read_file(fixture);
  DIR *dir = opendir(folder);
  CHECK(dir != NULL);
  for (struct dirent *e; dir && (e = readdir(dir));) {
    unsigned char data[1001];
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
    size_t n = f ? fread(data, 1, sizeof data, f) : 0;
    if (f) fclose(f);
    if (n == 0 || data[0] == 'S') continue;
    int is_there = n < sizeof data && has_case(cases.text, data + 1, n - 1);
    if (!is_there) printf("! %s is not in %s\n", path, fixture);
    CHECK(is_there);
  }
  if (dir) closedir(dir);
  free(cases.text);
}

/* ------------------------------------------------------------------------ time */

static inline double seconds(const attn_tokenizer *t, attn_text text) {
  clock_t start = clock();
  scratch.n = 0;
  CHECK(attn_tokenize(t, text.text, text.n_text, 0, NULL, &scratch) == ATTN_OK);
  return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* Text of `n` bytes that repeats `unit`. */
static inline attn_text repeat(const char *unit, size_t n) {
  char *text = malloc(n);
  for (size_t i = 0, k = strlen(unit); i < n; i++) text[i] = unit[i % k];
  return (attn_text){text, n};
}

/* A text of a million bytes of which all but the first 16 kB cannot be read. */
static inline attn_text mostly_unreadable(const char *unit) {
  const size_t n = 1 << 20, n_readable = 1 << 14;
  char *text = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (text == MAP_FAILED) abort();
  for (size_t i = 0, k = strlen(unit); i < n_readable; i++) text[i] = unit[i % k];
  if (mprotect(text + n_readable, n - n_readable, PROT_NONE)) abort();
  return (attn_text){text, n};
}

/* A text is read only as far as it is needed. */
static inline void check_reads_beginning(const attn_tokenizer *t) {
  attn_text text = mostly_unreadable("It is so: a text that has no end. ");
  scratch.n = 0;
  CHECK(attn_tokenize(t, text.text, text.n_text, 256, NULL, &scratch) == ATTN_OK);
  CHECK(scratch.n == 256);
  munmap((void *)(uintptr_t)text.text, text.n_text);
}

/* A block of 4096 code points: each alone and inside a word, 64 in a text. */
static inline uint64_t hash_block(const configuration *c, uint32_t first) {
  uint64_t h = 0;
  for (uint32_t group = first; group < first + 4096; group += 64) {
    char text[64 * 12], *p = text;
    for (uint32_t code = group; code < group + 64; code++) {
      *p++ = '\n';
      p += encode_utf8(code, p);
      *p++ = '\n';
      *p++ = 'a';
      p += encode_utf8(code, p);
      *p++ = 'b';
    }
    hash_text(&h, c, (attn_text){text, (size_t)(p - text)}, 0);
  }
  return h;
}

/* --------------------------------------------------------------- what is wrong */

typedef struct wrong {
  const char *configuration, *path; /* the setting to change */
  attn_kind kind;
  const char *text; /* of the value; NULL: empty, 0 */
  attn_status status;
  const char *message;
} wrong;

static inline int same_path(const char *a, const char *b) {
  for (; *a || *b; a++, b++) {
    while (*a == '"') a++;
    while (*b == '"') b++;
    if (*a != *b) return 0;
    if (!*a) break;
  }
  return 1;
}

static inline configuration *changed(const char *name, const char *path,
                                     attn_setting value) {
  static configuration c;
  int found = 0;
  c = *find_configuration(name);
  for (size_t k = 0; k < c.n; k++) {
    if (!same_path(c.setting[k].path, path)) continue;
    value.path = c.setting[k].path;
    c.setting[k] = value;
    found = 1;
  }
  CHECK(found);
  return &c;
}

/* A tokenizer whose configuration has one setting changed is refused, or taken, as it
** should be. */
static inline void check_wrong(const wrong *list, size_t n,
                               attn_status (*make)(configuration *, attn_error *)) {
  attn_error err = {""};
  for (const wrong *w = list; w < list + n; w++) {
    attn_setting value = {.kind = w->kind, .text = w->text};
    if (w->text) value.n_text = strlen(w->text);
    if (w->text && w->kind == ATTN_REAL) value.real = atof(w->text);
    configuration *c = changed(w->configuration, w->path, value);
    err.message[0] = 0;
    CHECK_STATUS(w->status, make(c, &err), w->message);
    CHECK((w->status == ATTN_OK) == (c->tokenizer != NULL));
    if (w->status == ATTN_OK) attn_tokenizer_free(c->tokenizer);
  }
}

/* --------------------------------------------------------------------- damages */

/* What a tokenizer makes of a text and of a pair of them, and back; ctx: the vocabulary.
*/
static inline attn_status read_damaged(void *ctx, attn_settings *settings,
                                       attn_error *err) {
  static const char text[] = "Some [SEP] <l>  x\xcc\x81 New York \xe4\xb8\xad ";
  const attn_text pair[2] = {{text, 16}, {text + 5, sizeof text - 6}};
  attn_tokens tokens = {0};
  attn_tokenizer *t;
  attn_buffer back = {0};
  int32_t id[20];
  attn_status status = attn_tokenizer_new(settings, ctx, err, &t);
  CHECK((status == ATTN_OK) == (t != NULL));
  if (status == ATTN_OK)
    status = attn_tokenize(t, text, sizeof text - 1, 8, err, &tokens);
  if (status == ATTN_OK) status = attn_tokenize_pair(t, pair, 9, err, &tokens);
  CHECK(tokens.n <= 17);
  for (size_t i = 0; i < tokens.n; i++) id[i] = tokens.token[i].id;
  if (status == ATTN_OK) status = attn_detokenize(t, id, tokens.n, 0, err, &back);
  attn_buffer_free(&back);
  attn_tokens_free(&tokens);
  attn_tokenizer_free(t);
  return status;
}

/* Has a configuration before this one the same entry? */
static inline int was_damaged(const configuration *c, const attn_setting *s) {
  for (const configuration *before = configurations; before < c; before++) {
    for (size_t i = 0; i < before->n; i++) {
      const attn_setting *t = &before->setting[i];
      if (t->kind == s->kind && t->integer == s->integer && t->n_text == s->n_text &&
          memcmp(t->text, s->text, s->n_text) == 0 && strcmp(t->path, s->path) == 0) {
        return 1;
      }
    }
  }
  return 0;
}

static inline void damage_configuration(const configuration *c, const attn_vocab *vocab) {
  for (size_t i = 0; i < c->n; i++) {
    if (was_damaged(c, &c->setting[i])) continue;
    damage_entry(c->setting, c->n, i, 7, read_damaged, (void *)(uintptr_t)vocab);
  }
}

#endif
