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
  attns_model_row row;
} held_model;

struct attns_connection {
  sqlite3 *db;
  int n_user;
  int is_finding;   /* a model is being found or loaded */
  int is_direct;    /* a function that is direct only is being called */
  int depth;        /* tables of ours that are read or changed, one in the other */
  char nowhere[33]; /* the origin of models in databases that have no file */
  attn_workspace *workspace;
  held_model held[N_HELD]; /* the latest used first */
};

int attns_connection_new(sqlite3 *db, attns_connection **out) {
  sqlite3_uint64 number[2];
  attns_connection *c = sqlite3_malloc64(sizeof *c);
  *out = c;
  if (!c) return SQLITE_NOMEM;
  memset(c, 0, sizeof *c);
  c->db = db;
  c->n_user = 1;
  sqlite3_randomness(sizeof number, number);
  sqlite3_snprintf(sizeof c->nowhere, c->nowhere, "%016llx%016llx", number[0], number[1]);
  return SQLITE_OK;
}

void attns_connection_retain(attns_connection *c) {
  c->n_user++;
}

void attns_connection_release(void *connection) {
  attns_connection *c = connection;
  if (--c->n_user) return;
  attns_connection_forget(c);
  attn_workspace_free(c->workspace);
  sqlite3_free(c);
}

attns_connection *attns_connection_of(sqlite3_context *ctx) {
  return ((attns_registration *)sqlite3_user_data(ctx))->connection;
}

sqlite3 *attns_connection_db(attns_connection *c) {
  return c->db;
}

int attns_connection_enter(attns_connection *c) {
  if (c->is_direct) return 0;
  c->is_direct = 1;
  return 1;
}

void attns_connection_leave(attns_connection *c) {
  c->is_direct = 0;
}

int attns_connection_nest(attns_connection *c, const char *table, char **error) {
  if (c->depth == ATTNS_MAX_DEPTH) {
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "%s: tables lead from one to the next, or back to the first; expected "
        "%d at most, one in the other",
        table, ATTNS_MAX_DEPTH);
  }
  c->depth++;
  return SQLITE_OK;
}

void attns_connection_unnest(attns_connection *c) {
  c->depth--;
}

attn_workspace *attns_connection_workspace(attns_connection *c) {
  if (!c->workspace) attn_workspace_new(&c->workspace);
  return c->workspace;
}

static void drop_held(attns_connection *c, int i) {
  attn_model_release(c->held[i].model);
  attns_model_row_free(&c->held[i].row);
  memmove(&c->held[i], &c->held[i + 1], (size_t)(N_HELD - 1 - i) * sizeof c->held[0]);
  memset(&c->held[N_HELD - 1], 0, sizeof c->held[0]);
}

void attns_connection_forget(attns_connection *c) {
  while (c->held[0].model) drop_held(c, 0);
}

static int same_row(const attns_model_row *a, const attns_model_row *b) {
  return strcmp(a->schema, b->schema) == 0 && strcmp(a->name, b->name) == 0;
}

/* Takes the row over. */
static void hold(attns_connection *c, attn_model *model, attns_model_row *row) {
  if (c->held[N_HELD - 1].model) drop_held(c, N_HELD - 1);
  memmove(&c->held[1], &c->held[0], (N_HELD - 1) * sizeof c->held[0]);
  c->held[0] = (held_model){model, *row};
  memset(row, 0, sizeof *row);
}

/* The model of a row if the connection holds it.  What else it holds of that row
** is out of date and goes. */
static attn_model *find_held(attns_connection *c, const attns_model_row *row) {
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
static int acquire(attns_connection *c, const attns_model_row *row, char **error,
                   attn_model **out) {
  const char *file = sqlite3_db_filename(c->db, row->schema);
  char words[65];
  attn_model_name name = {row->sha256, file && *file ? file : c->nowhere, words};
  *out = attn_model_acquire(name.key, name.origin);
  if (*out) return SQLITE_OK;
  attn_model *loaded = NULL;
  int rc = attns_store_load(c->db, row, error, words, &loaded);
  if (rc == SQLITE_TOOBIG && c->held[0].model) {
    /* The memory of models is limited, and some are kept in case they are wanted again.
    */
    attns_connection_forget(c);
    sqlite3_free(*error);
    *error = NULL;
    rc = attns_store_load(c->db, row, error, words, &loaded);
  }
  if (rc != SQLITE_OK) return rc;
  if (attn_model_publish(&name, loaded, out) == ATTN_OK) return SQLITE_OK;
  attn_model_release(loaded);
  return SQLITE_NOMEM;
}

static int find_model(attns_connection *c, const char *name, char **error,
                      const attn_model **out) {
  attns_model_row row = {0};
  int rc = attns_store_find(c->db, name, error, &row);
  if (rc != SQLITE_OK) {
    /* It may have been dropped: nothing is kept that may be gone. */
    attns_connection_forget(c);
    return rc;
  }
  attn_model *model = find_held(c, &row);
  if (!model) {
    rc = acquire(c, &row, error, &model);
    if (rc == SQLITE_OK) hold(c, model, &row);
  }
  attns_model_row_free(&row);
  *out = model;
  return rc;
}

/* A column of the model tables may be generated by embed(), which would look there again
** and never end. */
static int connection_model(attns_connection *c, const char *name, char **error,
                            const attn_model **out) {
  *out = NULL;
  if (c->is_finding) {
    return attns_sql_fail(
        error, SQLITE_ERROR,
        "the tables of models need a model to be read; expected numbers, "
        "text and blobs");
  }
  c->is_finding = 1;
  int rc = find_model(c, name, error, out);
  c->is_finding = 0;
  return rc;
}

int attns_connection_model(attns_connection *c, const char *name, char **error,
                           const attn_model **out) {
  int rc = connection_model(c, name, error, out);
  if (rc != SQLITE_OK) return rc;
  if (strcmp(attn_model_get_info(*out)->architecture, "tokenizer") != 0) return SQLITE_OK;
  *out = NULL;
  return attns_sql_fail(error, SQLITE_ERROR,
                        "model \"%s\" is a tokenizer, which has no weights to embed with",
                        c->held[0].row.name);
}

static int name_of(sqlite3_value *value, char **error, attn_text *out) {
  *out = (attn_text){NULL, 0};
  if (!value || sqlite3_value_type(value) == SQLITE_NULL) return SQLITE_OK;
  return attns_value_name(value, "model name", error, out);
}

int attns_connection_model_value(attns_connection *c, sqlite3_value *value, char **error,
                                 const attn_model **out) {
  attn_text name;
  int rc = name_of(value, error, &name);
  *out = NULL;
  return rc == SQLITE_OK ? attns_connection_model(c, name.text, error, out) : rc;
}

int attns_connection_tokenizer_value(attns_connection *c, sqlite3_value *value,
                                     char **error, const attn_model **out) {
  attn_text name;
  int rc = name_of(value, error, &name);
  *out = NULL;
  return rc == SQLITE_OK ? connection_model(c, name.text, error, out) : rc;
}
