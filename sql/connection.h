/*
** connection.h - making and ending a connection's state; for register.c.
*/
#ifndef ATTNS_CONNECTION_H
#define ATTNS_CONNECTION_H

#include "sql.h"

/* A new state with one user. */
int attns_connection_new(sqlite3 *db, attns_connection **out);

void attns_connection_retain(attns_connection *c);

/* A destructor for sqlite3_create_module_v2. */
void attns_connection_release(void *connection);

/* Begins a call of a function that is direct only: 0 if one is under way.  Ends it. */
int attns_connection_enter(attns_connection *c);
void attns_connection_leave(attns_connection *c);

/* The user data of every function that register.c registers. */
typedef struct attns_registration {
  attns_connection *connection;
  const attns_function *function;
} attns_registration;

#endif
