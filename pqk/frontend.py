"""The front end of a project: one second of 16 kHz audio becomes `frames` x `features` integers.

Its definition is `pqk_codegen.frontend`, which the C on the device equals bit for bit.
"""

from pqk_codegen import frontend
from pqk_codegen.errors import EmptyBandError, FrontEndError
from pqk_codegen.frontend.reference import Encoded, Energies, Pcm
from pqk_codegen.frontend.spec import RATE, FrontEndSpec

from pqk.errors import ProjectError
from pqk.project import FrontEndConfig

SAMPLES = RATE
"""Samples of one clip: one second."""

__all__ = ["RATE", "SAMPLES", "Encoded", "Energies", "FrontEnd", "Pcm", "spec_of"]


class FrontEnd(frontend.FrontEnd):
    """The front end that `config` describes. A clip's result does not depend on the batch it is in."""

    def __init__(self, config: FrontEndConfig) -> None:
        """Raises ProjectError when it is impossible: a mel band so narrow that no FFT bin falls into it, say."""
        self.config = config
        try:
            super().__init__(spec_of(config))
        except EmptyBandError as error:
            hint = "use fewer bands, or a wider range from low_hz to high_hz"
            raise ProjectError(f"front_end.bands = {config.bands}: {error}", hint) from error
        except FrontEndError as error:
            raise ProjectError(str(error)) from error


def spec_of(config: FrontEndConfig) -> FrontEndSpec:
    """The same in samples. Raises FrontEndError when it is impossible."""
    return FrontEndSpec(
        kind=config.kind,
        window=RATE * config.window_ms // 1000,
        hop=RATE * config.hop_ms // 1000,
        bands=config.bands,
        coefficients=config.coefficients,
        low_hz=config.low_hz,
        high_hz=config.high_hz,
        center=config.center,
        samples=SAMPLES,
    )
