"""OpenOCD, for nearly every probe."""

from pathlib import Path

from pqk.boards import Runner
from pqk.runners.probe import NO_PROBE, NO_TARGET, VERIFY_FAILED, Flashing, Probe, Trouble


class OpenOcd(Probe):
    """`target` is OpenOCD's file of the chip; `args` name that of the probe."""

    kind = "openocd"
    version = ("--version",)
    troubles = (
        Trouble("verify failed|checksum mismatch", *VERIFY_FAILED),
        Trouble("open failed|unable to open|unable to find a matching|no (j-link )?device found", *NO_PROBE),
        Trouble("target voltage may be too low|init mode failed|target not (examined|halted)", *NO_TARGET),
        Trouble("can't find (interface|target|board)/", "OpenOCD lacks a file", "install a newer OpenOCD"),
    )

    def commands(self, flashing: Flashing) -> list[list[str]]:
        """One command that writes, compares and resets."""
        # Braces: Tcl's way to keep spaces.
        return [_argv(flashing.how, flashing.probe, f"program {{{flashing.elf}}} verify reset exit")]

    def reset_commands(self, how: Runner, state_dir: Path, probe: str | None) -> list[list[str]]:
        """See `Probe.reset_commands`."""
        del state_dir
        return [_argv(how, probe, "init; reset run; shutdown")]


def _argv(how: Runner, probe: str | None, what: str) -> list[str]:
    which = ["-c", f"adapter serial {probe}"] if probe else []
    return ["openocd", *how.args, *which, "-f", how.target, "-c", what]
