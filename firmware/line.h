/* Two protocols on one serial line: our frames (protocol.h) and MLPerf Tiny's text (mlperf.h). The
 * first bytes after a boundary decide. Boundaries are the start, a zero byte, and the end of a
 * command, '%'.
 *
 * After a boundary the second byte of a frame, behind its COBS code, is the protocol's version, a
 * small number; no command has such a byte. A frame lasts to the next zero, a command to its '%',
 * and a zero before that drops it. What comes before a command's first character is ignored if it
 * is a space, CR, LF or noise; within a command CR and LF are ignored and noise reads as '?'.
 *
 * The first byte alone says nothing, so it is kept until the second. A lone '%', which is a command
 * to be answered, would wait for ever: it counts as one when nothing follows for a while. One
 * directly in front of a frame, without a zero between them, is taken for that frame's COBS code;
 * pqk-mcu sends a zero before every frame.
 *
 * A frame whose host went away in the middle of it would swallow every command after it. It is
 * given up when nothing comes for a second. */
#ifndef PQK_LINE_H
#define PQK_LINE_H

#include <stdint.h>

#include "network.h"
#include "protocol.h"

#if PQK_WITH_MLPERF

/* Takes one received byte, carries out what it completes, and answers. */
void pqk_line_receive(uint8_t byte);

/* To be called whenever there is no byte. Returns whether only another byte can change something:
 * else call it again soon, for it looks at the time. */
int pqk_line_idle(void);

#else /* frames only: all bytes are the protocol's */

static inline void pqk_line_receive(uint8_t byte) {
    pqk_protocol_receive(byte);
}

static inline int pqk_line_idle(void) {
    return 1;
}

#endif

#endif
