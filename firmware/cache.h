/* The processor's own caches. */
#ifndef PQK_CACHE_H
#define PQK_CACHE_H

/* Empties the caches of a Cortex-M7 and switches them on, where the board's TOML file says that it
 * has them; otherwise does nothing. Nothing but the processor writes to memory here, so they need
 * no care afterwards. */
void pqk_cache_enable(void);

#endif
