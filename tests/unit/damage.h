/*
** damage.h - settings of which one entry is wrong: each entry in turn is left out, or put
** in as another kind of value, small or large.  What comes of it has to be a result, or
** an error with a sentence to it, and all memory is given back.
*/
#ifndef ATTN_TEST_DAMAGE_H
#define ATTN_TEST_DAMAGE_H

#include "unit.h"

/* Reads settings in whatever way; frees what it makes of them. */
typedef attn_status (*damage_reader)(void *ctx, attn_settings *settings, attn_error *err);

/* What a reader says of a call that may fail. */
static inline void damage_check(attn_status status, const attn_error *err, int live,
                                const char *path, const char *what) {
  int ok = (status == ATTN_OK) == (err->message[0] == 0) && unit_live == live;
  if (!ok) {
    printf("! %s %s: status %d \"%s\", %d blocks more\n", path, what, status,
           err->message, unit_live - live);
  }
  unit_check(ok, "damage", __FILE__, __LINE__);
}

/* Reads the settings with entry number i wrong in every nth of these ways, in others for
** the next entry. */
static inline void damage_entry(const attn_setting *setting, size_t n, size_t i,
                                unsigned nth, damage_reader read, void *ctx) {
  static char long_text[2000];
  memset(long_text, 'x', sizeof long_text);
  const attn_setting values[] = {
      {.kind = ATTN_NULL},
      {.kind = ATTN_FALSE},
      {.kind = ATTN_TRUE},
      {.kind = ATTN_INTEGER, .integer = -1, .real = -1},
      {.kind = ATTN_INTEGER, .integer = 0, .real = 0},
      {.kind = ATTN_INTEGER, .integer = 3, .real = 3},
      {.kind = ATTN_INTEGER, .integer = 1 << 30, .real = 1 << 30},
      {.kind = ATTN_INTEGER, .integer = INT64_MAX, .real = 0x1p63},
      {.kind = ATTN_REAL, .real = -0.5},
      {.kind = ATTN_REAL, .real = 1e300},
      {.kind = ATTN_TEXT, .text = "", .n_text = 0},
      {.kind = ATTN_TEXT, .text = "x", .n_text = 1},
      {.kind = ATTN_TEXT, .text = "\xff\xc3", .n_text = 2},
      {.kind = ATTN_TEXT, .text = long_text, .n_text = sizeof long_text},
      {.kind = ATTN_ARRAY},
      {.kind = ATTN_OBJECT},
  };
  enum { N_VALUE = sizeof values / sizeof values[0] };
  attn_setting *copy = malloc(n * sizeof *copy);
  for (size_t k = i % nth; k <= N_VALUE; k += nth) {
    attn_settings settings = {copy, n};
    attn_error err = {""};
    int live = unit_live;
    memcpy(copy, setting, n * sizeof *copy);
    if (k < N_VALUE) {
      copy[i] = values[k];
      copy[i].path = setting[i].path;
    } else { /* left out */
      copy[i] = copy[n - 1];
      settings.n_entry--;
    }
    attn_status status = read(ctx, &settings, &err);
    damage_check(status, &err, live, setting[i].path,
                 k < N_VALUE ? "changed" : "missing");
  }
  free(copy);
}

static inline void damage_settings(const attn_setting *setting, size_t n,
                                   damage_reader read, void *ctx) {
  for (size_t i = 0; i < n; i++) damage_entry(setting, n, i, 3, read, ctx);
}

/* Calls `read` with every allocation failing in turn, and it and all after it. */
static inline void damage_memory(const attn_setting *setting, size_t n,
                                 damage_reader read, void *ctx) {
  attn_setting *copy = malloc(n * sizeof *copy);
  int done = 0;
  for (int at = 1; !done; at++) {
    attn_settings settings = {copy, n};
    attn_error err = {""};
    int live = unit_live;
    memcpy(copy, setting, n * sizeof *copy);
    unit_fail_at = at, unit_count = 0;
    attn_status status = read(ctx, &settings, &err);
    done = unit_count < at;
    unit_fail_at = 0;
    CHECK(status == (done ? ATTN_OK : ATTN_NOMEM));
    damage_check(status, &err, live, "an allocation", "failed");
  }
  free(copy);
}

#endif
