/*
** template.h - the special tokens around those of a text, or of two.
*/
#ifndef ATTN_TEMPLATE_H
#define ATTN_TEMPLATE_H

#include "../base/settings.h"

/* Instead of an id: a text stands here. */
enum { ATTN_FIRST_TEXT = -1, ATTN_SECOND_TEXT = -2 };

typedef struct attn_place {
  int32_t id; /* of a special token, or a text */
  uint8_t type;
} attn_place;

typedef struct attn_places {
  attn_place *place;
  uint32_t n, n_alloc, n_special;
} attn_places;

typedef struct attn_template {
  attn_places single; /* the first text once */
  attn_places pair;   /* both texts once; n is 0 where the file has it otherwise */
  int trim_offsets;   /* RobertaProcessing, ByteLevel: white space at the ends of a token
                      ** is not part of its range ... */
  int keep_one;       /* ... save one space at the start of the text */
} attn_template;

/* Reads $.post_processor: null, TemplateProcessing, BertProcessing, RobertaProcessing,
** ByteLevel, or a Sequence of a ByteLevel and another. */
attn_status attn_template_load(const attn_settings *settings, attn_error *err,
                               attn_template *out);
void attn_template_free(attn_template *template);
uint64_t attn_template_memory(const attn_template *template);

#endif
