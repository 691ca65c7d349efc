/* A stand-in for a generated front end, whose sizes are written before this. */
#ifndef PQK_FRONT_END_CONFIG_H
#define PQK_FRONT_END_CONFIG_H

#include "pqk_front_end.h"

#define PQK_FRONT_END_SCRATCH 16u

extern const pqk_front_end pqk_front_end_tables;

#endif
