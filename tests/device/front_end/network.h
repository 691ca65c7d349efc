/* A front end in place of a network: the input is one frame's samples, the logits are the bytes of
 * its features, four in each. */
#ifndef PQK_NETWORK_H
#define PQK_NETWORK_H

#include "front_end.h"

#define PQK_BUILD_ID "f407e4df407e4d00"
#define PQK_INPUT_BYTES (2u * PQK_WINDOW)
#define PQK_OUTPUTS ((PQK_FRAME_FEATURES + 3u) / 4u)
#define PQK_LAYERS 1u
#define PQK_ARENA_BYTES 4u
#define PQK_WITH_AUDIO 0
#define PQK_WITH_MLPERF 0

void pqk_network_begin_input(void);
void pqk_network_set_input(uint32_t offset, const uint8_t *bytes, uint32_t n);
void pqk_network_run_layer(uint32_t layer);
const int32_t *pqk_network_logits(void);

#endif
