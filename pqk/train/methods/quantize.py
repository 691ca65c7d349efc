"""Quantization-aware training alone (Krishnamoorthi 2018, arXiv 1806.08342): no weight is pruned."""

from pqk.train.methods.compressed import Compressed


class Quantize(Compressed):
    """Cross-entropy of the fake-quantised network."""

    name = "quantize"
    prunes = False
