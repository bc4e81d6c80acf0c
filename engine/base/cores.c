/*
** cores.c - how many cores this process may use: those that its affinity allows,
** but no more than the CPU quota of its control groups pays for.
**
**   /proc/self/cgroup              one line a hierarchy: number:controllers:path
**     0::/a/b                      version 2
**     4:cpu,cpuacct:/a/b           version 1
**   cpu.max                        version 2, "150000 100000" or "max 100000":
**                                  microseconds of CPU time in a period
**   cpu.cfs_quota_us, cpu.cfs_period_us       version 1, -1: no limit
**
** A group is limited by each of the groups that it is in, so all of a path are
** looked at.  A container may see its own group as the root and yet be told the
** path that it has outside; of a path, what is not there is passed over.
*/
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "threads.h"
#include <stdio.h>
#include <stdlib.h>
#if defined(__linux__)
#include <fcntl.h>
#include <sched.h>
#endif
#if defined(_WIN32)
#include <windows.h>
#else
#include <unistd.h>
#endif

enum { MAX_PATH_BYTES = 4096, NO_LIMIT = 1 << 20 };

#if defined(__linux__)

/* Reads a file of whole lines, as far as there is room, as a text; 0 when there is none.
** A FILE would take memory. */
static int read_file(const char *path, char *text, size_t n) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  size_t length = 0;
  for (ssize_t got = 1; got > 0 && length<n - 1; length += got> 0 ? (size_t)got : 0) {
    got = read(file, text + length, n - 1 - length);
  }
  close(file);
  text[length] = 0;
  return length > 0;
}

static int join(char path[MAX_PATH_BYTES], const char *folder, const char *file) {
  int n = snprintf(path, MAX_PATH_BYTES, "%s/%s", folder, file);
  return n > 0 && n < MAX_PATH_BYTES;
}

/* Cores begun count: of one and a half, the half is worth a thread. */
static uint32_t whole_cores(long long quota, long long period) {
  if (quota <= 0 || period <= 0 || quota / period >= NO_LIMIT) return NO_LIMIT;
  return (uint32_t)(quota / period + (quota % period > 0));
}

/* The limit of one group, by the files of either version in its folder. */
static uint32_t group_limit(const char *folder) {
  char path[MAX_PATH_BYTES], line[64], *rest;
  if (join(path, folder, "cpu.max") && read_file(path, line, sizeof line)) {
    long long quota = strtoll(line, &rest, 10); /* "max" reads as 0: none */
    return whole_cores(quota, strtoll(rest, NULL, 10));
  }
  if (!join(path, folder, "cpu.cfs_quota_us") || !read_file(path, line, sizeof line)) {
    return NO_LIMIT;
  }
  long long quota = strtoll(line, NULL, 10);
  if (!join(path, folder, "cpu.cfs_period_us") || !read_file(path, line, sizeof line)) {
    return NO_LIMIT;
  }
  return whole_cores(quota, strtoll(line, NULL, 10));
}

/* The least of the limits of a folder and of those above it, up to its first
** n_root bytes.  The folder is cut on the way. */
static uint32_t path_limit(char *folder, size_t n_root) {
  uint32_t least = NO_LIMIT;
  for (;;) {
    uint32_t n = group_limit(folder);
    if (n < least) least = n;
    char *slash = strrchr(folder + n_root, '/');
    if (!slash) return least;
    *slash = 0;
  }
}

/* Is the controller "cpu" in a list as "cpu,cpuacct"? */
static int has_cpu(const char *list) {
  while (strncmp(list, "cpu", 3) != 0 || (list[3] != ',' && list[3] != 0)) {
    list = strchr(list, ',');
    if (!list) return 0;
    list++;
  }
  return 1;
}

/* The limit that a line of /proc/self/cgroup leads to. */
static uint32_t line_limit(const char *root, char *line) {
  char folder[MAX_PATH_BYTES];
  char *controllers = strchr(line, ':');
  char *path = controllers ? strchr(controllers + 1, ':') : NULL;
  if (!path) return NO_LIMIT;
  *path++ = 0;
  controllers++;
  if (*controllers && !has_cpu(controllers)) return NO_LIMIT;
  int n_root = snprintf(folder, sizeof folder, "%s/sys/fs/cgroup%s%s", root,
                        *controllers ? "/" : "", controllers);
  size_t n_path = strlen(path);
  if (n_path && path[n_path - 1] == '/') path[n_path - 1] = 0;
  if (n_root < 0 || (size_t)n_root + n_path >= sizeof folder) return NO_LIMIT;
  strcpy(folder + n_root, path);
  return path_limit(folder, (size_t)n_root);
}

uint32_t attne_cores_quota(const char *root) {
  char path[MAX_PATH_BYTES], text[2 * MAX_PATH_BYTES];
  uint32_t least = NO_LIMIT;
  if (!join(path, root, "proc/self/cgroup") || !read_file(path, text, sizeof text))
    return least;
  for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
    *end = 0;
    uint32_t n = line_limit(root, line);
    if (n < least) least = n;
  }
  return least;
}

#else

uint32_t attne_cores_quota(const char *root) {
  (void)root;
  return NO_LIMIT;
}

#endif

static uint32_t allowed_cores(void) {
  long n = 1;
#if defined(__linux__)
  cpu_set_t set; /* of 1,024: a machine with more makes the call fail */
  if (sched_getaffinity(0, sizeof set, &set) == 0) return (uint32_t)CPU_COUNT(&set);
#endif
#if defined(_WIN32)
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  n = (long)system.dwNumberOfProcessors;
#elif defined(_SC_NPROCESSORS_ONLN)
  n = sysconf(_SC_NPROCESSORS_ONLN);
#endif
  return n < 1 ? 1 : (uint32_t)n;
}

uint32_t attne_cores(void) {
  uint32_t n = allowed_cores(), quota = attne_cores_quota("");
  return n < quota ? n : quota;
}
