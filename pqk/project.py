"""A project: the folder with `pqk.toml`. Reading and checking it, and writing a new one."""

import dataclasses
import difflib
import itertools
import json
import tomllib
import types
import typing
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pqk.errors import ProjectError

FILE_NAME = "pqk.toml"
DEFAULT_BOARD = "mps2-an386"
UNKNOWN = "_unknown_"
SILENCE = "_silence_"
MOST_SMOOTHING = 32
"""Inferences over which posteriors can be averaged: what `pqk_codegen.decision` and the device hold."""
MOST_CHANNELS = 256
"""Of a network's width; far beyond what runs on a microcontroller."""

BUDGETS = ("budget_nonzeros", "budget_bytes", "budget_instructions")
"""Keys of `[compression]`, of which one at most is set."""


@dataclass(frozen=True)
class DataConfig:
    """Where the recordings come from and how the two extra classes are made."""

    source: str | None = None
    """Folder of recordings, relative to the project; without it PQK_DATA, then the download cache."""
    unknown: bool = True
    """Whether words outside the list become the class `_unknown_`."""
    unseen: tuple[str, ...] = ()
    """Other words that are left out of all splits: how they are recognised as `_unknown_` is measured by itself."""
    silence: bool = True
    """Whether noise without a word becomes the class `_silence_`."""
    unknown_ratio: float = 3.0
    """At most this many unknown clips for each clip of an average word, in each split."""
    validation_percent: float = 10.0
    """Share of speakers in the validation split, used where the folder has no `validation_list.txt`."""
    testing_percent: float = 10.0
    """Share of speakers in the testing split, used where the folder has no `testing_list.txt`."""

    def __post_init__(self) -> None:
        _check(self.unknown_ratio > 0, "data.unknown_ratio", self.unknown_ratio, "must be greater than 0")
        _check_folders(self.unseen)
        _check(self.unknown or not self.unseen, "data.unseen", list(self.unseen), "needs unknown = true")
        for key in ("validation_percent", "testing_percent"):
            _check(0 < getattr(self, key) < 50, f"data.{key}", getattr(self, key), "must lie between 0 and 50")


@dataclass(frozen=True)
class FrontEndConfig:
    """One second of 16 kHz audio to `frames` x `bands` features, or `frames` x `coefficients`."""

    kind: str = "log-mel"
    window_ms: int = 30
    hop_ms: int = 10
    bands: int = 40
    coefficients: int = 0
    """Of "mfcc": how many of them are kept, the lowest. 0: as many as there are bands."""
    low_hz: float = 20.0
    high_hz: float = 7600.0
    center: bool = True
    """Whether frame t has its centre at t * hop_ms, with silence outside of the clip; if not, it begins there."""

    def __post_init__(self) -> None:
        _choice("front_end.kind", self.kind, ("log-mel", "mfcc"))
        _check(10 <= self.window_ms <= 64, "front_end.window_ms", self.window_ms, "must lie in 10..64")
        _check(5 <= self.hop_ms <= 50, "front_end.hop_ms", self.hop_ms, "must lie in 5..50")
        _check(8 <= self.bands <= 64, "front_end.bands", self.bands, "must lie in 8..64")
        most = self.bands if self.kind == "mfcc" else 0
        rule = f"must lie in 0..{self.bands}, the bands" if most else "is for kind mfcc only"
        _check(0 <= self.coefficients <= most, "front_end.coefficients", self.coefficients, rule)
        _check(
            0 <= self.low_hz < self.high_hz <= 8000, "front_end.low_hz", self.low_hz, "0 <= low_hz < high_hz <= 8000"
        )


@dataclass(frozen=True)
class NetworkConfig:
    """Which network."""

    arch: str = "res8-coarse"
    width: int = 0
    """Channels of a network whose name does not say them, such as "res8". 0: its own number."""

    def __post_init__(self) -> None:
        _check(0 <= self.width <= MOST_CHANNELS, "network.width", self.width, f"must lie in 0..{MOST_CHANNELS}")


@dataclass(frozen=True)
class CompressionConfig:
    """How the network is made small."""

    method: str = "quantized-distillation"
    sparsity: float = 0.91
    """Share of zeros over all weights of the network; a budget replaces it."""
    budget_nonzeros: int = 0
    """At most so many nonzero weights in the network, under one threshold over all layers; 0: no such budget."""
    budget_bytes: int = 0
    """At most so many bytes of tables and code specialised to weights, as the generator estimates; 0: none."""
    budget_instructions: int = 0
    """At most so many instructions for an inference, as the generator estimates for `build.objective`; 0: none."""
    weight_bits: int = 4
    lane_budget: int = 16
    """15 or 16: channels get finer weights than `weight_bits`, up to 8 bits, while their sums fit so many bits, and
    coarser ones where those would not fit the 16 bits of a lane of the fast kernels. 0: `weight_bits` for all.

    16 is all that a lane holds; 15 suits the fastest kernels, too."""
    activation_bits: int = 7
    temperature: float = 2.0
    """Softens both outputs wherever one network teaches another."""
    distillation: float = 1.0
    """Weight of the distillation loss in phase 2 of PQK and SPEQ."""
    distillation_ramp: float = 1.0
    """Share of PQK's phase 2 over which that weight grows from 0: at first its teacher knows no more."""
    teacher_loss: float = 15.0
    """Weight of the cross-entropy of PQK's teacher: in effect how much faster than the student it learns."""
    teacher: str = "float"
    """Precision of PQK's teacher: "float" or "quantized"."""
    teacher_norm: str = "separate"
    """Whether PQK's teacher has batch normalisation of its own: "separate" or "shared"."""
    updates: str = "split"
    """What PQK's teacher loss updates: the pruned-away weights ("split"), or all weights ("joint")."""
    size_weight: float = 20.0
    """Weight of the network's size, in megabytes, in the loss of DiffQ: as it is, it keeps res8-narrow near 4 bits."""
    students: int = 2
    """How many compressed networks learn together in an ensemble."""

    def __post_init__(self) -> None:
        _check(0 <= self.sparsity <= 0.99, "compression.sparsity", self.sparsity, "must lie in 0..0.99")
        for key in BUDGETS:
            _check(getattr(self, key) >= 0, f"compression.{key}", getattr(self, key), "must not be negative")
        for first, second in itertools.combinations(self._budgets(), 2):
            _check(False, f"compression.{second}", getattr(self, second), f"there is compression.{first} already")
        _check(2 <= self.weight_bits <= 8, "compression.weight_bits", self.weight_bits, "must lie in 2..8")
        _check(self.lane_budget in (0, 15, 16), "compression.lane_budget", self.lane_budget, "must be 0, 15 or 16")
        _check(4 <= self.activation_bits <= 8, "compression.activation_bits", self.activation_bits, "must lie in 4..8")
        _check(self.temperature > 0, "compression.temperature", self.temperature, "must be greater than 0")
        _check(self.distillation >= 0, "compression.distillation", self.distillation, "must not be negative")
        ramp = self.distillation_ramp
        _check(0 <= ramp <= 1, "compression.distillation_ramp", ramp, "must lie in 0..1")
        _check(self.teacher_loss > 0, "compression.teacher_loss", self.teacher_loss, "must be greater than 0")
        _check(self.size_weight >= 0, "compression.size_weight", self.size_weight, "must not be negative")
        _check(1 <= self.students <= 8, "compression.students", self.students, "must lie in 1..8")
        _choice("compression.teacher", self.teacher, ("float", "quantized"))
        _choice("compression.teacher_norm", self.teacher_norm, ("separate", "shared"))
        _choice("compression.updates", self.updates, ("split", "joint"))

    @property
    def budget(self) -> str | None:
        """The key of the budget that replaces `sparsity`, if there is one."""
        return next(iter(self._budgets()), None)

    def _budgets(self) -> list[str]:
        return [key for key in BUDGETS if getattr(self, key)]


@dataclass(frozen=True)
class TrainingConfig:
    """How long and how the network is trained. The float reference gets phase1_epochs + phase2_epochs."""

    phase1_epochs: int = 22
    phase2_epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 0.06
    weight_decay: float = 5e-4
    shift_ms: int = 100
    noise_probability: float = 0.5
    noise_level: float = 0.1
    spec_augment: bool = False
    speed_percent: int = 0
    pitch_percent: int = 0
    unknown_reversed: float = 0.3
    """Share of the `_unknown_` clips of an epoch in whose place there is a word backwards; see `pqk.train.unknowns`."""
    unknown_spliced: float = 0.0
    """The same for halves of two words put together."""
    unknown_mixed: float = 0.0
    """The same for two words at once."""
    seed: int = 0

    def __post_init__(self) -> None:
        _check(self.phase1_epochs >= 1, "training.phase1_epochs", self.phase1_epochs, "must be at least 1")
        _check(self.phase2_epochs >= 0, "training.phase2_epochs", self.phase2_epochs, "must not be negative")
        _check(self.batch_size >= 2, "training.batch_size", self.batch_size, "must be at least 2 (batch normalisation)")
        _check(self.learning_rate > 0, "training.learning_rate", self.learning_rate, "must be greater than 0")
        _check(self.weight_decay >= 0, "training.weight_decay", self.weight_decay, "must not be negative")
        _check(0 <= self.shift_ms <= 500, "training.shift_ms", self.shift_ms, "must lie in 0..500")
        _check(0 <= self.noise_probability <= 1, "training.noise_probability", self.noise_probability, "lies in 0..1")
        _check(0 <= self.noise_level <= 1, "training.noise_level", self.noise_level, "must lie in 0..1")
        _check(0 <= self.speed_percent <= 50, "training.speed_percent", self.speed_percent, "must lie in 0..50")
        _check(0 <= self.pitch_percent <= 50, "training.pitch_percent", self.pitch_percent, "must lie in 0..50")
        made_up = ("unknown_reversed", "unknown_spliced", "unknown_mixed")
        for key in made_up:
            _check(0 <= getattr(self, key) <= 1, f"training.{key}", getattr(self, key), "must lie in 0..1")
        total = sum(getattr(self, key) for key in made_up)
        _check(total <= 1, f"training.{' + '.join(made_up)}", total, "must be at most 1, all unknown clips")
        _check(self.seed >= 0, "training.seed", self.seed, "must not be negative")

    @property
    def epochs(self) -> int:
        """All epochs, the budget that every method and the float reference get."""
        return self.phase1_epochs + self.phase2_epochs


@dataclass(frozen=True)
class StreamConfig:
    """How words are detected in continuous audio. The firmware begins with these; times and thresholds can be changed
    over serial, but with `reuse` the time between inferences only to multiples of `hop_ms`."""

    hop_ms: int = 100
    """From one inference to the next; a multiple of `front_end.hop_ms`."""
    reuse: bool = True
    """Whether an inference computes only what is new since the last, where the network allows. The mean before the
    classifier is then over the rows of a window that its ends do not reach, which windows share."""
    smoothing_ms: int = 300
    """Posteriors are averaged over the inferences of so much time, at least over one."""
    temperature: float = 2.0
    """Of the softmax that makes logits into posteriors: with 1 those of a false accept can be 1 in 15 bits, and no
    threshold rejects it."""
    threshold: float = 0.8
    """Smoothed posterior at which a word counts as heard."""
    refractory_ms: int = 1000
    """After a detection there is no other one for so long."""

    def __post_init__(self) -> None:
        _check(1 <= self.hop_ms <= 1000, "stream.hop_ms", self.hop_ms, "must lie in 1..1000")
        most = MOST_SMOOTHING * self.hop_ms
        rule = f"must lie in 0..{most}, {MOST_SMOOTHING} inferences"
        _check(0 <= self.smoothing_ms <= most, "stream.smoothing_ms", self.smoothing_ms, rule)
        _check(0.1 <= self.temperature <= 100, "stream.temperature", self.temperature, "must lie in 0.1..100")
        _check(0 <= self.threshold <= 1, "stream.threshold", self.threshold, "must lie in 0..1")
        _check(0 <= self.refractory_ms <= 60_000, "stream.refractory_ms", self.refractory_ms, "must lie in 0..60000")


@dataclass(frozen=True)
class BuildConfig:
    """How the C is generated: what the choice of kernels minimises, and within which limits."""

    objective: str = "speed"
    """`speed` or `size`."""
    flash_limit_kb: float | None = None
    """At most so many kB (1024 bytes) of flash for the whole firmware."""
    straight_line_kb: float = 64.0
    """At most so many kB for code that is specialised to the weights: fast, and large."""
    mlperf: bool = False
    """Whether the firmware also speaks the text protocol of MLPerf Tiny's runner."""

    def __post_init__(self) -> None:
        _choice("build.objective", self.objective, ("speed", "size"))
        limit = self.flash_limit_kb
        _check(limit is None or limit > 0, "build.flash_limit_kb", limit, "must be greater than 0")
        _check(self.straight_line_kb >= 0, "build.straight_line_kb", self.straight_line_kb, "must not be negative")


SECTIONS: dict[str, type[Any]] = {
    "data": DataConfig,
    "front_end": FrontEndConfig,
    "network": NetworkConfig,
    "compression": CompressionConfig,
    "training": TrainingConfig,
    "stream": StreamConfig,
    "build": BuildConfig,
}


@dataclass(frozen=True)
class Project:
    """Everything `pqk.toml` says. `root` is the folder it lies in."""

    root: Path
    name: str
    words: tuple[str, ...]
    board: str = DEFAULT_BOARD
    data: DataConfig = field(default_factory=DataConfig)
    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    compression: CompressionConfig = field(default_factory=CompressionConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    build: BuildConfig = field(default_factory=BuildConfig)

    def __post_init__(self) -> None:
        hop, frame = self.stream.hop_ms, self.front_end.hop_ms
        near = max(1, round(hop / frame)) * frame
        rule = f"must be a multiple of front_end.hop_ms = {frame}, such as {near}"
        _check(hop % frame == 0, "stream.hop_ms", hop, rule)
        both = sorted(_composed(self.words) & _composed(self.data.unseen))
        _check(not both, "data.unseen", list(self.data.unseen), f"{', '.join(both)} is in project.words")

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels in the order of the network's outputs."""
        extra = ((UNKNOWN,) if self.data.unknown else ()) + ((SILENCE,) if self.data.silence else ())
        return self.words + extra

    @property
    def build_dir(self) -> Path:
        """Where everything made from this project goes."""
        return self.root / "build"


def load(root: Path) -> Project:
    """Read `root`/pqk.toml.

    Raises ProjectError when there is none, when it is not TOML, or when a key is unknown or has a wrong value.
    """
    path = root / FILE_NAME
    if not path.is_file():
        raise ProjectError(f"no {FILE_NAME} in {root}", "make a project first: pqk-mcu new NAME --words yes,no")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} is not valid TOML: {error}", f"mend {path}") from error
    try:
        return _project(root.resolve(), table)
    except ProjectError as error:
        raise ProjectError(f"{path}: {error.message}", error.hint or f"mend {path}") from error


def overridden(project: Project, sections: Mapping[str, object]) -> Project:
    """`project` with some keys of its sections changed: {"network": {"arch": "res8"}, ...}.

    Raises ProjectError as `load` does: a section or key is unknown, or a value is wrong.
    """
    check_keys("the settings", sections, list(SECTIONS))
    changed = {}
    for name, value in sections.items():
        changed[name] = dataclasses.replace(getattr(project, name), **_values(SECTIONS[name], name, value))
    return dataclasses.replace(project, **changed)


def check_keys(where: str, table: Mapping[str, object], keys: Sequence[str]) -> None:
    """Raise ProjectError, with the nearest key that is known, unless every key of `table` is one of `keys`."""
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(keys)}"
            raise ProjectError(f"unknown key {key!r} in {where}", hint)


def check_words(words: Sequence[str]) -> None:
    """Raise ProjectError unless `words` are at least two different folder names."""
    if len(words) < 2:
        raise ProjectError(f"{len(words)} word(s) given; a classifier needs two or more", "add words, e.g. yes, no")
    _check_folders(words)


def _check_folders(words: Sequence[str]) -> None:
    doubled = sorted({word for word in words if list(words).count(word) > 1})
    if doubled:
        raise ProjectError(f"word given twice: {', '.join(doubled)}", "name every word once")
    for word in words:
        if not word or word[0] in "._" or "/" in word or "\\" in word or "\0" in word:
            raise ProjectError(f"{word!r} cannot be the name of a folder of recordings", "use another word")


def _composed(words: Sequence[str]) -> set[str]:
    """Composed and decomposed accents are the same word."""
    return {unicodedata.normalize("NFC", word) for word in words}


def create(root: Path, name: str, words: Sequence[str], board: str, source: str | None = None) -> Path:
    """Write a commented pqk.toml into `root` (made if missing) and return its path.

    Raises ProjectError when one is there already, or the words are unusable.
    """
    from pqk.files import atomic_write_text

    check_words(words)
    path = root / FILE_NAME
    if path.exists():
        raise ProjectError(f"{path} exists already", "choose another name, or edit that file")
    atomic_write_text(path, _new_text(name, words, board, source))
    return path


def _project(root: Path, table: dict[str, Any]) -> Project:
    check_keys("the file", table, ["project", *SECTIONS])
    head = _table("project", table.get("project", {}))
    check_keys("[project]", head, ["name", "words", "board"])
    words = head.get("words")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ProjectError("project.words must be a list of words", 'write words = ["yes", "no"]')
    check_words(words)
    parts = {key: _section(kind, key, table.get(key, {})) for key, kind in SECTIONS.items()}
    name, board = head.get("name", root.name), head.get("board", Project.board)
    for key, value in (("name", name), ("board", board)):
        _check(isinstance(value, str) and bool(value), f"project.{key}", value, "must be a text")
    return Project(root=root, name=name, words=tuple(words), board=board, **parts)


def _section(kind: type[Any], name: str, value: object) -> Any:
    return kind(**_values(kind, name, value))


def _values(kind: type[Any], name: str, value: object) -> dict[str, object]:
    """The keys of a section that are given, each of its type."""
    table = _table(name, value)
    hints = typing.get_type_hints(kind)
    check_keys(f"[{name}]", table, list(hints))
    return {key: _typed(f"{name}.{key}", item, hints[key]) for key, item in table.items()}


def _table(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProjectError(f"[{name}] must be a table", f"write [{name}] on a line of its own")
    return value


def _typed(key: str, value: object, wanted: Any) -> object:
    if typing.get_origin(wanted) is tuple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ProjectError(f"{key} must be a list of words", f'write {key.split(".")[-1]} = ["cat", "bed"]')
        return tuple(value)
    kinds = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    if float in kinds and type(value) is int:
        return float(value)
    if type(value) not in kinds:
        names = " or ".join(kind.__name__ for kind in kinds if kind is not type(None))
        raise ProjectError(f"{key} = {json.dumps(value, default=str)} is not of type {names}")
    return value


def _check(condition: bool, key: str, value: object, rule: str) -> None:
    if not condition:
        raise ProjectError(f"{key} = {value!r}: {rule}")


def _choice(key: str, value: str, choices: tuple[str, ...]) -> None:
    _check(value in choices, key, value, f"must be one of {', '.join(choices)}")


def _new_text(name: str, words: Sequence[str], board: str, source: str | None) -> str:
    listed = ", ".join(json.dumps(word, ensure_ascii=False) for word in words)
    located = f"source = {json.dumps(source, ensure_ascii=False)}" if source else '# source = "recordings"'
    data, front, network = DataConfig(), FrontEndConfig(), NetworkConfig()
    compression, training, build = CompressionConfig(), TrainingConfig(), BuildConfig()
    stream = StreamConfig()
    return f"""\
# A pqk-mcu project. Next: pqk-mcu build, flash, eval, report (in this folder).
# Whatever is left out has the value shown here.

[project]
name  = {json.dumps(name, ensure_ascii=False)}
words = [{listed}]
board = {json.dumps(board)}        # pqk-mcu boards lists them

[data]
# A folder with one folder of WAV or FLAC recordings per word; other folders in it become _unknown_.
# Without it: the environment variable PQK_DATA, then what was downloaded, else a download is offered.
{located}
unknown = {_toml(data.unknown)}              # a class for words that are not in the list
unseen = []                 # other words to leave out of training, to measure how unknown words never seen do
silence = {_toml(data.silence)}              # a class for background noise (_background_noise_) without a word
unknown_ratio = {data.unknown_ratio}         # at most this many unknown clips per clip of an average word
validation_percent = {data.validation_percent}   # used where there is no validation_list.txt
testing_percent = {data.testing_percent}      # used where there is no testing_list.txt

[front_end]
kind = {json.dumps(front.kind)}           # or "mfcc"
window_ms = {front.window_ms}
hop_ms = {front.hop_ms}
bands = {front.bands}
coefficients = {front.coefficients}            # of "mfcc": how many are kept; 0: as many as bands
low_hz = {front.low_hz}
high_hz = {front.high_hz}
center = {_toml(front.center)}               # whether frame t has its centre at t * hop_ms; if not, it begins there

[network]
arch = {json.dumps(network.arch)}           # or "res8-narrow", "res8", "res8-tiny", "res15", "res15-narrow", "ds-cnn"
width = {network.width}                  # channels of a network whose name does not say them; 0: its own number

[compression]
method = {json.dumps(compression.method)}  # the float network teaches; "pqk" and others: see the README
sparsity = {compression.sparsity}              # share of zeros over all weights
# Instead of sparsity one of three budgets, each spread over the layers by what a weight costs in them; 0: none.
budget_nonzeros = {compression.budget_nonzeros}         # at most so many weights that are not zero
budget_bytes = {compression.budget_bytes}            # at most so many bytes of flash for weights, estimated
budget_instructions = {compression.budget_instructions}     # at most so many instructions of an inference, estimated
weight_bits = {compression.weight_bits}
lane_budget = {compression.lane_budget}             # 15 or 16: weights as fine as sums of so many bits allow; 0: no
activation_bits = {compression.activation_bits}
temperature = {compression.temperature}           # softens teacher and student
distillation = {compression.distillation}          # of "pqk" and "speq": weight of the distillation loss in phase 2
distillation_ramp = {compression.distillation_ramp}     # of "pqk": share of phase 2 over which that weight grows from 0
teacher_loss = {compression.teacher_loss}          # of "pqk": weight of the teacher's own loss, in effect its rate
teacher = {json.dumps(compression.teacher)}           # of "pqk": or "quantized"
teacher_norm = {json.dumps(compression.teacher_norm)}   # of "pqk": or "shared" with the student
updates = {json.dumps(compression.updates)}           # of "pqk": the teacher trains pruned-away weights; "joint": all
size_weight = {compression.size_weight}           # of "diffq": weight of the megabytes; a larger one gives fewer bits
students = {compression.students}                # of "ensemble": compressed networks that learn together

[training]
phase1_epochs = {training.phase1_epochs}          # of "pqk": pruning and quantization; others train for both
phase2_epochs = {training.phase2_epochs}          # of "pqk": the pruned-away weights become the teacher
batch_size = {training.batch_size}
learning_rate = {training.learning_rate}
weight_decay = {training.weight_decay}
shift_ms = {training.shift_ms}              # augmentation: time shift up to this, either way
noise_probability = {training.noise_probability}     # augmentation: share of clips with background noise added
noise_level = {training.noise_level}           # augmentation: largest amplitude of that noise
spec_augment = {_toml(training.spec_augment)}         # augmentation: bands and stretches of time blanked out
speed_percent = {training.speed_percent}           # augmentation: faster or slower by up to this
pitch_percent = {training.pitch_percent}           # augmentation: frequencies higher or lower by up to this
unknown_reversed = {training.unknown_reversed}      # share of the unknown clips replaced by made-up words: backwards,
unknown_spliced = {training.unknown_spliced}       # halves of two words,
unknown_mixed = {training.unknown_mixed}         # two words at once
seed = {training.seed}

[stream]
hop_ms = {stream.hop_ms}                # from one inference to the next; a multiple of front_end.hop_ms
reuse = {_toml(stream.reuse)}                # an inference computes only what is new since the last one
smoothing_ms = {stream.smoothing_ms}          # posteriors are averaged over so much time
temperature = {stream.temperature}           # of the posteriors: higher ones are less sure, and tell sure ones apart
threshold = {stream.threshold}             # averaged posterior at which a word counts as heard
refractory_ms = {stream.refractory_ms}        # after a detection there is no other one for so long

[build]
objective = {json.dumps(build.objective)}         # or "size": the smallest firmware instead of the fastest
# flash_limit_kb = 128        # with "speed": the fastest firmware of at most so much flash
straight_line_kb = {build.straight_line_kb}     # at most so much code specialised to the weights (fast and large)
mlperf = {_toml(build.mlperf)}              # whether the firmware also speaks the protocol of MLPerf Tiny's runner
"""


def _toml(value: bool) -> str:
    return "true" if value else "false"


def as_plain(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain values, for keys and reports."""
    return dataclasses.asdict(config)
