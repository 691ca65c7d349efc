"""What an inference of a network costs, before anything is pruned or folded."""

from pqk.train.networks.layers import Classifier, Convolution, Network, Size


def macs(network: Network, frames: int, bands: int) -> int:
    """Multiply-accumulates of an inference on features [frames, bands], as publications count them.

    Every weight of a convolution counts at every position, those that no pool reads and those on padding too;
    normalisation, pools, residuals and means count nothing.
    """
    counter = _Counter()
    network.interpret(counter, (frames, bands))
    return counter.macs


class _Counter:
    """`Arithmetic` whose activations are the rows and columns of a plane."""

    def __init__(self) -> None:
        self.macs = 0

    def convolution(self, layer: Convolution, x: Size) -> Size:
        rows, columns = layer.conv_size(x)
        self.macs += layer.weight.numel() * rows * columns
        return layer.output_size(x)

    def add(self, stream: str, a: Size, b: Size) -> Size:
        del stream, b
        return a

    def mean(self, x: Size) -> Size:
        del x
        return (1, 1)

    def classify(self, layer: Classifier, x: Size) -> Size:
        self.macs += layer.weight.numel()
        return x
