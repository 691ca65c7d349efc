"""The operations, one file each. A new one is a file here and a line in `OPS`."""

from pqk_codegen.ir import Op
from pqk_codegen.ops.add import Add
from pqk_codegen.ops.append import Append
from pqk_codegen.ops.conv2d import Conv2d
from pqk_codegen.ops.convolution import Convolution
from pqk_codegen.ops.depthwise_conv2d import DepthwiseConv2d
from pqk_codegen.ops.fully_connected import FullyConnected
from pqk_codegen.ops.sum_pool import SumPool

__all__ = ["OPS", "Add", "Append", "Conv2d", "Convolution", "DepthwiseConv2d", "FullyConnected", "SumPool"]

OPS: dict[str, type[Op]] = {kind.kind: kind for kind in (Add, Append, Conv2d, DepthwiseConv2d, FullyConnected, SumPool)}
