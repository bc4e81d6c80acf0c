/*
** svg_attention.c - attention as lines from the tokens that ask to those that answer:
** one layer large (attn_svg 'heads'), all layers and heads small (attn_svg 'model').
**
** A line is as opaque as its weight, in twenty steps; the lines of one query, head and
** step are one path.  Weights that one would hardly see are left out.  A text of n tokens
** has n² weights a head, so of many only the largest are drawn: as many as keep the file
** below 2 MB.
*/
#include "picture.h"
#include "trace.h"
#include <string.h>

enum {
  N_LINE = 30000, /* of a picture */
  N_BIN = 4096,   /* of the histogram that finds the smallest weight which is drawn */
  N_STEP = 20     /* of opacity */
};

/* A NaN is in the first bin, which is never drawn. */
static int bin_of(float weight) {
  if (!(weight > 0)) return 0;
  return weight < 1 ? (int)(weight * N_BIN) : N_BIN - 1;
}

/* The bin from which on there are at most n_line weights in n_block blocks of [n, n].  It
** is not below 0.01 or, in a long text, twice the mean. */
static int threshold(size_t n_block, size_t n, const float *weight, size_t n_line) {
  size_t count[N_BIN] = {0}, sum = 0;
  int bin = N_BIN, least = n < 200 ? N_BIN / 100 + 1 : (int)(2 * N_BIN / n) + 1;
  for (size_t i = 0; i < n_block * n * n; i++) count[bin_of(weight[i])]++;
  while (bin > least && sum + count[bin - 1] <= n_line) sum += count[--bin];
  return bin;
}

static int step_of(float weight) {
  int step = (int)(weight * N_STEP) + 1;
  return step > N_STEP ? N_STEP : step;
}

/* Where the tokens stand. */
typedef struct layout {
  size_t n;
  double top, row; /* of the first token; from one to the next */
  int left, right; /* x of the ends of a line */
  int min_bin;
} layout;

static int y_of(const layout *at, size_t position) {
  return (int)(at->top + at->row * ((double)position + 0.5));
}

/* The lines of one query in one head: weight[n]. */
static void lines(sqlite3_str *out, const layout *at, size_t query, const float *weight,
                  const char *color) {
  for (int step = 1; step <= N_STEP; step++) {
    int n = 0;
    for (size_t k = 0; k < at->n; k++) {
      if (bin_of(weight[k]) < at->min_bin || step_of(weight[k]) != step) continue;
      if (n++ == 0) sqlite3_str_appendf(out, "<path class=\"%s o%d\" d=\"", color, step);
      sqlite3_str_appendf(out, "M%d %dL%d %d", at->left, y_of(at, query), at->right,
                          y_of(at, k));
    }
    if (n) sqlite3_str_appendall(out, "\"/>");
  }
}

static const char *color_of(uint32_t head) {
  static const char *const classes[ATTNS_N_COLOR] = {
      "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"};
  return classes[head % ATTNS_N_COLOR];
}

/* ------------------------------------------------------------------------ one layer */

enum {
  HEADS_WIDTH = 620,
  HEADS_TOP = 76,
  HEADS_ROW = 16,
  HEADS_LEFT = 210,
  HEADS_RIGHT = 410
};

/* The lines above: what is seen, and the color of each head. */
static void heads_caption(sqlite3_str *out, const attns_trace *trace, const layout *at) {
  char text[100];
  sqlite3_snprintf(sizeof text, text, "layer %u", trace->layer);
  attns_picture_label(out, "", 16, 24, attns_picture_word(text), 50);
  for (uint32_t h = 0; h < trace->n_head; h++) {
    int x = 90 + (int)(h % 24) * 20, y = 14 + (int)(h / 24) * 13;
    sqlite3_str_appendf(
        out,
        "<rect class=\"f%u\" x=\"%d\" y=\"%d\" width=\"16\" height=\"11\">"
        "<title>head %u</title></rect>\n",
        (trace->head + h) % ATTNS_N_COLOR, x, y, trace->head + h);
  }
  sqlite3_snprintf(sizeof text, text, "weights from %.2g on; hover a token on the left",
                   (double)at->min_bin / N_BIN);
  attns_picture_label(out, "small", 16, 62, attns_picture_word(text), 100);
}

static void heads_query(sqlite3_str *out, const attns_trace *trace, const layout *at,
                        size_t query) {
  int y = y_of(at, query);
  sqlite3_str_appendf(out,
                      "<g><rect class=\"hit\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
                      y - HEADS_ROW / 2, HEADS_LEFT, HEADS_ROW);
  attns_picture_label(out, "end", HEADS_LEFT - 8, y + 4, attns_trace_token(trace, query),
                      24);
  for (uint32_t h = 0; h < trace->n_head; h++) {
    lines(out, at, query, attns_trace_block(trace, 0, h) + query * at->n,
          color_of(trace->head + h));
  }
  sqlite3_str_appendall(out, "</g>\n");
}

static void draw_heads(const attns_trace *trace, sqlite3_str *out) {
  const size_t n = trace->tokens.n;
  layout at = {n, HEADS_TOP, HEADS_ROW, HEADS_LEFT, HEADS_RIGHT, 0};
  at.min_bin = threshold(trace->n_head, n, trace->x, N_LINE);
  attns_picture_begin(out, HEADS_WIDTH, HEADS_TOP + (int)n * HEADS_ROW + 16,
                      attns_picture_word("Attention of one layer"));
  heads_caption(out, trace, &at);
  sqlite3_str_appendall(out, "<g class=\"all\">\n");
  for (size_t i = 0; i < n; i++) heads_query(out, trace, &at, i);
  sqlite3_str_appendall(out, "</g>\n");
  for (size_t i = 0; i < n; i++) {
    attns_picture_label(out, "", HEADS_RIGHT + 8, y_of(&at, i) + 4,
                        attns_trace_token(trace, i), 24);
  }
  attns_picture_end(out);
}

static sqlite3_value *argument(int argc, sqlite3_value **argv, int i) {
  return i < argc && sqlite3_value_type(argv[i]) != SQLITE_NULL ? argv[i] : NULL;
}

/* A model of words alone has no attention. */
static int check_layers(const attn_model *model, char **error) {
  if (attn_model_get_info(model)->n_layer > 0) return SQLITE_OK;
  return attns_sql_fail(error, SQLITE_ERROR,
                        "attn_svg: the model has no layers of attention");
}

/* A layer or a head, one of n. */
static int read_number(sqlite3_value *value, const char *what, uint32_t n, char **error,
                       int64_t *out) {
  int64_t number = attns_trace_number(value);
  if (!value) return SQLITE_OK;
  *out = number;
  if (number >= 0 && number < (int64_t)n) return SQLITE_OK;
  return attns_sql_fail(error, SQLITE_ERROR, "attn_svg: %s is %!.40s; expected 0 to %d",
                        what, attns_value_found(value), (int)n - 1);
}

int attns_picture_heads(attns_connection *c, int argc, sqlite3_value **argv, char **error,
                        sqlite3_str *out) {
  attns_trace trace = {.kind = ATTNS_TRACE_WEIGHTS};
  const attn_model *model;
  attns_trace_choice choice = {ATTNS_TRACE_WEIGHTS,     argv[0], argument(argc, argv, 1),
                               argument(argc, argv, 2), 0,       ATTNS_ALL};
  int rc = attns_connection_model_value(c, choice.model, error, &model);
  if (rc == SQLITE_OK) rc = check_layers(model, error);
  if (rc != SQLITE_OK) return rc;
  const attn_model_info *info = attn_model_get_info(model);
  choice.layer = (int64_t)info->n_layer - 1;
  rc = read_number(argument(argc, argv, 3), "layer", info->n_layer, error, &choice.layer);
  if (rc == SQLITE_OK) {
    rc = read_number(argument(argc, argv, 4), "head", info->n_head, error, &choice.head);
  }
  if (rc == SQLITE_OK) rc = attns_trace_run(&trace, c, &choice, error);
  if (rc == SQLITE_OK) draw_heads(&trace, out);
  attns_trace_free(&trace);
  return rc;
}

/* ----------------------------------------------------------------------- all layers */

enum { MODEL_LEFT = 60, MODEL_TOP = 50, CELL = 66, GAP = 10 };

static void model_cell(sqlite3_str *out, const attns_trace *trace, uint32_t layer,
                       uint32_t head, int height, size_t n_line) {
  const size_t n = trace->tokens.n;
  const float *weight = attns_trace_block(trace, layer, head);
  int x = MODEL_LEFT + (int)head * (CELL + GAP),
      y = MODEL_TOP + (int)layer * (height + GAP);
  layout at = {n, 0, (double)height / (double)n, 4, CELL - 4, 0};
  at.min_bin = threshold(1, n, weight, n_line);
  sqlite3_str_appendf(
      out,
      "<g transform=\"translate(%d %d)\"><rect class=\"frame\" width=\"%d\" "
      "height=\"%d\"/><rect class=\"hit\" width=\"%d\" height=\"%d\"><title>"
      "layer %u, head %u</title></rect>",
      x, y, CELL, height, CELL, height, layer, head);
  for (size_t i = 0; i < n; i++) lines(out, &at, i, weight + i * n, color_of(head));
  sqlite3_str_appendall(out, "</g>\n");
}

static void draw_model(const attns_trace *trace, sqlite3_str *out) {
  const size_t n = trace->tokens.n;
  const int height = n < 16 ? 48 : n < 53 ? (int)n * 3 : 160;
  const size_t n_line = N_LINE / ((size_t)trace->n_layer * trace->n_head + 1) + 20;
  char text[100];
  attns_picture_begin(out, MODEL_LEFT + (int)trace->n_head * (CELL + GAP) + 10,
                      MODEL_TOP + (int)trace->n_layer * (height + GAP) + 10,
                      attns_picture_word("Attention of all layers and heads"));
  sqlite3_snprintf(sizeof text, text, "%u tokens, from the first at the top to the last",
                   (unsigned)n);
  attns_picture_label(out, "small", 10, 18, attns_picture_word(text), 100);
  for (uint32_t h = 0; h < trace->n_head; h++) {
    sqlite3_snprintf(sizeof text, text, "head %u", h);
    attns_picture_label(out, "small middle",
                        MODEL_LEFT + (int)h * (CELL + GAP) + CELL / 2, 42,
                        attns_picture_word(text), 100);
  }
  for (uint32_t l = 0; l < trace->n_layer; l++) {
    sqlite3_snprintf(sizeof text, text, "layer %u", l);
    attns_picture_label(out, "small end", MODEL_LEFT - 8,
                        MODEL_TOP + (int)l * (height + GAP) + height / 2 + 4,
                        attns_picture_word(text), 100);
    for (uint32_t h = 0; h < trace->n_head; h++)
      model_cell(out, trace, l, h, height, n_line);
  }
  attns_picture_end(out);
}

int attns_picture_model(attns_connection *c, int argc, sqlite3_value **argv, char **error,
                        sqlite3_str *out) {
  attns_trace trace = {.kind = ATTNS_TRACE_WEIGHTS};
  attns_trace_choice choice = {.kind = ATTNS_TRACE_WEIGHTS,
                               .text = argv[0],
                               .second = argument(argc, argv, 1),
                               .model = argument(argc, argv, 2),
                               .layer = ATTNS_ALL,
                               .head = ATTNS_ALL};
  int rc = attns_trace_run(&trace, c, &choice, error);
  if (rc == SQLITE_OK) rc = check_layers(trace.model, error);
  if (rc == SQLITE_OK) draw_model(&trace, out);
  attns_trace_free(&trace);
  return rc;
}
