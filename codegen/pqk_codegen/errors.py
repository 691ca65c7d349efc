"""What this package raises."""


class IrError(ValueError):
    """A network breaks a rule of the intermediate representation, or asks for what no kernel can do."""


class FlashLimitError(IrError):
    """No choice of kernels keeps tables and code within the flash limit. Both figures in bytes."""

    def __init__(self, limit: int, smallest: int) -> None:
        super().__init__(f"the network's code and tables cannot be smaller than {smallest:,} bytes; allowed {limit:,}")
        self.limit, self.smallest = limit, smallest


class FrontEndError(ValueError):
    """A front end asks for what is not possible."""


class EmptyBandError(FrontEndError):
    """A mel band is narrower than an FFT bin, and none falls into it. Both in Hz."""

    def __init__(self, centre: float, bin_width: float) -> None:
        super().__init__(f"the band at {centre:.0f} Hz is narrower than one FFT bin ({bin_width:.2f} Hz)")
        self.centre, self.bin_width = centre, bin_width
