"""Fully connected layer, plain C: codegen/kernels/fully_connected_dense.c."""

from pqk_codegen.kernels.base import VECTOR, Form, Invocation, Kernel, Node, Site, Table
from pqk_codegen.kernels.geometry import compiled
from pqk_codegen.ops import FullyConnected


class FullyConnectedDense(Kernel):
    """One byte a weight, 32-bit inputs and outputs."""

    plain = True
    aligned = False
    name = "fully_connected_dense"

    def supports(self, node: Node) -> bool:
        return isinstance(node.op, FullyConnected)

    def reads(self, node: Node) -> tuple[Form, ...]:
        del node
        return (VECTOR,)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (VECTOR,)

    def resolve(self, site: Site) -> Invocation:
        if not isinstance(site.op, FullyConnected):
            raise TypeError(f"{site.op.kind} is not fully connected")
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}",
            sources=("fully_connected_dense.c",),
            tables=(
                Table("weights", site.op.weights.ravel(), "output, input"),
                Table("bias", site.op.bias, "bias of each output, accumulator units"),
            ),
            cost=compiled(5 * site.op.weights.size + 9 * len(site.op.bias)),
            code=70,
            structure="pqk_fully_connected_dense_t",
            fields=(
                ("weights", "@weights"),
                ("bias", "@bias"),
                ("inputs", str(site.op.weights.shape[1])),
                ("outputs", str(site.op.weights.shape[0])),
            ),
        )
