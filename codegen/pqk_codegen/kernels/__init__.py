"""The kernels, in order of preference where two are equally good. A new one is a file here, its C file, and a line."""

from collections.abc import Callable

from pqk_codegen.errors import IrError
from pqk_codegen.kernels.add_planes import AddPlanes
from pqk_codegen.kernels.add_planes_mve import AddPlanesMve
from pqk_codegen.kernels.base import Invocation, Kernel, Site, Table
from pqk_codegen.kernels.conv2d_dense import Conv2dDense
from pqk_codegen.kernels.conv2d_mve import Conv2dMve16, Conv2dMve32
from pqk_codegen.kernels.conv2d_sparse import Conv2dSparse4, Conv2dSparse8
from pqk_codegen.kernels.fully_connected_dense import FullyConnectedDense
from pqk_codegen.kernels.sum_planes import SumPlanes
from pqk_codegen.kernels.sum_planes_mve import SumPlanesMve

__all__ = ["KERNELS", "Invocation", "Kernel", "Site", "Table", "choose"]

KERNELS: tuple[Kernel, ...] = (
    Conv2dMve16(),
    Conv2dMve32(),
    Conv2dSparse4(),
    Conv2dSparse8(),
    Conv2dDense(),
    AddPlanesMve(),
    AddPlanes(),
    SumPlanesMve(),
    SumPlanes(),
    FullyConnectedDense(),
)


def choose(site: Site, cost: Callable[[Invocation], int] = lambda call: call.flash) -> tuple[Kernel, Invocation]:
    """The cheapest kernel of the highest rank that can run the operation; by default that with least constants.

    Raises:
        IrError: no kernel supports the operation.
    """
    candidates = [(kernel, kernel.resolve(site)) for kernel in KERNELS if kernel.supports(site)]
    if not candidates:
        raise IrError(f"{site.op.kind} {site.op.name!r}: no kernel for {site.core} supports it")
    return min(candidates, key=lambda candidate: (-candidate[0].rank, cost(candidate[1])))
