/*
** cache.c - codes of chunks in memory, shared by all connections of the process.
**
** A chunk is kept under its stamp, a random number that is drawn anew whenever the
** chunk changes.  So an entry is never out of date: a connection asks for the stamps
** that its own snapshot of the database names, whatever others have written since,
** and copies of a database share what they have in common.
**
** What is kept is bounded (attn_cache(bytes)).  Beyond that an entry goes that chance
** chooses: scans read chunks one after another, over and over, and the least recently
** used one would always be the one that is wanted next.  Entries in use are counted
** references and outlive their removal.
*/
#include "index.h"
#include <pthread.h>
#include <string.h>

struct attn_codes {
  attn_codes *next; /* in a bucket */
  sqlite3_int64 stamp;
  sqlite3_uint64 n_byte;
  int n_user; /* the cache itself is one */
  void *data; /* behind the struct, on a multiple of 64 bytes */
};

enum { N_BUCKET = 4096 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static attn_codes *bucket[N_BUCKET];
static sqlite3_int64 limit = (sqlite3_int64)512 << 20, used;
static int n_index;
static unsigned hand; /* the next bucket to lose an entry; stamps are random */

attn_codes *attn_codes_new(sqlite3_uint64 n) {
  attn_codes *codes = sqlite3_malloc64(sizeof *codes + n + 64);
  if (!codes) return NULL;
  *codes = (attn_codes){.n_byte = n, .n_user = 1};
  codes->data = (void *)(((uintptr_t)(codes + 1) + 63) & ~(uintptr_t)63);
  return codes;
}

void *attn_codes_data(attn_codes *codes) {
  return codes->data;
}

void attn_codes_retain(attn_codes *codes) {
  pthread_mutex_lock(&mutex);
  codes->n_user++;
  pthread_mutex_unlock(&mutex);
}

static void release(attn_codes *codes) {
  if (--codes->n_user == 0) sqlite3_free(codes);
}

void attn_codes_release(attn_codes *codes) {
  if (!codes) return;
  pthread_mutex_lock(&mutex);
  release(codes);
  pthread_mutex_unlock(&mutex);
}

static attn_codes **find(sqlite3_int64 stamp) {
  attn_codes **at = &bucket[(sqlite3_uint64)stamp % N_BUCKET];
  while (*at && (*at)->stamp != stamp) at = &(*at)->next;
  return at;
}

static void remove_entry(attn_codes **at) {
  attn_codes *codes = *at;
  *at = codes->next;
  used -= (sqlite3_int64)codes->n_byte;
  release(codes);
}

/* Makes room for n bytes; 0 if that is more than all. */
static int make_room(sqlite3_int64 n) {
  if (n > limit) return 0;
  while (used > limit - n) {
    attn_codes **at = &bucket[hand++ % N_BUCKET];
    if (*at) remove_entry(at);
  }
  return 1;
}

attn_codes *attn_cache_get(sqlite3_int64 stamp, sqlite3_uint64 n) {
  pthread_mutex_lock(&mutex);
  attn_codes *codes = *find(stamp);
  if (codes && codes->n_byte == n) {
    codes->n_user++;
  } else {
    codes = NULL;
  }
  pthread_mutex_unlock(&mutex);
  return codes;
}

void attn_cache_put(sqlite3_int64 stamp, attn_codes *codes) {
  pthread_mutex_lock(&mutex);
  if (n_index && !*find(stamp) && make_room((sqlite3_int64)codes->n_byte)) {
    attn_codes **at = find(stamp);
    codes->stamp = stamp;
    codes->next = NULL;
    codes->n_user++;
    used += (sqlite3_int64)codes->n_byte;
    *at = codes;
  }
  pthread_mutex_unlock(&mutex);
}

void attn_cache_drop(sqlite3_int64 stamp) {
  pthread_mutex_lock(&mutex);
  attn_codes **at = find(stamp);
  if (*at) remove_entry(at);
  pthread_mutex_unlock(&mutex);
}

static void clear(void) {
  for (int i = 0; i < N_BUCKET; i++) {
    while (bucket[i]) remove_entry(&bucket[i]);
  }
}

void attn_cache_open(void) {
  pthread_mutex_lock(&mutex);
  n_index++;
  pthread_mutex_unlock(&mutex);
}

void attn_cache_close(void) {
  pthread_mutex_lock(&mutex);
  if (--n_index == 0) clear();
  pthread_mutex_unlock(&mutex);
}

sqlite3_int64 attn_cache_limit(sqlite3_int64 n_byte) {
  pthread_mutex_lock(&mutex);
  if (n_byte >= 0) {
    limit = n_byte;
    make_room(0);
  }
  sqlite3_int64 result = limit;
  pthread_mutex_unlock(&mutex);
  return result;
}

sqlite3_int64 attn_cache_used(void) {
  pthread_mutex_lock(&mutex);
  sqlite3_int64 result = used;
  pthread_mutex_unlock(&mutex);
  return result;
}
