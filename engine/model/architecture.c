/*
** architecture.c - the families of models that the engine knows, a row each.
**
** A further family with the same graph is a further row.
*/
#include "architecture.h"
#include "../base/settings.h"
#include <stdio.h>

/* ------------------------------------------------------------------------ encoders */

#define BERT_SETTINGS                                                                    \
  .prefix = "model.", .d_model = {.name = "hidden_size"},                                \
  .n_position = {.name = "max_position_embeddings"}, .activation = "hidden_act",         \
  .activation_absent = ATTNE_GELU, .eps = "layer_norm_eps", .eps_absent = 1e-12,         \
  .fixed = {{"is_decoder", 0}, {"add_cross_attention", 0}}

#define BERT_MLM                                                                         \
  .mlm = {"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",      \
          "cls.predictions", "cls.predictions.decoder"}
#define ROBERTA_MLM                                                                      \
  .mlm = {"lm_head.dense", "lm_head.layer_norm", "lm_head", "lm_head.decoder"}

#define BERT_TENSORS                                                                     \
  .word = "embeddings.word_embeddings", .type = "embeddings.token_type_embeddings",      \
  .n_type = "type_vocab_size", .encoder = &bert_encoder

static const attne_stack_names bert_encoder = {
    .n_layer = {.name = "num_hidden_layers"},
    .n_head = {.name = "num_attention_heads"},
    .d_ff = {.name = "intermediate_size"},
    .position = "embeddings.position_embeddings",
    .norm_embedding = "embeddings.LayerNorm",
    .query = "encoder.layer.%u.attention.self.query",
    .key = "encoder.layer.%u.attention.self.key",
    .value = "encoder.layer.%u.attention.self.value",
    .out = "encoder.layer.%u.attention.output.dense",
    .norm_attention = "encoder.layer.%u.attention.output.LayerNorm",
    .up = "encoder.layer.%u.intermediate.dense",
    .down = "encoder.layer.%u.output.dense",
    .norm_ffn = "encoder.layer.%u.output.LayerNorm"};

static const attne_stack_names distilbert_encoder = {
    .n_layer = {.name = "n_layers"},
    .n_head = {.name = "n_heads"},
    .d_ff = {.name = "hidden_dim"},
    .position = "embeddings.position_embeddings",
    .norm_embedding = "embeddings.LayerNorm",
    .query = "transformer.layer.%u.attention.q_lin",
    .key = "transformer.layer.%u.attention.k_lin",
    .value = "transformer.layer.%u.attention.v_lin",
    .out = "transformer.layer.%u.attention.out_lin",
    .norm_attention = "transformer.layer.%u.sa_layer_norm",
    .up = "transformer.layer.%u.ffn.lin1",
    .down = "transformer.layer.%u.ffn.lin2",
    .norm_ffn = "transformer.layer.%u.output_layer_norm"};

/* ------------------------------------------------------------------------ decoders */

static const attne_stack_names gpt2_decoder = {
    .n_layer = {.name = "n_layer"},
    .n_head = {.name = "n_head"},
    .d_ff = {.name = "n_inner", .times_d_model = 4},
    .position = "wpe",
    .norm_final = "ln_f",
    .query = "h.%u.attn.c_attn",
    .out = "h.%u.attn.c_proj",
    .norm_attention = "h.%u.ln_1",
    .up = "h.%u.mlp.c_fc",
    .down = "h.%u.mlp.c_proj",
    .norm_ffn = "h.%u.ln_2"};

/* ------------------------------------------------------------- encoders and decoders */

#define BART_SETTINGS                                                                    \
  .prefix = "model.", .d_model = {.name = "d_model"},                                    \
  .n_position = {.name = "max_position_embeddings"},                                     \
  .activation = "activation_function", .activation_absent = ATTNE_GELU,                  \
  .eps_absent = 1e-5, .has_head = 1, .word_scale = "scale_embedding", .word = "shared",  \
  .head = "lm_head", .head_bias = "final_logits_bias"

/* `side` is "encoder" or "decoder". */
#define BART_STACK(side)                                                                 \
  .n_layer = {.name = side "_layers"}, .n_head = {.name = side "_attention_heads"},      \
  .d_ff = {.name = side "_ffn_dim"}, .query = side ".layers.%u.self_attn.q_proj",        \
  .key = side ".layers.%u.self_attn.k_proj",                                             \
  .value = side ".layers.%u.self_attn.v_proj",                                           \
  .out = side ".layers.%u.self_attn.out_proj",                                           \
  .norm_attention = side ".layers.%u.self_attn_layer_norm", .up = side ".layers.%u.fc1", \
  .down = side ".layers.%u.fc2", .norm_ffn = side ".layers.%u.final_layer_norm"

#define BART_CROSS                                                                       \
  .cross_query = "decoder.layers.%u.encoder_attn.q_proj",                                \
  .cross_key = "decoder.layers.%u.encoder_attn.k_proj",                                  \
  .cross_value = "decoder.layers.%u.encoder_attn.v_proj",                                \
  .cross_out = "decoder.layers.%u.encoder_attn.out_proj",                                \
  .norm_cross = "decoder.layers.%u.encoder_attn_layer_norm"

#define BART_EMBEDDING(side)                                                             \
  .position = side ".embed_positions", .norm_embedding = side ".layernorm_embedding"

static const attne_stack_names bart_encoder = {BART_STACK("encoder"),
                                               BART_EMBEDDING("encoder")};
static const attne_stack_names bart_decoder = {BART_STACK("decoder"),
                                               BART_EMBEDDING("decoder"), BART_CROSS};
static const attne_stack_names mbart_encoder = {
    BART_STACK("encoder"), BART_EMBEDDING("encoder"), .norm_final = "encoder.layer_norm"};
static const attne_stack_names mbart_decoder = {BART_STACK("decoder"),
                                                BART_EMBEDDING("decoder"), BART_CROSS,
                                                .norm_final = "decoder.layer_norm"};
static const attne_stack_names marian_encoder = {BART_STACK("encoder")};
static const attne_stack_names marian_decoder = {BART_STACK("decoder"), BART_CROSS};

#define T5_STACK(side, ffn)                                                              \
  .n_head = {.name = "num_heads"}, .d_ff = {.name = "d_ff"},                             \
  .norm_final = side ".final_layer_norm",                                                \
  .relative = side ".block.0.layer.0.SelfAttention.relative_attention_bias",             \
  .query = side ".block.%u.layer.0.SelfAttention.q",                                     \
  .key = side ".block.%u.layer.0.SelfAttention.k",                                       \
  .value = side ".block.%u.layer.0.SelfAttention.v",                                     \
  .out = side ".block.%u.layer.0.SelfAttention.o",                                       \
  .norm_attention = side ".block.%u.layer.0.layer_norm",                                 \
  .up = side ".block.%u.layer." ffn ".DenseReluDense.wi",                                \
  .gated_up = side ".block.%u.layer." ffn ".DenseReluDense.wi_0",                        \
  .gate = side ".block.%u.layer." ffn ".DenseReluDense.wi_1",                            \
  .down = side ".block.%u.layer." ffn ".DenseReluDense.wo",                              \
  .norm_ffn = side ".block.%u.layer." ffn ".layer_norm"

static const attne_stack_names t5_encoder = {T5_STACK("encoder", "1"),
                                             .n_layer = {.name = "num_layers"}};
static const attne_stack_names t5_decoder = {
    T5_STACK("decoder", "2"),
    .n_layer = {.name = "num_decoder_layers", .as_encoder = 1},
    .cross_query = "decoder.block.%u.layer.1.EncDecAttention.q",
    .cross_key = "decoder.block.%u.layer.1.EncDecAttention.k",
    .cross_value = "decoder.block.%u.layer.1.EncDecAttention.v",
    .cross_out = "decoder.block.%u.layer.1.EncDecAttention.o",
    .norm_cross = "decoder.block.%u.layer.1.layer_norm"};

/* torch.nn.Transformer's state_dict; its defaults are those of the constructor. */
#define TORCH_STACK(side, n)                                                             \
  .n_layer = {.name = "num_" side "_layers", .absent = 6},                               \
  .n_head = {.name = "nhead", .absent = 8},                                              \
  .d_ff = {.name = "dim_feedforward", .absent = 2048}, .norm_final = side ".norm",       \
  .query = side ".layers.%u.self_attn.in_proj_",                                         \
  .out = side ".layers.%u.self_attn.out_proj",                                           \
  .norm_attention = side ".layers.%u.norm1", .up = side ".layers.%u.linear1",            \
  .down = side ".layers.%u.linear2", .norm_ffn = side ".layers.%u.norm" n

#define TORCH_CROSS                                                                      \
  .cross_query = "decoder.layers.%u.multihead_attn.in_proj_",                            \
  .cross_out = "decoder.layers.%u.multihead_attn.out_proj",                              \
  .norm_cross = "decoder.layers.%u.norm2"

static const attne_stack_names torch_encoder = {TORCH_STACK("encoder", "2")};
static const attne_stack_names torch_decoder = {TORCH_STACK("decoder", "3"), TORCH_CROSS};

/* -------------------------------------------------------------------------- the table */

static const attne_architecture architectures[] = {
    {.model_type = "bert", BERT_SETTINGS, BERT_TENSORS, BERT_MLM},
    {.model_type = "roberta",
     BERT_SETTINGS,
     BERT_TENSORS,
     ROBERTA_MLM,
     .positions_after_pad = 1},
    {.model_type = "xlm-roberta",
     BERT_SETTINGS,
     BERT_TENSORS,
     ROBERTA_MLM,
     .positions_after_pad = 1},
    {.model_type = "camembert",
     BERT_SETTINGS,
     BERT_TENSORS,
     ROBERTA_MLM,
     .positions_after_pad = 1},
    {.model_type = "distilbert",
     .prefix = "model.",
     .d_model = {.name = "dim"},
     .n_position = {.name = "max_position_embeddings"},
     .activation = "activation",
     .activation_absent = ATTNE_GELU,
     .eps_absent = 1e-12,
     .word = "embeddings.word_embeddings",
     .mlm = {"vocab_transform", "vocab_layer_norm", "vocab_projector", "vocab_projector"},
     .encoder = &distilbert_encoder},
    /* A table of words, which sentence-transformers calls StaticEmbedding. */
    {.model_type = "word2vec",
     .is_static = 1,
     .d_model = {.name = "hidden_size"},
     .activation_absent = ATTNE_IDENTITY,
     .positions = ATTNE_POSITIONS_NONE,
     .word = "embedding"},
    {.model_type = "gpt2",
     .prefix = "transformer.",
     .d_model = {.name = "n_embd"},
     .n_position = {.name = "n_positions"},
     .activation = "activation_function",
     .activation_absent = ATTNE_GELU_TANH,
     .eps = "layer_norm_epsilon",
     .eps_absent = 1e-5,
     .fixed = {{"scale_attn_weights", 1},
               {"scale_attn_by_inverse_layer_idx", 0},
               {"add_cross_attention", 0}},
     .is_pre_norm = 1,
     .is_transposed = 1,
     .word = "wte",
     .has_head = 1,
     .head = "lm_head",
     .decoder = &gpt2_decoder},
    {.model_type = "bart",
     BART_SETTINGS,
     .n_reserved = 2,
     .encoder = &bart_encoder,
     .decoder = &bart_decoder},
    {.model_type = "mbart",
     BART_SETTINGS,
     .is_pre_norm = 1,
     .n_reserved = 2,
     .encoder = &mbart_encoder,
     .decoder = &mbart_decoder},
    {.model_type = "marian",
     BART_SETTINGS,
     .fixed = {{"share_encoder_decoder_embeddings", 1}},
     .positions = ATTNE_POSITIONS_SINUSOIDAL,
     .encoder = &marian_encoder,
     .decoder = &marian_decoder},
    {.model_type = "t5",
     .d_model = {.name = "d_model"},
     .n_position = {.name = "n_positions", .absent = 512},
     .d_head = "d_kv",
     .activation = "feed_forward_proj",
     .activation_absent = ATTNE_RELU,
     .eps = "layer_norm_epsilon",
     .eps_absent = 1e-6,
     .norm = ATTNE_RMS_NORM,
     .is_pre_norm = 1,
     .no_bias = 1,
     .no_score_scale = 1,
     .positions = ATTNE_POSITIONS_RELATIVE,
     .word = "shared",
     .has_head = 1,
     .head = "lm_head",
     .head_scale = "scale_decoder_outputs",
     .encoder = &t5_encoder,
     .decoder = &t5_decoder},
    {.model_type = "torch.nn.Transformer",
     .d_model = {.name = "d_model", .absent = 512},
     .activation = "activation",
     .activation_absent = ATTNE_RELU,
     .eps = "layer_norm_eps",
     .eps_absent = 1e-5,
     .norm_first = "norm_first",
     .has_bias = "bias",
     .positions = ATTNE_POSITIONS_NONE,
     .encoder = &torch_encoder,
     .decoder = &torch_decoder},
};

enum { N_ARCHITECTURE = sizeof architectures / sizeof architectures[0] };

const char *attne_parameter_name(char name[ATTNE_MAX_NAME], const char *base,
                                 uint32_t layer, const char *suffix) {
  const char *mark = strstr(base, "%u");
  const char *dot = base[strlen(base) - 1] == '_' ? "" : ".";
  if (mark) {
    snprintf(name, ATTNE_MAX_NAME, "%.*s%u%s%s%s", (int)(mark - base), base, layer,
             mark + 2, dot, suffix);
  } else {
    snprintf(name, ATTNE_MAX_NAME, "%s%s%s", base, dot, suffix);
  }
  return name;
}

const attne_architecture *attne_architecture_find(attn_text model_type) {
  for (int i = 0; i < N_ARCHITECTURE; i++) {
    if (attne_text_is(model_type, architectures[i].model_type)) return &architectures[i];
  }
  return NULL;
}

void attne_architecture_list(char *text, size_t size) {
  size_t n = 0;
  for (int i = 0; i < N_ARCHITECTURE && n < size; i++) {
    const char *comma = i == 0 ? "" : i == N_ARCHITECTURE - 1 ? " and " : ", ";
    n += (size_t)snprintf(text + n, size - n, "%s%s", comma, architectures[i].model_type);
  }
}
