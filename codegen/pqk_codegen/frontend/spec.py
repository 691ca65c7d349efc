"""What a front end is, in plain numbers."""

from dataclasses import dataclass

from pqk_codegen.errors import FrontEndError

RATE = 16_000
"""Samples per second."""
LARGEST_FFT = 1024


@dataclass(frozen=True)
class FrontEndSpec:
    """`samples` samples to `frames` x `features` integers of 8 bits.

    Raises FrontEndError for what is not possible, except for bands without an FFT bin: see `tables.mel_bank`.
    """

    kind: str = "log-mel"
    """Or "mfcc"."""
    window: int = 480
    """Samples of a frame, an even number."""
    hop: int = 160
    """Samples between the starts of two frames."""
    bands: int = 40
    coefficients: int = 0
    """Of each frame's DCT, how many are kept, the lowest; 0: all of them. For "mfcc" only."""
    low_hz: float = 20.0
    """Lower corner of the lowest mel band."""
    high_hz: float = 7600.0
    """Upper corner of the highest mel band."""
    center: bool = True
    """Whether frame t has its centre at sample t * hop, with zeros outside of the clip; if not, it begins there."""
    samples: int = RATE
    """Of a clip."""

    def __post_init__(self) -> None:
        _check(self.kind in ("log-mel", "mfcc"), f"there is no kind {self.kind!r}; there are log-mel and mfcc")
        _check(self.window % 2 == 0, f"window = {self.window} must be even")
        _check(128 <= self.window <= LARGEST_FFT, f"window = {self.window} must lie in 128..{LARGEST_FFT}")
        _check(self.hop >= 1, f"hop = {self.hop} must be at least 1")
        _check(8 <= self.bands <= 64, f"bands = {self.bands} must lie in 8..64")
        _check(0 <= self.low_hz < self.high_hz <= RATE / 2, f"0 <= low_hz < high_hz <= {RATE / 2:.0f} does not hold")
        _check(0 <= self.coefficients <= self.bands, f"coefficients = {self.coefficients}: there are {self.bands}")
        _check(not self.coefficients or self.kind == "mfcc", "only mfcc has coefficients")
        _check(self.frames_of(self.samples) >= 1, f"samples = {self.samples}: fewer than a window, {self.window}")

    @property
    def fft(self) -> int:
        """Points of the Fourier transform: the smallest power of two that holds the window, at least 512."""
        return 512 if self.window <= 512 else 1024

    @property
    def features(self) -> int:
        """Of one frame."""
        return self.coefficients or self.bands

    @property
    def frames(self) -> int:
        """Of one clip."""
        return self.frames_of(self.samples)

    def frames_of(self, samples: int) -> int:
        """Frames that `samples` samples give; 0 or less if they are fewer than a window and `center` is not set."""
        return 1 + (samples if self.center else samples - self.window) // self.hop


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise FrontEndError(f"front end: {message}")
