/*
** pack.h - matrices into panels of 16 outputs, the form in which a product takes its
** second operand (kernels.h).
**
**   packed[p][k][j] = W[16 p + j][k]
**
** A matrix may be packed in pieces, in any order.  Outputs beyond the last fill up a
** panel; they are computed and never stored, so nothing here writes them.
*/
#ifndef ATTNE_PACK_H
#define ATTNE_PACK_H

#include "kernels.h"

/* The next multiple of 16. */
INLINE uint64_t attne_whole_panels(uint64_t n) {
  return (n + ATTNE_PANEL - 1) / ATTNE_PANEL * ATTNE_PANEL;
}

/* Row i of x[n, k], whose rows are ld floats apart, becomes output first + i of a packed
** matrix of k inputs. */
void attne_pack_rows(size_t first, size_t n, size_t k, const float *x, size_t ld,
                     float *packed);

/* Row i of x[n, n_out] becomes input first + i of all n_out outputs of a packed matrix of
** n_k inputs. */
void attne_pack_columns(size_t first, size_t n, size_t n_k, size_t n_out, const float *x,
                        size_t ld, float *packed);

#endif
