"""The kernels and the conversions between layouts. A new one is a file here, its C file, and a line."""

from pqk_codegen.kernels.add_planes import AddPlanes
from pqk_codegen.kernels.base import Conversion, Kernel
from pqk_codegen.kernels.conv2d_dense import Conv2dDense
from pqk_codegen.kernels.conv2d_sparse import Conv2dSparse4, Conv2dSparse8
from pqk_codegen.kernels.depthwise_conv2d import DepthwiseConv2dDense
from pqk_codegen.kernels.fully_connected_dense import FullyConnectedDense
from pqk_codegen.kernels.sum_planes import SumPlanes

__all__ = ["CONVERSIONS", "KERNELS"]

KERNELS: tuple[Kernel, ...] = (
    Conv2dSparse4(),
    Conv2dSparse8(),
    Conv2dDense(),
    DepthwiseConv2dDense(),
    AddPlanes(),
    SumPlanes(),
    FullyConnectedDense(),
)


CONVERSIONS: tuple[Conversion, ...] = ()
