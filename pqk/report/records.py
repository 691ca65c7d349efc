"""Reading the records that earlier stages left, so that what is missing is named and never guessed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from pqk.errors import PqkError


@dataclass(frozen=True)
class Record:
    """A table of measured values called `name`; `command` is what makes it.

    Every reading method raises PqkError, with that command as the next step, when the value is missing or is
    not what it should be.
    """

    name: str
    command: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """A string that is not empty."""
        value = self._value(key)
        if not isinstance(value, str) or not value:
            self._wrong(key, value, "a text")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._value(key)
        if not isinstance(value, bool):
            self._wrong(key, value, "true or false")
        return value

    def whole(self, key: str) -> int:
        """A count: an integer, 0 or more."""
        return self._whole(key, self._value(key))

    def number(self, key: str) -> float:
        """A finite number."""
        return self._number(key, self._value(key))

    def share(self, key: str) -> float:
        """A number in 0..1."""
        value = self.number(key)
        if not 0 <= value <= 1:
            self._wrong(key, value, "a share in 0..1")
        return float(value)

    def table(self, key: str) -> "Record":
        """A table inside this one."""
        value = self._value(key)
        if not isinstance(value, Mapping):
            self._wrong(key, value, "a table")
        return Record(f"{self.name}: {key}", self.command, value)

    def optional_table(self, key: str) -> "Record | None":
        """A table inside this one, or None where there is none."""
        return self.table(key) if key in self.values else None

    def tables(self, key: str) -> list["Record"]:
        """A list of tables."""
        entries = self._list(key)
        for index, entry in enumerate(entries):
            if not isinstance(entry, Mapping):
                self._wrong(f"{key}[{index}]", entry, "a table")
        return [Record(f"{self.name}: {key}[{i}]", self.command, entry) for i, entry in enumerate(entries)]

    def wholes(self, key: str) -> list[int]:
        """A list of counts."""
        return [self._whole(f"{key}[{index}]", value) for index, value in enumerate(self._list(key))]

    def numbers(self, key: str) -> list[float]:
        """A list of finite numbers."""
        return [self._number(f"{key}[{index}]", value) for index, value in enumerate(self._list(key))]

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        entries = self._list(key)
        for index, entry in enumerate(entries):
            if not isinstance(entry, str):
                self._wrong(f"{key}[{index}]", entry, "a text")
        return entries

    def fail(self, problem: str) -> PqkError:
        """An error about this record, to be raised."""
        return PqkError(f"{self.name}: {problem}", f"make it anew: {self.command}")

    def _value(self, key: str) -> Any:
        if not self.values:
            raise PqkError(
                f"there is no {self.name}; a report shows measured values only", f"first run: {self.command}"
            )
        if key not in self.values:
            raise self.fail(f"{key!r} is missing")
        return self.values[key]

    def _list(self, key: str) -> list[Any]:
        value = self._value(key)
        if not isinstance(value, list):
            self._wrong(key, value, "a list")
        return value

    def _whole(self, key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self._wrong(key, value, "a count")
        return value

    def _number(self, key: str, value: object) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            self._wrong(key, value, "a finite number")
        return value

    def _wrong(self, key: str, value: object, wanted: str) -> NoReturn:
        raise self.fail(f"{key!r} is {value!r:.60}, not {wanted}")
