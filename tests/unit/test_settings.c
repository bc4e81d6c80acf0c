/*
** test_settings.c - looking things up in a flattened JSON document.
*/
#include "unit.h"
#include "../../engine/base/settings.h"

#define OBJECT(p)                                                                        \
  { .path = p, .kind = ATTN_OBJECT }
#define TEXT(p, t)                                                                       \
  { .path = p, .kind = ATTN_TEXT, .text = t, .n_text = sizeof t - 1 }
#define INTEGER(p, i)                                                                    \
  { .path = p, .kind = ATTN_INTEGER, .integer = i, .real = i }

static attn_setting entry[] = {
    OBJECT("$"),
    INTEGER("$.list[10]", 10),
    INTEGER("$.list[9]", 9),
    INTEGER("$.list[100]", 100),
    {.path = "$.list", .kind = ATTN_ARRAY},
    INTEGER("$.\"hidden_size\"", 384),
    {.path = "$.epsilon", .kind = ATTN_REAL, .real = 1e-12},
    {.path = "$.no", .kind = ATTN_NULL},
    {.path = "$.yes", .kind = ATTN_TRUE},
    {.path = "$.\"a.b\"", .kind = ATTN_FALSE},
    OBJECT("$.a"),
    TEXT("$.a.b", "x"),
    TEXT("$.a.\"[CLS]\"[0]", "in brackets"),
    TEXT("$.a.\"q\\\"z\"", "with a quote"),
    TEXT("$.a.\"\"", "no key"),
    TEXT("$.long", "forty bytes and then some: "
                   "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"),
};
static attn_settings settings = {entry, sizeof entry / sizeof *entry};

static int finds(const char *path, const char *entry_path) {
  const attn_setting *found = attne_settings_find(&settings, "%s", path);
  return found ? entry_path && strcmp(found->path, entry_path) == 0 : !entry_path;
}

static void test_find(void) {
  CHECK(finds("$", "$") && finds("$.list", "$.list"));
  CHECK(finds("$.list[9]", "$.list[9]") && finds("$.list[10]", "$.list[10]"));
  CHECK(finds("$.list[1]", NULL) && finds("$.list[]", NULL) && finds("$.lis", NULL));
  CHECK(finds("$.hidden_size", "$.\"hidden_size\""));
  CHECK(finds("$.\"list\"[100]", "$.list[100]"));
  CHECK(finds("$.a.b", "$.a.b") && finds("$.\"a.b\"", "$.\"a.b\""));
  CHECK(finds("$.a.\"[CLS]\"[0]", "$.a.\"[CLS]\"[0]") && finds("$.a.\"[CLS]\"", NULL));
  CHECK(finds("$.a.\"q\\\"z\"", "$.a.\"q\\\"z\"") && finds("$.a.\"\"", "$.a.\"\""));
  for (size_t i = 0; i < settings.n_entry; i++)
    CHECK(finds(entry[i].path, entry[i].path));
  CHECK(attne_settings_find(&settings, "$.list[%d]", 9)->integer == 9);
  CHECK(attne_settings_has(&settings, "$.no") == 0 &&
        attne_settings_has(&settings, "$.yes"));
  char path[ATTNE_MAX_PATH + 10];
  memset(path, 'x', sizeof path);
  memcpy(path, "$.", 2);
  path[sizeof path - 1] = 0;
  CHECK(finds(path, NULL) && !attne_settings_has(&settings, "%s", path));
}

static void test_values(void) {
  attn_error err;
  int64_t i = 7;
  double r = 0.5;
  int b = 1;
  attn_text t = {"default", 7};
  CHECK(attne_settings_integer(&settings, &err, 1, 999, &i, "$.hidden_size") == ATTN_OK &&
        i == 384);
  CHECK(attne_settings_integer(&settings, &err, 1, 999, &i, "$.no") == ATTN_OK &&
        i == 384);
  CHECK(attne_settings_integer(&settings, &err, 1, 999, &i, "$.x") == ATTN_OK &&
        i == 384);
  CHECK(attne_settings_real(&settings, &err, &r, "$.%s", "epsilon") == ATTN_OK &&
        r == 1e-12);
  CHECK(attne_settings_real(&settings, &err, &r, "$.list[9]") == ATTN_OK && r == 9);
  CHECK(attne_settings_bool(&settings, &err, &b, "$.\"a.b\"") == ATTN_OK && b == 0);
  CHECK(attne_settings_bool(&settings, &err, &b, "$.yes") == ATTN_OK && b == 1);
  CHECK(attne_settings_text(&settings, &err, &t, "$.no") == ATTN_OK &&
        attne_text_is(t, "default"));
  CHECK(attne_settings_text(&settings, &err, &t, "$.a.b") == ATTN_OK &&
        attne_text_is(t, "x"));
  CHECK(!attne_text_is(t, "xy") && !attne_text_is(t, ""));
  CHECK(attne_settings_require(&settings, &err, "$.a.%c", 'b') == ATTN_OK);
}

static void test_wrong(void) {
  attn_error err;
  int64_t i = 7;
  double r = 0.5;
  int b = 1;
  attn_text t = {"default", 7};
  CHECK_STATUS(ATTN_INVALID, attne_settings_require(&settings, &err, "$.list[%d]", 3),
               "settings: $.list[3] is missing");
  CHECK_STATUS(ATTN_INVALID, attne_settings_require(&settings, &err, "$.no"),
               "settings: $.no is missing");
  CHECK_STATUS(
      ATTN_INVALID, attne_settings_integer(&settings, &err, 1, 64, &i, "$.hidden_size"),
      "settings: $.hidden_size is an integer (384), expected an integer from 1 to 64");
  CHECK_STATUS(
      ATTN_INVALID, attne_settings_integer(&settings, &err, 0, 9, &i, "$.epsilon"),
      "settings: $.epsilon is a number (1e-12), expected an integer from 0 to 9");
  CHECK_STATUS(ATTN_INVALID, attne_settings_real(&settings, &err, &r, "$.a"),
               "settings: $.a is an object, expected a number");
  CHECK_STATUS(ATTN_INVALID, attne_settings_bool(&settings, &err, &b, "$.list[9]"),
               "settings: $.list[9] is an integer (9), expected true or false");
  CHECK_STATUS(
      ATTN_INVALID, attne_settings_bool(&settings, &err, &b, "$.long"),
      "settings: $.long is the text 'forty bytes and then some: "
      "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9...', expected true or false");
  CHECK_STATUS(ATTN_INVALID, attne_settings_text(&settings, &err, &t, "$.yes"),
               "settings: $.yes is true, expected text");
  CHECK(i == 7 && r == 0.5 && b == 1 && attne_text_is(t, "default"));
}

static void test_sort(void) {
  attn_error err = {""};
  attn_setting twice[] = {OBJECT("$.a_b"), OBJECT("$"), OBJECT("$.\"a_b\"")};
  attn_settings bad = {twice, 3}, none = {NULL, 0};
  CHECK_STATUS(ATTN_OK, attne_settings_sort(&none, &err), "");
  CHECK(attne_settings_find(&none, "$") == NULL);
  attn_status status = attne_settings_sort(&bad, &err);
  CHECK(status == ATTN_INVALID && strstr(err.message, "is there twice"));
  /* What no json_tree would write has some order, too. */
  attn_setting odd[] = {OBJECT(""),       OBJECT("$."),   OBJECT("$["),
                        OBJECT("$.\""),   OBJECT("$[1"),  OBJECT("x"),
                        OBJECT("$.\"\\"), OBJECT("$..a"), OBJECT("$.a[")};
  attn_settings odd_settings = {odd, sizeof odd / sizeof *odd};
  (void)attne_settings_sort(&odd_settings, &err);
  CHECK(attne_settings_find(&odd_settings, "$..a") != NULL);
}

int main(void) {
  unit_begin();
  attn_error err = {""};
  CHECK_STATUS(ATTN_OK, attne_settings_sort(&settings, &err), "");
  test_find();
  test_values();
  test_wrong();
  test_sort();
  return unit_end();
}
