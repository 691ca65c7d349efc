#include "mem.h"

#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__)
/* GCC would recognise these loops and turn each function into a call of itself. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

typedef uint32_t __attribute__((may_alias)) word;

#define UNALIGNED(address) (((uintptr_t)(address)) % sizeof(word))

/* What may lie anywhere where the processor loads and stores such words. */
#if defined(__ARM_FEATURE_UNALIGNED)
typedef uint32_t __attribute__((may_alias, aligned(1))) copied;
#define COPIES_WORDS(to, from) 1
#else
typedef word copied;
#define COPIES_WORDS(to, from) (!UNALIGNED(to) && !UNALIGNED(from))
#endif

/* Ascending addresses, so `to` may overlap `from` where it lies before it. */
static void copy_up(uint8_t *to, const uint8_t *from, size_t count) {
    if (COPIES_WORDS(to, from)) {
        for (; count >= sizeof(word); count -= sizeof(word)) {
            *(copied *)(void *)to = *(const copied *)(const void *)from;
            to += sizeof(word);
            from += sizeof(word);
        }
    }
    while (count--) {
        *to++ = *from++;
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    copy_up(to, from, count);
    return to;
}

void *memmove(void *to, const void *from, size_t count) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if ((uintptr_t)out - (uintptr_t)in >= count) { /* unsigned: also true where `to` lies before */
        copy_up(out, in, count);
    } else {
        while (count--) {
            out[count] = in[count];
        }
    }
    return to;
}

void *memset(void *to, int value, size_t count) {
    uint8_t *out = to;
    for (; count && UNALIGNED(out); count--) {
        *out++ = (uint8_t)value;
    }
    word filled = (uint8_t)value * 0x01010101u;
    for (; count >= sizeof(word); count -= sizeof(word)) {
        *(word *)(void *)out = filled;
        out += sizeof(word);
    }
    while (count--) {
        *out++ = (uint8_t)value;
    }
    return to;
}
