"""The device of `eval --stream`, with the firmware that was built or, for what other hops cost, with another."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from pqk import pipeline, runners, tune
from pqk.boards import Board
from pqk.build import compile_network, listener
from pqk.device import Device
from pqk.pipeline import Build
from pqk.project import Project
from pqk.stream.device import HOPS_MS


@dataclass(frozen=True)
class Hardware:
    """A board with the last build. With `reuse` a firmware is made for one hop and infers at multiples of it."""

    project: Project
    board: Board
    built: Build
    port: str | None

    @property
    def _hop_ms(self) -> int:
        """That the firmware was made for; 0 where it takes any."""
        stream = self.built.record["stream"]
        return int(stream["hop_ms"]) if stream["reuse"] else 0

    def connect(self) -> AbstractContextManager[Device]:
        """The device as it was flashed.

        Raises LinkError: it does not answer, or with another build.
        """
        expected = self.built.record["id"]
        return runners.connect(self.board, self.built.directory, expected_build=expected, port=self.port)

    def hops(self, frame_ms: float) -> list[int]:
        """Hops of HOPS_MS that can be measured: whole frames. A real board is not flashed for that: it has its hop."""
        whole = [hop for hop in HOPS_MS if hop % frame_ms == 0]
        if self._hop_ms and not self.board.emulated:
            return [hop for hop in whole if hop % self._hop_ms == 0]
        return whole

    @contextmanager
    def connect_at(self, hop_ms: int) -> Iterator[Device]:
        """A device that infers every `hop_ms`: another emulated board with its own firmware where that takes one."""
        if not self._hop_ms or hop_ms == self._hop_ms or not self.board.emulated:
            with self.connect() as device:
                yield device
            return
        stream = replace(self.project.stream, hop_ms=hop_ms, smoothing_ms=hop_ms)
        network = pipeline.load_network(self.built)
        heard = listener(replace(self.project, stream=stream), network)
        directory = self.built.directory / "stream" / f"hop-{hop_ms}"
        key = pipeline.tuning_key(pipeline.network_directory(self.built), self.board)
        measured = tune.load(self.built.directory, key)
        made = compile_network(
            network, self.board, directory / "firmware", self.project.build, lambda _: None, measured, heard
        )
        runners.flash(self.board, made.elf, directory, expected_build=made.build_id)
        with runners.connect(self.board, directory, expected_build=made.build_id) as device:
            yield device
