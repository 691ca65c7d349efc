"""ST's STM32CubeProgrammer (ST UM2237), for ST-LINK probes."""

from pathlib import Path

from pqk.boards import Runner
from pqk.runners.probe import NO_PROBE, NO_TARGET, SEVERAL_PROBES, VERIFY_FAILED, Flashing, Probe, Trouble


class Stm32CubeProgrammer(Probe):
    """`target` means nothing to it: it asks the chip."""

    kind = "stm32cubeprogrammer"
    version = ("--version",)
    troubles = (
        Trouble("no (debug probe|st-?link) detected", *NO_PROBE),
        Trouble("multiple.*(probe|st-?link)", *SEVERAL_PROBES),
        Trouble("no stm32 target found|unable to get core id", *NO_TARGET),
        Trouble("verification failed|data mismatch", *VERIFY_FAILED),
    )

    def commands(self, flashing: Flashing) -> list[list[str]]:
        """One command that connects under reset, writes, compares and starts."""
        return [_argv(flashing.how, flashing.probe, "--download", flashing.hex, "--verify", "--start")]

    def reset_commands(self, how: Runner, state_dir: Path, probe: str | None) -> list[list[str]]:
        """See `Probe.reset_commands`."""
        del state_dir
        return [_argv(how, probe, "--rst")]


def _argv(how: Runner, probe: str | None, *what: str) -> list[str]:
    which = f" sn={probe}" if probe else ""
    return ["STM32_Programmer_CLI", "--connect", f"port=SWD{which} mode=UR reset=HWrst", *how.args, *what]
