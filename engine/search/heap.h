/*
** heap.h - a binary heap of rows; the least key, then the least rowid, is on top.
*/
#ifndef ATTNE_HEAP_H
#define ATTNE_HEAP_H

#include "../attn.h"

typedef struct attne_heap_item {
  double key; /* a number */
  attn_row row;
} attne_heap_item;

/* All zero is an empty one. */
typedef struct attne_heap {
  attne_heap_item *item; /* item[0] is the top */
  size_t n, n_alloc;
} attne_heap;

void attne_heap_free(attne_heap *h);

/* Adds an item without an order; 0 when memory is out. */
int attne_heap_append(attne_heap *h, double key, const attn_row *row);

/* Makes a heap of what was appended. */
void attne_heap_order(attne_heap *h);

int attne_heap_push(attne_heap *h, double key, const attn_row *row);
void attne_heap_pop(attne_heap *h);

#endif
