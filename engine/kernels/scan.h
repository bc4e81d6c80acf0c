/*
** scan.h - products of a query with codes of one bit, 16 rows at a time.
**
** A block holds one bit of each dimension of 16 rows.  The dimensions are taken
** 32 at a time; such a group is 64 bytes, 4 for each row, and
**
**   bit f of byte 4 r + j of group g  =  row r, dimension 32 g + 4 f + j
**
** so that the same four numbers of the query meet the same bit of every row:
** this is the order in which vpdpbusd, vpmaddubsw and sdot sum.
*/
#ifndef ATTNE_SCAN_H
#define ATTNE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define ATTNE_SCAN_ROWS  16
#define ATTNE_SCAN_DIMS  32
#define ATTNE_SCAN_GROUP 64 /* bytes */

/* dot[r] = sum over i < 32 n_group of bit(r, i) query[i].  Sums are exact: the
** query lies in -127 .. 127, and there are at most 65536 dimensions. */
typedef void attne_scan(const uint8_t *block, size_t n_group, const int8_t *query,
                        int32_t dot[ATTNE_SCAN_ROWS]);

attne_scan attne_scan_scalar, attne_scan_avx2, attne_scan_avx512vnni, attne_scan_neon,
    attne_scan_dotprod;

#endif
