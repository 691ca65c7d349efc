"""Evaluations over lines that damage frames, by devices that reset, hang, die and come back: the same results."""

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from pqk_codegen import interpreter
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network
from pqk_codegen.plan import plan
from support import networks, seeds
from support.device import BOARD
from support.faulty import DAMAGES, Emulator, FaultyLink

from pqk import device as verbs
from pqk import firmware, runners
from pqk.device import Device
from pqk.errors import LinkError
from pqk.evaluate import Clips, Evaluation, Unit, evaluate
from pqk.links import Link

COUNT = 1000
UNIT = Unit(BOARD.timer.unit, BOARD.timer.units_per_tick)
STRETCHES = 5  # that are timed and added up, taking four parts of a clip and the layers; each may differ by a tick


def small(rng: np.random.Generator) -> Network:
    """On as many features as MLPerf Tiny's."""
    builder = networks.Builder(rng, (1, 49, 10))
    builder.conv(6, stride=(2, 2), padding=(0, 0, 0, 0), sparsity=0.5)
    return builder.finish(("yes", "no", "other"))


@dataclasses.dataclass(frozen=True)
class Bench:
    """An emulated board with firmware, and clips for it; frames are short, so that a clip takes several."""

    emulator: Emulator
    clips: Clips
    build_id: str
    clean: Evaluation

    def evaluate(
        self,
        connect: Callable[[], AbstractContextManager[Device]],
        journal: Path,
        report: Callable[[int, int], None] = lambda *_: None,
    ) -> Evaluation:
        return evaluate(connect, self.clips, UNIT, journal, report)

    def assert_same(self, result: Evaluation) -> None:
        assert result.different_logits == 0
        assert [one.logits for one in result.inferences] == [one.logits for one in self.clean.inferences]
        pairs = zip(result.inferences, self.clean.inferences, strict=True)
        assert max(abs(here.ticks - there.ticks) for here, there in pairs) <= STRETCHES


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    rng, folder = seeds.fresh("network"), tmp_path_factory.mktemp("link")
    board = dataclasses.replace(BOARD, uart=dataclasses.replace(BOARD.uart, largest_payload=128))
    network = small(rng)
    build_id = generate(plan(network, board.cpu), folder / "generated")
    built = firmware.compile_firmware(board, folder / "generated", folder / "firmware")
    runners.flash(board, built.elf, folder, expected_build=build_id)
    emulator = Emulator(board, folder, build_id)
    inputs = networks.random_input(rng, network, COUNT).astype(np.uint8)
    logits = interpreter.logits(network, inputs).astype(np.int32)
    clips = Clips("testing", [f"clip {i}" for i in range(COUNT)], inputs, np.zeros(COUNT, np.int64), logits)
    clean = evaluate(emulator.connect, clips, UNIT, folder / "clean", lambda *_: None)
    assert clean.different_logits == clean.resets == clean.reconnections == clean.stats.dropped_frames == 0
    return Bench(emulator, clips, build_id, clean)


def seldom(rng: np.random.Generator) -> Iterator[int]:
    """Messages from one reset to the next, ten times or so in a thousand clips of five.

    Two may come in the same clip, but never four, with which a device is given up.
    """
    while True:
        yield int(rng.integers(100, 900))
        yield int(rng.integers(1, 900))


def test_a_thousand_clips_over_a_line_that_damages_frames(bench: Bench, tmp_path: Path) -> None:
    rng, links = seeds.fresh("faults"), []
    resets = seldom(rng)

    def wrap(link: Link) -> Link:
        links.append(FaultyLink(link, rng, damaged=0.01, resets=resets, reset=bench.emulator.reset))
        return links[-1]

    result = bench.evaluate(lambda: bench.emulator.connect(wrap), tmp_path / "journal")
    counts = {kind: sum(link.counts[kind] for link in links) for kind in links[0].counts}
    print(counts, "resets noticed", result.resets, "reconnections", result.reconnections)
    bench.assert_same(result)
    assert sum(counts[kind] for kind in DAMAGES) > 40
    assert 1 <= result.resets <= counts["reset"]
    done = [json.loads(line)["name"] for line in (tmp_path / "journal").read_text().splitlines()[1:]]
    assert done == list(bench.clips.names)


def at(clip: int, act: Callable[[], None]) -> Callable[[int, int], None]:
    """Something that happens once, when so many clips are done."""
    acts = [act]
    return lambda done, _: acts.pop()() if acts and done == clip else None


@pytest.mark.parametrize("end", ["kill", "freeze"])
def test_an_emulator_that_ends_in_mid_run_is_started_again(bench: Bench, tmp_path: Path, end: str) -> None:
    result = bench.evaluate(bench.emulator.connect, tmp_path / "journal", at(400, getattr(bench.emulator, end)))
    bench.assert_same(result)
    assert result.reconnections == 1
    done = [json.loads(line)["name"] for line in (tmp_path / "journal").read_text().splitlines()[1:]]
    assert done == list(bench.clips.names)


def test_a_device_that_stays_dead_is_told_and_the_next_run_goes_on(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "HELLO_ATTEMPTS", 2)
    dead = threading.Event()

    class Mortal:
        def __init__(self, inner: Link) -> None:
            self.read, self.close, self._inner = inner.read, inner.close, inner

        def write(self, data: bytes) -> None:
            if not dead.is_set():
                self._inner.write(data)

    journal = tmp_path / "journal"
    with pytest.raises(LinkError, match="does not answer HELLO") as caught:
        bench.evaluate(lambda: bench.emulator.connect(Mortal), journal, at(300, dead.set))
    assert f"300 of {COUNT} clips are done and kept in {journal}" in caught.value.message
    sent: list[int] = []
    result = bench.evaluate(bench.emulator.connect, journal, lambda done, _: sent.append(done))
    bench.assert_same(result)
    assert (result.resumed, result.stats.inferences) == (300, COUNT - 300)
