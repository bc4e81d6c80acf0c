/*
** svg_query.c - pictures of the rows of a query: vectors as points of a plane
** (attn_svg 'map'), and numbers as curves (attn_svg 'curve').
**
** The plane of a map is that of the two principal components.  Groups and series have the
** colors of a palette, in the order in which they come.
*/
#include "picture.h"
#include "../vec.h"
#include <math.h>
#include <string.h>

enum { MAX_NAME = 500 /* groups or series */ };

/* A copied text. */
typedef struct name {
  char *text;
  int n_text;
} name;

typedef struct names {
  name *name;
  size_t n, n_alloc;
} names;

static void free_names(names *list) {
  for (size_t i = 0; i < list->n; i++) sqlite3_free(list->name[i].text);
  sqlite3_free(list->name);
}

/* Makes room for one more of *n; list is the address of a pointer. */
static int grow(void *list, size_t n, size_t *n_alloc, size_t size) {
  void *p;
  if (n < *n_alloc) return SQLITE_OK;
  size_t n_new = *n_alloc ? 2 * *n_alloc : 64;
  memcpy(&p, list, sizeof p); /* a pointer of whatever type */
  p = sqlite3_realloc64(p, n_new * size);
  if (!p) return SQLITE_NOMEM;
  memcpy(list, &p, sizeof p);
  *n_alloc = n_new;
  return SQLITE_OK;
}

/* Column i as text; a NULL is empty. */
static int add_name(names *list, sqlite3_stmt *stmt, int i) {
  int rc = grow(&list->name, list->n, &list->n_alloc, sizeof *list->name);
  if (rc != SQLITE_OK) return rc;
  const char *text = (const char *)sqlite3_column_text(stmt, i);
  int n = sqlite3_column_bytes(stmt, i);
  name added = {sqlite3_malloc64((sqlite3_uint64)n + 1), n};
  if (!added.text || (!text && sqlite3_column_type(stmt, i) != SQLITE_NULL)) {
    sqlite3_free(added.text);
    return SQLITE_NOMEM;
  }
  if (n) memcpy(added.text, text, (size_t)n);
  list->name[list->n++] = added;
  return SQLITE_OK;
}

/* The number of the name that column i has, added where it is new. */
static int find_name(names *list, sqlite3_stmt *stmt, int i, char **error,
                     uint32_t *out) {
  int rc = add_name(list, stmt, i);
  if (rc != SQLITE_OK) return rc;
  if (list->n > MAX_NAME) {
    return attns_sql_fail(error, SQLITE_ERROR,
                          "attn_svg: column 3 of the query has more than %d values",
                          MAX_NAME);
  }
  const name *last = &list->name[list->n - 1];
  size_t at = 0;
  while (list->name[at].n_text != last->n_text ||
         memcmp(list->name[at].text, last->text, (size_t)last->n_text) != 0)
    at++;
  if (at < list->n - 1) sqlite3_free(list->name[--list->n].text);
  *out = (uint32_t)at;
  return SQLITE_OK;
}

static attn_text text_of(const names *list, size_t i) {
  return (attn_text){list->name[i].text, (size_t)list->name[i].n_text};
}

/* Prepares the query of a picture, of 2 or 3 columns. */
static int open_query(attns_connection *c, sqlite3_value *value, const char *expected,
                      char **error, sqlite3_stmt **out) {
  attn_text sql;
  *out = NULL;
  int rc = attns_value_name(value, "attn_svg: query", error, &sql);
  if (rc == SQLITE_OK) {
    rc = attns_prepare_query(attns_connection_db(c), "attn_svg", sql, error, out);
  }
  if (rc != SQLITE_OK) return rc;
  int n = sqlite3_column_count(*out);
  if (n == 2 || n == 3) return SQLITE_OK;
  return attns_sql_fail(error, SQLITE_ERROR,
                        "attn_svg: the query has %d column%s; expected %s", n,
                        n == 1 ? "" : "s", expected);
}

/* The names of groups or series in their colors, from a corner down. */
static void legend(sqlite3_str *out, const names *list, int right, int top) {
  if (list->n < 2) return;
  for (size_t i = 0; i < list->n && i < 20; i++) {
    int y = top + 16 * (int)i;
    sqlite3_str_appendf(
        out, "<rect class=\"f%d\" x=\"%d\" y=\"%d\" width=\"10\" height=\"10\"/>\n",
        (int)(i % ATTNS_N_COLOR), right - 10, y - 9);
    attns_picture_label(out, "end", right - 16, y, text_of(list, i), 30);
  }
}

/* --------------------------------------------------------------------------- map */

enum { MAP_SIZE = 720, MAP_MARGIN = 50, MAX_LABEL = 80 /* that are written out */ };

typedef struct map {
  float *x; /* [m, n] */
  size_t m, n, n_alloc, n_group_alloc;
  names label, group_name;
  uint32_t *group; /* [m] */
} map;

static void free_map(map *map) {
  free_names(&map->label);
  free_names(&map->group_name);
  sqlite3_free(map->x);
  sqlite3_free(map->group);
}

static int check_row(const map *map, const float *row, size_t n, char **error) {
  if (map->m && n != map->n) {
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "attn_svg: the vector of row %llu has %llu numbers, those before "
        "have %llu",
        (unsigned long long)map->m + 1, (unsigned long long)n,
        (unsigned long long)map->n);
  }
  for (size_t i = 0; i < n; i++) {
    if (isfinite(row[i])) continue;
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "attn_svg: the vector of row %llu holds a number that is not finite",
        (unsigned long long)map->m + 1);
  }
  return SQLITE_OK;
}

/* Rows whose vector is NULL are left out. */
static int add_row(map *map, sqlite3_stmt *stmt, char **error) {
  float *row;
  size_t n;
  uint32_t group = 0;
  if (sqlite3_column_type(stmt, 0) == SQLITE_NULL) return SQLITE_OK;
  sqlite3_value *value = sqlite3_value_dup(sqlite3_column_value(stmt, 0));
  if (!value) return SQLITE_NOMEM;
  int rc = attns_value_floats(value, error, &row, &n);
  sqlite3_value_free(value);
  if (rc == SQLITE_OK) rc = check_row(map, row, n, error);
  while (rc == SQLITE_OK && map->n_alloc < (map->m + 1) * n) {
    rc = grow(&map->x, map->n_alloc, &map->n_alloc, sizeof *map->x);
  }
  if (rc == SQLITE_OK)
    rc = grow(&map->group, map->m, &map->n_group_alloc, sizeof *map->group);
  if (rc == SQLITE_OK) rc = add_name(&map->label, stmt, 1);
  if (rc == SQLITE_OK && sqlite3_column_count(stmt) > 2) {
    rc = find_name(&map->group_name, stmt, 2, error, &group);
  }
  if (rc == SQLITE_OK) {
    memcpy(map->x + map->m * n, row, n * sizeof *row);
    map->group[map->m++] = group;
    map->n = n;
  }
  sqlite3_free(row);
  return rc;
}

/* Both axes have one scale, so that distances are what they look like. */
static void draw_map(const map *map, const double *xy, const double share[2],
                     sqlite3_str *out) {
  double most = 0;
  char caption[100];
  for (size_t i = 0; i < 2 * map->m; i++) {
    if (fabs(xy[i]) > most) most = fabs(xy[i]);
  }
  const double unit = most > 0 ? (MAP_SIZE / 2.0 - MAP_MARGIN) / most : 0;
  attns_picture_begin(out, MAP_SIZE, MAP_SIZE, attns_picture_word("Map of vectors"));
  sqlite3_snprintf(
      sizeof caption, caption,
      "%llu vectors of %llu numbers; the plane holds %.0f %% of their variance",
      (unsigned long long)map->m, (unsigned long long)map->n,
      100 * (share[0] + share[1]));
  attns_picture_label(out, "small", 12, MAP_SIZE - 12, attns_picture_word(caption), 100);
  for (size_t i = 0; i < map->m; i++) {
    int x = MAP_SIZE / 2 + (int)lround(xy[2 * i] * unit);
    int y = MAP_SIZE / 2 - (int)lround(xy[2 * i + 1] * unit);
    sqlite3_str_appendf(out, "<circle class=\"f%u\" cx=\"%d\" cy=\"%d\" r=\"4\"><title>",
                        map->group[i] % ATTNS_N_COLOR, x, y);
    attns_picture_text(out, text_of(&map->label, i), 200);
    sqlite3_str_appendall(out, "</title></circle>\n");
    if (map->m > MAX_LABEL) continue;
    attns_picture_label(out, x < MAP_SIZE * 2 / 3 ? "" : "end",
                        x < MAP_SIZE * 2 / 3 ? x + 7 : x - 7, y + 4,
                        text_of(&map->label, i), 28);
  }
  legend(out, &map->group_name, MAP_SIZE - 12, 20);
  attns_picture_end(out);
}

int attns_picture_map(attns_connection *c, int argc, sqlite3_value **argv, char **error,
                      sqlite3_str *out) {
  sqlite3 *db = attns_connection_db(c);
  sqlite3_stmt *stmt;
  map map = {.x = NULL};
  double *xy = NULL, share[2];
  attn_error err = {""};
  (void)argc;
  int rc =
      open_query(c, argv[0], "a vector, a label and, if you like, a group", error, &stmt);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = add_row(&map, stmt, error);
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (stmt && !*error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(db, "attn_svg", error);
  }
  sqlite3_finalize(stmt);
  if (rc == SQLITE_OK && map.m == 0) {
    rc = attns_sql_fail(error, SQLITE_ERROR,
                        "attn_svg: the query has no rows with a vector");
  }
  if (rc == SQLITE_OK) {
    xy = sqlite3_malloc64(2 * map.m * sizeof *xy);
    rc = xy ? attns_sql_status(attn_matrix_principal(map.m, map.n, map.x,
                                                     attns_interrupted, db, &err, xy,
                                                     share),
                               &err, error)
            : SQLITE_NOMEM;
  }
  if (rc == SQLITE_OK) draw_map(&map, xy, share, out);
  sqlite3_free(xy);
  free_map(&map);
  return rc;
}

/* ------------------------------------------------------------------------- curve */

enum {
  CURVE_WIDTH = 720,
  CURVE_HEIGHT = 420,
  LEFT = 70,
  RIGHT = 20,
  TOP = 24,
  BOTTOM = 44
};

typedef struct point {
  double x, y;
  uint32_t series;
} point;

typedef struct curve {
  point *point;
  size_t n, n_alloc;
  names series;
  double min[2], max[2]; /* of x, y */
} curve;

/* Rows without two finite numbers are left out. */
static int add_point(curve *curve, sqlite3_stmt *stmt, char **error) {
  point p = {sqlite3_column_double(stmt, 0), sqlite3_column_double(stmt, 1), 0};
  for (int i = 0; i < 2; i++) {
    int type = sqlite3_column_type(stmt, i);
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) return SQLITE_OK;
  }
  if (!isfinite(p.x) || !isfinite(p.y)) return SQLITE_OK;
  int rc = grow(&curve->point, curve->n, &curve->n_alloc, sizeof *curve->point);
  if (rc == SQLITE_OK && sqlite3_column_count(stmt) > 2) {
    rc = find_name(&curve->series, stmt, 2, error, &p.series);
  }
  if (rc != SQLITE_OK) return rc;
  const double at[2] = {p.x, p.y};
  for (int i = 0; i < 2; i++) {
    if (curve->n == 0 || at[i] < curve->min[i]) curve->min[i] = at[i];
    if (curve->n == 0 || at[i] > curve->max[i]) curve->max[i] = at[i];
  }
  curve->point[curve->n++] = p;
  return SQLITE_OK;
}

/* A step of 1, 2 or 5 times a power of ten, of which a range has about five. */
static double tick_step(double range) {
  double step = pow(10, floor(log10(range / 5)));
  while (range / step > 7) step *= range / step > 17 ? 5 : 2;
  return step;
}

/* Makes a range of one number one around it. */
static void widen(curve *curve) {
  for (int i = 0; i < 2; i++) {
    double range = curve->max[i] - curve->min[i];
    if (range > 1e-290 && isfinite(range)) continue;
    double around = isfinite(range) ? fabs(curve->min[i]) * 0.1 + 1 : 0;
    curve->min[i] -= around;
    curve->max[i] += around;
  }
}

/* Where a number stands on the axis of x (0) or y (1); halves, as ranges may be huge. */
static double place(const curve *curve, int axis, double value) {
  double part =
      (value / 2 - curve->min[axis] / 2) / (curve->max[axis] / 2 - curve->min[axis] / 2);
  return axis == 0 ? LEFT + part * (CURVE_WIDTH - LEFT - RIGHT)
                   : CURVE_HEIGHT - BOTTOM - part * (CURVE_HEIGHT - TOP - BOTTOM);
}

static void axes(const curve *curve, sqlite3_str *out) {
  char text[40];
  sqlite3_str_appendf(
      out, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", LEFT,
      TOP, CURVE_WIDTH - LEFT - RIGHT, CURVE_HEIGHT - TOP - BOTTOM);
  for (int axis = 0; axis < 2; axis++) {
    double range = curve->max[axis] - curve->min[axis];
    if (!isfinite(range)) continue;
    double step = tick_step(range), first = ceil(curve->min[axis] / step);
    for (int i = 0; i < 20 && (first + i) * step <= curve->max[axis]; i++) {
      double value = (first + i) * step + 0.0; /* no -0 */
      int at = (int)lround(place(curve, axis, value));
      sqlite3_snprintf(sizeof text, text, "%.6g", value);
      if (axis == 0) {
        sqlite3_str_appendf(out, "<path class=\"frame\" d=\"M%d %dV%d\"/>\n", at, TOP,
                            CURVE_HEIGHT - BOTTOM);
        attns_picture_label(out, "small middle", at, CURVE_HEIGHT - BOTTOM + 16,
                            attns_picture_word(text), 40);
      } else {
        sqlite3_str_appendf(out, "<path class=\"frame\" d=\"M%d %dH%d\"/>\n", LEFT, at,
                            CURVE_WIDTH - RIGHT);
        attns_picture_label(out, "small end", LEFT - 8, at + 4, attns_picture_word(text),
                            40);
      }
    }
  }
}

/* The names of the query's columns: of x below its axis, at the end; of y above its own.
*/
static int titles(sqlite3_stmt *stmt, sqlite3_str *out) {
  const char *x = sqlite3_column_name(stmt, 0), *y = sqlite3_column_name(stmt, 1);
  if (!x || !y) return SQLITE_NOMEM;
  attns_picture_label(out, "end", CURVE_WIDTH - RIGHT, CURVE_HEIGHT - BOTTOM + 34,
                      attns_picture_word(x), 60);
  attns_picture_label(out, "", LEFT, TOP - 7, attns_picture_word(y), 60);
  return SQLITE_OK;
}

static int compare(const void *a, const void *b) {
  const point *p = a, *q = b;
  if (p->series != q->series) return p->series < q->series ? -1 : 1;
  if (p->x != q->x) return p->x < q->x ? -1 : 1;
  return p->y < q->y ? -1 : p->y > q->y;
}

/* The points of a series that end at `end`.  Of many in one column of pixels the lowest
** and the highest are enough. */
static void polyline(const curve *curve, size_t begin, size_t end, sqlite3_str *out) {
  sqlite3_str_appendf(out, "<path class=\"c%u\" d=\"M",
                      curve->point[begin].series % ATTNS_N_COLOR);
  while (begin < end) {
    long column = lround(place(curve, 0, curve->point[begin].x) * 2);
    double low = curve->point[begin].y, high = low, last = low, first = low;
    for (; begin < end && lround(place(curve, 0, curve->point[begin].x) * 2) == column;
         begin++) {
      last = curve->point[begin].y;
      low = last < low ? last : low;
      high = last > high ? last : high;
    }
    const double all[] = {first, low, high, last};
    for (int i = 0; i < 4; i++) {
      if (i > 0 && all[i] == all[i - 1]) continue;
      sqlite3_str_appendf(out, "%.1f %.1f ", (double)column / 2, place(curve, 1, all[i]));
    }
  }
  sqlite3_str_appendall(out, "\"/>\n");
}

static int draw_curve(curve *curve, sqlite3_stmt *stmt, sqlite3_str *out) {
  attn_sort(curve->point, curve->n, sizeof *curve->point, compare);
  widen(curve);
  attns_picture_begin(out, CURVE_WIDTH, CURVE_HEIGHT, attns_picture_word("Curve"));
  axes(curve, out);
  int rc = titles(stmt, out);
  for (size_t i = 0, end; i < curve->n; i = end) {
    for (end = i; end < curve->n && curve->point[end].series == curve->point[i].series;)
      end++;
    polyline(curve, i, end, out);
  }
  legend(out, &curve->series, CURVE_WIDTH - RIGHT - 10, TOP + 18);
  attns_picture_end(out);
  return rc;
}

int attns_picture_curve(attns_connection *c, int argc, sqlite3_value **argv, char **error,
                        sqlite3_str *out) {
  sqlite3_stmt *stmt;
  curve curve = {.point = NULL};
  (void)argc;
  int rc = open_query(c, argv[0], "x, y and, if you like, a series", error, &stmt);
  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    rc = add_point(&curve, stmt, error);
  }
  if (rc == SQLITE_DONE) {
    rc = SQLITE_OK;
  } else if (stmt && !*error && rc != SQLITE_NOMEM) {
    rc = attns_sql_db_error(attns_connection_db(c), "attn_svg", error);
  }
  if (rc == SQLITE_OK && curve.n == 0) {
    rc = attns_sql_fail(error, SQLITE_ERROR,
                        "attn_svg: the query has no rows with two numbers");
  }
  if (rc == SQLITE_OK) rc = draw_curve(&curve, stmt, out);
  sqlite3_finalize(stmt);
  free_names(&curve.series);
  sqlite3_free(curve.point);
  return rc;
}
