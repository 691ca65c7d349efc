/* The text protocol of MLPerf Tiny, as EEMBC's and MLCommons' runners speak it (mlcommons/tiny,
 * benchmark/api and benchmark/runner). Commands end with '%', replies are lines that end with CR
 * LF, the last of them "m-ready". Only in firmware that is built for it (PQK_WITH_MLPERF).
 *
 * An inference here and a clip or stream of our own protocol use the same memory: the first one
 * ends the other.
 *
 * Two "m-lap-us-" around the inferences are microseconds of the board's timer since the first one.
 * They include putting the input where the network wants it, which every inference uses up, and the
 * softmax. One inference must take less than 2^32 ticks. "timestamp" says the same clock, which
 * misses 2^32 ticks whenever it is not asked for as long as that (10 seconds at 400 MHz). `infer`
 * gives up, with an error, when warm-ups and inferences have taken more than PQK_MLPERF_SECONDS of
 * that timer.
 */
#ifndef PQK_MLPERF_H
#define PQK_MLPERF_H

#define PQK_MLPERF_MOST 79u    /* characters of a command */
#define PQK_MLPERF_SECONDS 60u /* of `infer`; the public runner waits for half as long */

/* After reset: says what this is. */
void pqk_mlperf_begin(void);

/* Carries out a command, printable ASCII ended by a zero instead of a '%', and answers. Tokens are
 * cut out of it in place. */
void pqk_mlperf_command(char *text);

/* Answers to a command of more than PQK_MLPERF_MOST characters. */
void pqk_mlperf_too_long(void);

#endif
