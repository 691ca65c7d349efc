#include "cpu.h"

/* NVIC interrupt set-enable registers, one bit an interrupt (ARMv7-M ARM, B3.4.4). ARMv6-M has only
 * the first, and no more than its 32 interrupts. */
#define NVIC_ISER ((volatile uint32_t *)0xE000E100u)
#define NVIC_ICER ((volatile uint32_t *)0xE000E180u) /* and clear-enable */

/* Configuration and Control Register (ARMv7-M ARM, B3.2.8); on ARMv6-M read-only, the bit set. */
#define SCB_CCR (*(volatile uint32_t *)0xE000ED14u)
#define CCR_UNALIGN_TRP (1u << 3)

void pqk_cpu_trap_unaligned(void) {
#ifndef __ARM_FEATURE_UNALIGNED
    SCB_CCR |= CCR_UNALIGN_TRP;
#endif
}

void pqk_cpu_barrier(void) {
    __asm volatile("dsb\n\tisb" ::: "memory");
}

uint32_t pqk_cpu_mask_interrupts(void) {
    uint32_t mask;
    __asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(mask)::"memory");
    return mask;
}

void pqk_cpu_restore_interrupts(uint32_t mask) {
    __asm volatile("msr primask, %0" ::"r"(mask) : "memory");
}

void pqk_cpu_wait(void) {
    __asm volatile("dsb\n\twfi" ::: "memory");
}

void pqk_cpu_enable_interrupt(uint32_t irq) {
    NVIC_ISER[irq / 32u] = 1u << (irq % 32u);
}

void pqk_cpu_disable_interrupt(uint32_t irq) {
    NVIC_ICER[irq / 32u] = 1u << (irq % 32u);
    __asm volatile("dsb\n\tisb" ::: "memory"); /* one may be on its way */
}
