/*
** search.h - nearest vectors: codes, exact and approximate top-k, lists.
**
** A search of n vectors of d numbers is made of three things.
**
**   chunk   a few thousand vectors as codes of 4 bits a dimension, one blob, which
**           the caller stores; the vectors themselves stay with the caller.
**   search  one query: scans any number of chunks, then hands out rows in order
**           of distance, and fetches from the caller the few vectors whose codes
**           leave the order open.
**   lists   for more than a million rows: chunks sorted by k-means, so that a
**           query scans the nearest ones alone (an inverted file).
**
** The codes are RaBitQ's (Gao & Long, SIGMOD 2024; Gao et al., SIGMOD 2025).  From
** a code follow an estimate of the distance and a bound of its error.  A row is
** fetched only if its bound allows it among the results.  With the true bound
** (Cauchy-Schwarz, rounding included) the result is the exact one; with a bound of
** so many standard deviations it is almost always the same, and much sooner.
**
** Distances are those of attn_vector_distance, and rows at the same distance come in
** order of rowid: an exact search gives what sorting all rows would give.  Results
** have the same bits on every instruction set.
**
**     attn_chunk_shape shape = {ATTN_COSINE, 384, 1024};
**     void *chunk = malloc(attn_chunk_size(&shape));
**     attn_chunk_init(&shape, NULL, &err, chunk);
**     attn_chunk_put(chunk, 0, rowid, vector, &err);
**
**     attn_search_options options = {ATTN_COSINE, 384, .k = 10, .sigma = ATTN_SIGMA,
**                                    .fetch = read_vectors, .ctx = table};
**     attn_search_new(&options, &err, &search);
**     attn_search_begin(search, query, &err);
**     attn_search_scan(search, chunk, 0, NULL, &err);       ... chunk after chunk
**     while (attn_search_next(search, &err, &hit) == ATTN_OK && hit.found) ...
**     attn_search_free(search);
*/
/* Before the guard: attn.h, of which this is a part, includes it in its turn. */
#include "../attn.h"

#ifndef ATTN_SEARCH_H
#define ATTN_SEARCH_H


#define ATTN_MAX_DIMENSION 65536

/* -------------------------------------------------------------------- chunks */

typedef struct attn_chunk_shape {
  attn_metric metric; /* ATTN_COSINE, ATTN_L2 or ATTN_DOT */
  uint32_t d;         /* 1 .. ATTN_MAX_DIMENSION */
  uint32_t n_slot;    /* rows at most: 64, 128, ... 65536 */
} attn_chunk_shape;

/* Bytes of a chunk: d / 2 + 20 a slot, and 4 d + 128.  Its memory is aligned to 8
** bytes; 64 is faster.  The layout stands at the head of chunk.c. */
uint64_t attn_chunk_size(const attn_chunk_shape *shape);

/* The mean of n vectors [n, d], each scaled to length 1 under ATTN_COSINE. */
attn_status attn_center(attn_metric metric, size_t d, const float *x, size_t n,
                        attn_error *err, float *center);

/* Makes an empty chunk.  Codes are of the difference to `center` [d] (NULL: zero),
** and the nearer to it the vectors lie, the sharper they are: the mean suits best,
** even of a part or of earlier rows.  Chunks that share a center are scanned faster. */
attn_status attn_chunk_init(const attn_chunk_shape *shape, const float *center,
                            attn_error *err, void *chunk);

/* Checks a chunk that comes from outside.  After that nothing in it can do worse
** than give wrong rows. */
attn_status attn_chunk_check(const attn_chunk_shape *shape, const void *chunk,
                             uint64_t n_byte, attn_error *err);

/* Puts a vector [d] into a slot, over what was there.  Numbers that are not finite
** are ATTN_INVALID. */
attn_status attn_chunk_put(void *chunk, uint32_t slot, int64_t rowid, const float *x,
                           attn_error *err);

/* Empties a slot. */
void attn_chunk_clear(void *chunk, uint32_t slot);

/* Bit s % 64 of live[s / 64] is set where slot s holds a row; its rowid. */
const uint64_t *attn_chunk_live(const void *chunk);
const int64_t *attn_chunk_rowid(const void *chunk);

/* The center of a chunk [d]. */
const float *attn_chunk_center(const void *chunk);

/* Packs a chunk, in place, into the form in which it is stored, mostly 8 bytes a slot
** shorter; the number of its bytes.  *anew: the form differs from the one before in
** more than the slots that were changed since.  Unpack it before anything else. */
uint64_t attn_chunk_pack(void *chunk, int *anew);
void attn_chunk_unpack(void *chunk);

/* Checks and unpacks a stored chunk: n_byte bytes in memory of attn_chunk_size. */
attn_status attn_chunk_receive(const attn_chunk_shape *shape, void *chunk,
                               uint64_t n_byte, attn_error *err);

/* The parts of a packed chunk that a put or a clear of n > 0 slots from `slot` on can
** change, for a caller that writes blobs in place.  Returns how many there are. */
typedef struct attn_range {
  uint64_t offset, n_byte;
} attn_range;

#define ATTN_CHUNK_RANGES 10

size_t attn_chunk_ranges(const void *chunk, uint32_t slot, uint32_t n,
                         attn_range range[ATTN_CHUNK_RANGES]);

/* The live slots whose rowid is among n ascending ones, as bits [n_slot / 64]. */
void attn_chunk_filter(const void *chunk, const int64_t *rowid, size_t n,
                       uint64_t *filter);

/* -------------------------------------------------------------------- search */

/* One query after another; of one thread at a time. */
typedef struct attn_search attn_search;

/* A row; `chunk` is the number that the caller gave it. */
typedef struct attn_row {
  int64_t rowid;
  uint32_t chunk, slot;
} attn_row;

typedef struct attn_hit {
  attn_row row;
  double distance;
  int found; /* 0: there are no more */
} attn_hit;

/* With the bound at 1.75 standard deviations recall@10 is above 0.99, even for
** vectors without any structure. */
#define ATTN_SIGMA 1.75

typedef struct attn_search_options {
  attn_metric metric;
  uint32_t d;
  uint64_t k;                 /* rows wanted; 0: all may be, one after another */
  const double *max_distance; /* rows at this distance or nearer; NULL: all */
  double sigma;               /* 0: exact; else the bound in standard deviations */

  /* Writes the vectors of n rows (8 at most) to out [n, d]. */
  attn_status (*fetch)(void *ctx, const attn_row *row, size_t n, attn_error *err,
                       float *out);
  int (*stop)(void *ctx); /* or NULL; non-zero: ATTN_INTERRUPTED */
  void *ctx;
} attn_search_options;

attn_status attn_search_new(const attn_search_options *options, attn_error *err,
                            attn_search **out);
void attn_search_free(attn_search *search);

/* Begins with a query [d], which is copied, and forgets the one before. */
attn_status attn_search_begin(attn_search *search, const float *query, attn_error *err);

/* Scans a chunk (checked, of the same metric and d), the rows in `filter` alone
** where that is not NULL.  The chunk may be released afterwards. */
attn_status attn_search_scan(attn_search *search, const void *chunk, uint32_t number,
                             const uint64_t *filter, attn_error *err);

/* Rows that the scans since attn_search_begin have met, filtered ones not counted:
** who scans lists goes on until they are k. */
uint64_t attn_search_met(const attn_search *search);

/* The next row in order of distance, then rowid, of those scanned.  Further chunks
** may be scanned in between; rows come in order from then on. */
attn_status attn_search_next(attn_search *search, attn_error *err, attn_hit *hit);

/* --------------------------------------------------------------------- lists */

#define ATTN_MAX_LISTS 65536

/* The centers of an inverted file, themselves searched as a chunk.  Immutable. */
typedef struct attn_lists attn_lists;

typedef struct attn_train_options {
  attn_metric metric;
  uint32_t d;
  uint32_t n_list;  /* 1 .. 65536; about the square root of the rows */
  uint32_t n_round; /* of Lloyd's algorithm; 0: 10 */
  uint64_t seed;    /* the same seed and sample give the same centers */
  int (*stop)(void *ctx);
  void *ctx;
} attn_train_options;

/* Places centers [n_list, d] by k-means from a sample of rows [n, d], n >= n_list;
** 64 rows a list are enough. */
attn_status attn_train(const attn_train_options *options, const float *x, size_t n,
                       attn_error *err, float *center);

attn_status attn_lists_new(attn_metric metric, uint32_t d, uint32_t n_list,
                           const float *center, attn_error *err, attn_lists **out);
void attn_lists_free(attn_lists *lists);

/* How many they are; the center [d] of one. */
uint32_t attn_lists_count(const attn_lists *lists);
const float *attn_lists_center(const attn_lists *lists, uint32_t list);

/* The n <= n_list nearest lists to a vector [d], nearest first: the one that a row
** belongs to (n = 1), those that a query probes. */
attn_status attn_lists_nearest(const attn_lists *lists, const float *x, uint32_t n,
                               attn_error *err, uint32_t *list);

#endif
