"""One thing that was looked at: whether it is in order, and what to type next where it is not."""

from dataclasses import dataclass
from enum import StrEnum

from pqk.errors import PqkError


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """A line for the user. `fix` is the next command to type, or the next thing to do; "" where there is none."""

    level: Level
    text: str
    fix: str = ""

    def line(self) -> str:
        """The finding as it is shown."""
        return f"{self.level:8} {self.text}" + (f" -> {self.fix}" if self.fix else "")


def ok(text: str) -> Finding:
    """In order."""
    return Finding(Level.OK, text)


def note(text: str, fix: str = "") -> Finding:
    """Good to know, but the board runs without."""
    return Finding(Level.NOTE, text, fix)


def problem(text: str, fix: str) -> Finding:
    """It stands between the user and a running board."""
    return Finding(Level.PROBLEM, text, fix)


def of_error(error: PqkError) -> Finding:
    """A problem that an error tells of."""
    return problem(in_a_line(error.message), error.hint)


def in_a_line(message: str) -> str:
    """The first line of a message and, of a program's output that follows, what its trouble is."""
    first, *rest = [line.strip() for line in message.splitlines() if line.strip()]
    told = [line for line in rest if "error" in line.lower()][:1] or rest[-1:]
    return ": ".join([first, *told])
