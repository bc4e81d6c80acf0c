/*
** attn.c - what SQLite's loader looks for.
**
** .load ./libattn        or        SELECT load_extension('./libattn')
*/
#include "sqlite3ext.h"
SQLITE_EXTENSION_INIT1

#include "../sql/sql.h"

#if defined(_WIN32)
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
int sqlite3_attn_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

int sqlite3_attn_init(sqlite3 *db, char **error, const sqlite3_api_routines *api) {
  SQLITE_EXTENSION_INIT2(api);
  if (sqlite3_libversion_number() < 3038000) {
    *error = sqlite3_mprintf("libattn needs SQLite 3.38 or later, this is %s",
                             sqlite3_libversion());
    return SQLITE_ERROR;
  }
  return attn_register(db, error);
}
