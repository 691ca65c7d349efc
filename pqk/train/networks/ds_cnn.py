"""ds-cnn: the keyword spotting network of MLPerf Tiny (Banbury et al., arXiv 2106.07597), after Zhang et al., "Hello
Edge: keyword spotting on microcontrollers", arXiv 1711.07128.

Made for 49 x 10 features, which the front end of MLPerf Tiny gives: kind = "mfcc", coefficients = 10, hop_ms = 20,
high_hz = 4000, center = false. It takes any. The dropout of the original is left out.
"""

from torch import nn

from pqk.train.networks.layers import Arithmetic, Classifier, Convolution, Network, T

PAIRS = 4


class DsCnn(Network):
    """A convolution of 10 x 4 with stride 2, four pairs of a depthwise and a pointwise one, mean, classifier."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        # TensorFlow's padding "same" for an odd number of frames and an even one of coefficients.
        self.stem = Convolution(
            "conv0", 1, channels, stream="conv0", kernel=(10, 4), stride=(2, 2), padding=(4, 1, 5, 1)
        )
        self.body = nn.ModuleList(
            layer
            for number in range(1, PAIRS + 1)
            for layer in (_depthwise(number, channels), _pointwise(number, channels))
        )
        self.classifier = Classifier("fc", channels, classes)

    def interpret(self, arithmetic: Arithmetic[T], x: T) -> T:
        """See `Network.interpret`."""
        for layer in self.convolutions():
            x = arithmetic.convolution(layer, x)
        return arithmetic.classify(self.classifier, arithmetic.mean(x))


def _depthwise(number: int, channels: int) -> Convolution:
    name = f"depthwise{number}"
    return Convolution(name, channels, channels, stream=name, depthwise=True)


def _pointwise(number: int, channels: int) -> Convolution:
    name = f"pointwise{number}"
    return Convolution(name, channels, channels, stream=name, kernel=(1, 1), padding=(0, 0, 0, 0))


def ds_cnn(classes: int, channels: int) -> Network:
    """With 64 channels 22,028 parameters for 12 classes; 22,604 with those of 576 folded biases."""
    return DsCnn(channels, classes)
