"""Which rows of a network's last map no zero row reaches: those that are the same in windows that overlap.

The convolutions pad a window's first and last row with zeros, and every further convolution carries them a row inwards.
A mean over the rows between can be computed from what is new in each window of a stream; see `pqk_codegen.streaming`.
"""

from pqk.train.networks.layers import Classifier, Convolution, Network, Rows


def average_interior(network: Network, frames: int) -> bool:
    """Let the mean be over the interior rows of windows of so many frames; False where there are none, and all count.

    The same for the network's integers: `pqk_codegen.streaming.interior_rows`.
    """
    tracer = _Tracer()
    network.interpret(tracer, (0, frames - 1))
    first, last = tracer.averaged
    network.mean_rows = (first, last) if first <= last else None
    return first <= last


class _Tracer:
    """`Arithmetic` whose activations are their interior rows."""

    def __init__(self) -> None:
        self.averaged: Rows = (0, -1)

    def convolution(self, layer: Convolution, x: Rows) -> Rows:
        first, last = x[0] + 1, x[1] - 1
        return -(-first // layer.pool[0]), (last + 1) // layer.pool[0] - 1

    def add(self, stream: str, a: Rows, b: Rows) -> Rows:
        del stream
        return max(a[0], b[0]), min(a[1], b[1])

    def mean(self, x: Rows, rows: Rows | None) -> Rows:
        del rows
        self.averaged = x
        return x

    def classify(self, layer: Classifier, x: Rows) -> Rows:
        del layer
        return x
