/*
** settings.c - looking things up in a flattened JSON document.
**
** Entries are sorted by path, element by element, and found by bisection:
**
**   path    = "$" element*
**   element = "." key | "." '"' key '"' | "[" digits "]"
*/
#include "settings.h"
#include <stdarg.h>
#include <stdio.h>

/* ---------------------------------------------------------------------- order */

typedef struct element {
  const char *text; /* key or digits, without quotes and brackets; NULL at the end */
  size_t n;
  int is_index;
} element;

static element next_element(const char **path) {
  const char *p = *path;
  element e = {0};
  if (!*p) return e;
  e.is_index = *p == '[';
  p++;
  int quoted = !e.is_index && *p == '"';
  if (quoted) p++;
  e.text = p;
  if (quoted) {
    while (*p && *p != '"') p += p[0] == '\\' && p[1] ? 2 : 1;
  } else if (e.is_index) {
    while (*p && *p != ']') p++;
  } else {
    while (*p && *p != '.' && *p != '[') p++;
  }
  e.n = (size_t)(p - e.text);
  if ((quoted || e.is_index) && *p) p++;
  *path = p;
  return e;
}

static int compare_elements(element a, element b) {
  if (a.is_index != b.is_index) return a.is_index - b.is_index;
  if (a.is_index && a.n != b.n) return a.n < b.n ? -1 : 1; /* [9] before [10] */
  int c = memcmp(a.text, b.text, a.n < b.n ? a.n : b.n);
  return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int compare_paths(const char *a, const char *b) {
  a += *a == '$';
  b += *b == '$';
  for (;;) {
    element x = next_element(&a), y = next_element(&b);
    if (!x.text || !y.text) return (x.text != NULL) - (y.text != NULL);
    int c = compare_elements(x, y);
    if (c) return c;
  }
}

static int compare_entries(const void *a, const void *b) {
  return compare_paths(((const attn_setting *)a)->path, ((const attn_setting *)b)->path);
}

attn_status attne_settings_sort(attn_settings *settings, attn_error *err) {
  if (settings->n_entry == 0) return ATTN_OK;
  attn_sort(settings->entry, settings->n_entry, sizeof *settings->entry, compare_entries);
  for (size_t i = 1; i < settings->n_entry; i++) {
    if (compare_entries(&settings->entry[i - 1], &settings->entry[i]) == 0) {
      return attne_fail(err, ATTN_INVALID, "settings: %.200s is there twice",
                        settings->entry[i].path);
    }
  }
  return ATTN_OK;
}

/* --------------------------------------------------------------------- lookup */

static const attn_setting *find_path(const attn_settings *settings, const char *path) {
  size_t low = 0, high = settings->n_entry;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int c = compare_paths(path, settings->entry[middle].path);
    if (c == 0) return &settings->entry[middle];
    if (c < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

/* The node, or NULL where it is missing or null; the path is left in buf. */
static const attn_setting *find_value(const attn_settings *settings, char *buf,
                                      const char *path, va_list ap) {
  int n = vsnprintf(buf, ATTNE_MAX_PATH, path, ap);
  if (n < 0 || n >= ATTNE_MAX_PATH) return NULL;
  const attn_setting *found = find_path(settings, buf);
  return found && found->kind != ATTN_NULL ? found : NULL;
}

const attn_setting *attne_settings_find(const attn_settings *settings, const char *path,
                                        ...) {
  char buf[ATTNE_MAX_PATH];
  va_list ap;
  va_start(ap, path);
  int n = vsnprintf(buf, sizeof buf, path, ap);
  va_end(ap);
  return n < 0 || n >= ATTNE_MAX_PATH ? NULL : find_path(settings, buf);
}

int attne_settings_has(const attn_settings *settings, const char *path, ...) {
  char buf[ATTNE_MAX_PATH];
  va_list ap;
  va_start(ap, path);
  const attn_setting *found = find_value(settings, buf, path, ap);
  va_end(ap);
  return found != NULL;
}

attn_status attne_settings_require(const attn_settings *settings, attn_error *err,
                                   const char *path, ...) {
  char buf[ATTNE_MAX_PATH];
  va_list ap;
  va_start(ap, path);
  const attn_setting *found = find_value(settings, buf, path, ap);
  va_end(ap);
  return found ? ATTN_OK
               : attne_fail(err, ATTN_INVALID, "settings: %.200s is missing", buf);
}

static int is_key(element e, const char *const *keys) {
  for (; *keys; keys++) {
    if (!e.is_index && e.n == strlen(*keys) && memcmp(e.text, *keys, e.n) == 0) return 1;
  }
  return 0;
}

attn_status attne_settings_only(const attn_settings *settings, const char *const *keys,
                                attn_error *err) {
  char known[200] = "";
  const attn_setting *root = find_path(settings, "$");
  if (root && root->kind != ATTN_OBJECT) {
    return attne_fail(err, ATTN_INVALID, "options: expected a JSON object");
  }
  for (size_t i = 0; i < settings->n_entry; i++) {
    const char *path = settings->entry[i].path + (settings->entry[i].path[0] == '$');
    element e = next_element(&path);
    if (!e.text || is_key(e, keys)) continue;
    for (size_t n = 0; *keys && n < sizeof known; keys++) {
      const char *comma = n == 0 ? "" : keys[1] ? ", " : " and ";
      n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", comma, *keys);
    }
    return attne_fail(err, ATTN_INVALID, "unknown option \"%.*s\"; known are %s",
                      attne_text_cut((attn_text){e.text, e.n}, 100), e.text, known);
  }
  return ATTN_OK;
}

/* --------------------------------------------------------------- typed values */

/* "settings: $.x is the text 'abc', expected ..." */
static attn_status wrong(attn_error *err, const char *path, const attn_setting *found,
                         const char *expected) {
  static const char *const name[] = {"null",     "false",    "true",     "an integer",
                                     "a number", "the text", "an array", "an object"};
  char value[64] = "";
  if (found->kind == ATTN_INTEGER) {
    snprintf(value, sizeof value, " (%lld)", (long long)found->integer);
  } else if (found->kind == ATTN_REAL) {
    snprintf(value, sizeof value, " (%g)", found->real);
  } else if (found->kind == ATTN_TEXT) {
    attn_text text = {found->text, found->n_text};
    int n = attne_text_cut(text, 40);
    snprintf(value, sizeof value, " '%.*s%s'", n, found->text,
             (size_t)n < found->n_text ? "..." : "");
  }
  return attne_fail(err, ATTN_INVALID, "settings: %.200s is %s%s, expected %s", path,
                    name[found->kind], value, expected);
}

attn_status attne_settings_bool(const attn_settings *settings, attn_error *err,
                                int *value, const char *path, ...) {
  char buf[ATTNE_MAX_PATH];
  va_list ap;
  va_start(ap, path);
  const attn_setting *found = find_value(settings, buf, path, ap);
  va_end(ap);
  if (!found) return ATTN_OK;
  if (found->kind != ATTN_TRUE && found->kind != ATTN_FALSE) {
    return wrong(err, buf, found, "true or false");
  }
  *value = found->kind == ATTN_TRUE;
  return ATTN_OK;
}

attn_status attne_settings_integer(const attn_settings *settings, attn_error *err,
                                   int64_t min, int64_t max, int64_t *value,
                                   const char *path, ...) {
  char buf[ATTNE_MAX_PATH];
  va_list ap;
  va_start(ap, path);
  const attn_setting *found = find_value(settings, buf, path, ap);
  va_end(ap);
  if (!found) return ATTN_OK;
  if (found->kind != ATTN_INTEGER || found->integer < min || found->integer > max) {
    char expected[80];
    snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)min,
             (long long)max);
    return wrong(err, buf, found, expected);
  }
  *value = found->integer;
  return ATTN_OK;
}

attn_status attne_settings_real(const attn_settings *settings, attn_error *err,
                                double *value, const char *path, ...) {
  char buf[ATTNE_MAX_PATH];
  va_list ap;
  va_start(ap, path);
  const attn_setting *found = find_value(settings, buf, path, ap);
  va_end(ap);
  if (!found) return ATTN_OK;
  if (found->kind != ATTN_INTEGER && found->kind != ATTN_REAL) {
    return wrong(err, buf, found, "a number");
  }
  *value = found->kind == ATTN_REAL ? found->real : (double)found->integer;
  return ATTN_OK;
}

attn_status attne_settings_text(const attn_settings *settings, attn_error *err,
                                attn_text *value, const char *path, ...) {
  char buf[ATTNE_MAX_PATH];
  va_list ap;
  va_start(ap, path);
  const attn_setting *found = find_value(settings, buf, path, ap);
  va_end(ap);
  if (!found) return ATTN_OK;
  if (found->kind != ATTN_TEXT) return wrong(err, buf, found, "text");
  value->text = found->text;
  value->n_text = found->n_text;
  return ATTN_OK;
}

int attne_text_is(attn_text text, const char *literal) {
  size_t n = strlen(literal);
  return text.n_text == n && memcmp(text.text, literal, n) == 0;
}

int attne_text_cut(attn_text text, int max) {
  int n = max;
  if (text.n_text <= (size_t)max) return (int)text.n_text;
  while (n > 0 && ((unsigned char)text.text[n] & 0xC0) == 0x80) n--;
  return n;
}
