"""The project and the board that a command is about, as the user must name them again in the next one."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_OF_A_BOARD = ("build", "compare", "doctor", "eval", "flash", "listen", "mlperf", "monitor", "report", "tune")
_OF_A_PROJECT = (*_OF_A_BOARD, "bench", "history", "train")
_COMMAND = re.compile(rf"\bpqk-mcu ({'|'.join(_OF_A_PROJECT)})\b")


@dataclass(frozen=True)
class Place:
    """`root` is the project's folder; `board` is None where commands find it by themselves."""

    root: Path = Path()
    board: str | None = None

    def told(self, text: str) -> str:
        """`text`, with what the commands in it need to be about this place."""
        project = "" if self.root == Path() else f"--project {shlex.quote(str(self.root))} "
        board = f" --board {shlex.quote(self.board)}" if self.board else ""
        return _COMMAND.sub(
            lambda found: f"pqk-mcu {project}{found[1]}{board if found[1] in _OF_A_BOARD else ''}", text
        )
