/*
** base.h - what every file of the engine needs: errors and memory.
*/
#ifndef ATTNE_BASE_H
#define ATTNE_BASE_H

#include "../attn.h"
#include <string.h>

/* A function whose parameter `f` is a format for the parameters from `first` on. */
#if defined(__MINGW32__)
#define ATTNE_FORMAT(f, first) __attribute__((format(gnu_printf, f, first)))
#elif defined(__GNUC__)
#define ATTNE_FORMAT(f, first) __attribute__((format(printf, f, first)))
#else
#define ATTNE_FORMAT(f, first)
#endif

/* Writes the message (cut to fit at a character boundary) and returns `status`,
** so that a check reads: return attne_fail(err, ATTN_INVALID, "...", ...).
** err may be NULL. */
ATTNE_FORMAT(3, 4)
attn_status attne_fail(attn_error *err, attn_status status, const char *format, ...);

/* "out of memory", with status ATTN_NOMEM. */
attn_status attne_no_memory(attn_error *err);

/* The account of ATTN_LIMIT_MODEL_BYTES: what is taken is returned by whoever frees it.
*/
attn_status attne_model_bytes_take(uint64_t n, attn_error *err);
void attne_model_bytes_return(uint64_t n);

/* Memory through the hook.  A size of 0 gives a pointer that may be freed. */
void *attne_alloc(uint64_t n);
void *attne_alloc_zero(uint64_t n);
void *attne_resize(void *p, uint64_t n); /* p stays valid when NULL is returned */
void attne_release(void *p);             /* NULL is fine */

/* Appends to a text: ATTN_NOMEM or ATTN_OK. */
attn_status attne_buffer_add(attn_buffer *buffer, const char *text, size_t n);

/* Text made by a format of printf, in memory from attne_alloc.  *out is NULL on an error.
*/
ATTNE_FORMAT(3, 4)
attn_status attne_format_text(attn_error *err, char **out, const char *format, ...);

/* a * b and a + b, or 0 with *overflow set; *overflow is sticky. */
uint64_t attne_mul(uint64_t a, uint64_t b, int *overflow);
uint64_t attne_add(uint64_t a, uint64_t b, int *overflow);

static inline uint64_t attne_least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}
static inline uint64_t attne_largest(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

#endif
