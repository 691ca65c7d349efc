"""res8-tiny: res8's connections for a microcontroller with 16 KiB of RAM, such as the micro:bit's nRF51.

Ours, not published. The pool of the first convolution is 5x4, so that 101 x 40 features become 20 x 10 positions: three
activations of 8 channels, which are alive together in a residual pair, take 4.8 KB, less than input and first output.
"""

from pqk.train.networks.layers import Network
from pqk.train.networks.res8 import Res8

POOL = (5, 4)


def res8_tiny(classes: int, channels: int) -> Network:
    """With 8 channels 3,636 parameters for 12 classes."""
    return Res8(channels, classes, POOL)
