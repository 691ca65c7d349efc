/* The power spectrum of 512 real points; contract in pqk_front_end.h. */
#define POINTS 256u
#define POWER pqk_front_end_power_256

#include "pqk_front_end_power.h"
