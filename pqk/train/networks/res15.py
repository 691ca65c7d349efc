"""res15 and res15-narrow (Tang & Lin, "Deep residual learning for small-footprint keyword spotting", ICASSP 2018).

Nothing is pooled before the mean: convolutions see far because they are dilated, the later the more. As in res8, the
order is convolution, batch normalisation, ReLU, residual, which folds, instead of the published one.
"""

from torch import nn

from pqk.train.networks.layers import Arithmetic, Classifier, Convolution, Network, T
from pqk.train.networks.residual import RESIDUAL, add_pairs

PAIRS = 6


class Res15(Network):
    """A convolution, six residual pairs, one more convolution, mean over the positions, classifier."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = Convolution("conv0", 1, channels, stream=RESIDUAL)
        self.pairs = [
            (_dilated(number, channels), _dilated(number + 1, channels, RESIDUAL)) for number in range(1, 2 * PAIRS, 2)
        ]
        self.body = nn.ModuleList(layer for pair in self.pairs for layer in pair)  # so that torch knows them
        self.last = _dilated(2 * PAIRS + 1, channels)
        self.classifier = Classifier("fc", channels, classes)

    def interpret(self, arithmetic: Arithmetic[T], x: T) -> T:
        """See `Network.interpret`."""
        x = add_pairs(arithmetic, self.pairs, arithmetic.convolution(self.stem, x))
        x = arithmetic.convolution(self.last, x)
        return arithmetic.classify(self.classifier, arithmetic.mean(x))


def _dilated(number: int, channels: int, stream: str = "") -> Convolution:
    """The convolution after the first that has this number: dilation 1, 1, 1, 2, 2, 2, 4, ..., of the same size."""
    name, dilation = f"conv{number}", 2 ** ((number - 1) // 3)
    spread, around = (dilation, dilation), (dilation, dilation, dilation, dilation)
    return Convolution(name, channels, channels, stream=stream or name, dilation=spread, padding=around)


def res15(classes: int, channels: int) -> Network:
    """With 45 channels 237,882 parameters for 12 classes; with 19, which is res15-narrow, 42,648."""
    return Res15(channels, classes)
