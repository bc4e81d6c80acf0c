/*
** training.h - where an interrupted training is kept: the tables attn_training and
** attn_training_state.
**
**   attn_training        a row a run: model, its options as JSON, corpus (a hash), step
**                        and steps
**   attn_training_state  its floats, little-endian, a megabyte a row
**
** They are made when a run is first kept.  A run that is done leaves nothing there.
*/
#ifndef ATTNS_TRAINING_H
#define ATTNS_TRAINING_H

#include "../sql.h"

/* A run, as the tables know it. */
typedef struct attns_training {
  sqlite3 *db;
  const char *schema, *name; /* of the model to be */
  const char *options, *corpus;
} attns_training;

/* Goes on with what is kept of the run: fills the trainer's state.  An error where it was
** begun with other options or another corpus; nothing where none is kept. */
int attns_training_resume(const attns_training *run, attn_trainer *trainer, char **error);

/* Keeps the state, in place of what was kept. */
int attns_training_save(const attns_training *run, attn_trainer *trainer, uint64_t step,
                        uint64_t n_step, char **error);

/* Forgets the run; part of the caller's change, if it is in one. */
int attns_training_forget(const attns_training *run, char **error);

#endif
