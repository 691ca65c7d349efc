"""res8-coarse and res8-tiny: res8's connections on a coarser grid, for networks that are made sparse.

Ours, not published. The pool of the first convolution is 5x4 instead of 4x3, so that 101 x 40 features become 20 x 10
positions instead of 25 x 13. A weight then costs 0.6 times as many instructions, which buys more weights, and the
activations take 0.6 times the memory. Five frames of 10 ms also divide the 100 ms from one inference to the next, so
that in a stream all windows share their rows.

res8-tiny is for microcontrollers with 16 KiB of RAM, such as the micro:bit's nRF51: three activations of 8 channels,
which are alive together in a residual pair, take 4.8 KB, less than input and first output.
"""

from pqk.train.networks.layers import Network
from pqk.train.networks.res8 import Res8

POOL = (5, 4)


def res8_coarse(classes: int, channels: int) -> Network:
    """With 24 channels 31,560 weights for 10 classes; with 8, which is res8-tiny, 3,636 parameters for 12 classes."""
    return Res8(channels, classes, POOL)
