/* The front end: one frame of sound becomes one row of the network's input. Stateless; no heap, no
 * libc. Defined by codegen/pqk_codegen/frontend/reference.py, bit for bit.
 */
#ifndef PQK_FRONT_END_H
#define PQK_FRONT_END_H

#include <stdint.h>

/* Constant data made by the generator, see codegen/pqk_codegen/frontend/tables.py. Two 16-bit
 * numbers share a word, the first in the lower half; of a complex number the real part. */
typedef struct pqk_front_end pqk_front_end;
struct pqk_front_end {
    /* pqk_front_end_power_256 or the like; `points` are 256 or the like */
    int32_t (*power)(const pqk_front_end *front_end, const int16_t *samples, uint32_t *power);
    uint16_t window;    /* samples of a frame, an even number from points / 2 to points * 2 */
    uint16_t first_bin; /* of the mel slices, at least 1 */
    uint8_t ahead; /* words of scratch before the spectrum: the sums of bands overtake no powers */
    uint8_t bands;
    uint8_t coefficients;    /* of the DCT; 0: log-mel */
    const uint32_t *hann;    /* window / 2 pairs, 2^-15 */
    const uint8_t *order;    /* points / 4: where the first stage's results go */
    const uint32_t *factors; /* of each later stage of radix 4: three for each butterfly */
    const uint32_t *split;   /* points / 2 + 1 */
    const uint8_t *counts;   /* bands + 1: bins between neighbouring corners of the mel bank */
    const uint16_t *weights; /* of each of these bins, 2^-15 */
    const uint32_t *dct;     /* coefficients rows of (bands + 1) / 2 pairs, 2^-11 */
};

/* samples: `window` of them, aligned to 4 bytes.
 * features: `coefficients` int8 or, if that is 0, `bands` uint8.
 * scratch: `points` + `ahead` words; what they hold does not matter, before or after. */
void pqk_front_end_frame(const pqk_front_end *front_end, const int16_t *samples, uint8_t *features,
                         uint32_t *scratch);

#define PQK_SILENCE INT32_MIN

/* The frame's power spectrum: bin k of 1 .. points - 1 is the signed word k of `power`, times
 * 2^result. Of a frame of zeros the result is PQK_SILENCE and there is no spectrum. */
int32_t pqk_front_end_power_256(const pqk_front_end *front_end, const int16_t *samples,
                                uint32_t *power);
int32_t pqk_front_end_power_512(const pqk_front_end *front_end, const int16_t *samples,
                                uint32_t *power);

#endif
