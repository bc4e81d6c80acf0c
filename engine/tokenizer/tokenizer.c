/*
** tokenizer.c - text to tokens.
**
**   bytes -> characters -> added tokens -> normalizer -> normalized added tokens
**         -> words (pre-tokenizer) -> tokens (model) -> template
**
** Each stage hands what it has found straight to the next, a character or a word
** at a time.  So nothing is kept but the word at hand, every stage knows the
** bytes of the original text that a character stands for, and a text is read only
** as far as its tokens are wanted.
**
** Almost all text is ASCII, where normalizer and pre-tokenizer come down to one
** table: read_ascii takes a run of such characters past the first stages.
*/
#include "added.h"
#include "component.h"
#include "detokenizer.h"
#include "pre_tokenizer.h"
#include "template.h"
#include "word_model.h"
#include "words.h"

/* What becomes of an ASCII character: class << 8 | normalized character. */
enum { ASCII_DROP = 0xFFFE, ASCII_CHECK = 0xFFFF };

struct attn_tokenizer {
  attne_vocabulary vocabulary;
  attne_normalizer normalizer;
  attne_splitter splitter;
  attne_added added;
  const attne_word_model *type;
  void *model; /* of that type */
  uint64_t max_char;
  attne_template template;
  attne_detokenizer detokenizer;
  uint16_t ascii[128]; /* ASCII_CHECK: the stages have to decide */
};

/* ----------------------------------------------------------------------- making */

typedef struct ascii_probe {
  uint32_t c;
  unsigned n;
} ascii_probe;

static void see_character(void *ctx, uint32_t c, attne_span at) {
  ascii_probe *probe = ctx;
  (void)at;
  probe->c = c;
  probe->n++;
}

static uint16_t ascii_entry(const attn_tokenizer *t, uint32_t c) {
  ascii_probe probe = {0, 0};
  attne_normalization pass = {
      .normalizer = &t->normalizer, .sink = see_character, .ctx = &probe};
  if (!attne_patterns_ignore(&t->added.raw, c)) return ASCII_CHECK;
  attne_normalize(&pass, c, (attne_span){0, 0}); /* no mark: allocates nothing */
  if (probe.n == 0) return ASCII_DROP;
  if (probe.n > 1 || probe.c > 127) return ASCII_CHECK;
  if (!attne_patterns_ignore(&t->added.normalized, probe.c)) return ASCII_CHECK;
  return (uint16_t)((uint32_t)t->splitter.of[attne_char_index(probe.c)] << 8 | probe.c);
}

static const attne_word_model *const word_models[] = {&attne_wordpiece, &attne_wordlevel,
                                                      &attne_bpe};

/* Old files do not name the type; then WordPiece and BPE each have a setting of theirs.
*/
static attn_status find_model(const attn_settings *s, attn_error *err,
                              const attne_word_model **out) {
  attn_text type = {NULL, 0};
  attn_status rc = attne_settings_text(s, err, &type, "$.model.type");
  if (rc != ATTN_OK) return rc;
  if (!type.text && attne_settings_has(s, "$.model.max_input_chars_per_word")) {
    type = (attn_text){"WordPiece", 9};
  } else if (!type.text && attne_settings_has(s, "$.model.fuse_unk")) {
    type = (attn_text){"BPE", 3};
  } else if (!type.text) {
    return attne_component_type(s, err, "$.model", &type);
  }
  for (size_t i = 0; i < sizeof word_models / sizeof *word_models; i++) {
    *out = word_models[i];
    if (attne_text_is(type, (*out)->type)) return ATTN_OK;
  }
  return attne_component_unsupported(err, "$.model", type);
}

static attn_status load_model(attn_tokenizer *t, const attn_settings *s,
                              const attn_vocab *vocab, attn_error *err) {
  t->model = attne_alloc_zero(t->type->n_byte);
  if (!t->model) return attne_no_memory(err);
  return t->type->load(t->model, s, &t->vocabulary, vocab, err, &t->max_char);
}

static attn_status load(attn_tokenizer *t, const attn_settings *s,
                        const attn_vocab *vocab, attn_error *err) {
  attn_status rc = find_model(s, err, &t->type);
  if (rc == ATTN_OK) rc = attne_vocabulary_init(&t->vocabulary, vocab, err);
  if (rc == ATTN_OK) rc = attne_normalizer_load(s, err, &t->normalizer);
  if (rc == ATTN_OK) rc = attne_splitter_load(s, err, &t->splitter);
  if (rc == ATTN_OK) rc = load_model(t, s, vocab, err);
  if (rc == ATTN_OK) rc = attne_template_load(s, err, &t->template);
  if (rc == ATTN_OK && attne_detokenizer_load(s, &t->detokenizer) != ATTN_OK) {
    rc = attne_no_memory(err);
  }
  if (rc == ATTN_OK) {
    rc = attne_added_load(s, &t->vocabulary, &t->normalizer, err, &t->added);
  }
  for (uint32_t c = 0; rc == ATTN_OK && c < 128; c++) t->ascii[c] = ascii_entry(t, c);
  return rc;
}

attn_status attn_tokenizer_new(attn_settings *settings, const attn_vocab *vocab,
                               attn_error *err, attn_tokenizer **out) {
  *out = NULL;
  attn_status rc = attn_limit_check(ATTN_LIMIT_VOCABULARY, vocab->n, err,
                                    "the vocabulary has %u tokens", vocab->n);
  if (rc == ATTN_OK) rc = attne_settings_sort(settings, err);
  if (rc != ATTN_OK) return rc;
  attn_tokenizer *t = attne_alloc_zero(sizeof *t);
  if (!t) return attne_no_memory(err);
  rc = load(t, settings, vocab, err);
  if (rc == ATTN_OK) {
    *out = t;
  } else {
    attn_tokenizer_free(t);
  }
  return rc;
}

void attn_tokenizer_free(attn_tokenizer *t) {
  if (!t) return;
  attne_added_free(&t->added);
  attne_template_free(&t->template);
  attne_detokenizer_free(&t->detokenizer);
  if (t->model) t->type->clear(t->model);
  attne_release(t->model);
  attne_vocabulary_free(&t->vocabulary);
  attne_release(t);
}

uint64_t attn_tokenizer_memory(const attn_tokenizer *t) {
  return sizeof *t + attne_vocabulary_memory(&t->vocabulary) + t->added.memory +
         attne_template_memory(&t->template) + t->type->n_byte +
         t->type->memory(t->model);
}

const char *attn_token_text(const attn_tokenizer *t, int32_t id, uint32_t *n_text) {
  *n_text = 0;
  if (!t) return NULL;
  const attne_added_token *added = attne_added_by_id(&t->added, id);
  if (!added) return attne_vocabulary_text(&t->vocabulary, id, n_text);
  *n_text = added->n_text;
  return added->text;
}

int32_t attn_token_id(const attn_tokenizer *t, const char *text, size_t n_text) {
  if (!t) return -1;
  attn_text token = {text, n_text};
  const attne_added_token *added = attne_added_by_text(&t->added, token);
  if (added) return added->id;
  return attne_vocabulary_find(&t->vocabulary, attne_hash(ATTNE_HASH_EMPTY, text, n_text),
                               (attn_text){"", 0}, token);
}

int attn_token_is_special(const attn_tokenizer *t, int32_t id) {
  const attne_added_token *added = t ? attne_added_by_id(&t->added, id) : NULL;
  return added && added->special;
}

/* ------------------------------------------------------------- a pass over a text */

typedef struct pass {
  const attn_tokenizer *t;
  const char *text;
  size_t n_text, at; /* read so far */
  attne_matcher raw;
  attne_normalization normalization;
  attne_matcher normalized;
  attne_word word;
  uint8_t word_class;
  attne_byte_words bytes; /* where the pre-tokenizer is ByteLevel */
  attn_tokens *out;
  size_t first;    /* of the text's tokens in out */
  size_t n_wanted; /* of them */
  int is_full;
  attn_status (*sink)(void *ctx, attn_text word); /* where words go, or NULL */
  void *sink_ctx;
  attn_status status; /* the first failure */
  attn_error *err;
} pass;

static int stopped(const pass *p) {
  return p->is_full || p->status != ATTN_OK;
}

/* Where `n` characters of the text from `start` on end, at `end` at the latest. */
static uint32_t skip_characters(const pass *p, uint32_t start, uint32_t end, size_t n) {
  uint32_t c;
  for (; n > 0 && start < end; n--) {
    start += attne_utf8_decode(p->text + start, p->n_text - start, &c);
  }
  return start;
}

/* RobertaProcessing: the range of a token loses as many characters as the token
** has spaces at its ends. */
static void trim(pass *p, attn_token *token, size_t lead, size_t trail) {
  int is_first = token == &p->out->token[p->first] || token->start == 0;
  if (is_first && lead == 1 && p->t->template.keep_one) lead = 0;
  token->start = skip_characters(p, token->start, token->end, lead);
  size_t n = 0;
  for (uint32_t at = token->start; at < token->end; n++) {
    at = skip_characters(p, at, token->end, 1);
  }
  token->end = skip_characters(p, token->start, token->end, n > trail ? n - trail : 0);
}

/* White space, or the G with a dot that byte-level vocabularies write for it. */
static int is_space(uint32_t c) {
  return c == 0x120 || attne_char_of(c)->flags & ATTNE_CHAR_SPACE;
}

static void trim_by_text(pass *p, attn_token *token) {
  uint32_t n, c;
  const char *text = attne_vocabulary_text(&p->t->vocabulary, token->id, &n);
  size_t lead = 0, trail = 0, n_char = 0;
  for (size_t i = 0; i < n; n_char++) {
    i += attne_utf8_decode(text + i, n - i, &c);
    trail = is_space(c) ? trail + 1 : 0;
    if (trail == n_char + 1) lead = trail;
  }
  if (lead || trail) trim(p, token, lead, trail);
}

/* After tokens were added: keeps those that are wanted. */
static void count_tokens(pass *p) {
  if (p->out->n - p->first >= p->n_wanted) {
    p->out->n = p->first + p->n_wanted;
    p->is_full = 1;
  }
}

static void split_word(pass *p) {
  size_t n = p->out->n;
  p->status = p->t->type->split(p->t->model, &p->word, p->err, p->out);
  if (p->status == ATTN_OK && p->t->template.trim_offsets) {
    for (; n < p->out->n; n++) trim_by_text(p, &p->out->token[n]);
  }
  if (p->status == ATTN_OK) count_tokens(p);
}

static void end_word(void *ctx) {
  pass *p = ctx;
  attne_word *word = &p->word;
  if (word->n_char == 0) return;
  if (stopped(p)) {
    /* What is left of the text is not wanted. */
  } else if (!p->sink) {
    split_word(p);
  } else if (word->n_char <= word->max_char) {
    p->status = p->sink(p->sink_ctx, (attn_text){word->text, word->n});
  }
  word->n = 0;
  word->n_char = 0;
}

static void fail_unless(pass *p, attn_status status) {
  if (p->status == ATTN_OK) p->status = status;
}

/* The end of what the table leaves together. */
static void end_split(pass *p) {
  if (p->t->splitter.byte_level.is_on && !stopped(p)) {
    fail_unless(p, attne_byte_words_end(&p->bytes));
  }
  end_word(p);
}

/* A character that is part of the word at hand, or ends it. */
static void take_character(pass *p, uint8_t class, uint32_t c, attne_span at) {
  if (class == ATTNE_SPLIT_DROP || class == ATTNE_SPLIT_ALONE || class != p->word_class) {
    end_split(p);
    p->word_class = class;
  }
  if (class == ATTNE_SPLIT_DROP || stopped(p)) return;
  fail_unless(p, p->t->splitter.byte_level.is_on ? attne_byte_words_add(&p->bytes, c, at)
                                                 : attne_word_add(&p->word, c, at));
}

static void take_normalized(void *ctx, uint32_t c, attne_span at) {
  pass *p = ctx;
  take_character(p, p->t->splitter.of[attne_char_index(c)], c, at);
}

static void take_token(pass *p, const attne_added_token *token, const attne_item *item,
                       size_t n) {
  if (stopped(p)) return;
  size_t lead = 0, trail = 0;
  p->status = attne_tokens_add(p->out, token->id,
                               (attne_span){item[0].at.start, item[n - 1].at.end});
  if (p->status != ATTN_OK) return;
  if (p->t->template.trim_offsets) {
    while (lead < n && is_space(item[lead].c)) lead++;
    while (trail < n && is_space(item[n - 1 - trail].c)) trail++;
    trim(p, &p->out->token[p->out->n - 1], lead, trail);
  }
  count_tokens(p);
}

static void found_normalized(void *ctx, const attne_added_token *token,
                             const attne_item *item, size_t n) {
  end_split(ctx);
  take_token(ctx, token, item, n);
}

/* The normalizer and all that comes after it start afresh behind a token. */
static void end_piece(pass *p) {
  attne_normalize_end(&p->normalization);
  attne_matcher_end(&p->normalized);
  end_split(p);
}

static void found_raw(void *ctx, const attne_added_token *token, const attne_item *item,
                      size_t n) {
  end_piece(ctx);
  take_token(ctx, token, item, n);
}

static void take_raw(void *ctx, uint32_t c, attne_span at) {
  pass *p = ctx;
  attne_normalize(&p->normalization, c, at);
}

static void match_normalized(void *ctx, uint32_t c, attne_span at) {
  pass *p = ctx;
  attne_matcher_add(&p->normalized, c, at);
}

/* ---------------------------------------------------------------------- reading */

static int is_idle(const pass *p) {
  return attne_matcher_is_idle(&p->raw) && attne_matcher_is_idle(&p->normalized) &&
         p->normalization.n_waiting == 0;
}

/* Reads as far as the table decides.  No stage holds anything back. */
static void read_ascii(pass *p) {
  const unsigned char *text = (const unsigned char *)p->text;
  size_t begin = p->at, at = begin;
  int last = -1; /* normalized character */
  for (; at < p->n_text && text[at] < 128 && !stopped(p); at++) {
    uint16_t entry = p->t->ascii[text[at]];
    if (entry == ASCII_DROP) continue;
    if (entry == ASCII_CHECK) break;
    last = entry & 0xFF;
    take_character(p, (uint8_t)(entry >> 8), entry & 0xFF,
                   (attne_span){(uint32_t)at, (uint32_t)at + 1});
  }
  p->at = at;
  if (at == begin) return;
  attne_matcher_pass(&p->raw, text[at - 1]);
  if (last >= 0) attne_matcher_pass(&p->normalized, (uint32_t)last);
}

static attn_status first_failure(const pass *p) {
  if (p->status != ATTN_OK) return p->status;
  if (p->raw.status != ATTN_OK) return p->raw.status;
  if (p->normalization.status != ATTN_OK) return p->normalization.status;
  return p->normalized.status;
}

static attn_status read_text(pass *p) {
  while (p->at < p->n_text && !stopped(p)) {
    if (is_idle(p)) read_ascii(p);
    if (p->at == p->n_text || stopped(p)) break;
    uint32_t c, start = (uint32_t)p->at;
    p->at += attne_utf8_decode(p->text + p->at, p->n_text - p->at, &c);
    attne_matcher_add(&p->raw, c, (attne_span){start, (uint32_t)p->at});
    p->status = first_failure(p);
  }
  attne_matcher_end(&p->raw);
  end_piece(p);
  p->status = first_failure(p);
  return p->status;
}

/* Runs a pass in which text, out, n_wanted, max_char and sink are set. */
static attn_status run_pass(pass *p) {
  const attn_tokenizer *t = p->t;
  p->first = p->out->n;
  p->is_full = p->n_wanted == 0;
  p->raw = (attne_matcher){
      .patterns = &t->added.raw, .plain = take_raw, .found = found_raw, .ctx = p};
  p->normalization = (attne_normalization){
      .normalizer = &t->normalizer, .sink = match_normalized, .ctx = p};
  p->normalized = (attne_matcher){.patterns = &t->added.normalized,
                                  .plain = take_normalized,
                                  .found = found_normalized,
                                  .ctx = p};
  p->bytes = (attne_byte_words){.settings = &t->splitter.byte_level,
                                .word = &p->word,
                                .end_word = end_word,
                                .ctx = p};
  attn_status rc = read_text(p);
  attne_matcher_free(&p->raw);
  attne_normalization_free(&p->normalization);
  attne_matcher_free(&p->normalized);
  attne_word_free(&p->word);
  return rc == ATTN_NOMEM ? attne_no_memory(p->err) : rc;
}

static attn_status tokenize_text(const attn_tokenizer *t, attn_text text, size_t n_wanted,
                                 attn_error *err, attn_tokens *out) {
  pass p = {.t = t,
            .text = text.text,
            .n_text = text.n_text,
            .word.max_char = t->max_char,
            .out = out,
            .n_wanted = n_wanted,
            .err = err};
  return run_pass(&p);
}

static attn_status check_length(size_t n_text, attn_error *err) {
  if (n_text <= UINT32_MAX) return ATTN_OK;
  return attne_fail(err, ATTN_INVALID,
                    "tokenizer: a text of %zu bytes, at most %u are possible", n_text,
                    UINT32_MAX);
}

attn_status attne_tokenizer_words(const attn_tokenizer *t, attn_text text,
                                  uint64_t max_char,
                                  attn_status (*sink)(void *ctx, attn_text word),
                                  void *ctx, attn_error *err) {
  attn_tokens added = {0};
  pass p = {.t = t,
            .text = text.text,
            .n_text = text.n_text,
            .word.max_char = max_char,
            .out = &added,
            .n_wanted = SIZE_MAX,
            .sink = sink,
            .sink_ctx = ctx,
            .err = err};
  attn_status rc = check_length(text.n_text, err);
  if (rc == ATTN_OK) rc = run_pass(&p);
  attn_tokens_free(&added);
  return rc;
}

/* ---------------------------------------------------------------- the whole of it */

/* text[0] and text[1] with the special tokens of the template around them, n_wanted
** tokens of each text at most. */
static attn_status fill(const attn_tokenizer *t, const attne_places *places,
                        const attn_text text[2], size_t n_wanted, attn_error *err,
                        attn_tokens *out) {
  attn_status rc = ATTN_OK;
  for (uint32_t i = 0; rc == ATTN_OK && i < places->n; i++) {
    const attne_place *place = &places->place[i];
    int which = place->id >= 0 ? 0 : place->id == ATTNE_FIRST_TEXT ? 1 : 2;
    size_t n = out->n;
    if (which == 0) {
      rc = attne_tokens_add(out, place->id, (attne_span){0, 0});
    } else {
      rc = tokenize_text(t, text[which - 1], n_wanted, err, out);
    }
    for (; n < out->n; n++) {
      out->token[n].type = place->type;
      out->token[n].text = (uint8_t)which;
    }
  }
  return rc;
}

/* What is there after `first` becomes max_length tokens at most, or is taken back. */
static attn_status end_tokens(attn_status rc, size_t first, uint32_t max_length,
                              attn_error *err, attn_tokens *out) {
  if (rc != ATTN_OK) {
    out->n = first;
    return rc == ATTN_NOMEM ? attne_no_memory(err) : rc;
  }
  if (max_length && out->n - first > max_length) out->n = first + max_length;
  return ATTN_OK;
}

static attn_status no_tokenizer(attn_error *err) {
  return attne_fail(err, ATTN_UNSUPPORTED, "the model has no tokenizer");
}

/* The tokens that are left for texts. */
static size_t room(const attne_places *places, uint32_t max_length) {
  if (max_length == 0) return SIZE_MAX;
  return max_length > places->n_special ? max_length - places->n_special : 0;
}

attn_status attn_tokenize(const attn_tokenizer *t, const char *text, size_t n_text,
                          uint32_t max_length, attn_error *err, attn_tokens *out) {
  if (!t) return no_tokenizer(err);
  const attne_places *places = &t->template.single;
  const attn_text texts[2] = {{text, n_text}, {NULL, 0}};
  size_t first = out->n;
  attn_status rc = check_length(n_text, err);
  if (rc == ATTN_OK) rc = fill(t, places, texts, room(places, max_length), err, out);
  return end_tokens(rc, first, max_length, err, out);
}

/* ------------------------------------------------------------------------- pairs */

/* How many of n[0] and n[1] tokens are kept where there is room for n_max: the longer
** text is cut; and where half the room is not enough for the shorter one, both are,
** to halves, of which the longer text has the larger. */
static void share(size_t n_max, size_t n[2]) {
  int longer = n[0] > n[1] ? 0 : 1;
  size_t *shorter = &n[1 - longer];
  if (n[0] <= n_max && n[1] <= n_max - n[0]) return;
  *shorter = attne_least(*shorter, n_max / 2);
  n[longer] = n_max - *shorter;
}

/* Keeps n[0] tokens of the first text from `first` on, n[1] of the second, and all that
** are special. */
static void keep(size_t first, size_t n[2], attn_tokens *out) {
  size_t at = first;
  for (size_t i = first; i < out->n; i++) {
    unsigned text = out->token[i].text;
    if (text && n[text - 1] == 0) continue;
    if (text) n[text - 1]--;
    out->token[at++] = out->token[i];
  }
  out->n = at;
}

attn_status attn_tokenize_pair(const attn_tokenizer *t, const attn_text text[2],
                               uint32_t max_length, attn_error *err, attn_tokens *out) {
  if (!t) return no_tokenizer(err);
  const attne_places *places = &t->template.pair;
  size_t first = out->n, n[2] = {0, 0};
  if (places->n == 0) {
    return attne_fail(err, ATTN_UNSUPPORTED,
                      "tokenizer: $.post_processor.pair has no places for two texts");
  }
  attn_status rc = check_length(text[0].n_text, err);
  if (rc == ATTN_OK) rc = check_length(text[1].n_text, err);
  if (rc == ATTN_OK) rc = fill(t, places, text, SIZE_MAX, err, out);
  if (rc == ATTN_OK && max_length) {
    for (size_t i = first; i < out->n; i++) {
      if (out->token[i].text) n[out->token[i].text - 1]++;
    }
    share(room(places, max_length), n);
    keep(first, n, out);
  }
  return end_tokens(rc, first, max_length, err, out);
}

void attn_tokens_free(attn_tokens *tokens) {
  attne_release(tokens->token);
  *tokens = (attn_tokens){0};
}

/* --------------------------------------------------------------------- and back again */

attn_status attn_detokenize(const attn_tokenizer *t, const int32_t *id, size_t n,
                            int keep_special, attn_error *err, attn_buffer *out) {
  attne_pieces tokens = {0};
  attn_status rc = ATTN_OK;
  size_t n_before = out->n;
  if (!t) return no_tokenizer(err);
  for (size_t i = 0; rc == ATTN_OK && i < n; i++) {
    uint32_t n_text;
    const char *text = attn_token_text(t, id[i], &n_text);
    if (!text) continue;
    const attne_added_token *added =
        attne_added_by_text(&t->added, (attn_text){text, n_text});
    if (added && added->special && !keep_special) continue;
    rc = attne_buffer_add(&tokens.text, text, n_text);
    if (rc == ATTN_OK) rc = attne_pieces_end(&tokens);
  }
  rc = rc == ATTN_OK ? attne_detokenizer_run(&t->detokenizer, &tokens, err, out)
                     : attne_no_memory(err);
  attne_pieces_free(&tokens);
  if (rc != ATTN_OK) out->n = n_before;
  return rc;
}
