"""How fast clips get to the emulated board, and how much of a serial line's rate is made use of.

    python benchmarks/link_speed.py PROJECT [CLIPS]

For the last build of PROJECT for mps2-an386, flashed there: the wall time of CLIPS clips (1000) of features beyond the
time that their inferences take, which is wall time of the emulator, too: each is a RUN alone, after its input has
arrived, less an empty request. Then the same over a link that carries no more than a line of 921,600 baud.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pqk import boards, features, pipeline, project, runners
from pqk.boards import Board
from pqk.conversation import BITS_PER_BYTE, Conversation, Request
from pqk.device import Device
from pqk.links import Link, open_link
from pqk.pipeline import Build
from pqk.protocol import Type, input_payload, parse_hello

BOARD = "mps2-an386"
BAUD = 921_600
SAMPLE = 50  # inferences that are timed alone


class SlowLink:
    """A `pqk.links.Link` that sends no faster than a serial line."""

    PIECE = 64  # bytes, so that what is behind it can begin before all have come

    def __init__(self, inner: Link, baud: int) -> None:
        self._inner, self._byte_s = inner, BITS_PER_BYTE / baud
        self._free = time.monotonic()
        self.sent = 0

    def write(self, data: bytes) -> None:
        self._free = max(self._free, time.monotonic())
        for start in range(0, len(data), self.PIECE):
            piece = data[start : start + self.PIECE]
            self._free += len(piece) * self._byte_s
            time.sleep(max(0.0, self._free - time.monotonic()))
            self._inner.write(piece)
        self.sent += len(data)

    def read(self, timeout: float) -> bytes:
        return self._inner.read(timeout)

    def close(self) -> None:
        self._inner.close()


def inference_s(board: Board, built: Build, inputs: np.ndarray) -> float:
    """Wall time of an inference in the emulator, without anything that goes over the line."""
    alone = []
    with runners.RUNNERS["qemu"].start(board, built.directory) as url:
        link = open_link(url, board.uart.baud)
        talk = Conversation(link, who="the emulator", baud=board.uart.baud)
        facts = parse_hello(talk.hello(1.0, 10).payload)
        talk.begin(facts.free_sequence, facts.in_flight)
        for clip in inputs[:SAMPLE]:
            talk.ask(Request(Type.INPUT, input_payload(0, clip.tobytes())))
            took = [_timed(lambda kind=kind: talk.ask(Request(kind))) for kind in (Type.RUN, Type.STATS)]
            alone.append(took[0] - took[1])
        link.close()
    return statistics.median(alone)


def clips_s(board: Board, built: Build, inputs: np.ndarray, wrap: Callable[[Link], Link]) -> float:
    """Wall time of one clip after the other."""
    with runners.RUNNERS["qemu"].start(board, built.directory) as url:
        link = wrap(open_link(url, board.uart.baud))
        with Device(
            link, board=board.name, port=url, baud=board.uart.baud, expected_build=built.record["id"]
        ) as device:
            return _timed(lambda: [device.infer(clip) for clip in inputs])


def _timed(act: Callable[[], object]) -> float:
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def main() -> None:
    opened, board = project.load(Path(sys.argv[1])), boards.load(BOARD)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    built = pipeline.load_build(opened, board.name)
    own = features.load(pipeline.features_directory(opened, built)).subset("testing")[0]
    inputs = own[np.arange(count) % len(own)]
    alone = inference_s(board, built, inputs)
    whole = clips_s(board, built, inputs, lambda link: link)
    print(
        f"{count} clips: {whole:.1f} s, of which inferences {count * alone:.1f} s, beyond {whole - count * alone:.1f} s"
    )
    slow: list[SlowLink] = []
    wrapped = clips_s(board, built, inputs, lambda link: slow.append(SlowLink(link, BAUD)) or slow[0])
    share = slow[0].sent * BITS_PER_BYTE / BAUD / (wrapped - count * alone)
    print(f"{BAUD:,} baud: {wrapped:.1f} s, beyond inferences {100 * share:.1f} % of the line's rate")


if __name__ == "__main__":
    main()
