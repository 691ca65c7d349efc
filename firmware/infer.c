#include "infer.h"

#include "cpu.h"
#include "network.h"
#include "port.h"

uint32_t pqk_infer(uint32_t *ticks) {
    uint32_t mask = pqk_cpu_mask_interrupts();
    uint32_t first = pqk_timer_ticks();
    for (uint32_t layer = 0; layer < PQK_LAYERS; layer++) {
        uint32_t start = pqk_timer_ticks();
        pqk_network_run_layer(layer);
        ticks[layer] = pqk_timer_ticks() - start;
    }
    uint32_t total = pqk_timer_ticks() - first;
    pqk_cpu_restore_interrupts(mask);
    return total;
}
