/*
** safetensors.c - the rules of the safetensors file format.
**
**   8 bytes   n, little-endian
**   n bytes   header, JSON: {"name": {"dtype": "F32", "shape": [2, 3],
**                                     "data_offsets": [begin, end]}, ...}
**   the rest  data; offsets count from its start
**
** Data is covered from end to end: no hole, no overlap.
** Source: github.com/huggingface/safetensors, "Format".
*/
#include "../base/base.h"

enum { MAX_HEADER = 100000000 };

static const attn_dtype_name dtype_names[] = {
    {"F32", 4, ATTN_F32},    {"F16", 2, ATTN_F16},       {"BF16", 2, ATTN_BF16},
    {"I8", 1, ATTN_I8},      {"I64", 8, ATTN_I64},       {"I32", 4, ATTN_OTHER},
    {"I16", 2, ATTN_OTHER},  {"U8", 1, ATTN_OTHER},      {"U16", 2, ATTN_OTHER},
    {"U32", 4, ATTN_OTHER},  {"U64", 8, ATTN_OTHER},     {"F64", 8, ATTN_OTHER},
    {"BOOL", 1, ATTN_OTHER}, {"F8_E4M3", 1, ATTN_OTHER}, {"F8_E5M2", 1, ATTN_OTHER},
};

const attn_dtype_name *attn_dtype_find(const char *name) {
  for (size_t i = 0; i < sizeof dtype_names / sizeof dtype_names[0]; i++) {
    if (strcmp(name, dtype_names[i].name) == 0) return &dtype_names[i];
  }
  return NULL;
}

int attn_shape_parse(const char *text, int64_t dim[ATTN_MAX_DIM]) {
  int n = 0;
  if (*text++ != '[') return -1;
  if (strcmp(text, "]") == 0) return 0;
  for (;;) {
    int64_t value = 0;
    const char *digit = text;
    while (*text >= '0' && *text <= '9' && text - digit < 16) {
      value = value * 10 + (*text++ - '0');
    }
    if (text == digit || n == ATTN_MAX_DIM) return -1;
    dim[n++] = value;
    if (*text == ']' && text[1] == 0) return n;
    if (*text++ != ',') return -1;
  }
}

uint64_t attn_shape_bytes(const int64_t *dim, int n_dim, uint32_t size) {
  int overflow = 0;
  uint64_t n = size;
  for (int i = 0; i < n_dim; i++) n = attne_mul(n, (uint64_t)dim[i], &overflow);
  return overflow ? UINT64_MAX : n;
}

attn_status attn_safetensors_header(const uint8_t first[8], uint64_t n_file,
                                    attn_error *err, uint64_t *n_header) {
  uint64_t n = 0;
  for (int i = 0; i < 8; i++) n |= (uint64_t)first[i] << (8 * i);
  *n_header = n;
  if (n_file < 8 || n < 2 || n > MAX_HEADER || n > n_file - 8) {
    return attne_fail(
        err, ATTN_INVALID,
        "the header length is %llu; expected 2 to %llu in a file of %llu bytes",
        (unsigned long long)n,
        (unsigned long long)(n_file < 8            ? 0
                             : n_file < MAX_HEADER ? n_file - 8
                                                   : MAX_HEADER),
        (unsigned long long)n_file);
  }
  return ATTN_OK;
}

static int by_begin(const void *a, const void *b) {
  const attn_safetensor *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1;
  return strcmp(x->name, y->name);
}

attn_status attn_safetensors_check(attn_safetensor *tensor, size_t n, uint64_t n_data,
                                   attn_error *err) {
  uint64_t at = 0;
  attn_sort(tensor, n, sizeof *tensor, by_begin);
  for (size_t i = 0; i < n; i++) {
    const attn_safetensor *t = &tensor[i];
    uint64_t want = attn_shape_bytes(t->dim, t->n_dim, t->dtype->size);
    if (t->begin > t->end || t->end - t->begin != want || want == UINT64_MAX) {
      return attne_fail(
          err, ATTN_INVALID,
          "tensor \"%.200s\" has data_offsets [%llu, %llu]; its shape and dtype "
          "make %llu bytes",
          t->name, (unsigned long long)t->begin, (unsigned long long)t->end,
          (unsigned long long)want);
    }
    if (t->begin != at) {
      return attne_fail(
          err, ATTN_INVALID,
          "tensor \"%.200s\" begins at byte %llu of the data; expected %llu, "
          "where the one before it ends",
          t->name, (unsigned long long)t->begin, (unsigned long long)at);
    }
    at = t->end;
  }
  if (at != n_data) {
    return attne_fail(err, ATTN_INVALID,
                      "the tensors cover %llu bytes of data; the file has %llu",
                      (unsigned long long)at, (unsigned long long)n_data);
  }
  return ATTN_OK;
}
