"""What the training loop asks of a method."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from pqk.project import CompressionConfig, TrainingConfig
from pqk.train import integer
from pqk.train.integer import InputFormat, Integers
from pqk.train.networks.layers import Network


class Method(nn.Module, ABC):
    """A way to train a network. Its state (network, masks, ranges) is its `state_dict`; it draws no random numbers."""

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__()
        self.network, self.source = network, source
        self.compression, self.schedule = compression, training

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of every epoch."""

    def begin_step(self, iteration: int, per_epoch: int) -> None:
        """Called before every step; `iteration` counts from the start of training."""

    @abstractmethod
    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of a batch, and the logits it judges. `x`: real-valued features [n, 1, frames, bands]."""

    @abstractmethod
    def predict(self, x: Tensor) -> Tensor:
        """Logits of the network as it is delivered. `x`: integer features [n, 1, frames, bands]."""

    def facts(self) -> dict[str, float]:
        """What the history should say about the epoch beside loss and accuracy."""
        return {}


class Compression(Method):
    """A method whose result is a network of integers, which can run on a device."""

    @abstractmethod
    def integers(self) -> Integers:
        """The integers of the network as it is delivered."""

    def predict(self, x: Tensor) -> Tensor:
        """Exact integer logits; see `pqk.train.integer`."""
        return integer.logits(self.network, self.integers(), x)
