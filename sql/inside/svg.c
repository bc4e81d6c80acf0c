/*
** svg.c - attn_svg(kind, ...): pictures of what happens in a model.
**
**   attn_svg('heads', text [, second [, model [, layer [, head]]]])
**   attn_svg('model', text [, second [, model]])
**   attn_svg('map', query)      SELECT vector, label [, group]
**   attn_svg('curve', query)    SELECT x, y [, series]
**
** The first two are the head view and the model view of BertViz (Vig 2019).
*/
#include "picture.h"
#include <string.h>

/* ------------------------------------------------------------------- common parts */

/* Two palettes of the same hues: dark on light, light on dark. */
static const char *const colors[2][ATTNS_N_COLOR] = {
    {"#1f6fb4", "#d9660a", "#2a8f2a", "#c62828", "#7d52ab", "#84523f", "#c4559f", "#666",
     "#8a8a00", "#0f8fa0", "#3b4cc0", "#0d7a5f"},
    {"#6db3f2", "#ffa657", "#7ee787", "#ff7b72", "#d2a8ff", "#d6a58b", "#ff9bce", "#bbb",
     "#d9d94a", "#66d9e8", "#9db1ff", "#5fd7b0"},
};

static void palette(sqlite3_str *out, int dark) {
  for (int i = 0; i < ATTNS_N_COLOR; i++) {
    sqlite3_str_appendf(out, ".c%d{stroke:%s}.f%d{fill:%s}", i, colors[dark][i], i,
                        colors[dark][i]);
  }
}

static void style(sqlite3_str *out) {
  sqlite3_str_appendall(
      out, "<style>text{font:12px system-ui,sans-serif;fill:#222}.bg{fill:#fff}"
           ".frame{fill:none;stroke:#ccc;stroke-width:.5}.small{font-size:10px;fill:#666}"
           ".end{text-anchor:end}.middle{text-anchor:middle}"
           "path{fill:none;stroke-width:1.5;pointer-events:none}"
           ".hit{fill:#888;fill-opacity:0}.hit:hover,.hit:hover+.hit{fill-opacity:.18}"
           ".all:hover g{opacity:.1}.all g:hover{opacity:1}"
           "circle{fill-opacity:.75}circle:hover{stroke:#888;stroke-width:6}");
  for (int i = 1; i <= 20; i++) {
    sqlite3_str_appendf(out, ".o%d{stroke-opacity:%.2f}", i, i / 20.0);
  }
  palette(out, 0);
  sqlite3_str_appendall(out, "@media(prefers-color-scheme:dark){text{fill:#e6e6e6}"
                             ".bg{fill:#14171c}.frame{stroke:#444}.small{fill:#aaa}");
  palette(out, 1);
  sqlite3_str_appendall(out, "}</style>\n");
}

void attns_picture_begin(sqlite3_str *out, int width, int height, attn_text title) {
  sqlite3_str_appendf(
      out,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
      "viewBox=\"0 0 %d %d\" role=\"img\">\n<title>",
      width, height, width, height);
  attns_picture_text(out, title, 500);
  sqlite3_str_appendall(out, "</title>\n");
  style(out);
  sqlite3_str_appendf(out, "<rect class=\"bg\" width=\"%d\" height=\"%d\"/>\n", width,
                      height);
}

void attns_picture_end(sqlite3_str *out) {
  sqlite3_str_appendall(out, "</svg>\n");
}

/* ------------------------------------------------------------------------- text */

/* The bytes of the character that the text begins with; 0 where it is none that XML has.
*/
static size_t xml_length(const char *text, size_t n) {
  uint32_t code;
  size_t length = attns_character(text, n, &code);
  if ((code < 0x20 && code != '\t' && code != '\n' && code != '\r') || code == 0x7F)
    return 0;
  return code == 0xFFFE || code == 0xFFFF ? 0 : length;
}

static void append_character(sqlite3_str *out, const char *text, size_t n) {
  switch (n == 1 ? text[0] : 0) {
  case '&':
    sqlite3_str_appendall(out, "&amp;");
    break;
  case '<':
    sqlite3_str_appendall(out, "&lt;");
    break;
  case '>':
    sqlite3_str_appendall(out, "&gt;");
    break;
  case '"':
    sqlite3_str_appendall(out, "&quot;");
    break;
  case '\'':
    sqlite3_str_appendall(out, "&#39;");
    break;
  default:
    sqlite3_str_append(out, text, (int)n);
    break;
  }
}

void attns_picture_text(sqlite3_str *out, attn_text text, int n_max) {
  const char *at = text.text;
  size_t left = text.n_text;
  for (int i = 0; left > 0; i++) {
    if (i == n_max) {
      sqlite3_str_appendall(out, "\xE2\x80\xA6");
      break;
    }
    size_t n = xml_length(at, left);
    if (n) {
      append_character(out, at, n);
    } else {
      sqlite3_str_appendall(out, "\xEF\xBF\xBD");
      n = 1;
    }
    at += n;
    left -= n;
  }
}

void attns_picture_label(sqlite3_str *out, const char *style, int x, int y,
                         attn_text text, int n_max) {
  sqlite3_str_appendf(out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", style, x, y);
  attns_picture_text(out, text, n_max);
  sqlite3_str_appendall(out, "</text>\n");
}

attn_text attns_picture_word(const char *text) {
  return (attn_text){text, strlen(text)};
}

/* --------------------------------------------------------------------- the function */

static const struct {
  const char *name;
  int min_arg, max_arg; /* behind the kind */
  int (*draw)(attns_connection *c, int argc, sqlite3_value **argv, char **error,
              sqlite3_str *out);
} kinds[] = {{"heads", 1, 5, attns_picture_heads},
             {"model", 1, 3, attns_picture_model},
             {"map", 1, 1, attns_picture_map},
             {"curve", 1, 1, attns_picture_curve}};

static int draw(attns_connection *c, int argc, sqlite3_value **argv, char **error,
                sqlite3_str *out) {
  attn_text kind;
  int rc = attns_value_name(argv[0], "attn_svg: kind", error, &kind);
  if (rc != SQLITE_OK) return rc;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kind.text, kinds[i].name) != 0) continue;
    if (argc - 1 < kinds[i].min_arg || argc - 1 > kinds[i].max_arg) {
      return attns_sql_fail(error, SQLITE_ERROR,
                            "attn_svg: %d arguments found behind '%s'; expected %d to %d",
                            argc - 1, kinds[i].name, kinds[i].min_arg, kinds[i].max_arg);
    }
    return kinds[i].draw(c, argc - 1, argv + 1, error, out);
  }
  return attns_sql_fail(
      error, SQLITE_ERROR,
      "attn_svg: kind is \"%!.40s\"; expected heads, model, map or curve", kind.text);
}

static void svg(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  attns_connection *c = attns_connection_of(ctx);
  char *error = NULL;
  if (argc == 0) {
    sqlite3_result_error(ctx, "attn_svg: no arguments found; expected a kind", -1);
    return;
  }
  if (argc > 1 && sqlite3_value_type(argv[1]) == SQLITE_NULL) return;
  sqlite3_str *out = sqlite3_str_new(attns_connection_db(c));
  int rc = draw(c, argc, argv, &error, out);
  if (rc == SQLITE_OK) rc = sqlite3_str_errcode(out);
  int n = sqlite3_str_length(out);
  char *text = sqlite3_str_finish(out);
  if (rc == SQLITE_OK) {
    sqlite3_result_text(ctx, text, n, sqlite3_free);
  } else {
    sqlite3_free(text);
    attns_result_error(ctx, rc, error);
  }
}

const attns_function attns_svg_functions[] = {
    {"attn_svg", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, svg},
    {NULL, 0, 0, NULL},
};
