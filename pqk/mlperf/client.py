"""The public runner's verbs: name, profile, timestamp, load, infer, results.

Timeouts, the size of a line and what ends a reply are the runner's own (mlcommons/tiny, benchmark/runner,
serial_device.py and device_under_test.py).
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from pqk.errors import LinkError
from pqk.links import Link, until_quiet

READY = "m-ready"
LINE_S = 5.0
"""For each line of a reply."""
INFER_S = 30.0
"""For each line of the reply to `infer`: the inferences must be done in that time."""
LOAD_BYTES = 31
"""Of the input, in a line at most."""
GREETING = b"\0name%"
"""The zero drops what another program may have left half said, our own protocol's frames included."""
GREETING_S = 1.5
"""For each attempt: a board that was reset by opening its port boots first, and half a frame is given up by then."""
ATTEMPTS = 5


@dataclass(frozen=True)
class Profile:
    """What the device says it is made for."""

    profile: str
    model: str


@dataclass(frozen=True)
class Lap:
    """`count` inferences of one input."""

    count: int
    microseconds: int
    """Between the two time stamps around them, on the device's clock."""
    results: tuple[float, ...]
    """Of the last one, for each class, in the order in which the device prints them."""


class Client:
    """The device at the other end of a link, which stays the caller's."""

    def __init__(self, link: Link, port: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Wait until the device says its name, whatever else is on the line.

        Args:
            link: an open link.
            port: its name, for messages.
            clock: seconds, for tests.

        Raises:
            LinkError: it does not.
        """
        self._link, self._port, self._clock = link, port, clock
        self._pending = b""
        self._greet()

    def command(self, text: str, timeout: float = LINE_S) -> list[str]:
        """Send a command, without its `%`, and return the lines of the reply without the last one.

        Raises:
            LinkError: a line did not come within `timeout` seconds, has a byte that is not ASCII, or is an error.
        """
        self._link.write(f"{text}%".encode())
        lines: list[str] = []
        while (line := self._line(text, timeout)) != READY:
            lines.append(line)
        refusals = [line for line in lines if line.startswith("e-")]
        if refusals:
            raise LinkError(f"the device on {self._port} refuses {text!r}: {refusals[0]}", "pqk-mcu flash")
        return lines

    def name(self) -> str:
        """The vendor's name. Raises LinkError, as all verbs do; see `command`."""
        return self._found(r"m-name-dut-\[(.+)\]", self.command("name"), "name")

    def profile(self) -> Profile:
        """What the device is made for."""
        lines = self.command("profile")
        profile, model = (self._found(rf"m-{kind}-\[(.+)\]", lines, "profile") for kind in ("profile", "model"))
        return Profile(profile, model)

    def timestamp(self) -> int:
        """Microseconds on the device's clock, modulo 2**32."""
        return int(self._found(r"m-lap-us-(\d+)", self.command("timestamp"), "timestamp"))

    def load(self, data: bytes) -> None:
        """Put an input into the device's buffer."""
        self.command(f"db load {len(data)}")
        lines: list[str] = []
        for start in range(0, len(data), LOAD_BYTES):
            lines = self.command(f"db {data[start : start + LOAD_BYTES].hex()}")
        if lines != ["m-load-done"]:
            raise self._nonsense("db", lines)

    def infer(self, count: int, warmups: int = 0) -> Lap:
        """Run the network on what was loaded, `warmups` times and then `count` times between two time stamps."""
        lines = self.command(f"infer {count} {warmups}", INFER_S)
        laps = [int(match[1]) for line in lines if (match := re.fullmatch(r"m-lap-us-(\d+)", line))]
        if len(laps) != 2 or laps[1] < laps[0]:
            raise self._nonsense("infer", lines)
        return Lap(count, laps[1] - laps[0], self._results(lines))

    def results(self) -> tuple[float, ...]:
        """What the last inference gave, as in `Lap.results`."""
        return self._results(self.command("results"))

    def _results(self, lines: list[str]) -> tuple[float, ...]:
        text = self._found(r"m-results-\[([0-9.,]+)\]", lines, "results")
        try:
            return tuple(map(float, text.split(",")))
        except ValueError as error:
            raise self._nonsense("results", lines) from error

    def _found(self, pattern: str, lines: list[str], command: str) -> str:
        """The group of the one line that matches."""
        matches = [match[1] for line in lines if (match := re.fullmatch(pattern, line))]
        if len(matches) != 1:
            raise self._nonsense(command, lines)
        return matches[0]

    def _greet(self) -> None:
        for _ in range(ATTEMPTS):
            self._link.write(GREETING)
            if self._heard_name(self._clock() + GREETING_S):
                until_quiet(self._link, self._clock)
                return
        raise self._silence(GREETING_S * ATTEMPTS, "name")

    def _heard_name(self, deadline: float) -> bool:
        heard = b""
        while (left := deadline - self._clock()) > 0:
            heard += self._link.read(left)
            if re.search(rb"m-name-dut-.+\r\nm-ready\r\n", heard):
                return True
        return False

    def _line(self, command: str, timeout: float) -> str:
        deadline = self._clock() + timeout
        while b"\n" not in self._pending:
            left = deadline - self._clock()
            data = self._link.read(left) if left > 0 else b""
            if not data:
                raise self._silence(timeout, command)
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        try:
            return line.decode("ascii").strip("\r")
        except UnicodeDecodeError as error:
            raise self._nonsense(command, [repr(line)]) from error

    def _silence(self, seconds: float, command: str) -> LinkError:
        return LinkError(
            f"the device on {self._port} has given no answer to {command!r} for {seconds:g} s",
            "build with mlperf = true under [build], flash, and check the port",
        )

    def _nonsense(self, command: str, lines: list[str]) -> LinkError:
        return LinkError(f"the device on {self._port} answers {command!r} with {' / '.join(lines)}", "pqk-mcu flash")
