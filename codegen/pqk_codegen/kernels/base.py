"""What the generator knows about a kernel: which operations it can run, at what cost, and the C it takes to call it.

A kernel is three things: a C file in `codegen/kernels/` that knows no model, a class here that decides its data and
its call, and a line in the registry (`pqk_codegen.kernels`). Everything is decided here; the template only prints.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pqk_codegen.cycles import Cost
from pqk_codegen.ir import Array, Op, Tensor
from pqk_codegen.layout import Layout

C_TYPES = {"uint8": "uint8_t", "int8": "int8_t", "uint16": "uint16_t", "uint32": "uint32_t", "int32": "int32_t"}

DSP_CORES = ("host", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
"""Cores with the DSP extension; the host runs every kernel's plain-C twin."""


BURST_CORES = tuple(core for core in DSP_CORES if core != "cortex-m7")
"""Cores with the DSP extension on which a multiple load is the cheapest: a Cortex-M7 loads and multiplies at once, but
only single words; and it wants loops, which its caches hold, rather than straight-line code."""

V6M_CORES = ("host", "cortex-m0", "cortex-m0plus", "cortex-m3")
"""Cores without it, whose best kernels are those made of ARMv6-M's instructions."""


@dataclass(frozen=True, eq=False)
class Table:
    """A constant array in flash."""

    role: str
    """What it holds; becomes part of its name."""
    values: Array
    comment: str

    @property
    def ctype(self) -> str:
        """The element's C type."""
        return C_TYPES[str(self.values.dtype)]

    @property
    def size(self) -> int:
        """Bytes in flash."""
        return int(self.values.nbytes)

    @property
    def key(self) -> tuple[str, bytes]:
        """Equal for tables with equal contents, which are stored once."""
        return self.ctype, self.values.tobytes()


@dataclass(frozen=True)
class Invocation:
    """One step as C: constant tables, a constant structure that refers to them, and a function call."""

    kernel: str
    function: str
    sources: tuple[str, ...]
    tables: tuple[Table, ...]
    cost: Cost
    """Estimate of one call."""
    code: int
    """Estimated bytes of the function, which all steps that call it share."""
    structure: str | None = None
    """C type of the structure passed as the first argument."""
    fields: tuple[tuple[str, str], ...] = ()
    """Its fields in order: name, C expression; `@role` stands for the table with that role."""
    state: int = 0
    """Bytes of memory, zero at first, that the function keeps from one run to the next: its last argument."""
    assembly: str = ""
    """C text printed before the layer, for kernels whose code is specialised to the weights."""
    assembly_symbol: str | None = None
    """Name of the function in it."""
    assembly_bytes: int = 0
    """Estimated size of that code in flash."""

    @property
    def flash(self) -> int:
        """Bytes of tables, before those shared with other layers are counted once."""
        return sum(table.size for table in self.tables)


@dataclass(frozen=True)
class Form:
    """A way to store a tensor, before its exact geometry is known.

    Readers with equal `kind`, `shift` and `owner` share one copy, with the widest of their halos.
    """

    kind: str
    """`planes`, `lanes` or `vector`."""
    shift: int = 0
    """Of lanes: bits between the two."""
    halo: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Rows and columns of zeros wanted at top, left, bottom and right."""
    surrounded: bool = False
    """Of lanes: whether it reads words outside of the tensor; who wants a halo does."""
    owner: str = ""
    """Name of the one operation that wants a layout of its own."""
    layout: Callable[[Layout], Layout] | None = field(default=None, compare=False)
    """That layout, given the layout of the operation's output."""

    @property
    def key(self) -> tuple[str, int, str]:
        """What makes two forms the same stored copy."""
        return self.kind, self.shift, self.owner


ANY_OWNER = "*"
"""As owner of a form that a kernel writes: that of whichever operation wants a layout of its own. Of one that it reads:
however the tensor is stored.
"""

PLANES = Form("planes")
VECTOR = Form("vector")


@dataclass(frozen=True)
class Node:
    """An operation, its tensors, and the processor."""

    op: Op
    inputs: Sequence[Tensor]
    output: Tensor
    core: str
    """Processor, e.g. `cortex-m4`."""
    wait_states: int
    """Of the flash; part of the cycle model."""


@dataclass(frozen=True)
class Site(Node):
    """A node whose tensors' layouts are known, as this operation reads and writes them."""

    layouts: Mapping[str, Layout]


class Kernel(ABC):
    """A way to run one kind of operation."""

    name: ClassVar[str]
    """As reports show it; also the stem of the C file."""
    aligned: ClassVar[bool] = True
    """Whether what it reads and writes in equal sizes must have rows of equal length."""
    plain: ClassVar[bool] = False
    """Whether it is portable C without tricks: what a layer falls back to, and what gains are measured against."""

    @abstractmethod
    def supports(self, node: Node) -> bool:
        """Whether this kernel can run the operation exactly, as far as can be told without layouts."""

    @abstractmethod
    def reads(self, node: Node) -> tuple[Form, ...]:
        """The form that each input must have."""

    @abstractmethod
    def writes(self, node: Node) -> tuple[Form, ...]:
        """Forms in which it can write the output, the preferred one first."""

    def fits(self, site: Site) -> bool:
        """Whether the layouts are within what the kernel can address."""
        del site
        return True

    @abstractmethod
    def resolve(self, site: Site) -> Invocation:
        """Decide tables, structure, call and cost for a site that `supports` and `fits` accepted."""


@dataclass(frozen=True)
class Move:
    """A tensor stored in two layouts, the second to be made from the first."""

    tensor: Tensor
    source: Layout
    target: Layout


class Conversion(ABC):
    """A way to copy a tensor from one layout to another."""

    name: ClassVar[str]

    @abstractmethod
    def supports(self, move: Move) -> bool:
        """Whether this conversion goes between these layouts."""

    @abstractmethod
    def resolve(self, move: Move) -> Invocation:
        """Decide structure, call and cost."""
