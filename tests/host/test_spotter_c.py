"""The spotter's C on the host, under sanitizers, against the contract's arithmetic in Python."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pqk_codegen import spotter as reference
from pqk_codegen.decision import MOST_SMOOTHING, NEVER, Settings, scale_of
from pqk_codegen.errors import IrError
from pqk_codegen.frontend import FrontEnd, FrontEndSpec
from pqk_codegen.generate_spotter import audio_files, generate_spotter
from pqk_codegen.ir import Network
from support import seeds, spotting
from support.spotting import (
    CLASSES,
    CLIP_BEGIN,
    CLIP_END,
    CLOCK,
    COUNTERS,
    GET,
    INIT,
    KEYWORDS,
    POLL,
    WINDOW,
    Model,
    StandIn,
    cut,
    detected,
    jump,
    push,
    say,
    set_settings,
)

STREAM = 150  # hops, in which most networks detect something
QUEUE = 8  # detections that may wait, so the hops of audio that may be pushed at once without losing any
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@dataclass(frozen=True)
class Built:
    program: Path
    network: Network
    front_end: StandIn
    settings: Settings

    def model(self) -> Model:
        return Model(self.network, self.front_end, self.settings)


def build(front_end: StandIn, rng: np.random.Generator, folder: Path) -> Built:
    """With a network and settings that detect something in a stream."""
    network, chosen = seeds.until(
        lambda: (spotting.random_network(rng, front_end), spotting.random_settings(rng, front_end)),
        lambda drawn: Model(drawn[0], front_end, drawn[1]).push(audio(rng, STREAM * front_end.hop)).detections,
    )
    files = generate_spotter(spotting.spec(chosen), network) | front_end.files()
    return Built(spotting.build(network, files, folder), network, front_end, chosen)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    rng = seeds.fresh("spotter")
    return build(spotting.random_front_end(rng), rng, tmp_path_factory.mktemp("spotter"))


def audio(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(-(2**15), 2**15, count).astype(np.int16)


# ---- streams ----


@pytest.mark.parametrize(
    ("window", "hop", "center"),
    [(24, 10, True), (25, 10, False), (16, 16, False), (17, 15, True), (40, 2, True), (3, 2, False)],
)
def test_a_stream_equals_the_model_and_the_reference(window: int, hop: int, center: bool, tmp_path: Path) -> None:
    rng = seeds.fresh("stream")
    made = build(StandIn(window, hop, 6, 5, center), rng, tmp_path)
    samples = seeds.until(
        lambda: audio(rng, window + STREAM * hop), lambda samples: made.model().push(samples).detections
    )
    model = made.model().push(samples)
    pieces = [push(piece) + POLL for piece in cut(rng, samples, QUEUE * hop)]
    lines = say(made.program, INIT, *pieces, COUNTERS)
    assert detected(lines) == model.detections
    assert lines[-1][1:] == [str(len(samples)), str(len(model.rows)), str(model.inferences), "0", "0", "0"]
    count = reference.inferences_in(made.front_end, len(samples), made.settings.stride)
    assert count == model.inferences
    inferences = reference.infer(
        made.network, made.front_end, reference.reader(samples), stride=made.settings.stride, count=count
    )
    scale = scale_of(made.network.tensors[made.network.output].scale)
    found = reference.decide(inferences, scale, KEYWORDS, made.settings)
    assert [(one.word, one.score, one.samples) for one in found] == model.detections


@FEW
@given(seed=st.integers(0, 2**32 - 1), share=st.sampled_from([0, 0.2, 1, QUEUE]))
def test_any_chunking_gives_the_same(built: Built, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    samples = audio(rng, int(rng.integers(0, 60 * built.front_end.hop)))
    most = max(1, int(share * built.front_end.hop))
    model = built.model()
    model.push(samples)
    lines = say(built.program, INIT, *(push(piece) + POLL for piece in cut(rng, samples, most)), WINDOW)
    assert detected(lines) == model.detections
    if len(model.rows) >= built.front_end.frames:
        assert lines[-2] == ["window", model.window().tobytes().hex()]


def test_the_window_at_every_sample(built: Built) -> None:
    """Each frame is there with its last sample, and not before."""
    rng = seeds.fresh("window")
    samples = audio(rng, (2 * built.front_end.frames + 3) * built.front_end.hop + built.front_end.window)
    model, frames = built.model(), built.front_end.frames
    for sample, line in zip(
        samples, say(built.program, INIT, *(push(s[None]) + WINDOW for s in samples))[::2], strict=True
    ):
        model.push([sample])
        shown = bytes.fromhex(line[1])
        known = model.window().tobytes()
        assert shown[len(shown) - len(known) :] == known
    assert len(model.rows) > 2 * frames


@pytest.mark.parametrize("value", [0, 1, -1, 32767, -32768])
def test_constant_audio(built: Built, value: int) -> None:
    samples = np.full(40 * built.front_end.hop, value, np.int16)
    model = built.model()
    model.push(samples)
    pieces = np.array_split(samples, 7)
    assert detected(say(built.program, INIT, *(push(piece) + POLL for piece in pieces))) == model.detections


def test_init_forgets_everything(built: Built) -> None:
    rng = seeds.fresh("init")
    first, second = audio(rng, 531), audio(rng, 60 * built.front_end.hop)
    model = built.model()
    model.push(second)
    other = replace(built.settings, smoothing=built.settings.smoothing % 31 + 1, thresholds=(0,) * len(CLASSES))
    changed = [push(first), set_settings(other), push(first), INIT, POLL]
    pieces = [push(piece) + POLL for piece in cut(rng, second, QUEUE * built.front_end.hop)]
    assert detected(say(built.program, INIT, *changed, *pieces)) == model.detections
    fresh = say(built.program, INIT, *changed, GET, COUNTERS)
    assert fresh[-2] == words_of(built.settings)
    assert fresh[-1] == ["counters", *"000000"]


def words_of(chosen: Settings) -> list[str]:
    numbers = (chosen.smoothing, chosen.stride, chosen.refractory, *chosen.thresholds)
    return ["settings", *map(str, numbers)]


# ---- settings ----


@FEW
@given(seed=st.integers(0, 2**32 - 1))
def test_settings_may_change_at_any_sample(built: Built, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model, commands = built.model(), [INIT]
    for _ in range(int(rng.integers(1, 6))):
        samples = audio(rng, int(rng.integers(0, 30 * built.front_end.hop)))
        chosen = spotting.random_settings(rng, built.front_end)
        model.push(samples)
        model.set(chosen)
        commands += [push(piece) + POLL for piece in cut(rng, samples, QUEUE * built.front_end.hop)]
        commands += [set_settings(chosen), GET]
    last = audio(rng, 30 * built.front_end.hop)
    model.push(last)
    lines = say(built.program, *commands, *(push(piece) + POLL for piece in np.array_split(last, 9)), COUNTERS)
    assert detected(lines) == model.detections
    assert [words for words in lines if words[0] == "settings"][-1] == words_of(chosen)
    assert int(lines[-1][3]) == model.inferences


@dataclass(frozen=True)
class Anything:
    """Settings that Settings would refuse."""

    thresholds: tuple[int, ...] = (0,) * len(CLASSES)
    smoothing: int = 1
    stride: int = 1
    refractory: int = 0


@pytest.mark.parametrize(
    "wrong", [{"smoothing": 0}, {"smoothing": MOST_SMOOTHING + 1}, {"smoothing": 65535}, {"stride": 0}]
)
def test_settings_out_of_range_change_nothing(built: Built, wrong: dict[str, int]) -> None:
    samples = audio(seeds.fresh("settings"), 60 * built.front_end.hop)
    model = built.model()
    model.push(samples)
    half = 31 * built.front_end.hop + 5
    refused = set_settings(Anything(**wrong))  # type: ignore[arg-type]
    lines = say(built.program, INIT, push(samples[:half]), POLL, refused, GET, push(samples[half:]), POLL)
    assert ["set", "0"] in lines
    assert words_of(built.settings) in lines
    assert detected(lines)[-2:] == model.detections[-2:]


@pytest.mark.parametrize(
    "extreme",
    [
        Anything(smoothing=MOST_SMOOTHING, stride=65535, refractory=2**32 - 1),
        Anything(thresholds=(32768,) * len(CLASSES)),
        Anything(thresholds=(65535,) * len(CLASSES)),
    ],
)
def test_settings_at_the_ends_of_their_ranges(built: Built, extreme: Anything) -> None:
    samples = audio(seeds.fresh("extremes"), 80 * built.front_end.hop)
    model = built.model()
    model.set(Settings(extreme.thresholds, extreme.smoothing, extreme.stride, extreme.refractory))
    model.push(samples)
    pieces = [push(piece) + POLL for piece in np.array_split(samples, 20)]
    lines = say(built.program, INIT, set_settings(extreme), *pieces)  # type: ignore[arg-type]
    assert lines[0] == ["set", "1"]
    assert detected(lines) == model.detections
    assert extreme.thresholds[0] != NEVER or not model.detections


# ---- long streams ----


def test_counts_beyond_32_bits(built: Built) -> None:
    """After a year: time stamps, refractory times and strides go on, and new strides count from the first window."""
    rng = seeds.fresh("year")
    front_end, years = built.front_end, 2**36 + 12345
    chosen = Settings((0,) * len(CLASSES), 1, 7, 3 * front_end.hop)
    samples = audio(rng, (front_end.frames + 40) * front_end.hop + front_end.window)
    start = [INIT, push(samples), jump(years * front_end.hop, years), set_settings(chosen)]
    lines = say(built.program, *start, COUNTERS, *(push(piece) + POLL for piece in np.array_split(samples, 40)))
    counters = next(words for words in lines if words[0] == "counters")
    have, frames = int(counters[1]), int(counters[2])
    assert frames > 2**36
    found = [stamp for _, _, stamp in detected(lines) if stamp > have]
    assert len(found) >= 4
    for stamp in found:
        last = (stamp - reference.frame_end(front_end, 0)) // front_end.hop
        assert reference.frame_end(front_end, last) == stamp
        assert (last - front_end.frames + 1) % 7 == 0


# ---- the queue ----


def test_the_oldest_of_too_many_detections_is_dropped(built: Built) -> None:
    samples = audio(seeds.fresh("queue"), (built.front_end.frames + 60) * built.front_end.hop)
    model = built.model()
    model.set(Settings((0,) * len(CLASSES), 1, 1, 0))
    model.push(samples)
    assert len(model.detections) > 40
    lines = say(built.program, INIT, set_settings(model.settings), push(samples), COUNTERS, POLL, POLL)
    assert int(lines[1][-1]) == len(model.detections) - QUEUE
    assert detected(lines) == model.detections[-QUEUE:]


# ---- clips ----


@pytest.mark.parametrize("center", [False, True])
def test_a_clip(center: bool, tmp_path: Path) -> None:
    rng = seeds.fresh("clip")
    made = build(StandIn(26, 8, 7, 5, center), rng, tmp_path)
    clips = rng.integers(-(2**15), 2**15, (3, made.front_end.clip_samples)).astype(np.int16)
    inputs = made.front_end.encode(made.front_end.energies(clips))
    commands = [INIT, push(clips.ravel())]
    for clip in clips:
        commands += [CLIP_BEGIN, *map(push, cut(rng, clip, 30)), CLIP_END, COUNTERS, WINDOW]
    lines = say(made.program, *commands)
    for index, encoded in enumerate(inputs):
        counters, window, logits = lines[3 * index : 3 * index + 3]
        assert encoded.shape == (1, made.front_end.frames, made.front_end.features)
        assert window[1] == encoded.tobytes().hex()
        assert logits[1:] == [str(value) for value in spotting.interpreter.logits(made.network, encoded[None])[0]]
        assert counters[2:4] == [str(made.front_end.frames), "0"]
    # A stream afterwards is as if there had been no clips.
    model = made.model()
    model.push(clips.ravel())
    after = say(made.program, *commands, INIT, *(push(piece) + POLL for piece in np.array_split(clips.ravel(), 30)))
    assert detected(after) == model.detections


# ---- the clock ----


def test_the_clock_is_asked_and_nothing_changes(built: Built) -> None:
    samples = audio(seeds.fresh("clock"), (built.front_end.frames + 10) * built.front_end.hop)
    ways = [say(built.program, *clock, INIT, push(samples), POLL, COUNTERS) for clock in ([], [CLOCK])]
    assert detected(ways[0]) == detected(ways[1])
    front_end, network = map(int, ways[1][-1][4:6])
    inferences = int(ways[1][-1][3])
    # Every look moves the clock by 0x10000001, so that its 32 bits soon wrap. Two looks an inference, two a push.
    assert network == 0x10000001 * inferences
    assert front_end == 0x10000001 * (inferences + 1)
    assert ways[0][-1][4:6] == ["0", "0"]


# ---- what is generated ----


def test_a_spec_for_another_network_is_refused(built: Built) -> None:
    for keywords, thresholds in (((True,), built.settings.thresholds), (KEYWORDS, (1, 2))):
        spec = spotting.spec(replace(built.settings, thresholds=thresholds), keywords)
        with pytest.raises(IrError, match="for 6 outputs"):
            generate_spotter(spec, built.network)


def test_more_outputs_than_a_word_of_the_mask() -> None:
    rng = seeds.fresh("many")
    front_end = StandIn(20, 10, 5, 4, True)
    classes = tuple(f"word {i}" for i in range(70))
    keywords = tuple(bool(flag) for flag in rng.integers(0, 2, 70))
    network = spotting.random_network(rng, front_end, classes)
    chosen = Settings((0,) * 70, 1, 1, 0)
    files = generate_spotter(spotting.spec(chosen, keywords), network)
    words = [int(word.strip().removesuffix("u"), 16) for word in between(files["spotter.h"], "PQK_KEYWORDS {", "}")]
    assert [bool(words[i // 32] >> i % 32 & 1) for i in range(70)] == list(keywords)
    assert len(words) == 3


def between(text: str, start: str, end: str) -> list[str]:
    return text.partition(start)[2].partition(end)[0].split(",")


def test_too_many_outputs(built: Built) -> None:
    network = replace(built.network, classes=tuple(f"word {i}" for i in range(257)))
    spec = spotting.spec(Settings((0,) * 257, 1, 1, 0), (True,) * 257)
    with pytest.raises(IrError, match="257 outputs are more"):
        generate_spotter(spec, network)


def test_windows_with_gaps_do_not_compile(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rng = seeds.fresh("gaps")
    with pytest.raises(subprocess.CalledProcessError):
        build(StandIn(24, 26, 6, 5, True), rng, tmp_path)
    assert "windows leave gaps" in capfd.readouterr().err


# ---- with a front end ----

SPECS = {
    "log-mel": FrontEndSpec(samples=2400),
    "mfcc": FrontEndSpec(kind="mfcc", window=640, hop=320, bands=40, coefficients=10, center=False, samples=4000),
}


@dataclass(frozen=True)
class Listening:
    program: Path
    network: Network
    front_end: FrontEnd
    settings: Settings

    def expected(self, samples: np.ndarray) -> list[tuple[int, int, int]]:
        count = reference.inferences_in(self.front_end, len(samples), self.settings.stride)
        read = reference.reader(samples)
        inferences = reference.infer(self.network, self.front_end, read, stride=self.settings.stride, count=count)
        scale = scale_of(self.network.tensors[self.network.output].scale)
        found = reference.decide(inferences, scale, KEYWORDS, self.settings)
        return [(one.word, one.score, one.samples) for one in found]


def listening(spec: FrontEndSpec, folder: Path) -> Listening:
    """With a network that hears different words."""
    rng, front_end = seeds.fresh("listening"), FrontEnd(spec)
    chosen = Settings((4000,) * len(CLASSES), 2, 3, 2 * spec.hop)

    def draw() -> Listening:
        clips = front_end.features(spotting.recordings(rng, 100, spec.samples))
        network = spotting.random_network(rng, front_end, inputs=clips)
        return Listening(folder / "program", network, front_end, chosen)

    made = seeds.until(draw, lambda made: len(words_in(made.expected(speech(rng, made)))) > 1)
    files = audio_files(spec, spotting.spec(chosen), made.network)
    return replace(made, program=spotting.build(made.network, files, folder))


def speech(rng: np.random.Generator, listening: Listening) -> np.ndarray:
    """Some seconds in which what is heard changes."""
    return spotting.recordings(rng, 40, listening.front_end.spec.samples // 2).ravel()


def words_in(found: Sequence[tuple[int, ...]]) -> set[int]:
    return {word for word, *_ in found}


@pytest.fixture(scope="module", params=list(SPECS))
def heard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Listening:
    return listening(SPECS[request.param], tmp_path_factory.mktemp(request.param))


def detections_of(listening: Listening, pieces: list[np.ndarray]) -> list[tuple[int, ...]]:
    return detected(say(listening.program, INIT, *(push(piece) + POLL for piece in pieces)))


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), most=st.sampled_from([1, 100, 1200]))
def test_audio_in_any_chunks(heard: Listening, seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    samples = spotting.recordings(rng, int(rng.integers(1, 6)), heard.front_end.spec.samples).ravel()
    assert detections_of(heard, cut(rng, samples, most)) == heard.expected(samples)


def test_something_is_detected(heard: Listening) -> None:
    rng = seeds.fresh("something")
    samples = seeds.until(lambda: speech(rng, heard), lambda samples: len(words_in(heard.expected(samples))) > 1)
    assert detections_of(heard, cut(rng, samples, 1200)) == heard.expected(samples)


@pytest.mark.parametrize("kind", ["silence", "clipping", "offset", "full scale", "lowest", "square"])
def test_extreme_audio(heard: Listening, kind: str) -> None:
    rng = seeds.fresh("extreme")
    times = np.arange(3 * heard.front_end.spec.samples)
    wave = {
        "silence": 0 * times,
        "clipping": 200_000 * np.sin(times / 7),
        "offset": 20_000 + 3000 * np.sin(times / 9),
        "full scale": 32767 * np.sin(times / 3),
        "lowest": -32768 + 0 * times,
        "square": np.where(times // 8 % 2, 32767, -32768),
    }[kind]
    samples = np.clip(wave, -32768, 32767).astype(np.int16)
    assert detections_of(heard, cut(rng, samples, 1200)) == heard.expected(samples)


def test_clips_of_audio(heard: Listening) -> None:
    rng = seeds.fresh("clips")
    clips = spotting.recordings(rng, 4, heard.front_end.spec.samples)
    commands = [CLIP_BEGIN + b"".join(map(push, cut(rng, clip, 700))) + CLIP_END + WINDOW for clip in clips]
    windows = say(heard.program, INIT, *commands)[::2]
    assert [words[1] for words in windows] == [encoded.tobytes().hex() for encoded in heard.front_end.features(clips)]


def test_a_front_end_of_another_shape_is_refused(built: Built) -> None:
    spec = spotting.spec(built.settings)
    with pytest.raises(IrError, match="the front end makes"):
        audio_files(SPECS["log-mel"], spec, built.network)
    gaps = FrontEndSpec(window=480, hop=481, samples=481 * 3)
    network = spotting.random_network(seeds.fresh("gaps"), FrontEnd(gaps))
    with pytest.raises(IrError, match="longer than the window"):
        audio_files(gaps, spec, network)
