/* Memory in place of registers, for firmware/setup.c compiled with -fsanitize=thread: the compiler
 * then calls a function before every access, which is where hardware can do its part. Writes what
 * is read and written, and what comes of it. */
#define _DEFAULT_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "cpu.h"
#include "setup.h"

#define BASE 0x70000000ul /* as the test has it */
#define BYTES 4096u
#define READY 1u /* register that has its bit 4 set when it is read for the hundredth time */
#define REGISTERS 4u

static volatile uint32_t *const registers = (volatile uint32_t *)BASE;
static unsigned long reads[REGISTERS];

static int place(const void *address) {
    uintptr_t offset = (uintptr_t)address - BASE;
    return offset < REGISTERS * 4u ? (int)(offset / 4u) : -1;
}

void __tsan_read4(void *address);
void __tsan_write4(void *address);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_init(void);

void __tsan_read4(void *address) {
    int number = place(address);
    if (number >= 0 && ++reads[number] == 100u && number == (int)READY) {
        registers[READY] |= 0x10u;
    }
}

void __tsan_write4(void *address) {
    if (place(address) >= 0) {
        printf("write %d\n", place(address));
    }
}

void __tsan_func_entry(void *caller) {
    (void)caller;
}

void __tsan_func_exit(void) {
}

void __tsan_init(void) {
}

void pqk_cpu_barrier(void) {
    printf("barrier\n");
}

int main(void) {
    void *wanted = (void *)BASE;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (mmap(wanted, BYTES, PROT_READ | PROT_WRITE, flags, -1, 0) != wanted) {
        return 1;
    }
    for (uint32_t i = 0; i < REGISTERS; i++) {
        registers[i] = 0xFFFF0000u;
    }
    pqk_setup();
    printf("stuck %u\n", (unsigned)pqk_setup_stuck());
    for (uint32_t i = 0; i < REGISTERS; i++) {
        printf("%lu reads, %08x\n", reads[i], (unsigned)registers[i]);
    }
    return 0;
}
