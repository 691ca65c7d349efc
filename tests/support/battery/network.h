/* What firmware sees of the battery; see device.c. */
#ifndef PQK_NETWORK_H
#define PQK_NETWORK_H

#include <stdint.h>

#include "cases.h"

#define PQK_BUILD_ID "ba77e41ba77e41ba"
#define PQK_INPUT_BYTES 2u
#define PQK_OUTPUTS 4u
#define PQK_LAYERS 1u
#define PQK_ARENA_BYTES BATTERY_ARENA
#define PQK_WITH_AUDIO 0
#define PQK_WITH_MLPERF 0

void pqk_network_begin_input(void);
void pqk_network_set_input(uint32_t offset, const uint8_t *bytes, uint32_t n);
void pqk_network_run_layer(uint32_t layer);
const int32_t *pqk_network_logits(void);

#endif
