"""What the training loop asks of a method."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from pqk_codegen.ir import Network as IrNetwork
from torch import Tensor, nn

from pqk.budget import NetworkCosts
from pqk.errors import ProjectError
from pqk.project import BUDGETS, CompressionConfig, TrainingConfig
from pqk.train import integer
from pqk.train.arithmetic import RealArithmetic
from pqk.train.integer import InputFormat, Integers
from pqk.train.networks.layers import Network


class Method(nn.Module, ABC):
    """A way to train a network whose result is a network of integers, which can run on a device.

    Its state (network, masks, ranges) is its `state_dict`. Random numbers, if any, come from a generator that is seeded
    with the seed and the iteration, so that an interrupted training goes on with the same ones.
    """

    name: ClassVar[str]
    """In `pqk.toml`."""
    prunes: ClassVar[bool] = True
    """Whether it can make weights zero. If not, `compression.sparsity` must be 0."""
    own_bits: ClassVar[str] = ""
    """Why `compression.lane_budget` must be 0, for a method that sets the bits of weights itself."""

    rate: ClassVar[float] = 1.0
    """Of `training.learning_rate`: what the method multiplies it by."""
    shares_phase1: ClassVar[bool] = False
    """Whether the first `phase1_epochs` are those of every such method that has the same settings."""

    def __init__(
        self, network: Network, source: InputFormat, compression: CompressionConfig, training: TrainingConfig
    ) -> None:
        super().__init__()
        self.network, self.source = network, source
        self.compression, self.schedule = compression, training

    @classmethod
    def check(cls, compression: CompressionConfig) -> None:
        """Raise ProjectError where the settings are not for this method."""
        if not cls.prunes and compression.budget is not None:
            raise ProjectError(
                f"compression.{compression.budget}: method {cls.name!r} prunes no weights, so it keeps to no budget",
                "leave the budget out, or choose another method",
            )
        if not cls.prunes and compression.sparsity > 0:
            raise ProjectError(
                f"compression.sparsity = {compression.sparsity}: method {cls.name!r} prunes no weights",
                "write sparsity = 0.0, or choose another method",
            )
        if cls.own_bits and compression.lane_budget:
            raise ProjectError(
                f"compression.lane_budget = {compression.lane_budget}: {cls.own_bits}",
                "write lane_budget = 0, or choose another method",
            )

    @classmethod
    def unused(cls) -> dict[str, float]:
        """Settings that `check` refuses, with the value that says so."""
        none = {} if cls.prunes else {"sparsity": 0.0, **dict.fromkeys(BUDGETS, 0)}
        return {**none, "lane_budget": 0} if cls.own_bits else none

    @property
    def epochs(self) -> int:
        """How long it trains: the budget that is the same for all, but for methods that train nothing."""
        return self.schedule.epochs

    def take_costs(self, costs: NetworkCosts) -> None:
        """Called once before training, where a budget is of bytes or instructions. Raises ProjectError if too small."""

    def take_reference(self, state: Mapping[str, Tensor]) -> None:
        """Called once before training with the float reference: a start, or a teacher.

        `state`: the `state_dict` of its network.
        """

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimiser trains: weight decay on weights only, not on biases and normalisation.

        A group's "scale", if any, multiplies the learning rate.
        """
        return self.grouped(self.parameters())

    def grouped(self, parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
        """Those of `parameters` that are trained, in groups with and without weight decay."""
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        return [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.schedule.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of every epoch."""

    def begin_step(self, iteration: int, per_epoch: int) -> None:
        """Called before every step; `iteration` counts from the start of training."""

    def calibrate(self, x: Tensor) -> None:
        """Called once after training with clips as they were recorded: integer features [n, 1, frames, bands]."""

    def random(self, iteration: int) -> torch.Generator:
        """The step's own random numbers: the same again when training goes on from a checkpoint."""
        seed = np.random.SeedSequence((self.schedule.seed, iteration)).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(seed[0]))

    @abstractmethod
    def loss(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of a batch, and the logits it judges. `x`: real-valued features [n, 1, frames, bands]."""

    @abstractmethod
    def integers(self) -> Integers:
        """The integers of the network as it is delivered."""

    def finish(self, network: IrNetwork) -> IrNetwork:
        """`network`, the intermediate representation as it is delivered; a method may simplify it.

        It must go on computing the same.
        """
        return network

    def predict(self, x: Tensor) -> Tensor:
        """Exact integer logits of the network as it is delivered; see `pqk.train.integer.logits`.

        `x`: integer features [n, 1, frames, bands].
        """
        return integer.logits(self.network, self.integers(), x)

    @torch.no_grad()
    def in_floats(self, arithmetic: RealArithmetic, x: Tensor) -> Tensor:
        """Real-valued logits for integer features [n, 1, frames, bands]."""
        place = next(self.parameters()).device
        return self.network.interpret(arithmetic, x.to(place) * self.source.scale).cpu()

    def facts(self) -> dict[str, float]:
        """What the history should say about the epoch beside loss and accuracy."""
        return {}
