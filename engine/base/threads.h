/*
** threads.h - one job done by several threads.
**
** A job is a number of pieces that can be done in any order and cannot fail.
** The thread that calls attne_run does pieces until none is left; threads of the
** pool, as many as are free, do pieces beside it.  So it is always done, however
** few threads there are, and the caller of a job waits only for pieces that are
** being done.  Jobs of several callers run at the same time.
*/
#ifndef ATTNE_THREADS_H
#define ATTNE_THREADS_H

#include "base.h"

typedef struct attne_job {
  /* Does piece i.  `slot` is 0 .. n_slot-1, and no other thread has it meanwhile:
  ** it names the scratch memory to use. */
  void (*run)(void *ctx, uint32_t slot, size_t i);
  void *ctx;
  size_t n_piece;
  uint32_t n_slot; /* threads at a time, at most; at least 1 */

  /* Asked before each piece of the calling thread, which has slot 0; NULL: never.
  ** Non-zero: pieces that nobody has begun are left undone. */
  int (*stop)(void *ctx);
  void *stop_ctx;
} attne_job;

/* How many threads may work at a time on n pieces: 1 .. ATTN_MAX_THREADS. */
uint32_t attne_job_slots(size_t n_piece);

/* Returns when all pieces are done, or ATTN_INTERRUPTED when `stop` said so and
** no thread is at work on the job any more.  Pieces run with the default
** floating-point environment: rounding to nearest, with subnormal numbers. */
attn_status attne_run(const attne_job *job);

/* The cores that this process may use, at least 1 (cores.c). */
uint32_t attne_cores(void);

/* What the CPU quota of the process pays for; a large number where there is none.
** `root` is put before /proc and /sys, for tests. */
uint32_t attne_cores_quota(const char *root);

#endif
