/* The requests about audio: AUDIO, STREAM and SETTINGS of the wire protocol. Only in firmware whose
 * network comes with a front end (PQK_WITH_AUDIO).
 *
 * Requests take their payload, append their reply's to `reply`, and return 0, or a PQK_ERROR_ code,
 * in which case what they have appended means nothing. `payload` is aligned like a number of 32
 * bits. */
#ifndef PQK_AUDIO_H
#define PQK_AUDIO_H

#include <stdint.h>

#include "board.h"
#include "front_end.h"
#include "network.h"
#include "payload.h"

/* No two detections are closer than a hop. One hop may have begun before the payload's samples. */
#define PQK_MOST_DETECTIONS (PQK_LARGEST_PAYLOAD / 2u / PQK_HOP + 1u)
#if PQK_LARGEST_PAYLOAD / 2u / PQK_HOP + 1u > 255u
#error                                                                                             \
    "on the wire the number of detections is one byte: a larger hop or a smaller uart.largest_payload"
#endif
#define PQK_DETECTION_BYTES (1u + 2u + 8u)
#define PQK_STREAM_BYTES (5u * 4u + 2u + 1u)

/* Bytes of the largest reply below. */
#define PQK_STREAM_REPLY_BYTES (PQK_STREAM_BYTES + PQK_MOST_DETECTIONS * PQK_DETECTION_BYTES)
#define PQK_SETTINGS_BYTES (2u + 2u + 4u + 2u + 2u * PQK_OUTPUTS)
#define PQK_AUDIO_REPLY_BYTES                                                                      \
    (PQK_STREAM_REPLY_BYTES > PQK_SETTINGS_BYTES ? PQK_STREAM_REPLY_BYTES : PQK_SETTINGS_BYTES)

/* After reset. */
void pqk_audio_init(void);

/* Ends whatever clip or stream there is; the next one begins anew. Settings stay. */
void pqk_audio_end(void);

uint32_t pqk_audio_clip(const uint8_t *payload, uint32_t length, pqk_payload *reply);
uint32_t pqk_audio_stream(const uint8_t *payload, uint32_t length, pqk_payload *reply);
uint32_t pqk_audio_settings(const uint8_t *payload, uint32_t length, pqk_payload *reply);

/* Whether a whole clip waits for RUN. */
int pqk_audio_clip_whole(void);

/* Of that clip: ticks that its features took, and their CRC-32. */
uint32_t pqk_audio_clip_ticks(void);
uint32_t pqk_audio_clip_crc(void);

#endif
