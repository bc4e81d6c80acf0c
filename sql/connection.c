/*
** connection.c - what a connection remembers: scratch memory and the models that
** it has used.
**
** Which row of attn_model a name stands for is asked anew at each call, because
** any connection may change it at any time.  The row's sha256 then says whether a
** model at hand is still the right one.
*/
#include "models/store.h"
#include "connection.h"
#include <string.h>

enum { N_HELD = 4 };

/* A model that is kept loaded, and the row that it came from. */
typedef struct held_model {
  attn_model *model;
  attn_model_row row;
} held_model;

struct attn_connection {
  sqlite3 *db;
  int n_user;
  int is_finding; /* a model is being found or loaded */
  int is_direct;  /* a function that is direct only is being called */
  int depth;      /* tables of ours that are read or changed, one in the other */
  char nowhere[33]; /* the origin of models in databases that have no file */
  attn_workspace *workspace;
  held_model held[N_HELD]; /* the latest used first */
};

int attn_connection_new(sqlite3 *db, attn_connection **out) {
  sqlite3_uint64 number[2];
  attn_connection *c = sqlite3_malloc64(sizeof *c);
  *out = c;
  if (!c) return SQLITE_NOMEM;
  memset(c, 0, sizeof *c);
  c->db = db;
  c->n_user = 1;
  sqlite3_randomness(sizeof number, number);
  sqlite3_snprintf(sizeof c->nowhere, c->nowhere, "%016llx%016llx", number[0], number[1]);
  return SQLITE_OK;
}

void attn_connection_retain(attn_connection *c) { c->n_user++; }

void attn_connection_release(void *connection) {
  attn_connection *c = connection;
  if (--c->n_user) return;
  attn_connection_forget(c);
  attn_workspace_free(c->workspace);
  sqlite3_free(c);
}

attn_connection *attn_connection_of(sqlite3_context *ctx) {
  return ((attn_registration *)sqlite3_user_data(ctx))->connection;
}

sqlite3 *attn_connection_db(attn_connection *c) { return c->db; }

int attn_connection_enter(attn_connection *c) {
  if (c->is_direct) return 0;
  c->is_direct = 1;
  return 1;
}

void attn_connection_leave(attn_connection *c) { c->is_direct = 0; }

int attn_connection_go_in(attn_connection *c, const char *table, char **error) {
  if (c->depth == ATTN_MAX_DEPTH) {
    return attn_sql_fail(error, SQLITE_ERROR,
                         "%s: tables lead from one to the next, or back to the first; expected "
                         "%d at most, one in the other",
                         table, ATTN_MAX_DEPTH);
  }
  c->depth++;
  return SQLITE_OK;
}

void attn_connection_go_out(attn_connection *c) { c->depth--; }

attn_workspace *attn_connection_workspace(attn_connection *c) {
  if (!c->workspace) attn_workspace_new(&c->workspace);
  return c->workspace;
}

static void drop_held(attn_connection *c, int i) {
  attn_model_release(c->held[i].model);
  attn_model_row_free(&c->held[i].row);
  memmove(&c->held[i], &c->held[i + 1], (size_t)(N_HELD - 1 - i) * sizeof c->held[0]);
  memset(&c->held[N_HELD - 1], 0, sizeof c->held[0]);
}

void attn_connection_forget(attn_connection *c) {
  while (c->held[0].model) drop_held(c, 0);
}

static int same_row(const attn_model_row *a, const attn_model_row *b) {
  return strcmp(a->schema, b->schema) == 0 && strcmp(a->name, b->name) == 0;
}

/* Takes the row over. */
static void hold(attn_connection *c, attn_model *model, attn_model_row *row) {
  if (c->held[N_HELD - 1].model) drop_held(c, N_HELD - 1);
  memmove(&c->held[1], &c->held[0], (N_HELD - 1) * sizeof c->held[0]);
  c->held[0] = (held_model){model, *row};
  memset(row, 0, sizeof *row);
}

/* The model of a row if the connection holds it.  What else it holds of that row
** is out of date and goes. */
static attn_model *find_held(attn_connection *c, const attn_model_row *row) {
  for (int i = 0; i < N_HELD && c->held[i].model; i++) {
    if (!same_row(&c->held[i].row, row)) continue;
    if (strcmp(c->held[i].row.sha256, row->sha256) == 0) {
      held_model found = c->held[i];
      memmove(&c->held[1], &c->held[0], (size_t)i * sizeof found);
      c->held[0] = found;
      return found.model;
    }
    drop_held(c, i--);
  }
  return NULL;
}

/* The process's model of that content, loaded if nobody has from this database. */
static int acquire(attn_connection *c, const attn_model_row *row, char **error,
                   attn_model **out) {
  const char *file = sqlite3_db_filename(c->db, row->schema);
  char words[65];
  attn_model_name name = {row->sha256, file && *file ? file : c->nowhere, words};
  *out = attn_model_acquire(name.key, name.origin);
  if (*out) return SQLITE_OK;
  attn_model *loaded = NULL;
  int rc = attn_store_load(c->db, row, error, words, &loaded);
  if (rc == SQLITE_TOOBIG && c->held[0].model) {
    /* The memory of models is limited, and some are kept in case they are wanted again. */
    attn_connection_forget(c);
    sqlite3_free(*error);
    *error = NULL;
    rc = attn_store_load(c->db, row, error, words, &loaded);
  }
  if (rc != SQLITE_OK) return rc;
  if (attn_model_publish(&name, loaded, out) == ATTN_OK) return SQLITE_OK;
  attn_model_release(loaded);
  return SQLITE_NOMEM;
}

static int find_model(attn_connection *c, const char *name, char **error,
                      const attn_model **out) {
  attn_model_row row = {0};
  int rc = attn_store_find(c->db, name, error, &row);
  if (rc != SQLITE_OK) {
    /* It may have been dropped: nothing is kept that may be gone. */
    attn_connection_forget(c);
    return rc;
  }
  attn_model *model = find_held(c, &row);
  if (!model) {
    rc = acquire(c, &row, error, &model);
    if (rc == SQLITE_OK) hold(c, model, &row);
  }
  attn_model_row_free(&row);
  *out = model;
  return rc;
}

/* A column of the model tables may be generated by embed(), which would look there again
** and never end. */
static int connection_model(attn_connection *c, const char *name, char **error,
                            const attn_model **out) {
  *out = NULL;
  if (c->is_finding) {
    return attn_sql_fail(error, SQLITE_ERROR,
                         "the tables of models need a model to be read; expected numbers, "
                         "text and blobs");
  }
  c->is_finding = 1;
  int rc = find_model(c, name, error, out);
  c->is_finding = 0;
  return rc;
}

int attn_connection_model(attn_connection *c, const char *name, char **error,
                          const attn_model **out) {
  int rc = connection_model(c, name, error, out);
  if (rc != SQLITE_OK) return rc;
  if (strcmp(attn_model_get_info(*out)->architecture, "tokenizer") != 0) return SQLITE_OK;
  *out = NULL;
  return attn_sql_fail(error, SQLITE_ERROR,
                       "model \"%s\" is a tokenizer, which has no weights to embed with",
                       c->held[0].row.name);
}

static int name_of(sqlite3_value *value, char **error, attn_text *out) {
  *out = (attn_text){NULL, 0};
  if (!value || sqlite3_value_type(value) == SQLITE_NULL) return SQLITE_OK;
  return attn_value_name(value, "model name", error, out);
}

int attn_connection_model_value(attn_connection *c, sqlite3_value *value, char **error,
                                const attn_model **out) {
  attn_text name;
  int rc = name_of(value, error, &name);
  *out = NULL;
  return rc == SQLITE_OK ? attn_connection_model(c, name.text, error, out) : rc;
}

int attn_connection_tokenizer_value(attn_connection *c, sqlite3_value *value, char **error,
                                    const attn_model **out) {
  attn_text name;
  int rc = name_of(value, error, &name);
  *out = NULL;
  return rc == SQLITE_OK ? connection_model(c, name.text, error, out) : rc;
}
