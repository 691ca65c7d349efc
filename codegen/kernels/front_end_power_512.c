/* The power spectrum of 1024 real points; contract in pqk_front_end.h. */
#define POINTS 512u
#define POWER pqk_front_end_power_512

#include "pqk_front_end_power.h"
