/* MLPerf Tiny's text beside our frames: commands that the host sends, and the judge of what the
 * device says to them. The linker sends the calls between line.c and mlperf.c here (--wrap), so
 * the judge knows which commands there were, whatever else was on the line. */
#include <stdio.h>
#include <string.h>

#include "board.h"
#include "fuzz.h"
#include "mlperf.h"
#include "network.h"

#define MOST_TEXT 4096u           /* of a reply */
#define STEP (PQK_TIMER_HZ / 64u) /* of silence */

/* ---- The judge ---- */

/* Since the last reset. */
static struct {
    char bytes[MOST_TEXT]; /* of the reply that is begun or was the last one, and a zero */
    uint32_t count;
    uint32_t line; /* where the last line of it begins */
    int whole;     /* that line is "m-ready" */
    uint32_t replies;
    uint32_t commands;
    uint64_t latest; /* ticks at which a command must be done; 0: there is none */
    uint32_t ends;   /* bytes to the device that may end a command */
} text;

void text_reset(void) {
    memset(&text, 0, sizeof text);
    text.whole = 1;
}

void note_text_byte(uint8_t byte) {
    text.ends += byte == '%';
}

int text_is_whole(void) {
    return text.whole;
}

/* Lines of printable ASCII, none of them empty, that end with CR LF. */
static int fits(uint8_t byte) {
    const uint32_t length = text.count - text.line;
    if (length && text.bytes[text.count - 1u] == '\r') {
        return byte == '\n';
    }
    return (byte >= ' ' && byte <= '~') || (byte == '\r' && length);
}

void judge_text_byte(uint8_t byte) {
    if (text.whole) {
        text.count = text.line = 0;
        text.whole = 0;
    }
    check(fits(byte), "text that is not ASCII in lines");
    check(text.count < MOST_TEXT - 1u, "text without an end");
    text.bytes[text.count++] = (char)byte;
    text.bytes[text.count] = 0;
    if (byte == '\n') {
        text.whole = !strcmp(text.bytes + text.line, "m-ready\r\n");
        text.replies += (uint32_t)text.whole;
        text.line = text.count;
    }
}

static int begins(const char *with) {
    return !strncmp(text.bytes, with, strlen(with));
}

/* What is always the same; the rest is the matter of tests/host/test_mlperf_c.py. */
static void judge_answer(const char *command) {
    if (!strcmp(command, "name")) {
        check(!strcmp(text.bytes, "m-name-dut-[pqk-mcu]\r\nm-ready\r\n"), "the reply to name");
    } else if (!strcmp(command, "infer")) {
        check(begins("e-[infer ") || begins("m-warmup-start-"), "the reply to infer");
    } else if (!strcmp(command, "timestamp")) {
        check(begins("m-lap-us-"), "the reply to timestamp");
    }
}

static void judge_one_more(uint32_t replies) {
    check(text.whole && text.replies == replies + 1u, "other than one reply to a command");
    check(++text.commands <= text.ends, "more commands than were sent");
}

void judge_time(void) {
    check(!text.latest || ticks() <= text.latest, "it computes for longer than it may");
}

void __real_pqk_mlperf_command(char *command);
void __wrap_pqk_mlperf_command(char *command);
void __real_pqk_mlperf_too_long(void);
void __wrap_pqk_mlperf_too_long(void);

/* An inference takes PQK_LAYERS seconds; looks at the clock take ticks, too. */
void __wrap_pqk_mlperf_command(char *command) {
    const uint64_t most = (uint64_t)(PQK_MLPERF_SECONDS + PQK_LAYERS + 1u) * PQK_TIMER_HZ;
    const uint32_t replies = text.replies;
    check(strlen(command) <= PQK_MLPERF_MOST, "a command that is too long");
    text.latest = ticks() + most;
    __real_pqk_mlperf_command(command);
    text.latest = 0;
    judge_one_more(replies);
    judge_answer(command + strspn(command, " "));
}

void __wrap_pqk_mlperf_too_long(void) {
    const uint32_t replies = text.replies;
    __real_pqk_mlperf_too_long();
    judge_one_more(replies);
    check(!strcmp(text.bytes, "e-[Command too long]\r\nm-ready\r\n"), "the reply to too much");
}

/* How many commands bytes make. */
static uint32_t commands_by(const char *bytes, uint32_t count) {
    const uint32_t before = text.commands;
    put_on_line((const uint8_t *)bytes, count);
    run_line();
    return text.commands - before;
}

void judge_name(void) {
    run_line(); /* what an input has left on it */
    check(commands_by("\0", 1) <= 1u, "more than one command by a zero");
    check(commands_by("%\0", 2) == 1u, "it does not answer to nothing");
    check(commands_by("name%", 5) == 1u && begins("m-name-"), "it does not answer to name");
}

/* ---- Commands ---- */

/* # stands for a number, $ for bytes in hexadecimal digits. */
static const char *const dictionary[] = {
    "name", "profile",   "timestamp", "help", "results", "db print", "db load #",
    "db $", "infer # #", "infer",     "db",   "#",       "",         "infer #",
};
#define WORDS (sizeof dictionary / sizeof dictionary[0])
#define SILENCE 0x10u /* in place of a command */
#define DAMAGED 0x20u /* one byte is another one */
#define ENDLESS 0x40u /* the command lacks its end */
#define MOST_HEX 60u  /* bytes; 31 are what a command holds */
#define MOST_COMMAND (16u + 2u * MOST_HEX)

/* The size of what the network takes, or a number of one to four bytes. */
static uint32_t number_of(source *in) {
    const uint32_t count = take(in, 1) % 5u;
    return count ? take(in, count) : PQK_INPUT_BYTES;
}

/* Bytes that count up. */
static uint32_t hex(source *in, char *out) {
    const uint32_t count = take(in, 1) % MOST_HEX, first = take(in, 1);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(out + 2u * i, 3, "%02x", (first + i) & 0xFFu);
    }
    return 2u * count;
}

static uint32_t spelled(source *in, const char *word, char *out) {
    uint32_t length = 0;
    for (; *word; word++) {
        if (*word == '#') {
            length += (uint32_t)snprintf(out + length, 11, "%u", number_of(in));
        } else if (*word == '$') {
            length += hex(in, out + length);
        } else {
            out[length++] = *word;
        }
    }
    return length;
}

static void send_command(source *in, uint32_t what) {
    char command[MOST_COMMAND];
    uint32_t length = spelled(in, dictionary[(what & 0xFu) % WORDS], command);
    if (!(what & ENDLESS)) {
        command[length++] = '%';
    }
    if (what & DAMAGED && length) {
        const uint32_t place = take(in, 1) % length;
        command[place] = (char)(command[place] ^ (int)take(in, 1));
    }
    put_on_line((const uint8_t *)command, length);
}

/* Its first byte: a word of the dictionary in the lowest four bits, and flags. */
void operate_text(source *in) {
    const uint32_t what = take(in, 1);
    if (what & SILENCE) {
        pass(take(in, 1) * STEP);
    } else {
        send_command(in, what);
    }
}
