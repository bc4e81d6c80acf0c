/*
** embed.c - texts in, vectors out: tokenize, check, run, in pieces that can be
** interrupted.
*/
#include "encoder.h"
#include "model.h"

enum {
  PIECE_TOKENS = 8192 /* tokens between two questions whether to stop */
};

struct attn_workspace {
  attn_tokens tokens;
  int32_t *id;
  uint32_t *begin, *n_skip;
  size_t n_id, n_begin, n_n_skip; /* allocated entries */
  char *joined;                   /* prompt + text */
  size_t n_joined;
  void *arena;
  uint64_t n_arena;
};

attn_status attn_workspace_new(attn_workspace **out) {
  *out = attn_alloc_zero(sizeof **out);
  return *out ? ATTN_OK : ATTN_NOMEM;
}

void attn_workspace_free(attn_workspace *ws) {
  if (!ws) return;
  attn_tokens_free(&ws->tokens);
  attn_release(ws->id);
  attn_release(ws->begin);
  attn_release(ws->n_skip);
  attn_release(ws->joined);
  attn_release_aligned(ws->arena);
  attn_release(ws);
}

/* Makes room for n entries of `size` bytes; what was there is kept. */
static attn_status reserve(void **p, size_t *n_alloc, size_t n, size_t size, attn_error *err) {
  if (n <= *n_alloc) return ATTN_OK;
  size_t n_new = n + n / 2 + 64;
  if (n_new < n || n_new > SIZE_MAX / size) return attn_no_memory(err);
  void *q = attn_resize(*p, n_new * size);
  if (!q) return attn_no_memory(err);
  *p = q;
  *n_alloc = n_new;
  return ATTN_OK;
}

static int stopped(const attn_embed_options *options) {
  return options && options->stop && options->stop(options->ctx);
}

static attn_status interrupted(attn_error *err) {
  return attn_fail(err, ATTN_INTERRUPTED, "interrupted");
}

/* ---------------------------------------------------------------------- encoding */

static attn_status check_sequence(const attn_model *model, const attn_batch *batch, size_t i,
                                  attn_error *err) {
  uint32_t first = batch->begin[i], end = batch->begin[i + 1];
  uint32_t n = end - first, max = model->info.max_length;
  if (end < first || n < 1 || n > max) {
    return attn_fail(err, ATTN_INVALID, "sequence %zu has %u tokens; expected 1 to %u", i,
                     end < first ? 0 : n, max);
  }
  if (batch->n_skip && batch->n_skip[i] >= n) {
    return attn_fail(err, ATTN_INVALID, "sequence %zu skips %u of its %u tokens", i,
                     batch->n_skip[i], n);
  }
  for (uint32_t k = first; k < end; k++) {
    if (batch->id[k] < 0 || (uint32_t)batch->id[k] >= model->graph.n_vocab) {
      return attn_fail(err, ATTN_INVALID,
                       "token id %d of sequence %zu; expected 0 to %u, as the model has "
                       "embeddings",
                       batch->id[k], i, model->graph.n_vocab - 1);
    }
  }
  return ATTN_OK;
}

/* Sequences [first, end) of the batch, which are checked. */
static attn_status run_piece(attn_workspace *ws, const attn_model *model,
                             const attn_batch *batch, size_t first, size_t end,
                             attn_error *err, float *out) {
  attn_batch piece = {batch->id, batch->begin + first,
                      batch->n_skip ? batch->n_skip + first : NULL, end - first};
  uint32_t longest = 0;
  for (size_t i = first; i < end; i++) {
    uint32_t n = batch->begin[i + 1] - batch->begin[i];
    if (n > longest) longest = n;
  }
  uint64_t need =
      attn_forward_memory(&model->graph, batch->begin[end] - batch->begin[first],
                          (uint32_t)piece.n, longest);
  if (need == 0) return attn_no_memory(err);
  if (need > ws->n_arena) {
    attn_release_aligned(ws->arena);
    ws->n_arena = 0;
    ws->arena = attn_alloc_aligned(need);
    if (!ws->arena) return attn_no_memory(err);
    ws->n_arena = need;
  }
  attn_forward(&model->graph, &piece, ws->arena, out);
  return ATTN_OK;
}

attn_status attn_encode(attn_workspace *workspace, const attn_model *model,
                        const attn_batch *batch, const attn_embed_options *options,
                        attn_error *err, float *out) {
  attn_status rc = ATTN_OK;
  for (size_t first = 0, end; rc == ATTN_OK && first < batch->n; first = end) {
    uint64_t n_token = 0;
    for (end = first; end < batch->n; end++) {
      rc = check_sequence(model, batch, end, err);
      if (rc != ATTN_OK) return rc;
      n_token += batch->begin[end + 1] - batch->begin[end];
      if (end > first && n_token > PIECE_TOKENS) break;
    }
    if (stopped(options)) return interrupted(err);
    rc = run_piece(workspace, model, batch, first, end, err,
                   out + first * model->info.dimension);
  }
  return rc;
}

/* --------------------------------------------------------------------- embedding */

static attn_status tokenize(attn_workspace *ws, const attn_model *model, attn_text prompt,
                            attn_text text, attn_error *err) {
  const char *whole = text.text;
  size_t n = text.n_text;
  if (prompt.n_text) {
    if (n > SIZE_MAX - prompt.n_text) return attn_no_memory(err);
    n += prompt.n_text;
    attn_status rc = reserve((void **)&ws->joined, &ws->n_joined, n, 1, err);
    if (rc != ATTN_OK) return rc;
    memcpy(ws->joined, prompt.text, prompt.n_text);
    if (text.n_text) memcpy(ws->joined + prompt.n_text, text.text, text.n_text);
    whole = ws->joined;
  }
  ws->tokens.n = 0;
  return attn_tokenize(model->tokenizer, whole, n, model->info.max_length, err, &ws->tokens);
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

/* Appends the ids of one text to the workspace as sequence i. */
static attn_status add_text(attn_workspace *ws, const attn_model *model, attn_text prompt,
                            uint32_t n_prompt, attn_text text, size_t i, attn_error *err) {
  attn_status rc = tokenize(ws, model, prompt, text, err);
  if (rc != ATTN_OK) return rc;
  size_t n = ws->tokens.n, first = ws->begin[i];
  if (n == 0) {
    return attn_fail(err, ATTN_INVALID,
                     "the tokenizer of the model makes no token of a text of %zu bytes",
                     text.n_text);
  }
  if (first + n > UINT32_MAX) return attn_no_memory(err);
  rc = reserve((void **)&ws->id, &ws->n_id, first + n, sizeof *ws->id, err);
  if (rc != ATTN_OK) return rc;
  for (size_t k = 0; k < n; k++) ws->id[first + k] = ws->tokens.token[k].id;
  ws->begin[i + 1] = (uint32_t)(first + n);
  ws->n_skip[i] = n_prompt < n ? n_prompt : (uint32_t)n - 1;
  return ATTN_OK;
}

attn_status attn_embed(attn_workspace *workspace, const attn_model *model,
                       const attn_text *text, size_t n, const attn_embed_options *options,
                       attn_error *err, float *out) {
  attn_workspace *ws = workspace;
  attn_text prompt = options ? options->prompt : (attn_text){0};
  uint32_t n_prompt = 0;
  attn_status rc = reserve((void **)&ws->begin, &ws->n_begin, n + 1, sizeof *ws->begin, err);
  if (rc == ATTN_OK) {
    rc = reserve((void **)&ws->n_skip, &ws->n_n_skip, n, sizeof *ws->n_skip, err);
  }
  if (rc == ATTN_OK) rc = count_prompt(ws, model, prompt, err, &n_prompt);
  if (rc != ATTN_OK) return rc;
  ws->begin[0] = 0;
  for (size_t i = 0; rc == ATTN_OK && i < n; i++) {
    if (stopped(options)) return interrupted(err);
    rc = add_text(ws, model, prompt, n_prompt, text[i], i, err);
  }
  if (rc != ATTN_OK) return rc;
  attn_batch batch = {ws->id, ws->begin, ws->n_skip, n};
  return attn_encode(ws, model, &batch, options, err, out);
}
