"""What is measured: a network, its sparsity and bits, on a board. Which of them a command line asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pqk_codegen import store
from pqk_codegen.ir import Network

from pqk import boards
from pqk.bench.networks import NETWORKS
from pqk.boards import Board
from pqk.errors import BoardError, ProjectError

SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95)
BITS = (4, 8)
QUICK = ((0.9,), (4,))  # sparsities, bits

# The emulated board that stands for a core where several have it. Boards that are not there count for nothing.
BOARDS = {
    "cortex-m0": "mps2-an385-armv6m",
    "cortex-m3": "mps2-an385",
    "cortex-m4": "mps2-an386",
    "cortex-m7": "mps2-an500",
    "cortex-m33": "mps2-an505",
    "cortex-m55": "mps3-an547",
}


@dataclass(frozen=True)
class Case:
    """One row of the benchmark."""

    network: str
    """A key of NETWORKS, or the name of the project whose trained network it is."""
    sparsity: float
    """Share of zeros in every layer that is pruned; in all layers together for a trained network."""
    bits: int
    board: str
    trained: Path | None = None
    """Folder of the trained network; None for those of NETWORKS."""

    @property
    def name(self) -> str:
        """For people and as a folder's name, e.g. `res8-narrow-90-4bit-mps2-an386`."""
        return f"{self.network}-{100 * self.sparsity:.4g}-{self.bits}bit-{Path(self.board).stem}"

    def load(self) -> Network:
        """The network, made or read."""
        return store.load(self.trained) if self.trained else NETWORKS[self.network](self.sparsity, self.bits, 0)


@dataclass(frozen=True)
class Trained:
    """The trained network of a project."""

    name: str
    folder: Path


@dataclass(frozen=True)
class Selection:
    """What a command line asks for; what is empty means everything."""

    networks: Sequence[str] = ()
    sparsities: Sequence[float] = ()
    bits: Sequence[int] = ()
    cores: Sequence[str] = ()
    boards: Sequence[str] = ()


def cases(selection: Selection, trained: Trained | None = None) -> list[Case]:
    """The rows that `selection` asks for, each once, board by board.

    Sparsities and bits do not apply to a trained network.

    Raises:
        ProjectError: a network is not known.
        BoardError: a board or core is not known, or the board is not emulated.
    """
    known = [*NETWORKS, *([trained.name] if trained else [])]
    for name in selection.networks:
        if name not in known:
            raise ProjectError(f"unknown network {name!r}", f"known: {', '.join(known)}")
    networks = selection.networks or known
    listed = [
        case for board in _boards(selection) for name in networks for case in _of(name, board, selection, trained)
    ]
    return list({case.name: case for case in listed}.values())


def _of(name: str, board: str, selection: Selection, trained: Trained | None) -> Iterator[Case]:
    if name in NETWORKS:
        for bits in selection.bits or BITS:
            for sparsity in selection.sparsities or SPARSITIES:
                yield Case(name, sparsity, bits, board)
    elif trained:
        network = store.load(trained.folder)
        sparsity = round(1 - network.nonzeros / network.weights, 4)
        yield Case(name, sparsity, network.weight_bits, board, trained.folder)


def _boards(selection: Selection) -> list[str]:
    """Names (or paths) of boards: those named, and one for each core named; one for every core if neither is."""
    named = {name: boards.load(name) for name in selection.boards}
    for name, board in named.items():
        if not board.emulated:
            raise BoardError(f"{name} is a real board: bench counts emulated instructions", "pqk-mcu boards")
    there = core_boards([boards.load(name) for name in boards.names()])
    for core in selection.cores:
        if core not in there:
            raise BoardError(f"no emulated board has the core {core!r}", f"cores: {', '.join(there)}")
    cores = selection.cores or (() if selection.boards else tuple(there))
    return list(dict.fromkeys([*named, *(there[core] for core in cores)]))


def core_boards(known: Sequence[Board]) -> dict[str, str]:
    """For every core of an emulated board the board that stands for it."""
    emulated = sorted((board for board in known if board.emulated), key=lambda board: (board.cpu, board.name))
    chosen: dict[str, str] = {}
    for board in emulated:
        if board.cpu not in chosen or board.name == BOARDS.get(board.cpu):
            chosen[board.cpu] = board.name
    return chosen
