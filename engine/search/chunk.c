/*
** chunk.c - vectors as codes of 4 bits a dimension.
**
** Each vector x (of length 1 under ATTN_COSINE) is stored as its difference to the
** chunk's center c, rounded to a grid of 16 levels:
**
**   o = x - c,   y[i] = code[i] - 7.5,   code[i] = floor(o[i] / step) + 8 in 0 .. 15
**
** with step = 0.335 rms(o), the best for numbers of a normal distribution.  Then
**
**   o.q = scale y.q + (o - scale y).q,   |(o - scale y).q| <= error |q|
**
** where scale = |o|^2 / o.y makes the rest perpendicular to o, hence the estimate
** unbiased (RaBitQ), and error = |o - scale y|.  The top bit of the code, the sign
** of o, is a code of its own with y = bit - 1/2 and another scale and error: it is
** scanned first, and for most rows says enough.
**
** A chunk is one blob, little-endian, for n_slot rows.  Sections, in this order:
**
**   header   64 bytes: u32 "ATC1", u32 d, u32 n_slot, u32 metric (attn_metric),
**            f32 radius >= every |o|, u32 width 0 .. 8, u64 base, zeros
**   center   f32 [d], zeros up to a multiple of 32
**   live     u64 [n_slot / 64]: bit s % 64 of word s / 64: slot s holds a row
**   offset   f32 [n_slot]: |o|^2 under ATTN_L2, else -o.c
**   scale, error of the sign   bf16 [n_slot] each (the upper half of an f32)
**   scale, error of the code   bf16 [n_slot] each
**   sign     top bits: [n_slot / 16] blocks of kernels/scan.h
**   fine     [n_slot / 16] times three blocks: bits 2, 1, 0
**   rowid    i64 [n_slot]; in the packed form, which is stored, the lower `width` bytes
**            of rowid - slot - base: none at all where rowids follow one another
**
** Each begins on a multiple of 64 bytes, with zeros before it.  What dead slots
** hold has no meaning.
*/
#include "chunk.h"
#include "../kernels/kernels.h"
#include "../kernels/sums.h"
#include <float.h>

#define MAGIC 0x31435441u /* "ATC1" */

typedef struct header {
  uint32_t magic, d, n_slot, metric;
  float radius;
  uint32_t width; /* of packed rowids */
  uint64_t base;
  uint32_t zero[8];
} header;

/* ------------------------------------------------------------------- the layout */

enum section {
  HEADER,
  CENTER,
  LIVE,
  OFFSET,
  SIGN_SCALE,
  SIGN_ERROR,
  CODE_SCALE,
  CODE_ERROR,
  SIGN,
  FINE_BITS,
  ROWID,
  N_SECTION
};

/* A section is made of units of n_byte that serve n_slot slots each; 0: of one
** unit that belongs to no slot. */
typedef struct unit {
  uint32_t n_slot;
  uint64_t n_byte;
} unit;

static size_t count_groups(uint32_t d) {
  return ((size_t)d + ATTNE_SCAN_DIMS - 1) / ATTNE_SCAN_DIMS;
}

static uint64_t round64(uint64_t n) {
  return (n + 63) & ~(uint64_t)63;
}

/* Those of center and codes count in groups of 32 dimensions. */
static unit section_unit(enum section section, size_t n_group) {
  static const unit units[N_SECTION] = {
      [HEADER] = {0, sizeof(header)},
      [CENTER] = {0, ATTNE_SCAN_DIMS * sizeof(float)},
      [LIVE] = {64, sizeof(uint64_t)},
      [OFFSET] = {1, sizeof(float)},
      [SIGN_SCALE] = {1, sizeof(uint16_t)},
      [SIGN_ERROR] = {1, sizeof(uint16_t)},
      [CODE_SCALE] = {1, sizeof(uint16_t)},
      [CODE_ERROR] = {1, sizeof(uint16_t)},
      [SIGN] = {ATTNE_SCAN_ROWS, ATTNE_SCAN_GROUP},
      [FINE_BITS] = {ATTNE_SCAN_ROWS, N_FINE * ATTNE_SCAN_GROUP},
      [ROWID] = {1, sizeof(int64_t)},
  };
  unit u = units[section];
  if (section == CENTER || section == SIGN || section == FINE_BITS) u.n_byte *= n_group;
  return u;
}

/* Where each section begins; the last entry is the size of the chunk. */
static void layout(uint32_t d, uint32_t n_slot, uint64_t begin[N_SECTION + 1]) {
  size_t n_group = count_groups(d);
  begin[0] = 0;
  for (int s = 0; s < N_SECTION; s++) {
    unit u = section_unit((enum section)s, n_group);
    uint64_t n_unit = u.n_slot ? n_slot / u.n_slot : 1;
    begin[s + 1] = begin[s] + round64(n_unit * u.n_byte);
  }
}

uint64_t attn_chunk_size(const attn_chunk_shape *shape) {
  uint64_t begin[N_SECTION + 1];
  layout(shape->d, shape->n_slot, begin);
  return begin[N_SECTION];
}

void attne_chunk_view(const void *chunk, chunk_view *out) {
  header *h = (header *)(uintptr_t)chunk;
  uint8_t *p = (uint8_t *)h;
  uint64_t begin[N_SECTION + 1];
  layout(h->d, h->n_slot, begin);
  *out = (chunk_view){
      .metric = (attn_metric)h->metric,
      .d = h->d,
      .n_slot = h->n_slot,
      .n_group = count_groups(h->d),
      .radius = &h->radius,
      .center = (float *)(void *)(p + begin[CENTER]),
      .live = (uint64_t *)(void *)(p + begin[LIVE]),
      .rowid = (int64_t *)(void *)(p + begin[ROWID]),
      .offset = (float *)(void *)(p + begin[OFFSET]),
      .scale = {(uint16_t *)(void *)(p + begin[SIGN_SCALE]),
                (uint16_t *)(void *)(p + begin[CODE_SCALE])},
      .error = {(uint16_t *)(void *)(p + begin[SIGN_ERROR]),
                (uint16_t *)(void *)(p + begin[CODE_ERROR])},
      .sign = p + begin[SIGN],
      .fine = p + begin[FINE_BITS],
  };
}

const uint64_t *attn_chunk_live(const void *chunk) {
  chunk_view v;
  attne_chunk_view(chunk, &v);
  return v.live;
}

const int64_t *attn_chunk_rowid(const void *chunk) {
  chunk_view v;
  attne_chunk_view(chunk, &v);
  return v.rowid;
}

const float *attn_chunk_center(const void *chunk) {
  chunk_view v;
  attne_chunk_view(chunk, &v);
  return v.center;
}

size_t attn_chunk_ranges(const void *chunk, uint32_t slot, uint32_t n,
                         attn_range range[ATTN_CHUNK_RANGES]) {
  const header *h = chunk;
  uint64_t begin[N_SECTION + 1];
  size_t n_range = 0;
  layout(h->d, h->n_slot, begin);
  for (int s = 0; s < N_SECTION; s++) {
    if (s == CENTER) continue;
    unit u = section_unit((enum section)s, count_groups(h->d));
    if (s == ROWID) u.n_byte = h->width;
    uint64_t first = u.n_slot ? slot / u.n_slot : 0;
    uint64_t last = u.n_slot ? (slot + n - 1) / u.n_slot : 0;
    range[n_range++] =
        (attn_range){begin[s] + first * u.n_byte, (last - first + 1) * u.n_byte};
  }
  return n_range;
}

/* ---------------------------------------------------------------- init and check */

/* The sum of squares of finite float32 is finite, too. */
attn_status attne_check_finite(size_t n, const float *x, const char *what,
                               attn_error *err) {
  if (isfinite(dot_product(n, x, x))) return ATTN_OK;
  size_t i = 0;
  while (isfinite(x[i])) i++;
  return attne_fail(err, ATTN_INVALID,
                    "%s: number %zu of %zu is %s, expected a finite one", what, i + 1, n,
                    isnan(x[i]) ? "not a number" : "infinite");
}

attn_status attne_check_space(attn_metric metric, uint32_t d, attn_error *err) {
  if (metric != ATTN_COSINE && metric != ATTN_L2 && metric != ATTN_DOT) {
    return attne_fail(err, ATTN_INVALID,
                      "a search by metric %d, expected cosine, l2 or dot", (int)metric);
  }
  if (d < 1 || d > ATTN_MAX_DIMENSION) {
    return attne_fail(err, ATTN_INVALID, "a vector of %u dimensions, expected 1 to %u",
                      (unsigned)d, (unsigned)ATTN_MAX_DIMENSION);
  }
  return ATTN_OK;
}

static attn_status check_shape(const attn_chunk_shape *shape, attn_error *err) {
  if (shape->n_slot < 64 || shape->n_slot > 65536 || shape->n_slot % 64) {
    return attne_fail(err, ATTN_INVALID,
                      "a chunk of %u slots, expected a multiple of 64 up to 65536",
                      (unsigned)shape->n_slot);
  }
  return attne_check_space(shape->metric, shape->d, err);
}

attn_status attn_center(attn_metric metric, size_t d, const float *x, size_t n,
                        attn_error *err, float *center) {
  double *sum = attne_alloc_zero(d * sizeof *sum);
  if (!sum) return attne_no_memory(err);
  for (size_t i = 0; i < n; i++, x += d) {
    double weight = metric == ATTN_COSINE ? inverse_norm(d, x) : 1;
    for (size_t j = 0; j < d; j++) sum[j] += weight * (double)x[j];
  }
  for (size_t j = 0; j < d; j++) center[j] = n ? (float)(sum[j] / (double)n) : 0;
  attne_release(sum);
  return ATTN_OK;
}

attn_status attn_chunk_init(const attn_chunk_shape *shape, const float *center,
                            attn_error *err, void *chunk) {
  attn_status status = check_shape(shape, err);
  if (!status && center) status = attne_check_finite(shape->d, center, "center", err);
  if (status) return status;
  memset(chunk, 0, (size_t)attn_chunk_size(shape));
  *(header *)chunk = (header){.magic = MAGIC,
                              .d = shape->d,
                              .n_slot = shape->n_slot,
                              .metric = (uint32_t)shape->metric};
  if (center) {
    chunk_view v;
    attne_chunk_view(chunk, &v);
    memcpy(v.center, center, shape->d * sizeof *center);
  }
  return ATTN_OK;
}

static attn_status check_header(const attn_chunk_shape *shape, const header *h,
                                attn_error *err) {
  static const uint32_t zero[8];
  if (h->magic != MAGIC || memcmp(h->zero, zero, sizeof zero) != 0) {
    return attne_fail(err, ATTN_INVALID, "chunk: it does not begin as one");
  }
  if (h->d != shape->d || h->n_slot != shape->n_slot ||
      h->metric != (uint32_t)shape->metric) {
    return attne_fail(
        err, ATTN_INVALID,
        "chunk: %u dimensions, %u slots and metric %u, expected %u, %u and %u",
        (unsigned)h->d, (unsigned)h->n_slot, (unsigned)h->metric, (unsigned)shape->d,
        (unsigned)shape->n_slot, (unsigned)shape->metric);
  }
  if (!isfinite(h->radius) || h->radius < 0) {
    return attne_fail(err, ATTN_INVALID, "chunk: its radius is %f", (double)h->radius);
  }
  return ATTN_OK;
}

static int is_live(const chunk_view *v, uint32_t slot) {
  return (int)(v->live[slot / 64] >> (slot % 64) & 1);
}

/* The error may be infinite: nothing is known of the row then. */
static int slot_is_sound(const chunk_view *v, uint32_t slot) {
  int sound = isfinite(v->offset[slot]);
  for (int l = 0; l < N_LEVEL; l++) {
    sound &=
        isfinite(attne_bf16(v->scale[l][slot])) && attne_bf16(v->error[l][slot]) >= 0;
  }
  return sound;
}

attn_status attn_chunk_check(const attn_chunk_shape *shape, const void *chunk,
                             uint64_t n_byte, attn_error *err) {
  attn_status status = check_shape(shape, err);
  if (status) return status;
  if (n_byte != attn_chunk_size(shape)) {
    return attne_fail(err, ATTN_INVALID, "chunk: %llu bytes, expected %llu",
                      (unsigned long long)n_byte,
                      (unsigned long long)attn_chunk_size(shape));
  }
  status = check_header(shape, chunk, err);
  if (status) return status;
  chunk_view v;
  attne_chunk_view(chunk, &v);
  status =
      attne_check_finite(v.n_group * ATTNE_SCAN_DIMS, v.center, "chunk: center", err);
  for (uint32_t slot = 0; !status && slot < v.n_slot; slot++) {
    if (is_live(&v, slot) && !slot_is_sound(&v, slot)) {
      status = attne_fail(err, ATTN_INVALID, "chunk: slot %u does not hold a code",
                          (unsigned)slot);
    }
  }
  return status;
}

/* ---------------------------------------------------------------------- packing */

/* What is left of a rowid when its slot is known. */
static uint64_t rowid_key(const chunk_view *v, uint32_t slot) {
  return (uint64_t)v->rowid[slot] - slot;
}

static uint64_t greatest_of_width(uint32_t width) {
  return width == 0 ? 0 : UINT64_MAX >> (64 - 8 * width);
}

static int rowids_fit(const chunk_view *v, const header *h) {
  for (uint32_t slot = 0; slot < v->n_slot; slot++) {
    if (is_live(v, slot) && rowid_key(v, slot) - h->base > greatest_of_width(h->width))
      return 0;
  }
  return 1;
}

/* The least width; what it can hold beyond the range lies on both sides of it. */
static void choose_width(const chunk_view *v, header *h) {
  int64_t low = INT64_MAX, high = INT64_MIN;
  for (uint32_t slot = 0; slot < v->n_slot; slot++) {
    if (!is_live(v, slot)) continue;
    int64_t key = (int64_t)rowid_key(v, slot);
    low = key < low ? key : low;
    high = key > high ? key : high;
  }
  uint64_t range = (uint64_t)high - (uint64_t)low;
  h->width = 0;
  while (greatest_of_width(h->width) < range) h->width++;
  h->base = (uint64_t)low - (greatest_of_width(h->width) - range) / 2;
}

uint64_t attn_chunk_pack(void *chunk, int *anew) {
  header *h = chunk;
  chunk_view v;
  attne_chunk_view(chunk, &v);
  *anew = !rowids_fit(&v, h);
  if (*anew) choose_width(&v, h);
  uint8_t *to = (uint8_t *)v.rowid;
  for (uint32_t slot = 0; slot < v.n_slot; slot++, to += h->width) {
    uint64_t rest = rowid_key(&v, slot) - h->base;
    memcpy(to, &rest, h->width);
  }
  return (uint64_t)(to - (uint8_t *)chunk);
}

void attn_chunk_unpack(void *chunk) {
  const header *h = chunk;
  chunk_view v;
  attne_chunk_view(chunk, &v);
  const uint8_t *from = (const uint8_t *)v.rowid;
  for (uint32_t slot = v.n_slot; slot-- > 0;) {
    uint64_t rest = 0;
    memcpy(&rest, from + (size_t)slot * h->width, h->width);
    v.rowid[slot] = (int64_t)(rest + slot + h->base);
  }
}

attn_status attn_chunk_receive(const attn_chunk_shape *shape, void *chunk,
                               uint64_t n_byte, attn_error *err) {
  const header *h = chunk;
  attn_status status = check_shape(shape, err);
  if (status) return status;
  uint64_t n_slot = shape->n_slot;
  uint64_t n_least = attn_chunk_size(shape) - n_slot * sizeof(int64_t);
  if (n_byte < n_least) {
    return attne_fail(err, ATTN_INVALID, "chunk: %llu bytes, expected %llu or more",
                      (unsigned long long)n_byte, (unsigned long long)n_least);
  }
  status = check_header(shape, h, err);
  if (status) return status;
  if (h->width > sizeof(int64_t) || n_byte != n_least + n_slot * h->width) {
    return attne_fail(err, ATTN_INVALID, "chunk: %llu bytes with rowids of %u",
                      (unsigned long long)n_byte, (unsigned)h->width);
  }
  attn_chunk_unpack(chunk);
  return attn_chunk_check(shape, chunk, attn_chunk_size(shape), err);
}

/* --------------------------------------------------------------------- encoding */

/* A float32 at or above x >= 0. */
static float round_up(double x) {
  float f = x > (double)HUGE_VALF ? HUGE_VALF : (float)x;
  return (double)f < x ? nextafterf(f, HUGE_VALF) : f;
}

/* The nearest bfloat16 to a finite x, and one at or above x >= 0. */
static uint16_t bf16_nearest(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static uint16_t bf16_above(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)((bits >> 16) + ((bits & 0xFFFF) != 0));
}

/* What rounding adds to the square of the error is below the part added for it. */
static void set_factors(const chunk_view *v, uint32_t slot, level l,
                        const attne_code_sums *s) {
  double best = s->oy[l] > 0 ? s->oo / s->oy[l] : 0;
  uint16_t half = bf16_nearest(best < 1e38 ? (float)best : 0);
  double scale = (double)attne_bf16(half);
  double rest = s->oo - 2 * scale * s->oy[l] + scale * scale * s->yy[l];
  double rounding = 0x1p-20 * (s->oo + scale * scale * s->yy[l]);
  v->scale[l][slot] = half;
  v->error[l][slot] = bf16_above(round_up(sqrt((rest > 0 ? rest : 0) + rounding)));
}

attn_status attn_chunk_put(void *chunk, uint32_t slot, int64_t rowid, const float *x,
                           attn_error *err) {
  chunk_view v;
  attne_chunk_view(chunk, &v);
  double square = dot_product(v.d, x, x);
  if (!isfinite(square)) return attne_check_finite(v.d, x, "vector", err);
  size_t block = slot / ATTNE_SCAN_ROWS * v.n_group * ATTNE_SCAN_GROUP;
  size_t row = slot % ATTNE_SCAN_ROWS * 4;
  attne_coding coding = {
      .d = v.d,
      .n_group = v.n_group,
      .x = x,
      .center = v.center,
      .weight = v.metric != ATTN_COSINE ? 1
                : square > 0            ? 1 / sqrt(square)
                                        : 0,
      .sign = v.sign + block + row,
      .fine = v.fine + N_FINE * block + row,
  };
  attne_code_sums s;
  attne_kernels_get()->code(&coding, &s);
  float radius = round_up(sqrt(s.oo) * (1 + 0x1p-30));
  double offset = v.metric == ATTN_L2 ? s.oo : -s.oc;
  if (isfinite(radius) && isfinite(s.oy[FINE]) && fabs(offset) <= (double)FLT_MAX) {
    for (int l = 0; l < N_LEVEL; l++) set_factors(&v, slot, (level)l, &s);
    v.offset[slot] = (float)offset;
    if (radius > *v.radius) *v.radius = radius;
  } else { /* beyond float32: nothing is known, so it is always fetched */
    for (int l = 0; l < N_LEVEL; l++) {
      v.scale[l][slot] = 0;
      v.error[l][slot] = bf16_above(HUGE_VALF);
    }
    v.offset[slot] = 0;
  }
  v.rowid[slot] = rowid;
  v.live[slot / 64] |= (uint64_t)1 << (slot % 64);
  return ATTN_OK;
}

void attn_chunk_clear(void *chunk, uint32_t slot) {
  chunk_view v;
  attne_chunk_view(chunk, &v);
  v.live[slot / 64] &= ~((uint64_t)1 << (slot % 64));
}

/* --------------------------------------------------------------------- filtering */

/* The first of rowid[begin .. n) that is not below x, found by doubling steps: near
** `begin` it is found at once, and chunks mostly hold rowids in ascending order. */
static size_t gallop(const int64_t *rowid, size_t begin, size_t n, int64_t x) {
  size_t step = 1, end = begin;
  while (end < n && rowid[end] < x) {
    begin = end + 1;
    end = n - end > step ? end + step : n;
    step *= 2;
  }
  while (begin < end) {
    size_t middle = begin + (end - begin) / 2;
    if (rowid[middle] < x) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

void attn_chunk_filter(const void *chunk, const int64_t *rowid, size_t n,
                       uint64_t *filter) {
  chunk_view v;
  attne_chunk_view(chunk, &v);
  memset(filter, 0, v.n_slot / 8);
  size_t at = 0;
  int64_t last = INT64_MIN;
  for (uint32_t slot = 0; slot < v.n_slot; slot++) {
    if (!is_live(&v, slot)) continue;
    at = gallop(rowid, v.rowid[slot] < last ? 0 : at, n, v.rowid[slot]);
    last = v.rowid[slot];
    if (at < n && rowid[at] == last) filter[slot / 64] |= (uint64_t)1 << (slot % 64);
  }
}
