"""res8 and res8-narrow (Tang & Lin, "Deep residual learning for small-footprint keyword spotting", ICASSP 2018).

The published order is convolution, ReLU, residual, batch normalisation, which cannot be folded into integer arithmetic.
Here it is convolution, batch normalisation, ReLU, residual: the same weights and the same cost, and it folds.
"""

from torch import nn

from pqk.train.networks.layers import Arithmetic, Classifier, Convolution, Network, T
from pqk.train.networks.residual import RESIDUAL, add_pairs

PAIRS = 3
POOL = (4, 3)


class Res8(Network):
    """One convolution with an average pool, three residual pairs, mean over the positions, classifier."""

    def __init__(self, channels: int, classes: int, pool: tuple[int, int] = POOL) -> None:
        super().__init__()
        self.stem = Convolution("conv0", 1, channels, stream=RESIDUAL, pool=pool)
        self.pairs = [_pair(number, channels) for number in range(1, 2 * PAIRS, 2)]
        self.body = nn.ModuleList(layer for pair in self.pairs for layer in pair)  # so that torch knows them
        self.classifier = Classifier("fc", channels, classes)

    def interpret(self, arithmetic: Arithmetic[T], x: T) -> T:
        """See `Network.interpret`."""
        x = add_pairs(arithmetic, self.pairs, arithmetic.convolution(self.stem, x))
        return arithmetic.classify(self.classifier, arithmetic.mean(x))


def _pair(number: int, channels: int) -> tuple[Convolution, Convolution]:
    first = Convolution(f"conv{number}", channels, channels, stream=f"conv{number}")
    return first, Convolution(f"conv{number + 1}", channels, channels, stream=RESIDUAL)


def res8(classes: int, channels: int) -> Network:
    """With 45 channels 110,307 parameters for 12 classes; with 19, which is res8-narrow, 19,905."""
    return Res8(channels, classes)
