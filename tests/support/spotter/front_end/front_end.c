/* A stand-in for a front end: feature f is the sum, over all samples, of the sample times
 * 1 + (f + i) % 7, in its bits 4 to 11. Every sample counts, and so does its place. */
#include "front_end.h"

const pqk_front_end pqk_front_end_tables = {PQK_FRONT_END_SCRATCH};

void pqk_front_end_frame(const pqk_front_end *front_end, const int16_t *samples, uint8_t *features,
                         uint32_t *scratch) {
    for (uint32_t i = 0; i < front_end->scratch; i++) {
        scratch[i] = 0xA5A5A5A5u; /* nobody else may want anything here */
    }
    for (uint32_t f = 0; f < PQK_FRAME_FEATURES; f++) {
        int32_t sum = 0;
        for (uint32_t i = 0; i < PQK_WINDOW; i++) {
            sum += samples[i] * (int32_t)(1u + (f + i) % 7u);
        }
        features[f] = (uint8_t)((uint32_t)sum >> 4);
    }
    if ((uintptr_t)samples % 4u || (uintptr_t)scratch % 8u) {
        features[0] = (uint8_t)(features[0] + 1u); /* tests notice */
    }
}
