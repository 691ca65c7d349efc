"""Any other program: the board's file says how to call it."""

from pqk.errors import BoardError
from pqk.runners.probe import VERIFY_FAILED, Flashing, Probe, Trouble


class Custom(Probe):
    """`args` is the command. {elf}, {hex}, {bin}, {target}, {probe} and {port} in it stand for what they say."""

    kind = "custom"
    troubles = (  # the words of bossac, which the file of a board that comes with pqk-mcu calls
        Trouble(
            "no device found",
            "no boot loader answers",
            "press the board's reset button twice, see under which name its port comes back (pqk-mcu ports), name that",
        ),
        Trouble("verify failed", *VERIFY_FAILED),
    )

    def commands(self, flashing: Flashing) -> list[list[str]]:
        """The command with its places filled in.

        Raises:
            BoardError: it is empty, has a place of another name, or one that nothing was given for.
        """
        values = {"elf": str(flashing.elf), "hex": flashing.hex, "bin": flashing.bin, "target": flashing.how.target}
        given = values | {key: value for key, value in (("probe", flashing.probe), ("port", flashing.port)) if value}
        if not flashing.how.args:
            raise BoardError(f"{flashing.board.name}: runner.args of kind custom is empty", "write the command there")
        try:
            return [[part.format(**given) for part in flashing.how.args]]
        except KeyError as error:
            place = str(error.args[0])
            if place in ("probe", "port"):
                raise BoardError(
                    f"{flashing.board.name}: its command wants a {place}", f"give one: --{place}"
                ) from error
            known = ", ".join(f"{{{key}}}" for key in (*values, "probe", "port"))
            raise BoardError(f"{flashing.board.name}: {{{place}}} in runner.args", f"known: {known}") from error
        except (ValueError, IndexError) as error:
            raise BoardError(f"{flashing.board.name}: runner.args: {error}", "write {{ for a brace") from error
