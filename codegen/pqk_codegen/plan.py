"""From a network to everything the C will say: kernels, tables, arena, calls. Decided here, printed by `generate`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pqk_codegen import choice
from pqk_codegen.choice import Objective
from pqk_codegen.cycles import Cost
from pqk_codegen.ir import Network
from pqk_codegen.kernels.base import Table
from pqk_codegen.layout import Buffer, Layout, Planes, Vector, arena_size, plan_arena
from pqk_codegen.storage import Program, Step

Placement = Callable[[Mapping[str, Layout], Mapping[str, tuple[int, int]]], dict[str, Buffer]]
"""From the layout and the lifetime of every stored copy to its place in the arena."""

PREFIX = "pqk_w_"  # of every constant in flash; the build finds the weights' share of flash by it


@dataclass(frozen=True, eq=False)
class PlacedTable:
    """A table under the name it has in C. Equal tables of several layers are one."""

    symbol: str
    table: Table


@dataclass(frozen=True, eq=False)
class Layer:
    """One step, resolved: an operation, or a conversion between two layouts (`op` is "convert")."""

    name: str
    op: str
    kernel: str
    plain: bool
    """Whether the kernel is plain C."""
    function: str
    structure: str | None
    symbol: str
    fields: tuple[tuple[str, str], ...]
    tables: tuple[PlacedTable, ...]
    """Tables first used by this layer; those shared with an earlier layer stand there."""
    assembly: str
    code_symbol: str | None
    """Function of code specialised to the weights."""
    arguments: tuple[str, ...]
    state: int
    """Bytes that the call keeps for the next run: its last argument; 0 if there is none."""
    clear: Buffer | None
    """Output buffer whose halo must be zeroed before the call."""
    cost: Cost
    """Estimate of one call."""
    macs: int
    nonzero_macs: int
    weights: int
    nonzeros: int

    @property
    def flash(self) -> int:
        """Bytes of the tables that this layer brings."""
        return sum(placed.table.size for placed in self.tables)


@dataclass(frozen=True, eq=False)
class Plan:
    """A network ready to be printed."""

    network: Network
    core: str
    layers: tuple[Layer, ...]
    buffers: dict[str, Buffer]
    input: Buffer
    output: Buffer
    arena: int
    """Bytes of the arena."""
    sources: tuple[str, ...]
    """Kernel C files that are needed."""
    code: int
    """Estimated bytes of kernels and of code specialised to weights."""

    @property
    def flash(self) -> int:
        """Bytes of all tables."""
        return sum(layer.flash for layer in self.layers)

    @property
    def state(self) -> int:
        """Bytes that are kept from one run to the next, for each phase of a chunk network."""
        return sum(layer.state for layer in self.layers)

    @property
    def cost(self) -> Cost:
        """Estimate of an inference."""
        return sum((layer.cost for layer in self.layers), Cost(0, 0))


def plan(
    network: Network, core: str, objective: Objective | None = None, forced: Mapping[str, str] | None = None
) -> Plan:
    """Choose a kernel for every operation, lay out and place every tensor, and name every table.

    Args:
        network: what to run.
        core: processor, e.g. `cortex-m4`; `host` for the plain-C twins of all kernels.
        objective: what to minimise; by default instructions.
        forced: kernels that are given, by operation.

    Raises:
        IrError: no kernel supports an operation on this core.
        FlashLimitError: the objective's flash limit cannot be met.
    """
    program = choice.choose(network, core, objective or Objective(), forced)
    return place(program, core)


def place(program: Program, core: str, placement: Placement = plan_arena) -> Plan:
    """Put the buffers of `program` into one arena and name its tables."""
    buffers = placement(program.layouts, program.lifetimes())
    symbols: dict[tuple[str, bytes], str] = {}
    layers = tuple(_layer(program, step, buffers, symbols) for step in program.steps)
    sources = sorted({source for step in program.steps for source in step.invocation.sources})
    return Plan(
        program.network,
        core,
        layers,
        buffers,
        buffers[program.input],
        buffers[program.output],
        arena_size(buffers.values()),
        tuple(sources),
        choice.code(program.steps),
    )


def _layer(program: Program, step: Step, buffers: dict[str, Buffer], symbols: dict[tuple[str, bytes], str]) -> Layer:
    call, op = step.invocation, step.op
    fresh: list[PlacedTable] = []
    names: dict[str, str] = {}
    for table in call.tables:
        symbol = symbols.get(table.key)
        if symbol is None:
            symbol = symbols[table.key] = f"{PREFIX}{step.name}_{table.role}"
            fresh.append(PlacedTable(symbol, table))
        names[table.role] = symbol
    values = op.weight_values if op else None
    tensors = program.network.op_tensors(op) if op else None
    output = buffers[step.writes]
    needs_clearing = isinstance(output.layout, Planes) and output.layout.has_halo
    return Layer(
        name=step.name,
        op=op.kind if op else "convert",
        kernel=call.kernel,
        plain=step.plain,
        function=call.function,
        structure=call.structure,
        symbol=f"{PREFIX}{step.name}",
        fields=tuple((key, names[value[1:]] if value.startswith("@") else value) for key, value in call.fields),
        tables=tuple(fresh),
        assembly=call.assembly,
        code_symbol=call.assembly_symbol,
        arguments=(*(_pointer(buffers[name], constant=True) for name in step.reads), _pointer(output, constant=False)),
        state=call.state,
        clear=output if needs_clearing else None,
        cost=call.cost,
        macs=op.macs(*tensors) if op and tensors else 0,
        nonzero_macs=op.nonzero_macs(*tensors) if op and tensors else 0,
        weights=0 if values is None else int(values.size),
        nonzeros=0 if values is None else int((values != 0).sum()),
    )


def _pointer(buffer: Buffer, *, constant: bool) -> str:
    """C expression of the address of planes' first element, or of any other buffer's start."""
    qualifier = "const " if constant else ""
    if isinstance(buffer.layout, Planes):
        return f"({qualifier}uint8_t *)pqk_arena + {buffer.offset + buffer.layout.origin}"
    return f"({qualifier}{_word(buffer)} *)pqk_arena + {buffer.offset // 4}"


def _word(buffer: Buffer) -> str:
    return "int32_t" if isinstance(buffer.layout, Vector) else "uint32_t"
