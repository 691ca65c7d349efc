/* Between the two parts of the host that tries the firmware: protocol_fuzz.c, which has the port,
 * the line, our own frames and the inputs, and text_fuzz.c with MLPerf Tiny's text. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* What is left of an input. */
typedef struct {
    const uint8_t *bytes;
    size_t left;
} source;

/* The next bytes as a little-endian number; beyond the end they are zeros. */
uint32_t take(source *in, uint32_t count);

/* Fails where something is not right. */
void check(int right, const char *what);

/* Bytes from the host, which arrive in `run_line`. */
void put_on_line(const uint8_t *bytes, uint32_t count);
void run_line(void);

/* Ticks since the reset, and silence. */
uint64_t ticks(void);
void pass(uint32_t count);

/* ---- text_fuzz.c ---- */

void text_reset(void);

/* A byte to the device, and one from it that is in no frame. */
void note_text_byte(uint8_t byte);
void judge_text_byte(uint8_t byte);

/* Whether every reply in text so far has its end. */
int text_is_whole(void);

/* After every layer of an inference. */
void judge_time(void);

/* A command from the dictionary, or silence. */
void operate_text(source *in);

/* After a zero, an empty command and `name` are answered as ever. */
void judge_name(void);

#endif
