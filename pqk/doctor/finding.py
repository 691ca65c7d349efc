"""One thing that was looked at: whether it is in order, and what to type next where it is not."""

import re
from dataclasses import dataclass
from enum import StrEnum

from pqk.errors import PqkError

_TROUBLE = re.compile("error|fatal|cannot|undefined", re.IGNORECASE)  # as compilers and linkers put it


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
    """A message and, of a program's output that follows on more lines, the one that says what is wrong."""
    first, *output = message.splitlines()
    return f"{first}: {trouble(message)}" if output else first


def trouble(message: str) -> str:
    """The line of a program's output, which follows the first line of a message, that says what is wrong."""
    output = [line.strip() for line in message.splitlines()[1:] if line.strip()]
    return next(filter(_TROUBLE.search, output), output[-1] if output else message)
