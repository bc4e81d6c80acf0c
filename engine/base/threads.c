/*
** threads.c - the pool.
**
** There is one for the process.  Its threads are started by the first job that
** has work for them and take pieces of whatever job has some left, the oldest
** first.  A thread that had nothing to do for a second ends, so a process that
** embeds no more is left as it was found.
**
** One lock guards the lists and counts; nobody holds it while a piece is done.
** The pieces of a job are given out by an atomic counter.
**
** fork() copies the forking thread alone.  The lock is taken around it, so that
** the child finds the counts whole, and there they start again from nothing.
*/
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* signal masks */
#endif
#include "threads.h"
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum {
  IDLE_SECONDS = 1,
  STACK_BYTES = 1 << 20 /* pieces need little; some C libraries give 128 KB */
};

/* A job that is being done; on the stack of its caller. */
typedef struct active {
  const attne_job *job;
  atomic_size_t next_piece; /* the first that nobody has begun, or more */
  uint32_t n_slot;          /* given out; these two under the lock */
  uint32_t n_inside;        /* threads of the pool that work on it */
  unsigned n_fork;          /* of the pool when it began */
  struct active *next;      /* begun later */
} active;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t wake; /* there may be a piece to do, or a thread too many */
  pthread_cond_t left; /* a thread has left a job */
  active *first;
  uint32_t n_thread, n_idle;
  unsigned n_fork; /* how many forks lie between this process and the first */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .left = PTHREAD_COND_INITIALIZER};

/* Threads that may work at a time, the caller included; 0: not asked yet. */
static atomic_uint n_wanted;

/* ---------------------------------------------------------------------- number */

static uint32_t wanted(void) {
  unsigned n = atomic_load(&n_wanted);
  if (n == 0) {
    unsigned cores = attne_cores();
    if (cores > ATTN_MAX_THREADS) cores = ATTN_MAX_THREADS;
    if (atomic_compare_exchange_strong(&n_wanted, &n, cores)) n = cores;
  }
  return n;
}

void attn_set_threads(uint32_t n) {
  atomic_store(&n_wanted, n < ATTN_MAX_THREADS ? n : ATTN_MAX_THREADS);
  pthread_mutex_lock(&pool.lock);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
}

void attn_get_threads(uint32_t *n, uint32_t *n_running) {
  *n = wanted();
  pthread_mutex_lock(&pool.lock);
  *n_running = pool.n_thread;
  pthread_mutex_unlock(&pool.lock);
}

uint32_t attne_job_slots(size_t n_piece) {
  if (n_piece <= 1) return 1;
  uint32_t n = wanted();
  return n_piece < n ? (uint32_t)n_piece : n;
}

/* ---------------------------------------------------------------------- pieces */

static int take_piece(active *a, size_t *i) {
  *i = atomic_fetch_add(&a->next_piece, 1);
  return *i < a->job->n_piece;
}

/* Does pieces until none is left, asking `stop` where it is given. */
static attn_status do_pieces(active *a, uint32_t slot, int (*stop)(void *)) {
  attn_status rc = ATTN_OK;
  const attne_job *job = a->job;
  fenv_t environment;
  fegetenv(&environment);
  fesetenv(FE_DFL_ENV);
  for (size_t i; rc == ATTN_OK && take_piece(a, &i);) {
    if (stop && stop(job->stop_ctx)) {
      atomic_store(&a->next_piece, job->n_piece);
      rc = ATTN_INTERRUPTED;
    } else {
      job->run(job->ctx, slot, i);
    }
  }
  fesetenv(&environment);
  return rc;
}

/* --------------------------------------------------------------------- threads */

/* A job that has a piece and a slot left; the lock is held. */
static active *find_job(void) {
  active *a = pool.first;
  while (a && (a->n_slot == a->job->n_slot ||
               atomic_load(&a->next_piece) >= a->job->n_piece)) {
    a = a->next;
  }
  return a;
}

/* The lock is held, and let go while pieces are done. */
static void help(active *a) {
  uint32_t slot = a->n_slot++;
  a->n_inside++;
  pthread_mutex_unlock(&pool.lock);
  do_pieces(a, slot, NULL);
  pthread_mutex_lock(&pool.lock);
  if (--a->n_inside == 0) pthread_cond_broadcast(&pool.left);
}

/* Waits for a job; 0 when there was none for long.  The lock is held. */
static int wait_for_job(void) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += IDLE_SECONDS;
  pool.n_idle++;
  int rc = pthread_cond_timedwait(&pool.wake, &pool.lock, &until);
  pool.n_idle--;
  return rc == 0 || find_job() != NULL;
}

static void *thread_main(void *unused) {
  (void)unused;
  pthread_mutex_lock(&pool.lock);
  while (pool.n_thread < wanted()) {
    active *a = find_job();
    if (a) {
      help(a);
    } else if (!wait_for_job()) {
      break;
    }
  }
  pool.n_thread--;
  pthread_mutex_unlock(&pool.lock);
  return NULL;
}

/* Starts a thread that blocks all signals: they are for the host's threads. */
static int create_thread(const pthread_attr_t *attributes) {
  pthread_t thread;
#if defined(_WIN32)
  return pthread_create(&thread, attributes, thread_main, NULL);
#else
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&thread, attributes, thread_main, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
#endif
}

static int start_thread(void) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return 0;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  int rc = create_thread(&attributes);
  pthread_attr_destroy(&attributes);
  return rc == 0;
}

/* Sees to it that n threads are free, as far as the number of threads and the
** system allow it.  The lock is held. */
static void start_threads(uint32_t n) {
  for (uint32_t k = pool.n_idle; k < n && pool.n_thread + 1 < wanted(); k++) {
    if (!start_thread()) break; /* the others do the work */
    pool.n_thread++;
  }
}

/* ------------------------------------------------------------------------ fork */

static int fork_is_safe;

#if defined(_WIN32) /* has no fork */
static void watch_forks(void) {
  fork_is_safe = 1;
}
#else
static void before_fork(void) {
  pthread_mutex_lock(&pool.lock);
}
static void after_fork(void) {
  pthread_mutex_unlock(&pool.lock);
}

static void in_child(void) {
  pool.first = NULL;
  pool.n_thread = pool.n_idle = 0;
  pool.n_fork++;
  pthread_cond_init(&pool.wake, NULL);
  pthread_cond_init(&pool.left, NULL);
  pthread_mutex_unlock(&pool.lock);
}

static void watch_forks(void) {
  fork_is_safe = pthread_atfork(before_fork, after_fork, in_child) == 0;
}
#endif

/* ------------------------------------------------------------------------ jobs */

/* Puts a job where the pool sees it. */
static void announce(active *a) {
  pthread_mutex_lock(&pool.lock);
  active **end = &pool.first;
  while (*end) end = &(*end)->next;
  *end = a;
  a->n_fork = pool.n_fork;
  start_threads(a->job->n_slot - 1);
  pthread_cond_broadcast(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
}

/* Waits until no thread works on a job, and takes it away.  0: `stop` has forked,
** this is the child, and pieces went with the threads that stayed behind. */
static int withdraw(active *a) {
  pthread_mutex_lock(&pool.lock);
  int is_whole = a->n_fork == pool.n_fork;
  if (is_whole) {
    while (a->n_inside) pthread_cond_wait(&pool.left, &pool.lock);
    active **at = &pool.first;
    while (*at != a) at = &(*at)->next;
    *at = a->next;
  }
  pthread_mutex_unlock(&pool.lock);
  return is_whole;
}

attn_status attne_run(const attne_job *job) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  active a = {.job = job, .n_slot = 1};
  if (job->n_slot > 1) pthread_once(&once, watch_forks);
  if (job->n_slot == 1 || !fork_is_safe) return do_pieces(&a, 0, job->stop);
  announce(&a);
  attn_status rc = do_pieces(&a, 0, job->stop);
  if (withdraw(&a) || rc != ATTN_OK) return rc;
  atomic_store(&a.next_piece, 0);
  return do_pieces(&a, 0, job->stop);
}
