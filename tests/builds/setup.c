/*
** setup.c - what a host does before it opens a database; goes into a libsqlite3.so of
** tests/parts/builds, and is done when that is loaded.
**
**   -DSETUP_HEAP          all memory is one block (needs SQLITE_ENABLE_MEMSYS5)
**   -DSETUP_UNALIGNED     no memory is aligned to more than four bytes
**   -DSETUP_SINGLETHREAD  no mutexes
*/
#include <stdlib.h>
#include <string.h>

#define SQLITE_CONFIG_SINGLETHREAD 1
#define SQLITE_CONFIG_MALLOC       4
#define SQLITE_CONFIG_HEAP         8

int sqlite3_config(int, ...);
int sqlite3_initialize(void);

#if defined(SETUP_UNALIGNED)
enum { HEADER = 12 }; /* malloc's 16 bytes, and four less */

static void *unaligned_malloc(int n) {
  char *p = malloc((size_t)n + HEADER);
  if (!p) return NULL;
  memcpy(p, &n, sizeof n);
  return p + HEADER;
}
static void unaligned_free(void *p) {
  if (p) free((char *)p - HEADER);
}
static int unaligned_size(void *p) {
  int n;
  memcpy(&n, (char *)p - HEADER, sizeof n);
  return n;
}
static void *unaligned_realloc(void *p, int n) {
  char *q = realloc((char *)p - HEADER, (size_t)n + HEADER);
  if (!q) return NULL;
  memcpy(q, &n, sizeof n);
  return q + HEADER;
}
static int unaligned_roundup(int n) {
  return (n + 3) & ~3;
}
static int unaligned_init(void *unused) {
  return unused != NULL;
}
static void unaligned_shutdown(void *unused) {
  (void)unused;
}

static struct {
  void *(*malloc)(int);
  void (*free)(void *);
  void *(*realloc)(void *, int);
  int (*size)(void *);
  int (*roundup)(int);
  int (*init)(void *);
  void (*shutdown)(void *);
  void *data;
} unaligned = {unaligned_malloc,  unaligned_free, unaligned_realloc,  unaligned_size,
               unaligned_roundup, unaligned_init, unaligned_shutdown, NULL};
#endif

__attribute__((constructor)) static void setup(void) {
#if defined(SETUP_HEAP)
  static char heap[256 << 20];
  if (sqlite3_config(SQLITE_CONFIG_HEAP, heap, (int)sizeof heap, 64)) abort();
#elif defined(SETUP_UNALIGNED)
  if (sqlite3_config(SQLITE_CONFIG_MALLOC, &unaligned)) abort();
#elif defined(SETUP_SINGLETHREAD)
  if (sqlite3_config(SQLITE_CONFIG_SINGLETHREAD)) abort();
#endif
  if (sqlite3_initialize()) abort();
}
