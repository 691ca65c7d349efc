"""The first convolution as a few matrix products.

The network's input needs no gradient and has one channel, so that a convolution's result and its batch statistics
follow from the input's patches alone: mean and variance of a channel are a product of its few weights with the patches'
mean and covariance. One pass over the large result is left instead of eight. Positions are grouped by their place in
the pool's window, a product each, which makes the pool a sum of whole planes. It is the function that convolution,
batch normalisation, ReLU and average pool compute, several times faster on a CPU.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pqk.train.networks.layers import Convolution, Size


def suits(layer: Convolution, x: Tensor) -> bool:
    """Whether `convolution` can compute this layer: one input channel, no gradient wanted for it."""
    return layer.weight.shape[1] == 1 and x.shape[1] == 1 and not x.requires_grad


def convolution(layer: Convolution, norm: nn.BatchNorm2d, weight: Tensor, x: Tensor) -> Tensor:
    """Convolution, batch normalisation, ReLU, average pool: [n, 1, H, W] to [n, C, H', W'] in channels-last layout.

    Statistics are over the positions that the pool uses. In training mode `norm` keeps its running statistics
    as torch does.
    """
    rows, columns = layer.output_size((x.shape[2], x.shape[3]))
    kernel = weight.float().flatten(1)
    with torch.autocast(x.device.type, enabled=False):
        level = x.float().mean()  # taken off, so that little is lost in sums of squares
        planes = _gather(layer, x.float(), level, (rows, columns))
        gain, shift = _normalise(norm, kernel, planes, level)
        affine = torch.cat([gain[:, None] * kernel, shift[:, None]], 1) / len(planes)
        # In float32: matrices as slim as these gain nothing from fewer bits.
        y: Tensor = _SumOfReLUs.apply(affine, *planes)  # type: ignore[no-untyped-call]  # torch's stub has no types
    return y.view(len(x), rows, columns, len(kernel)).permute(0, 3, 1, 2)


class _SumOfReLUs(torch.autograd.Function):
    """Sum over the planes [positions, k] of relu(plane @ affine.T): [positions, C].

    Plane by plane, so that what is between stays in the processor's cache.
    """

    @staticmethod
    def forward(ctx: Any, affine: Tensor, *planes: Tensor) -> Tensor:
        terms = [(plane @ affine.T).relu_() for plane in planes]
        total = terms[0].clone()
        for term in terms[1:]:
            total += term
        ctx.save_for_backward(*planes, *terms)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        planes, terms = saved[: len(saved) // 2], saved[len(saved) // 2 :]
        gradient = gradients[0].contiguous()
        affine = gradient.new_zeros(gradient.shape[1], planes[0].shape[1])
        for plane, term in zip(planes, terms, strict=True):
            affine += torch.ops.aten.threshold_backward(gradient, term, 0).T @ plane
        return affine, *(None for _ in planes)


def _normalise(norm: nn.BatchNorm2d, kernel: Tensor, planes: list[Tensor], level: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and shift [C] of batch normalisation for `kernel` [C, taps] on `planes` of [positions, taps + 1]."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.momentum is not None
    assert norm.num_batches_tracked is not None
    missing = level * kernel.sum(1)  # from sums over patches
    if norm.training:
        count, taps = sum(len(plane) for plane in planes), kernel.shape[1]
        moments = torch.stack([plane.T @ plane for plane in planes]).sum(0) / count
        mean = kernel @ moments[taps, :taps]  # the last column is 1, so these are means
        variance = ((kernel @ moments[:taps, :taps]) * kernel).sum(1) - mean.square()
        if norm.track_running_stats:
            with torch.no_grad():
                norm.running_mean.lerp_(mean + missing, norm.momentum)
                norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
                norm.num_batches_tracked.add_(1)
    else:
        mean, variance = norm.running_mean - missing, norm.running_var
    gain = norm.weight * torch.rsqrt(variance + norm.eps)
    return gain, norm.bias - gain * mean


def _gather(layer: Convolution, x: Tensor, level: Tensor, size: Size) -> list[Tensor]:
    """For each place in the pool's window [n * H' * W', taps + 1]: what each tap reads less `level`, and a 1."""
    top, left, bottom, right = layer.padding
    padded = F.pad(x, (left, right, top, bottom)) - level
    height, width = padded.shape[2:]
    index = _index(layer.kernel, layer.stride, layer.dilation, layer.pool, (height, width), size).to(x.device)
    source = F.pad(padded.flatten(1), (0, 1), value=1.0)
    taps = layer.kernel[0] * layer.kernel[1]
    return [source.index_select(1, place).view(-1, taps + 1) for place in index]


@cache
def _index(kernel: Size, stride: Size, dilation: Size, pool: Size, padded: Size, size: Size) -> Tensor:
    """int64 [window, H' * W' * (taps + 1)]: places in a flattened padded plane, to which a 1 is appended.

    `padded`: of the plane; `size`: of the output, (H', W').
    """
    place = np.arange(padded[0] * padded[1]).reshape(padded)
    rows, columns = size
    taps = []
    for y, x in np.ndindex(*kernel):
        y, x = y * dilation[0], x * dilation[1]
        end = y + stride[0] * rows * pool[0], x + stride[1] * columns * pool[1]
        read = place[y : end[0] : stride[0], x : end[1] : stride[1]]
        taps.append(read.reshape(rows, pool[0], columns, pool[1]).transpose(1, 3, 0, 2))
    taps.append(np.full_like(taps[0], place.size))
    return torch.from_numpy(np.stack(taps, axis=-1).reshape(pool[0] * pool[1], -1).copy())
