"""Boards on the desk: something writes the flash and resets the board, which then runs by itself."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pqk import ports, tools
from pqk.boards import Board, Runner
from pqk.errors import ToolError

LIMIT_S = 180.0  # a slow boot loader over serial takes a minute


@dataclass(frozen=True)
class Flashing:
    """What is to be written where."""

    board: Board
    how: Runner
    elf: Path
    state_dir: Path
    probe: str | None
    """Serial number of the debug probe; None where there is only one."""
    port: str | None
    """Serial port, where one was named."""

    @property
    def hex(self) -> str:
        """The same firmware as Intel HEX."""
        return str(self.elf.with_suffix(".hex"))

    @property
    def bin(self) -> str:
        """The same firmware as it lies in flash."""
        return str(self.elf.with_suffix(".bin"))


@dataclass(frozen=True)
class Trouble:
    """What a program says when something is wrong, and what that means."""

    pattern: str
    """Regular expression for a part of its output, whatever the case of letters."""
    message: str
    hint: str


NO_PROBE = ("no debug probe was found", "plug the board in, check the cable and the permissions of USB devices (udev)")
SEVERAL_PROBES = ("there are several debug probes", "choose one by its serial number: --probe")
VERIFY_FAILED = ("what the flash holds is not what was written", "power the board off and on, then flash again")
NO_TARGET = (
    "the probe does not reach the chip",
    "check power and cable of the board, and hold its reset button meanwhile",
)


class Desk:
    """A board that runs by itself. See `pqk.runners.Runner`; a subclass says how it is written."""

    kind: ClassVar[str]

    @contextmanager
    def start(self, board: Board, state_dir: Path, probe: str | None = None) -> Iterator[str]:
        """The board runs already: yield its port. Raises LinkError where that is not there, see `pqk.ports.of`."""
        del state_dir
        yield ports.of(board, probe)

    def reset(self, board: Board, state_dir: Path, probe: str | None = None) -> None:
        """Nothing: only a debug probe can do that."""
        del board, state_dir, probe


class Probe(Desk, ABC):
    """A board that another program writes. A subclass says what to run."""

    troubles: ClassVar[tuple[Trouble, ...]] = ()
    version: ClassVar[tuple[str, ...]] = ()
    """Arguments with which the program tells its version and does nothing else; empty where there are none."""

    @abstractmethod
    def commands(self, flashing: Flashing) -> list[list[str]]:
        """What to run, one after the other."""

    def reset_commands(self, how: Runner, state_dir: Path, probe: str | None) -> list[list[str]]:
        """What resets the board; nothing where the program at work cannot."""
        del how, state_dir, probe
        return []

    def write(self, flashing: Flashing) -> None:
        """Run the commands.

        Raises:
            ToolError: a program is missing or has failed; a trouble that is known is named, with the next step.
        """
        self._run(self.commands(flashing))

    def reset(self, board: Board, state_dir: Path, probe: str | None = None) -> None:
        """Run what resets the board. Raises ToolError, see `write`."""
        self._run(self.reset_commands(board.runner, state_dir, probe))

    def _run(self, commands: list[list[str]]) -> None:
        for argv in commands:
            try:
                tools.run(argv, limit_s=LIMIT_S)
            except ToolError as error:
                raise self._explained(error) from error

    def _explained(self, error: ToolError) -> ToolError:
        for trouble in self.troubles:
            if re.search(trouble.pattern, error.message, re.IGNORECASE):
                return ToolError(f"{trouble.message}: {error.message}", trouble.hint)
        return error
