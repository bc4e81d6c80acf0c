/*
** convert.c - the tensors of a source, to and from int8, as a source.
**
** To int8, a tensor that may be int8 becomes two: integers, and their scales, which are
** known when the integers have been read; before that, the model is run, to know what
** goes into its layers (calibrate.h).  From int8, two become one.  Rows are made a few at
** a time and kept as long as the next bytes asked for are among them.
*/
#include "calibrate.h"
#include "../format/floats.h"
#include "../nn/int8.h"
#include "../model/model.h"

enum { PIECE = 1 << 17 }; /* bytes of float32 at a time, where a row is not larger */

/* What a tensor of the view is made of. */
typedef struct entry {
  enum { SAME, TO_INT8, FROM_INT8, SCALES } kind;
  size_t from;  /* tensor of the other source */
  float *scale; /* [n_row, groups]; SCALES: those of another entry */
  char *name;   /* SCALES: its own */
} entry;

struct attn_conversion {
  const attn_source *other;
  attne_calibration *calibration; /* of the other source, where something becomes int8 */
  attn_source source;             /* the view: of `tensor` */
  attn_tensor *tensor;
  entry *entry; /* for each of them */
  size_t n;
  /* Rows [first, first + n_row) of tensor number `at`, as bytes of the view. */
  size_t at;
  uint64_t first, n_row;
  char *window;
  char *raw; /* the same in the other source, and in float32 */
  float *row;
};

void attn_conversion_free(attn_conversion *r) {
  if (!r) return;
  for (size_t i = 0; i < r->n; i++) {
    if (r->entry[i].kind == SCALES) {
      attne_release(r->entry[i].name);
    } else {
      attne_release(r->entry[i].scale);
    }
  }
  attne_calibration_free(r->calibration);
  attne_release(r->tensor);
  attne_release(r->entry);
  attne_release(r->window);
  attne_release(r->raw);
  attne_release(r->row);
  attne_release(r);
}

const attn_source *attn_conversion_source(const attn_conversion *r) {
  return &r->source;
}

/* ---------------------------------------------------------------------- reading */

/* Float32 as it is stored: little-endian, on any machine. */
static void put_f32(const float *x, size_t n, char *out) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    for (int k = 0; k < 4; k++) *out++ = (char)(bits >> 8 * k & 255);
  }
}

/* Moves the window to `row` and the rows behind it. */
static attn_status move_window(attn_conversion *r, size_t i, uint64_t row,
                               attn_error *err) {
  const entry *e = &r->entry[i];
  const attn_tensor *from = &r->other->tensor[e->from];
  const uint64_t k = (uint64_t)from->dim[1], n_left = (uint64_t)from->dim[0] - row;
  const uint64_t row_size = from->n_byte / (uint64_t)from->dim[0];
  float *scale = e->scale + row * attne_groups_i8(k);
  uint64_t n = PIECE / (k * sizeof(float));
  if (n == 0) n = 1;
  if (n > n_left) n = n_left;
  r->n_row = 0;
  attn_status rc =
      r->other->read(r->other->ctx, e->from, row * row_size, n * row_size, r->raw, err);
  if (rc != ATTN_OK) return rc;
  if (e->kind == TO_INT8) {
    attne_floats_read(from->dtype, r->raw, (size_t)(n * k), r->row);
    attne_int8_round((size_t)n, (size_t)k,
                     attne_calibration_feedback(r->calibration, e->from), r->row,
                     (int8_t *)r->window, scale);
  } else {
    attne_int8_to_f32((const int8_t *)r->raw, scale, (size_t)n, (size_t)k, r->row);
    put_f32(r->row, (size_t)(n * k), r->window);
  }
  r->at = i;
  r->first = row;
  r->n_row = n;
  return ATTN_OK;
}

static attn_status read_window(attn_conversion *r, size_t i, uint64_t offset, uint64_t n,
                               char *out, attn_error *err) {
  const attn_tensor *t = &r->tensor[i];
  const uint64_t row_size = t->n_byte / (uint64_t)t->dim[0];
  while (n > 0) {
    uint64_t row = offset / row_size;
    if (r->at != i || row < r->first || row >= r->first + r->n_row) {
      attn_status rc = move_window(r, i, row, err);
      if (rc != ATTN_OK) return rc;
    }
    uint64_t skip = offset - r->first * row_size;
    uint64_t take = r->n_row * row_size - skip;
    if (take > n) take = n;
    memcpy(out, r->window + skip, (size_t)take);
    out += take;
    offset += take;
    n -= take;
  }
  return ATTN_OK;
}

static attn_status read_view(void *ctx, size_t i, uint64_t offset, uint64_t n, void *out,
                             attn_error *err) {
  attn_conversion *r = ctx;
  const entry *e = &r->entry[i];
  if (e->kind == SAME) return r->other->read(r->other->ctx, e->from, offset, n, out, err);
  if (e->kind != SCALES) return read_window(r, i, offset, n, out, err);
  for (char *to = out; n > 0; n--, offset++) { /* byte by byte: they are few */
    char bytes[4];
    put_f32(e->scale + offset / 4, 1, bytes);
    *to++ = bytes[offset % 4];
  }
  return ATTN_OK;
}

/* ----------------------------------------------------------------------- making */

static uint64_t groups_of(const attn_tensor *t) {
  return attne_groups_i8((uint64_t)t->dim[1]);
}

static uint64_t n_scale(const attn_tensor *t) {
  return (uint64_t)t->dim[0] * groups_of(t);
}

static attn_status add_scales(attn_conversion *r, const attn_tensor *t, float *scale,
                              attn_error *err) {
  size_t n_name = strlen(t->name);
  char *name = attne_alloc(n_name + sizeof ATTNE_SCALE_SUFFIX);
  if (!name) return attne_no_memory(err);
  memcpy(name, t->name, n_name);
  memcpy(name + n_name, ATTNE_SCALE_SUFFIX, sizeof ATTNE_SCALE_SUFFIX);
  r->entry[r->n] = (entry){.kind = SCALES, .scale = scale, .name = name};
  r->tensor[r->n++] = (attn_tensor){.name = name,
                                    .dtype = ATTN_F32,
                                    .dtype_name = "F32",
                                    .n_dim = 2,
                                    .dim = {t->dim[0], (int64_t)groups_of(t)},
                                    .n_byte = n_scale(t) * sizeof *scale};
  return ATTN_OK;
}

/* Reads the scales of tensor i, tensor number k of the other source. */
static attn_status read_scales(const attn_conversion *r, size_t k, float *scale,
                               attn_error *err) {
  const attn_tensor *t = &r->other->tensor[k];
  attn_status rc = r->other->read(r->other->ctx, k, 0, t->n_byte, scale, err);
  /* In place: a number is read before it is written. */
  if (rc == ATTN_OK)
    attne_floats_read(ATTN_F32, scale, (size_t)(t->n_byte / sizeof *scale), scale);
  return rc;
}

/* change: tensor i is in the other precision. */
static attn_status add_tensor(attn_conversion *r, size_t i, int change, int to_int8,
                              attn_error *err) {
  const attn_tensor *from = &r->other->tensor[i];
  entry *e = &r->entry[r->n];
  attn_tensor *t = &r->tensor[r->n++];
  *e = (entry){.kind = SAME, .from = i};
  *t = *from;
  if (!change) return ATTN_OK;
  e->kind = to_int8 ? TO_INT8 : FROM_INT8;
  t->dtype = to_int8 ? ATTN_I8 : ATTN_F32;
  t->dtype_name = to_int8 ? "I8" : "F32";
  t->n_byte = (uint64_t)from->dim[0] * (uint64_t)from->dim[1] * (to_int8 ? 1 : 4);
  e->scale = attne_alloc_zero(n_scale(from) * sizeof *e->scale);
  if (!e->scale) return attne_no_memory(err);
  if (to_int8) return add_scales(r, t, e->scale, err);
  return read_scales(r, attne_weights_scales(r->other, i), e->scale, err);
}

/* Is tensor i the scales of a marked one? */
static int is_scales(const attn_source *source, size_t i, const unsigned char *mark) {
  const char *name = source->tensor[i].name;
  size_t n = strlen(name), n_suffix = strlen(ATTNE_SCALE_SUFFIX);
  if (n < n_suffix || strcmp(name + n - n_suffix, ATTNE_SCALE_SUFFIX) != 0) return 0;
  for (size_t k = i; k-- > 0;) {
    if (strncmp(source->tensor[k].name, name, n - n_suffix) != 0) break;
    if (mark[k] && attne_weights_scales(source, k) == i) return 1;
  }
  return 0;
}

static attn_status add_tensors(attn_conversion *r, attn_precision precision,
                               const unsigned char *mark, attn_error *err) {
  const int to_int8 = precision == ATTN_PRECISION_INT8;
  attn_status rc = ATTN_OK;
  for (size_t i = 0; rc == ATTN_OK && i < r->other->n_tensor; i++) {
    const int is_int8 = r->other->tensor[i].dtype == ATTN_I8;
    if (!to_int8 && is_scales(r->other, i, mark)) continue;
    rc = add_tensor(r, i, mark[i] && is_int8 != to_int8, to_int8, err);
  }
  return rc;
}

/* A view's order is that of names, with what stands for a tensor beside it. */
static attn_status sort_tensors(attn_conversion *r, attn_error *err) {
  for (size_t i = 1; i < r->n; i++) {
    attn_tensor t = r->tensor[i];
    entry e = r->entry[i];
    size_t k = i;
    for (; k > 0 && strcmp(r->tensor[k - 1].name, t.name) > 0; k--) {
      r->tensor[k] = r->tensor[k - 1];
      r->entry[k] = r->entry[k - 1];
    }
    r->tensor[k] = t;
    r->entry[k] = e;
  }
  for (size_t i = 1; i < r->n; i++) {
    if (strcmp(r->tensor[i - 1].name, r->tensor[i].name) == 0) {
      return attne_fail(err, ATTN_INVALID, "there is a tensor \"%s\" already",
                        r->tensor[i].name);
    }
  }
  return ATTN_OK;
}

/* A piece, or the largest row. */
static attn_status make_window(attn_conversion *r, attn_error *err) {
  uint64_t size = PIECE;
  for (size_t i = 0; i < r->n; i++) {
    if (r->entry[i].kind != TO_INT8 && r->entry[i].kind != FROM_INT8) continue;
    uint64_t row = (uint64_t)r->tensor[i].dim[1] * sizeof(float);
    if (row > size) size = row;
  }
  r->window = attne_alloc(size);
  r->raw = attne_alloc(size);
  r->row = attne_alloc(size);
  return r->window && r->raw && r->row ? ATTN_OK : attne_no_memory(err);
}

/* Where something becomes int8. */
static attn_status calibrate(attn_conversion *r, attn_settings *settings, attn_stop stop,
                             attn_error *err) {
  size_t i = 0;
  while (i < r->n && r->entry[i].kind != TO_INT8) i++;
  if (i == r->n) return ATTN_OK;
  return attne_calibration_new(settings, r->other, stop, err, &r->calibration);
}

static attn_status make_view(attn_conversion *r, attn_settings *settings,
                             unsigned char *mark, attn_stop stop, attn_error *err) {
  attn_precision precision;
  attn_status rc = attne_model_mark_int8(settings, r->other, err, mark, &precision);
  if (rc == ATTN_OK) rc = add_tensors(r, precision, mark, err);
  if (rc == ATTN_OK) rc = sort_tensors(r, err);
  if (rc == ATTN_OK) rc = make_window(r, err);
  if (rc == ATTN_OK) rc = calibrate(r, settings, stop, err);
  r->source = (attn_source){r->tensor, r->n, read_view, r};
  return rc;
}

attn_status attn_conversion_new(attn_settings *settings, const attn_source *source,
                                attn_stop stop, attn_error *err, attn_conversion **out) {
  attn_conversion *r = attne_alloc_zero(sizeof *r);
  *out = NULL;
  if (!r) return attne_no_memory(err);
  r->other = source;
  r->tensor = attne_alloc(2 * source->n_tensor * sizeof *r->tensor);
  r->entry = attne_alloc(2 * source->n_tensor * sizeof *r->entry);
  unsigned char *mark = attne_alloc(source->n_tensor);
  attn_status rc = r->tensor && r->entry && mark ? ATTN_OK : attne_no_memory(err);
  if (rc == ATTN_OK) rc = make_view(r, settings, mark, stop, err);
  attne_release(mark);
  if (rc == ATTN_OK) {
    *out = r;
  } else {
    attn_conversion_free(r);
  }
  return rc;
}
