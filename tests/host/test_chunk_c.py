"""A chunk network and its window's network in one program on the host, under sanitizers, against the interpreter."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from pqk_codegen.reuse import Chunk
from pqk_codegen.streaming import chunked
from support import host, streams
from support.seeds import fresh

MAIN = """
#include <stdio.h>
#include "chunk.h"
#include "network.h"
static int is_read(void *to, unsigned size) { return fread(to, 1, size, stdin) == size; }
int main(void) {
    static unsigned char window[PQK_INPUT_BYTES], chunk[PQK_CHUNK_INPUT_BYTES], what[2];
    while (is_read(what, 2)) {
        if (what[0] == 'R') {
            pqk_chunk_reset();
        } else if (what[0] == 'W') {
            if (!is_read(window, sizeof window)) return 1;
            pqk_network_begin_input();
            pqk_network_set_input(0, window, PQK_INPUT_BYTES);
            for (uint32_t layer = 0; layer < PQK_LAYERS; layer++) pqk_network_run_layer(layer);
            fwrite(pqk_network_logits(), sizeof(int32_t), PQK_OUTPUTS, stdout);
        } else {
            const uint32_t half = PQK_CHUNK_INPUT_BYTES / 2;
            if (!is_read(chunk, sizeof chunk)) return 1;
            pqk_chunk_begin(what[1]);
            pqk_chunk_set_input(0, chunk, half);
            pqk_chunk_set_input(half, chunk + half, PQK_CHUNK_INPUT_BYTES - half);
            for (uint32_t layer = 0; layer < PQK_CHUNK_LAYERS; layer++) pqk_chunk_run_layer(layer);
            fwrite(pqk_chunk_logits(), sizeof(int32_t), PQK_OUTPUTS, stdout);
        }
    }
    return 0;
}
"""
RESET = b"R\0"


def build(network: Network, hop: int, folder: Path) -> tuple[Path, Chunk]:
    made = chunked(network, hop)
    chunk = Chunk(made, plan(made.network, "host"))
    generate(plan(network, "host"), folder, chunk=chunk)
    (folder / "main.c").write_text(MAIN)
    program = folder / "program"
    sources = [str(path) for path in sorted(folder.glob("*.c"))]
    subprocess.run(["gcc", *host.STRICT, *host.SANITIZED, *sources, "-o", str(program)], check=True)
    return program, chunk


def run(program: Path, requests: list[bytes]) -> np.ndarray:
    """int32 [answers, classes]."""
    result = subprocess.run([str(program)], input=b"".join(requests), capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()[-3000:]
    return np.frombuffer(result.stdout, np.int32).reshape(-1, len(streams.CLASSES))


def requests(network: Network, chunk: Chunk, stream: np.ndarray) -> tuple[list[bytes], list[bool]]:
    """Every run of a stream, and which of them have seen a whole window."""
    found = list(streams.runs(network, chunk.chunked, stream))
    return [bytes([ord("C"), turn]) + x.astype(np.uint8).tobytes() for turn, x, _ in found], [run[2] for run in found]


@pytest.mark.parametrize("hop", [1, 2, 5, 10, 25])
def test_every_window_of_a_stream(hop: int, tmp_path: Path) -> None:
    rng = fresh("stream")
    network = streams.residual(rng, channels=7)
    program, chunk = build(network, hop, tmp_path)
    stream = streams.frames_of(rng, network, 101 + 6 * chunk.chunked.phases * hop)
    sent, is_whole = requests(network, chunk, stream)
    expected = interpreter.logits(network, streams.windows(network, hop, stream))
    np.testing.assert_array_equal(run(program, sent)[is_whole], expected)


@pytest.mark.parametrize("index", range(5))
def test_random_networks(index: int, tmp_path: Path) -> None:
    rng = fresh(f"random stream {index}")
    network = streams.random_network(rng)
    program, chunk = build(network, int(rng.integers(1, 13)), tmp_path)
    stream = streams.frames_of(rng, network, 150)
    sent, is_whole = requests(network, chunk, stream)
    expected = interpreter.logits(network, streams.windows(network, chunk.chunked.hop, stream))
    np.testing.assert_array_equal(run(program, sent)[is_whole], expected)


def test_both_networks_take_turns_in_one_memory(tmp_path: Path) -> None:
    """What the other leaves there does not matter, and a reset forgets."""
    rng = fresh("turns")
    network = streams.residual(rng, channels=4)
    program, chunk = build(network, 10, tmp_path)
    text = {path.name: path.read_text() for path in tmp_path.glob("*.c")}
    assert sum("uint32_t pqk_arena[PQK_ARENA_BYTES / 4];" in one for one in text.values()) == 2
    assert "extern uint32_t pqk_arena[PQK_ARENA_BYTES / 4];" in text["chunk.c"]
    stream = streams.frames_of(rng, network, 151)
    window = rng.integers(0, 256, (1, *network.tensors[network.input].shape))
    (logits,) = interpreter.logits(network, window)
    sent, is_whole = requests(network, chunk, stream)
    between = b"W\0" + window.astype(np.uint8).tobytes()
    alternating = [part for request in sent for part in (request, between)]
    answers = run(program, [*alternating, RESET, *alternating])
    assert (answers[1::2] == logits).all()
    of_chunks = answers[::2].reshape(2, len(sent), -1)
    np.testing.assert_array_equal(of_chunks[0], of_chunks[1])
    expected = interpreter.logits(network, streams.windows(network, 10, stream))
    np.testing.assert_array_equal(of_chunks[0][is_whole], expected)


def test_the_build_id_follows_the_hop(tmp_path: Path) -> None:
    network = streams.residual(fresh("hops"), channels=2)
    planned = plan(network, "host")
    ids = {generate(planned, tmp_path / "none")}
    for hop in (5, 10):
        made = chunked(network, hop)
        ids.add(generate(planned, tmp_path / str(hop), chunk=Chunk(made, plan(made.network, "host"))))
    assert len(ids) == 3
