/*
** model.c - making a model from its settings and tensors, and sharing it.
**
** The models of the process are a list under one lock.  It is held for moments
** only, never while a model loads: loading calls back into the host, which has
** locks of its own.  Two threads that load the same model at once both load it,
** and the second one to finish throws its copy away.
**
** A database may say of its model whatever it likes, also that it is the one that
** everybody uses.  So it is taken at its word in what itself gets, and others share a
** model with it only when its content has been compared.
*/
#include "model.h"
#include "../base/settings.h"
#include <pthread.h>
#include <stdio.h>

/* ------------------------------------------------------------------- describing */

static void describe(const attne_graph *g, const attne_architecture *a,
                     uint32_t max_length, attn_model_info *info) {
  size_t n = 0;
  memset(info, 0, sizeof *info);
  snprintf(info->architecture, sizeof info->architecture, "%s", a->model_type);
  for (uint32_t i = 0; i < g->n_pool; i++) {
    n += (size_t)snprintf(info->pooling + n, sizeof info->pooling - n, "%s%s",
                          i ? "+" : "", attne_pool_name(g->pool[i]));
    if (n >= sizeof info->pooling) break;
  }
  info->dimension = g->dimension;
  info->n_layer = g->encoder.n_layer + g->decoder.n_layer;
  info->n_head = attne_graph_last(g)->n_head;
  info->d_head = attne_graph_last(g)->d_head;
  info->d_model = g->d_model;
  info->d_ff = attne_graph_last(g)->d_ff;
  info->max_length = max_length;
  info->normalize = g->normalize;
  info->n_dense = g->n_dense;
  info->embeds = g->n_pool > 0;
  info->generates = g->has_head;
  info->transforms = g->n_vocab == 0;
  info->has_encoder = g->encoder.n_head && g->decoder.n_head;
  info->n_vocab = g->n_vocab;
  info->precision = g->precision;
}

/* A tokenizer without a model around it. */
static int is_tokenizer(const attn_settings *settings) {
  return !attne_settings_has(settings, "$.transformer") &&
         attne_settings_has(settings, "$.tokenizer");
}

static void describe_tokenizer(attn_model_info *info) {
  memset(info, 0, sizeof *info);
  snprintf(info->architecture, sizeof info->architecture, "tokenizer");
}

attn_status attn_model_describe(attn_settings *settings, attn_error *err,
                                attn_model_info *out) {
  attne_graph graph;
  const attne_architecture *architecture = NULL;
  uint32_t max_length = 0;
  memset(out, 0, sizeof *out);
  attn_status rc = attne_settings_sort(settings, err);
  if (rc == ATTN_OK && is_tokenizer(settings)) {
    describe_tokenizer(out);
    return ATTN_OK;
  }
  if (rc == ATTN_OK) {
    rc = attne_graph_configure(settings, err, &graph, &architecture, &max_length);
  }
  if (rc == ATTN_OK) describe(&graph, architecture, max_length, out);
  return rc;
}

int attn_model_type_decodes(const char *model_type) {
  const attne_architecture *a =
      attne_architecture_find((attn_text){model_type, strlen(model_type)});
  return a && a->decoder;
}

/* ---------------------------------------------------------------------- prompts */

/* The names under which sentence-transformers looks for a prompt, in order. */
static const char *const prompt_names[ATTN_N_PROMPT][4] = {
    [ATTN_PROMPT_DEFAULT] = {NULL},
    [ATTN_PROMPT_QUERY] = {"query", NULL},
    [ATTN_PROMPT_DOCUMENT] = {"document", "passage", "corpus", NULL},
};

/* Those of queries and documents have names of their own, and are empty where there is
** none; only the default prompt goes by the name that the configuration gives it. */
static attn_status find_prompt(const attn_settings *s, attn_prompt which, attn_error *err,
                               attn_text *out) {
  for (int i = 0; prompt_names[which][i]; i++) {
    const char *name = prompt_names[which][i];
    if (attne_settings_find(s, "$.sentence_transformers.prompts.%s", name)) {
      return attne_settings_text(s, err, out, "$.sentence_transformers.prompts.%s", name);
    }
  }
  attn_text name = {0};
  if (which != ATTN_PROMPT_DEFAULT) return ATTN_OK;
  attn_status rc =
      attne_settings_text(s, err, &name, "$.sentence_transformers.default_prompt_name");
  if (rc != ATTN_OK || name.n_text == 0) return rc;
  rc = attne_settings_require(s, err, "$.sentence_transformers.prompts.%.*s",
                              (int)name.n_text, name.text);
  if (rc != ATTN_OK) return rc;
  return attne_settings_text(s, err, out, "$.sentence_transformers.prompts.%.*s",
                             (int)name.n_text, name.text);
}

static attn_status load_prompts(attn_model *model, const attn_settings *s,
                                attn_error *err) {
  for (int i = 0; i < ATTN_N_PROMPT; i++) {
    attn_text prompt = {0};
    attn_status rc = find_prompt(s, (attn_prompt)i, err, &prompt);
    if (rc != ATTN_OK) return rc;
    if (prompt.n_text == 0) continue;
    model->prompt[i] = attne_alloc(prompt.n_text);
    if (!model->prompt[i]) return attne_no_memory(err);
    memcpy(model->prompt[i], prompt.text, prompt.n_text);
    model->n_prompt[i] = prompt.n_text;
  }
  return ATTN_OK;
}

attn_text attn_model_prompt(const attn_model *model, attn_prompt which) {
  return (attn_text){model->prompt[which], model->n_prompt[which]};
}

/* ------------------------------------------------------------------ hidden words */

/* What a folder's files say of it, each as a text or as an added token; else one of the
** two texts that nearly all of them have. */
static int32_t find_mask(const attn_settings *s, const attn_tokenizer *tokenizer) {
  static const char *const paths[] = {
      "$.tokenizer_config.mask_token", "$.tokenizer_config.mask_token.content",
      "$.special_tokens_map.mask_token", "$.special_tokens_map.mask_token.content"};
  static const char *const texts[] = {"[MASK]", "<mask>"};
  attn_text text = {0};
  int32_t id = -1;
  for (size_t i = 0; !text.n_text && i < sizeof paths / sizeof *paths; i++) {
    const attn_setting *found = attne_settings_find(s, "%s", paths[i]);
    if (found && found->kind == ATTN_TEXT) text = (attn_text){found->text, found->n_text};
  }
  if (text.n_text) id = attn_token_id(tokenizer, text.text, text.n_text);
  for (size_t i = 0; id < 0 && i < sizeof texts / sizeof *texts; i++) {
    id = attn_token_id(tokenizer, texts[i], strlen(texts[i]));
  }
  return id;
}

/* ---------------------------------------------------------------------- loading */

static void free_model(attn_model *model) {
  if (!model) return;
  attne_weights_free(&model->graph, &model->weights);
  attn_tokenizer_free(model->tokenizer);
  attne_model_bytes_return(model->n_tokenizer);
  for (int i = 0; i < ATTN_N_PROMPT; i++) attne_release(model->prompt[i]);
  for (int i = 0; i < ATTNE_N_ORIGIN; i++) attne_release(model->origin[i]);
  attne_release(model->key);
  attne_release(model->words);
  attne_release(model);
}

static uint64_t count_bytes(const attn_model *model) {
  const attne_graph *g = &model->graph;
  uint64_t n_layer = g->encoder.n_layer + g->decoder.n_layer;
  uint64_t n = sizeof *model + model->weights.n_byte + n_layer * sizeof(attne_layer);
  return n + model->n_tokenizer;
}

/* Its memory counts; it is the model's own when all went well. */
static attn_status take_tokenizer(attn_model *model, const attn_tokenizer *tokenizer,
                                  attn_error *err) {
  uint64_t n = tokenizer ? attn_tokenizer_memory(tokenizer) : 0;
  attn_status rc = attne_model_bytes_take(n, err);
  if (rc == ATTN_OK) model->n_tokenizer = n;
  return rc;
}

static attn_status load_weights(attn_model *model, attn_settings *settings,
                                const attn_source *source, attne_linear **linear,
                                attn_error *err) {
  const attne_architecture *architecture = NULL;
  uint32_t max_length = 0;
  attn_status rc =
      attne_graph_configure(settings, err, &model->graph, &architecture, &max_length);
  if (rc == ATTN_OK) rc = load_prompts(model, settings, err);
  if (rc == ATTN_OK) rc = attne_generation_configure(settings, err, &model->generation);
  if (rc == ATTN_OK) {
    describe(&model->graph, architecture, max_length, &model->info);
    rc = attne_weights_load(&model->graph, architecture, settings, source, linear, err,
                            &model->weights);
  }
  return rc;
}

attn_status attne_model_load_linears(attn_settings *settings, attn_tokenizer *tokenizer,
                                     const attn_source *source, attne_linear **linear,
                                     attn_error *err, attn_model **out) {
  *out = NULL;
  attn_model *model = attne_alloc_zero(sizeof *model);
  if (!model) return attne_no_memory(err);
  model->n_user = 1;
  attn_status rc = take_tokenizer(model, tokenizer, err);
  if (rc == ATTN_OK) rc = attne_settings_sort(settings, err);
  if (rc == ATTN_OK && is_tokenizer(settings)) {
    describe_tokenizer(&model->info);
  } else if (rc == ATTN_OK) {
    rc = load_weights(model, settings, source, linear, err);
    model->mask = find_mask(settings, tokenizer);
  }
  if (rc != ATTN_OK) {
    free_model(model);
    return rc;
  }
  model->tokenizer = tokenizer;
  model->n_byte = count_bytes(model);
  *out = model;
  return ATTN_OK;
}

attn_status attn_model_load(attn_settings *settings, attn_tokenizer *tokenizer,
                            const attn_source *source, attn_error *err,
                            attn_model **out) {
  return attne_model_load_linears(settings, tokenizer, source, NULL, err, out);
}

attn_status attn_model_check(attn_settings *settings, const attn_source *source,
                             attn_error *err) {
  attn_precision precision;
  return attne_model_mark_int8(settings, source, err, NULL, &precision);
}

attn_status attne_model_mark_int8(attn_settings *settings, const attn_source *source,
                                  attn_error *err, unsigned char *mark,
                                  attn_precision *precision) {
  attne_graph graph;
  const attne_architecture *architecture = NULL;
  uint32_t max_length = 0;
  attn_status rc = attne_settings_sort(settings, err);
  if (rc == ATTN_OK) {
    rc = attne_graph_configure(settings, err, &graph, &architecture, &max_length);
  }
  if (rc != ATTN_OK) return rc;
  *precision = graph.precision;
  if (mark) memset(mark, 0, source->n_tensor);
  return attne_weights_check(&graph, architecture, settings, source, err, mark);
}

const attn_model_info *attn_model_get_info(const attn_model *model) {
  return &model->info;
}

const attn_tokenizer *attn_model_tokenizer(const attn_model *model) {
  return model->tokenizer;
}

uint64_t attn_model_memory(const attn_model *model) {
  return model->n_byte;
}

/* ---------------------------------------------------------------------- sharing */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static attn_model *published; /* under the lock */

static int is_from(const attn_model *model, const char *origin) {
  for (uint32_t i = 0; i < ATTNE_N_ORIGIN && model->origin[i]; i++) {
    if (strcmp(model->origin[i], origin) == 0) return 1;
  }
  return 0;
}

attn_model *attn_model_acquire(const char *key, const char *origin) {
  pthread_mutex_lock(&lock);
  attn_model *model = published;
  while (model && (strcmp(model->key, key) != 0 || !is_from(model, origin))) {
    model = model->next;
  }
  if (model) model->n_user++;
  pthread_mutex_unlock(&lock);
  return model;
}

/* Number i of the published models of a key; the lock is held. */
static attn_model *candidate(const char *key, uint32_t i) {
  attn_model *model = published;
  for (; model; model = model->next) {
    if (strcmp(model->key, key) == 0 && i-- == 0) break;
  }
  return model;
}

static int same_content(const attn_model *a, const attn_model *b) {
  return strcmp(a->words, b->words) == 0 && a->weights.n_byte == b->weights.n_byte &&
         (a->weights.n_byte == 0 ||
          memcmp(a->weights.memory, b->weights.memory, a->weights.n_byte) == 0);
}

/* The lock is held; an origin too many puts out the oldest, whose next model is loaded
** to be compared again. */
static void add_origin(attn_model *model, char *origin) {
  char **at = &model->origin[model->n_origin++ % ATTNE_N_ORIGIN];
  attne_release(*at);
  *at = origin;
}

static char *copy_text(const char *text) {
  size_t n = strlen(text) + 1;
  char *copy = attne_alloc(n);
  return copy ? memcpy(copy, text, n) : NULL;
}

/* Whoever has the same content already; NULL: the model itself has been published. */
static attn_model *publish(attn_model *model, char *origin) {
  for (uint32_t i = 0;; i++) {
    pthread_mutex_lock(&lock);
    attn_model *other = candidate(model->key, i);
    if (other) {
      other->n_user++;
    } else {
      add_origin(model, origin);
      model->next = published;
      published = model;
    }
    pthread_mutex_unlock(&lock);
    if (!other) return NULL;
    if (same_content(other, model)) {
      pthread_mutex_lock(&lock);
      add_origin(other, origin);
      pthread_mutex_unlock(&lock);
      return other;
    }
    attn_model_release(other);
  }
}

attn_status attn_model_publish(const attn_model_name *name, attn_model *model,
                               attn_model **out) {
  char *key = copy_text(name->key), *words = copy_text(name->words),
       *origin = copy_text(name->origin);
  *out = NULL;
  if (!key || !words || !origin) {
    attne_release(key);
    attne_release(words);
    attne_release(origin);
    return ATTN_NOMEM;
  }
  model->key = key;
  model->words = words;
  *out = publish(model, origin);
  if (*out) {
    free_model(model);
  } else {
    *out = model;
  }
  return ATTN_OK;
}

/* Of a model that is const to its users, only the count changes, under the lock. */
void attn_model_retain(const attn_model *model) {
  pthread_mutex_lock(&lock);
  ((attn_model *)(uintptr_t)model)->n_user++;
  pthread_mutex_unlock(&lock);
}

void attn_model_release(const attn_model *shared) {
  attn_model *model = (attn_model *)(uintptr_t)shared;
  if (!model) return;
  pthread_mutex_lock(&lock);
  int last = --model->n_user == 0;
  if (last && model->key) {
    attn_model **at = &published;
    while (*at != model) at = &(*at)->next;
    *at = model->next;
  }
  pthread_mutex_unlock(&lock);
  if (last) free_model(model);
}

void attn_model_totals(uint32_t *n_model, uint64_t *n_byte) {
  *n_model = 0;
  *n_byte = 0;
  pthread_mutex_lock(&lock);
  for (const attn_model *model = published; model; model = model->next) {
    *n_model += 1;
    *n_byte += model->n_byte;
  }
  pthread_mutex_unlock(&lock);
}
