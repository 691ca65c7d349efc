"""Errors a user can act on, by culprit.

Every error carries what is wrong (`message`, naming the culprit) and the next step (`hint`).
They are printed and turned into an exit code in one place, `pqk.cli.main`.
"""


class PqkError(Exception):
    """Something the user can put right. `hint` is the next command to type, or the next thing to change."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ProjectError(PqkError):
    """`pqk.toml` says something that cannot be done."""

    exit_code = 2


class DataError(PqkError):
    """Recordings are missing, unreadable or too few."""

    exit_code = 3


class ToolError(PqkError):
    """A compiler, an emulator or a probe tool is missing or failed."""

    exit_code = 4


class BoardError(PqkError):
    """A board is unknown, or its file is wrong."""

    exit_code = 5


class FitError(PqkError):
    """The network does not fit the board's flash or RAM."""

    exit_code = 6


class LinkError(PqkError):
    """The device does not answer, or answers wrongly."""

    exit_code = 7


class LinkLost(LinkError):
    """The device has fallen silent or the line is broken; another attempt may find it again."""


class ModelError(PqkError):
    """The intermediate representation is damaged, or asks for what the generator cannot do."""

    exit_code = 8


class CheckError(PqkError):
    """A report was made, and does not keep the limits that it was given."""

    exit_code = 9


class BusyError(PqkError):
    """Another process is doing the same."""

    exit_code = 10
