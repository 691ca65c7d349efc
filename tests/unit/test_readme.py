"""The README speaks of files and commands that exist. The commands are run by tests/device/test_end_to_end.py."""

import json
import re
from pathlib import Path

from pqk import boards
from pqk.cli import cli
from pqk.compare import table

CHECKOUT = Path(__file__).parents[2]
TEXT = (CHECKOUT / "README.md").read_text(encoding="utf-8")
FOLDERS = "pqk|codegen|firmware|boards|tests|docs|demo"


def test_every_path_exists() -> None:
    paths = set(re.findall(rf"(?<![\w/])(?:{FOLDERS})/[\w./-]*\w", TEXT))
    assert len(paths) > 10
    assert [path for path in sorted(paths) if not (CHECKOUT / path).exists()] == []


def test_every_command_exists() -> None:
    named = set(re.findall(r"pqk-mcu ([a-z]+)\b", TEXT))
    assert named == set(cli.commands)


def test_every_make_target_exists() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = set(re.findall(r"^make (\w+)", TEXT, re.M))
    assert targets == {"demo", "test"}
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)


def test_every_board_is_listed_with_its_core() -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (Cortex-M\d+\+?) \|", TEXT, re.M))
    assert rows == {name: boards.load(name).cpu.title().replace("Plus", "+") for name in boards.names()}


def test_the_table_and_the_picture_of_methods_are_made_of_the_record() -> None:
    record = json.loads((CHECKOUT / "benchmarks" / "compare.json").read_text(encoding="utf-8"))
    rows = [line for line in table.markdown(record).splitlines() if line.startswith("|")]
    assert len(rows) == len(record["rows"]) + 2
    assert "\n".join(rows) in TEXT
    drawn = (CHECKOUT / "docs" / "compare.svg").read_text(encoding="utf-8")
    assert all(row["name"] in drawn for row in record["rows"])
    assert "(docs/compare.svg)" in TEXT
