"""The test-double network of tests/device/network, compiled into firmware for the emulated board."""

import time
from pathlib import Path

import numpy as np

import pqk.boards
from pqk import runners
from pqk.boards import Board
from pqk.firmware import BuildResult, compile_firmware
from pqk.links import Link, open_link
from pqk.protocol import REPLY, Frame, FrameReader, Type, encode

NETWORK = Path(__file__).parents[1] / "device" / "network"
BUILD_ID = "00112233aabbccdd"  # as in its network.h
INPUT_BYTES = 4040
FAULTS = {"no memory": 0xF0, "undefined instruction": 0xF1, "stack overflow": 0xF2, "unaligned access": 0xF4}
RESET = 0xF3
LONG = 0xF5  # a hundred and fifty million instructions
SURE_BYTES = 500
"""What arrives even while we do not look: Linux by default holds 554 datagrams, and QEMU sends one for each byte."""

BOARD = pqk.boards.load("mps2-an386")
EMULATED = [name for name in pqk.boards.names() if pqk.boards.load(name).emulated]


def build(out: Path, board: Board = BOARD) -> BuildResult:
    """Firmware with the test double."""
    return compile_firmware(board, NETWORK, out)


def clips(rng: np.random.Generator, count: int) -> np.ndarray:
    """Harmless inputs uint8 [count, 1, 101, 40] for the test double."""
    inputs = rng.integers(0, 256, (count, 1, 101, 40)).astype(np.uint8)
    inputs[:, 0, 0, 0] %= 0xF0
    return inputs


def with_first(*values: int) -> np.ndarray:
    """A clip that begins with certain bytes, which tell the double what to do."""
    clip = np.zeros(INPUT_BYTES, np.uint8)
    clip[: len(values)] = values
    return clip


def exchange(board: Board, state: Path, stream: bytes, replies: int) -> list[Frame]:
    """Send a stream that begins with HELLO to a flashed board as it is, once that listens, and collect so many replies.

    Nothing is asked for twice, so all of the replies must fit in what the system holds for us.
    """
    reader, frames = FrameReader(), []
    with runners.RUNNERS["qemu"].start(board, state) as url:
        link = open_link(url, board.uart.baud)
        _wait_until_it_listens(link)
        link.write(stream)
        limit = time.monotonic() + 60
        while len(frames) < replies and time.monotonic() < limit:
            frames += reader.feed(link.read(1.0))
            while frames and frames[0].type != Type.HELLO | REPLY:
                frames.pop(0)  # what was asked while it started
        link.close()
    assert len(frames) == replies
    assert reader.dropped == 0
    assert sum(len(encode(frame)) for frame in frames) <= SURE_BYTES
    return frames


def _wait_until_it_listens(link: Link) -> None:
    """What comes before a UART is switched on is lost, or not, as the UART is made."""
    limit = time.monotonic() + 60
    while not link.read(0.2):
        assert time.monotonic() < limit
        link.write(b"\0" + encode(Frame(Type.STATS, 0, b"")))  # which is refused: HELLO comes first
    while link.read(0.2):
        pass


def logits(clip: np.ndarray) -> tuple[int, int]:
    """The two logits of the test double that depend on its input; the third counts inferences."""
    flat = clip.ravel().astype(np.int64)
    return int(flat.sum()), int((flat * (np.arange(flat.size) % 251)).sum())
