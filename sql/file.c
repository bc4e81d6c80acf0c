/*
** file.c - reading and writing the files of a model's folder.
*/
#define _FILE_OFFSET_BITS 64
#define _POSIX_C_SOURCE   200809L
#include "file.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

int attns_file_is(const char *path, char kind) {
  struct stat st;
  if (stat(path, &st) != 0) return 0;
  return kind == 'd' ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode);
}

int attns_file_is_below(const char *path) {
  const char *p = path;
  int bad = *p == '/' || strchr(path, '\\') || strchr(path, ':');
  while (p && !bad) {
    bad = strncmp(p, "..", 2) == 0 && (p[2] == 0 || p[2] == '/');
    p = strchr(p, '/');
    if (p) p++;
  }
  return !bad;
}

static int fail(char **error, const char *path, const char *what) {
  return attns_sql_fail(error, SQLITE_ERROR, "%s: %s: %s", path, what, strerror(errno));
}

int attns_file_open(const char *path, char **error, FILE **out, sqlite3_int64 *n) {
  struct stat st;
  *out = NULL;
  *n = 0;
  if (stat(path, &st) != 0) return fail(error, path, "cannot open");
  if (!S_ISREG(st.st_mode)) {
    return attns_sql_fail(error, SQLITE_ERROR, "%s: expected a file, found a %s", path,
                          S_ISDIR(st.st_mode) ? "folder" : "device");
  }
  FILE *file = fopen(path, "rb");
  if (!file) return fail(error, path, "cannot open");
  *out = file;
  *n = (sqlite3_int64)st.st_size;
  return SQLITE_OK;
}

int attns_file_read_at(FILE *file, const char *path, sqlite3_int64 offset, void *to,
                       size_t n, char **error) {
  if (fseeko(file, (off_t)offset, SEEK_SET) != 0) return fail(error, path, "cannot seek");
  size_t got = fread(to, 1, n, file);
  if (got == n) return SQLITE_OK;
  if (ferror(file)) return fail(error, path, "cannot read");
  return attns_sql_fail(error, SQLITE_ERROR,
                        "%s: ends at byte %lld; expected at least %lld", path,
                        offset + (sqlite3_int64)got, offset + (sqlite3_int64)n);
}

int attns_file_memory(const char *path, sqlite3_int64 n, char **error, attns_bytes *out) {
  attn_error err;
  memset(out, 0, sizeof *out);
  if (attn_limit_call((uint64_t)n, &err) != ATTN_OK) {
    return attns_sql_fail(error, SQLITE_TOOBIG, "%s: %s", path, err.message);
  }
  out->data = sqlite3_malloc64((sqlite3_uint64)n + 1);
  if (!out->data) return SQLITE_NOMEM;
  out->data[n] = 0;
  out->n = n;
  return SQLITE_OK;
}

int attns_file_read(const char *path, sqlite3_int64 max, char **error, attns_bytes *out) {
  FILE *file;
  sqlite3_int64 n;
  memset(out, 0, sizeof *out);
  int rc = attns_file_open(path, error, &file, &n);
  if (rc != SQLITE_OK) return rc;
  if (n > max) {
    rc = attns_sql_fail(error, SQLITE_ERROR, "%s: has %lld bytes; expected at most %lld",
                        path, n, max);
  } else {
    rc = attns_file_memory(path, n, error, out);
  }
  if (rc == SQLITE_OK)
    rc = attns_file_read_at(file, path, 0, out->data, (size_t)n, error);
  fclose(file);
  if (rc != SQLITE_OK) {
    sqlite3_free(out->data);
    out->data = NULL;
  }
  return rc;
}

int attns_file_make_folder(const char *path, char **error) {
#if defined(_WIN32)
  int failed = mkdir(path);
#else
  int failed = mkdir(path, 0777);
#endif
  if (failed && !(errno == EEXIST && attns_file_is(path, 'd'))) {
    return fail(error, path, "cannot make the folder");
  }
  return SQLITE_OK;
}

int attns_file_create(const char *path, char **error, FILE **out) {
  *out = fopen(path, "wbx");
  return *out ? SQLITE_OK : fail(error, path, "cannot write");
}

int attns_file_write(const char *path, const void *data, size_t n, char **error) {
  FILE *file;
  int rc = attns_file_create(path, error, &file);
  if (rc != SQLITE_OK) return rc;
  int bad = fwrite(data, 1, n, file) != n;
  if (fclose(file) != 0) bad = 1;
  return bad ? fail(error, path, "cannot write") : SQLITE_OK;
}
