"""Residual addition on cores with MVE: codegen/kernels/add_planes_mve.c."""

from dataclasses import replace

from pqk_codegen.kernels.add_planes import AddPlanes
from pqk_codegen.kernels.base import Invocation, Site
from pqk_codegen.kernels.geometry import MVE_CORES


class AddPlanesMve(AddPlanes):
    """16 elements at a time; one run over everything where all planes are laid out alike."""

    name = "add_planes_mve"
    rank = 1

    def supports(self, site: Site) -> bool:
        return site.core in MVE_CORES and super().supports(site)

    def resolve(self, site: Site) -> Invocation:
        return replace(super().resolve(site), sources=("add_planes_mve.c",))
