"""Compiling generated C for the host and running it, under the address and undefined-behaviour sanitizers."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan

SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]

MAIN = """
#include <stdio.h>
#include "network.h"
int main(void) {
    static unsigned char clip[PQK_INPUT_BYTES];
    while (fread(clip, 1, sizeof clip, stdin) == sizeof clip) {
        const uint32_t half = PQK_INPUT_BYTES / 2;
        pqk_network_begin_input();
        pqk_network_set_input(0, clip, half);
        pqk_network_set_input(half, clip + half, PQK_INPUT_BYTES - half);
        for (uint32_t layer = 0; layer < PQK_LAYERS; layer++) pqk_network_run_layer(layer);
        fwrite(pqk_network_logits(), sizeof(int32_t), PQK_OUTPUTS, stdout);
    }
    return 0;
}
"""


def build(
    network: Network, directory: Path, flags: list[str] = SANITIZED, forced: Mapping[str, str] | None = None
) -> Path:
    """Generate and compile `network`; the program maps clips on stdin to logits on stdout."""
    generate(plan(network, "host", forced=forced), directory)
    (directory / "main.c").write_text(MAIN)
    program = directory / "program"
    sources = [str(path) for path in sorted(directory.glob("*.c"))]
    subprocess.run(["gcc", *STRICT, *flags, *sources, "-o", str(program)], check=True)
    return program


def run(program: Path, network: Network, x: np.ndarray) -> np.ndarray:
    """Logits int32 [n, classes] of inputs `x`."""
    data = x.astype(network.tensors[network.input].dtype).tobytes()
    result = subprocess.run([str(program)], input=data, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()[-3000:]
    return np.frombuffer(result.stdout, np.int32).reshape(len(x), -1)
