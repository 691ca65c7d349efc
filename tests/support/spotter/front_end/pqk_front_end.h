/* A stand-in for the front end; see front_end.c. */
#ifndef PQK_FRONT_END_H
#define PQK_FRONT_END_H

#include <stdint.h>

typedef struct {
    uint32_t scratch;
} pqk_front_end;

void pqk_front_end_frame(const pqk_front_end *front_end, const int16_t *samples, uint8_t *features,
                         uint32_t *scratch);

#endif
