"""The first convolution as one matrix product.

The network's input needs no gradient and has one channel, so that a convolution's result and its batch statistics
follow from the input's patches alone: mean and variance of a channel are a product of its few weights with the patches'
mean and covariance. One pass over the large result is left instead of eight. Positions are grouped by their place in
the pool's window, which makes the pool a sum of whole planes. It is the function that convolution, batch normalisation,
ReLU and average pool compute, several times faster on a CPU.
"""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pqk.train.networks.layers import Convolution


def suits(layer: Convolution, x: Tensor) -> bool:
    """Whether `convolution` can compute this layer: one input channel, no gradient wanted for it."""
    return layer.weight.shape[1] == 1 and x.shape[1] == 1 and not x.requires_grad


def convolution(layer: Convolution, norm: nn.BatchNorm2d, weight: Tensor, x: Tensor) -> Tensor:
    """Convolution, batch normalisation, ReLU, average pool: [n, 1, H, W] to [n, C, H', W'] in channels-last layout.

    Statistics are over the positions that the pool uses. In training mode `norm` keeps its running statistics.
    """
    size = layer.output_size((x.shape[2], x.shape[3]))
    patches = _gather(layer, x.float())
    kernel = weight.float().flatten(1)
    with torch.autocast(x.device.type, enabled=False):
        centre = patches.mean((0, 2))
        patches = patches - centre[:, None]
        gain, shift = _normalise(norm, kernel, centre, patches)
        planes = torch.cat([patches, torch.ones_like(patches[:, :1])], 1)
        rows = torch.cat([gain[:, None] * kernel, shift[:, None]], 1)
    y = F.relu(torch.matmul(rows, planes))  # in the precision that autocast says
    window = layer.pool[0] * layer.pool[1]
    y = y.view(len(x), len(rows), window, *size).sum(2) / window
    return y.contiguous(memory_format=torch.channels_last)


def _normalise(norm: nn.BatchNorm2d, kernel: Tensor, centre: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and shift [C] of batch normalisation for `kernel` [C, taps] on centred `patches` [n, taps, positions]."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.momentum is not None
    assert norm.num_batches_tracked is not None
    mean = kernel @ centre
    if norm.training:
        count = patches.shape[0] * patches.shape[2]
        covariance = torch.bmm(patches, patches.transpose(1, 2)).sum(0) / count
        variance = ((kernel @ covariance) * kernel).sum(1)
        with torch.no_grad():
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
            norm.num_batches_tracked.add_(1)
        offset = torch.zeros_like(mean)
    else:
        variance, offset = norm.running_var, mean - norm.running_mean
    gain = norm.weight * torch.rsqrt(variance + norm.eps)
    return gain, norm.bias + gain * offset


def _gather(layer: Convolution, x: Tensor) -> Tensor:
    """[n, taps, positions]: what each tap reads for each position, pool window's place before position."""
    top, left, bottom, right = layer.padding
    padded = F.pad(x, (left, right, top, bottom))
    height, width = padded.shape[2:]
    index = _index(layer.kernel, layer.stride, layer.dilation, layer.pool, (height, width)).to(x.device)
    taps = layer.kernel[0] * layer.kernel[1]
    return padded.flatten(1).index_select(1, index).view(len(x), taps, -1)


@cache
def _index(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    pool: tuple[int, int],
    padded: tuple[int, int],
) -> Tensor:
    """int64 [taps * window * H' * W']: positions in a flattened padded plane."""
    place = np.arange(padded[0] * padded[1]).reshape(padded)
    rows, columns = ((padded[axis] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1 for axis in range(2))
    rows, columns = rows // pool[0], columns // pool[1]
    taps = []
    for y, x in np.ndindex(*kernel):
        y, x = y * dilation[0], x * dilation[1]
        end = y + stride[0] * rows * pool[0], x + stride[1] * columns * pool[1]
        read = place[y : end[0] : stride[0], x : end[1] : stride[1]]
        taps.append(read.reshape(rows, pool[0], columns, pool[1]).transpose(1, 3, 0, 2))
    return torch.from_numpy(np.stack(taps).reshape(-1).copy())
