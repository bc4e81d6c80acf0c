/*
** attn.c - what SQLite's loader looks for.
**
** .load ./libattn        or        SELECT load_extension('./libattn')
*/
#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1

#include "../sql/sql.h"
#include <string.h>

#if defined(_WIN32)
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
    int sqlite3_attn_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

/* What libattn cannot do without and SQLite can be compiled without.  Functions are left
** out a group at a time, and are NULL then; of each group one is looked at. */
static const char *omitted(const sqlite3_api_routines *api) {
  char half[8];
  if (!api->create_module_v2) return "virtual tables (SQLITE_OMIT_VIRTUALTABLE)";
  if (!api->blob_open) return "blob handles (SQLITE_OMIT_INCRBLOB)";
  /* Where a double is an integer, they are handed over in another register. */
  sqlite3_snprintf(sizeof half, half, "%.1f", 0.5);
  return strcmp(half, "0.5") ? "real numbers (SQLITE_OMIT_FLOATING_POINT)" : NULL;
}

/* Where it is linked in, who calls may leave out the last two arguments; a host that
** loads no extensions (SQLITE_OMIT_LOAD_EXTENSION) has no functions to hand to an
** automatic one. */
int sqlite3_attn_init(sqlite3 *db, char **error, const sqlite3_api_routines *api) {
  char *message = NULL;
  int rc = SQLITE_ERROR;
  if (!api) return rc;
  SQLITE_EXTENSION_INIT2(api);
  if (sqlite3_libversion_number() < 3038000) {
    message = sqlite3_mprintf("libattn needs SQLite 3.38 or later, this is %s",
                              sqlite3_libversion());
  } else if (omitted(api)) {
    message = sqlite3_mprintf("libattn needs %s, which this SQLite is compiled without",
                              omitted(api));
  } else {
    rc = attns_register(db, &message);
  }
  if (error) {
    *error = message;
  } else {
    sqlite3_free(message);
  }
  return rc;
}
