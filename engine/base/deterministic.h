/*
** deterministic.h - exp, sin, cos and log in double with the same bits on every machine.
**
** They use additions, multiplications and divisions alone, which IEEE 754 rounds in one
** way; a C library's functions differ from one library to the next.  For few numbers: the
** kernels have their own for many (kernels/math16.h).
*/
#ifndef ATTNE_DETERMINISTIC_H
#define ATTNE_DETERMINISTIC_H

/* exp(-x) for 0 <= x < 10. */
double attne_exp_of_minus(double x);

/* Sine and cosine of x, 0 <= x < 2^30. */
void attne_sine_cosine(double x, double *sine, double *cosine);

/* The natural logarithm: -inf of 0, NaN of a negative number or NaN.  Within 2 units in
** the last place. */
double attne_log(double x);

#endif
