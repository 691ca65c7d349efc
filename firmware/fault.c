#include "fault.h"

#include "board.h"
#include "memory.h"
#include "port.h"
#include "protocol.h"
#include "uart.h"

/* Fault status registers of the System Control Block (ARMv7-M ARM, B3.2.2). A core with only the
 * 16-bit instruction set records no cause (ARMv6-M ARM, B3.2.2): zeros are reported for it. */
#if __ARM_ARCH_ISA_THUMB >= 2
#define FAULT_STATUS(address) (*(volatile uint32_t *)(address))
#else
#define FAULT_STATUS(address) 0u
#endif
#define SCB_CFSR FAULT_STATUS(0xE000ED28u)
#define SCB_HFSR FAULT_STATUS(0xE000ED2Cu)
#define SCB_MMFAR FAULT_STATUS(0xE000ED34u)
#define SCB_BFAR FAULT_STATUS(0xE000ED38u)

#define STACKED_LR 5u /* places in what exception entry pushes: r0-r3, r12, lr, pc, xPSR */
#define STACKED_PC 6u
#define STACKED_XPSR 7u
#define STACKED_WORDS 8u

#define FAULT_STACK_WORDS 96u
#define REPEAT_TICKS (PQK_TIMER_HZ / 2u)

/* A stack of its own: the usual one may be what overflowed. */
uint32_t pqk_fault_stack[FAULT_STACK_WORDS] __attribute__((aligned(8)));

void pqk_fault_report(const uint32_t *frame);

/* Hands the stack pointer of the faulting code over and leaves its stack. Only instructions that
 * every Cortex-M has. */
__attribute__((naked)) void pqk_fault_entry(void) {
    __asm volatile("mov r0, sp\n\t"
                   "ldr r1, =pqk_fault_stack + %c0\n\t"
                   "mov sp, r1\n\t"
                   "ldr r1, =pqk_fault_report\n\t"
                   "bx r1\n\t"
                   ".ltorg" ::"i"(sizeof pqk_fault_stack));
}

/* Where no driver uses the processor's timer, its interrupt is one that should not happen. */
void pqk_port_timer_interrupt(void) __attribute__((weak, alias("pqk_fault_entry")));

static uint32_t exception_number(void) {
    uint32_t ipsr;
    __asm volatile("mrs %0, ipsr" : "=r"(ipsr));
    return ipsr;
}

/* An overflowed stack has no frame: what would be read there faults again and locks the core up. */
static int readable(const uint32_t *frame) {
    return frame >= pqk_stack_bottom && frame + STACKED_WORDS <= pqk_stack_top;
}

__attribute__((used)) void pqk_fault_report(const uint32_t *frame) {
    int whole = readable(frame);
    pqk_fault fault = {
        .exception = exception_number(),
        .pc = whole ? frame[STACKED_PC] : 0,
        .lr = whole ? frame[STACKED_LR] : 0,
        .xpsr = whole ? frame[STACKED_XPSR] : 0,
        .sp = (uint32_t)(uintptr_t)frame,
        .cfsr = SCB_CFSR,
        .hfsr = SCB_HFSR,
        .mmfar = SCB_MMFAR,
        .bfar = SCB_BFAR,
    };
    uint32_t sent = pqk_port_timer_ticks() - REPEAT_TICKS;
    for (;;) { /* once, then for every frame that comes in, and from time to time */
        int32_t byte = pqk_uart_read();
        if (byte == 0 || pqk_port_timer_ticks() - sent >= REPEAT_TICKS) {
            pqk_protocol_send_fault(&fault);
            sent = pqk_port_timer_ticks();
        }
    }
}
