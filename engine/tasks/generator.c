/*
** generator.c - tokens one after the other, each from the logits of those before it.
**
** As transformers' generate with one beam: the tokens of generation_config.json that are
** forced, suppressed or end it are so here.
*/
#include "../base/settings.h"
#include "../model/model.h"
#include "../nn/decoder.h"
#include "sample.h"
#include <math.h>
#include <stdio.h>

enum { DEFAULT_TOKENS = 128 };

struct attn_generator {
  const attn_model *model;
  attne_decoder decoder;
  attne_sampling sampling;
  attne_id_list eos;
  int keeps;   /* keys and values of tokens */
  int32_t *id; /* tokens so far: a prompt, or where the decoder starts */
  size_t n, n_alloc;
  size_t n_run; /* of them are in the cache */
  size_t n_prompt;
  uint64_t n_most; /* tokens in all */
  int is_done;
  size_t n_text, n_context; /* see attn_generator_text */
  size_t n_reported;        /* tokens of which the last one has told its text: */
  attn_buffer text;
  float *logits; /* [n_vocab] */
  void *memory;  /* of attne_sample */
};

/* ----------------------------------------------------------------------- options */

static attn_status out_of_range(attn_error *err, const char *name, double found,
                                const char *expected) {
  return attne_fail(err, ATTN_INVALID, "option %s is %g; expected %s", name, found,
                    expected);
}

static attn_status get_sampling(const attn_settings *s, attn_error *err,
                                attne_sampling *out) {
  int64_t top_k = 0, seed = 0;
  int draws = attne_settings_has(s, "$.top_k") || attne_settings_has(s, "$.top_p") ||
              attne_settings_has(s, "$.seed");
  out->temperature = draws ? 1 : 0;
  out->top_p = 1;
  attn_status rc = attne_settings_real(s, err, &out->temperature, "$.temperature");
  if (rc == ATTN_OK) rc = attne_settings_real(s, err, &out->top_p, "$.top_p");
  if (rc == ATTN_OK) rc = attne_settings_integer(s, err, 0, INT32_MAX, &top_k, "$.top_k");
  if (rc == ATTN_OK) {
    rc = attne_settings_integer(s, err, INT64_MIN, INT64_MAX, &seed, "$.seed");
  }
  if (rc != ATTN_OK) return rc;
  if (!(out->temperature >= 0 && out->temperature <= 1000)) {
    return out_of_range(err, "temperature", out->temperature, "0 to 1000");
  }
  if (!(out->top_p > 0 && out->top_p <= 1)) {
    return out_of_range(err, "top_p", out->top_p, "more than 0, 1 at most");
  }
  out->top_k = (uint32_t)top_k;
  out->state = (uint64_t)seed;
  return ATTN_OK;
}

static attn_status get_options(attn_generator *g, attn_settings *s, attn_error *err,
                               uint64_t *max_tokens) {
  static const char *const known[] = {"max_tokens", "temperature", "top_k", "top_p",
                                      "seed",       "eos",         "cache", NULL};
  const attne_generation *configured = &g->model->generation;
  int64_t n = configured->max_tokens ? configured->max_tokens : DEFAULT_TOKENS;
  attn_status rc = attne_settings_sort(s, err);
  if (rc == ATTN_OK) rc = attne_settings_only(s, known, err);
  if (rc == ATTN_OK) {
    rc = attne_settings_integer(s, err, 0, ATTNE_MAX_NEW_TOKENS, &n, "$.max_tokens");
  }
  if (rc == ATTN_OK) rc = attne_settings_bool(s, err, &g->keeps, "$.cache");
  if (rc == ATTN_OK) rc = get_sampling(s, err, &g->sampling);
  if (attne_settings_find(s, "$.eos")) {
    g->eos.n = 0;
    if (rc == ATTN_OK) rc = attne_generation_ids(s, "$.eos", 0, err, &g->eos);
  }
  *max_tokens = (uint64_t)n;
  return rc;
}

/* ------------------------------------------------------------------------ making */

static attn_status add_token(attn_generator *g, int32_t id, attn_error *err) {
  attn_status rc = attn_limit_check(ATTN_LIMIT_TOKENS, g->n + 1, err,
                                    "what is generated has %zu tokens", g->n + 1);
  if (rc != ATTN_OK) return rc;
  if (g->n == g->n_alloc) {
    size_t n = 2 * g->n_alloc + 64;
    int32_t *p = attne_resize(g->id, n * sizeof *p);
    if (!p) return attne_no_memory(err);
    g->id = p;
    g->n_alloc = n;
  }
  g->id[g->n++] = id;
  return ATTN_OK;
}

/* A decoder alone goes on with the prompt, and one that is asked nothing begins at the
** beginning. */
static attn_status begin_alone(attn_generator *g, attn_sequence prompt, attn_error *err) {
  const attne_generation *configured = &g->model->generation;
  attn_status rc = ATTN_OK;
  if (prompt.n == 0) {
    if (configured->bos < 0) {
      return attne_fail(
          err, ATTN_INVALID,
          "the prompt has no tokens, and the model no bos_token_id to begin "
          "with");
    }
    prompt = (attn_sequence){&configured->bos, 1};
  }
  rc = attne_check_ids(&g->model->graph, "the prompt", prompt.id, prompt.n,
                       attne_stack_positions(&g->model->graph.decoder), err);
  for (size_t i = 0; rc == ATTN_OK && i < prompt.n; i++)
    rc = add_token(g, prompt.id[i], err);
  return rc;
}

/* One beside an encoder begins with a token of its own. */
static attn_status begin_beside(attn_generator *g, attn_sequence prompt,
                                attn_error *err) {
  const attne_generation *configured = &g->model->generation;
  int32_t start =
      configured->decoder_start >= 0 ? configured->decoder_start : configured->bos;
  attn_status rc = attne_check_ids(&g->model->graph, "the prompt", prompt.id, prompt.n,
                                   attne_stack_positions(&g->model->graph.encoder), err);
  if (rc != ATTN_OK) return rc;
  if (start < 0) {
    return attne_fail(
        err, ATTN_INVALID,
        "the model has no decoder_start_token_id, and no bos_token_id to begin "
        "with");
  }
  rc = attne_check_ids(&g->model->graph, "decoder_start_token_id", &start, 1, 1, err);
  if (rc == ATTN_OK) rc = add_token(g, start, err);
  if (rc != ATTN_OK) return rc;
  return attne_decoder_source(&g->decoder, prompt.id, NULL, (uint32_t)prompt.n, NULL,
                              err);
}

static attn_status make(attn_generator *g, attn_sequence prompt, attn_settings *options,
                        attn_stop stop, attn_error *err) {
  const attne_graph *graph = &g->model->graph;
  uint64_t max_tokens = 0;
  attn_status rc = get_options(g, options, err, &max_tokens);
  if (rc != ATTN_OK) return rc;
  g->logits = attne_alloc(graph->n_vocab * sizeof *g->logits);
  g->memory = attne_alloc(attne_sample_memory(graph->n_vocab));
  if (!g->logits || !g->memory) return attne_no_memory(err);
  rc = attne_decoder_init(&g->decoder, &g->model->graph, g->keeps, stop, err);
  if (rc == ATTN_OK) {
    rc = graph->decoder.has_cross ? begin_beside(g, prompt, err)
                                  : begin_alone(g, prompt, err);
  }
  g->n_prompt = g->n;
  g->n_text = g->n_context = graph->decoder.has_cross ? g->n : 0;
  g->n_most = g->n + max_tokens;
  /* The last token needs no position: nothing follows it. */
  uint64_t positions = (uint64_t)attne_stack_positions(&graph->decoder) + 1;
  if (g->n_most > positions) g->n_most = positions;
  return rc;
}

attn_status attn_generator_new(const attn_model *model, attn_sequence prompt,
                               attn_settings *options, attn_stop stop, attn_error *err,
                               attn_generator **out) {
  *out = NULL;
  attn_generator *g = attne_alloc_zero(sizeof *g);
  if (!g) return attne_no_memory(err);
  g->model = model;
  g->keeps = 1;
  g->eos = model->generation.eos;
  attn_status rc = make(g, prompt, options, stop, err);
  if (rc == ATTN_OK) {
    *out = g;
  } else {
    attn_generator_free(g);
  }
  return rc;
}

void attn_generator_free(attn_generator *g) {
  if (!g) return;
  attne_decoder_free(&g->decoder);
  attne_release(g->id);
  attn_buffer_free(&g->text);
  attne_release(g->logits);
  attne_release(g->memory);
  attne_release(g);
}

/* ------------------------------------------------------------------------ tokens */

static int contains(const attne_id_list *list, int32_t id) {
  for (uint32_t i = 0; i < list->n; i++) {
    if (list->id[i] == id) return 1;
  }
  return 0;
}

/* The logits behind the last token. */
static attn_status run(attn_generator *g, attn_error *err) {
  size_t first = g->keeps ? g->n_run : 0;
  attn_status rc = attne_decoder_add(&g->decoder, g->id + first, (uint32_t)(g->n - first),
                                     1, err, g->logits);
  if (rc == ATTN_OK) g->n_run = g->n;
  return rc;
}

/* The token that the configuration wants in this place, or -1. */
static int32_t forced_token(const attn_generator *g) {
  const attne_generation *configured = &g->model->generation;
  int32_t id = -1;
  if (g->n == g->n_prompt && g->model->graph.decoder.has_cross)
    id = configured->forced_bos;
  if (id < 0 && g->n + 1 == g->n_most) id = configured->forced_eos;
  return id >= 0 && (uint32_t)id < g->model->graph.n_vocab ? id : -1;
}

/* What is suppressed has no chance, but the probabilities that are told are the model's
** own: its logits are put back. */
static int32_t choose(attn_generator *g) {
  const attne_id_list *suppressed = &g->model->generation.suppressed;
  const uint32_t n_vocab = g->model->graph.n_vocab;
  float kept[ATTNE_MAX_IDS];
  int32_t id = forced_token(g);
  if (id >= 0) return id;
  for (uint32_t i = 0; i < suppressed->n; i++) {
    uint32_t k = (uint32_t)suppressed->id[i];
    if (k >= n_vocab) continue;
    kept[i] = g->logits[k];
    g->logits[k] = -INFINITY;
  }
  id = attne_sample(&g->sampling, g->logits, n_vocab, g->memory);
  for (uint32_t i = suppressed->n; i-- > 0;) {
    uint32_t k = (uint32_t)suppressed->id[i];
    if (k < n_vocab) g->logits[k] = kept[i];
  }
  return id;
}

attn_status attn_generator_next(attn_generator *g, attn_error *err, int32_t *id,
                                double *logprob) {
  *id = -1;
  *logprob = 0;
  if (g->is_done || g->n >= g->n_most) return ATTN_OK; /* the latter: none was wanted */
  attn_status rc = run(g, err);
  if (rc != ATTN_OK) return rc;
  int32_t chosen = choose(g);
  rc = add_token(g, chosen, err);
  if (rc != ATTN_OK) return rc;
  *logprob = attne_log_probability(g->logits, g->model->graph.n_vocab, chosen, g->memory);
  *id = chosen;
  g->is_done = contains(&g->eos, chosen) || g->n >= g->n_most;
  return ATTN_OK;
}

/* -------------------------------------------------------------------------- text */

/* The bytes of a text without U+FFFD at its end, which may be the beginning of a
** character. */
static size_t complete(const attn_buffer *text) {
  size_t n = text->n;
  while (n >= 3 && memcmp(text->text + n - 3, "\xEF\xBF\xBD", 3) == 0) n -= 3;
  return n;
}

/* The text of all tokens less that of all but the last.  Both are decoded from the token
** n_context on: the tokens [n_context, n_text) are those that added text last, and
** everything before them was told with no character waiting, so that a decoder, which may
** treat the first token in a way of its own, makes the same of what follows. */
attn_status attn_generator_text(attn_generator *g, attn_error *err, attn_text *out) {
  const attn_tokenizer *tokenizer = g->model->tokenizer;
  const int32_t *id = g->id + g->n_context;
  const size_t n = g->n - g->n_context;
  attn_buffer before = {0}, all = {0};
  attn_status rc = ATTN_OK;
  if (g->n_reported != g->n) {
    g->text.n = 0;
    rc = attn_detokenize(tokenizer, id, n - 1, 0, err, &before);
    if (rc == ATTN_OK) rc = attn_detokenize(tokenizer, id, n, 0, err, &all);
    size_t begin = complete(&before), end = g->is_done ? all.n : complete(&all);
    while (begin < end && (all.text[begin] & 0xC0) == 0x80) begin++;
    if (rc == ATTN_OK && begin < end) {
      rc = attne_buffer_add(&g->text, all.text + begin, end - begin);
      if (rc != ATTN_OK) rc = attne_no_memory(err);
    }
    if (rc == ATTN_OK && begin < end && end == all.n) {
      g->n_context = g->n_text;
      g->n_text = g->n;
    }
    if (rc == ATTN_OK) g->n_reported = g->n;
    attn_buffer_free(&before);
    attn_buffer_free(&all);
  }
  *out = (attn_text){g->text.n ? g->text.text : "", g->text.n};
  return rc;
}
