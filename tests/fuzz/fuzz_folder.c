/*
** fuzz_folder.c - libFuzzer target: a sentence-transformers folder is imported.
**
** An input is one or more files of the small models of fuzz.h, with a line "==" between
** them: the letter of files[], and what is in it.  The model that the first one belongs
** to is imported.  What imports must embed, give its tokens, and embed the same after an
** export.
*/
#define _GNU_SOURCE /* nftw, memmem */
#include "fuzz.h"
#include <ftw.h>

static const fuzz_file *find_file(char letter) {
  for (int i = 0; i < N_FILE; i++) {
    if (files[i].letter == letter) return &files[i];
  }
  return &files[(unsigned char)letter % N_FILE];
}

/* The folder of the model that a file is of, as a path that follows fuzz_folder. */
static const char *model_of(const fuzz_file *f) {
  static const char *const below[] = {"masked", "gpt", "torch"};
  for (int i = 0; i < 3; i++) {
    if (strncmp(f->name, below[i], strlen(below[i])) == 0) return below[i];
  }
  return "";
}

/* 1 if the statement gives one row. */
static int gives(sqlite3 *db, const char *sql, const char *folder) {
  char path[200];
  sqlite3_stmt *stmt;
  check(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, sqlite3_errmsg(db));
  snprintf(path, sizeof path, "%s/%s", fuzz_folder, folder);
  sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
  int rc = sqlite3_step(stmt);
  if (rc != SQLITE_ROW) check(sqlite3_errmsg(db)[0] != 0, "an error without a message");
  sqlite3_finalize(stmt);
  return rc == SQLITE_ROW;
}

static int remove_path(const char *path, const struct stat *st, int type,
                       struct FTW *ftw) {
  (void)st, (void)type, (void)ftw;
  return remove(path);
}

/* What an export gives embeds as the model does. */
static void export(sqlite3 *db) {
  char path[200];
  snprintf(path, sizeof path, "%s/exported", fuzz_folder);
  if (gives(db, "SELECT attn_export('m', ?)", "exported")) {
    n_step = 0;
    if (gives(db, "SELECT attn_import('again', ?)", "exported")) {
      check(!gives(db,
                   "SELECT 1 WHERE embed('some words x', 'm') IS NOT"
                   " embed('some words x', 'again')",
                   ""),
            "another model comes back");
    } else {
      check(n_step > MAX_STEP, sqlite3_errmsg(db));
    }
  }
  nftw(path, remove_path, 16, FTW_DEPTH | FTW_PHYS);
}

static void use(sqlite3 *db) {
  static const char *const statements[] = {
      /* Numbers of any size may make it fail, and a progress handler. */
      "SELECT embed('some words'), embed_query('\xf0\x9f\x98\x80 x')",
      "SELECT count(*) FROM attn_tokens('some other words')",
      "SELECT attn_truncated('a a a a a a a a a a a')",
      "SELECT attn_decode('[0,1,2,3,4]'), attn_logits('[1,2]')",
      "SELECT count(text) FROM attn_generate('some', 'm', '{\"max_tokens\":4}')",
      "SELECT quote(attn_transformer('[1,2]', '[1,2,3,4]', 'm'))",
      "SELECT attn_quantize('m', 'q'), attn_drop('q')",
      "SELECT * FROM attn_models"};
  for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
    gives(db, statements[i], "");
}

static const char *find(const char *data, size_t n, const char *what) {
  return memmem(data, n, what, strlen(what));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const fuzz_file *changed[9];
  int n = 0;
  const char *at = (const char *)data, *end = at + size;
  if (size == 0 || size > 100000) return 0;
  if (!fuzz_folder[0]) make_folder();
  sqlite3 *db = open_database();
  while (at < end && n < 8) {
    const char *next = find(at, (size_t)(end - at), "\n==\n");
    changed[n] = find_file(*at);
    write_file(changed[n]->name, at + 1, (size_t)((next ? next : end) - at - 1));
    /* The index of several files is looked for where there is not the one. */
    if (changed[n++]->letter == 'X') {
      char path[200];
      snprintf(path, sizeof path, "%s/model.safetensors", fuzz_folder);
      unlink(path);
      changed[n++] = find_file('S');
    }
    at = next ? next + 4 : end;
  }
  if (gives(db, "SELECT attn_import('m', ?)", model_of(changed[0]))) {
    use(db);
    n_step = 0;
    export(db);
  } else {
    check(!gives(db, "SELECT 1 FROM sqlite_schema", ""), "half an import");
  }
  while (n > 0) restore_file(changed[--n]);
  check(sqlite3_close(db) == SQLITE_OK, "not closed");
  return 0;
}
