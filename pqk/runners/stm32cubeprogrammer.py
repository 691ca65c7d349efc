"""ST's STM32CubeProgrammer (ST UM2237), for ST-LINK probes."""

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
        which = f" sn={flashing.probe}" if flashing.probe else ""
        connect = f"port=SWD{which} mode=UR reset=HWrst"
        program = ["--download", flashing.hex, "--verify", "--start"]
        return [["STM32_Programmer_CLI", "--connect", connect, *flashing.how.args, *program]]
