/*
** base.c - errors and memory of the engine.
*/
#define _DEFAULT_SOURCE /* madvise, clock_gettime */
#include "base.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

static void *libc_alloc(uint64_t n) {
  return n > SIZE_MAX ? NULL : malloc((size_t)n);
}
static void *libc_resize(void *p, uint64_t n) {
  return n > SIZE_MAX ? NULL : realloc(p, (size_t)n);
}

static attn_allocator memory = {libc_alloc, libc_resize, free};

void attn_set_allocator(const attn_allocator *allocator) {
  memory = *allocator;
}

attn_status attne_fail(attn_error *err, attn_status status, const char *format, ...) {
  if (err) {
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(err->message, sizeof err->message, format, ap);
    va_end(ap);
    if (n >= (int)sizeof err->message) {
      /* The cut must not leave half a UTF-8 character behind. */
      size_t end = sizeof err->message - 1;
      while (end > 0 && ((unsigned char)err->message[end - 1] & 0xC0) == 0x80) end--;
      if (end > 0 && (unsigned char)err->message[end - 1] >= 0xC0) end--;
      err->message[end] = 0;
    }
  }
  return status;
}

attn_status attne_no_memory(attn_error *err) {
  return attne_fail(err, ATTN_NOMEM, "out of memory");
}

void *attne_alloc(uint64_t n) {
  return memory.alloc(n ? n : 1);
}

void *attne_alloc_zero(uint64_t n) {
  void *p = attne_alloc(n);
  if (p) memset(p, 0, (size_t)n);
  return p;
}

void *attne_resize(void *p, uint64_t n) {
  return memory.resize(p, n ? n : 1);
}

void attne_release(void *p) {
  if (p) memory.release(p);
}

/* The pointer that the hook returned is kept in the 8 bytes before the block. */
#define BOUNDARY  ((uintptr_t)64)
#define HUGE_PAGE ((uintptr_t)2 << 20)

void *attn_alloc_aligned(uint64_t n) {
  if (n > UINT64_MAX - 2 * HUGE_PAGE) return NULL;
  /* A block of a huge page or more starts on one, so that none is split. */
  uintptr_t boundary = n >= HUGE_PAGE ? HUGE_PAGE : BOUNDARY;
  char *raw = attne_alloc(n + boundary + sizeof(void *));
  if (!raw) return NULL;
  uintptr_t p = ((uintptr_t)raw + sizeof(void *) + boundary - 1) & ~(boundary - 1);
  ((void **)p)[-1] = raw;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  /* Advice only: weights are read from end to end, and 4 KB pages cost a TLB
  ** miss each. */
  if (boundary == HUGE_PAGE) {
    (void)madvise((void *)p, (size_t)(n & ~(uint64_t)(HUGE_PAGE - 1)), MADV_HUGEPAGE);
  }
#endif
  return (void *)p;
}

void attn_release_aligned(void *p) {
  if (p) attne_release(((void **)p)[-1]);
}

double attn_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

attn_status attne_buffer_add(attn_buffer *b, const char *text, size_t n) {
  if (b->n_alloc - b->n < n) {
    size_t n_alloc = 2 * b->n_alloc > b->n + n ? 2 * b->n_alloc : b->n + n + 64;
    char *p = attne_resize(b->text, n_alloc);
    if (!p) return ATTN_NOMEM;
    b->text = p;
    b->n_alloc = n_alloc;
  }
  if (n) memcpy(b->text + b->n, text, n);
  b->n += n;
  return ATTN_OK;
}

void attn_buffer_free(attn_buffer *b) {
  attne_release(b->text);
  *b = (attn_buffer){0};
}

uint64_t attne_mul(uint64_t a, uint64_t b, int *overflow) {
  if (b && a > UINT64_MAX / b) *overflow = 1;
  return *overflow ? 0 : a * b;
}

uint64_t attne_add(uint64_t a, uint64_t b, int *overflow) {
  if (a > UINT64_MAX - b) *overflow = 1;
  return *overflow ? 0 : a + b;
}

attn_status attne_format_text(attn_error *err, char **out, const char *format, ...) {
  va_list ap, again;
  va_start(ap, format);
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, format, ap);
  va_end(ap);
  *out = n < 0 ? NULL : attne_alloc((uint64_t)n + 1);
  if (*out) vsnprintf(*out, (size_t)n + 1, format, again);
  va_end(again);
  return *out ? ATTN_OK : attne_no_memory(err);
}
