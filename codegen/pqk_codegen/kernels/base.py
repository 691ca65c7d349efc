"""What the generator knows about a kernel: which operations it can run, and the C it takes to call it.

A kernel is three things: a C file in `codegen/kernels/` that knows no model, a class here that decides its data and
its call, and a line in the registry (`pqk_codegen.kernels`). Everything is decided here; the template only prints.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pqk_codegen.ir import Array, Op, Tensor
from pqk_codegen.layout import Layout

C_TYPES = {"uint8": "uint8_t", "int8": "int8_t", "uint16": "uint16_t", "uint32": "uint32_t", "int32": "int32_t"}


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
    """One layer as C: constant tables, a constant structure that refers to them, and a function call."""

    kernel: str
    function: str
    sources: tuple[str, ...]
    tables: tuple[Table, ...]
    structure: str | None = None
    """C type of the structure passed as the first argument."""
    fields: tuple[tuple[str, str], ...] = ()
    """Its fields in order: name, C expression; `@role` stands for the table with that role."""
    planes: tuple[str, ...] = ()
    """Tensors passed as `uint8_t *` or `int32_t *`, in the order of the parameters."""

    @property
    def flash(self) -> int:
        """Bytes of tables, before those shared with other layers are counted once."""
        return sum(table.size for table in self.tables)


@dataclass(frozen=True)
class Site:
    """Where an operation stands: its tensors, and how all tensors are laid out."""

    op: Op
    inputs: Sequence[Tensor]
    output: Tensor
    layouts: Mapping[str, Layout]
    core: str
    """Processor, e.g. `cortex-m4`."""


class Kernel(ABC):
    """A way to run one kind of operation."""

    name: ClassVar[str]
    """As reports show it; also the stem of the C file."""
    rank: ClassVar[int] = 0
    """A kernel of a higher rank is chosen before all of a lower one."""

    @abstractmethod
    def supports(self, site: Site) -> bool:
        """Whether this kernel can run the operation exactly."""

    @abstractmethod
    def resolve(self, site: Site) -> Invocation:
        """Decide tables, structure and call for an operation that `supports` accepted."""
