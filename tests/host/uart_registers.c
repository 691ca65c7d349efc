/* Memory in place of registers, for a UART driver compiled with -fsanitize=thread: the compiler
 * then calls a function before every access. Prints which registers of the UART are read and
 * written by pqk_port_uart_init(), in order, and what they hold then; or, given a register and what
 * it is to hold, the same of pqk_port_uart_received(). */
#define _DEFAULT_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "board.h"
#include "port.h"

#define PERIPHERALS 0x40000000ul /* where every UART is */
#define PORTS 0x50000000ul       /* and the pins of an nRF */
#define BYTES 0x100000u
#define UART_BYTES 0x1000u

void __tsan_read4(void *address);
void __tsan_write4(void *address);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_init(void);

static void tell(const char *what, const void *address) {
    uintptr_t offset = (uintptr_t)address - PQK_UART_BASE;
    if (offset < UART_BYTES) {
        printf("%s %lx\n", what, (unsigned long)offset);
    }
}

void __tsan_read4(void *address) {
    tell("read", address);
}

void __tsan_write4(void *address) {
    tell("write", address);
}

void __tsan_func_entry(void *caller) {
    (void)caller;
}

void __tsan_func_exit(void) {
}

void __tsan_init(void) {
}

static int mapped(uintptr_t place) {
    void *wanted = (void *)place;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    return mmap(wanted, BYTES, PROT_READ | PROT_WRITE, flags, -1, 0) == wanted;
}

int main(int count, char **words) {
    if (!mapped(PERIPHERALS) || !mapped(PORTS)) {
        return 1;
    }
    volatile uint32_t *const uart = (volatile uint32_t *)(uintptr_t)PQK_UART_BASE;
    if (count == 3) {
        uart[strtoul(words[1], 0, 16) / 4u] = (uint32_t)strtoul(words[2], 0, 16);
        printf("received %x\n", (unsigned)pqk_port_uart_received());
    } else {
        pqk_port_uart_init();
    }
    for (unsigned i = 0; i < UART_BYTES / 4u; i++) {
        if (uart[i] != 0) {
            printf("holds %x %x\n", 4u * i, (unsigned)uart[i]);
        }
    }
    return 0;
}
