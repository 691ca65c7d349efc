/* Faults are reported over serial, instead of hanging. */
#ifndef PQK_FAULT_H
#define PQK_FAULT_H

/* The handler of every exception that should not happen. */
void pqk_fault_entry(void);

#endif
