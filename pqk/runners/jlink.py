"""SEGGER's J-Link Commander (SEGGER UM08001)."""

from pathlib import Path

from pqk import tools
from pqk.boards import Runner
from pqk.files import atomic_write_text
from pqk.runners.probe import NO_PROBE, NO_TARGET, VERIFY_FAILED, Flashing, Probe, Trouble

FLASH = "flash.jlink"
RESET = "reset.jlink"


class JLink(Probe):
    """`target` is SEGGER's name of the chip."""

    kind = "jlink"
    troubles = (
        Trouble("(connecting to j-link.*failed|cannot connect to j-link|no emulators? connected)", *NO_PROBE),
        Trouble("verif(y|ication).*failed", *VERIFY_FAILED),
        Trouble("(cannot|could not) connect to (the )?target|could not find core", *NO_TARGET),
    )

    def commands(self, flashing: Flashing) -> list[list[str]]:
        """One command, which reads what to do from a file."""
        steps = ("h", f'loadfile "{flashing.hex}"', "r")
        return [_argv(flashing.how, flashing.probe, _script(flashing.state_dir / FLASH, *steps))]

    def reset_commands(self, how: Runner, state_dir: Path, probe: str | None) -> list[list[str]]:
        """See `Probe.reset_commands`."""
        return [_argv(how, probe, _script(state_dir / RESET))]


def _argv(how: Runner, probe: str | None, script: Path) -> list[str]:
    which = ["-USB", probe] if probe else []
    device = ["-if", "SWD", "-speed", "4000", "-device", how.target, *which]
    return ["JLinkExe", "-nogui", "1", *device, *how.args, "-CommanderScript", str(script)]


def _script(path: Path, *steps: str) -> Path:
    """Write what to do between a reset and letting the board run."""
    if not tools.rehearsing():
        atomic_write_text(path, "".join(f"{step}\n" for step in ("ExitOnError 1", "r", *steps, "g", "exit")))
    return path
