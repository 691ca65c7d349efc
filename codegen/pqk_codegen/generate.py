"""Prints a plan as C: network.h, network.c, and the kernels it calls. The same plan gives the same bytes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pqk_codegen import assets
from pqk_codegen.layout import Buffer, Planes
from pqk_codegen.plan import Plan
from pqk_codegen.reuse import Chunk
from pqk_codegen.templates import template

HEADERS = (
    "pqk_add_lanes.h",
    "pqk_arithmetic.h",
    "pqk_conv2d_lanes.h",
    "pqk_conv2d_loop.h",
    "pqk_kernels.h",
    "pqk_lanes.h",
    "pqk_mve.h",
)
BUILD_ID = "@BUILD_ID@"
MLPERF_HEADER = "mlperf_model.h"
"""Among `audio` where the firmware speaks MLPerf Tiny's protocol, too: see `generate_mlperf`."""


def generate(
    plan: Plan,
    directory: Path,
    *,
    salt: str = "",
    audio: Mapping[str, str] | None = None,
    chunk: Chunk | None = None,
) -> str:
    """Write the C of `plan` into `directory` (made if missing) and return its build id.

    Args:
        plan: what `pqk_codegen.plan.plan` decided.
        directory: where network.h, network.c and the kernels go.
        salt: what else makes a firmware different (board, firmware sources, compiler); part of the build id.
        audio: text by name of the files that make samples into the network's input and its logits into detections,
            see `generate_spotter.audio_files`, and perhaps `generate_mlperf.mlperf_files`; None for a network that is
            given its input.
        chunk: what computes the windows of a stream from what is new in them; None if each is computed as a whole.

    The build id, 16 hexadecimal digits, is a hash of every file written and of `salt`.
    """
    files = _window_files(plan, audio, chunk)
    sources = {*HEADERS, *plan.sources}
    if chunk:
        files |= _chunk_files(chunk)
        sources |= {*chunk.plan.sources}
    kernels = assets.directory("kernels")
    files |= {name: (kernels / name).read_text(encoding="utf-8") for name in sources}
    files |= audio or {}
    hasher = hashlib.sha256(salt.encode())
    for name in sorted(files):
        hasher.update(f"\0{name}\0{files[name]}".encode())
    build_id = hasher.hexdigest()[:16]
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text.replace(BUILD_ID, build_id), encoding="utf-8")
    return build_id


def _window_files(plan: Plan, audio: Mapping[str, str] | None, chunk: Chunk | None) -> dict[str, str]:
    context = _context(plan) | {
        "audio": audio is not None,
        "mlperf": MLPERF_HEADER in (audio or {}),
        "chunk": chunk,
        "arena": max(plan.arena, chunk.plan.arena if chunk else 0),
        "is_chunk": False,
        "phases": 1,
        "prefix": "pqk_network",
        "macro": "PQK",
    }
    return {name: template(f"{name}.j2").render(context) for name in ("network.h", "network.c")}


def _chunk_files(chunk: Chunk) -> dict[str, str]:
    context = _context(chunk.plan) | {
        "audio": False,
        "chunk": chunk,
        "is_chunk": True,
        "phases": chunk.chunked.phases,
        "prefix": "pqk_chunk",
        "macro": "PQK_CHUNK",
    }
    return {
        "chunk.h": template("chunk.h.j2").render(context),
        "chunk.c": template("network.c.j2").render(context),
    }


def c_string(text: str) -> str:
    """A C string literal of `text` as UTF-8: printable ASCII as it is, every other byte in octal."""
    return '"' + "".join(_escape(byte) for byte in text.encode("utf-8")) + '"'


def _escape(byte: int) -> str:
    # Octal escapes end after three digits, unlike hexadecimal ones; '?' could begin a trigraph.
    if chr(byte) in '"\\?' or not 0x20 <= byte < 0x7F:
        return f"\\{byte:03o}"
    return chr(byte)


def _context(plan: Plan) -> dict[str, Any]:
    network = plan.network
    source = plan.input
    assert isinstance(source.layout, Planes)  # what is sent is written as bytes
    return {
        "network": network,
        "plan": plan,
        "build_id": BUILD_ID,
        "planes": source.layout,
        "input": source,
        "clears": source.layout.has_halo or any(layer.clear for layer in plan.layers),
        "input_bytes": network.tensors[network.input].elements,
        "logits": plan.output,
        "memory_map": sorted(plan.buffers.values(), key=_map_order),
        "labels": [c_string(name) for name in network.classes],
    }


def _map_order(buffer: Buffer) -> tuple[int, int]:
    return buffer.offset, buffer.first
