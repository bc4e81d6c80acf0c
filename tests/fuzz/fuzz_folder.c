/*
** fuzz_folder.c - libFuzzer target: a sentence-transformers folder is imported.
**
** The first byte says which file of the small model of fuzz.h the rest stands for:
**   'S' model.safetensors   'T' tokenizer.json   'K' tokenizer_config.json
**   '0' to '5'              the files of folder_file[]
** What imports must embed, give its tokens, and come back from an export as it was.
*/
#include "fuzz.h"

static const char *file_of(uint8_t which) {
  switch (which) {
  case 'S': return "model.safetensors";
  case 'T': return "tokenizer.json";
  case 'K': return "tokenizer_config.json";
  default: return folder_file[which % N_FOLDER_FILE];
  }
}

static void restore(uint8_t which) {
  static char tensors[8192];
  char path[200];
  snprintf(path, sizeof path, "%s/%s", fuzz_folder, file_of(which));
  if (which == 'S') {
    write_file(file_of(which), tensors, make_safetensors(tensors));
  } else if (which == 'T' || which == 'K') {
    unlink(path);
  } else {
    int i = which % N_FOLDER_FILE;
    write_file(folder_file[i], folder_text[i], strlen(folder_text[i]));
  }
}

/* 1 if the statement gives one row. */
static int gives(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt;
  check(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, sqlite3_errmsg(db));
  sqlite3_bind_text(stmt, 1, fuzz_folder, -1, SQLITE_STATIC);
  int rc = sqlite3_step(stmt);
  if (rc != SQLITE_ROW) check(sqlite3_errmsg(db)[0] != 0, "an error without a message");
  sqlite3_finalize(stmt);
  return rc == SQLITE_ROW;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0 || size > 100000) return 0;
  if (!fuzz_folder[0]) make_folder();
  sqlite3 *db = open_database();
  write_file(file_of(data[0]), data + 1, size - 1);
  if (gives(db, "SELECT attn_import('m', ?)")) {
    /* Numbers of any size may make it fail, and a progress handler. */
    gives(db, "SELECT embed('some words'), embed_query('\xf0\x9f\x98\x80 x')");
    gives(db, "SELECT count(*) FROM attn_tokens('some other words')");
    gives(db, "SELECT attn_truncated('a a a a a a a a a a a')");
    gives(db, "SELECT * FROM attn_models");
  } else {
    check(!gives(db, "SELECT 1 FROM sqlite_schema"), "half an import");
  }
  restore(data[0]);
  check(sqlite3_close(db) == SQLITE_OK, "not closed");
  return 0;
}
