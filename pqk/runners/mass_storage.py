"""Debug probes that show a drive which flashes what is copied to it: DAPLink, ST-LINK, J-Link.

They say little when something is wrong, so no board has this as its usual way.
"""

import re
from pathlib import Path

from pqk import tools, volumes
from pqk.errors import ToolError
from pqk.runners.probe import Desk, Flashing

DETAILS = "DETAILS.TXT"  # DAPLink's; ST-LINK has the other
PAGE = "MBED.HTM"
FAIL = "FAIL.TXT"
VANISHES_S = 20.0  # the time that writing and flashing take
RETURNS_S = 10.0


class MassStorage(Desk):
    """`args` are the board's codes in DETAILS.TXT or MBED.HTM, four characters each, `target` is the drive's label."""

    kind = "mass-storage"

    def write(self, flashing: Flashing) -> None:
        """Copy the firmware to the board's drive, wait until that has come back, and look for what it complains of.

        Raises:
            ToolError: there is no such drive, or there are several; it cannot be written; it has a FAIL.TXT.
        """
        volume = volumes.one(
            [path for path in volumes.mounted() if _is(path, flashing.how.target, flashing.how.args)],
            f"drive called {flashing.how.target}",
            "plug the board in, and have its drive mounted",
        )
        # Intel HEX rather than the image: it says where it belongs, and a line that is lost does not go unnoticed.
        # An ST-LINK takes it since its firmware of 2020 (github.com/ARMmbed/mbed-cli/issues/980).
        volumes.copy(Path(flashing.hex), volume)
        if tools.rehearsing():
            return
        # A drive that stays, or is not mounted again, says nothing: whether the firmware runs shows when it says hello.
        if volumes.wait(lambda: not volumes.there(volume), VANISHES_S):
            volumes.wait(lambda: volumes.there(volume), RETURNS_S)
        if complaint := volumes.text(volume, FAIL).strip():
            raise ToolError(
                f"{volume} has a {FAIL}: {complaint}", "unplug the board, plug it in again; or use another --runner"
            )


def _is(volume: Path, label: str, codes: tuple[str, ...]) -> bool:
    """Whether the drive has one of the codes; where it says none, the label, to which a desktop may add a number.

    A label alone tells less: the drives of micro:bit v1 and v2 have the same.
    """
    if codes and (code := _code(volume)):
        return code in codes
    return re.fullmatch(rf"{re.escape(label)} ?\d*", volume.name, re.IGNORECASE) is not None


def _code(volume: Path) -> str:
    """The first four characters of the board's id (DAPLink: "Unique ID: 9900..."; ST-LINK: "?code=0777...")."""
    said = volumes.text(volume, DETAILS) + volumes.text(volume, PAGE)
    found = re.search(r"(?:Unique ID: *|[?&]code=)(\w{4})", said)
    return found[1] if found else ""
