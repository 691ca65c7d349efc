"""The whole arena after every layer, as it must be: what a layer may change, and everything that it may not.

A wrapper round generated C fills the arena with a pattern, runs layer by layer and tells the arena's contents: all of
it on the host, and a checksum a layer in place of the logits on a device, where the network needs as many classes as
layers.
"""

from pathlib import Path

import numpy as np
from pqk_codegen.generate import generate
from pqk_codegen.interpreter import run
from pqk_codegen.ir import Network
from pqk_codegen.layout import Buffer, Planes
from pqk_codegen.plan import Plan

WRAPPER = """
#define pqk_network_begin_input inner_begin_input
#define pqk_network_run_layer inner_run_layer
#define pqk_network_logits inner_logits
#include "generated.inc"
#undef pqk_network_begin_input
#undef pqk_network_run_layer
#undef pqk_network_logits
static int32_t sums[PQK_LAYERS];
void pqk_network_begin_input(void);
void pqk_network_run_layer(uint32_t layer);
const int32_t *pqk_network_logits(void);
const uint8_t *arena_bytes(void);
void pqk_network_begin_input(void) {
    uint8_t *bytes = (uint8_t *)pqk_arena;
    for (uint32_t i = 0; i < PQK_ARENA_BYTES; i++) bytes[i] = (uint8_t)(i * 7u + 1u);
    inner_begin_input();
}
void pqk_network_run_layer(uint32_t layer) {
    const uint8_t *bytes = (const uint8_t *)pqk_arena;
    uint32_t sum = 0;
    inner_run_layer(layer);
    for (uint32_t i = 0; i < PQK_ARENA_BYTES; i++) sum = sum * 31u + bytes[i];
    sums[layer] = (int32_t)sum;
}
const int32_t *pqk_network_logits(void) { return sums; }
const uint8_t *arena_bytes(void) { return (const uint8_t *)pqk_arena; }
"""

MAIN = """
#include <stdio.h>
#include "network.h"
const uint8_t *arena_bytes(void);
int main(void) {
    static unsigned char clip[PQK_INPUT_BYTES];
    while (fread(clip, 1, sizeof clip, stdin) == sizeof clip) {
        pqk_network_begin_input();
        pqk_network_set_input(0, clip, PQK_INPUT_BYTES);
        for (uint32_t layer = 0; layer < PQK_LAYERS; layer++) {
            pqk_network_run_layer(layer);
            fwrite(arena_bytes(), 1, PQK_ARENA_BYTES, stdout);
        }
    }
    return 0;
}
"""


def write(plan: Plan, directory: Path) -> str:
    """Generate the C of `plan` into `directory` with the wrapper round it, and return its build id."""
    build_id = generate(plan, directory)
    (directory / "network.c").rename(directory / "generated.inc")
    (directory / "network.c").write_text(WRAPPER)
    return build_id


def expected(plan: Plan, network: Network, clip: np.ndarray) -> np.ndarray:
    """uint8 [layers, arena bytes] for one clip [channels, height, width]."""
    arena = ((np.arange(plan.arena) * 7 + 1) % 256).astype(np.uint8)
    values = run(network, clip[None])
    _clear(arena, plan.buffers[network.input])
    _put(arena, plan.buffers[network.input], values[network.input][0])
    states = []
    for op, layer in zip(network.ops, plan.layers, strict=True):
        if layer.clear:
            _clear(arena, layer.clear)
        _put(arena, plan.buffers[op.output], values[op.output][0])
        states.append(arena.copy())
    return np.array(states)


def checksums(states: np.ndarray) -> np.ndarray:
    """int32 [layers]: what the wrapper tells of each state."""
    powers = np.array([pow(31, int(k), 2**32) for k in range(states.shape[1])][::-1], np.uint64)
    return ((states.astype(np.uint64) * powers).sum(axis=1) % 2**32).astype(np.uint32).view(np.int32)


def _clear(arena: np.ndarray, buffer: Buffer) -> None:
    arena[buffer.offset : -(-buffer.end // 4) * 4] = 0


def _put(arena: np.ndarray, buffer: Buffer, values: np.ndarray) -> None:
    layout = buffer.layout
    if isinstance(layout, Planes):
        channel, y, x = np.indices(values.shape)
        places = buffer.offset + layout.origin + channel * layout.plane + y * layout.row + x
        arena[places] = values.astype(np.uint8)
    else:
        arena[buffer.offset : buffer.end] = values.astype("<i4").view(np.uint8)
