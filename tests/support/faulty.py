"""Links that spoil what they carry, and emulated boards that can be reset, frozen and killed."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from pqk import runners
from pqk.boards import Board
from pqk.device import Device
from pqk.links import Link, open_link
from pqk.protocol import DELIMITER, FrameReader

DAMAGES = ("drop", "flip", "duplicate", "insert", "cut", "twice", "delay", "stall")


class FaultyLink:
    """A `pqk.links.Link` that damages a share of the frames each way, splits reads, and resets the device."""

    def __init__(
        self,
        inner: Link,
        rng: np.random.Generator,
        *,
        damaged: float,
        resets: Iterator[int],
        reset: Callable[[], None],
    ) -> None:
        """`damaged` of the frames; `resets` says again and again how many messages later the device is reset."""
        self._inner, self._rng = inner, rng
        self._damaged, self._resets, self._reset = damaged, resets, reset
        self._left = next(resets)
        self._arrived: list[bytes] = []
        self.counts = dict.fromkeys((*DAMAGES, "reset"), 0)

    def write(self, data: bytes) -> None:
        self._left -= 1
        if not self._left:
            self._left = next(self._resets)
            self.counts["reset"] += 1
            self._reset()
        self._inner.write(self._through(data))

    def read(self, timeout: float) -> bytes:
        if not self._arrived:
            data = self._inner.read(timeout)
            frames = data.split(b"\0")
            spoilt = b"\0".join(self._through(frame) if frame else b"" for frame in frames)
            split = self._rng.random() < 0.1
            self._arrived = [spoilt[at : at + 1] for at in range(len(spoilt))] if split else [spoilt]
        return self._arrived.pop(0) if self._arrived else b""

    def close(self) -> None:
        self._inner.close()

    def _through(self, frame: bytes) -> bytes:
        if self._rng.random() >= self._damaged or not frame:
            return frame
        kind = str(self._rng.choice(DAMAGES, p=(0.18, 0.18, 0.14, 0.14, 0.14, 0.14, 0.07, 0.01)))
        self.counts[kind] += 1
        spoilt = self._spoilt(kind, frame)
        # Of 65,536 damages a CRC of 16 bits misses one, which is nobody's fault. Both of two it misses once in 2^32.
        return spoilt if is_noticed(spoilt, frame) else self._spoilt(kind, frame)

    def _spoilt(self, kind: str, frame: bytes) -> bytes:
        at, size = int(self._rng.integers(len(frame))), int(self._rng.integers(1, 9))
        noise = self._rng.integers(0, 256, size, dtype=np.uint8).tobytes()
        if kind == "drop":
            return frame[:at] + frame[at + size :]
        if kind == "flip":
            return frame[:at] + bytes([frame[at] ^ 1 << int(self._rng.integers(8))]) + frame[at + 1 :]
        if kind == "duplicate":
            return frame[: at + size] + frame[at:]
        if kind == "insert":
            return frame[:at] + noise + frame[at:]
        if kind == "cut":
            return frame[:at]
        if kind == "twice":
            return frame + b"\0" + frame
        time.sleep(1.2 if kind == "stall" else 0.05 * self._rng.random())
        return frame


def is_noticed(spoilt: bytes, frame: bytes) -> bool:
    """Whether nothing can be read in it but the frame as it was."""
    found, there = (set(FrameReader().feed(DELIMITER + data + DELIMITER)) for data in (spoilt, frame))
    return found <= there


class Emulator:
    """An emulated board that can be reset from outside, and whose link may be wrapped."""

    def __init__(self, board: Board, state: Path, build_id: str) -> None:
        self._control = state / "control"
        extra = ("-qmp", f"unix:{self._control},server=on,wait=off")
        usual = replace(board.runner, args=(*board.runner.args, *extra))
        self.board = replace(board, runners=(usual,))
        self._state, self._build_id = state, build_id

    @contextmanager
    def connect(self, wrap: Callable[[Link], Link] = lambda link: link) -> Iterator[Device]:
        baud = self.board.uart.baud
        with runners.RUNNERS["qemu"].start(self.board, self._state) as url:
            link = wrap(open_link(url, baud))
            name = self.board.name
            with Device(link, board=name, port=url, baud=baud, expected_build=self._build_id) as device:
                yield device

    def reset(self) -> None:
        self._command("system_reset")

    def kill(self) -> None:
        self._command("quit")

    def freeze(self) -> None:
        self._command("stop")

    def _command(self, name: str) -> None:
        """QEMU Machine Protocol: a greeting, then a reply to each command; events may come in between."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self._control))
            stream = control.makefile("rw")
            stream.readline()
            for command in ("qmp_capabilities", name):
                stream.write(json.dumps({"execute": command}) + "\n")
                stream.flush()
                while "return" not in json.loads(stream.readline() or '{"return": {}}'):
                    pass
