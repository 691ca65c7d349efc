/* A test double of a generated network: same functions, no model. See network.c. */
#ifndef PQK_NETWORK_H
#define PQK_NETWORK_H

#include <stdint.h>

#define PQK_INPUT_BYTES 4040u
#define PQK_OUTPUTS 3u
#define PQK_LAYERS 3u
#define PQK_ARENA_BYTES 4040u
#define PQK_WITH_AUDIO 0
#define PQK_WITH_MLPERF 0
#ifndef PQK_BUILD_ID
#define PQK_BUILD_ID "00112233aabbccdd"
#endif

void pqk_network_begin_input(void);
void pqk_network_set_input(uint32_t offset, const uint8_t *bytes, uint32_t n);
void pqk_network_run_layer(uint32_t layer);
const int32_t *pqk_network_logits(void);

#endif
