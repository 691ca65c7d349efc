/* See network.h. */
#include "network.h"

uint8_t pqk_arena[PQK_ARENA_BYTES];
static int16_t samples[PQK_WINDOW] __attribute__((aligned(4)));
static int32_t logits[PQK_OUTPUTS];
static uint32_t scratch[PQK_FRONT_END_SCRATCH];

const char *const pqk_network_labels[PQK_OUTPUTS];

void pqk_network_begin_input(void) {
}

void pqk_network_set_input(uint32_t offset, const uint8_t *bytes, uint32_t n) {
    __builtin_memcpy((uint8_t *)samples + offset, bytes, n);
}

void pqk_network_run_layer(uint32_t layer) {
    (void)layer;
    pqk_front_end_frame(&pqk_front_end_tables, samples, (uint8_t *)logits, scratch);
}

const int32_t *pqk_network_logits(void) {
    return logits;
}
