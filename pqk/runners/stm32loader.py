"""stm32loader, for the boot loader in the ROM of every STM32, over the serial port (pip install stm32loader)."""

from pqk import ports
from pqk.runners.probe import VERIFY_FAILED, Flashing, Probe, Trouble

START = "0x08000000"


class Stm32Loader(Probe):
    """The board must have been reset with its BOOT0 pin high; `target` means nothing to it."""

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
        """One command that erases, writes, compares and starts."""
        port = flashing.port or ports.of(flashing.board, flashing.probe)
        write = ["-e", "-w", "-v", "-g", START, flashing.bin]
        return [["stm32loader", "-p", port, "-b", "115200", *flashing.how.args, *write]]
