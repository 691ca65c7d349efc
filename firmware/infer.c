#include "infer.h"

#include "network.h"
#include "port.h"

#if PQK_WITH_AUDIO
#include "pqk_spotter.h"
#endif

static uint32_t input_ticks;

void pqk_take_input(uint32_t offset, const uint8_t *bytes, uint32_t count) {
    uint32_t first = pqk_port_timer_ticks();
    if (offset == 0) {
        input_ticks = 0;
        pqk_network_begin_input();
    }
    pqk_network_set_input(offset, bytes, count);
    input_ticks += pqk_port_timer_ticks() - first;
}

#if PQK_WITH_AUDIO
void pqk_take_clip(void) {
    uint32_t first = pqk_port_timer_ticks();
    pqk_window_input();
    input_ticks = pqk_port_timer_ticks() - first;
}
#endif

uint32_t pqk_infer(uint32_t *ticks) {
    uint32_t first = pqk_port_timer_ticks();
    for (uint32_t layer = 0; layer < PQK_LAYERS; layer++) {
        uint32_t start = pqk_port_timer_ticks();
        pqk_network_run_layer(layer);
        ticks[layer] = pqk_port_timer_ticks() - start;
    }
    uint32_t total = pqk_port_timer_ticks() - first;
    return input_ticks + total;
}
