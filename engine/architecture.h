/*
** architecture.h - what differs between the families of models: names.
**
** An architecture is a row of data.  It says under which names a family keeps
** its settings (config.json) and tensors (model.safetensors); the graph that
** they fill is the same for all.  "%u" in a tensor name is the layer.
*/
#ifndef ATTN_ARCHITECTURE_H
#define ATTN_ARCHITECTURE_H

#include "graph.h"

typedef struct attn_architecture {
  const char *model_type; /* config.json's "model_type" */

  /* settings */
  const char *d_model, *n_layer, *n_head, *d_ff, *activation;
  const char *eps; /* NULL: 1e-12 */
  int positions_after_pad;
  int is_bag; /* see attn_graph: of the settings only d_model is there */

  /* tensors; a linear and a norm have .weight and .bias */
  const char *word, *position;
  const char *type; /* NULL: none */
  const char *norm_embedding;
  const char *query, *key, *value, *out, *norm_attention;
  const char *up, *down, *norm_ffn;
} attn_architecture;

/* Fills all of the graph but the weights.  *max_length: tokens of a text. */
attn_status attn_graph_configure(const attn_settings *settings, attn_error *err,
                                 attn_graph *graph, const attn_architecture **architecture,
                                 uint32_t *max_length);

/* The word for a way of pooling, as sentence-transformers spells it. */
const char *attn_pool_name(attn_pool pool);

#endif
