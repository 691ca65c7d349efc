"""Sparse weights as a stream of (gap, weight) entries.

The taps of an output channel are numbered in the order (input channel, kernel row, kernel column). An entry skips
`gap` taps, applies its weight at the tap it lands on, and steps past it. A gap too long for its field is bridged
by fillers: entries with the largest gap and weight 0, which change nothing.
"""

from dataclasses import dataclass

import numpy as np

from pqk_codegen.errors import IrError
from pqk_codegen.ir import Array


@dataclass(frozen=True)
class Stream:
    """Packed channels one after another."""

    entries: Array
    """uint8: one byte an entry (gap in the high nibble, weight in the low) or two (gap, weight)."""
    lengths: tuple[int, ...]
    """Number of entries of each output channel."""


def pack(weights: Array, entry_bytes: int) -> Stream:
    """Pack int8 weights [out, ...]; `entry_bytes` is 1 (weights in -8..7, gaps to 15) or 2 (int8, gaps to 255).

    Raises:
        IrError: a weight does not fit the entry.
    """
    bits = 4 * entry_bytes
    rows = weights.reshape(weights.shape[0], -1).astype(np.int64)
    if rows.size and (rows.min() < -(2 ** (bits - 1)) or rows.max() >= 2 ** (bits - 1)):
        raise IrError(f"a weight does not fit {bits} bits")
    channels = [_entries(row, largest_gap=2**bits - 1) for row in rows]
    pairs = np.array([pair for channel in channels for pair in channel], np.int64).reshape(-1, 2)
    gaps, values = pairs[:, 0], pairs[:, 1] & (2**bits - 1)
    packed = (gaps << 4 | values)[:, None] if entry_bytes == 1 else np.stack([gaps, values], axis=1)
    return Stream(packed.astype(np.uint8).ravel(), tuple(len(channel) for channel in channels))


def unpack(stream: Stream, shape: tuple[int, ...], entry_bytes: int) -> Array:
    """The int8 weights [out, ...] that `pack` was given."""
    raw = stream.entries.reshape(-1, entry_bytes).astype(np.int64)
    gaps, values = (raw[:, 0] >> 4, raw[:, 0] & 15) if entry_bytes == 1 else (raw[:, 0], raw[:, 1])
    half = 2 ** (4 * entry_bytes - 1)
    signed = (values ^ half) - half
    rows = np.zeros((shape[0], int(np.prod(shape[1:]))), np.int8)
    ends = np.cumsum(stream.lengths)
    for row, length, end in zip(rows, stream.lengths, ends, strict=True):
        taps = np.cumsum(gaps[end - length : end] + 1) - 1
        row[taps] = signed[end - length : end]
    return rows.reshape(shape)


def _entries(row: Array, largest_gap: int) -> list[tuple[int, int]]:
    entries: list[tuple[int, int]] = []
    position = 0
    for tap in np.flatnonzero(row):
        gap = int(tap) - position
        while gap > largest_gap:
            entries.append((largest_gap, 0))
            gap -= largest_gap + 1
        entries.append((gap, int(row[tap])))
        position = int(tap) + 1
    return entries
