"""Rows of earlier runs above new ones, plain C: codegen/kernels/append_planes.c."""

from pqk_codegen.kernels.base import PLANES, Form, Invocation, Kernel, Node, Site
from pqk_codegen.kernels.geometry import clearing_cost, compiled, planes_expression, planes_of
from pqk_codegen.ops import Append


class AppendPlanes(Kernel):
    """Row by row."""

    plain = True
    aligned = False
    name = "append_planes"

    def supports(self, node: Node) -> bool:
        return isinstance(node.op, Append)

    def reads(self, node: Node) -> tuple[Form, ...]:
        del node
        return (PLANES,)

    def writes(self, node: Node) -> tuple[Form, ...]:
        del node
        return (PLANES,)

    def resolve(self, site: Site) -> Invocation:
        source, output = (planes_of(site.layouts[tensor.name]) for tensor in (site.inputs[0], site.output))
        op, rows = append_of(site), site.output.shape[1]
        copied = source.channels * (rows + op.history)
        return Invocation(
            kernel=self.name,
            function=f"pqk_{self.name}",
            sources=("append_planes.c",),
            tables=(),
            cost=compiled((25 + 2 * source.width) * copied) + clearing_cost(output),
            code=300,
            structure="pqk_append_planes_t",
            fields=(
                ("input", planes_expression(source)),
                ("output", planes_expression(output)),
                ("history", str(op.history)),
                ("first", str(op.first)),
            ),
            state=state_bytes(site),
        )


def append_of(node: Node) -> Append:
    """The node's operation, which must be an append."""
    if not isinstance(node.op, Append):
        raise TypeError(f"{node.op.kind} appends nothing")
    return node.op


def state_bytes(node: Node) -> int:
    """Bytes of the rows that are kept, at least one: C has no empty arrays."""
    channels, _, width = node.inputs[0].shape
    return max(1, channels * append_of(node).history * width)
