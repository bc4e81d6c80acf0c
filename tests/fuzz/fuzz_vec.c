/*
** fuzz_vec.c - libFuzzer target: vectors and numbers from JSON text.
**
** The first byte chooses the type, the rest is the text.  What is read has to
** come back from its own JSON unchanged, and a number has to be strtof's.
**
**   clang -g -O1 -fsanitize=fuzzer,address,undefined tests/fuzz/fuzz_vec.c \
**     engine/vector*.c engine/base/decimal.c engine/base/base.c -lm -o build/fuzz_vec
*/
#include "../../engine/base/base.h"
#include "../../engine/base/decimal.h"
#include <stdlib.h>

static void check(int ok) {
  if (!ok) abort();
}

static void round_trip(const attn_vector *v) {
  attn_vector again;
  attn_error err = {""};
  char *text;
  size_t n_text;
  check(attn_vector_to_json(v, &err, &text, &n_text) == ATTN_OK);
  check(attn_vector_from_json(v->type, text, n_text, &err, &again) == ATTN_OK);
  check(again.n == v->n && memcmp(again.data, v->data, attn_vector_bytes(v)) == 0);
  attn_vector_free(&again);
  attne_release(text);
}

static void compare_number(const char *text, size_t n_text) {
  float got = 0;
  size_t n = attne_decimal_read(text, n_text, &got);
  if (n == 0) return;
  check(n <= n_text);
  char *copy = malloc(n + 1);
  check(copy != NULL);
  memcpy(copy, text, n);
  copy[n] = 0;
  float expected = strtof(copy, NULL);
  check(memcmp(&got, &expected, sizeof got) == 0);
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  attn_vector_type type = data[0] & 1 ? ATTN_VECTOR_INT8 : ATTN_VECTOR_FLOAT32;
  const char *text = (const char *)data + 1;
  attn_vector v;
  attn_error err = {""};
  if (attn_vector_from_json(type, text, size - 1, &err, &v) == ATTN_OK) {
    round_trip(&v);
  } else {
    check(err.message[0] != 0 && v.data == NULL && v.n == 0);
  }
  attn_vector_free(&v);
  compare_number(text, size - 1);
  return 0;
}
