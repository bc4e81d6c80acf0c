/*
** embed_batch.c - texts in, vectors out: tokenize, check, cut into pieces, run these on
** all threads.
**
** A piece is whole sequences, run by one thread, so that how a batch is cut changes
** no bit of the result.  Pieces have the tokens of a pass while there is plenty to
** do, and get smaller towards the end, so that the threads are done at about the
** same time (guided self-scheduling; Polychronopoulos and Kuck 1987).
*/
#include "../nn/encoder.h"
#include "../model/model.h"
#include "../base/threads.h"

enum {
  MIN_TOKENS = 16 /* of a piece; fewer rows than this are not multiplied much faster */
};

struct attn_workspace {
  /* texts added and not yet run, as a batch */
  const attn_model *model;
  attn_embed_options options;
  uint32_t n_prompt; /* tokens that are not pooled */
  int32_t *id;
  uint32_t *begin, *n_skip;
  size_t n, n_id, n_begin, n_n_skip; /* sequences, allocated entries */

  attn_tokens tokens; /* of one text */
  char *joined;       /* prompt + text */
  size_t n_joined;
  size_t *piece; /* piece i is sequences piece[i] .. piece[i+1]-1 */
  size_t n_piece;
  void *arena[ATTN_MAX_THREADS];
  uint64_t n_arena[ATTN_MAX_THREADS];
};

attn_status attn_workspace_new(attn_workspace **out) {
  *out = attne_alloc_zero(sizeof **out);
  return *out ? ATTN_OK : ATTN_NOMEM;
}

void attn_workspace_free(attn_workspace *ws) {
  if (!ws) return;
  attn_tokens_free(&ws->tokens);
  attne_release(ws->id);
  attne_release(ws->begin);
  attne_release(ws->n_skip);
  attne_release(ws->joined);
  attne_release(ws->piece);
  for (int i = 0; i < ATTN_MAX_THREADS; i++) attn_release_aligned(ws->arena[i]);
  attne_release(ws);
}

/* Makes room for n entries of `size` bytes; what was there is kept. */
static attn_status reserve(void *list, size_t *n_alloc, size_t n, size_t size,
                           attn_error *err) {
  void *p;
  if (n <= *n_alloc) return ATTN_OK;
  size_t n_new = n + n / 2 + 64;
  if (n_new < n || n_new > SIZE_MAX / size) return attne_no_memory(err);
  memcpy(&p, list, sizeof p); /* a pointer of whatever type */
  p = attne_resize(p, n_new * size);
  if (!p) return attne_no_memory(err);
  memcpy(list, &p, sizeof p);
  *n_alloc = n_new;
  return ATTN_OK;
}

/* ---------------------------------------------------------------------- encoding */

static attn_status check_embeds(const attn_model *model, attn_error *err) {
  if (model->graph.n_pool) return ATTN_OK;
  return attne_fail(err, ATTN_UNSUPPORTED,
                    "a model of type %s that has no pooling embeds nothing; expected a "
                    "sentence-transformers folder, with modules.json",
                    model->info.architecture);
}

static attn_status check_sequence(const attn_model *model, const attn_batch *batch,
                                  size_t i, attn_error *err) {
  uint32_t first = batch->begin[i], end = batch->begin[i + 1];
  uint32_t n = end - first, max = model->info.max_length, min = !model->graph.is_static;
  uint32_t n_type = model->graph.n_type;
  if (end < first || n < min || n > max) {
    return attne_fail(err, ATTN_INVALID, "sequence %zu has %u tokens; expected %u to %u",
                      i, end < first ? 0 : n, min, max);
  }
  attn_status rc =
      attn_limit_check(ATTN_LIMIT_TOKENS, n, err, "sequence %zu has %u tokens", i, n);
  if (rc != ATTN_OK) return rc;
  if (batch->n_skip && n && batch->n_skip[i] >= n) {
    return attne_fail(err, ATTN_INVALID, "sequence %zu skips %u of its %u tokens", i,
                      batch->n_skip[i], n);
  }
  for (uint32_t k = first; k < end; k++) {
    if (batch->id[k] < 0 || (uint32_t)batch->id[k] >= model->graph.n_vocab) {
      return attne_fail(err, ATTN_INVALID,
                        "token id %d of sequence %zu; expected 0 to %u, as the model has "
                        "embeddings",
                        batch->id[k], i, model->graph.n_vocab - 1);
    }
    if (batch->type && n_type > 1 && batch->type[k] >= n_type) {
      return attne_fail(
          err, ATTN_INVALID,
          "token type %u in sequence %zu; expected 0 to %u, as the model has "
          "embeddings",
          batch->type[k], i, n_type - 1);
    }
  }
  return ATTN_OK;
}

/* Cuts a batch that n_thread threads will run. */
static attn_status cut(attn_workspace *ws, const attn_batch *batch, uint32_t n_thread,
                       attn_error *err, size_t *n_piece) {
  const uint32_t *begin = batch->begin;
  attn_status rc =
      reserve(&ws->piece, &ws->n_piece, batch->n + 1, sizeof *ws->piece, err);
  if (rc != ATTN_OK) return rc;
  *n_piece = 0;
  for (size_t i = 0; i < batch->n;) {
    uint64_t n_token = (begin[batch->n] - begin[i]) / n_thread;
    if (n_token < MIN_TOKENS) n_token = MIN_TOKENS;
    if (n_token > ATTNE_PASS_TOKENS) n_token = ATTNE_PASS_TOKENS;
    ws->piece[(*n_piece)++] = i;
    for (size_t first = i++; i < batch->n && begin[i + 1] - begin[first] <= n_token;) i++;
  }
  ws->piece[*n_piece] = batch->n;
  return ATTN_OK;
}

/* Arena that is enough for each of the pieces. */
static attn_status size_arena(const attn_workspace *ws, const attn_model *model,
                              const attn_batch *batch, size_t n_piece, attn_error *err,
                              uint64_t *out) {
  *out = 0;
  for (size_t i = 0; i < n_piece; i++) {
    size_t first = ws->piece[i], end = ws->piece[i + 1];
    uint32_t longest = 0;
    for (size_t k = first; k < end; k++) {
      uint32_t n = batch->begin[k + 1] - batch->begin[k];
      if (n > longest) longest = n;
    }
    uint64_t need =
        attne_forward_memory(&model->graph, batch->begin[end] - batch->begin[first],
                             (uint32_t)(end - first), longest);
    if (need == 0) return attne_no_memory(err);
    if (need > *out) *out = need;
  }
  return ATTN_OK;
}

/* Makes *n arenas; fewer where a call may not take the memory of all. */
static attn_status reserve_arenas(attn_workspace *ws, uint32_t *n, uint64_t size,
                                  attn_error *err) {
  const uint64_t limit = attn_limit_get(ATTN_LIMIT_CALL_BYTES);
  attn_status rc = attn_limit_call(size, err);
  if (rc != ATTN_OK) return rc;
  if (size && *n > limit / size) *n = (uint32_t)(limit / size);
  for (uint32_t i = 0; i < *n; i++) {
    if (size <= ws->n_arena[i]) continue;
    attn_release_aligned(ws->arena[i]);
    ws->n_arena[i] = 0;
    ws->arena[i] = attn_alloc_aligned(size);
    if (!ws->arena[i]) return attne_no_memory(err);
    ws->n_arena[i] = size;
  }
  return ATTN_OK;
}

typedef struct encoding {
  const attn_workspace *ws;
  const attn_model *model;
  const attn_batch *batch;
  const attn_observer *observer;
  float *out;
} encoding;

static void encode_piece(void *ctx, uint32_t slot, size_t i) {
  const encoding *e = ctx;
  size_t first = e->ws->piece[i];
  attn_batch part = {e->batch->id, e->batch->begin + first,
                     e->batch->n_skip ? e->batch->n_skip + first : NULL,
                     e->ws->piece[i + 1] - first, e->batch->type};
  attne_forward(&e->model->graph, &part, e->observer, first, e->ws->arena[slot],
                e->out + first * e->model->info.dimension);
}

attn_status attn_encode(attn_workspace *workspace, const attn_model *model,
                        const attn_batch *batch, const attn_embed_options *options,
                        attn_error *err, float *out) {
  size_t n_piece = 0;
  uint64_t n_arena = 0;
  attn_status rc = check_embeds(model, err);
  const attn_observer *observer = options ? options->observer : NULL;
  for (size_t i = 0; rc == ATTN_OK && i < batch->n; i++) {
    rc = check_sequence(model, batch, i, err);
  }
  if (rc == ATTN_OK) rc = cut(workspace, batch, attne_job_slots(batch->n), err, &n_piece);
  if (rc == ATTN_OK) rc = size_arena(workspace, model, batch, n_piece, err, &n_arena);
  uint32_t n_slot = observer ? 1 : attne_job_slots(n_piece);
  if (rc == ATTN_OK) rc = reserve_arenas(workspace, &n_slot, n_arena, err);
  if (rc != ATTN_OK) return rc;
  encoding e = {workspace, model, batch, observer, out};
  rc = attne_run(&(attne_job){.run = encode_piece,
                              .ctx = &e,
                              .n_piece = n_piece,
                              .n_slot = n_slot,
                              .stop = options ? options->stop : NULL,
                              .stop_ctx = options ? options->ctx : NULL});
  return rc == ATTN_OK ? rc : attne_fail(err, rc, "interrupted");
}

/* --------------------------------------------------------------------- embedding */

static attn_status tokenize(attn_workspace *ws, const attn_model *model, attn_text prompt,
                            attn_text text, attn_error *err) {
  const char *whole = text.text;
  size_t n = text.n_text;
  if (prompt.n_text) {
    if (n > SIZE_MAX - prompt.n_text) return attne_no_memory(err);
    n += prompt.n_text;
    attn_status rc = reserve(&ws->joined, &ws->n_joined, n, 1, err);
    if (rc != ATTN_OK) return rc;
    memcpy(ws->joined, prompt.text, prompt.n_text);
    if (text.n_text) memcpy(ws->joined + prompt.n_text, text.text, text.n_text);
    whole = ws->joined;
  }
  ws->tokens.n = 0;
  return attn_tokenize(model->tokenizer, whole, n, model->info.max_length, err,
                       &ws->tokens);
}

/* As sentence-transformers counts a prompt's tokens: those of the prompt alone,
** without the one that closes it. */
static attn_status count_prompt(attn_workspace *ws, const attn_model *model,
                                attn_text prompt, attn_error *err, uint32_t *out) {
  *out = 0;
  if (model->graph.pool_prompt || prompt.n_text == 0) return ATTN_OK;
  attn_status rc = tokenize(ws, model, (attn_text){0}, prompt, err);
  size_t n = ws->tokens.n;
  if (n && ws->tokens.token[n - 1].end == 0) n--;
  *out = (uint32_t)n;
  return rc;
}

attn_status attn_embed_begin(attn_workspace *ws, const attn_model *model,
                             const attn_embed_options *options, attn_error *err) {
  ws->model = model;
  ws->options = options ? *options : (attn_embed_options){0};
  ws->n = 0;
  attn_status rc = check_embeds(model, err);
  if (rc != ATTN_OK) return rc;
  return count_prompt(ws, model, ws->options.prompt, err, &ws->n_prompt);
}

attn_status attn_embed_add(attn_workspace *ws, attn_text text, attn_error *err,
                           uint32_t *n_token) {
  *n_token = 0;
  attn_status rc = tokenize(ws, ws->model, ws->options.prompt, text, err);
  if (rc == ATTN_OK) {
    rc = reserve(&ws->begin, &ws->n_begin, ws->n + 2, sizeof *ws->begin, err);
  }
  if (rc == ATTN_OK) {
    rc = reserve(&ws->n_skip, &ws->n_n_skip, ws->n + 1, sizeof *ws->n_skip, err);
  }
  if (rc != ATTN_OK) return rc;
  if (ws->n == 0) ws->begin[0] = 0;
  size_t n = ws->tokens.n, first = ws->begin[ws->n];
  if (n == 0 && !ws->model->graph.is_static) {
    return attne_fail(err, ATTN_INVALID,
                      "the tokenizer of the model makes no token of a text of %zu bytes",
                      text.n_text);
  }
  if (first + n > UINT32_MAX) return attne_no_memory(err);
  rc = reserve(&ws->id, &ws->n_id, first + n, sizeof *ws->id, err);
  if (rc != ATTN_OK) return rc;
  for (size_t k = 0; k < n; k++) ws->id[first + k] = ws->tokens.token[k].id;
  ws->begin[ws->n + 1] = (uint32_t)(first + n);
  ws->n_skip[ws->n] = ws->n_prompt < n || n == 0 ? ws->n_prompt : (uint32_t)n - 1;
  ws->n++;
  *n_token = (uint32_t)n;
  return ATTN_OK;
}

attn_status attn_embed_run(attn_workspace *ws, attn_error *err, float *out) {
  attn_batch batch = {ws->id, ws->begin, ws->n_skip, ws->n, NULL};
  ws->n = 0;
  if (batch.n == 0) return ATTN_OK;
  return attn_encode(ws, ws->model, &batch, &ws->options, err, out);
}

attn_status attn_embed(attn_workspace *workspace, const attn_model *model,
                       const attn_text *text, size_t n, const attn_embed_options *options,
                       attn_error *err, float *out) {
  uint32_t n_token;
  attn_status rc = attn_embed_begin(workspace, model, options, err);
  for (size_t i = 0; rc == ATTN_OK && i < n; i++) {
    rc = attn_embed_add(workspace, text[i], err, &n_token);
  }
  return rc == ATTN_OK ? attn_embed_run(workspace, err, out) : rc;
}
