"""What this package raises."""


class IrError(ValueError):
    """A network breaks a rule of the intermediate representation, or asks for what no kernel can do."""


class FlashLimitError(IrError):
    """No choice of kernels keeps tables and code within the flash limit. Both figures in bytes."""

    def __init__(self, limit: int, smallest: int) -> None:
        super().__init__(f"the network's code and tables cannot be smaller than {smallest:,} bytes; allowed {limit:,}")
        self.limit, self.smallest = limit, smallest
