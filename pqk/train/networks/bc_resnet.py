"""BC-ResNet (Kim, Chang, Lee, Sung, "Broadcasted residual learning for efficient keyword spotting", Interspeech 2021,
arXiv 2106.04140): residual blocks that work on bands and, averaged over the bands, on time.

Its blocks have no integer arithmetic yet: negative activations, swish and normalisation by sub-bands are not what the
kernels compute. So it has an accuracy in floats and with fake-quantised weights and block outputs, and no device runs
it. The dropout of the original is left out.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from pqk.errors import ProjectError
from pqk.train.networks.layers import Arithmetic, Block, Classifier, Convolution, Convolve, Network, NoNorm, T

SUB_BANDS = 5
STAGES = ((2, 1.0, 1), (2, 1.5, 2), (4, 2.0, 2), (4, 2.5, 1))
"""Blocks, channels as a multiple of the network's, and stride over the bands of the first block."""


class SubSpectralNorm(nn.BatchNorm2d):
    """Batch normalisation of each of SUB_BANDS equal parts of the bands by itself (Chang et al., ICASSP 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels * SUB_BANDS)

    def forward(self, x: Tensor) -> Tensor:
        """[n, C, frames, bands] of the same shape. Raises ProjectError where the bands cannot be divided."""
        if x.shape[3] % SUB_BANDS:
            raise ProjectError(
                f"BC-ResNet normalises {SUB_BANDS} equal parts of the bands, and has {x.shape[3]} of them in a layer",
                "give it 40 features a frame, such as [front_end] bands = 40",
            )
        parts = x.reshape(*x.shape[:3], SUB_BANDS, -1).transpose(2, 3)  # [n, C, parts, frames, bands of a part]
        normal = super().forward(parts.flatten(1, 2)).view_as(parts)
        return normal.transpose(2, 3).flatten(3)


class BroadcastBlock(Block):
    """A depthwise convolution over bands; to its result is added, for all bands alike, what convolutions over time
    and channels make of its mean over the bands; and the block's input, where that has the same shape.
    """

    def __init__(self, number: int, inputs: int, channels: int, *, stride: int, dilation: int) -> None:
        super().__init__(f"block{number}")
        same = inputs == channels and stride == 1
        self.transition = None if same else _pointwise(f"transition{number}", inputs, channels, self.stream)
        self.bands = Convolution(
            f"bands{number}",
            channels,
            channels,
            stream=self.stream,
            kernel=(1, 3),
            stride=(1, stride),
            padding=(0, 1, 0, 1),
            depthwise=True,
            norm=SubSpectralNorm(channels),
        )
        self.time = Convolution(
            f"time{number}",
            channels,
            channels,
            stream=self.stream,
            kernel=(3, 1),
            dilation=(dilation, 1),
            padding=(dilation, 0, dilation, 0),
            depthwise=True,
        )
        self.mix = _pointwise(f"mix{number}", channels, channels, self.stream, NoNorm(channels))

    def compute(self, x: Tensor, convolve: Convolve) -> Tensor:
        """See `Block.compute`."""
        y = x if self.transition is None else F.relu(convolve(self.transition, x))
        y = convolve(self.bands, y)
        line = F.silu(convolve(self.time, y.mean(3, keepdim=True)))
        y = y + convolve(self.mix, line)  # broadcast over the bands
        return F.relu(y + x if self.transition is None else y)


class Head(Block):
    """A depthwise convolution that takes all bands together, then a pointwise one."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__("head")
        self.spread = Convolution(
            "spread",
            inputs,
            inputs,
            stream=self.stream,
            kernel=(5, 5),
            padding=(2, 0, 2, 0),
            depthwise=True,
            norm=NoNorm(inputs),
        )
        self.mix = _pointwise("mix", inputs, channels, self.stream)

    def compute(self, x: Tensor, convolve: Convolve) -> Tensor:
        """See `Block.compute`."""
        return F.relu(convolve(self.mix, convolve(self.spread, x)))


class BcResNet(Network):
    """A convolution of 5 x 5, four stages of broadcast blocks, head, mean over time, classifier."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        last = 2 * channels
        self.stem = Convolution("conv0", 1, last, stream="conv0", kernel=(5, 5), stride=(1, 2), padding=(2, 2, 2, 2))
        self.blocks = nn.ModuleList()
        for stage, (count, multiple, stride) in enumerate(STAGES):
            width = int(multiple * channels)
            for index in range(count):
                number, step = len(self.blocks) + 1, 1 if index else stride
                self.blocks.append(BroadcastBlock(number, last, width, stride=step, dilation=2**stage))
                last = width
        self.head = Head(last, 4 * channels)
        self.classifier = Classifier("fc", 4 * channels, classes)

    def interpret(self, arithmetic: Arithmetic[T], x: T) -> T:
        """See `Network.interpret`."""
        x = arithmetic.convolution(self.stem, x)
        for block in (*self.blocks, self.head):
            assert isinstance(block, Block)
            x = arithmetic.block(block, x)
        return arithmetic.classify(self.classifier, arithmetic.mean(x))


def _pointwise(name: str, inputs: int, channels: int, stream: str, norm: nn.BatchNorm2d | None = None) -> Convolution:
    return Convolution(name, inputs, channels, stream=stream, kernel=(1, 1), padding=(0, 0, 0, 0), norm=norm)


def bc_resnet(classes: int, channels: int) -> Network:
    """BC-ResNet-1 with 8 channels: 9,232 parameters for 12 classes, 2,416 of them of normalisation."""
    return BcResNet(channels, classes)
