"""The firmware on the emulated board, with a network double (network/) in place of a generated one."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from support import seeds
from support.device import (
    BOARD,
    BUILD_ID,
    FAULTS,
    INPUT_BYTES,
    NETWORK,
    RESET,
    build,
    clips,
    exchange,
    logits,
    with_first,
)

from pqk import device as verbs
from pqk import protocol, runners, tools
from pqk.boards import Board
from pqk.device import Device
from pqk.errors import FitError, LinkError, ToolError
from pqk.evaluate import Clips, Unit, evaluate
from pqk.firmware import BuildResult, compile_firmware
from pqk.protocol import REPLY, Frame, Type, encode

UNIT = Unit(BOARD.timer.unit, BOARD.timer.units_per_tick)
UNKNOWN = dataclasses.replace(BOARD, runners=(dataclasses.replace(BOARD.runner, target="no-such-machine"),))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return build(tmp_path_factory.mktemp("firmware"))


@pytest.fixture(scope="module")
def state(built: BuildResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the firmware is flashed."""
    folder = tmp_path_factory.mktemp("state")
    runners.flash(BOARD, built.elf, folder, expected_build=BUILD_ID)
    return folder


@pytest.fixture
def device(state: Path) -> Iterator[Device]:
    with runners.connect(BOARD, state, expected_build=BUILD_ID) as opened:
        yield opened


def wait_for(condition, seconds: float = 10.0) -> bool:  # type: ignore[no-untyped-def]
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.02)
    return False


# ---- what the build leaves ----


def test_firmware_that_a_boot_loader_starts_has_its_own_vectors(tmp_path: Path) -> None:
    """The table at address 0 stays another's, in which there are only a stack and the firmware's entry."""
    flash = dataclasses.replace(BOARD.memory.flash, origin=0x1_0000)
    board = dataclasses.replace(BOARD, memory=dataclasses.replace(BOARD.memory, flash=flash))
    built = build(tmp_path / "firmware", board)
    (tmp_path / "table").write_bytes(built.bin.read_bytes()[:8])
    args = (*BOARD.runner.args, "-device", f"loader,addr=0,file={tmp_path}/table,force-raw=on")
    started = dataclasses.replace(board, runners=(dataclasses.replace(BOARD.runner, args=args),))
    runners.flash(started, built.elf, tmp_path, expected_build=BUILD_ID)
    clip = clips(seeds.fresh("clip"), 1)[0]
    with runners.connect(started, tmp_path, expected_build=BUILD_ID) as device:
        assert device.infer(clip).logits == (*logits(clip), 1)


def test_sizes(built: BuildResult) -> None:
    record = json.loads((built.elf.parent / "sizes.json").read_text())
    assert record["flash"] == dataclasses.asdict(built.flash)
    assert record["ram"] == dataclasses.asdict(built.ram)
    assert built.flash.weights == built.symbols["pqk_w_table"] == 256
    assert built.flash.total == built.bin.stat().st_size == built.flash.weights + built.flash.code
    assert built.ram.arena == built.symbols["pqk_arena"] == INPUT_BYTES
    assert built.ram.stack == BOARD.memory.stack
    assert built.ram.total == built.ram.arena + built.ram.stack + built.ram.static
    assert all(path.stat().st_size for path in (built.elf, built.hex, built.bin, built.map))
    assert not list(built.elf.parent.glob("*.o"))


def test_the_estimates_of_the_fit_check_hold(built: BuildResult) -> None:
    from pqk.firmware import FIRMWARE_FLASH, FIRMWARE_RAM

    assert built.flash.code < FIRMWARE_FLASH
    assert built.ram.static < FIRMWARE_RAM + BOARD.uart.ring + BOARD.uart.largest_payload


def test_the_same_inputs_give_the_same_bytes(built: BuildResult, tmp_path: Path) -> None:
    again = build(tmp_path / "somewhere" / "else")
    assert again.bin.read_bytes() == built.bin.read_bytes()
    assert again.hex.read_bytes() == built.hex.read_bytes()
    assert again.elf.read_bytes() == built.elf.read_bytes()


def test_no_path_of_this_machine_gets_into_the_firmware(built: BuildResult) -> None:
    assert str(built.elf.parent).encode() not in built.elf.read_bytes()
    assert str(Path.cwd()).encode() not in built.elf.read_bytes()


def test_no_floating_point_heap_or_libc(built: BuildResult) -> None:
    listing = tools.run(["arm-none-eabi-nm", str(built.elf)])
    names = {line.split()[-1] for line in listing.splitlines()}
    assert not names & {"malloc", "_malloc_r", "_sbrk", "printf", "__aeabi_fadd", "__aeabi_dadd", "__aeabi_fmul"}
    assert not [line for line in listing.splitlines() if " U " in line]


def test_too_large_for_the_linker(tmp_path: Path) -> None:
    flash = dataclasses.replace(BOARD.memory.flash, size=1024)
    small = dataclasses.replace(BOARD, memory=dataclasses.replace(BOARD.memory, flash=flash))
    with pytest.raises(FitError, match=r"does not fit mps2-an386; FLASH: [\d,]+ bytes too many"):
        build(tmp_path, small)


def test_broken_c_shows_the_compilers_words(tmp_path: Path) -> None:
    (tmp_path / "network").mkdir()
    header = (NETWORK / "network.h").read_text() + '#error "deliberate"\n'
    (tmp_path / "network" / "network.h").write_text(header)
    with pytest.raises(ToolError) as caught:
        compile_firmware(BOARD, tmp_path / "network", tmp_path / "out")
    assert 'error: #error "deliberate"' in caught.value.message
    assert "arm-none-eabi-gcc" in caught.value.message


# ---- hello, infer, stats ----


def test_hello(device: Device, built: BuildResult) -> None:
    facts = device.facts
    assert (facts.board, facts.build_id, facts.timer) == (BOARD.name, BUILD_ID, BOARD.timer.driver)
    assert (facts.input_bytes, facts.outputs, facts.layers) == (INPUT_BYTES, 3, 3)
    assert facts.largest_payload == BOARD.uart.largest_payload
    assert facts.timer_hz == BOARD.timer.hz
    # What the device believes of its memory is what the build measured.
    assert (facts.flash, facts.ram) == (built.flash.total, built.ram.total)
    assert (facts.stack, facts.arena) == (built.ram.stack, built.ram.arena)


def test_logits_are_exact(device: Device) -> None:
    for run, clip in enumerate(clips(seeds.fresh("clips"), 5), 1):
        assert device.infer(clip).logits == (*logits(clip), run)


def test_every_byte_value_gets_through(device: Device) -> None:
    for value in (0x00, 0x01, 0x03, 0x04, 0x11, 0x13, 0x7F, 0xEF, 0xFF):
        clip = np.full(INPUT_BYTES, value, np.uint8)
        clip[0] = 0
        assert device.infer(clip).logits[:2] == logits(clip)


def test_small_frames(tmp_path: Path) -> None:
    small = dataclasses.replace(BOARD, uart=dataclasses.replace(BOARD.uart, largest_payload=100))
    elf = build(tmp_path / "out", small).elf
    runners.flash(small, elf, tmp_path, expected_build=BUILD_ID)
    (clip,) = clips(seeds.fresh("clip"), 1)
    with runners.connect(small, tmp_path, expected_build=BUILD_ID) as opened:
        assert opened.facts.largest_payload == 100
        assert opened.infer(clip).logits == (*logits(clip), 1)


def test_exactly_once(state: Path) -> None:
    clip = clips(seeds.fresh("clip"), 1)[0]
    requests = [
        Frame(Type.HELLO, 0),
        *[Frame(Type.INPUT, 1, protocol.input_payload(0, clip.tobytes()))] * 2,
        *[Frame(Type.RUN, 2)] * 5,
        Frame(Type.STATS, 3),
    ]
    replies = exchange(BOARD, state, b"".join(map(encode, requests)), len(requests))
    assert len({frame.payload for frame in replies if frame.type == Type.RUN | REPLY}) == 1
    assert protocol.parse_result(replies[3].payload).logits == (*logits(clip), 1)
    assert protocol.parse_stats(replies[-1].payload).inferences == 1


def test_the_link_may_be_closed_and_opened_again(state: Path) -> None:
    with runners.RUNNERS["qemu"].start(BOARD, state) as url:
        for run in (1, 2, 3):
            with runners.connect(BOARD, state, expected_build=BUILD_ID, port=url) as opened:
                assert opened.infer(with_first(7)).logits == (7, 0, run)


def test_stack_high_water(device: Device) -> None:
    before = device.stats().stack_high_water
    device.infer(with_first(0))
    after = device.stats().stack_high_water
    assert 32 <= before <= after < BOARD.memory.stack


# ---- the instruction counter ----


def test_the_counter_counts_instructions(device: Device) -> None:
    # Layer 1 of the double spins 1000 * (1 + second byte) turns of 2 instructions.
    short, long = (device.infer(with_first(0, turns)) for turns in (3, 203))
    difference = long.layer_ticks[1] - short.layer_ticks[1]
    instructions = 200 * 1000 * 2
    assert difference * BOARD.timer.units_per_tick == pytest.approx(instructions, abs=2 * BOARD.timer.units_per_tick)
    overhead = short.layer_ticks[1] * BOARD.timer.units_per_tick - 4 * 1000 * 2
    assert 0 <= overhead < 50


def test_taking_the_input_counts(device: Device) -> None:
    result = device.infer(with_first(0))
    # The double clears and fills its input byte by byte.
    outside = (result.ticks - sum(result.layer_ticks)) * BOARD.timer.units_per_tick
    assert 2 * INPUT_BYTES < outside < 40 * INPUT_BYTES


def test_counts_are_repeatable_to_the_tick(state: Path) -> None:
    clip = clips(seeds.fresh("clip"), 1)[0]
    ticks, layers = set(), []
    for _ in range(2):
        with runners.connect(BOARD, state, expected_build=BUILD_ID) as opened:
            results = [opened.infer(clip) for _ in range(4)]
            ticks |= {result.ticks for result in results}
            layers += [result.layer_ticks for result in results]
    # Anything that is timed may begin anywhere within a tick; the whole is two such: taking the input, and the layers.
    assert max(ticks) - min(ticks) <= 2
    assert all(max(layer) - min(layer) <= 1 for layer in zip(*layers, strict=True))
    assert sum(layers[0]) <= min(ticks) + len(layers[0])


# ---- when things go wrong ----


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("no memory", "no memory where data was read or written; address 0x3f000004"),
        ("undefined instruction", "undefined instruction"),
        ("stack overflow", "stack overflow"),
    ],
)
def test_a_fault_is_reported(state: Path, built: BuildResult, kind: str, told: str) -> None:
    with runners.RUNNERS["qemu"].start(BOARD, state) as url:
        with (
            runners.connect(BOARD, state, port=url) as opened,
            pytest.raises(LinkError, match="has stopped in RUN: HardFault") as caught,
        ):
            opened.infer(with_first(FAULTS[kind]))
        assert told in caught.value.message
        # It goes on telling, to whoever asks.
        with pytest.raises(LinkError, match="has stopped in HELLO") as again:
            runners.connect(BOARD, state, port=url).__enter__()
        assert told in again.value.message
    if kind != "stack overflow":
        (pc,) = re.findall(r"0x[0-9a-f]+", caught.value.hint)
        where = tools.run(["arm-none-eabi-addr2line", "-f", "-e", str(built.elf), pc])
        assert "pqk_network_run_layer" in where or "accident" in where


def test_a_reset_in_mid_run_is_noticed(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "RUN_TIMEOUT_S", 0.3)
    with pytest.raises(LinkError, match="resets again and again"):
        device.infer(with_first(RESET))
    assert device.resets == 1 + verbs.RESETS_ALLOWED
    # The next clip goes through: the session is there again.
    assert device.infer(with_first(9)).logits == (9, 0, 1)


def test_another_build_is_refused(state: Path, built: BuildResult) -> None:
    for act in (
        lambda: runners.connect(BOARD, state, expected_build="deadbeefdeadbeef").__enter__(),
        lambda: runners.flash(BOARD, built.elf, state, expected_build="deadbeefdeadbeef"),
    ):
        with pytest.raises(LinkError) as caught:
            act()
        assert f"runs build {BUILD_ID}, not deadbeefdeadbeef" in caught.value.message
        assert caught.value.hint == "pqk-mcu flash"


def test_nothing_flashed(tmp_path: Path) -> None:
    with pytest.raises(LinkError) as caught:
        runners.connect(BOARD, tmp_path).__enter__()
    assert "nothing has been flashed to mps2-an386" in caught.value.message
    assert caught.value.hint == "pqk-mcu flash"


def test_nothing_to_flash(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        runners.flash(BOARD, tmp_path / "firmware.elf", tmp_path, expected_build=BUILD_ID)
    assert caught.value.hint == "pqk-mcu build"


def test_no_device_at_the_port(state: Path) -> None:
    with pytest.raises(LinkError, match="there is no port /dev/no-such-port"):
        runners.connect(BOARD, state, port="/dev/no-such-port").__enter__()
    with pytest.raises(LinkError, match="cannot open socket:"):
        runners.connect(BOARD, state, port="socket://127.0.0.1:1").__enter__()


def test_an_emulator_that_does_not_start(state: Path) -> None:
    with pytest.raises(LinkError) as caught:
        runners.connect(UNKNOWN, state).__enter__()
    assert "the emulator of mps2-an386 ended with status 1" in caught.value.message
    assert "unsupported machine type" in caught.value.message
    assert "udp://127.0.0.1" in caught.value.message


def test_a_timer_that_stands_still(tmp_path: Path) -> None:
    """QEMU 7.2 has no cycle counter: it reads as 0."""
    timer = dataclasses.replace(BOARD.timer, driver="dwt", base=0xE0001000)
    board = dataclasses.replace(BOARD, timer=timer)
    elf = build(tmp_path, board).elf
    with pytest.raises(LinkError, match=r"the timer of mps2-an386 on .* stands still \(dwt\)") as caught:
        runners.flash(board, elf, tmp_path, expected_build=BUILD_ID)
    assert "timer.driver" in caught.value.hint


def test_firmware_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "HELLO_TIMEOUT_S", 0.1)
    (tmp_path / "garbage").write_bytes(bytes(100))
    with pytest.raises(LinkError) as caught:
        runners.flash(BOARD, tmp_path / "garbage", tmp_path / "state", expected_build=BUILD_ID)
    assert "mps2-an386" in caught.value.message


@pytest.fixture
def emulators(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The emulators that are started in a test."""
    started: list[subprocess.Popen[bytes]] = []
    original = tools.start

    def noting(*args, **keywords):  # type: ignore[no-untyped-def]
        started.append(original(*args, **keywords))
        return started[-1]

    monkeypatch.setattr(tools, "start", noting)
    return started


def test_an_emulator_killed_in_mid_run(state: Path, tmp_path: Path, emulators: list[subprocess.Popen[bytes]]) -> None:
    inputs = clips(seeds.fresh("clips"), 8)
    # The third logit of the double counts inferences since reset, so it differs after the restart.
    expected = np.array([(*logits(clip), run) for run, clip in enumerate(inputs, 1)], np.int32)
    asked = Clips("testing", [f"clip {i}" for i in range(8)], inputs, np.zeros(8, np.int64), expected)
    journal = tmp_path / "journal"

    def run(*machines: Board, kill_after: int | None):  # type: ignore[no-untyped-def]
        left = iter(machines)

        def report(done: int, total: int) -> None:
            assert total == 8
            if done == kill_after:
                emulators[-1].kill()

        def connect() -> AbstractContextManager[Device]:
            return runners.connect(next(left), state, expected_build=BUILD_ID)

        return evaluate(connect, asked, UNIT, journal, report)

    with pytest.raises(LinkError) as caught:
        run(BOARD, UNKNOWN, kill_after=3)
    message = caught.value.message
    assert "udp://127.0.0.1" in message
    killed, then = message.split("; then: ")  # QEMU may have warned of something before
    assert "the emulator of mps2-an386 was killed by signal 9" in killed
    assert "the emulator of mps2-an386 ended with status 1" in then
    assert f"3 of 8 clips are done and kept in {journal}" in message
    assert len(journal.read_text().splitlines()) == 4
    result = run(BOARD, kill_after=None)
    assert result.resumed == 3
    assert result.different_logits == 5
    record = result.record()
    assert record["unit"] == "emulated instructions"
    assert record["per_inference"][0] == round(result.inferences[0].ticks * 1.25)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_the_emulator_ends_with_the_block(
    state: Path, emulators: list[subprocess.Popen[bytes]], error: type[BaseException]
) -> None:
    def act() -> None:
        with runners.connect(BOARD, state):
            raise error

    with pytest.raises(error):
        act()
    assert emulators[-1].poll() is not None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_the_emulator_dies_with_us(state: Path) -> None:
    script = f"""
import os, sys, time
from pathlib import Path
from pqk import runners, tools
from support.device import BOARD
start = tools.start
def noting(*args, **keywords):
    process = start(*args, **keywords)
    print(process.pid, flush=True)
    return process
tools.start = noting
with runners.connect(BOARD, Path({str(state)!r})):
    print("there", flush=True)
    time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout is not None
    pid = int(child.stdout.readline())
    assert child.stdout.readline() == "there\n"
    assert alive(pid)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert wait_for(lambda: not alive(pid))


def alive(pid: int) -> bool:
    """Whether a process runs (one that has ended but was not waited for does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
