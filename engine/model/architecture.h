/*
** architecture.h - what differs between the families of models: names and choices.
**
** An architecture is a row of data.  It says under which names a family keeps
** its settings (config.json) and tensors (model.safetensors), and which of the
** graph's choices it has made; the graph is the same for all.
*/
#ifndef ATTNE_ARCHITECTURE_H
#define ATTNE_ARCHITECTURE_H

#include "../nn/graph.h"

typedef enum attne_positions {
  ATTNE_POSITIONS_LEARNED,
  ATTNE_POSITIONS_SINUSOIDAL,
  ATTNE_POSITIONS_RELATIVE,
  ATTNE_POSITIONS_NONE
} attne_positions;

/* A whole number of config.json.  Where the file does not have it, it is `absent`, or
** times_d_model times d_model, or that of the encoder; where all are 0, it is required.
*/
typedef struct attne_size_setting {
  const char *name;
  uint32_t absent;
  uint32_t times_d_model;
  int as_encoder;
} attne_size_setting;

/* A stack's settings and tensors.  A linear and a norm have .weight and .bias; "%u" is
** the layer; behind a name that ends in "_" there is no dot.  NULL: there is none.
** Where key is NULL, query is one tensor of all of Q, K and V. */
typedef struct attne_stack_names {
  attne_size_setting n_layer, n_head, d_ff;
  const char *position, *norm_embedding, *norm_final;
  const char *relative; /* of layer 0, and all use it */
  const char *query, *key, *value, *out, *norm_attention;
  const char *cross_query, *cross_key, *cross_value, *cross_out, *norm_cross;
  const char *up, *down, *norm_ffn;
  const char *gated_up, *gate; /* instead of up, where the graph is gated */
} attne_stack_names;

/* A boolean of config.json that must be as it is here, which it is where it is missing.
*/
typedef struct attne_fixed_setting {
  const char *name;
  int value;
} attne_fixed_setting;

/* The head that names hidden words: a linear, a norm, a parameter for each word, and one
** more, "weight", where the words are not tied to the table of words. */
typedef struct attne_mlm_names {
  const char *transform, *norm, *bias, *word;
} attne_mlm_names;

typedef struct attne_architecture {
  const char *model_type; /* config.json's "model_type" */
  const char *prefix;     /* that a tensor's name may have before it, or NULL */

  /* settings; NULL: the graph has no use for it */
  attne_size_setting d_model, n_position;
  const char *d_head; /* NULL: d_model / n_head */
  const char *activation;
  attne_activation activation_absent;
  const char *eps;
  double eps_absent;
  const char *norm_first, *has_bias; /* booleans */
  const char *word_scale;            /* a boolean: times the root of d_model */
  const char *head_scale;            /* the same: by the root of d_model, if tied */
  attne_fixed_setting fixed[6];

  /* choices */
  int is_static; /* see attne_graph: of the settings only d_model is there */
  attne_norm_kind norm;
  int is_pre_norm, no_bias, no_score_scale;
  int is_transposed; /* linears are stored as [n_in, n_out] */
  attne_positions positions;
  int positions_after_pad; /* the first is that of pad_token_id, + 1 */
  uint32_t n_reserved; /* positions before the first; n_position does not count them */

  /* tensors */
  const char *word; /* NULL: the model takes matrices */
  const char *type, *n_type;
  int has_head;
  const char *head;      /* where it is not tied to word */
  const char *head_bias; /* [1, n_vocab]; NULL: none */
  attne_mlm_names mlm;
  const attne_stack_names *encoder, *decoder; /* or NULL */
} attne_architecture;

enum { ATTNE_MAX_NAME = 256 }; /* bytes of a tensor's name, with its NUL */

/* Writes the name of a parameter and returns it: `base` of the table, with the layer in
** the place of "%u", a dot where base does not end in "_", and suffix. */
const char *attne_parameter_name(char name[ATTNE_MAX_NAME], const char *base,
                                 uint32_t layer, const char *suffix);

/* The row of a model_type, or NULL. */
const attne_architecture *attne_architecture_find(attn_text model_type);

/* Appends "a, b and c", the model types that there are, to text[size]. */
void attne_architecture_list(char *text, size_t size);

/* Fills all of the graph but the weights.  *max_length: tokens of a text. */
attn_status attne_graph_configure(const attn_settings *settings, attn_error *err,
                                  attne_graph *graph,
                                  const attne_architecture **architecture,
                                  uint32_t *max_length);

/* The word for a way of pooling, as sentence-transformers spells it. */
const char *attne_pool_name(attne_pool pool);

/* The activation of a name in configurations; 0 where it is none. */
int attne_activation_find(attn_text name, attne_activation *out);

#endif
