/*
** connection.h - making and ending a connection's state; for register.c.
*/
#ifndef ATTN_CONNECTION_H
#define ATTN_CONNECTION_H

#include "sql.h"

/* A new state with one user. */
int attn_connection_new(sqlite3 *db, attn_connection **out);

void attn_connection_retain(attn_connection *c);

/* A destructor for sqlite3_create_module_v2. */
void attn_connection_release(void *connection);

/* Begins a call of a function that is direct only: 0 if one is under way.  Ends it. */
int attn_connection_enter(attn_connection *c);
void attn_connection_leave(attn_connection *c);

/* The user data of every function that register.c registers. */
typedef struct attn_registration {
  attn_connection *connection;
  const attn_function *function;
} attn_registration;

#endif
