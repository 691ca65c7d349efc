/* From samples, in pieces of any size, to the network's window: every frame's features are computed
 * once, when its last sample arrives, and the last PQK_FRAMES frames are kept.
 *
 * Frame t begins at sample t * PQK_HOP, with PQK_CENTER half a window earlier, where zeros lie
 * before the first sample. Not reentrant. */
#ifndef PQK_FRAMES_H
#define PQK_FRAMES_H

#include <stdint.h>

/* What takes a piece of the window: `count` bytes that stand at `offset` in it. */
typedef void (*pqk_window_reader)(uint32_t offset, const uint8_t *bytes, uint32_t count);

/* Forgets all samples and frames. */
void pqk_frames_reset(void);

/* Takes samples until a frame is complete, or all of them. Returns how many were taken, at least
 * one of `count` > 0; `complete` tells whether they completed a frame, whose features are then
 * there. */
uint32_t pqk_frames_take(const int16_t *samples, uint32_t count, int *complete);

/* Reads the last PQK_FRAMES frames, oldest first, in one or two pieces. Before there were so many,
 * the first ones mean nothing. */
void pqk_frames_read(pqk_window_reader read);

/* The same for `count` > 0 of those frames, from frame `first` on; they begin at offset 0. */
void pqk_frames_read_some(uint32_t first, uint32_t count, pqk_window_reader read);

#endif
