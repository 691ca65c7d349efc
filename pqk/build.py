"""From a network to firmware in a folder: kernels chosen, C generated, compiled, and the limits on flash kept."""

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pqk_codegen import plan as planning
from pqk_codegen.choice import Objective
from pqk_codegen.errors import IrError
from pqk_codegen.frontend.spec import FrontEndSpec
from pqk_codegen.generate import generate
from pqk_codegen.generate_mlperf import mlperf_files
from pqk_codegen.generate_spotter import Needs, SpotterSpec, audio_files, needs
from pqk_codegen.ir import Network
from pqk_codegen.reuse import Chunk, reuse

from pqk import assets, firmware
from pqk.boards import Board
from pqk.errors import FitError, ModelError
from pqk.files import atomic_directory, digest, digest_tree
from pqk.frontend import RATE, FrontEnd
from pqk.project import BuildConfig, Project
from pqk.stream.settings import keywords_of, settings_of
from pqk.tune import Costs

PACKAGE = Path(__file__).parent
BUILD_ID = "build_id"
TRIED = "tried-"  # folders of what is linked to see how large it is; they stay, so that nothing is linked twice
_WHOLE = "in a stream every window is computed as a whole: "
ATTEMPTS = 6  # at a flash limit, because sizes before linking are estimates
DOUBT = 512  # bytes by which estimates are off for one choice of kernels and not for another


@dataclass(frozen=True, eq=False)
class Compiled:
    """A network's firmware."""

    plan: planning.Plan
    build_id: str
    directory: Path
    sizes: dict[str, Any]
    """See `pqk.firmware.BuildResult`."""
    fresh: bool
    """Whether anything was compiled, rather than found up to date."""
    chunk: Chunk | None
    """What computes the windows of a stream from what is new in them; None where each is computed as a whole."""
    notes: tuple[str, ...]
    """What the user may want to know about the choices made."""

    @property
    def elf(self) -> Path:
        """The firmware."""
        return self.directory / "firmware.elf"

    @property
    def flash(self) -> int:
        """Bytes of the whole firmware."""
        return int(self.sizes["flash"]["total"])

    def layer_flash(self, layer: planning.Layer) -> int:
        """Bytes of a layer's constants, and of code specialised to its weights, in the linked firmware."""
        names = [placed.symbol for placed in layer.tables] + [layer.symbol]
        return sum(int(self.sizes["symbols"].get(name, 0)) for name in (*names, layer.code_symbol))


@dataclass(frozen=True)
class Listener:
    """What makes a firmware hear: without it a firmware takes features only."""

    front_end: FrontEndSpec
    spotter: SpotterSpec
    reuse: bool
    """Whether windows of a stream are to be computed from what is new in them."""
    mlperf: bool = False
    """Whether the firmware speaks MLPerf Tiny's protocol, too."""

    def needs(self, network: Network, arena: int) -> Needs:
        """Bytes that it adds to a network with such an arena."""
        needed = needs(self.front_end, network, arena)
        if not self.mlperf:
            return needed
        kept = network.tensors[network.input].elements + 4 * len(network.classes)  # the input, and the results
        flash = {"MLPerf Tiny's protocol": firmware.MLPERF_FLASH}
        ram = {"MLPerf Tiny's protocol": firmware.MLPERF_RAM + kept}
        return Needs(needed.flash | flash, needed.ram | ram)


def objective(config: BuildConfig, board: Board, measured: Costs) -> Objective:
    """What the choice of kernels minimises: the project's wish, within the board's RAM, measured if it was.

    A limit on flash is for the whole firmware, of which a choice knows a part: that is up to `compile_network`.
    """
    return Objective(
        goal=config.objective,
        # An emulator counts instructions; of a real board's time the cycle model says more, where there is one.
        measure="instructions" if board.emulated or not board.modelled else "cycles",
        wait_states=board.memory.wait_states,
        straight_limit=round(1024 * config.straight_line_kb),
        ram_limit=firmware.spare_ram(board),
        measured=measured,
    )


def plan_network(network: Network, board: Board, wanted: Objective) -> planning.Plan:
    """Kernels, tables and arena of a network. Raises ModelError when no kernel supports an operation."""
    try:
        return planning.plan(network, board.cpu, wanted)
    except IrError as error:
        raise ModelError(str(error), "choose another network or board in pqk.toml") from error


def compile_network(
    network: Network,
    board: Board,
    directory: Path,
    config: BuildConfig,
    note: Callable[[str], None],
    measured: Costs | None = None,
    listener: Listener | None = None,
) -> Compiled:
    """Bring the firmware in `directory` up to date with `network`; nothing is compiled where it is.

    Sizes are estimates until the linker has spoken. Where there is a limit on flash, the smallest firmware is linked
    first: it tells whether the limit can be met, if need be without what streams reuse, and how far off estimates are.

    Raises:
        ModelError: no kernel supports an operation.
        FitError: the network is too large for the board, or for the limit on flash.
        ToolError: the compiler is missing, or refused the code.
    """
    wanted = objective(config, board, measured or {})
    if listener and wanted.ram_limit is not None:
        wanted = replace(wanted, ram_limit=wanted.ram_limit - sum(listener.needs(network, arena=0).ram.values()))
    usual = _Compiler(board, listener, wanted, note)
    if config.flash_limit_kb is None:
        return usual.compiled(plan_network(network, board, wanted), directory)
    note(f"looking for the fastest firmware within {config.flash_limit_kb:g} kB of flash")
    limit = round(1024 * config.flash_limit_kb)
    smallest_plan = plan_network(network, board, replace(wanted, goal="size"))
    for kind, compiler in _with_less_and_less_for_streams(usual):
        quiet = replace(compiler, note=lambda _: None)
        smallest = quiet.compiled(smallest_plan, directory.with_name(f"smallest-{kind}"))
        if smallest.flash <= limit or smallest.chunk is None:
            break
    if smallest.flash > limit:
        raise _limit_error(config, smallest.flash)
    search = _Search(limit, partial(plan_network, network, board), wanted, quiet, directory)
    return compiler.compiled(search.fastest(smallest), directory)


def listener(project: Project, network: Network) -> Listener:
    """How the device makes audio into the input of the project's network, and its logits into detections.

    Raises ProjectError when the front end is impossible.
    """
    front_end = FrontEnd(project.front_end)
    settings = settings_of(project.stream, network.classes, hop=front_end.hop, rate=RATE)
    spotter = SpotterSpec(keywords_of(network.classes), settings, project.stream.temperature)
    return Listener(front_end.spec, spotter, project.stream.reuse, project.build.mlperf)


def salt(board: Board) -> str:
    """What besides the network makes a firmware different."""
    return digest(
        [
            repr(board),
            firmware.compiler_version(),
            digest_tree(assets.directory("firmware")),
            digest_tree(PACKAGE, ["firmware.py"]),
        ]
    )


def compiled_id(directory: Path) -> str | None:
    """Build id of the firmware in `directory`; the two appear in one rename, so it cannot be another's."""
    path = directory / BUILD_ID
    return path.read_text() if path.is_file() else None


def _limit_error(config: BuildConfig, smallest: int) -> FitError:
    return FitError(
        f"build.flash_limit_kb = {config.flash_limit_kb:g} cannot be met: the smallest firmware with this network "
        f"takes {smallest:,} bytes",
        f"flash_limit_kb = {math.ceil(10 * smallest / 1024) / 10} or more, or a smaller network",
    )


@dataclass(frozen=True)
class _Compiler:
    """Makes plans into firmware."""

    board: Board
    listener: Listener | None
    streaming: Objective
    """For what streams reuse."""
    note: Callable[[str], None]
    why: str | None = None
    """Why streams reuse nothing, where the project does not say so."""

    def compiled(self, plan: planning.Plan, directory: Path) -> Compiled:
        chunk, notes = self._chunk(plan)
        audio = _audio(self.listener, plan.network, chunk) if self.listener else None
        with tempfile.TemporaryDirectory() as generated:
            build_id = generate(plan, Path(generated), salt=salt(self.board), audio=audio, chunk=chunk)
            fresh = compiled_id(directory) != build_id
            if fresh:
                self.note(f"compiling for {self.board.title}")
                _compile(self.board, Path(generated), build_id, directory)
        sizes = json.loads((directory / "sizes.json").read_text())
        return Compiled(plan, build_id, directory, sizes, fresh, chunk, notes)

    def _chunk(self, plan: planning.Plan) -> tuple[Chunk | None, tuple[str, ...]]:
        """What streams reuse; nothing, and why, where that cannot be or does not fit.

        Raises FitError when the network does not fit without it either.
        """
        reason = self.why
        if self.listener and self.listener.reuse:
            try:
                chunk = reuse(plan, self.listener.spotter.settings.stride, self.streaming)
                self._check_fit(plan, chunk)
                return chunk, ()
            except IrError as error:
                reason = str(error)
            except FitError:
                reason = f"{self.board.name} has no room for what they share"
        self._check_fit(plan, None)
        return None, (_WHOLE + reason,) if reason else ()

    def _check_fit(self, plan: planning.Plan, chunk: Chunk | None) -> None:
        flash, ram = {"tables": plan.flash, "kernels": plan.code}, {"arena": plan.arena}
        if chunk:
            flash |= {"tables for streams": chunk.plan.flash, "kernels for streams": chunk.plan.code}
            ram = {"arena": max(plan.arena, chunk.plan.arena), "state of streams": chunk.state}
        if self.listener:
            needed = self.listener.needs(plan.network, ram["arena"])
            flash, ram = flash | needed.flash, ram | needed.ram
        firmware.check_fit(self.board, flash, ram)


def _with_less_and_less_for_streams(compiler: _Compiler) -> Iterator[tuple[str, _Compiler]]:
    """What is tried in turn where a limit on flash is not met, with names."""
    yield "fast", compiler
    if compiler.listener and compiler.listener.reuse:
        yield "small", replace(compiler, streaming=replace(compiler.streaming, goal="size"))
        alone = replace(compiler.listener, reuse=False)
        yield "whole", replace(compiler, listener=alone, why="build.flash_limit_kb has no room for what they share")


@dataclass(frozen=True)
class _Search:
    """Looks for the fastest firmware that is within a limit on flash, which the linker tells.

    A choice of kernels has a limit on its own estimate: one is looked for that is just met.
    """

    limit: int
    plan: Callable[[Objective], planning.Plan]
    wanted: Objective
    compiler: _Compiler
    directory: Path
    """Of the firmware; what is tried is compiled beside it, so that the next build compiles nothing."""

    def fastest(self, smallest: Compiled) -> planning.Plan:
        """`smallest` is within the limit, so whatever is allowed from its estimate on, there is a choice."""
        best, met = smallest.plan, _estimate(smallest.plan)
        too_large: int | None = None
        allowed = self._exact(smallest) + DOUBT
        for attempt in range(ATTEMPTS):
            plan = self.plan(replace(self.wanted, flash_limit=allowed))
            estimate = _estimate(plan)
            made = self._linked(plan, attempt) if estimate > met else None
            if made and made.flash <= self.limit:
                best, met = plan, allowed
            elif estimate > met:
                too_large = estimate
            else:
                met = allowed  # by nothing new
            allowed = self._next(met, too_large, made)
            if allowed <= met:
                break
        return best

    def _next(self, met: int, too_large: int | None, made: Compiled | None) -> int:
        """What to allow after `made`: what would be right if estimates were always as far off, or what is between."""
        exact = self._exact(made) if made else met
        if too_large is None:
            return exact + DOUBT if made else self.limit
        return exact if met < exact < too_large else (met + too_large) // 2

    def _exact(self, made: Compiled) -> int:
        """The limit, less the bytes that the estimate of `made` knows nothing of."""
        return self.limit - made.flash + _estimate(made.plan)

    def _linked(self, plan: planning.Plan, attempt: int) -> Compiled | None:
        """None where the board has no room for it, whatever the limit."""
        try:
            return self.compiler.compiled(plan, self.directory.with_name(f"{TRIED}{attempt}"))
        except FitError:
            return None


def _estimate(plan: planning.Plan) -> int:
    """Bytes of flash that the limit of an `Objective` is for."""
    return plan.flash + plan.code


def _audio(listener: Listener, network: Network, chunk: Chunk | None) -> dict[str, str]:
    try:
        stream = chunk.chunked.network if chunk else None
        files = audio_files(listener.front_end, listener.spotter, network, stream)
    except IrError as error:
        raise ModelError(str(error), "change [front_end] or the words in pqk.toml") from error
    return files | (mlperf_files(network) if listener.mlperf else {})


def _compile(board: Board, generated: Path, build_id: str, directory: Path) -> None:
    with atomic_directory(directory) as out:
        shutil.copytree(generated, out / "generated")
        firmware.compile_firmware(board, out / "generated", out)
        (out / BUILD_ID).write_text(build_id)
