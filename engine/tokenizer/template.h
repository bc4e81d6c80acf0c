/*
** template.h - the special tokens before and after those of the text.
*/
#ifndef ATTN_TEMPLATE_H
#define ATTN_TEMPLATE_H

#include "../settings.h"

typedef struct attn_template {
  int32_t *id; /* those before the text, then those after it */
  uint32_t n, n_before, n_alloc;
  int trim_offsets; /* RobertaProcessing: white space at the ends of a token is not part
                    ** of its range ... */
  int keep_one;     /* ... save one space at the start of the text */
} attn_template;

/* Reads $.post_processor: null, TemplateProcessing (its `single`, with the text
** in it once), BertProcessing or RobertaProcessing. */
attn_status attn_template_load(const attn_settings *settings, attn_error *err,
                               attn_template *out);
void attn_template_free(attn_template *template);

#endif
