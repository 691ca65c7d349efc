"""stm32loader, for the boot loader in the ROM of every STM32, over the serial port (pip install stm32loader).

It is not told to start what it has written: the ROM may jump there with the PLL as the chip's clock, which the
firmware's set-up then cannot change. In place of that it resets the board through DTR and RTS (see its README), as it
does before it begins; where these are not wired, a hand has to.
"""

from pqk import ports
from pqk.runners.probe import VERIFY_FAILED, Flashing, Probe, Trouble


class Stm32Loader(Probe):
    """The board must have been reset with its BOOT0 pin high, and with it low afterwards; `target` means nothing."""

    kind = "stm32loader"
    version = ("--version",)
    troubles = (
        Trouble(
            "can't init|cannot init|not in boot",
            "the boot loader does not answer",
            "connect BOOT0 with the supply voltage, reset the board, then flash again",
        ),
        Trouble("verification failed", *VERIFY_FAILED),
    )

    def commands(self, flashing: Flashing) -> list[list[str]]:
        """One command that erases, writes, compares and resets."""
        port = flashing.port or ports.of(flashing.board, flashing.probe)
        write = ["-e", "-w", "-v", flashing.bin]
        return [["stm32loader", "-p", port, "-b", "115200", *flashing.how.args, *write]]
