/*
** calibrate.h - what goes into the linears of a model, so that rounding their weights to
** int8 changes what comes out as little as it can.
**
** Rounding a row w to q costs (w - q) H (w - q)ᵀ, where H is the mean of xᵀx over the
** inputs x.  It costs less when the numbers behind one that was rounded make up for its
** error.  With H = U D Uᵀ, U upper triangular with a diagonal of ones,
**
**   q[j] = round(w[j] + sum over i < j of (w[i] - q[i]) U[i][j])
**
** is the best that can be done from left to right (Frantar et al. 2022, GPTQ; in this
** form Chee et al. 2023, QuIP, LDLQ).  Here it is done in each group of 128 by itself.
**
** The inputs are those of tokens from all over the vocabulary, in the order in which it
** has them: no texts are needed, and the same model gives the same integers everywhere.
*/
#ifndef ATTNE_CALIBRATE_H
#define ATTNE_CALIBRATE_H

#include "../base/base.h"
#include "../kernels/kernels.h"

/* Factors H[n][n] = U D Uᵀ.  Reads the upper triangle of h and destroys it; writes the
** strict upper triangle of u. */
void attne_factor(size_t n, double (*h)[ATTNE_I8_GROUP], float (*u)[ATTNE_I8_GROUP]);

typedef struct attne_calibration attne_calibration;

/* Runs the model of these settings, which are those of int8; ATTN_INTERRUPTED after
** `stop` has asked for it. */
attn_status attne_calibration_new(attn_settings *settings, const attn_source *source,
                                  attn_stop stop, attn_error *err,
                                  attne_calibration **out);
void attne_calibration_free(attne_calibration *calibration);

/* U for the rows of tensor i of the source, [groups][128][128]: what stands right of the
** diagonal.  NULL where nothing is known of its inputs. */
const float *attne_calibration_feedback(const attne_calibration *calibration, size_t i);

#endif
