/* Convolution over packed nonzero weights; contract in pqk_kernels.h. */
#include "pqk_conv2d_loop.h"

typedef struct {
    const uint8_t *entry; /* first entry of the channel */
    const uint8_t *end;
    const uint32_t *taps;
} stream_t;

PQK_INLINE void dot4_nibbles(const void *weights, const uint8_t *window, uint32_t step,
                             int is_signed, int32_t sums[4]) {
    const stream_t *stream = weights;
    const uint32_t *tap = stream->taps;
    for (const uint8_t *entry = stream->entry; entry < stream->end; entry++) {
        tap += *entry >> 4;
        pqk_multiply4(window + *tap++, step, (int32_t)((*entry & 15u) ^ 8u) - 8, is_signed, sums);
    }
}

PQK_INLINE void dot4_bytes(const void *weights, const uint8_t *window, uint32_t step, int is_signed,
                           int32_t sums[4]) {
    const stream_t *stream = weights;
    const uint32_t *tap = stream->taps;
    for (const uint8_t *entry = stream->entry; entry < stream->end; entry += 2) {
        tap += entry[0];
        pqk_multiply4(window + *tap++, step, pqk_element(entry[1], 1), is_signed, sums);
    }
}

PQK_INLINE void dot4_nibbles_u8(const void *weights, const uint8_t *window, uint32_t step,
                                int32_t sums[4]) {
    dot4_nibbles(weights, window, step, 0, sums);
}

PQK_INLINE void dot4_nibbles_s8(const void *weights, const uint8_t *window, uint32_t step,
                                int32_t sums[4]) {
    dot4_nibbles(weights, window, step, 1, sums);
}

PQK_INLINE void dot4_bytes_u8(const void *weights, const uint8_t *window, uint32_t step,
                              int32_t sums[4]) {
    dot4_bytes(weights, window, step, 0, sums);
}

PQK_INLINE void dot4_bytes_s8(const void *weights, const uint8_t *window, uint32_t step,
                              int32_t sums[4]) {
    dot4_bytes(weights, window, step, 1, sums);
}

PQK_INLINE void run(const pqk_conv2d_sparse_t *layer, const uint8_t *input, uint8_t *output,
                    uint32_t entry_bytes, pqk_dot4_t dot) {
    const uint8_t *entry = layer->entries;
    for (uint32_t channel = 0; channel < layer->common.output.channels; channel++) {
        const uint8_t *end = entry + layer->lengths[channel] * entry_bytes;
        const stream_t stream = {entry, end, layer->taps};
        pqk_conv2d_channel(&layer->common, channel, input, output, dot, &stream);
        entry = end;
    }
}

void pqk_conv2d_sparse4_u8(const pqk_conv2d_sparse_t *layer, const uint8_t *input,
                           uint8_t *output) {
    run(layer, input, output, 1, dot4_nibbles_u8);
}

void pqk_conv2d_sparse4_s8(const pqk_conv2d_sparse_t *layer, const uint8_t *input,
                           uint8_t *output) {
    run(layer, input, output, 1, dot4_nibbles_s8);
}

void pqk_conv2d_sparse8_u8(const pqk_conv2d_sparse_t *layer, const uint8_t *input,
                           uint8_t *output) {
    run(layer, input, output, 2, dot4_bytes_u8);
}

void pqk_conv2d_sparse8_s8(const pqk_conv2d_sparse_t *layer, const uint8_t *input,
                           uint8_t *output) {
    run(layer, input, output, 2, dot4_bytes_s8);
}
