/*
** added.c - added tokens: settings and lookup.
*/
#include "added.h"

enum { MAX_PATTERN = 1000 }; /* characters */

/* ------------------------------------------------------------------- settings */

static attn_status load_token(const attn_settings *s, attn_error *err, unsigned i,
                              attne_added *added, attne_added_token *out) {
  attn_text text = {NULL, 0};
  attn_status rc = attne_settings_require(s, err, "$.added_tokens[%u].content", i);
  if (rc == ATTN_OK) {
    rc = attne_settings_text(s, err, &text, "$.added_tokens[%u].content", i);
  }
  struct {
    const char *name;
    int *value;
  } flags[] = {{"special", &out->special},
               {"normalized", &out->normalized},
               {"single_word", &out->single_word},
               {"lstrip", &out->lstrip},
               {"rstrip", &out->rstrip}};
  for (size_t k = 0; rc == ATTN_OK && k < sizeof flags / sizeof *flags; k++) {
    rc = attne_settings_bool(s, err, flags[k].value, "$.added_tokens[%u].%s", i,
                             flags[k].name);
    if (k == 0) out->normalized = !out->special; /* the default */
  }
  if (rc != ATTN_OK) return rc;
  if (text.n_text > 4 * MAX_PATTERN) {
    return attne_fail(
        err, ATTN_UNSUPPORTED,
        "tokenizer: $.added_tokens[%u] has %zu bytes, at most %d are supported", i,
        text.n_text, 4 * MAX_PATTERN);
  }
  out->text = attne_alloc(text.n_text);
  if (!out->text) return attne_no_memory(err);
  memcpy(out->text, text.text, text.n_text);
  out->n_text = (uint32_t)text.n_text;
  added->memory += text.n_text;
  return ATTN_OK;
}

static attn_text text_of(const attne_added_token *token) {
  return (attn_text){token->text, token->n_text};
}

static int compare_text(attn_text a, attn_text b) {
  int c = memcmp(a.text, b.text, a.n_text < b.n_text ? a.n_text : b.n_text);
  return c ? c : (a.n_text > b.n_text) - (a.n_text < b.n_text);
}

static int by_text(const void *a, const void *b) {
  return compare_text(text_of(*(const attne_added_token *const *)a),
                      text_of(*(const attne_added_token *const *)b));
}

static int by_id(const void *a, const void *b) {
  const attne_added_token *x = *(const attne_added_token *const *)a;
  const attne_added_token *y = *(const attne_added_token *const *)b;
  return x->id != y->id ? (x->id > y->id) - (x->id < y->id) : (x > y) - (x < y);
}

static attn_status load_tokens(const attn_settings *s, attn_error *err,
                               const attne_vocabulary *vocabulary, attne_added *out) {
  uint32_t n = 0, next_id = vocabulary->n_distinct;
  while (attne_settings_has(s, "$.added_tokens[%u]", n)) n++;
  out->token = attne_alloc_zero(n * sizeof *out->token);
  out->by_text = attne_alloc(n * sizeof *out->by_text);
  out->by_id = attne_alloc(n * sizeof *out->by_id);
  if (!out->token || !out->by_text || !out->by_id) return attne_no_memory(err);
  out->memory += n * (sizeof *out->token + sizeof *out->by_text + sizeof *out->by_id);
  for (unsigned i = 0; i < n; i++) {
    attne_added_token *token = &out->token[out->n];
    attn_status rc = load_token(s, err, i, out, token);
    if (rc != ATTN_OK) {
      attne_release(token->text);
      return rc;
    }
    if (token->n_text == 0) { /* the library passes over it as well */
      attne_release(token->text);
      token->text = NULL;
      continue;
    }
    token->id = attne_vocabulary_find(
        vocabulary, attne_hash(ATTNE_HASH_EMPTY, token->text, token->n_text),
        (attn_text){"", 0}, text_of(token));
    if (token->id < 0) token->id = (int32_t)next_id++;
    out->by_text[out->n] = out->by_id[out->n] = token;
    out->n++;
  }
  if (out->n == 0) return ATTN_OK;
  attn_sort(out->by_text, out->n, sizeof *out->by_text, by_text);
  attn_sort(out->by_id, out->n, sizeof *out->by_id, by_id);
  for (uint32_t i = 1; i < out->n; i++) {
    attn_text text = text_of(out->by_text[i]);
    if (compare_text(text_of(out->by_text[i - 1]), text) == 0) {
      return attne_fail(err, ATTN_INVALID, "tokenizer: '%.*s' is twice in $.added_tokens",
                        attne_text_cut(text, 100), text.text);
    }
  }
  return ATTN_OK;
}

/* ------------------------------------------------------------------- patterns */

typedef struct builder {
  attne_pattern *pattern;
  uint32_t n_alloc;
  attn_status status;
} builder;

static void add_char(void *ctx, uint32_t c, attne_span at) {
  builder *b = ctx;
  attne_pattern *p = b->pattern;
  (void)at;
  if (b->status != ATTN_OK) return;
  if (p->n == b->n_alloc) {
    uint32_t n = b->n_alloc ? 2 * b->n_alloc : 16;
    uint32_t *grown = attne_resize(p->c, n * sizeof *grown);
    if (!grown) {
      b->status = ATTN_NOMEM;
      return;
    }
    p->c = grown;
    b->n_alloc = n;
  }
  p->c[p->n++] = c;
}

/* The characters of a token, normalized where it is to be found in normalized
** text. */
static attn_status build_pattern(const attne_added_token *token,
                                 const attne_normalizer *normalizer, attn_error *err,
                                 attne_added *added, attne_pattern *out) {
  static const attne_normalizer none = {0};
  builder b = {.pattern = out};
  attne_normalization pass = {
      .normalizer = token->normalized ? normalizer : &none, .sink = add_char, .ctx = &b};
  out->token = token;
  for (size_t i = 0; i < token->n_text;) {
    uint32_t c;
    i += attne_utf8_decode(token->text + i, token->n_text - i, &c);
    attne_normalize(&pass, c, (attne_span){0, 0});
  }
  attne_normalize_end(&pass);
  attne_normalization_free(&pass);
  if (b.status != ATTN_OK || pass.status != ATTN_OK) return attne_no_memory(err);
  added->memory += b.n_alloc * sizeof *out->c;
  if (out->n > 0 && out->n <= MAX_PATTERN) return ATTN_OK;
  return attne_fail(
      err, ATTN_UNSUPPORTED,
      "tokenizer: the added token '%.*s' has %u normalized characters, 1 to %d "
      "are supported",
      attne_text_cut(text_of(token), 100), token->text, (unsigned)out->n, MAX_PATTERN);
}

/* Ties go to special tokens, then to those that came first. */
static int compare_patterns(const void *a, const void *b) {
  const attne_pattern *x = a, *y = b;
  for (uint32_t i = 0; i < x->n && i < y->n; i++) {
    if (x->c[i] != y->c[i]) return x->c[i] < y->c[i] ? -1 : 1;
  }
  if (x->n != y->n) return x->n < y->n ? -1 : 1;
  if (x->token->special != y->token->special)
    return y->token->special - x->token->special;
  return (x->token > y->token) - (x->token < y->token);
}

/* Behind an rstrip token the library goes on in the white space that it has given
** to that token already: tokens would overlap, and it may even break off. */
static attn_status check_overlap(const attne_patterns *patterns, attn_error *err) {
  const attne_pattern *rstrip = NULL, *space = NULL;
  for (uint32_t i = 0; i < patterns->n; i++) {
    const attne_pattern *p = &patterns->list[i];
    if (p->token->rstrip) rstrip = p;
    if (attne_char_of(p->c[0])->flags & ATTNE_CHAR_SPACE) space = p;
  }
  if (!rstrip || !space) return ATTN_OK;
  attn_text a = text_of(rstrip->token), b = text_of(space->token);
  return attne_fail(
      err, ATTN_UNSUPPORTED,
      "tokenizer: the added token '%.*s' is rstrip while '%.*s' begins with white "
      "space, which is not supported",
      attne_text_cut(a, 100), a.text, attne_text_cut(b, 100), b.text);
}

static attn_status build_patterns(attne_added *added, int normalized,
                                  const attne_normalizer *normalizer, attn_error *err,
                                  attne_patterns *out) {
  out->list = attne_alloc_zero(added->n * sizeof *out->list);
  if (!out->list) return attne_no_memory(err);
  added->memory += added->n * sizeof *out->list;
  for (uint32_t i = 0; i < added->n; i++) {
    const attne_added_token *token = &added->token[i];
    if (token->normalized != normalized) continue;
    out->has_lstrip |= token->lstrip;
    attne_pattern *pattern = &out->list[out->n++];
    attn_status rc = build_pattern(token, normalizer, err, added, pattern);
    if (rc != ATTN_OK) return rc;
    out->first |= UINT64_C(1) << pattern->c[0] % 64;
  }
  attn_sort(out->list, out->n, sizeof *out->list, compare_patterns);
  return check_overlap(out, err);
}

attn_status attne_added_load(const attn_settings *settings,
                             const attne_vocabulary *vocabulary,
                             const attne_normalizer *normalizer, attn_error *err,
                             attne_added *out) {
  memset(out, 0, sizeof *out);
  attn_status rc = load_tokens(settings, err, vocabulary, out);
  if (rc == ATTN_OK) rc = build_patterns(out, 0, normalizer, err, &out->raw);
  if (rc == ATTN_OK) rc = build_patterns(out, 1, normalizer, err, &out->normalized);
  return rc;
}

static void free_patterns(attne_patterns *patterns) {
  for (uint32_t i = 0; i < patterns->n; i++) attne_release(patterns->list[i].c);
  attne_release(patterns->list);
}

void attne_added_free(attne_added *added) {
  free_patterns(&added->raw);
  free_patterns(&added->normalized);
  for (uint32_t i = 0; i < added->n; i++) attne_release(added->token[i].text);
  attne_release(added->token);
  attne_release(added->by_text);
  attne_release(added->by_id);
}

/* --------------------------------------------------------------------- lookup */

const attne_added_token *attne_added_by_text(const attne_added *added, attn_text text) {
  size_t low = 0, high = added->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int c = compare_text(text, text_of(added->by_text[middle]));
    if (c == 0) return added->by_text[middle];
    if (c < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

/* Of several tokens with one id, the library keeps the last. */
const attne_added_token *attne_added_by_id(const attne_added *added, int32_t id) {
  size_t low = 0, high = added->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (added->by_id[middle]->id <= id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low > 0 && added->by_id[low - 1]->id == id ? added->by_id[low - 1] : NULL;
}
