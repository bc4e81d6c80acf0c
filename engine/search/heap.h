/*
** heap.h - a binary heap of rows; the least key, then the least rowid, is on top.
*/
#ifndef ATTN_HEAP_H
#define ATTN_HEAP_H

#include "search.h"

typedef struct heap_item {
  double key; /* a number */
  attn_row row;
} heap_item;

/* All zero is an empty one. */
typedef struct heap {
  heap_item *item; /* item[0] is the top */
  size_t n, n_alloc;
} heap;

void heap_free(heap *h);

/* Adds an item without an order; 0 when memory is out. */
int heap_append(heap *h, double key, const attn_row *row);

/* Makes a heap of what was appended. */
void heap_order(heap *h);

int heap_push(heap *h, double key, const attn_row *row);
void heap_pop(heap *h);

#endif
