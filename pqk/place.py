"""The project and the board that a command is about, as the user must name them again in the next one."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_OF_A_BOARD = ("build", "doctor", "eval", "flash", "listen", "mlperf", "monitor", "report", "tune")
_COMMAND = re.compile(rf"\bpqk-mcu ({'|'.join(_OF_A_BOARD)})\b")


@dataclass(frozen=True)
class Place:
    """`root` is the project's folder; `board` is None where commands find it by themselves."""

    root: Path = Path()
    board: str | None = None

    def told(self, text: str) -> str:
        """`text`, with what the commands in it need to be about this place."""
        project = "" if self.root == Path() else f"--project {shlex.quote(str(self.root))} "
        board = "" if self.board is None else f" --board {shlex.quote(self.board)}"
        return _COMMAND.sub(lambda found: f"pqk-mcu {project}{found[1]}{board}", text)
