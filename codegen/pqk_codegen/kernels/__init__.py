"""The kernels and the conversions between layouts. A new one is a file here, its C file, and a line."""

from pqk_codegen.kernels.add_lanes import AddLanes
from pqk_codegen.kernels.add_planes import AddPlanes
from pqk_codegen.kernels.add_planes_mve import AddPlanesMve
from pqk_codegen.kernels.add_wide_lanes import AddWideLanes
from pqk_codegen.kernels.append_lanes import AppendLanes
from pqk_codegen.kernels.append_planes import AppendPlanes
from pqk_codegen.kernels.base import Conversion, Kernel
from pqk_codegen.kernels.conv2d_dense import Conv2dDense
from pqk_codegen.kernels.conv2d_grouped_lanes import Conv2dGroupedLanes
from pqk_codegen.kernels.conv2d_lanes import Conv2dLanes, Conv2dLanesShort
from pqk_codegen.kernels.conv2d_lanes_far import Conv2dLanesFar, Conv2dLanesFarShort
from pqk_codegen.kernels.conv2d_lanes_m7 import Conv2dLanesM7, Conv2dLanesM7Short
from pqk_codegen.kernels.conv2d_lanes_v6m import Conv2dLanesV6m, Conv2dLanesV6mLong
from pqk_codegen.kernels.conv2d_mve import Conv2dMve16, Conv2dMve32
from pqk_codegen.kernels.conv2d_pool_straight import Conv2dPoolLooped, Conv2dPoolStraight
from pqk_codegen.kernels.conv2d_pool_straight_v6m import Conv2dPoolStraightV6m
from pqk_codegen.kernels.conv2d_sparse import Conv2dSparse4, Conv2dSparse8
from pqk_codegen.kernels.conv2d_straight import Conv2dStraight
from pqk_codegen.kernels.conv2d_wide_lanes import Conv2dWideLanes
from pqk_codegen.kernels.depthwise_conv2d import DepthwiseConv2dDense
from pqk_codegen.kernels.depthwise_lanes import DepthwiseLanes
from pqk_codegen.kernels.fully_connected_dense import FullyConnectedDense
from pqk_codegen.kernels.pack_lanes import PackLanes
from pqk_codegen.kernels.sum_lanes import SumLanes, SumWideLanes
from pqk_codegen.kernels.sum_planes import SumPlanes
from pqk_codegen.kernels.sum_planes_mve import SumPlanesMve
from pqk_codegen.kernels.unpack_lanes import UnpackLanes

__all__ = ["CONVERSIONS", "KERNELS"]

KERNELS: tuple[Kernel, ...] = (
    Conv2dMve16(),
    Conv2dMve32(),
    Conv2dLanes(),
    Conv2dLanesShort(),
    Conv2dLanesFar(),
    Conv2dLanesFarShort(),
    Conv2dLanesM7(),
    Conv2dLanesM7Short(),
    Conv2dStraight(),
    Conv2dGroupedLanes(),
    Conv2dWideLanes(),
    Conv2dLanesV6m(),
    Conv2dLanesV6mLong(),
    Conv2dPoolStraight(),
    Conv2dPoolLooped(),
    DepthwiseLanes(),
    Conv2dPoolStraightV6m(),
    AddLanes(),
    AddWideLanes(),
    SumLanes(),
    SumWideLanes(),
    Conv2dSparse4(),
    Conv2dSparse8(),
    Conv2dDense(),
    DepthwiseConv2dDense(),
    AddPlanesMve(),
    AddPlanes(),
    SumPlanesMve(),
    SumPlanes(),
    AppendLanes(),
    AppendPlanes(),
    FullyConnectedDense(),
)


CONVERSIONS: tuple[Conversion, ...] = (PackLanes(), UnpackLanes())
