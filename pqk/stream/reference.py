"""What the integer reference says of a stream: logits of every inference, kept piece by piece.

An hour takes minutes. Every piece is a file in a folder whose name holds all that it depends on, so that a run that was
cut short goes on where it stopped, and another threshold needs no inference at all.
"""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pqk_codegen import spotter
from pqk_codegen.decision import Integers
from pqk_codegen.ir import Network
from pqk_codegen.spotter import Inferences

from pqk.files import atomic_write_bytes
from pqk.stream.words import Stream

PIECE = 600
"""Inferences: a minute at a hop of 100 ms."""
THREADS = 2
Progress = Callable[[int, int], None]


def inferences(
    stream: Stream,
    network: Network,
    front_end: spotter.FrontEnd,
    stride: int,
    folder: Path,
    progress: Progress = lambda *_: None,
    threads: int = THREADS,
) -> Inferences:
    """All inferences of `stream`; those that are in `folder` are read, the others put there.

    `folder` belongs to this stream, network, front end and stride. `progress` hears of pieces done and in all.
    `threads` read the stream at the same time.
    """
    count = spotter.inferences_in(front_end, stream.samples, stride)
    firsts = range(0, count, PIECE)

    def work(first: int) -> Inferences:
        return _piece(stream, network, front_end, stride, folder, first, min(PIECE, count - first))

    parts: list[Inferences] = [spotter.infer(network, front_end, stream.read, stride=stride, count=0)]
    executor = ThreadPoolExecutor(threads)  # what costs are numpy's loops, which release the interpreter lock
    try:
        for part in executor.map(work, firsts):
            parts.append(part)
            progress(len(parts) - 1, len(firsts))
    finally:
        executor.shutdown(cancel_futures=True)  # else Ctrl-C would wait for everything still queued
    return Inferences(*(np.concatenate([getattr(part, key) for part in parts]) for key in ("logits", "samples")))


def _piece(
    stream: Stream, network: Network, front_end: spotter.FrontEnd, stride: int, folder: Path, first: int, count: int
) -> Inferences:
    path = folder / f"logits-{first:08d}.npy"
    samples = spotter.time_stamps(front_end, stride, first, count)
    logits = _load(path, (count, len(network.classes)))
    if logits is None:
        logits = spotter.infer(network, front_end, stream.read, stride=stride, first=first, count=count).logits
        file = io.BytesIO()
        np.save(file, logits.astype(np.int32))
        atomic_write_bytes(path, file.getvalue())
    return Inferences(logits, samples)


def _load(path: Path, shape: tuple[int, int]) -> Integers | None:
    """A piece that was kept; None where it is missing or damaged."""
    try:
        kept = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return kept.astype(np.int64) if kept.shape == shape and kept.dtype == np.int32 else None
