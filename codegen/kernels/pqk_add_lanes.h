/* Residual addition of whole words on lanes, for a C file that says how words are added; contract
 * in pqk_kernels.h.
 *
 * The file defines
 *   add(a, b, output, words, bits): any number of words, in C;
 *   GROUP: how many words the fast loop adds in a turn;
 *   DEFINE_GROUPS(bits), where there are instructions for it: groups_u<bits>(a, b, output, groups),
 *       that loop, for at least one group;
 *   KERNEL(suffix): the name of the functions. */
#ifndef PQK_ADD_LANES_H
#define PQK_ADD_LANES_H

#include "pqk_lanes.h"

#ifndef DEFINE_GROUPS
#define DEFINE_GROUPS(bits)                                                                        \
    static void groups_u##bits(const uint32_t *a, const uint32_t *b, uint32_t *output,             \
                               uint32_t groups) {                                                  \
        add(a, b, output, GROUP *groups, bits);                                                    \
    }
#endif

#define DEFINE(bits)                                                                               \
    DEFINE_GROUPS(bits)                                                                            \
    void KERNEL(_u##bits)(const pqk_add_lanes_t *layer, const uint32_t *a, const uint32_t *b,      \
                          uint32_t *output) {                                                      \
        const uint32_t groups = layer->words / GROUP;                                              \
        const uint32_t done = groups * GROUP;                                                      \
        if (groups) {                                                                              \
            groups_u##bits(a, b, output, groups);                                                  \
        }                                                                                          \
        add(a + done, b + done, output + done, layer->words - done, bits);                         \
    }

PQK_FOR_ALL_BITS(DEFINE)

#endif
