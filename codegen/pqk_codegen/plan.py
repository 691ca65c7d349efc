"""From a network to everything the C will say: kernels, tables, arena, calls. Decided here, printed by `generate`."""

from collections.abc import Callable
from dataclasses import dataclass

from pqk_codegen.ir import Network
from pqk_codegen.kernels import Invocation, Kernel, Site, Table, choose
from pqk_codegen.layout import Buffer, Planes, arena_size, layouts, plan_arena

PREFIX = "pqk_w_"  # of every constant in flash; the build finds the weights' share of flash by it


@dataclass(frozen=True, eq=False)
class PlacedTable:
    """A table under the name it has in C. Equal tables of several layers are one."""

    symbol: str
    table: Table


@dataclass(frozen=True, eq=False)
class Layer:
    """One operation, resolved."""

    name: str
    op: str
    kernel: str
    function: str
    structure: str | None
    symbol: str
    fields: tuple[tuple[str, str], ...]
    tables: tuple[PlacedTable, ...]
    """Tables first used by this layer; those shared with an earlier layer stand there."""
    arguments: tuple[str, ...]
    clear: Buffer | None
    """Output buffer whose halo must be zeroed before the call."""
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
    arena: int
    """Bytes of the arena."""
    sources: tuple[str, ...]
    """Kernel C files that are needed."""

    @property
    def flash(self) -> int:
        """Bytes of all tables."""
        return sum(layer.flash for layer in self.layers)


def plan(network: Network, core: str, cost: Callable[[Invocation], int] = lambda call: call.flash) -> Plan:
    """Choose a kernel for every operation, lay out and place every tensor, and name every table.

    Raises:
        IrError: no kernel supports an operation on this core.
    """
    shapes = layouts(network)
    sites = [Site(op, *network.op_tensors(op), shapes, core) for op in network.ops]
    chosen = [choose(site, cost) for site in sites]
    buffers = plan_arena(network, shapes)
    symbols: dict[tuple[str, bytes], str] = {}
    layers = tuple(
        _layer(site, kernel, call, buffers, symbols) for site, (kernel, call) in zip(sites, chosen, strict=True)
    )
    sources = sorted({source for _, call in chosen for source in call.sources})
    return Plan(network, core, layers, buffers, arena_size(buffers), tuple(sources))


def _layer(
    site: Site, kernel: Kernel, call: Invocation, buffers: dict[str, Buffer], symbols: dict[tuple[str, bytes], str]
) -> Layer:
    op = site.op
    fresh: list[PlacedTable] = []
    names: dict[str, str] = {}
    for table in call.tables:
        symbol = symbols.get(table.key)
        if symbol is None:
            symbol = symbols[table.key] = f"{PREFIX}{op.name}_{table.role}"
            fresh.append(PlacedTable(symbol, table))
        names[table.role] = symbol
    values = op.weight_values
    output = buffers[site.output.name]
    needs_clearing = isinstance(output.layout, Planes) and output.layout.has_halo
    return Layer(
        name=op.name,
        op=op.kind,
        kernel=kernel.name,
        function=call.function,
        structure=call.structure,
        symbol=f"{PREFIX}{op.name}",
        fields=tuple((key, names[value[1:]] if value.startswith("@") else value) for key, value in call.fields),
        tables=tuple(fresh),
        arguments=tuple(_pointer(buffers[name], constant=name != op.output) for name in call.planes),
        clear=output if needs_clearing else None,
        macs=op.macs(site.inputs, site.output),
        nonzero_macs=op.nonzero_macs(site.inputs, site.output),
        weights=0 if values is None else int(values.size),
        nonzeros=0 if values is None else int((values != 0).sum()),
    )


def _pointer(buffer: Buffer, *, constant: bool) -> str:
    """C expression of the address of a tensor's first element."""
    qualifier = "const " if constant else ""
    if isinstance(buffer.layout, Planes):
        return f"({qualifier}uint8_t *)pqk_arena + {buffer.offset + buffer.layout.origin}"
    return f"({qualifier}int32_t *)pqk_arena + {buffer.offset // 4}"
