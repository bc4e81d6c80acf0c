/*
** unit.h - for the C tests of the engine.  tests/unit/NAME.c is one program:
**
**     #include "unit.h"
**     int main(void) {
**       unit_begin();
**       CHECK(1 + 1 == 2);
**       CHECK_STATUS(ATTN_INVALID, attn_x(..., &err), "the exact message");
**       return unit_end();
**     }
**
** It is linked with the engine, runs in the repository's root (so it opens
** "tests/fixtures/..."), as it is and under AddressSanitizer; with the line
** `** isa: all` in its head also on each instruction set that the machine has.
** Each CHECK is one test.
*/
#ifndef UNIT_H
#define UNIT_H

#include "../../engine/attn.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unit_passed, unit_failed;

static inline void unit_check(int ok, const char *what, const char *file, int line) {
  if (ok) {
    unit_passed++;
  } else {
    unit_failed++;
    printf("! %s:%d: %s\n", file, line, what);
  }
}

#define CHECK(condition) unit_check(!!(condition), #condition, __FILE__, __LINE__)

/* `call` returns `expected` and leaves `message` in `err`, an attn_error that is
** in scope. */
#define CHECK_STATUS(expected, call, text)                                               \
  do {                                                                                   \
    err.message[0] = 0;                                                                  \
    int unit_status = (int)(call);                                                       \
    int unit_ok = unit_status == (int)(expected) && strcmp(err.message, (text)) == 0;    \
    unit_check(unit_ok, #call, __FILE__, __LINE__);                                      \
    if (!unit_ok) {                                                                      \
      printf("!   expected %d \"%s\"\n!   got      %d \"%s\"\n", (int)(expected),        \
             (text), unit_status, err.message);                                          \
    }                                                                                    \
  } while (0)

/* The step of a loop over much of a kind: n where every access is watched, which takes up
** to fifty times as long and has nothing to find in the same once more; 1 elsewhere. */
static inline size_t unit_each(size_t n) {
  const char *config = getenv("ATTN_CONFIG");
  int is_watched = config && (!strcmp(config, "asan") || !strcmp(config, "valgrind"));
  return is_watched ? n : 1;
}

/* ------------------------------------------------------------ failing allocations */

/* Allocation number unit_fail_at (from 1) and all after it fail; 0: none does.
** unit_live is the number of blocks not yet released.
**
**     for (int n = 1;; n++) {
**       unit_fail_at = n, unit_count = 0;
**       attn_status status = ...;
**       ... free what came out ...
**       CHECK(unit_live == 0);
**       if (status == ATTN_OK && unit_count < n) break;
**       CHECK(status == ATTN_NOMEM);
**     }
**     unit_fail_at = 0;
*/
static int unit_fail_at, unit_count, unit_live;

static inline int unit_fails(void) {
  unit_count++;
  return unit_fail_at > 0 && unit_count >= unit_fail_at;
}
static inline void *unit_alloc(uint64_t n) {
  void *p = unit_fails() ? NULL : malloc((size_t)n);
  if (p) unit_live++;
  return p;
}
static inline void *unit_resize(void *p, uint64_t n) {
  if (unit_fails()) return NULL;
  void *q = realloc(p, (size_t)n);
  if (q && !p) unit_live++;
  return q;
}
static inline void unit_release(void *p) {
  if (p) unit_live--;
  free(p);
}

/* ------------------------------------------------------------------- begin, end */

static inline void unit_begin(void) {
  static const attn_allocator allocator = {unit_alloc, unit_resize, unit_release};
  attn_error err = {""};
  attn_set_allocator(&allocator);
  if (attn_isa_init(getenv("ATTN_ISA"), &err) != ATTN_OK) {
    printf("! %s\n", err.message);
    exit(1);
  }
}

static inline int unit_end(void) {
  printf("%d passed, %d failed\n", unit_passed, unit_failed);
  return unit_failed ? 1 : 0;
}

#endif
