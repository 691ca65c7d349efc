"""pqk.place: commands that are told to the user."""

from pathlib import Path

import pytest

from pqk import cli, place
from pqk.place import Place


@pytest.mark.parametrize(
    ("where", "text", "told"),
    [
        (Place(), "pqk-mcu build, then pqk-mcu flash", "pqk-mcu build, then pqk-mcu flash"),
        (
            Place(board="microbit"),
            "pqk-mcu build, then pqk-mcu flash",
            "pqk-mcu build --board microbit, then pqk-mcu flash --board microbit",
        ),
        (Place(Path("my lights")), "pqk-mcu doctor says why", "pqk-mcu --project 'my lights' doctor says why"),
        (
            Place(Path("a"), "my boards/b.toml"),
            "pqk-mcu eval --features",
            "pqk-mcu --project a eval --board 'my boards/b.toml' --features",
        ),
        (Place(Path("a"), "b"), "pqk-mcu history lists them", "pqk-mcu --project a history lists them"),
        (Place(Path("a"), "b"), "pqk-mcu boards; pqk-mcu download mini", "pqk-mcu boards; pqk-mcu download mini"),
    ],
)
def test_commands_are_about_the_place(where: Place, text: str, told: str) -> None:
    assert where.told(text) == told


def test_commands_with_a_board_are_known() -> None:
    of_a_board = [
        name for name, command in cli.cli.commands.items() if any(one.name == "board_name" for one in command.params)
    ]
    assert set(of_a_board) == set(place._OF_A_BOARD)
    assert set(place._OF_A_PROJECT) <= set(cli.cli.commands)
