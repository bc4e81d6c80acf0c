/*
** interrupt.c - asking SQLite, in the midst of long work, whether to go on.
**
** sqlite3_is_interrupted is there since SQLite 3.41 only, and no progress handler has
** its turn while a function works.  A statement gives both.
*/
#include "sql.h"
#include <string.h>

static const double CHECK_SECONDS = 0.02; /* between two questions */

/* A statement that does nothing for some ten thousand steps of SQLite's machine.  Each
** time that it is run, SQLite looks whether it has been interrupted, and a progress
** handler has its turn, as in any other long statement. */
static const char tick_sql[] =
    "WITH RECURSIVE tick(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM tick WHERE n < 1000)"
    " SELECT max(n) FROM tick";

/* Without a statement, where an authorizer forbids it, nobody is asked. */
int attns_ticker_open(sqlite3 *db, attns_ticker *ticker) {
  ticker->asked = attn_seconds();
  int rc = sqlite3_prepare_v2(db, tick_sql, -1, &ticker->tick, NULL);
  return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}

int attns_ticker_check(void *ctx) {
  attns_ticker *ticker = ctx;
  double now = attn_seconds();
  if (!ticker->tick || now - ticker->asked < CHECK_SECONDS) return 0;
  ticker->asked = now;
  int rc = sqlite3_step(ticker->tick);
  sqlite3_reset(ticker->tick);
  return rc == SQLITE_INTERRUPT;
}

void attns_ticker_close(attns_ticker *ticker) {
  sqlite3_finalize(ticker->tick);
  memset(ticker, 0, sizeof *ticker);
}
