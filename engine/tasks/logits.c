/*
** logits.c - the logits of every token of a sequence, in one pass.
*/
#include "../model/model.h"
#include "../nn/decoder.h"

attn_status attn_logits(const attn_model *model, attn_sequence source, attn_sequence target,
                        attn_stop stop, attn_error *err, float *out) {
  const attn_graph *g = &model->graph;
  attn_decoder d = {0};
  attn_status rc = attn_check_ids(g, "the text", target.id, target.n,
                                  attn_stack_positions(&g->decoder), err);
  if (rc == ATTN_OK && g->decoder.has_cross) {
    rc = attn_check_ids(g, "the source", source.id, source.n,
                        attn_stack_positions(&g->encoder), err);
  }
  if (rc == ATTN_OK) rc = attn_decoder_init(&d, g, 0, stop, err);
  if (rc == ATTN_OK && g->decoder.has_cross) {
    rc = attn_decoder_source(&d, source.id, NULL, (uint32_t)source.n, NULL, err);
  }
  if (rc == ATTN_OK) {
    rc = attn_decoder_add(&d, target.id, (uint32_t)target.n, (uint32_t)target.n, err, out);
  }
  attn_decoder_free(&d);
  return rc;
}
