"""What the methods share that have quantisers."""

from pqk.project import CompressionConfig, TrainingConfig
from pqk.train.integer import InputFormat
from pqk.train.methods.method import Method
from pqk.train.networks.layers import Network
from pqk.train.quantization import NetworkQuantizer


class Quantized(Method):
    """A method with quantisers for its network's activations and weights."""

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__(network, source, compression, training)
        self.quantizer = NetworkQuantizer(network, source, compression)
