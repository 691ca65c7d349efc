"""`pqk-mcu doctor`: what stands between the user and a running board. All it does to a board is open its port."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pqk import boards, pipeline, ports, runners
from pqk.boards import Board
from pqk.doctor import access, line, programs, usb
from pqk.doctor.finding import Finding, Level, note, of_error
from pqk.errors import LinkError, PqkError, ProjectError
from pqk.links import has_rate, is_url, open_link
from pqk.project import Project
from pqk.runners.qemu import FLASHED


@dataclass(frozen=True)
class Patient:
    """What is looked at."""

    board: Board
    port: str | None
    """Its port or pySerial URL, where one was named."""
    state_dir: Path | None
    """The folder of the project's builds for the board; None outside a project."""
    build: str | None
    """The id of the project's build; None where there is none."""


def patient(board: Board, port: str | None, project: Project | None) -> Patient:
    """A board, with what the project (None: there is none) has built for it."""
    if project is None:
        return Patient(board, port, None, None)
    try:
        build = str(pipeline.load_build(project, board.name).record["id"])
    except ProjectError:
        build = None
    return Patient(board, port, pipeline.board_directory(project, board.name), build)


def examine(patient: Patient) -> Iterator[Finding]:
    """Look at everything, from the compiler to the board's answer."""
    board = patient.board
    yield programs.compiler(board)
    yield programs.binutils()
    if board.emulated:
        yield programs.emulator(board)
    else:
        yield from programs.flashers(board)
    yield from programs.packages()
    if patient.port is None and board.emulated:
        yield from usb.other_boards([boards.load(name) for name in boards.names()], ports.found())
        yield from _emulated(patient)
    elif patient.port is not None and is_url(patient.port):
        yield from _url(patient, patient.port)
    else:
        yield from _serial(patient)


def _emulated(patient: Patient) -> Iterator[Finding]:
    if patient.state_dir is None:
        return
    if patient.build is None:
        yield note(f"this project has no build for {patient.board.name} yet", "pqk-mcu build")
        return
    if not (patient.state_dir / FLASHED).is_file():
        yield note(f"this project's build has not been flashed to {patient.board.name} yet", "pqk-mcu flash")
        return
    try:
        with runners.started(patient.board, patient.state_dir) as url:
            yield _answers(patient, url)
    except PqkError as error:
        yield of_error(error)


def _url(patient: Patient, url: str) -> Iterator[Finding]:
    host = line.host(url)
    if host is not None:
        yield host
    if host is None or host.level is not Level.PROBLEM:
        yield _reached(patient, url)


def _serial(patient: Patient) -> Iterator[Finding]:
    plugged = usb.devices()
    port = patient.port
    if port is None:
        found, port = usb.port_of(patient.board, ports.found(), plugged)
        yield found
    yield from usb.probe(patient.board, plugged)
    yield from access.modem_manager()
    if port is None:
        return
    hindrances = access.taken(port)
    if sys.platform != "win32":
        hindrances = [access.permission(Path(port), access.this_user()), *hindrances]
    yield from hindrances
    if all(finding.level is not Level.PROBLEM for finding in hindrances):
        yield note(f"opening {port}, which may reset the board")
        yield _reached(patient, port)


def _reached(patient: Patient, port: str) -> Finding:
    try:
        return _answers(patient, port)
    except LinkError as error:
        return of_error(error)


def _answers(patient: Patient, port: str) -> Finding:
    rates = line.RATES if has_rate(port) else ()
    return line.answers(lambda baud: open_link(port, baud), patient.board, port, patient.build, rates=rates)
