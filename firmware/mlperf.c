#include "mlperf.h"

#include "board.h"
#include "infer.h"
#include "mlperf_model.h"
#include "network.h"
#include "port.h"
#include "pqk_decision.h"
#include "protocol.h"
#include "text.h"
#include "uart.h"

#define PROFILE "ULPMark for tinyML Firmware V0.0.1" /* what the runner expects to read */
#define VENDOR "pqk-mcu"

#define BYTES_A_LINE 8u     /* of `db print` */
#define MOST_DIGITS 9u      /* of a number in a command */
#define DEFAULT_WARMUPS 10u /* of `infer` */
#define MOST_TICKS ((uint64_t)PQK_MLPERF_SECONDS * PQK_TIMER_HZ)
#define MOST_UNTIMED 1000u /* inferences while the timer stands still */

#define MILLION 1000000u
#define DECIMALS 6u /* of a result */

static char *rest; /* of the command that is carried out */

static uint8_t input[PQK_INPUT_BYTES];
static uint32_t expected; /* bytes that `db load` has announced */
static uint32_t loaded;   /* of them */

static uint32_t results[PQK_OUTPUTS]; /* of the last inference, in millionths */
static uint8_t inferred;              /* there was one */

static uint64_t elapsed; /* ticks from the clock's start to `last_look` */
static uint32_t last_look;

/* ---- printing ---- */

static void say(const char *text) {
    pqk_text(text);
    pqk_text_end();
}

static void say_with(const char *text, uint32_t number, const char *end) {
    pqk_text(text);
    pqk_text_number(number);
    say(end);
}

static void error(const char *text, const char *culprit) {
    pqk_text("e-[");
    pqk_text(text);
    pqk_text(culprit);
    say("]");
}

static void ready(void) {
    say("m-ready");
}

/* ---- reading ---- */

/* Cuts the next token out of the command; 0 where there is none. */
static char *next_token(void) {
    while (*rest == ' ') {
        rest++;
    }
    if (!*rest) {
        return 0;
    }
    char *const token = rest;
    while (*rest && *rest != ' ') {
        rest++;
    }
    if (*rest) {
        *rest++ = 0;
    }
    return token;
}

static int same(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Reads a whole number, at least `least`; returns 0 and leaves `value` where the text is none. */
static int number(const char *token, uint32_t least, uint32_t *value) {
    uint32_t read = 0, digits = 0;
    for (; token[digits] >= '0' && token[digits] <= '9' && digits < MOST_DIGITS; digits++) {
        read = 10u * read + (uint32_t)(token[digits] - '0');
    }
    if (digits == 0 || token[digits] || read < least) {
        return 0;
    }
    *value = read;
    return 1;
}

/* A hexadecimal digit's value, or 16. */
static uint32_t nibble(char digit) {
    if (digit >= '0' && digit <= '9') {
        return (uint32_t)(digit - '0');
    }
    const char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? (uint32_t)(lower - 'a') + 10u : 16u;
}

/* ---- the clock ---- */

static void start_clock(void) {
    elapsed = 0;
    last_look = pqk_port_timer_ticks();
}

/* To be called before the counter goes round, or that round is not counted: see mlperf.h. */
static void look_at_clock(void) {
    const uint32_t now = pqk_port_timer_ticks();
    elapsed += now - last_look;
    last_look = now;
}

/* Whole seconds alone, or the product would not fit after some days. */
static void lap(void) {
    const uint64_t seconds = elapsed / PQK_TIMER_HZ, more = elapsed % PQK_TIMER_HZ;
    say_with("m-lap-us-", (uint32_t)(seconds * MILLION + more * MILLION / PQK_TIMER_HZ), "");
}

/* ---- the buffer ---- */

static void load(const char *token) {
    uint32_t count;
    if (!token || !number(token, 1, &count)) {
        error("db load wants the number of bytes", "");
    } else if (count > PQK_INPUT_BYTES) {
        say_with("e-[db load: the input has ", PQK_INPUT_BYTES, " bytes]");
    } else {
        expected = count;
        loaded = 0;
        say_with("m-[Expecting ", count, " bytes]");
    }
}

static void print_buffer(void) {
    for (uint32_t i = 0; i < loaded; i++) {
        pqk_text(i % BYTES_A_LINE ? "-" : "m-buffer-");
        pqk_text_hex(input[i]);
        if (i % BYTES_A_LINE == BYTES_A_LINE - 1u || i == loaded - 1u) {
            pqk_text_end();
        }
    }
}

/* Takes all the digits or none. Bytes beyond those that were announced are ignored. */
static void add_bytes(const char *digits) {
    uint32_t count = 0;
    while (nibble(digits[count]) < 16u) {
        count++;
    }
    if (digits[count]) {
        error("Invalid hex digit: ", digits);
    } else if (count % 2u) {
        error("Odd number of hex digits: ", digits);
    } else if (loaded == expected) {
        error("db load first", "");
    } else {
        for (uint32_t i = 0; i < count && loaded < expected; i += 2u) {
            input[loaded++] = (uint8_t)(nibble(digits[i]) << 4 | nibble(digits[i + 1u]));
        }
        if (loaded == expected) {
            say("m-load-done");
        }
    }
}

/* ---- commands ---- */

static void name(void) {
    say("m-name-dut-[" VENDOR "]");
}

static void profile(void) {
    say("m-profile-[" PROFILE "]");
    say("m-model-[" PQK_MLPERF_MODEL "]");
}

static void timestamp(void) {
    look_at_clock();
    lap();
}

static void db(void) {
    const char *const token = next_token();
    if (!token) {
        error("db wants load, print or hex digits", "");
    } else if (same(token, "load")) {
        load(next_token());
    } else if (same(token, "print")) {
        print_buffer();
    } else {
        add_bytes(token);
    }
}

static void print_results(void) {
    if (!inferred) {
        error("There was no inference yet", "");
        return;
    }
    static const uint8_t order[PQK_OUTPUTS] = PQK_MLPERF_ORDER;
    pqk_text("m-results-");
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        const uint32_t result = results[order[i]];
        pqk_text(i ? "," : "[");
        pqk_text_number(result / MILLION);
        pqk_text(".");
        pqk_text_digits(result % MILLION, DECIMALS);
    }
    say("]");
}

/* The output that the network decides for: the first of the largest. */
static uint32_t best_of(const int32_t *logits) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < PQK_OUTPUTS; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

/* Logits that are nearly the same have the same probability: a millionth, less than its last bit,
 * makes the runner decide as the network does. */
static void keep_results(const int32_t *logits) {
    static const pqk_logit_scale scale = PQK_MLPERF_SCALE;
    uint16_t probabilities[PQK_OUTPUTS];
    pqk_probabilities(logits, scale, probabilities);
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        results[i] = (uint32_t)((uint64_t)probabilities[i] * MILLION / PQK_ONE);
    }
    const uint32_t best = best_of(logits);
    results[best] += results[best] < MILLION;
    inferred = 1;
}

/* Returns whether that took no more than so many ticks; gives up where it does, and where no time
 * passes at all. */
static int run(uint32_t count, uint64_t most) {
    uint32_t ticks[PQK_LAYERS];
    start_clock();
    uint32_t done = 0;
    for (; done < count && elapsed <= most && (elapsed || done < MOST_UNTIMED); done++) {
        pqk_uart_hold();
        pqk_take_input(0, input, PQK_INPUT_BYTES);
        pqk_infer(ticks);
        pqk_uart_release();
        keep_results(pqk_network_logits());
        look_at_clock();
    }
    return done == count && elapsed <= most;
}

static void too_slow(void) {
    say_with("e-[infer took more than ", PQK_MLPERF_SECONDS, " s, or the timer stands still]");
}

static void run_and_tell(uint32_t count, uint32_t warmups) {
    pqk_protocol_end_input();
    say_with("m-warmup-start-", warmups, "");
    if (!run(warmups, MOST_TICKS)) {
        too_slow();
        return;
    }
    const uint64_t left = MOST_TICKS - elapsed;
    say("m-warmup-done");
    say_with("m-infer-start-", count, "");
    say("m-lap-us-0"); /* before the clock starts: sending takes time */
    if (!run(count, left)) {
        too_slow();
        return;
    }
    lap();
    say("m-infer-done");
    print_results();
}

static void infer(void) {
    uint32_t count = 1, warmups = DEFAULT_WARMUPS;
    const char *const first = next_token();
    const char *const second = first ? next_token() : 0;
    if (first && !number(first, 1, &count)) {
        error("infer wants the number of inferences, not ", first);
    } else if (second && !number(second, 0, &warmups)) {
        error("infer wants the number of warm-ups, not ", second);
    } else if (loaded != PQK_INPUT_BYTES) {
        say_with("e-[infer wants an input: db load ", PQK_INPUT_BYTES, "]");
    } else {
        run_and_tell(count, warmups);
    }
}

static void help(void) {
    say("name, profile, timestamp: who this is, what it runs, microseconds");
    say_with("db load N, db HEX, db print: an input of ", PQK_INPUT_BYTES, " bytes, 31 at a time");
    say("infer N W, results: W + N inferences of it, and what the last one gave");
}

static const struct {
    const char *name;
    void (*run)(void);
} commands[] = {
    {"name", name},   {"profile", profile},       {"timestamp", timestamp}, {"db", db},
    {"infer", infer}, {"results", print_results}, {"help", help},
};

static void carry_out(const char *wanted) {
    for (uint32_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (same(wanted, commands[i].name)) {
            commands[i].run();
            return;
        }
    }
    error("Unknown command: ", wanted);
}

void pqk_mlperf_begin(void) {
    say("m-timestamp-mode-performance");
    say("m-lap-us-0");
    start_clock();
    say("m-init-done");
    ready();
}

void pqk_mlperf_command(char *text) {
    rest = text;
    const char *const wanted = next_token();
    if (wanted) {
        carry_out(wanted);
    }
    ready();
}

void pqk_mlperf_too_long(void) {
    error("Command too long", "");
    ready();
}
