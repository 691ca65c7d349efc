"""The client of MLPerf Tiny's protocol against a scripted device."""

from collections.abc import Sequence

import pytest
from support import seeds

from pqk.errors import LinkError
from pqk.mlperf import client, run
from pqk.mlperf.client import Client, Lap

NAME = "m-name-dut-[someone]\r\n"


class Script:
    """A link that answers each command with the next reply, in pieces of random sizes, and tells the time."""

    def __init__(self, *replies: str, before: str = "") -> None:
        """It says its name first, after `before`."""
        self.replies = [f"{reply}m-ready\r\n".encode("latin-1") for reply in (before + NAME, *replies)]
        self.sent: list[str] = []
        self.now = 0.0
        self._waiting = b""
        self._rng = seeds.fresh("pieces")

    def read(self, timeout: float) -> bytes:
        if not self._waiting:
            self.now += timeout
            return b""
        size = int(self._rng.integers(1, 40))
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return data

    def write(self, data: bytes) -> None:
        self.sent.append(data.decode("ascii"))
        self._waiting += self.replies.pop(0) if self.replies else b""

    def close(self) -> None:
        pass


def opened(script: Script) -> Client:
    device = Client(script, "COM9", clock=lambda: script.now)
    assert script.sent.pop(0) == "\0name%"
    return device


def test_the_verbs() -> None:
    script = Script(
        NAME,
        "m-profile-[profile 1]\r\nm-model-[kws01]\r\n",
        "m-lap-us-4294967295\r\n",
        "m-results-[0.25,0.750000]\r\n",
        before="\xff\0m-timestamp-mode-performance\r\nm-ready\r\n",
    )
    device = opened(script)
    assert device.name() == "someone"
    assert device.profile() == client.Profile("profile 1", "kws01")
    assert device.timestamp() == 2**32 - 1
    assert device.results() == (0.25, 0.75)
    assert script.sent == ["name%", "profile%", "timestamp%", "results%"]


def test_an_input_goes_in_lines_of_31_bytes() -> None:
    data = seeds.fresh("data").bytes(490)
    script = Script("m-[Expecting 490 bytes]\r\n", *[""] * 15, "m-load-done\r\n")
    opened(script).load(data)
    first, *lines = script.sent
    assert first == "db load 490%"
    assert bytes.fromhex("".join(line[3:-1] for line in lines)) == data
    assert all(line.startswith("db ") and line.endswith("%") for line in lines)
    assert max(len(line) for line in lines) == len("db %") + 62


LAPS = "m-warmup-start-2\r\nm-warmup-done\r\nm-infer-start-5\r\nm-lap-us-10\r\nm-lap-us-{}\r\nm-infer-done\r\n"
RESULTS = "m-results-[1.000000,0.000000]\r\n"


def test_infer() -> None:
    script = Script(LAPS.format(1010) + RESULTS)
    assert opened(script).infer(5, 2) == Lap(5, 1000, (1.0, 0.0))
    assert script.sent == ["infer 5 2%"]


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ([LAPS.format(9) + RESULTS], "answers 'infer' with"),  # back in time
        ([LAPS.format(20)], "answers 'results' with"),
        ([LAPS.format(20) + "m-results-[1.0.0]\r\n"], "answers 'results' with"),
        (["m-lap-us-1\r\n" + RESULTS], "answers 'infer' with"),
        (["e-[infer wants an input: db load 490]\r\n"], "refuses 'infer 1 0': e-"),
        (["m-lap-us-\xb5\r\n"], r"answers 'infer 1 0' with b'm-lap-us-\\xb5"),
    ],
)
def test_answers_that_make_no_sense(replies: Sequence[str], message: str) -> None:
    with pytest.raises(LinkError, match=message) as caught:
        opened(Script(*replies)).infer(1)
    assert "COM9" in caught.value.message
    assert caught.value.hint == "pqk-mcu flash"


def test_a_load_that_does_not_end() -> None:
    with pytest.raises(LinkError, match="answers 'db' with"):
        opened(Script("m-[Expecting 2 bytes]\r\n", "")).load(b"ab")


def test_silence_is_waited_for_as_the_runner_waits() -> None:
    script = Script()
    device = opened(script)
    for act, seconds in ((device.name, 5), (lambda: device.infer(1), 30)):
        before = script.now
        with pytest.raises(LinkError, match=f"has given no answer to .* for {seconds} s") as caught:
            act()
        assert script.now - before == pytest.approx(seconds)
        assert "mlperf = true" in caught.value.hint


def test_a_device_that_boots_first() -> None:
    script = Script("", NAME)
    script.replies = [b"", *script.replies]  # it was not listening yet
    assert Client(script, "COM9", clock=lambda: script.now).command("%") == []
    assert script.sent == ["\0name%", "\0name%", "%%"]


def test_nobody_there() -> None:
    script = Script()
    script.replies = []
    with pytest.raises(LinkError, match=r"COM9 has given no answer to 'name' for 7.5 s"):
        Client(script, "COM9", clock=lambda: script.now)


def lap(microseconds: int) -> str:
    return LAPS.format(10 + microseconds) + RESULTS


def test_windows_are_as_long_as_the_rules_say() -> None:
    script = Script("m-[Expecting 1 bytes]\r\n", "m-load-done\r\n", lap(3000), *[lap(11_003_000)] * 5)
    shown: list[tuple[int, int]] = []
    measured = run.performance(opened(script), b"x", lambda done, total: shown.append((done, total)))
    count = 3667  # times 3 ms is a tenth more than 10 s
    assert script.sent[3:] == [f"infer {count} 10%"] * 5
    assert measured == run.Performance(count, (11_003_000 / count,) * 5)
    assert shown == [(done, 5) for done in range(1, 6)]


def test_at_least_ten_inferences() -> None:
    script = Script("m-[Expecting 1 bytes]\r\n", "m-load-done\r\n", lap(2_900_000), *[lap(29_000_000)] * 5)
    assert run.performance(opened(script), b"x", lambda *_: None).count == 10


@pytest.mark.parametrize(("first", "message"), [(0, "clock stands still"), (3_100_000, "10 are more than 30 s")])
def test_what_cannot_be_measured(first: int, message: str) -> None:
    script = Script("m-[Expecting 1 bytes]\r\n", "m-load-done\r\n", lap(first))
    with pytest.raises(LinkError, match=message):
        run.performance(opened(script), b"x", lambda *_: None)
