"""Fuzzing the firmware's side of the wire protocols: three programs, inputs to begin with, and runs of libFuzzer.

`make fuzz` runs this file; tests/fuzz/protocol_fuzz.c and text_fuzz.c say what is tried and what is checked.
"""

import dataclasses
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from pqk_codegen.decision import Settings
from pqk_codegen.generate import generate
from pqk_codegen.generate_mlperf import mlperf_files
from pqk_codegen.generate_spotter import generate_spotter
from pqk_codegen.plan import plan
from pqk_codegen.reuse import Chunk
from pqk_codegen.streaming import chunked, with_interior_mean

from pqk import assets, protocol
from pqk.firmware import AUDIO_SOURCES, MLPERF_SOURCES, render
from pqk.protocol import Frame, Type
from support import networks, spotting
from support.device import BOARD
from support.host import STRICT
from support.seeds import fresh
from support.spotting import CLASSES, StandIn

HARNESS = Path(__file__).parents[1] / "fuzz"
SOURCES = ("protocol.c", "payload.c", "cobs.c", "crc16.c", "infer.c", "uart.c", "ring.c")
SANITIZED = ["-O2", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
SANITIZED += ["-fno-sanitize-coverage=trace-cmp"]  # watching every comparison takes half the time
WRAPPED = ("pqk_network_set_input", "pqk_network_run_layer")
MLPERF_WRAPPED = ("pqk_protocol_receive", "pqk_mlperf_command", "pqk_mlperf_too_long")
VARIABLES = {".data": "pqk_data", ".bss": "pqk_bss"}
"""Sections of the firmware's variables, and names by which the linker tells where they begin and end."""

KINDS = ("features", "audio", "mlperf")
"""Of firmware: without a front end, with one, and that with MLPerf Tiny's text on the same line."""
PAYLOAD = {"features": 64, "audio": 131, "mlperf": 131}
"""Bytes: less than an input or a clip, so that each takes several frames; odd where samples have two bytes."""
RING = 64
INPUT_SHAPE = (1, 9, 17)
FRONT_END = StandIn(window=17, hop=10, frames=23, features=6, center=True)
INPUT_BYTES = FRONT_END.frames * FRONT_END.features
CHUNK_HOP = 1
SETTINGS = Settings((6000, 9000, 12000, 6000, 3000, 6000), 2, 2, 0)
LONGEST = 256
"""Bytes of an input."""
SECONDS = 60
"""After which an input counts as one that hangs the device; the slowest take milliseconds, on a busy machine longer."""


def build(kind: str, out: Path, seed: int, firmware: Path | None = None) -> Path:
    """The program of one kind with a random network, in `out` anew, of the sources in `firmware` (default: ours)."""
    shutil.rmtree(out, ignore_errors=True)  # another network may have other sources
    out.mkdir(parents=True)
    firmware = firmware or assets.directory("firmware")
    rng = np.random.default_rng(seed)
    generated = out / "generated"
    if kind != "features":
        _generate_spotter(rng, generated, text=kind == "mlperf")
    else:
        builder = networks.Builder(rng, INPUT_SHAPE)
        builder.conv(3)
        generate(plan(builder.finish(CLASSES), "host"), generated)
    uart = dataclasses.replace(BOARD.uart, largest_payload=PAYLOAD[kind], ring=RING)
    render(dataclasses.replace(BOARD, uart=uart), out)
    audio = AUDIO_SOURCES if kind != "features" else ()
    names = [*SOURCES, *audio, *(MLPERF_SOURCES if kind == "mlperf" else ())]
    sources = [*(firmware / name for name in names), *sorted(generated.glob("*.c"))]
    return _compiled(out, sources, firmware, text=kind == "mlperf")


def _generate_spotter(rng: np.random.Generator, out: Path, *, text: bool) -> None:
    """A network whose outputs are likely now and then, and that reuses what windows share, as is the default."""
    builder = networks.Builder(rng, (1, FRONT_END.frames, FRONT_END.features))
    builder.conv(3, pool=(2, 1))
    inputs = rng.integers(0, 256, (50, 1, FRONT_END.frames, FRONT_END.features)).astype(np.uint8)
    network = spotting.calibrated(rng, with_interior_mean(builder.finish(CLASSES)), inputs)
    files = generate_spotter(spotting.spec(SETTINGS), network) | FRONT_END.files()
    files |= mlperf_files(network) if text else {}
    made = chunked(network, CHUNK_HOP)
    generate(plan(network, "host"), out, audio=files, chunk=Chunk(made, plan(made.network, "host")))


def _compiled(out: Path, sources: list[Path], firmware: Path, *, text: bool) -> Path:
    include = [f"-I{folder}" for folder in (firmware, out / "generated", out)]
    objects = out / "objects"
    objects.mkdir(exist_ok=True)
    command = ["clang", *STRICT, *SANITIZED, *include]
    subprocess.run([*command, "-c", *map(str, sources)], cwd=objects, check=True)
    renamed = [f"--rename-section={old}={new}" for old, new in VARIABLES.items()]
    for path in sorted(objects.iterdir()):
        subprocess.run(["objcopy", *renamed, str(path)], check=True)
    host = out / "host"
    host.mkdir()
    parts = [HARNESS / name for name in ("protocol_fuzz.c", *(["text_fuzz.c"] if text else []))]
    # As it is: what it covers is of no interest.
    subprocess.run(["clang", *STRICT, "-O2", "-g", *include, "-c", *map(str, parts)], cwd=host, check=True)
    wraps = [f"-Wl,--wrap={name}" for name in (*WRAPPED, *(MLPERF_WRAPPED if text else ()))]
    linked = [str(path) for folder in (host, objects) for path in sorted(folder.iterdir())]
    subprocess.run([*command, *linked, *wraps, "-o", str(out / "program")], check=True)
    return out / "program"


# ---- inputs; the numbers are those of protocol_fuzz.c and text_fuzz.c ----

OPERATIONS, RAW, HELLO_FIRST = 0, 1, 2
BYTES, AGAIN, REQUEST, TEXT, BURST = 0, 1, 2, 3, 4
NEXT, LAST, NEAR, NUMBER = range(4)
START, FOLLOW, BESIDE = 1 << 2, 2 << 2, 3 << 2
DAMAGED, OTHER_VERSION, CUT, REPEATED = 0x10, 0x20, 0x40, 0x80
DB_LOAD, DB_HEX, SILENCE = 6, 7, 0x10


def request(
    kind: int, flags: int = NEXT, own: bytes = b"", *, beside: int = 0, length: int = 0, burst: bool = False
) -> bytes:
    """The operation that sends a request, of which `own` are the payload's bytes, repeated up to `length`.

    `beside`: with the flag BESIDE, how far the position is from where the last one ended.
    """
    head = bytes([REQUEST | BURST * burst, kind, flags | REPEATED * bool(length)])
    place = struct.pack("<b", beside) if flags & BESIDE == BESIDE else b""
    size = struct.pack("<H", length) if length else b""
    return head + place + size + bytes([len(own)]) + own


def pieces(kind: int, total: int, each: int, own: bytes, *, burst: bool = False) -> bytes:
    """Requests whose payloads, `own` again and again, make up `total` bytes behind their positions, `each` at most."""
    sizes = [min(each, total - at) for at in range(0, total, each)]
    rules = [START] + [FOLLOW] * (len(sizes) - 1)
    requests = [
        request(kind, rule, own, length=protocol.INPUT_OVERHEAD + size, burst=burst)
        for rule, size in zip(rules, sizes, strict=True)
    ]
    return b"".join(requests)


def seeds(kind: str) -> list[bytes]:
    """Inputs that reach every request, every refusal and every sort of damage."""
    run, stats, again = request(Type.RUN), request(Type.STATS), bytes([AGAIN])
    most = PAYLOAD[kind]
    size, each = prod(INPUT_SHAPE) if kind == "features" else INPUT_BYTES, most - 4
    whole = pieces(Type.INPUT, size, each, b"\1\2\3")
    together = pieces(Type.INPUT, size, each, b"\5\6\7", burst=True) + request(Type.RUN, burst=True)
    operations = [
        run + stats,
        whole + run + again + stats,
        whole + request(Type.INPUT, FOLLOW, b"\7") + request(Type.INPUT, BESIDE, b"\7", beside=-9) + stats,
        request(Type.INPUT, START, b"\1", length=most + 1) + again + stats,
        request(Type.HELLO) + 3 * again + request(Type.STATS, LAST),
        bytes([REQUEST, Type.STATS, NEAR, 2, 0, REQUEST, Type.STATS, NUMBER, 255, 255, 0]) + 2 * stats,
        bytes([REQUEST, Type.STATS, OTHER_VERSION, 1, 0]) + stats,
        bytes([REQUEST, Type.STATS, DAMAGED, 0, 3, 0, 16]) + stats,
        bytes([REQUEST, Type.STATS, CUT, 0, 5, 0]) + again + stats,
        bytes([BYTES, 5, 0, 0, 1, 0, 9]) + stats,
        request(0x55) + request(Type.RUN, NEXT, b"x") + request(Type.STATS, NEXT, b"x"),
        together + together + run,
    ]
    if kind != "features":
        operations += _about_audio(most)
    if kind == "mlperf":
        operations += _in_text()
    line = b"".join(protocol.encode(Frame(t, i)) for i, t in enumerate((Type.HELLO, Type.STATS, Type.RUN)))
    lines = [line, line + line[:-4], line.replace(b"\0", b"\0\0"), b"\xff" * 200 + b"\0" + line]
    return [bytes([HELLO_FIRST | OPERATIONS]) + each for each in operations] + [bytes([RAW]) + each for each in lines]


def _about_audio(most: int) -> list[bytes]:
    settings, run = protocol.settings_payload(SETTINGS), request(Type.RUN)
    eager = dataclasses.replace(SETTINGS, thresholds=(0,) * len(CLASSES), smoothing=1, stride=1)
    clip = pieces(Type.AUDIO, 2 * FRONT_END.clip_samples, most - 5, b"\1\x20\3\x10\xff")
    begin = request(Type.STREAM, NEXT, protocol.stream_payload(0, b"", begins=True))
    more = request(Type.STREAM, FOLLOW, bytes(4) + b"\1\x40\3\xc0\5\x20\7", length=most - 1)
    return [
        clip + run + request(Type.STATS),
        clip + clip + run + run,
        clip + request(Type.AUDIO, FOLLOW, b"\1\2") + request(Type.AUDIO, START, b"\1") + run,
        begin + 8 * more,
        request(Type.SETTINGS, NEXT, protocol.settings_payload(eager)) + begin + 12 * more,
        begin + 3 * more + request(Type.SETTINGS, NEXT, settings) + 4 * more + request(Type.INPUT, START, b"\1") + more,
        request(Type.SETTINGS)
        + request(Type.SETTINGS, NEXT, b"\0" + settings[1:])
        + request(Type.SETTINGS, NEXT, b"x"),
        begin + request(Type.STREAM, BESIDE, bytes(6), beside=-1) + request(Type.STREAM, FOLLOW, b"\2"),
    ]


def said(text: str, *, burst: bool = False) -> bytes:
    """The operation that puts text on the line."""
    return bytes([BYTES | BURST * burst, len(text)]) + text.encode()


def silence(steps: int) -> bytes:
    """Of so many 64ths of a second."""
    return bytes([TEXT, SILENCE, steps])


def _in_text() -> list[bytes]:
    begin = bytes([TEXT, DB_LOAD, 0])
    lines = b"".join(bytes([TEXT, DB_HEX, 31, start]) for start in range(INPUT_BYTES // 31 + 1))  # more than needed
    together = b"".join(bytes([TEXT | BURST, DB_HEX, 31, start]) for start in range(INPUT_BYTES // 31 + 1))
    stats, clip = request(Type.STATS), request(Type.INPUT, START, b"\1")
    return [
        said("name%profile%timestamp%help%results%db print%"),
        begin + lines + said("db print%infer 2 1%results%") + stats,
        begin + together + said("infer%") + clip,
        begin + lines + said("infer 999999999 9%") + said("infer 9 999999999%name%"),
        begin + lines + clip + said("infer 1 0%") + request(Type.INPUT, FOLLOW, b"\2") + request(Type.RUN),
        said("db%db load%db load 999%db 00%db load 9%db 123%db 12fg%db 00%db print%infer 1 0%"),
        said("infer x%infer 1 x%nonsense%" + 80 * "y" + "%"),
        said("na\r\nme%  name%\x7fname%"),
        said("%") + silence(9) + said("%name") + silence(255) + said("%%"),
        bytes([REQUEST, Type.STATS, CUT, 0, 7, 0]) + silence(70) + said("name%") + stats,
        said("name%profile%", burst=True) + request(Type.STATS, burst=True) + said("help%") + stats,
        said("db load 4") + bytes([BYTES, 1, 0]) + stats,
    ]


# ---- runs ----


@dataclass(frozen=True)
class Outcome:
    """Of one run of libFuzzer."""

    inputs: int
    seconds: float
    covered: int
    """Places in the firmware and the network that inputs have reached, of those that libFuzzer counts."""
    finding: str
    """What was said of the input that failed; empty where none did."""


def run(program: Path, kind: str, corpus: Path, inputs: int, seed: int) -> Outcome:
    """Try so many inputs, beginning with the seeds and what the folder `corpus` has, which grows.

    One that fails ends the run and is written beside that folder; `program FILE` runs it alone.
    """
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(kind)):
        (corpus / f"seed-{number:02}").write_bytes(data)
    options = {"runs": inputs, "seed": seed, "max_len": LONGEST, "len_control": 0, "timeout": SECONDS}
    argv = [str(program), *(f"-{name}={value}" for name, value in options.items())]
    argv += [f"-artifact_prefix={corpus.parent}/", "-print_final_stats=1", str(corpus)]
    start = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    seconds = time.monotonic() - start
    log = done.stderr
    tried = re.findall(r"stat::number_of_executed_units: *(\d+)", log)
    covered = re.findall(r"\bcov: (\d+)", log)
    first = re.search(r"the firmware is wrong|runtime error|ERROR: ", log)
    return Outcome(
        int(tried[-1]) if tried else 0,
        seconds,
        int(covered[-1]) if covered else 0,
        log[first.start() if first else -3000 :][:3000] if done.returncode else "",
    )


def replies(program: Path, inputs: Sequence[bytes], folder: Path) -> bytes:
    """What the device says to inputs, run one after the other in one process, each once.

    Looking for leaks, libFuzzer would run some again: where other threads happened to free less than was allocated.
    """
    paths = [folder / f"input-{number}" for number in range(len(inputs))]
    for path, data in zip(paths, inputs, strict=True):
        path.write_bytes(data)
    heard = folder / "replies"
    environment = os.environ | {"PQK_FUZZ_REPLIES": str(heard)}
    argv = [str(program), "-detect_leaks=0", *map(str, paths)]
    subprocess.run(argv, env=environment, capture_output=True, check=True)
    return heard.read_bytes()


def fuzz(out: Path, inputs: int) -> dict[str, Outcome]:
    """Try so many inputs on each kind, with new networks, in folders of `out`, and say what came of it."""
    rng = fresh("fuzz")
    outcomes = {}
    for kind in KINDS:
        program = build(kind, out / kind / "build", int(rng.integers(2**32)))
        corpus = out / kind / "corpus"
        outcomes[kind] = one = run(program, kind, corpus, inputs, int(rng.integers(1, 2**31)))
        sizes = [path.stat().st_size for path in corpus.iterdir()]
        print(
            f"{kind}: {one.inputs:,} inputs, {one.inputs / one.seconds:,.0f} a second, {one.covered} places covered, "
            f"corpus of {len(sizes)} files, {sum(sizes):,} bytes: {one.finding or 'nothing found'}",
            flush=True,
        )
    return outcomes


if __name__ == "__main__":
    sys.exit(any(one.finding for one in fuzz(Path("build/fuzz").resolve(), int(sys.argv[1])).values()))
