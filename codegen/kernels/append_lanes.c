/* Rows that earlier runs have seen, and the new ones, on lanes; contract in pqk_kernels.h. */
#include "pqk_arithmetic.h"
#include "pqk_kernels.h"

#define GROUP 4u

/* A row of one channel after the other. Elements of lanes are bytes, too, that lie 4 apart: the
 * lower ones first, the upper ones 2 behind (all cores here are little-endian). */
typedef struct {
    const uint8_t *bytes;
    uint32_t step;  /* bytes from one element to the next; 0: there are only zeros */
    uint32_t plane; /* bytes from one channel to the next */
} row_t;

/* Row `row` of the history and the new rows behind it. */
static row_t find(const pqk_append_lanes_t *layer, const uint32_t *input, const uint8_t *state,
                  uint32_t row) {
    const pqk_lanes_t *const lanes = &layer->input;
    if (row < layer->history) {
        return (row_t){state + row * lanes->width, 1, (uint32_t)layer->history * lanes->width};
    }
    const uint32_t y = row - layer->history;
    const uint32_t is_upper = y >= lanes->rows;
    const uint32_t *const word =
        input + lanes->origin + (is_upper ? y - lanes->rows : y) * lanes->row;
    return (row_t){(const uint8_t *)word + 2 * is_upper, 4, 4 * lanes->plane};
}

#if defined(__thumb__)
/* GROUP words at once. */
PQK_INLINE void copy_group(uint32_t **to, const uint32_t **from) {
    __asm volatile("ldmia %0!, {r2, r3, r4, r5}\n"
                   "stmia %1!, {r2, r3, r4, r5}\n"
                   : "+l"(*from), "+l"(*to)
                   :
                   : "r2", "r3", "r4", "r5", "memory");
}
#else
PQK_INLINE void copy_group(uint32_t **to, const uint32_t **from) {
    for (uint32_t x = 0; x < GROUP; x++) {
        *(*to)++ = *(*from)++;
    }
}
#endif

PQK_INLINE void copy(uint32_t *to, const uint32_t *from, uint32_t count) {
    for (uint32_t groups = count / GROUP; groups > 0; groups--) {
        copy_group(&to, &from);
    }
    for (uint32_t rest = count % GROUP; rest > 0; rest--) {
        *to++ = *from++;
    }
}

PQK_INLINE void zero(uint32_t *to, uint32_t count) {
    for (; count > 0; count--) {
        *to++ = 0;
    }
}

/* A word from an element of each of two rows; an upper step of 0 stands for zeros. */
PQK_INLINE uint32_t word(const uint8_t *lower, const uint8_t *upper, uint32_t upper_step) {
    return *lower | (upper_step ? (uint32_t)*upper << 16 : 0);
}

/* Words from two rows whose steps are known when this is compiled. */
PQK_INLINE void pair(uint32_t *to, const uint8_t *a, uint32_t i, const uint8_t *b, uint32_t j,
                     uint32_t count) {
    for (uint32_t groups = count / GROUP; groups > 0; groups--) {
        to[0] = word(a, b, j);
        to[1] = word(a + i, b + j, j);
        to[2] = word(a + 2 * i, b + 2 * j, j);
        to[3] = word(a + 3 * i, b + 3 * j, j);
        to += GROUP;
        a += GROUP * i;
        b += GROUP * j;
    }
    for (uint32_t rest = count % GROUP; rest > 0; rest--, a += i, b += j) {
        *to++ = word(a, b, j);
    }
}

PQK_INLINE void keep_row(uint8_t *to, const uint8_t *from, uint32_t step, uint32_t count) {
    for (uint32_t groups = count / GROUP; groups > 0; groups--) {
        to[0] = from[0];
        to[1] = from[step];
        to[2] = from[2 * step];
        to[3] = from[3 * step];
        to += GROUP;
        from += GROUP * step;
    }
    for (uint32_t rest = count % GROUP; rest > 0; rest--, from += step) {
        *to++ = *from;
    }
}

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_UNALIGNED)
/* Rows with new elements a GROUP at once: whole words of lanes, of which one half counts. */
#define IS_UPPER(bytes) ((uintptr_t)(bytes) % 4u)

#define OLD_NEW(pack)                                                                              \
    "ldmia %1!, {r2, r3, r4, r5}\n"                                                                \
    "ldr %3, [%2], #4\n"                                                                           \
    "uxtb r12, %3\n" pack(r2) "uxtb r12, %3, ror #8\n" pack(r3) "uxtb r12, %3, ror #16\n" pack(    \
        r4) "uxtb r12, %3, ror #24\n" pack(r5) "stmia %0!, {r2, r3, r4, r5}\n"
#define PACK_LOWER(word) "pkhbt " #word ", r12, " #word ", lsl #16\n"
#define PACK_UPPER(word) "pkhtb " #word ", " #word ", r12\n"

#define KEEP(pack)                                                                                 \
    "ldmia %1!, {r2, r3, r4, r5}\n"                                                                \
    "orr r2, r2, r3, lsl #8\n"                                                                     \
    "orr r4, r4, r5, lsl #8\n" pack "str r2, [%0], #4\n"

#define RUN_GROUPS(text, ...)                                                                      \
    for (uint32_t groups = count / GROUP; groups > 0; groups--) {                                  \
        __asm volatile(text:__VA_ARGS__ : : "r2", "r3", "r4", "r5", "r12", "memory");              \
    }

PQK_INLINE void old_new(uint32_t *to, const uint8_t *old, const uint8_t *new, uint32_t count) {
    const uint32_t is_upper = IS_UPPER(new);
    const uint8_t *words = new - is_upper;
    uint32_t four;
    if (is_upper) {
        RUN_GROUPS(OLD_NEW(PACK_UPPER), "+r"(to), "+r"(words), "+r"(old), "=&r"(four))
    } else {
        RUN_GROUPS(OLD_NEW(PACK_LOWER), "+r"(to), "+r"(words), "+r"(old), "=&r"(four))
    }
    pair(to, old, 1, words + is_upper, 4, count % GROUP);
}

PQK_INLINE void new_only(uint32_t *to, const uint8_t *new, uint32_t count) {
    if (!IS_UPPER(new)) {
        RUN_GROUPS("ldmia %1!, {r2, r3, r4, r5}\n"
                   "uxth r2, r2\n uxth r3, r3\n uxth r4, r4\n uxth r5, r5\n"
                   "stmia %0!, {r2, r3, r4, r5}\n",
                   "+r"(to), "+r"(new))
        count %= GROUP;
    }
    pair(to, new, 4, new, 0, count);
}

PQK_INLINE void keep_new(uint8_t *to, const uint8_t *new, uint32_t count) {
    const uint32_t is_upper = IS_UPPER(new);
    const uint8_t *words = new - is_upper;
    if (is_upper) {
        RUN_GROUPS(KEEP("pkhtb r2, r4, r2, asr #16\n"), "+r"(to), "+r"(words))
    } else {
        RUN_GROUPS(KEEP("pkhbt r2, r2, r4, lsl #16\n"), "+r"(to), "+r"(words))
    }
    keep_row(to, words + is_upper, 4, count % GROUP);
}
#else
PQK_INLINE void old_new(uint32_t *to, const uint8_t *old, const uint8_t *new, uint32_t count) {
    pair(to, old, 1, new, 4, count);
}

PQK_INLINE void new_only(uint32_t *to, const uint8_t *new, uint32_t count) {
    pair(to, new, 4, new, 0, count);
}

PQK_INLINE void keep_new(uint8_t *to, const uint8_t *new, uint32_t count) {
    keep_row(to, new, 4, count);
}
#endif

/* Functions that write a line of all channels, and the zeros up to the next line. */
#define DEFINE_LINE(name, statement)                                                               \
    static __attribute__((noinline)) void name(const pqk_lanes_t *lanes, uint32_t *to,             \
                                               const row_t *lower, const row_t *upper) {           \
        const uint32_t width = lanes->width, gap = lanes->row - width;                             \
        const uint8_t *a = lower->bytes, *b = upper->bytes;                                        \
        for (uint32_t c = lanes->planes; c > 0; c--) {                                             \
            statement;                                                                             \
            zero(to + width, gap);                                                                 \
            to += lanes->plane;                                                                    \
            a += lower->plane;                                                                     \
            b += upper->plane;                                                                     \
        }                                                                                          \
    }

DEFINE_LINE(copy_line, copy(to, (const uint32_t *)(const void *)a, width))
DEFINE_LINE(zero_line, zero(to, width))
DEFINE_LINE(new_line, new_only(to, a, width))
DEFINE_LINE(old_line, pair(to, a, 1, b, 0, width))
DEFINE_LINE(new_new_line, pair(to, a, 4, b, 4, width))
DEFINE_LINE(old_new_line, old_new(to, a, b, width))
DEFINE_LINE(old_old_line, pair(to, a, 1, b, 1, width))

/* A line of all channels from the rows of its lower and its upper lanes. */
static void write_line(const pqk_lanes_t *lanes, uint32_t *to, const row_t *lower,
                       const row_t *upper) {
    if (lower->step == 4 && upper->bytes == lower->bytes + 2) {
        copy_line(lanes, to, lower, upper);
    } else if (lower->step == 4) {
        (upper->step ? new_new_line : new_line)(lanes, to, lower, upper);
    } else if (lower->step == 0) {
        zero_line(lanes, to, lower, upper);
    } else if (upper->step == 4) {
        old_new_line(lanes, to, lower, upper);
    } else {
        (upper->step ? old_old_line : old_line)(lanes, to, lower, upper);
    }
}

/* Keep a row of all channels: another one than is overwritten, or an earlier one. */
static __attribute__((noinline)) void keep(const row_t *from, uint8_t *to, uint32_t plane,
                                           uint32_t width, uint32_t channels) {
    const uint8_t *bytes = from->bytes;
    for (; channels > 0; channels--) {
        if (from->step == 1) {
            keep_row(to, bytes, 1, width);
        } else {
            keep_new(to, bytes, width);
        }
        to += plane;
        bytes += from->plane;
    }
}

void pqk_append_lanes(const pqk_append_lanes_t *layer, const uint32_t *input, uint32_t *output,
                      uint8_t *state) {
    const pqk_lanes_t *const lanes = &layer->output;
    for (uint32_t c = 0; c < lanes->planes; c++) {
        zero(output + c * lanes->plane, lanes->origin);
    }
    for (uint32_t line = 0; line < layer->lines; line++) {
        row_t lower = {0}, upper = {0};
        if (line < lanes->height) {
            lower = find(layer, input, state, layer->first + line);
        }
        if (line + lanes->rows < lanes->height) {
            upper = find(layer, input, state, layer->first + line + lanes->rows);
        }
        write_line(lanes, output + lanes->origin + line * lanes->row, &lower, &upper);
    }
    const uint32_t width = lanes->width, plane = layer->history * width;
    for (uint32_t y = 0; y < layer->history; y++) { /* what is overwritten was used before */
        const row_t row = find(layer, input, state, y + layer->input.height);
        keep(&row, state + y * width, plane, width, lanes->planes);
    }
}
