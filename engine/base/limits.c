/*
** limits.c - bounds that the host may lower, and the account of the memory of models.
**
** A limit says no before anything large is allocated.  What must never be exceeded, for
** the sizes of integers or buffers, is checked where those are; a limit lowers that.
*/
#include "base.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#define ALL_BYTES INT64_MAX

static const attn_limit_row rows[ATTN_N_LIMIT] = {
    [ATTN_LIMIT_LAYERS] = {"layers", 1024, "layers in an encoder or a decoder"},
    [ATTN_LIMIT_HEADS] = {"heads", 1024, "heads in a layer"},
    [ATTN_LIMIT_DIMENSION] = {"dimension", 65536, "numbers in a vector"},
    [ATTN_LIMIT_FEED_FORWARD] = {"feed_forward", 1 << 20,
                                 "numbers in a feed-forward network"},
    [ATTN_LIMIT_VOCABULARY] = {"vocabulary", 1 << 24, "tokens in a vocabulary"},
    [ATTN_LIMIT_TOKENS] = {"tokens", INT32_MAX, "tokens in a text, as far as it is read"},
    [ATTN_LIMIT_TENSOR_BYTES] = {"tensor_bytes", ALL_BYTES,
                                 "bytes in a tensor, as stored"},
    [ATTN_LIMIT_MODEL_BYTES] = {"model_bytes", ALL_BYTES,
                                "bytes of memory that all loaded models have"},
    [ATTN_LIMIT_CALL_BYTES] = {"call_bytes", ALL_BYTES,
                               "bytes of memory that one call computes in"},
};

static _Atomic(size_t) lowered[ATTN_N_LIMIT]; /* 0: to nothing */
static _Atomic(size_t) model_bytes;

const attn_limit_row *attn_limit_get_row(attn_limit which) {
  return &rows[which];
}

int attn_limit_find(attn_text name, attn_limit *out) {
  for (int i = 0; i < ATTN_N_LIMIT; i++) {
    if (name.n_text != strlen(rows[i].name)) continue;
    if (memcmp(name.text, rows[i].name, name.n_text) != 0) continue;
    *out = (attn_limit)i;
    return 1;
  }
  return 0;
}

uint64_t attn_limit_get(attn_limit which) {
  size_t value = atomic_load_explicit(&lowered[which], memory_order_relaxed);
  return value ? value : rows[which].maximum;
}

void attn_limit_set(attn_limit which, uint64_t value) {
  size_t kept = value < SIZE_MAX ? (size_t)value : SIZE_MAX;
  if (value >= rows[which].maximum) kept = 0;
  atomic_store_explicit(&lowered[which], kept, memory_order_relaxed);
}

attn_status attn_limit_check(attn_limit which, uint64_t found, attn_error *err,
                             const char *format, ...) {
  const uint64_t limit = attn_limit_get(which);
  char what[400];
  if (found <= limit) return ATTN_OK;
  va_list ap;
  va_start(ap, format);
  vsnprintf(what, sizeof what, format, ap);
  va_end(ap);
  return attne_fail(err, ATTN_LIMIT, "%s, more than the limit %s of %llu", what,
                    rows[which].name, (unsigned long long)limit);
}

attn_status attn_limit_call(uint64_t n, attn_error *err) {
  return attn_limit_check(ATTN_LIMIT_CALL_BYTES, n, err,
                          "the call takes %llu bytes of memory", (unsigned long long)n);
}

/* Two threads may load at once: what is taken is taken before anyone looks. */
attn_status attne_model_bytes_take(uint64_t n, attn_error *err) {
  if (n > SIZE_MAX) return attne_no_memory(err);
  uint64_t others = atomic_fetch_add(&model_bytes, (size_t)n);
  int overflow = 0;
  uint64_t all = attne_add(others, n, &overflow);
  attn_status rc =
      attn_limit_check(ATTN_LIMIT_MODEL_BYTES, overflow ? UINT64_MAX : all, err,
                       "with %llu bytes of memory more, models have %llu",
                       (unsigned long long)n, (unsigned long long)all);
  if (rc != ATTN_OK) attne_model_bytes_return(n);
  return rc;
}

void attne_model_bytes_return(uint64_t n) {
  atomic_fetch_sub(&model_bytes, (size_t)n);
}
