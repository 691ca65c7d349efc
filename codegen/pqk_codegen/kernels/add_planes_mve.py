"""Residual addition on cores with MVE: codegen/kernels/add_planes_mve.c."""

from dataclasses import replace

from pqk_codegen.kernels.add_planes import AddPlanes
from pqk_codegen.kernels.base import Invocation, Node, Site
from pqk_codegen.kernels.geometry import MVE_CORES, compiled, planes_of


class AddPlanesMve(AddPlanes):
    """16 elements at a time; one run over everything where all planes are laid out alike."""

    name = "add_planes_mve"
    plain = False
    aligned = True

    def supports(self, node: Node) -> bool:
        return node.core in MVE_CORES and super().supports(node)

    def resolve(self, site: Site) -> Invocation:
        return replace(super().resolve(site), sources=("add_planes_mve.c",), cost=compiled(self._instructions(site)))

    def _instructions(self, site: Site) -> int:
        """Estimated instructions of an inference, from the compiled code (GCC 12, -O2)."""
        output, *inputs = (planes_of(site.layouts[tensor.name]) for tensor in (site.output, *site.inputs))
        if all((planes.row, planes.plane) == (output.row, output.plane) for planes in inputs):
            length = (output.channels - 1) * output.plane + (output.height - 1) * output.row + output.width
            return 60 + 6 * -(-length // 16)
        return 60 + output.channels * (8 + output.height * (9 + 6 * -(-output.width // 16)))
