/*
** code_cache.c - codes of chunks in memory, shared by all connections of the process.
**
** A chunk is kept under its stamp, a random number that is drawn anew whenever the
** chunk changes.  So an entry is never out of date: a connection asks for the stamps
** that its own snapshot of the database names, whatever others have written since,
** and copies of a database share what they have in common.
**
** The codes of a large chunk are a fifth of a megabyte.  If each were allocated by itself
** the system would hand out its pages one by one, which takes several times as long as
** to read them; so they lie in slabs on huge pages, several in each, and all that lie in
** one have one size.
**
** What is kept is bounded (attn_cache(bytes)).  Beyond that an entry goes that chance
** chooses: scans read chunks one after another, over and over, and the least recently
** used one would always be the one that is wanted next.  Entries in use are counted
** references and outlive their removal.
*/
#include "index.h"
#include <pthread.h>
#include <string.h>

/* As many places of `size` bytes as go into it; bit i of free: nothing is in number i. */
typedef struct slab {
  struct slab *next;
  sqlite3_uint64 size, free;
  char *memory;
} slab;

struct attnx_codes {
  attnx_codes *next; /* in a bucket */
  slab *slab;        /* NULL: memory of its own */
  sqlite3_int64 stamp;
  sqlite3_uint64 n_byte;
  int n_user; /* the cache itself is one */
  void *data; /* behind the struct, on a multiple of 64 bytes */
};

enum { N_BUCKET = 4096, SLAB = 8 << 20, LEAST = SLAB / 64, MOST = SLAB / 4 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static attnx_codes *bucket[N_BUCKET];
static sqlite3_int64 limit = (sqlite3_int64)512 << 20, used;
static slab *slabs;
static int n_index;
static unsigned hand; /* the next bucket to lose an entry; stamps are random */

/* `free` of an empty slab. */
static sqlite3_uint64 all_places(sqlite3_uint64 size) {
  return UINT64_MAX >> (64 - SLAB / size);
}

/* A slab with a place of that size; NULL: there is no memory. */
static slab *find_slab(sqlite3_uint64 size) {
  slab *s = slabs;
  while (s && (s->size != size || !s->free)) s = s->next;
  if (s) return s;
  s = sqlite3_malloc64(sizeof *s);
  if (!s) return NULL;
  s->memory = attn_alloc_aligned(SLAB);
  if (!s->memory) {
    sqlite3_free(s);
    return NULL;
  }
  s->size = size;
  s->free = all_places(size);
  s->next = slabs;
  slabs = s;
  return s;
}

/* Frees the slabs that are empty, but for one of each size while there are indexes. */
static void trim_slabs(void) {
  for (slab **at = &slabs; *at;) {
    slab *s = *at, *other = slabs;
    while (other && (other == s || other->size != s->size || !other->free)) {
      other = other->next;
    }
    if (s->free == all_places(s->size) && (other || !n_index)) {
      *at = s->next;
      attn_release_aligned(s->memory);
      sqlite3_free(s);
    } else {
      at = &s->next;
    }
  }
}

static void *take_place(sqlite3_uint64 size, slab **from) {
  *from = size < LEAST || size > MOST ? NULL : find_slab(size);
  if (!*from) return attn_alloc_aligned(size); /* there may be enough for one */
  int i = __builtin_ctzll((*from)->free);
  (*from)->free &= (*from)->free - 1;
  return (*from)->memory + (sqlite3_uint64)i * size;
}

static void give_place(slab *s, void *place) {
  if (!s) {
    attn_release_aligned(place);
    return;
  }
  s->free |= 1ull << (sqlite3_uint64)((char *)place - s->memory) / s->size;
  if (s->free == all_places(s->size)) trim_slabs();
}

attnx_codes *attnx_codes_new(sqlite3_uint64 n) {
  slab *slab;
  sqlite3_uint64 head = (sizeof(attnx_codes) + 63) / 64 * 64;
  pthread_mutex_lock(&mutex);
  attnx_codes *codes = take_place(head + (n + 63) / 64 * 64, &slab);
  pthread_mutex_unlock(&mutex);
  if (!codes) return NULL;
  *codes = (attnx_codes){.slab = slab, .n_byte = n, .n_user = 1};
  codes->data = (char *)codes + head;
  return codes;
}

void *attnx_codes_data(attnx_codes *codes) {
  return codes->data;
}

void attnx_codes_retain(attnx_codes *codes) {
  pthread_mutex_lock(&mutex);
  codes->n_user++;
  pthread_mutex_unlock(&mutex);
}

static void release(attnx_codes *codes) {
  if (--codes->n_user == 0) give_place(codes->slab, codes);
}

void attnx_codes_release(attnx_codes *codes) {
  if (!codes) return;
  pthread_mutex_lock(&mutex);
  release(codes);
  pthread_mutex_unlock(&mutex);
}

static attnx_codes **find(sqlite3_int64 stamp) {
  attnx_codes **at = &bucket[(sqlite3_uint64)stamp % N_BUCKET];
  while (*at && (*at)->stamp != stamp) at = &(*at)->next;
  return at;
}

static void remove_entry(attnx_codes **at) {
  attnx_codes *codes = *at;
  *at = codes->next;
  used -= (sqlite3_int64)codes->n_byte;
  release(codes);
}

/* Makes room for n bytes; 0 if that is more than all. */
static int make_room(sqlite3_int64 n) {
  if (n > limit) return 0;
  while (used > limit - n) {
    attnx_codes **at = &bucket[hand++ % N_BUCKET];
    if (*at) remove_entry(at);
  }
  return 1;
}

attnx_codes *attnx_code_cache_get(sqlite3_int64 stamp, sqlite3_uint64 n) {
  pthread_mutex_lock(&mutex);
  attnx_codes *codes = *find(stamp);
  if (codes && codes->n_byte == n) {
    codes->n_user++;
  } else {
    codes = NULL;
  }
  pthread_mutex_unlock(&mutex);
  return codes;
}

void attnx_code_cache_put(sqlite3_int64 stamp, attnx_codes *codes) {
  pthread_mutex_lock(&mutex);
  if (n_index && !*find(stamp) && make_room((sqlite3_int64)codes->n_byte)) {
    attnx_codes **at = find(stamp);
    codes->stamp = stamp;
    codes->next = NULL;
    codes->n_user++;
    used += (sqlite3_int64)codes->n_byte;
    *at = codes;
  }
  pthread_mutex_unlock(&mutex);
}

void attnx_code_cache_drop(sqlite3_int64 stamp) {
  pthread_mutex_lock(&mutex);
  attnx_codes **at = find(stamp);
  if (*at) remove_entry(at);
  pthread_mutex_unlock(&mutex);
}

static void clear(void) {
  for (int i = 0; i < N_BUCKET; i++) {
    while (bucket[i]) remove_entry(&bucket[i]);
  }
}

void attnx_code_cache_open(void) {
  pthread_mutex_lock(&mutex);
  n_index++;
  pthread_mutex_unlock(&mutex);
}

void attnx_code_cache_close(void) {
  pthread_mutex_lock(&mutex);
  if (--n_index == 0) {
    clear();
    trim_slabs();
  }
  pthread_mutex_unlock(&mutex);
}

sqlite3_int64 attnx_code_cache_limit(sqlite3_int64 n_byte) {
  pthread_mutex_lock(&mutex);
  if (n_byte >= 0) {
    limit = n_byte;
    if (used > limit) clear(); /* what chance would leave keeps every slab */
  }
  sqlite3_int64 result = limit;
  pthread_mutex_unlock(&mutex);
  return result;
}

sqlite3_int64 attnx_code_cache_used(void) {
  pthread_mutex_lock(&mutex);
  sqlite3_int64 result = used;
  pthread_mutex_unlock(&mutex);
  return result;
}

/* --------------------------------------------------------------------- attn_cache */

static void cache(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  sqlite3_int64 n = -1;
  char *error = NULL;
  int rc = argc
               ? attns_value_whole(argv[0], "attn_cache: bytes", 0, INT64_MAX, &error, &n)
               : SQLITE_OK;
  if (rc == SQLITE_OK) {
    sqlite3_result_int64(ctx, attnx_code_cache_limit(n));
  } else {
    attns_result_error(ctx, rc, error);
  }
}

const attns_function attns_cache_functions[] = {
    {"attn_cache", 0, SQLITE_UTF8, cache},
    {"attn_cache", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, cache},
    {NULL, 0, 0, NULL},
};
