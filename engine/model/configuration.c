/*
** configuration.c - from a model's settings to the graph.
**
** Here, and only here, a configuration is judged: what passes is what the
** forward pass can run.
*/
#include "architecture.h"
#include "../base/settings.h"
#include <limits.h>
#include <math.h>

typedef struct activation_name {
  const char *name;
  attne_activation activation;
} activation_name;

/* Of transformers' ACT2FN and of torch.nn's classes. */
static const activation_name activation_names[] = {
    {"gelu", ATTNE_GELU},           {"gelu_python", ATTNE_GELU},
    {"gelu_new", ATTNE_GELU_TANH},  {"gelu_pytorch_tanh", ATTNE_GELU_TANH},
    {"gelu_fast", ATTNE_GELU_TANH}, {"relu", ATTNE_RELU},
    {"silu", ATTNE_SILU},           {"swish", ATTNE_SILU},
    {"tanh", ATTNE_TANH},           {"sigmoid", ATTNE_SIGMOID},
    {"linear", ATTNE_IDENTITY},     {"Identity", ATTNE_IDENTITY},
    {"Tanh", ATTNE_TANH},           {"ReLU", ATTNE_RELU},
    {"GELU", ATTNE_GELU},           {"SiLU", ATTNE_SILU},
    {"Sigmoid", ATTNE_SIGMOID},
};

enum { N_ACTIVATION_NAME = sizeof activation_names / sizeof activation_names[0] };

typedef struct pool_name {
  const char *name;        /* of "pooling_mode" */
  const char *legacy_flag; /* its boolean before version 6 */
} pool_name;

static const pool_name pool_names[ATTNE_N_POOL] = {
    [ATTNE_POOL_CLS] = {"cls", "pooling_mode_cls_token"},
    [ATTNE_POOL_MAX] = {"max", "pooling_mode_max_tokens"},
    [ATTNE_POOL_MEAN] = {"mean", "pooling_mode_mean_tokens"},
    [ATTNE_POOL_MEAN_SQRT_LEN] = {"mean_sqrt_len_tokens",
                                  "pooling_mode_mean_sqrt_len_tokens"},
    [ATTNE_POOL_WEIGHTED_MEAN] = {"weightedmean", "pooling_mode_weightedmean_tokens"},
    [ATTNE_POOL_LAST] = {"lasttoken", "pooling_mode_lasttoken"},
};

const char *attne_pool_name(attne_pool pool) {
  return pool_names[pool].name;
}

/* The text behind the last dot: classes are named by their whole path. */
static attn_text last_component(attn_text path) {
  for (size_t i = path.n_text; i > 0; i--) {
    if (path.text[i - 1] == '.') return (attn_text){path.text + i, path.n_text - i};
  }
  return path;
}

int attne_activation_find(attn_text name, attne_activation *out) {
  for (int i = 0; i < N_ACTIVATION_NAME; i++) {
    if (!attne_text_is(name, activation_names[i].name)) continue;
    *out = activation_names[i].activation;
    return 1;
  }
  return 0;
}

static attn_status find_activation(attn_text name, const char *where, attn_error *err,
                                   attne_activation *out) {
  if (attne_activation_find(name, out)) return ATTN_OK;
  return attne_fail(
      err, ATTN_UNSUPPORTED,
      "unsupported activation \"%.*s\" at %s; known are gelu, gelu_new, relu, "
      "silu, tanh, sigmoid and linear",
      (int)name.n_text, name.text, where);
}

static attn_status find_architecture(const attn_settings *s, attn_error *err,
                                     const attne_architecture **out) {
  char known[256];
  attn_text type = {0};
  attn_status rc = attne_settings_require(s, err, "$.transformer.model_type");
  if (rc == ATTN_OK) {
    rc = attne_settings_text(s, err, &type, "$.transformer.model_type");
  }
  if (rc != ATTN_OK) return rc;
  *out = attne_architecture_find(type);
  if (*out) return ATTN_OK;
  attne_architecture_list(known, sizeof known);
  return attne_fail(
      err, ATTN_UNSUPPORTED,
      "unsupported architecture \"%.*s\" at $.transformer.model_type; known are "
      "%s",
      attne_text_cut(type, 100), type.text, known);
}

/* A whole number of config.json, up to max. */
static attn_status get_number(const attn_settings *s, attn_error *err,
                              attne_size_setting setting, int64_t max, uint32_t *out) {
  int64_t value = 0;
  if (setting.absent && !attne_settings_has(s, "$.transformer.%s", setting.name)) {
    *out = setting.absent;
    return ATTN_OK;
  }
  attn_status rc = attne_settings_require(s, err, "$.transformer.%s", setting.name);
  if (rc == ATTN_OK) {
    rc = attne_settings_integer(s, err, 1, max, &value, "$.transformer.%s", setting.name);
  }
  *out = (uint32_t)value;
  return rc;
}

/* One that there is a limit of: up to the most that it can be. */
static attn_status get_size(const attn_settings *s, attn_error *err,
                            attne_size_setting setting, attn_limit limit, uint32_t *out) {
  return get_number(s, err, setting, (int64_t)attn_limit_get_row(limit)->maximum, out);
}

static attn_status get_bool(const attn_settings *s, attn_error *err, const char *name,
                            int *value) {
  return name ? attne_settings_bool(s, err, value, "$.transformer.%s", name) : ATTN_OK;
}

static attn_status get_head_size(const attn_settings *s, attn_error *err,
                                 const attne_architecture *a, const char *n_head,
                                 const attne_graph *g, attne_stack *stack) {
  if (a->d_head) {
    return get_size(s, err, (attne_size_setting){.name = a->d_head}, ATTN_LIMIT_DIMENSION,
                    &stack->d_head);
  }
  if (g->d_model % stack->n_head) {
    return attne_fail(
        err, ATTN_INVALID,
        "$.transformer.%s is %u, which is not a multiple of $.transformer.%s, %u",
        a->d_model.name, g->d_model, n_head, stack->n_head);
  }
  stack->d_head = g->d_model / stack->n_head;
  return ATTN_OK;
}

/* RoBERTa: position ids start behind that of the padding token.  BART: behind two that
** nobody uses. */
static attn_status get_positions(const attn_settings *s, attn_error *err,
                                 const attne_architecture *a, attne_stack *stack) {
  stack->uncounted = -1;
  stack->n_position += a->n_reserved;
  stack->first_position = a->n_reserved;
  if (!a->positions_after_pad) return ATTN_OK;
  int64_t pad = 1;
  attn_status rc = attne_settings_integer(s, err, 0, (int64_t)stack->n_position - 2, &pad,
                                          "$.transformer.pad_token_id");
  stack->first_position = (uint32_t)pad + 1;
  stack->uncounted = (int32_t)pad;
  return rc;
}

/* T5's biases: as many buckets as heads have numbers, and the distance of the last. */
static attn_status get_relative(const attn_settings *s, attn_error *err,
                                const attne_architecture *a, attne_stack *stack) {
  static const attne_size_setting n_bucket = {.name = "relative_attention_num_buckets",
                                              .absent = 32};
  static const attne_size_setting distance = {.name = "relative_attention_max_distance",
                                              .absent = 128};
  if (a->positions != ATTNE_POSITIONS_RELATIVE) return ATTN_OK;
  attn_status rc = get_number(s, err, n_bucket, 4096, &stack->relative.n_bucket);
  if (rc == ATTN_OK)
    rc = get_number(s, err, distance, 1 << 16, &stack->relative.max_distance);
  if (rc != ATTN_OK) return rc;
  if (stack->relative.n_bucket % 4 ||
      stack->relative.max_distance <= stack->relative.n_bucket / 2) {
    return attne_fail(
        err, ATTN_UNSUPPORTED,
        "$.transformer.%s is %u and $.transformer.%s is %u; expected a multiple "
        "of 4 and more than half of it",
        n_bucket.name, stack->relative.n_bucket, distance.name,
        stack->relative.max_distance);
  }
  return ATTN_OK;
}

/* The setting with `absent` as this graph has it; d_model and the encoder are known. */
static attne_size_setting resolve(attne_size_setting setting, const attne_graph *g) {
  if (setting.times_d_model) setting.absent = setting.times_d_model * g->d_model;
  if (setting.as_encoder) setting.absent = g->encoder.n_layer;
  return setting;
}

static attn_status get_stack(const attn_settings *s, attn_error *err,
                             const attne_architecture *a, const attne_stack_names *names,
                             const attne_graph *g, attne_stack *stack) {
  if (!names) return ATTN_OK;
  attn_status rc =
      get_size(s, err, resolve(names->n_layer, g), ATTN_LIMIT_LAYERS, &stack->n_layer);
  if (rc == ATTN_OK)
    rc = get_size(s, err, names->n_head, ATTN_LIMIT_HEADS, &stack->n_head);
  if (rc == ATTN_OK) rc = get_head_size(s, err, a, names->n_head.name, g, stack);
  if (rc == ATTN_OK) {
    rc = get_size(s, err, resolve(names->d_ff, g), ATTN_LIMIT_FEED_FORWARD, &stack->d_ff);
  }
  if (rc == ATTN_OK && a->n_position.name) {
    rc = get_number(s, err, a->n_position, 1 << 20, &stack->n_position);
  }
  if (rc == ATTN_OK) rc = get_positions(s, err, a, stack);
  if (rc == ATTN_OK) rc = get_relative(s, err, a, stack);
  if (rc != ATTN_OK) return rc;
  stack->has_cross = names->cross_query != NULL;
  stack->score_scale = a->no_score_scale ? 1 : 1.0f / sqrtf((float)stack->d_head);
  return ATTN_OK;
}

static attn_status get_sizes(const attn_settings *s, attn_error *err,
                             const attne_architecture *a, attne_graph *g) {
  attn_status rc = get_size(s, err, a->d_model, ATTN_LIMIT_DIMENSION, &g->d_model);
  if (rc == ATTN_OK && a->word) {
    rc = get_size(s, err, (attne_size_setting){.name = "vocab_size"},
                  ATTN_LIMIT_VOCABULARY, &g->n_vocab);
  }
  if (rc == ATTN_OK && a->type) {
    rc = get_number(s, err, (attne_size_setting){.name = a->n_type}, 1 << 16, &g->n_type);
  }
  if (rc == ATTN_OK) rc = get_stack(s, err, a, a->encoder, g, &g->encoder);
  if (rc == ATTN_OK) rc = get_stack(s, err, a, a->decoder, g, &g->decoder);
  g->decoder.is_causal = 1;
  return rc;
}

/* Settings of a family that would change the graph. */
static attn_status refuse_variants(const attn_settings *s, attn_error *err,
                                   const attne_architecture *a) {
  attn_text kind = {"absolute", 8};
  attn_status rc =
      attne_settings_text(s, err, &kind, "$.transformer.position_embedding_type");
  if (rc == ATTN_OK && !attne_text_is(kind, "absolute")) {
    return attne_fail(
        err, ATTN_UNSUPPORTED,
        "unsupported $.transformer.position_embedding_type \"%.*s\"; expected "
        "\"absolute\"",
        attne_text_cut(kind, 100), kind.text);
  }
  for (const attne_fixed_setting *fixed = a->fixed; rc == ATTN_OK && fixed->name;
       fixed++) {
    int value = fixed->value;
    rc = get_bool(s, err, fixed->name, &value);
    if (rc == ATTN_OK && value != fixed->value) {
      return attne_fail(err, ATTN_UNSUPPORTED,
                        "unsupported $.transformer.%s %s; expected %s", fixed->name,
                        value ? "true" : "false", value ? "false" : "true");
    }
  }
  return rc;
}

/* T5 writes a gated one as "gated-silu", and "gated-gelu" is the tanh approximation. */
static attn_status get_activation(const attn_settings *s, attn_error *err,
                                  const attne_architecture *a, attne_graph *g) {
  attn_text name = {0};
  g->activation = a->activation_absent;
  if (!a->activation) return ATTN_OK;
  attn_status rc = attne_settings_text(s, err, &name, "$.transformer.%s", a->activation);
  if (rc != ATTN_OK || !name.text) return rc;
  if (a->encoder && a->encoder->gate && name.n_text > 6 &&
      memcmp(name.text, "gated-", 6) == 0) {
    g->is_gated = 1;
    name = (attn_text){name.text + 6, name.n_text - 6};
    if (attne_text_is(name, "gelu")) name = (attn_text){"gelu_new", 8};
  }
  return find_activation(name, "$.transformer", err, &g->activation);
}

static attn_status get_norms(const attn_settings *s, attn_error *err,
                             const attne_architecture *a, attne_graph *g) {
  double eps = a->eps_absent;
  g->norm = a->norm;
  g->norm_first = a->is_pre_norm;
  attn_status rc = get_bool(s, err, a->norm_first, &g->norm_first);
  if (rc == ATTN_OK && a->eps) {
    rc = attne_settings_real(s, err, &eps, "$.transformer.%s", a->eps);
  }
  if (rc != ATTN_OK) return rc;
  if (!(eps >= 0 && eps <= 1)) {
    return attne_fail(err, ATTN_INVALID, "$.transformer.%s is %g; expected 0 to 1",
                      a->eps, eps);
  }
  g->eps = (float)eps;
  return ATTN_OK;
}

static attn_status get_head(const attn_settings *s, attn_error *err,
                            const attne_architecture *a, attne_graph *g) {
  int scales_word = 0, scales_head;
  const float root = sqrtf((float)g->d_model);
  g->has_head = a->has_head;
  g->is_tied = a->has_head;
  attn_status rc = get_bool(s, err, a->word_scale, &scales_word);
  if (rc == ATTN_OK && a->has_head) {
    rc = get_bool(s, err, "tie_word_embeddings", &g->is_tied);
  }
  scales_head = g->is_tied;
  if (rc == ATTN_OK) rc = get_bool(s, err, a->head_scale, &scales_head);
  g->word_scale = scales_word ? root : 1;
  g->head_scale = a->head_scale && scales_head ? 1 / root : 1;
  return rc;
}

static attn_status get_transformer(const attn_settings *s, attn_error *err,
                                   const attne_architecture *a, attne_graph *g) {
  attn_status rc = get_sizes(s, err, a, g);
  if (rc == ATTN_OK) rc = refuse_variants(s, err, a);
  if (rc == ATTN_OK) rc = get_activation(s, err, a, g);
  if (rc == ATTN_OK) rc = get_norms(s, err, a, g);
  if (rc == ATTN_OK) rc = get_head(s, err, a, g);
  g->has_bias = !a->no_bias;
  if (rc == ATTN_OK) rc = get_bool(s, err, a->has_bias, &g->has_bias);
  g->dimension = g->d_model;
  return rc;
}

/* ------------------------------------------------------------------- modules */

static attn_status add_pool(attn_text name, unsigned module, attn_error *err,
                            attne_graph *g) {
  for (int i = 0; i < ATTNE_N_POOL; i++) {
    if (!attne_text_is(name, pool_names[i].name)) continue;
    if (g->n_pool == ATTNE_N_POOL) break;
    g->pool[g->n_pool++] = (attne_pool)i;
    return ATTN_OK;
  }
  return attne_fail(
      err, ATTN_UNSUPPORTED,
      "unsupported pooling \"%.*s\" at $.modules[%u].config.pooling_mode; "
      "expected up to %d of cls, max, mean, mean_sqrt_len_tokens, weightedmean "
      "and lasttoken",
      (int)name.n_text, name.text, module, ATTNE_N_POOL);
}

/* Before version 6: a boolean each, concatenated in the order of the table. */
static attn_status get_legacy_pooling(const attn_settings *s, unsigned i, attn_error *err,
                                      attne_graph *g) {
  for (int k = 0; k < ATTNE_N_POOL; k++) {
    int on = 0;
    attn_status rc = attne_settings_bool(s, err, &on, "$.modules[%u].config.%s", i,
                                         pool_names[k].legacy_flag);
    if (rc != ATTN_OK) return rc;
    if (on) g->pool[g->n_pool++] = (attne_pool)k;
  }
  if (g->n_pool == 0) g->pool[g->n_pool++] = ATTNE_POOL_MEAN;
  return ATTN_OK;
}

static attn_status get_pooling_modes(const attn_settings *s, unsigned i, attn_error *err,
                                     attne_graph *g) {
  const attn_setting *mode =
      attne_settings_find(s, "$.modules[%u].config.pooling_mode", i);
  if (!mode) return get_legacy_pooling(s, i, err, g);
  attn_text name = {0};
  attn_status rc = ATTN_OK;
  if (mode->kind != ATTN_ARRAY) {
    rc = attne_settings_text(s, err, &name, "$.modules[%u].config.pooling_mode", i);
    return rc == ATTN_OK ? add_pool(name, i, err, g) : rc;
  }
  for (unsigned k = 0; rc == ATTN_OK; k++) {
    if (!attne_settings_find(s, "$.modules[%u].config.pooling_mode[%u]", i, k)) break;
    rc =
        attne_settings_text(s, err, &name, "$.modules[%u].config.pooling_mode[%u]", i, k);
    if (rc == ATTN_OK) rc = add_pool(name, i, err, g);
  }
  if (rc == ATTN_OK && g->n_pool == 0) rc = add_pool((attn_text){"", 0}, i, err, g);
  return rc;
}

static attn_status get_pooling(const attn_settings *s, unsigned i, attn_error *err,
                               attne_graph *g) {
  int64_t dimension = g->d_model;
  g->n_pool = 0;
  g->pool_prompt = 1;
  attn_status rc = get_pooling_modes(s, i, err, g);
  if (rc == ATTN_OK) {
    rc = attne_settings_bool(s, err, &g->pool_prompt,
                             "$.modules[%u].config.include_prompt", i);
  }
  static const char *const keys[] = {"embedding_dimension", "word_embedding_dimension"};
  for (int k = 0; rc == ATTN_OK && k < 2; k++) {
    rc = attne_settings_integer(s, err, g->d_model, g->d_model, &dimension,
                                "$.modules[%u].config.%s", i, keys[k]);
  }
  g->dimension = g->d_model * g->n_pool;
  return rc;
}

/* The pooled vector is what a Dense and a Normalize must work on. */
static attn_status check_module_input(const attn_settings *s, unsigned i,
                                      attn_error *err) {
  attn_text in = {"sentence_embedding", 18}, out = in;
  attn_status rc =
      attne_settings_text(s, err, &in, "$.modules[%u].config.module_input_name", i);
  if (rc == ATTN_OK) {
    rc = attne_settings_text(s, err, &out, "$.modules[%u].config.module_output_name", i);
  }
  if (rc != ATTN_OK) return rc;
  if (attne_text_is(in, "sentence_embedding") &&
      attne_text_is(out, "sentence_embedding")) {
    return ATTN_OK;
  }
  return attne_fail(err, ATTN_UNSUPPORTED,
                    "$.modules[%u] goes from \"%.*s\" to \"%.*s\"; expected "
                    "\"sentence_embedding\" for both",
                    i, (int)in.n_text, in.text, (int)out.n_text, out.text);
}

static attn_status get_dense(const attn_settings *s, unsigned i, attn_error *err,
                             attne_graph *g) {
  if (g->n_dense == ATTNE_MAX_DENSE || g->normalize) {
    return attne_fail(
        err, ATTN_UNSUPPORTED,
        "unexpected Dense at $.modules[%u]; expected at most %d, before Normalize", i,
        ATTNE_MAX_DENSE);
  }
  attne_dense *dense = &g->dense[g->n_dense];
  int64_t n_in = 0, n_out = 0;
  int residual = 0;
  attn_text activation = {"Tanh", 4};
  attn_status rc = check_module_input(s, i, err);
  if (rc == ATTN_OK) {
    rc = attne_settings_require(s, err, "$.modules[%u].config.in_features", i);
  }
  if (rc == ATTN_OK) {
    rc = attne_settings_integer(s, err, g->dimension, g->dimension, &n_in,
                                "$.modules[%u].config.in_features", i);
  }
  if (rc == ATTN_OK) {
    rc = attne_settings_require(s, err, "$.modules[%u].config.out_features", i);
  }
  if (rc == ATTN_OK) {
    rc = attne_settings_integer(
        s, err, 1, (int64_t)attn_limit_get_row(ATTN_LIMIT_DIMENSION)->maximum, &n_out,
        "$.modules[%u].config.out_features", i);
  }
  if (rc == ATTN_OK) {
    rc = attne_settings_text(s, err, &activation,
                             "$.modules[%u].config.activation_function", i);
  }
  if (rc == ATTN_OK) {
    rc =
        find_activation(last_component(activation), "$.modules", err, &dense->activation);
  }
  if (rc == ATTN_OK) {
    rc = attne_settings_bool(s, err, &residual, "$.modules[%u].config.use_residual", i);
  }
  if (rc == ATTN_OK && residual) {
    rc =
        attne_fail(err, ATTN_UNSUPPORTED, "unsupported use_residual at $.modules[%u]", i);
  }
  if (rc != ATTN_OK) return rc;
  dense->linear.n_in = (uint32_t)n_in;
  dense->linear.n_out = (uint32_t)n_out;
  dense->module = i;
  g->n_dense++;
  g->dimension = (uint32_t)n_out;
  return ATTN_OK;
}

static attn_status get_normalize(const attn_settings *s, unsigned i, attn_error *err,
                                 attne_graph *g) {
  g->normalize = 1;
  return check_module_input(s, i, err);
}

typedef struct module_type {
  const char *name;
  attn_status (*get)(const attn_settings *s, unsigned i, attn_error *err, attne_graph *g);
} module_type;

static const module_type module_types[] = {
    {"Dense", get_dense},
    {"Normalize", get_normalize},
};

enum { N_MODULE_TYPE = sizeof module_types / sizeof module_types[0] };

static attn_status expect_module(const attn_settings *s, unsigned i, const char *type,
                                 attn_error *err) {
  attn_text found = {0};
  attn_status rc = attne_settings_require(s, err, "$.modules[%u].type", i);
  if (rc == ATTN_OK) rc = attne_settings_text(s, err, &found, "$.modules[%u].type", i);
  if (rc != ATTN_OK || attne_text_is(found, type)) return rc;
  return attne_fail(err, ATTN_UNSUPPORTED,
                    "unsupported module \"%.*s\" at $.modules[%u]; expected %s",
                    (int)found.n_text, found.text, i, type);
}

static attn_status get_static(const attn_settings *s, attn_error *err, attne_graph *g) {
  g->pool[g->n_pool++] = ATTNE_POOL_MEAN;
  g->pool_prompt = 1;
  return expect_module(s, 0, "StaticEmbedding", err);
}

static attn_status get_encoder(const attn_settings *s, attn_error *err, attne_graph *g) {
  if (g->encoder.n_head && g->decoder.n_head) {
    return attne_fail(err, ATTN_UNSUPPORTED,
                      "unsupported pooling of a model that has an encoder and a decoder");
  }
  attn_status rc = expect_module(s, 0, "Transformer", err);
  if (rc == ATTN_OK) rc = expect_module(s, 1, "Pooling", err);
  return rc == ATTN_OK ? get_pooling(s, 1, err, g) : rc;
}

/* Transformer and Pooling, or StaticEmbedding, then any number of Dense and Normalize.  A
** model that is no part of a chain embeds nothing. */
static attn_status get_modules(const attn_settings *s, attn_error *err, attne_graph *g) {
  unsigned i = g->is_static ? 1 : 2;
  if (!attne_settings_has(s, "$.modules[0]")) return ATTN_OK;
  attn_status rc = g->is_static ? get_static(s, err, g) : get_encoder(s, err, g);
  for (; rc == ATTN_OK && attne_settings_has(s, "$.modules[%u]", i); i++) {
    attn_text type = {0};
    rc = attne_settings_text(s, err, &type, "$.modules[%u].type", i);
    int k = 0;
    while (k < N_MODULE_TYPE && !attne_text_is(type, module_types[k].name)) k++;
    if (rc != ATTN_OK) break;
    rc = k < N_MODULE_TYPE ? module_types[k].get(s, i, err, g)
                           : expect_module(s, i, "Dense or Normalize", err);
  }
  return rc;
}

/* As sentence-transformers chooses it: its own setting, else the tokenizer's,
** never more than there are positions. */
static attn_status get_max_length(const attn_settings *s, attn_error *err,
                                  const attne_graph *g, uint32_t *out) {
  const attne_stack *first = g->encoder.n_head ? &g->encoder : &g->decoder;
  int64_t positions = (int64_t)first->n_position - first->first_position;
  int64_t length = positions;
  attn_status rc = ATTN_OK;
  if (g->is_static) positions = length = INT_MAX;
  if (!g->is_static && first->n_position == 0) positions = length = 1 << 20;
  if (attne_settings_has(s, "$.sentence.max_seq_length")) {
    rc = attne_settings_integer(s, err, 1, INT_MAX, &length, "$.sentence.max_seq_length");
  } else {
    /* "No limit" is written as a huge number, 1e30, so any number will do. */
    double limit = (double)positions;
    rc = attne_settings_real(s, err, &limit, "$.tokenizer_config.model_max_length");
    if (limit >= 1 && limit < (double)positions) length = (int64_t)limit;
  }
  *out = (uint32_t)(length < positions ? length : positions);
  return rc;
}

static const char *const precision_names[] = {
    [ATTN_PRECISION_F32] = "f32",
    [ATTN_PRECISION_INT8] = "int8",
};

const char *attn_precision_name(attn_precision precision) {
  return precision_names[precision];
}

int attn_precision_find(attn_text word, attn_precision *out) {
  for (int i = ATTN_PRECISION_F32; i <= ATTN_PRECISION_INT8; i++) {
    if (!attne_text_is(word, precision_names[i])) continue;
    *out = (attn_precision)i;
    return 1;
  }
  return 0;
}

static attn_status get_precision(const attn_settings *s, attn_error *err,
                                 const attne_architecture *a, attne_graph *g) {
  attn_text word = {"f32", 3};
  attn_status rc = attne_settings_text(s, err, &word, "$.precision");
  if (rc != ATTN_OK) return rc;
  if (!attn_precision_find(word, &g->precision)) {
    return attne_fail(err, ATTN_INVALID, "$.precision is \"%.*s\"; expected f32 or int8",
                      attne_text_cut(word, 40), word.text);
  }
  if (g->precision != ATTN_PRECISION_INT8) return ATTN_OK;
  if (a->is_static || a->is_transposed) {
    return attne_fail(err, ATTN_UNSUPPORTED,
                      "$.precision is \"int8\", which a %s cannot be; expected f32",
                      a->model_type);
  }
  const attne_stack *const stacks[] = {&g->encoder, &g->decoder};
  for (int i = 0; i < 2; i++) {
    if (stacks[i]->d_ff <= ATTNE_I8_MAX_K &&
        attne_stack_width(stacks[i]) <= ATTNE_I8_MAX_K) {
      continue;
    }
    return attne_fail(err, ATTN_UNSUPPORTED, "int8 takes layers up to %d wide",
                      ATTNE_I8_MAX_K);
  }
  return ATTN_OK;
}

/* What was said, or follows from it, is within the limits. */
static attn_status check_limits(const attne_graph *g, attn_error *err) {
  const attne_stack *e = &g->encoder, *d = &g->decoder;
  const struct {
    attn_limit limit;
    uint32_t found;
  } size[] = {
      {ATTN_LIMIT_LAYERS, e->n_layer},     {ATTN_LIMIT_LAYERS, d->n_layer},
      {ATTN_LIMIT_HEADS, e->n_head},       {ATTN_LIMIT_HEADS, d->n_head},
      {ATTN_LIMIT_FEED_FORWARD, e->d_ff},  {ATTN_LIMIT_FEED_FORWARD, d->d_ff},
      {ATTN_LIMIT_DIMENSION, e->d_head},   {ATTN_LIMIT_DIMENSION, d->d_head},
      {ATTN_LIMIT_DIMENSION, g->d_model},  {ATTN_LIMIT_DIMENSION, g->dimension},
      {ATTN_LIMIT_VOCABULARY, g->n_vocab},
  };
  attn_status rc = ATTN_OK;
  for (size_t i = 0; rc == ATTN_OK && i < sizeof size / sizeof size[0]; i++) {
    rc = attn_limit_check(size[i].limit, size[i].found, err, "the model has %u %s",
                          size[i].found, attn_limit_get_row(size[i].limit)->of);
  }
  return rc;
}

attn_status attne_graph_configure(const attn_settings *settings, attn_error *err,
                                  attne_graph *graph,
                                  const attne_architecture **architecture,
                                  uint32_t *max_length) {
  memset(graph, 0, sizeof *graph);
  attn_status rc = find_architecture(settings, err, architecture);
  if (rc == ATTN_OK) graph->is_static = (*architecture)->is_static;
  if (rc == ATTN_OK) rc = get_transformer(settings, err, *architecture, graph);
  if (rc == ATTN_OK) rc = get_precision(settings, err, *architecture, graph);
  if (rc == ATTN_OK) rc = get_modules(settings, err, graph);
  if (rc == ATTN_OK) rc = check_limits(graph, err);
  if (rc == ATTN_OK) rc = get_max_length(settings, err, graph, max_length);
  return rc;
}
