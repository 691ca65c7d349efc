#include "line.h"

#include "board.h"
#include "mlperf.h"
#include "port.h"
#include "protocol.h"

#define FIRST_NO_VERSION '\t' /* tab, LF, CR and what is printable may be text */
#if PQK_PROTOCOL_VERSION >= FIRST_NO_VERSION
#error "a version of the protocol must be less than the first byte that may be text"
#endif

#define END '%'                             /* of a command */
#define LONE_END_TICKS (PQK_TIMER_HZ / 10u) /* after which an END is no COBS code */
#define FRAME_TICKS PQK_TIMER_HZ            /* of silence, after which a frame has been given up */

static char command[PQK_MLPERF_MOST + 1u]; /* and room for the zero that ends it */
static uint32_t length;                    /* of it so far, which may be more than fits */
static uint8_t kept; /* the first byte after a boundary; 0: none, or in a command */
static uint8_t in_frame;
static uint32_t last_byte; /* ticks when it came */

static void end_command(void) {
    if (length > PQK_MLPERF_MOST) {
        pqk_mlperf_too_long();
    } else {
        command[length] = 0;
        pqk_mlperf_command(command);
    }
    length = 0;
}

static void append(uint8_t byte) {
    if (length < PQK_MLPERF_MOST) {
        command[length] = (char)byte;
    }
    length += length <= PQK_MLPERF_MOST;
}

static void take_text(uint8_t byte) {
    const int printable = byte >= ' ' && byte <= '~';
    if (byte == END) {
        end_command();
    } else if (byte == '\r' || byte == '\n' || (length == 0 && (byte == ' ' || !printable))) {
        return;
    } else {
        append(printable ? byte : '?');
    }
}

static void take_frame(uint8_t byte) {
    in_frame = byte != 0;
    pqk_protocol_receive(byte);
}

/* A zero ends whatever there is; an END in front of it was no COBS code. The protocol drops the
 * frame that was given up, if there was one, and only now: what it says to that is for its host. */
static void end_all(void) {
    if (kept == END) {
        end_command();
    }
    kept = 0;
    length = 0;
    pqk_protocol_receive(0);
}

/* The second byte after a boundary, or a later one of a command. */
static void decide(uint8_t byte) {
    const uint8_t first = kept;
    kept = 0;
    if (first && byte < FIRST_NO_VERSION) {
        take_frame(first);
        take_frame(byte);
        return;
    }
    if (first) {
        take_text(first);
    }
    if (length == 0) {
        kept = byte;
    } else {
        take_text(byte);
    }
}

void pqk_line_receive(uint8_t byte) {
    if (in_frame) {
        take_frame(byte);
    } else if (byte == 0) {
        end_all();
    } else {
        decide(byte);
    }
    last_byte = pqk_port_timer_ticks();
}

/* Awake, for a timer may stand still while the core sleeps, and goes round in a longer silence. */
int pqk_line_idle(void) {
    const uint32_t silence = pqk_port_timer_ticks() - last_byte;
    if (kept == END && silence >= LONE_END_TICKS) {
        kept = 0;
        end_command();
    } else if (in_frame && silence >= FRAME_TICKS) {
        in_frame = 0;
    }
    return kept != END && !in_frame;
}
