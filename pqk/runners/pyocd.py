"""pyOCD, for CMSIS-DAP, ST-LINK and J-Link probes (pip install pyocd)."""

from pathlib import Path

from pqk.boards import Runner
from pqk.runners.probe import NO_PROBE, NO_TARGET, SEVERAL_PROBES, Flashing, Probe, Trouble


class PyOcd(Probe):
    """`target` is pyOCD's name of the chip: pyocd list --targets."""

    kind = "pyocd"
    version = ("--version",)
    troubles = (
        Trouble("no (available|connected) (debug )?probes|no target device available", *NO_PROBE),
        Trouble("(more than one|multiple).*probe", *SEVERAL_PROBES),
        Trouble("target type .* not recognized", "pyOCD does not know the chip", "pyocd pack install, with its name"),
        Trouble("(swd/jtag communication failure|no ack)", *NO_TARGET),
    )

    def commands(self, flashing: Flashing) -> list[list[str]]:
        """Load, then reset."""
        which = _which(flashing.how, flashing.probe)
        load = ["pyocd", "load", *which, "-f", "4M", *flashing.how.args, str(flashing.elf)]
        return [load, *self.reset_commands(flashing.how, flashing.state_dir, flashing.probe)]

    def reset_commands(self, how: Runner, state_dir: Path, probe: str | None) -> list[list[str]]:
        """See `Probe.reset_commands`."""
        del state_dir
        return [["pyocd", "reset", *_which(how, probe)]]


def _which(how: Runner, probe: str | None) -> list[str]:
    """-W: do not wait for somebody to plug a probe in."""
    return ["-W", "-t", how.target, *(["-u", probe] if probe else [])]
