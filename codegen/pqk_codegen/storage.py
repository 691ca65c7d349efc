"""From kernels to steps: which copies of each tensor there are, how each lies, and what converts between them.

A kernel writes its output in one form; readers that want another get a copy, made just before the first of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pqk_codegen.errors import IrError
from pqk_codegen.ir import Network, Op, Tensor
from pqk_codegen.kernels import CONVERSIONS
from pqk_codegen.kernels.base import ANY_OWNER, PLANES, Form, Invocation, Kernel, Move, Node, Site
from pqk_codegen.layout import Lanes, Layout, Planes, Vector

Halo = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Step:
    """An operation or a conversion, resolved."""

    name: str
    op: Op | None
    """None for a conversion."""
    kernel: str
    plain: bool
    invocation: Invocation
    reads: tuple[str, ...]
    """Stored copies, in the order of the function's parameters."""
    writes: str


@dataclass(frozen=True, eq=False)
class Program:
    """All steps in order, and the layout of every stored copy."""

    network: Network
    steps: tuple[Step, ...]
    layouts: dict[str, Layout]
    input: str
    output: str

    def lifetimes(self) -> dict[str, tuple[int, int]]:
        """First and last step that needs each copy. The input is there before the first, the output stays."""
        first, last = {self.input: -1}, {self.input: -1}
        for index, step in enumerate(self.steps):
            first[step.writes] = last[step.writes] = index
            last |= dict.fromkeys(step.reads, index)
        last[self.output] = len(self.steps)
        return {name: (first[name], last[name]) for name in self.layouts}


class Resolver:
    """Turns assignments of kernels into programs; remembers what it resolved, because assignments differ little."""

    def __init__(self, network: Network, core: str, wait_states: int = 0) -> None:
        self.network = network
        self.nodes = {op.name: Node(op, *network.op_tensors(op), core, wait_states) for op in network.ops}
        self._known: dict[object, Invocation | None] = {}

    def program(self, kernels: Mapping[str, Kernel]) -> Program | None:
        """The program in which `kernels` (by operation) run, or None if one of them cannot address its operands."""
        forms = _Forms(self, kernels)
        builder = _Steps(self, forms)
        for op in self.network.ops:
            if not builder.append(op, kernels[op.name]):
                return None
        network = self.network
        return Program(
            network,
            tuple(builder.steps),
            builder.layouts,
            builder.name(network.input, forms.stored[network.input]),
            builder.name(network.output, forms.stored[network.output]),
        )

    def resolve(self, kernel: Kernel, site: Site) -> Invocation | None:
        """The kernel's invocation at a site; None where the layouts do not fit it."""
        key = (kernel.name, site.op.name, *site.layouts.items())
        if key not in self._known:
            self._known[key] = kernel.resolve(site) if kernel.fits(site) else None
        return self._known[key]


class _Forms:
    """In which forms each tensor is wanted, in which it is written, and the layout of each."""

    def __init__(self, resolver: Resolver, kernels: Mapping[str, Kernel]) -> None:
        self.resolver = resolver
        network, nodes = resolver.network, resolver.nodes
        self.wanted: dict[str, list[Form]] = {name: [] for name in network.tensors}
        for op in network.ops:
            for name, form in zip(op.inputs, kernels[op.name].reads(nodes[op.name]), strict=True):
                self.wanted[name].append(form)
        self.stored = {network.input: PLANES}
        for op in network.ops:
            self.stored[op.output] = self._written(op.output, kernels[op.name].writes(nodes[op.name]))
        self.wanted = {name: [self.read(name, form) for form in forms] for name, forms in self.wanted.items()}
        self._groups = self._aligned_groups(kernels)
        self._shared = self._shared_halos()

    def _written(self, tensor: str, choices: tuple[Form, ...]) -> Form:
        for choice in choices:
            for wanted in self.wanted[tensor]:
                if wanted.owner == ANY_OWNER:
                    continue
                if choice.owner == ANY_OWNER and wanted.owner and choice.key[:2] == wanted.key[:2]:
                    return wanted
                if choice.key == wanted.key:
                    return choice
        return next(choice for choice in choices if choice.owner != ANY_OWNER)

    def read(self, tensor: str, form: Form) -> Form:
        """The form in which a kernel that reads `form` gets a tensor."""
        if form.owner != ANY_OWNER:
            return form
        stored = self.stored[tensor]
        return replace(stored, halo=(0, 0, 0, 0)) if stored.key[:2] == form.key[:2] else replace(form, owner="")

    def _aligned_groups(self, kernels: Mapping[str, Kernel]) -> dict[str, str]:
        """For each tensor the first one of those of its size that lie like it, so that kernels can go along all."""
        tensors = self.resolver.network.tensors
        groups = {name: name for name in tensors}
        for op in self.resolver.network.ops:
            if kernels[op.name].aligned:
                alike = [name for name in op.inputs if tensors[name].shape[1:] == tensors[op.output].shape[1:]]
                merged = {groups[name] for name in (*alike, op.output)}
                first = next(name for name in tensors if groups[name] in merged)
                groups = {name: first if group in merged else group for name, group in groups.items()}
        return groups

    def _shared_halos(self) -> dict[object, Halo]:
        """One halo for all tensors that lie alike: the widest that one of their readers wants."""
        halos: dict[object, Halo] = {}
        for name, forms in self.wanted.items():
            for form in (*forms, self.stored[name]):
                key = self._geometry(name, form)
                halos[key] = _widest(halos.get(key, (0, 0, 0, 0)), form.halo)
        return halos

    def _geometry(self, tensor: str, form: Form) -> object:
        if form.kind in ("lanes", "planes") and not form.owner:
            return form.key, self._groups[tensor]
        return form.key, tensor

    def layout(self, name: str, form: Form) -> Layout:
        """The layout of a tensor in a form."""
        tensor = self.resolver.network.tensors[name]
        if form.layout:
            owner = self.resolver.nodes[form.owner]
            return form.layout(self.layout(owner.op.output, self.stored[owner.op.output]))
        halo = self._shared.get(self._geometry(name, form), form.halo)
        if form.kind == "vector":
            return Vector(tensor.shape[0])
        if form.kind == "planes":
            return Planes(*_shape(tensor), *halo)
        surrounded = any(other.surrounded or any(other.halo) for other in self.wanted[name] if other.key == form.key)
        return shared_lanes(tensor, form.shift, halo, surrounded=surrounded)


def shared_lanes(tensor: Tensor, shift: int, halo: Halo, *, surrounded: bool) -> Lanes:
    """Lanes of a whole tensor: the word of row y pairs it with row y + ceil(height / 2)."""
    channels, height, width = _shape(tensor)
    top, left, bottom, right = halo
    rows = -(-height // 2)
    lines, row = top + rows + bottom, width + max(left, right)
    return Lanes(channels, height, width, rows, shift, top, left, lines, row, surrounded=surrounded)


class _Steps:
    """Collects steps, conversions included, and the layouts of the copies they need."""

    def __init__(self, resolver: Resolver, forms: _Forms) -> None:
        self.resolver, self.forms = resolver, forms
        self.steps: list[Step] = []
        network = resolver.network
        start = self.name(network.input, PLANES)
        self.layouts: dict[str, Layout] = {start: forms.layout(network.input, PLANES)}

    def name(self, tensor: str, form: Form) -> str:
        """Name of a copy: the tensor's own for the form it is written in."""
        kind, shift, owner = form.key
        if form.key == self.forms.stored[tensor].key:
            return tensor
        return "_".join([tensor, kind + (str(shift) if shift else ""), *([owner] if owner else [])])

    def append(self, op: Op, kernel: Kernel) -> bool:
        node = self.resolver.nodes[op.name]
        wanted = [self.forms.read(*pair) for pair in zip(op.inputs, kernel.reads(node), strict=True)]
        reads = tuple(self._copy(name, form) for name, form in zip(op.inputs, wanted, strict=True))
        written = self.forms.stored[op.output]
        layouts = {name: self.layouts[copy] for name, copy in zip(op.inputs, reads, strict=True)}
        self.layouts[op.output] = layouts[op.output] = self.forms.layout(op.output, written)
        call = self.resolver.resolve(kernel, Site(op, node.inputs, node.output, node.core, node.wait_states, layouts))
        if call is None:
            return False
        self.steps.append(Step(op.name, op, kernel.name, kernel.plain, call, reads, op.output))
        return True

    def _copy(self, tensor: str, form: Form) -> str:
        """Name of the copy of a tensor in a form, made now unless it is there."""
        name = self.name(tensor, form)
        if name not in self.layouts:
            source = tensor
            if form.kind == self.forms.stored[tensor].kind:  # other lanes, made from bytes like all others
                source = self._copy(tensor, PLANES)
            self._convert(tensor, source, name, self.forms.layout(tensor, form))
        return name

    def _convert(self, tensor: str, source: str, name: str, target: Layout) -> None:
        move = Move(self.resolver.network.tensors[tensor], self.layouts[source], target)
        conversion = next((choice for choice in CONVERSIONS if choice.supports(move)), None)
        if conversion is None:
            raise IrError(f"nothing converts tensor {tensor!r} from {move.source} to {target}")
        self.layouts[name] = target
        call = conversion.resolve(move)
        self.steps.append(Step(f"make_{name}", None, conversion.name, False, call, (source,), name))


def _shape(tensor: Tensor) -> tuple[int, int, int]:
    channels, height, width = tensor.shape
    return channels, height, width


def _widest(first: Halo, second: Halo) -> Halo:
    top, left, bottom, right = (max(pair) for pair in zip(first, second, strict=True))
    return top, left, bottom, right
