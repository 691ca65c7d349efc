"""SEGGER's J-Link Commander (SEGGER UM08001)."""

from pqk import tools
from pqk.files import atomic_write_text
from pqk.runners.probe import NO_PROBE, NO_TARGET, VERIFY_FAILED, Flashing, Probe, Trouble

SCRIPT = "flash.jlink"


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
        which = ["-USB", flashing.probe] if flashing.probe else []
        device = ["-if", "SWD", "-speed", "4000", "-device", flashing.how.target, *which]
        script = str(flashing.state_dir / SCRIPT)
        return [["JLinkExe", "-nogui", "1", *device, *flashing.how.args, "-CommanderScript", script]]

    def write(self, flashing: Flashing) -> None:
        """See `Probe.write`."""
        if not tools.rehearsing():
            self._write_script(flashing)
        super().write(flashing)

    def _write_script(self, flashing: Flashing) -> None:
        steps = ["ExitOnError 1", "r", "h", f'loadfile "{flashing.hex}"', "r", "g", "exit"]
        atomic_write_text(flashing.state_dir / SCRIPT, "".join(f"{step}\n" for step in steps))
