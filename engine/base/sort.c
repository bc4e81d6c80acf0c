/*
** sort.c - heap sort (Williams 1964): in place, in O(n log n) whatever the order was, and
** without the memory that a C library's qsort may take.
*/
#include "../attn.h"
#include <string.h>

typedef int (*comparison)(const void *, const void *);

static void swap(char *a, char *b, size_t size) {
  for (uint64_t x, y; size >= sizeof x; size -= sizeof x, a += sizeof x, b += sizeof x) {
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    memcpy(a, &y, sizeof y);
    memcpy(b, &x, sizeof x);
  }
  for (; size; size--, a++, b++) {
    char x = *a;
    *a = *b;
    *b = x;
  }
}

/* Moves item i down a heap of n items, of which the last in order is on top: to a leaf,
** and up again from there, which is seldom far and takes half the comparisons (Floyd). */
static void sink(char *item, size_t n, size_t size, size_t i, comparison compare) {
  size_t at = i;
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    char *first = item + child * size;
    if (child + 1 < n && compare(first, first + size) < 0) child++;
    swap(item + at * size, item + child * size, size);
  }
  for (size_t parent; at > i; at = parent) {
    parent = (at - 1) / 2;
    if (compare(item + parent * size, item + at * size) >= 0) return;
    swap(item + parent * size, item + at * size, size);
  }
}

void attn_sort_first(void *items, size_t n, size_t k, size_t size, comparison compare) {
  char *item = items;
  if (k > n) k = n;
  for (size_t i = k / 2; i-- > 0;) sink(item, k, size, i, compare);
  for (size_t i = k; k && i < n; i++) {
    if (compare(item + i * size, item) >= 0) continue;
    swap(item + i * size, item, size);
    sink(item, k, size, 0, compare);
  }
  for (size_t i = k; i-- > 1;) {
    swap(item, item + i * size, size);
    sink(item, i, size, 0, compare);
  }
}

void attn_sort(void *items, size_t n, size_t size, comparison compare) {
  attn_sort_first(items, n, n, size, compare);
}
