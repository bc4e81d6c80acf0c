/*
** heap.c - a binary heap of rows.
*/
#include "heap.h"
#include "../base/base.h"

void heap_free(heap *h) {
  attn_release(h->item);
  *h = (heap){0};
}

static int before(const heap_item *a, const heap_item *b) {
  return a->key < b->key || (a->key == b->key && a->row.rowid < b->row.rowid);
}

/* Moves item i down to where neither child is before it. */
static void sink(heap *h, size_t i) {
  heap_item moving = h->item[i];
  for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
    if (child + 1 < h->n && before(&h->item[child + 1], &h->item[child])) child++;
    if (!before(&h->item[child], &moving)) break;
    h->item[i] = h->item[child];
  }
  h->item[i] = moving;
}

int heap_append(heap *h, double key, const attn_row *row) {
  if (h->n == h->n_alloc) {
    size_t n_alloc = h->n_alloc ? 2 * h->n_alloc : 64;
    heap_item *item = attn_resize(h->item, n_alloc * sizeof *item);
    if (!item) return 0;
    h->item = item;
    h->n_alloc = n_alloc;
  }
  h->item[h->n++] = (heap_item){key, *row};
  return 1;
}

void heap_order(heap *h) {
  for (size_t i = h->n / 2; i-- > 0;) sink(h, i);
}

int heap_push(heap *h, double key, const attn_row *row) {
  if (!heap_append(h, key, row)) return 0;
  heap_item moving = h->item[h->n - 1];
  size_t i = h->n - 1;
  for (; i > 0 && before(&moving, &h->item[(i - 1) / 2]); i = (i - 1) / 2) {
    h->item[i] = h->item[(i - 1) / 2];
  }
  h->item[i] = moving;
  return 1;
}

void heap_pop(heap *h) {
  h->item[0] = h->item[--h->n];
  if (h->n > 1) sink(h, 0);
}
