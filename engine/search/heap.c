/*
** heap.c - a binary heap of rows.
*/
#include "heap.h"
#include "../base/base.h"

void attne_heap_free(attne_heap *h) {
  attne_release(h->item);
  *h = (attne_heap){0};
}

static int before(const attne_heap_item *a, const attne_heap_item *b) {
  return a->key < b->key || (a->key == b->key && a->row.rowid < b->row.rowid);
}

/* Moves item i down to where neither child is before it. */
static void sink(attne_heap *h, size_t i) {
  attne_heap_item moving = h->item[i];
  for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
    if (child + 1 < h->n && before(&h->item[child + 1], &h->item[child])) child++;
    if (!before(&h->item[child], &moving)) break;
    h->item[i] = h->item[child];
  }
  h->item[i] = moving;
}

int attne_heap_append(attne_heap *h, double key, const attn_row *row) {
  if (h->n == h->n_alloc) {
    size_t n_alloc = h->n_alloc ? 2 * h->n_alloc : 64;
    attne_heap_item *item = attne_resize(h->item, n_alloc * sizeof *item);
    if (!item) return 0;
    h->item = item;
    h->n_alloc = n_alloc;
  }
  h->item[h->n++] = (attne_heap_item){key, *row};
  return 1;
}

void attne_heap_order(attne_heap *h) {
  for (size_t i = h->n / 2; i-- > 0;) sink(h, i);
}

int attne_heap_push(attne_heap *h, double key, const attn_row *row) {
  if (!attne_heap_append(h, key, row)) return 0;
  attne_heap_item moving = h->item[h->n - 1];
  size_t i = h->n - 1;
  for (; i > 0 && before(&moving, &h->item[(i - 1) / 2]); i = (i - 1) / 2) {
    h->item[i] = h->item[(i - 1) / 2];
  }
  h->item[i] = moving;
  return 1;
}

void attne_heap_pop(attne_heap *h) {
  h->item[0] = h->item[--h->n];
  if (h->n > 1) sink(h, 0);
}
