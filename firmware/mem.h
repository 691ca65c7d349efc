/* The three functions that a compiler may call without being asked (GCC manual, "Standards"). */
#ifndef PQK_MEM_H
#define PQK_MEM_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);

#endif
