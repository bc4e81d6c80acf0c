/*
** logits.c - the logits of every token of a sequence, in one pass.
*/
#include "../model/model.h"
#include "../nn/decoder.h"

attn_status attn_logits(const attn_model *model, attn_sequence source,
                        attn_sequence target, attn_stop stop, attn_error *err,
                        float *out) {
  const attne_graph *g = &model->graph;
  attne_decoder d = {0};
  attn_status rc = attne_check_ids(g, "the text", target.id, target.n,
                                   attne_stack_positions(&g->decoder), err);
  if (rc == ATTN_OK && g->decoder.has_cross) {
    rc = attne_check_ids(g, "the source", source.id, source.n,
                         attne_stack_positions(&g->encoder), err);
  }
  if (rc == ATTN_OK) rc = attne_decoder_init(&d, g, 0, stop, err);
  if (rc == ATTN_OK && g->decoder.has_cross) {
    rc = attne_decoder_source(&d, source.id, NULL, (uint32_t)source.n, NULL, err);
  }
  if (rc == ATTN_OK) {
    rc = attne_decoder_add(&d, target.id, (uint32_t)target.n, (uint32_t)target.n, err,
                           out);
  }
  attne_decoder_free(&d);
  return rc;
}
