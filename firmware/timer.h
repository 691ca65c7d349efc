/* Whether the board's timer can be trusted at all. */
#ifndef PQK_TIMER_H
#define PQK_TIMER_H

/* Looks at the timer for a while; 0 if it stands still. */
int pqk_timer_moves(void);

#endif
