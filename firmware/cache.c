#include "cache.h"

#include <stdint.h>

#include "board.h"

#if PQK_CACHES

#include "cpu.h"

/* System Control Block (ARMv7-M ARM, B3.2.2, and B3.2.8 for CCR). */
#define SCB_CCR (*(volatile uint32_t *)0xE000ED14u)
#define SCB_CCSIDR (*(volatile uint32_t *)0xE000ED80u)
#define SCB_CSSELR (*(volatile uint32_t *)0xE000ED84u)
#define SCB_ICIALLU (*(volatile uint32_t *)0xE000EF50u)
#define SCB_DCISW (*(volatile uint32_t *)0xE000EF60u)

#define CCR_DATA (1u << 16)
#define CCR_INSTRUCTIONS (1u << 17)
#define CSSELR_DATA 0u /* which cache CCSIDR describes: data, level 1 */
#define CCSIDR_SETS(sizes) ((((sizes) >> 13) & 0x7FFFu) + 1u)

/* A Cortex-M7's data cache has four ways and lines of 32 bytes (Cortex-M7 TRM, "L1 caches"). */
#define WAYS 4u
#define WAY_SHIFT 30u
#define SET_SHIFT 5u

/* After reset the caches hold anything, and are to be emptied before they are used. */
void pqk_cache_enable(void) {
    SCB_CSSELR = CSSELR_DATA;
    pqk_cpu_barrier();
    uint32_t sets = CCSIDR_SETS(SCB_CCSIDR);
    for (uint32_t set = 0; set < sets; set++) {
        for (uint32_t way = 0; way < WAYS; way++) {
            SCB_DCISW = way << WAY_SHIFT | set << SET_SHIFT;
        }
    }
    SCB_ICIALLU = 0;
    pqk_cpu_barrier();
    SCB_CCR |= CCR_DATA | CCR_INSTRUCTIONS;
    pqk_cpu_barrier();
}

#else

void pqk_cache_enable(void) {
}

#endif
