/*
** fuzz_sql.c - libFuzzer target: SQL over a database with models and indexes in it.
**
** The input is SQL text.  An authorizer forbids what would reach beyond the database:
** ATTACH, pragmas that set something, and the functions that read or write files; each
** input starts from the same database.
**
** Half of the changes to an input are libFuzzer's, of bytes; the others are made by a
** grammar: a statement more, or an expression in the place of another one.  The functions
** and tables in it are those that the connection says it has.
*/
#include "fuzz.h"

static int authorize(void *unused, int action, const char *a, const char *b,
                     const char *c, const char *d) {
  (void)unused, (void)a, (void)c, (void)d;
  if (action == SQLITE_ATTACH || (action == SQLITE_PRAGMA && b)) return SQLITE_DENY;
  if (action == SQLITE_FUNCTION && b &&
      (strcmp(b, "attn_import") == 0 || strcmp(b, "attn_export") == 0 ||
       strcmp(b, "load_extension") == 0 || strcmp(b, "fts3_tokenizer") == 0)) {
    return SQLITE_DENY;
  }
  return SQLITE_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 20000) return 0;
  sqlite3 *db = open_image(copy_image());
  char *sql = malloc(size + 1);
  check(sql != NULL, "no memory");
  memcpy(sql, data, size);
  sql[size] = 0;
  sqlite3_set_authorizer(db, authorize, NULL);
  run_all(db, sql);
  free(sql);
  check(sqlite3_close(db) == SQLITE_OK, "not closed");
  return 0;
}

/* -------------------------------------------------------------------- a grammar */

/* What a letter behind % stands for: each of its lines is as likely.  %f is a call of a
** function, %t a table with arguments. */
static const struct {
  char letter;
  const char *text;
} rules[] = {
    {'s', "SELECT %e, %e"},
    {'s', "SELECT %e FROM docs"},
    {'s', "SELECT * FROM %t LIMIT 20"},
    {'s', "SELECT count(*), max(%e) FROM %t"},
    {'s', "SELECT * FROM %i WHERE %w AND %w"},
    {'s', "SELECT rowid, * FROM %i(%q) WHERE %w"},
    {'s',
     "SELECT rowid, attn_highlight(ai) FROM ai(%x) ORDER BY distance LIMIT %n OFFSET %n"},
    {'s', "SELECT rowid, attn_highlight(late) FROM late(%x) WHERE %w"},
    {'s', "SELECT * FROM %i(%q) a, %i(%q) b LIMIT 30"},
    {'s', "INSERT INTO v(v, rank) VALUES (%k, %n)"},
    {'s', "INSERT INTO near(near, rank) VALUES (%k, %n)"},
    {'s', "INSERT INTO ai(ai, rank) VALUES (%k, %n)"},
    {'s', "INSERT INTO late(late, rank) VALUES (%k, %n)"},
    {'s', "INSERT INTO v(v, rowid) VALUES ('delete', %n)"},
    {'s', "INSERT INTO v(rowid, e, year) VALUES (%n, %v, %n)"},
    {'s', "INSERT OR REPLACE INTO near(rowid, e) VALUES (%n, %v), (%n, %v)"},
    {'s', "INSERT INTO late(body) VALUES (%x)"},
    {'s', "INSERT INTO docs(body) SELECT %e FROM docs"},
    {'s', "UPDATE docs SET body = %x WHERE %w"},
    {'s', "UPDATE v SET e = %v, year = %e WHERE %w"},
    {'s', "UPDATE v SET rowid = rowid + %n WHERE %w"},
    {'s', "DELETE FROM %i WHERE %w"},
    {'s', "CREATE VIRTUAL TABLE w USING attn(%c, %p)"},
    {'s',
     "CREATE VIRTUAL TABLE w USING attn(%c, %c, %p, %p); INSERT INTO w VALUES (%e, %e)"},
    {'s', "UPDATE attn_model SET config = json_set(config, %j, %e); SELECT embed(%x)"},
    {'s', "UPDATE attn_tensor SET data = %v WHERE rowid = %n; SELECT embed(%x)"},
    {'s', "UPDATE attn_tensor SET shape = %o WHERE rowid = %n; SELECT embed(%x)"},
    {'s', "UPDATE attn_tokenizer SET data = %x; SELECT embed(%x)"},
    {'s', "UPDATE attn_setting SET value = %e"},
    {'s', "SAVEPOINT a; %s; ROLLBACK TO a"},
    {'s', "BEGIN; %s; COMMIT"},
    {'s', "ALTER TABLE v RENAME TO u; SELECT * FROM u(%v)"},
    {'s', "DROP TABLE %i; %s"},
    {'s', "SELECT * FROM attn_train(%x, %q, %o)"},
    {'s', "SELECT attn_train_tokenizer(%x, 'SELECT body FROM docs', %o)"},
    {'i', "v"},
    {'i', "near"},
    {'i', "wide"},
    {'i', "ai"},
    {'i', "late"},
    {'k', "'rebuild'"},
    {'k', "'step'"},
    {'k', "'optimize'"},
    {'k', "'integrity-check'"},
    {'k', "'delete-all'"},
    {'k', "'deferred'"},
    {'k', "'exact'"},
    {'k', "'lists'"},
    {'k', "'probes'"},
    {'c', "body"},
    {'c', "e FLOAT[3]"},
    {'c', "x INTEGER"},
    {'c', "note TEXT UNINDEXED"},
    {'p', "content=docs, content_rowid=id"},
    {'p', "content=''"},
    {'p', "model=masked"},
    {'p', "metric=l2"},
    {'p', "metric=dot"},
    {'p', "prompts=on"},
    {'p', "deferred=on"},
    {'p', "chunk=%n, overlap=%n"},
    {'p', "exact=on"},
    {'p', "lists=%n, probes=%n"},
    {'w', "rowid = %n"},
    {'w', "rowid < %n"},
    {'w', "rowid IN (%n, %n, %n)"},
    {'w', "rowid IN (SELECT rowid FROM %i(%q))"},
    {'w', "k = %n"},
    {'w', "distance < %e"},
    {'w', "year BETWEEN %n AND %n"},
    {'w', "body LIKE %x"},
    {'w', "v MATCH %v"},
    {'w', "ai MATCH %x"},
    {'w', "%e"},
    {'q', "%v"},
    {'q', "%x"},
    {'q', "'SELECT id, body FROM docs'"},
    {'q', "'SELECT body FROM docs'"},
    {'q', "'SELECT 1, NULL UNION ALL SELECT 2, ''some words'''"},
    {'e', "%f"},
    {'e', "%f"},
    {'e', "%f"},
    {'e', "%v"},
    {'e', "%x"},
    {'e', "%n"},
    {'e', "%o"},
    {'e', "NULL"},
    {'e', "body"},
    {'e', "id"},
    {'e', "1e999"},
    {'e', "-0.5"},
    {'e', "x'00ff'"},
    {'e', "(SELECT %e FROM %t LIMIT 1)"},
    {'n', "0"},
    {'n', "1"},
    {'n', "2"},
    {'n', "3"},
    {'n', "40"},
    {'n', "-1"},
    {'n', "9223372036854775807"},
    {'v', "'[1,2,3]'"},
    {'v', "'[1,2]'"},
    {'v', "'[0,0,0]'"},
    {'v', "'[1,2,3,4,5,6,7,8,9]'"},
    {'v', "vec_f32('[3,2,1]')"},
    {'v', "vec_int8('[1,-2,3]')"},
    {'v', "vec_bit(x'0f1f')"},
    {'v', "'[1e38,-1e38,1e-45]'"},
    {'v', "x'0000c07f0000807f000080ff'"},
    {'v', "embed(%x)"},
    {'x', "'some words'"},
    {'x', "'words [MASK] some'"},
    {'x', "''"},
    {'x', "'\xc3\xa9 \xf0\x9f\x98\x80 a b c d e f g h i'"},
    {'x', "CAST(x'ff41c300' AS TEXT)"},
    {'x', "'m'"},
    {'x', "'gpt'"},
    {'x', "'masked'"},
    {'x', "'torch'"},
    {'x', "'new'"},
    {'x', "'causal'"},
    {'x', "'heads'"},
    {'x', "'map'"},
    {'x', "'curve'"},
    {'j', "'$.transformer.dim'"},
    {'j', "'$.transformer.n_layers'"},
    {'j', "'$.modules[1].config.pooling_mode'"},
    {'j', "'$.tokenizer.model.type'"},
    {'j', "'$.sentence.max_seq_length'"},
    {'o', "'{}'"},
    {'o', "'[1,2,3]'"},
    {'o', "json_object('max_tokens', 3, 'top_k', %n, 'seed', %n, 'temperature', %n, "
          "'top_p', 0.9)"},
    {'o', "json_object('max_tokens', 3, %x, %e)"},
    {'o', "json_object('dim', 2, 'min_count', 1, 'epochs', 1, 'window', %n, 'seed', %n)"},
    {'o', "json_object('dim', 2, 'min_count', 1, 'epochs', 1, 'sample', 0, %x, %e)"},
    {'o', "json_object('kind', 'encoder', 'd_model', 2, 'd_ff', 2, 'epochs', 1, "
          "'min_count', 1, %x, %e)"},
    {'o', "json_object('type', 'bpe', 'vocab_size', 40, 'initial_alphabet', json('[]'))"},
    {'o', "json_object('vocab_size', 30, 'min_frequency', %n)"},
    {'o', "json_object('mask', 0.5, 'seed', %n)"},
    {'o', "'{\"causal\":true,\"src_mask\":[[0.5]]}'"}};
enum { N_RULE = sizeof rules / sizeof *rules, MAX_NAME = 200, MAX_TEXT = 4000 };

static char *functions[MAX_NAME], *tables[MAX_NAME];
static int n_argument[MAX_NAME], n_function, n_table;

/* What a connection with the extension has. */
static void find_names(void) {
  static const char names[] =
      "SELECT name, narg FROM pragma_function_list WHERE name GLOB 'attn_*' OR name GLOB "
      "'vec_*'"
      " OR name GLOB 'embed*' UNION ALL SELECT name, -2 FROM pragma_module_list"
      " WHERE name GLOB 'attn_*' OR name = 'vec_each' ORDER BY 1, 2";
  sqlite3 *db = open_database();
  sqlite3_stmt *stmt;
  check(sqlite3_prepare_v2(db, names, -1, &stmt, NULL) == SQLITE_OK, sqlite3_errmsg(db));
  while (n_function < MAX_NAME && n_table < MAX_NAME &&
         sqlite3_step(stmt) == SQLITE_ROW) {
    char *name = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 0));
    int n = sqlite3_column_int(stmt, 1);
    if (n == -2) {
      tables[n_table++] = name;
    } else {
      functions[n_function] = name;
      n_argument[n_function++] = n;
    }
  }
  sqlite3_finalize(stmt);
  check(n_function > 40 && n_table > 10 && sqlite3_close(db) == SQLITE_OK, "no names");
}

typedef struct maker {
  unsigned random;
  char text[MAX_TEXT];
  size_t n;
} maker;

static unsigned choose(maker *m, size_t n) {
  m->random = m->random * 1103515245 + 12345;
  return (m->random >> 8) % (unsigned)n;
}

static void add(maker *m, const char *text, size_t n) {
  if (n > MAX_TEXT - m->n) n = MAX_TEXT - m->n;
  memcpy(m->text + m->n, text, n);
  m->n += n;
}

static void make(maker *m, char letter, int depth);

static void make_call(maker *m, const char *name, unsigned n, int depth) {
  add(m, name, strlen(name));
  add(m, "(", 1);
  for (unsigned i = 0; i < n; i++) {
    if (i) add(m, ", ", 2);
    make(m, "evxnoq"[choose(m, 6)], depth + 1);
  }
  add(m, ")", 1);
}

static void make_rule(maker *m, char letter, int depth) {
  size_t first = 0, n = 0;
  while (rules[first].letter != letter) first++;
  while (first + n < N_RULE && rules[first + n].letter == letter) n++;
  for (const char *p = rules[first + choose(m, n)].text; *p; p++) {
    if (*p == '%') {
      make(m, *++p, depth + 1);
    } else {
      add(m, p, 1);
    }
  }
}

static void make(maker *m, char letter, int depth) {
  if (depth > 6) {
    add(m, "1", 1);
  } else if (letter == 'f') {
    unsigned i = choose(m, (size_t)n_function);
    make_call(m, functions[i], n_argument[i] < 0 ? choose(m, 5) : (unsigned)n_argument[i],
              depth);
  } else if (letter == 't') {
    make_call(m, tables[choose(m, (size_t)n_table)], choose(m, 4), depth);
  } else {
    make_rule(m, letter, depth);
  }
}

/* Where the argument that begins at `at` ends. */
static size_t end_of(const uint8_t *data, size_t size, size_t at) {
  for (int depth = 0; at < size; at++) {
    if (data[at] == '(') depth++;
    if (data[at] == ')' && --depth < 0) break;
    if ((data[at] == ',' || data[at] == ';') && depth == 0) break;
  }
  return at;
}

/* A place for an expression: behind a parenthesis, a comma or =. */
static size_t place_for(maker *m, const uint8_t *data, size_t size) {
  size_t at = size ? choose(m, size) : 0;
  while (at < size && (!data[at] || !strchr("(,=", data[at]))) at++;
  return at < size ? at + 1 : size;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed) {
  static maker m;
  if (!n_function) find_names();
  m.random = seed;
  m.n = 0;
  unsigned how = choose(&m, 8);
  size_t from = how == 4 ? 0 : size, to = size;
  if (how >= 5) from = place_for(&m, data, size);
  if (from < size && how >= 5) {
    to = end_of(data, size, from);
    make(&m, 'e', 0);
  } else {
    if (from) add(&m, "; ", 2);
    make(&m, 's', 0);
  }
  if (how < 3 || from + m.n + size - to > max_size)
    return LLVMFuzzerMutate(data, size, max_size);
  memmove(data + from + m.n, data + to, size - to);
  memcpy(data + from, m.text, m.n);
  return from + m.n + size - to;
}
