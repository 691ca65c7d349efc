#include "audio.h"

#include "crc32.h"
#include "port.h"
#include "pqk_spotter.h"
#include "protocol.h"

#define SAMPLE_BYTES 2u
#define STREAM_HEAD (PQK_OFFSET_BYTES + 4u) /* samples begin at a word, which copies faster */
#define BEGIN 1u                            /* of STREAM */

static uint32_t clip_samples; /* of a clip have arrived, in order */
static int streaming;

void pqk_audio_init(void) {
    pqk_set_clock(pqk_port_timer_ticks);
    pqk_init();
}

void pqk_audio_end(void) {
    clip_samples = 0;
    streaming = 0;
}

/* Samples are little-endian on the line and here. */
static const int16_t *samples_at(const uint8_t *bytes) {
    return (const int16_t *)(const void *)bytes;
}

/* ---- AUDIO ---- */

uint32_t pqk_audio_clip(const uint8_t *payload, uint32_t length, pqk_payload *reply) {
    (void)reply; /* an empty one */
    if (length <= PQK_OFFSET_BYTES || (length - PQK_OFFSET_BYTES) % SAMPLE_BYTES) {
        return PQK_ERROR_LENGTH;
    }
    const uint32_t offset = pqk_get(payload, PQK_OFFSET_BYTES);
    const uint32_t count = (length - PQK_OFFSET_BYTES) / SAMPLE_BYTES;
    if ((offset != 0 && offset != clip_samples) || count > PQK_CLIP_SAMPLES - offset) {
        return PQK_ERROR_OFFSET;
    }
    if (offset == 0) {
        pqk_audio_end();
        pqk_clip_begin();
    }
    pqk_push(samples_at(payload + PQK_OFFSET_BYTES), count);
    clip_samples = offset + count;
    if (clip_samples == PQK_CLIP_SAMPLES) {
        pqk_clip_end();
    }
    return 0;
}

int pqk_audio_clip_whole(void) {
    return clip_samples == PQK_CLIP_SAMPLES;
}

uint32_t pqk_audio_clip_ticks(void) {
    return (uint32_t)pqk_get_counters()->front_end_ticks;
}

static uint32_t window_crc;

static void add_to_crc(uint32_t offset, const uint8_t *bytes, uint32_t count) {
    window_crc = pqk_crc32(offset ? window_crc : 0, bytes, count);
}

uint32_t pqk_audio_clip_crc(void) {
    pqk_frames_read(add_to_crc);
    return window_crc;
}

/* ---- STREAM ---- */

/* pqk_init would restore the settings, too. */
static void begin_stream(void) {
    pqk_settings settings;
    pqk_get_settings(&settings);
    pqk_init();
    pqk_set_settings(&settings);
    pqk_audio_end();
    streaming = 1;
}

static uint32_t peak_of(const int16_t *samples, uint32_t count) {
    int32_t peak = 0;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t level = samples[i] < 0 ? -samples[i] : samples[i];
        peak = level > peak ? level : peak;
    }
    return (uint32_t)peak;
}

/* Appends what is detected in the samples, and returns how many that were. */
static uint32_t listen(const int16_t *samples, uint32_t count, pqk_payload *reply) {
    uint32_t detections = 0;
    while (count) {
        const uint32_t hop = count < PQK_HOP ? count : PQK_HOP; /* so that none is ever dropped */
        pqk_detection found;
        pqk_push(samples, hop);
        samples += hop;
        count -= hop;
        while (pqk_poll(&found)) {
            pqk_put(reply, found.word, 1);
            pqk_put(reply, found.score, 2);
            pqk_put(reply, (uint32_t)found.samples, 4);
            pqk_put(reply, (uint32_t)(found.samples >> 32), 4);
            detections++;
        }
    }
    return detections;
}

uint32_t pqk_audio_stream(const uint8_t *payload, uint32_t length, pqk_payload *reply) {
    if (length < STREAM_HEAD || (length - STREAM_HEAD) % SAMPLE_BYTES) {
        return PQK_ERROR_LENGTH;
    }
    const uint32_t position = pqk_get(payload, PQK_OFFSET_BYTES);
    const uint32_t flags = pqk_get(payload + PQK_OFFSET_BYTES, STREAM_HEAD - PQK_OFFSET_BYTES);
    const int16_t *const samples = samples_at(payload + STREAM_HEAD);
    const uint32_t count = (length - STREAM_HEAD) / SAMPLE_BYTES;
    const pqk_counters *const counters = pqk_get_counters();
    if (flags == BEGIN ? position != 0
                       : flags || !streaming || position != (uint32_t)counters->samples) {
        return PQK_ERROR_OFFSET;
    }
    if (flags == BEGIN) {
        begin_stream();
    }
    pqk_payload head = {.bytes = reply->bytes + reply->length}; /* written when it is known */
    reply->length += PQK_STREAM_BYTES;
    const uint32_t detections = listen(samples, count, reply);
    pqk_put(&head, (uint32_t)counters->samples, 4);
    pqk_put(&head, (uint32_t)counters->frames, 4);
    pqk_put(&head, (uint32_t)counters->inferences, 4);
    pqk_put(&head, (uint32_t)counters->front_end_ticks, 4);
    pqk_put(&head, (uint32_t)counters->network_ticks, 4);
    pqk_put(&head, peak_of(samples, count), 2);
    pqk_put(&head, detections, 1);
    return 0;
}

/* ---- SETTINGS ---- */

static int set_settings(const uint8_t *payload) {
    pqk_settings settings = {
        .smoothing = (uint16_t)pqk_get(payload, 2),
        .stride = (uint16_t)pqk_get(payload + 2, 2),
        .refractory = pqk_get(payload + 4, 4),
    };
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        settings.thresholds[i] = (uint16_t)pqk_get(payload + 10 + 2u * i, 2);
    }
    return pqk_set_settings(&settings);
}

uint32_t pqk_audio_settings(const uint8_t *payload, uint32_t length, pqk_payload *reply) {
    if (length != 0) {
        if (length != PQK_SETTINGS_BYTES || pqk_get(payload + 8, 2) != PQK_OUTPUTS) {
            return PQK_ERROR_LENGTH;
        }
        if (!set_settings(payload)) {
            return PQK_ERROR_SETTINGS;
        }
    }
    pqk_settings settings;
    pqk_get_settings(&settings);
    pqk_put(reply, settings.smoothing, 2);
    pqk_put(reply, settings.stride, 2);
    pqk_put(reply, settings.refractory, 4);
    pqk_put(reply, PQK_OUTPUTS, 2);
    for (uint32_t i = 0; i < PQK_OUTPUTS; i++) {
        pqk_put(reply, settings.thresholds[i], 2);
    }
    return 0;
}
