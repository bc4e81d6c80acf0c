/*
** architecture.h - what differs between the families of models: names and choices.
**
** An architecture is a row of data.  It says under which names a family keeps
** its settings (config.json) and tensors (model.safetensors), and which of the
** graph's choices it has made; the graph is the same for all.
*/
#ifndef ATTN_ARCHITECTURE_H
#define ATTN_ARCHITECTURE_H

#include "../nn/graph.h"

typedef enum attn_positions {
  ATTN_POSITIONS_LEARNED,
  ATTN_POSITIONS_SINUSOIDAL,
  ATTN_POSITIONS_RELATIVE,
  ATTN_POSITIONS_NONE
} attn_positions;

/* A whole number of config.json.  Where the file does not have it, it is `absent`, or
** times_d_model times d_model, or that of the encoder; where all are 0, it is required. */
typedef struct attn_size_setting {
  const char *name;
  uint32_t absent;
  uint32_t times_d_model;
  int as_encoder;
} attn_size_setting;

/* A stack's settings and tensors.  A linear and a norm have .weight and .bias; "%u" is
** the layer; behind a name that ends in "_" there is no dot.  NULL: there is none.
** Where key is NULL, query is one tensor of all of Q, K and V. */
typedef struct attn_stack_names {
  attn_size_setting n_layer, n_head, d_ff;
  const char *position, *norm_embedding, *norm_final;
  const char *relative; /* of layer 0, and all use it */
  const char *query, *key, *value, *out, *norm_attention;
  const char *cross_query, *cross_key, *cross_value, *cross_out, *norm_cross;
  const char *up, *down, *norm_ffn;
  const char *gated_up, *gate; /* instead of up, where the graph is gated */
} attn_stack_names;

/* A boolean of config.json that must be as it is here, which it is where it is missing. */
typedef struct attn_fixed_setting {
  const char *name;
  int value;
} attn_fixed_setting;

/* The head that names hidden words: a linear, a norm, a parameter for each word, and one
** more, "weight", where the words are not tied to the table of words. */
typedef struct attn_cloze_names {
  const char *transform, *norm, *bias, *word;
} attn_cloze_names;

typedef struct attn_architecture {
  const char *model_type; /* config.json's "model_type" */
  const char *prefix;     /* that a tensor's name may have before it, or NULL */

  /* settings; NULL: the graph has no use for it */
  attn_size_setting d_model, n_position;
  const char *d_head; /* NULL: d_model / n_head */
  const char *activation;
  attn_activation activation_absent;
  const char *eps;
  double eps_absent;
  const char *norm_first, *has_bias; /* booleans */
  const char *word_scale;            /* a boolean: times the root of d_model */
  const char *head_scale;            /* the same: by the root of d_model, if tied */
  attn_fixed_setting fixed[6];

  /* choices */
  int is_bag; /* see attn_graph: of the settings only d_model is there */
  attn_norm_kind norm;
  int is_pre_norm, no_bias, no_score_scale;
  int is_transposed;       /* linears are stored as [n_in, n_out] */
  attn_positions positions;
  int positions_after_pad; /* the first is that of pad_token_id, + 1 */
  uint32_t n_reserved;     /* positions before the first; n_position does not count them */

  /* tensors */
  const char *word; /* NULL: the model takes matrices */
  const char *type, *n_type;
  int has_head;
  const char *head; /* where it is not tied to word */
  const char *head_bias; /* [1, n_vocab]; NULL: none */
  attn_cloze_names cloze;
  const attn_stack_names *encoder, *decoder; /* or NULL */
} attn_architecture;

/* The row of a model_type, or NULL. */
const attn_architecture *attn_architecture_find(attn_text model_type);

/* Appends "a, b and c", the model types that there are, to text[size]. */
void attn_architecture_list(char *text, size_t size);

/* Fills all of the graph but the weights.  *max_length: tokens of a text. */
attn_status attn_graph_configure(const attn_settings *settings, attn_error *err,
                                 attn_graph *graph, const attn_architecture **architecture,
                                 uint32_t *max_length);

/* The word for a way of pooling, as sentence-transformers spells it. */
const char *attn_pool_name(attn_pool pool);

/* The activation of a name in configurations; 0 where it is none. */
int attn_activation_find(attn_text name, attn_activation *out);

#endif
