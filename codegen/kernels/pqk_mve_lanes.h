/* What conv2d_mve16.c and conv2d_mve32.c do with vectors, lane by lane in plain C: the same numbers
 * for a core without MVE. The file that includes this has defined LANES and sum_t, an unsigned type
 * of a lane's width. */
#ifndef PQK_MVE_LANES_H
#define PQK_MVE_LANES_H

#define UNROLL

typedef struct {
    sum_t lane[LANES];
} lanes_t;

PQK_INLINE lanes_t start(int32_t value) {
    lanes_t result;
    for (uint32_t i = 0; i < LANES; i++) {
        result.lane[i] = (sum_t)value;
    }
    return result;
}

PQK_INLINE lanes_t rectify(lanes_t acc, uint32_t floor) {
    for (uint32_t i = 0; i < LANES; i++) {
        acc.lane[i] = (sum_t)(acc.lane[i] > floor ? acc.lane[i] - floor : 0);
    }
    return acc;
}

PQK_INLINE lanes_t add(lanes_t a, lanes_t b) {
    for (uint32_t i = 0; i < LANES; i++) {
        a.lane[i] = (sum_t)(a.lane[i] + b.lane[i]);
    }
    return a;
}

PQK_INLINE void keep(sum_t *to, lanes_t sums) {
    for (uint32_t i = 0; i < LANES; i++) {
        to[i] = sums.lane[i];
    }
}

static void store(uint8_t *out, lanes_t sums, int32_t multiplier, uint8_t maximum) {
    for (uint32_t i = 0; i < LANES; i++) {
        out[i] = pqk_requantize((int32_t)sums.lane[i], multiplier, 32, maximum);
    }
}

static lanes_t windows(const sum_t *sums, uint32_t width) {
    lanes_t total = start(0);
    for (uint32_t i = 0; i < LANES * width; i++) {
        total.lane[i / width] = (sum_t)(total.lane[i / width] + sums[i]);
    }
    return total;
}

static void accumulate(lanes_t *acc, uint32_t vectors, const uint32_t *entry, uint32_t n,
                       const uint8_t *window, int is_signed) {
    for (; n > 0; n--) {
        const uint32_t weight = ((*entry & 0xFFFFu) ^ 0x8000u) - 0x8000u;
        const uint8_t *p = window + (*entry++ >> 16);
        for (uint32_t i = 0; i < vectors * LANES; i++) {
            sum_t *lane = &acc[i / LANES].lane[i % LANES];
            *lane = (sum_t)(*lane + weight * (uint32_t)pqk_element(p[i], is_signed));
        }
    }
}

#endif
