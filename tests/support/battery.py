"""The test battery that every kernel and every conversion goes through, on the host and under emulation.

A case is a small random network in which the kernel runs one operation, inputs for it, and what the interpreter says
that every buffer must hold after every step, halo included. Networks are drawn anew until the kernel accepts one, so a
kernel that is added later is covered as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pqk_codegen import interpreter
from pqk_codegen.choice import candidates
from pqk_codegen.errors import IrError
from pqk_codegen.generate import generate
from pqk_codegen.ir import Network, Op, Tensor, verify
from pqk_codegen.kernels import CONVERSIONS, KERNELS
from pqk_codegen.kernels.base import Conversion, Kernel
from pqk_codegen.layout import Buffer, Lanes, Layout, Planes, Vector
from pqk_codegen.ops import Add, Append, Conv2d, Convolution, DepthwiseConv2d, FullyConnected, SumPool
from pqk_codegen.plan import Plan, place
from pqk_codegen.storage import Program, Resolver

from support import seeds
from support.networks import Builder

Generator = np.random.Generator
Array = np.ndarray

C_FILES = Path(__file__).parent / "battery"
GAP = 64  # bytes of guard before, between and behind buffers
PROBES = 800  # networks of each kind that tell which kinds a kernel runs: the choosiest one runs every 25th
PROGRAMS = 200  # of these become programs, which tell what conversions there are
DRAWS = 6000  # after so many networks without one that the kernel accepts, there is none
CLASSES = ("a", "b", "c")
PRIME = 16777619
SUM_BITS = dict.fromkeys(
    (
        "conv2d_lanes_short",
        "conv2d_lanes_far_short",
        "conv2d_lanes_m7_short",
        "conv2d_lanes_v6m",
        "conv2d_lanes_v6m_long",
        "conv2d_pool_straight_v6m",
        "depthwise_lanes",
    ),
    15,
)
"""Kernels whose lanes hold less than 16 bits of a channel's sums."""

# ---- what is drawn ----


def _pick(rng: Generator, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _whole(rng: Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


SIZES: dict[str, Callable[[Generator], tuple[int, int]]] = {
    "random": lambda rng: (_whole(rng, 2, 14), _whole(rng, 2, 18)),
    "odd sizes": lambda rng: (2 * _whole(rng, 1, 6) + 1, 2 * _whole(rng, 1, 8) + 1),
    "few rows": lambda rng: (_whole(rng, 1, 3), _whole(rng, 4, 30)),
    "few columns": lambda rng: (_whole(rng, 4, 30), _whole(rng, 1, 5)),
}
"""Cases that are about height and width; all others draw them at random."""


def _saturated(rng: Generator, op: Convolution, source: Tensor) -> Convolution:
    del rng, source
    return replace(op, multiplier=np.full_like(op.multiplier, 2**31 - 1))


def _zero_channels(rng: Generator, op: Convolution, source: Tensor) -> Convolution:
    """Some channels without weights, or all of them; their biases make them constants from 0 to saturation."""
    del source
    weights = op.weights.copy()
    weights[rng.random(len(weights)) < _pick(rng, 0.5, 1.0)] = 0
    weights[_whole(rng, 0, len(weights) - 1)] = 0
    return replace(op, weights=weights)


def _single_nonzero(rng: Generator, op: Convolution, source: Tensor) -> Convolution:
    del source
    weights = np.zeros_like(op.weights)
    place = tuple(_whole(rng, 0, length - 1) for length in weights.shape)
    weights[place] = _pick(rng, 1, -1, int(op.weights.max(initial=1)))
    return replace(op, weights=weights)


def _extreme_weights(rng: Generator, op: Convolution, source: Tensor) -> Convolution:
    """Every weight that is not zero has the largest magnitude: all positive, all negative, or mixed."""
    del source
    largest = np.abs(op.weights.astype(int)).max(initial=1)
    sign = _pick(rng, 1, -1, rng.choice([-1, 1], op.weights.shape))
    return replace(op, weights=(np.sign(np.abs(op.weights)) * largest * sign).astype(np.int8))


def _extreme_bias(rng: Generator, op: Convolution, source: Tensor) -> Convolution:
    """Biases with which a channel's largest or smallest sum is about a power of two, or the largest just above zero."""
    rows = op.weights.astype(np.int64).reshape(len(op.weights), -1)
    positive, negative = (np.maximum(sign * rows, 0).sum(axis=1) for sign in (1, -1))
    most, least = source.maximum, -source.minimum
    rise, fall = positive * most + negative * least, negative * most + positive * least
    limit = 2 ** _pick(rng, 14, 15, 16, 21, 22, 28, 31) - _whole(rng, 0, 2)
    ways = np.stack([limit - rise, fall - limit, rng.integers(1, 300, len(rise)) - rise])
    bias = ways[rng.integers(0, 3, len(rise)), np.arange(len(rise))]
    return replace(op, bias=bias.clip(-(2**31), 2**31 - 1).astype(np.int32))


def _full_lanes(rng: Generator, op: Convolution, source: Tensor) -> Convolution:
    """Channels that keep so many weights as 15 or 16 bits can take, at least half of their range below zero."""
    rows = op.weights.astype(np.int64).reshape(len(op.weights), -1)
    span, room = source.maximum - source.minimum, 2 ** _pick(rng, 15, 16, 16) - 1
    order = rng.permuted(np.broadcast_to(np.arange(rows.shape[1]), rows.shape), axis=1)
    taken = np.take_along_axis(np.abs(rows), order, axis=1).cumsum(axis=1) * span <= room
    kept = np.zeros_like(rows)
    np.put_along_axis(kept, order, np.where(taken, np.take_along_axis(rows, order, axis=1), 0), axis=1)
    positive, negative = (np.maximum(sign * kept, 0).sum(axis=1) for sign in (1, -1))
    rise = positive * source.maximum - negative * source.minimum
    weights = kept.reshape(op.weights.shape).astype(np.int8)
    top = (room // 2) ** rng.random(len(rise))  # few kernels can scale every large sum
    return replace(op, weights=weights, bias=(top - rise).astype(np.int32))


def _small_shift(rng: Generator, op: Convolution, source: Tensor) -> Convolution:
    del source
    return replace(op, shift=_whole(rng, 24, 31))


def _ties(rng: Generator, op: Convolution, source: Tensor) -> Convolution:
    """Factors that are powers of two, so that many results lie exactly between two integers."""
    del source
    exponents = op.shift - rng.integers(2, 8, len(op.multiplier))
    return replace(op, multiplier=(2**exponents).astype(np.int32))


EDITS: dict[str, Callable[[Generator, Convolution, Tensor], Convolution]] = {
    "saturation": _saturated,
    "zero channels": _zero_channels,
    "single nonzero": _single_nonzero,
    "extreme weights": _extreme_weights,
    "extreme bias": _extreme_bias,
    "full lanes": _full_lanes,
    "small shift": _small_shift,
    "ties": _ties,
}
"""Cases that are about a convolution's numbers."""

Drawn = tuple[Builder, Op]


def _builder(rng: Generator, case: str, dtype: str) -> Builder:
    channels = _whole(rng, 5, 8) if case == "full lanes" else _whole(rng, 1, 5)
    bits = _whole(rng, 4, 8) if case == "full lanes" else _whole(rng, 2, 8)
    shape = (channels, *SIZES.get(case, SIZES["random"])(rng))
    maximum = 127 if dtype == "int8" else _pick(rng, 255, 127, 63, 100, 15)
    return Builder(rng, shape, dtype, bits, maximum)


def _convolution(rng: Generator, case: str, kind: type[Convolution]) -> Drawn:
    """The operation first, and behind it readers that want halos."""
    builder = _builder(rng, case, _pick(rng, "uint8", "int8"))
    source = builder.current
    if case == "full lanes":
        _append(rng, builder, kind, channels=_whole(rng, 1, 3), sparsity=0.0)
    else:
        _append(rng, builder, kind, channels=_whole(rng, 1, 6), sparsity=_pick(rng, 0.0, 0.5, 0.8, 0.95))
    op = builder.ops[0]
    assert isinstance(op, Convolution)
    if case in EDITS:
        op = builder.ops[0] = EDITS[case](rng, op, source)
    _readers(rng, builder)
    return builder, op


def _append(rng: Generator, builder: Builder, kind: type[Convolution], *, channels: int, sparsity: float) -> Tensor:
    kernel = (_whole(rng, 1, 4), _whole(rng, 1, 4)) if rng.random() < 0.5 else (3, 3)
    dilation = (1, 1) if rng.random() < 0.6 else (_whole(rng, 1, 3), _whole(rng, 1, 3))
    same = [step * (taps - 1) for step, taps in zip(dilation, kernel, strict=True)]
    padding = (same[0] // 2, same[1] // 2, same[0] - same[0] // 2, same[1] - same[1] // 2)
    if rng.random() < 0.3:
        padding = tuple(_whole(rng, 0, 3) for _ in range(4))
    pool = (1, 1) if rng.random() < 0.5 else (_whole(rng, 1, 4), _whole(rng, 1, 6))
    strides = rng.random() < (0.5 if pool == (1, 1) else 0.2)
    shape = {
        "kernel": kernel,
        "dilation": dilation,
        "padding": padding,
        "stride": (_whole(rng, 1, 3), _whole(rng, 1, 3)) if strides else (1, 1),
        "pool": pool,
        "sparsity": sparsity,
        "maximum": _pick(rng, 127, 127, 255, 63, 31, 15, 99),
    }
    return builder.conv(channels, **shape) if kind is Conv2d else builder.depthwise(**shape)


def _readers(rng: Generator, builder: Builder) -> None:
    """Nothing, a convolution that wants a halo of its own, or a residual block."""
    first, way = builder.current, rng.random()
    if way < 0.3 and min(first.shape) > 0:
        builder.conv(2, padding=tuple(_whole(rng, 1, 3) for _ in range(4)))
    elif way < 0.6:
        builder.conv(first.shape[0], padding=(1, 1, 1, 1))
        builder.add(first, maximum=first.maximum)


def _conv2d(rng: Generator, case: str) -> Drawn:
    return _convolution(rng, case, Conv2d)


def _depthwise(rng: Generator, case: str) -> Drawn:
    return _convolution(rng, case, DepthwiseConv2d)


def _add(rng: Generator, case: str) -> Drawn:
    """Of the input to itself, or to what a convolution makes of it."""
    builder = _builder(rng, case, "uint8")
    first, maximum = builder.current, _pick(rng, 127, 255, 63, 15, 100)
    if rng.random() < 0.7:
        builder.conv(first.shape[0], maximum=_pick(rng, 127, maximum))
    builder.add(first, maximum=maximum)
    op = builder.ops[-1]
    _readers(rng, builder)
    return builder, op


def _sum(rng: Generator, case: str) -> Drawn:
    """Of the input, or of a convolution's output; many elements at once, too, for sums beyond 16 bits."""
    builder = _builder(rng, case, _pick(rng, "uint8", "int8"))
    if case == "saturation":
        builder = Builder(rng, (2, _whole(rng, 40, 60), _whole(rng, 20, 40)))
    if rng.random() < 0.5:
        builder.conv(_whole(rng, 1, 3), maximum=_pick(rng, 127, 255))
    height = builder.current.shape[1]
    first = _whole(rng, 0, height - 1)
    if case == "saturation" or rng.random() < 0.4:
        return builder, SumPool("mean", (builder.current.name,), "sums")
    return builder, SumPool("mean", (builder.current.name,), "sums", first, _whole(rng, first, height - 1))


def _history(rng: Generator, case: str) -> Drawn:
    """Of the input or a convolution's output, before a convolution, which may want lanes of its own, or nothing."""
    builder = _builder(rng, case, _pick(rng, "uint8", "uint8", "int8"))
    if builder.current.dtype == "uint8" and rng.random() < 0.6:
        builder.conv(_whole(rng, 1, 3), maximum=_pick(rng, 127, 255))
    source, history = builder.current, _pick(rng, 0, 1, 2, 2, _whole(rng, 0, 9))
    there = history + source.shape[1]
    first = _pick(rng, 0, _whole(rng, 0, there - 1))
    rows = there - first if rng.random() < 0.6 else _whole(rng, 1, there - first)
    op = Append("append", (source.name,), "appended", history, first)
    builder.ops.append(op)
    shape = (source.shape[0], rows, source.shape[2])
    builder.current = builder.tensor(op.output, shape, source.dtype, source.scale, source.maximum)
    if rng.random() < 0.7:
        top = _pick(rng, 0, 0, 1)
        builder.conv(2, padding=(top, 1, top, 1), sparsity=0.5)
    return builder, op


def _fully_connected(rng: Generator, case: str) -> Drawn:
    builder, _ = _sum(rng, "random")
    weights, bias = np.zeros((len(CLASSES), builder.current.shape[0]), np.int8), np.zeros(len(CLASSES), np.int32)
    limit = 2 ** (builder.bits - 1) - 1
    if case != "zero channels":
        weights[:] = rng.integers(-limit, limit + 1, weights.shape)
    if case == "extreme weights":
        weights[:] = _pick(rng, limit, -limit)
    if case == "extreme bias":
        bias[:] = rng.choice([-1, 1], bias.shape) * (2**31 - 1 - 2**25)
    return builder, FullyConnected("fc", ("sums",), "logits", weights, bias)


MAKERS: dict[type[Op], tuple[Callable[[Generator, str], Drawn], tuple[str, ...]]] = {
    Conv2d: (_conv2d, (*SIZES, *EDITS)),
    DepthwiseConv2d: (_depthwise, (*SIZES, *EDITS)),
    Add: (_add, (*SIZES, "saturation")),
    Append: (_history, tuple(SIZES)),
    SumPool: (_sum, (*SIZES, "saturation")),
    FullyConnected: (_fully_connected, ("random", "zero channels", "extreme weights", "extreme bias")),
}
"""For every kind of operation: how to draw a network round one, and the cases to draw."""


EVERY_CASE = frozenset(name for _, names in MAKERS.values() for name in names)


def _network(rng: Generator, kind: type[Op], case: str) -> tuple[Network, Op] | None:
    """A verified network and its operation of interest; None where what was drawn breaks a rule."""
    builder, op = MAKERS[kind][0](rng, case)
    if min(min(tensor.shape) for tensor in builder.tensors.values()) < 1:
        return None
    try:
        network = builder.finish(CLASSES, mean=op if isinstance(op, SumPool) else None)
        if isinstance(op, FullyConnected):
            network = verify(replace(network, ops=(*network.ops[:-1], op)))
    except IrError:
        return None
    return network, next(found for found in network.ops if found.name == op.name)


# ---- cases ----


@dataclass(frozen=True, eq=False)
class Case:
    """A network whose every operation has a kernel, inputs, and what all buffers must hold."""

    name: str
    program: Program
    plan: Plan
    x: Array
    """int64 [clips, channels, height, width]."""
    expected: Mapping[str, Array]
    """For every stored copy, uint8 [clips, bytes]."""


Accepts = Callable[[Program, Op], bool]


def cases(rng: Generator, subject: Kernel | Conversion, core: str, align: int, only: Sequence[str] = ()) -> list[Case]:
    """A case of every name that makes sense for the kernel or conversion; `only` leaves others out.

    Raises:
        AssertionError: after many draws there is none.
    """
    kinds = kinds_of(subject, core)
    assert kinds, f"{subject.name} runs nothing on {core} that is drawn here: see MAKERS in {__file__}"
    names = SIZES if isinstance(subject, Conversion) else EVERY_CASE
    wanted = [(kind, name) for kind in kinds for name in MAKERS[kind][1] if name in names and name in (only or names)]
    return [_case(rng, subject, core, kind, name, align) for kind, name in wanted]


def kinds_of(subject: Kernel | Conversion, core: str) -> list[type[Op]]:
    """The kinds of operation that a kernel supports on a core, or round which a conversion comes up."""
    return [kind for kind in MAKERS if subject.name in _found(kind, core)]


@cache
def _found(kind: type[Op], core: str) -> set[str]:
    """Names of all kernels for a kind of operation, and of conversions in networks round it."""
    rng = seeds.fresh(f"probes of {kind.__name__} for {core}")
    names: set[str] = set()
    for number in range(PROBES):
        drawn = _network(rng, kind, "random")
        if not drawn:
            continue
        network, op = drawn
        resolver = Resolver(network, core)
        node = resolver.nodes[op.name]
        names |= {kernel.name for kernel in KERNELS if kernel.name not in names and kernel.supports(node)}
        if number < PROGRAMS:
            program = resolver.program(_any_kernels(rng, network, core))
            names |= {step.kernel for step in program.steps if not step.op} if program else set()
    return names


def _case(rng: Generator, subject: Kernel | Conversion, core: str, kind: type[Op], name: str, align: int) -> Case:
    for _ in range(DRAWS):
        drawn = _network(rng, kind, name)
        program = _program(rng, subject, core, name, *drawn) if drawn else None
        if drawn and program:
            x = _inputs(rng, program.network)
            values = _values(program.network, x)
            if _is_telling(name, drawn[1], program.network, values):
                placed = place(program, core, lambda layouts, lifetimes: guarded(layouts, lifetimes, align))
                label = f"{subject.name} on {core}, {kind.kind}, {name}"
                return Case(label, program, placed, x, _expected(program, values))
    raise AssertionError(f"{subject.name} on {core}: of {DRAWS} networks none was a case of {kind.kind}, {name}")


def _program(
    rng: Generator, subject: Kernel | Conversion, core: str, case: str, network: Network, op: Op
) -> Program | None:
    """The network with a random kernel for every operation; None unless the subject is among them."""
    resolver = Resolver(network, core)
    if isinstance(subject, Kernel):
        if case == "full lanes" and not subject.plain and not _fills(op, network, subject):
            return None
        if not subject.supports(resolver.nodes[op.name]):
            return None
    kernels = _any_kernels(rng, network, core)
    if isinstance(subject, Kernel):
        kernels[op.name] = subject
    program = resolver.program(kernels)
    if program and subject.name in {step.kernel for step in program.steps}:
        return program
    return None


def _fills(op: Op, network: Network, kernel: Kernel) -> bool:
    """Whether some channel's sums take most of the values that the kernel's lanes can."""
    if not isinstance(op, Convolution):
        return True
    source = network.tensors[op.inputs[0]]
    reach = np.abs(op.weights.astype(int)).reshape(len(op.weights), -1).sum(axis=1)
    return bool(reach.max() * (source.maximum - source.minimum) > 0.7 * 2 ** SUM_BITS.get(kernel.name, 16))


def _any_kernels(rng: Generator, network: Network, core: str) -> dict[str, Kernel]:
    return {name: found[_whole(rng, 0, len(found) - 1)] for name, found in candidates(network, core).items()}


def _inputs(rng: Generator, network: Network) -> Array:
    """All least, all largest, one of both everywhere, and anything."""
    source = network.tensors[network.input]
    x = rng.integers(source.minimum, source.maximum + 1, (4, *source.shape))
    x[0], x[1] = source.minimum, source.maximum
    x[2] = rng.choice([source.minimum, source.maximum], source.shape)
    return x


def _values(network: Network, x: Array) -> dict[str, Array]:
    """Every tensor for all clips, which are runs one after the other where the network has a state."""
    if not network.has_state:
        return interpreter.run(network, x)
    state, runs = interpreter.fresh_state(network, 1), []
    for clip in x:
        values, state = interpreter.advance(network, clip[np.newaxis], state)
        runs.append(values)
    return {name: np.concatenate([values[name] for values in runs]) for name in runs[0]}


def _is_telling(name: str, op: Op, network: Network, values: Mapping[str, Array]) -> bool:
    """Whether a wrong kernel would show: most cases must not have the same output everywhere."""
    output = values[op.output]
    if name == "saturation" and not isinstance(op, SumPool):
        return bool(output.max() == network.tensors[op.output].maximum)
    return name in ("zero channels", "extreme bias") or len(np.unique(output)) > 1


def _expected(program: Program, values: Mapping[str, Array]) -> dict[str, Array]:
    tensors = {program.input: program.network.input}
    for step in program.steps:
        tensors[step.writes] = step.op.output if step.op else tensors[step.reads[0]]
    return {name: encode(program.layouts[name], values[tensor]) for name, tensor in tensors.items()}


# ---- memory ----


def guarded(layouts: Mapping[str, Layout], lifetimes: Mapping[str, tuple[int, int]], align: int) -> dict[str, Buffer]:
    """Every buffer in a place of its own, at `align` modulo 8, between gaps: whatever else changes is damage."""
    placed: dict[str, Buffer] = {}
    end = 0
    for name, layout in layouts.items():
        offset = -(-(end + GAP) // 8) * 8 + align
        placed[name] = Buffer(name, layout, offset, *lifetimes[name])
        end = placed[name].end
    return placed


def encode(layout: Layout, values: Array) -> Array:
    """uint8 [n, bytes]: what a buffer holds for values [n, *shape], written from the layouts' descriptions."""
    if isinstance(layout, Vector):
        return np.ascontiguousarray(values.astype("<i4")).view(np.uint8).reshape(len(values), -1)
    return _lanes(layout, values) if isinstance(layout, Lanes) else _planes(layout, values)


def meaning(layout: Layout) -> Array:
    """uint8 [bytes]: which bits of a buffer mean something.

    Lanes that are not surrounded hold anything outside, and planes in the rest of their last word.
    """
    if isinstance(layout, Planes):
        end = layout.origin + (layout.channels - 1) * layout.plane + layout.width + layout.right
        end += (layout.height + layout.bottom - 1) * layout.row
        return np.where(np.arange(layout.size) < end, 0xFF, 0).astype(np.uint8)
    if not isinstance(layout, Lanes) or layout.surrounded:
        return np.full(layout.size, 0xFF, np.uint8)
    low = 2**layout.shift - 1
    plane = np.zeros((layout.lines, layout.row), np.uint32)
    lines = plane[layout.top : layout.top + layout.rows, layout.left : layout.left + layout.width]
    lines[:] = low
    lines[: layout.height - layout.rows] = 2**32 - 1
    buffer = np.zeros((layout.channels, layout.plane), np.uint32)
    buffer[:, : plane.size] = plane.ravel()
    return buffer.astype("<u4").view(np.uint8).ravel()


def _planes(layout: Planes, values: Array) -> Array:
    c, y, x = np.indices(values.shape[1:])
    memory = np.zeros((len(values), layout.size), np.uint8)
    memory[:, layout.origin + c * layout.plane + y * layout.row + x] = values.astype(np.uint8)
    return memory


def _lanes(layout: Lanes, values: Array) -> Array:
    (step_y, step_x), n = layout.stride, len(values)
    words = np.zeros((n, layout.channels, step_y, step_x, layout.plane), np.int64)
    line, column = np.arange(layout.lines), np.arange(layout.row)
    for phase_y, phase_x in np.ndindex(step_y, step_x):
        y, x = line * step_y + phase_y - layout.top, column * step_x + phase_x - layout.left
        low, high = _elements(values, y, x), _elements(values, y + layout.rows * step_y, x)
        both = low + (high << layout.shift)
        words[:, :, phase_y, phase_x, : both[0, 0].size] = both.reshape(n, layout.channels, -1)
    return (words % 2**32).astype("<u4").view(np.uint8).reshape(n, -1)


def _elements(values: Array, y: Array, x: Array) -> Array:
    """values[:, :, y, x] with 0 outside."""
    height, width = values.shape[2:]
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
    picked = values[:, :, np.clip(y, 0, height - 1)][:, :, :, np.clip(x, 0, width - 1)]
    return np.where(inside, picked, 0)


# ---- as C ----


def write(found: Sequence[Case], directory: Path) -> None:
    """C of all cases into `directory`: case_<i>.c, one table of them, sizes; see battery/battery.h."""
    directory.mkdir(parents=True, exist_ok=True)
    for index, case in enumerate(found):
        folder = directory / f"network_{index}"
        generate(case.plan, folder)
        network = folder / "network.c"
        own = "static uint32_t pqk_arena[PQK_ARENA_BYTES / 4];"
        text = network.read_text()
        assert own in text
        network.write_text(text.replace(own, "extern uint32_t pqk_arena[];"))
        (directory / f"case_{index}.c").write_text(_case_text(case, index))
    largest = max(case.plan.arena for case in found) + GAP
    names = [f"battery_case_{index}" for index in range(len(found))]
    (directory / "cases.h").write_text(
        f"#define BATTERY_CASES {len(found)}u\n#define BATTERY_ARENA {-(-largest // 8) * 8}u\n"
    )
    (directory / "cases.c").write_text(
        '#include "battery.h"\n'
        + "".join(f"extern const battery_case {name};\n" for name in names)
        + f"const battery_case *const battery_cases[] = {{{', '.join('&' + name for name in names)}}};\n"
    )


FUNCTIONS = ("begin_input", "set_input", "run_layer", "logits", "labels")


def _case_text(case: Case, index: int) -> str:
    """The network under names of its own, what each step reads and writes, inputs, and what should come of them."""
    region = lambda name: f"{{{case.plan.buffers[name].offset}, {case.program.layouts[name].size}}}"  # noqa: E731
    steps, masks = [], []
    touched = [(case.program.input,), *((step.writes, *step.reads) for step in case.program.steps)]
    for number, names in enumerate(touched):  # the first is what sets the input
        mask = meaning(case.program.layouts[names[0]])
        if (mask != 0xFF).any():
            masks.append(f"static const uint8_t mask_{number}[] = {{{', '.join(map(str, mask))}}};\n")
        named = f"mask_{number}" if (mask != 0xFF).any() else "0"
        steps.append(f"{{{{{', '.join(map(region, names))}}}, {len(names)}, {named}}}")
    sums = [
        f"{checksum(case.expected[name][clip] & meaning(case.program.layouts[name]))}u"
        for clip in range(len(case.x))
        for name in written(case)
    ]
    clips = [str(value) for value in case.x.astype(np.uint8).ravel()]
    return (
        f"/* {case.name} */\n"
        + "".join(f"#define pqk_network_{name} battery_{name}_{index}\n" for name in FUNCTIONS)
        + f'#include "network_{index}/network.c"\n#include "battery.h"\n'
        + "".join(masks)
        + f"static const battery_step steps[] = {{{', '.join(steps)}}};\n"
        + f"static const uint8_t clips[] = {{{', '.join(clips)}}};\n"
        + f"static const uint32_t sums[] = {{{', '.join(sums)}}};\n"
        + f"extern const battery_case battery_case_{index};\n"
        + f"const battery_case battery_case_{index} = {{{len(case.x)}, clips, sums, PQK_INPUT_BYTES,"
        + f" PQK_ARENA_BYTES + {GAP}, 1 + PQK_LAYERS, steps,"
        + " pqk_network_begin_input, pqk_network_set_input, pqk_network_run_layer};\n"
    )


def checksum(memory: Array) -> int:
    """As battery_checksum in battery.c."""
    powers = np.cumprod(np.full(len(memory), PRIME, np.uint32), dtype=np.uint32)[::-1]  # of the last byte: PRIME
    return int(np.sum(powers * memory.astype(np.uint32), dtype=np.uint32))


def written(case: Case) -> list[str]:
    """What each step writes; the first sets the input."""
    return [case.program.input, *(step.writes for step in case.program.steps)]


def problem(case: Case, clip: int, step: int, damaged: int, wrong: str) -> str:
    """A sentence on a step that went wrong."""
    kernel = ["setting the input", *(step.kernel for step in case.program.steps)][step]
    name = written(case)[step]
    layout = case.program.layouts[name]
    return f"{case.name}: clip {clip}: {kernel} wrote {name}: {wrong}; {damaged} bytes changed elsewhere; {layout}"


SUBJECTS: tuple[Kernel | Conversion, ...] = (*KERNELS, *CONVERSIONS)
