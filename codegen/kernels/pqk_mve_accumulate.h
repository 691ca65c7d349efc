/* All weights of an output channel into a tile of accumulators: the inner loop, in assembly because
 * GCC 12 takes 22 instructions an entry for what needs 14. The file that includes this has defined
 * lanes_t, TERM (one vector: load, multiply, accumulate), LOAD_u and LOAD_s (its load instruction),
 * and WEIGHT (what an entry needs to become a scalar operand). */
#ifndef PQK_MVE_ACCUMULATE_H
#define PQK_MVE_ACCUMULATE_H

#define UNROLL _Pragma("GCC unroll 6")

#define TERMS_2(load, w) TERM(load, 0, w) TERM(load, 1, w)
#define TERMS_3(load, w) TERMS_2(load, w) TERM(load, 2, w)
#define TERMS_6(load, w) TERMS_3(load, w) TERM(load, 3, w) TERM(load, 4, w) TERM(load, 5, w)

#define ENTRY(terms, load, w) "add %[p], %[window], %[" #w "], lsr #16\n\t" WEIGHT(w) terms(load, w)

/* One entry a turn. */
#define ONE_BY_ONE(terms, load)                                                                    \
    "dls lr, %[n]\n"                                                                               \
    "1:\n\t"                                                                                       \
    "ldr %[w0], [%[entry]], #4\n\t" ENTRY(terms, load, w0) /**/                                    \
        "le lr, 1b"

/* Two entries a turn; with an odd number of them the first turn begins in the middle. */
#define IN_PAIRS(terms, load)                                                                      \
    "lsrs %[n], %[n], #1\n\t"                                                                      \
    "adc %[n], %[n], #0\n\t"                                                                       \
    "dls lr, %[n]\n\t"                                                                             \
    "bcc 1f\n\t"                                                                                   \
    "ldr %[w1], [%[entry]], #4\n\t"                                                                \
    "b 2f\n"                                                                                       \
    "1:\n\t"                                                                                       \
    "ldrd %[w0], %[w1], [%[entry]], #8\n\t" ENTRY(terms, load, w0) /**/                            \
        "2:\n\t" ENTRY(terms, load, w1)                            /**/                            \
        "le lr, 1b"

#define ACCUMULATE(loop, terms, load, ...)                                                         \
    __asm volatile(loop(terms, load)                                                               \
                   : __VA_ARGS__, [x] "=&w"(x), [p] "=&l"(p), [w0] "=&r"(w0), [w1] "=&r"(w1),      \
                     [entry] "+&r"(entry), [n] "+&r"(n)                                            \
                   : [window] "r"(window)                                                          \
                   : "lr", "cc", "memory")

#define ACC(k) [a##k] "+&w"(acc[k])

/* `vectors`, a constant, is 2, 3 or 6; at least one entry. */
PQK_INLINE void accumulate(lanes_t *acc, uint32_t vectors, const uint32_t *entry, uint32_t n,
                           const uint8_t *window, int is_signed) {
    lanes_t x;
    const uint8_t *p;
    uint32_t w0;
    uint32_t w1;
    /* Vector loads that widen to 32 bits take their address from a low register ("l"). */
    if (vectors == 6 && is_signed) {
        ACCUMULATE(IN_PAIRS, TERMS_6, LOAD_s, ACC(0), ACC(1), ACC(2), ACC(3), ACC(4), ACC(5));
    } else if (vectors == 6) {
        ACCUMULATE(IN_PAIRS, TERMS_6, LOAD_u, ACC(0), ACC(1), ACC(2), ACC(3), ACC(4), ACC(5));
    } else if (vectors == 3 && is_signed) {
        ACCUMULATE(ONE_BY_ONE, TERMS_3, LOAD_s, ACC(0), ACC(1), ACC(2));
    } else if (vectors == 3) {
        ACCUMULATE(ONE_BY_ONE, TERMS_3, LOAD_u, ACC(0), ACC(1), ACC(2));
    } else if (is_signed) {
        ACCUMULATE(ONE_BY_ONE, TERMS_2, LOAD_s, ACC(0), ACC(1));
    } else {
        ACCUMULATE(ONE_BY_ONE, TERMS_2, LOAD_u, ACC(0), ACC(1));
    }
}

#endif
