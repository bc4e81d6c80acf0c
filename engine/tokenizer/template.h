/*
** template.h - the special tokens around those of a text, or of two.
*/
#ifndef ATTNE_TEMPLATE_H
#define ATTNE_TEMPLATE_H

#include "../base/settings.h"

/* Instead of an id: a text stands here. */
enum { ATTNE_FIRST_TEXT = -1, ATTNE_SECOND_TEXT = -2 };

typedef struct attne_place {
  int32_t id; /* of a special token, or a text */
  uint8_t type;
} attne_place;

typedef struct attne_places {
  attne_place *place;
  uint32_t n, n_alloc, n_special;
} attne_places;

typedef struct attne_template {
  attne_places single; /* the first text once */
  attne_places pair;   /* both texts once; n is 0 where the file has it otherwise */
  int trim_offsets;    /* RobertaProcessing, ByteLevel: white space at the ends of a token
                      ** is not part of its range ... */
  int keep_one;        /* ... save one space at the start of the text */
} attne_template;

/* Reads $.post_processor: null, TemplateProcessing, BertProcessing, RobertaProcessing,
** ByteLevel, or a Sequence of a ByteLevel and another. */
attn_status attne_template_load(const attn_settings *settings, attn_error *err,
                                attne_template *out);
void attne_template_free(attne_template *template);
uint64_t attne_template_memory(const attne_template *template);

#endif
