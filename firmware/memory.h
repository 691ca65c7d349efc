/* Addresses that the linker script defines. Sizes are differences of two of them. */
#ifndef PQK_MEMORY_H
#define PQK_MEMORY_H

#include <stdint.h>

extern uint32_t pqk_stack_bottom[]; /* the lowest word of RAM: beyond it lies no memory, so */
extern uint32_t pqk_stack_top[];    /* an overflow faults instead of overwriting something */
extern uint32_t pqk_data_start[];
extern uint32_t pqk_data_end[];
extern const uint32_t pqk_data_load[]; /* where flash holds the initial values of .data */
extern uint32_t pqk_bss_start[];
extern uint32_t pqk_bss_end[];
extern const uint8_t pqk_flash_start[];
extern const uint8_t pqk_flash_end[];

#endif
