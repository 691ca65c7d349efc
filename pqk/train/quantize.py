"""Fake quantisation: floats that lie on the grid of the integers they will become. Gradients pass straight through."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

SMALLEST_RANGE = 1e-3  # a stream that is always 0 must not blow up the scales behind it
SMALLEST_STEP = 1e-12  # a channel without weights has no largest one; anything but 0 divides
OBSERVER_MOMENTUM = 0.05
QUANTILE = 0.995
CALIBRATION_QUANTILE = 0.999  # of a network that is not trained with its grid, and does not get used to saturation
SAMPLED = 53  # divides no usual size of an image or number of channels: every position and channel is seen


@dataclass(frozen=True)
class QuantizedWeight:
    """`integers * step` is the quantised weight; both are float tensors, `step` has one value per output channel."""

    integers: Tensor
    step: Tensor

    @property
    def value(self) -> Tensor:
        """The quantised weight."""
        return self.integers * self.step

    @property
    def bits(self) -> int:
        """That the largest integer needs, with its sign."""
        return int(self.integers.abs().max()).bit_length() + 1


def largest_integer(bits: int) -> int:
    """Of a symmetric range of so many bits: 2^(bits - 1) - 1."""
    limit: int = 2 ** (bits - 1) - 1
    return limit


def quantize_weight(weight: Tensor, limit: Tensor) -> QuantizedWeight:
    """Symmetric, restricted range: integers in -limit .. limit, step = max|w| / limit.

    `limit` has one value for the whole tensor, shape [], or one per output channel, which is the first axis of
    `weight`: shape [out, 1, ...]. There are as many steps as limits.
    """
    weight = weight.detach()
    axes = tuple(range(1 if limit.ndim else 0, weight.ndim))
    step = (weight.abs().amax(axes, keepdim=True) / limit).clamp_min(SMALLEST_STEP)
    return QuantizedWeight(torch.round(weight / step).clamp(-limit, limit), step)


def straight_through(value: Tensor, weight: Tensor) -> Tensor:
    """`value` in the forward pass; its gradient goes to `weight` unchanged."""
    return weight + (value - weight).detach()


def high_quantile(x: Tensor) -> Tensor:
    """The value that a share of QUANTILE of the activations does not exceed, estimated from every SAMPLED-th."""
    return _quantile(_sample(x), QUANTILE)


def _sample(x: Tensor) -> Tensor:
    """Every SAMPLED-th of the activations."""
    # In the order of memory, where that is channels-last: anything else would copy all of it.
    flat = x if x.ndim != 4 or x.is_contiguous() else x.permute(0, 2, 3, 1)
    return flat.flatten()[::SAMPLED].float()


def _quantile(sample: Tensor, share: float) -> Tensor:
    return sample.kthvalue(math.ceil(share * sample.numel())).values


def on_grid(x: Tensor, step: float, maximum: int) -> Tensor:
    """Activations, which are not negative, as the nearest of 0, step, ..., maximum * step."""
    return torch.div(x, step).round_().clamp_max_(maximum).mul_(step)


class _OnGrid(torch.autograd.Function):
    """`on_grid`; the gradient passes where x rounds to the range."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: float, maximum: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limit = step * (maximum + 0.5)
        return on_grid(x, step, maximum)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradients[0], x, -torch.inf, ctx.limit), None, None


class ActivationQuantizer(nn.Module):
    """Unsigned quantiser of one stream of activations: integers 0 .. 2^b - 1, real value = integer * step.

    In training its range follows a high quantile of the activations (exponential mean over the steps). The largest one
    will not do: behind a pruned convolution a channel may fire rarely and hugely, and nearly all values would round to
    0 or 1. The first step only observes.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.maximum: int = 2**bits - 1
        self.range: Tensor
        self.register_buffer("range", torch.zeros(()))
        self._seen: list[Tensor] = []

    @property
    def step(self) -> float:
        """Real value of one unit."""
        return self._step(self.maximum)

    def _step(self, maximum: int) -> float:
        return max(self.range.item(), SMALLEST_RANGE) / maximum

    def forward(self, x: Tensor) -> Tensor:
        """Activations on the grid; values beyond the range saturate and get no gradient."""
        self.observe(x)
        return self.on_grid(x)

    def on_grid(self, x: Tensor, maximum: int | None = None) -> Tensor:
        """As `forward`, but the range is not to follow these activations. `maximum`: of another grid over the range."""
        maximum = maximum or self.maximum
        x = x.float()  # the grid needs more than bfloat16's 8 bits
        if not self.range:
            return x
        quantized: Tensor = _OnGrid.apply(x, self._step(maximum), maximum)  # type: ignore[no-untyped-call]
        return quantized

    def observe(self, x: Tensor) -> None:
        """Remember how large the activations are, in training, for `follow`."""
        if self.training:
            self._seen.append(high_quantile(x.detach()))

    def calibrate(self, seen: Sequence[Tensor]) -> None:
        """Set the range to the CALIBRATION_QUANTILE of all these activations together."""
        quantile = _quantile(torch.cat([_sample(x) for x in seen]), CALIBRATION_QUANTILE)
        self.range.copy_(quantile.clamp_min(SMALLEST_RANGE))

    def follow(self) -> None:
        """Move the range towards the highest quantile seen since the last call, if any was."""
        if not self._seen:
            return
        seen = torch.stack(self._seen).amax()
        self._seen.clear()
        self.range.copy_(torch.lerp(self.range, seen, OBSERVER_MOMENTUM) if self.range else seen)
