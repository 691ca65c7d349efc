/* How much of the board's memory the firmware takes. */
#ifndef PQK_USAGE_H
#define PQK_USAGE_H

#include <stdint.h>

typedef struct {
    uint32_t flash; /* bytes of code and constants, initial values included */
    uint32_t ram;   /* bytes of variables and of the stack's reserve */
    uint32_t stack; /* bytes of that reserve */
    uint32_t stack_high_water;
} pqk_memory_usage;

pqk_memory_usage pqk_usage(void);

#endif
