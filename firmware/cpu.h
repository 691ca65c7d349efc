/* What every Cortex-M has, whatever the board. */
#ifndef PQK_CPU_H
#define PQK_CPU_H

#include <stdint.h>

/* Where the code was compiled for a core without unaligned accesses, makes them fault on a core
 * that has them, too: the board that runs Cortex-M0 code on a Cortex-M3 must not hide one. */
void pqk_cpu_trap_unaligned(void);

/* Returns when all that was written has arrived; what follows is fetched anew. */
void pqk_cpu_barrier(void);

/* Masks interrupts and returns the mask that was in force; faults are still taken. */
uint32_t pqk_cpu_mask_interrupts(void);
void pqk_cpu_restore_interrupts(uint32_t mask);

/* Sleeps until an interrupt is pending, masked or not. */
void pqk_cpu_wait(void);

/* Lets the interrupt controller deliver interrupt `irq`, or has it wait. */
void pqk_cpu_enable_interrupt(uint32_t irq);
void pqk_cpu_disable_interrupt(uint32_t irq);

#endif
