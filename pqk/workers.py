"""Jobs side by side, one process each: a process that is killed ends its own job and no other.

There is no pool: the start of a process takes a second or two, what it does a good deal longer, and memory is given
back after each job.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from pqk.errors import PqkError

TOLD, DONE, FAILED = range(3)
PATIENCE = 10.0  # seconds for a process to end by itself

Tell = Callable[[Any], None]
Work = Callable[[Tell], Any]


@dataclass(frozen=True, eq=False)
class Job:
    """What a process is to do."""

    name: str
    work: Work
    """Called in the process with a function that sends plain data to the parent. Must be picklable."""
    needs: "Job | None" = None
    """What has to be finished before."""


@dataclass(frozen=True)
class News:
    """What a job has told, or how it has ended."""

    job: Job
    ended: bool
    value: Any
    """What it told; at the end what `work` returned, or a PqkError."""


@dataclass(frozen=True)
class _Running:
    job: Job
    process: BaseProcess
    connection: Connection


def run(jobs: Sequence[Job], workers: int) -> Generator[News]:
    """Do all jobs, `workers` at a time, in their order as far as what they need allows.

    A job fails with the PqkError that it raised, with one that says how its process died, or with that of the job it
    needs; the others go on. When the generator is closed all processes are ended.
    """
    waiting, running = list(jobs), list[_Running]()
    ended: dict[Job | None, Any] = {None: None}
    with _one_thread():
        try:
            while waiting or running:
                for job in [job for job in waiting if isinstance(ended.get(job.needs), PqkError)]:
                    waiting.remove(job)
                    ended[job] = ended[job.needs]
                    yield News(job, True, ended[job])
                for job in [job for job in waiting if job.needs in ended][: workers - len(running)]:
                    waiting.remove(job)
                    running.append(_start(job))
                readable = wait([one.connection for one in running])
                for one in [one for one in running if one.connection in readable]:
                    news = _news(one)
                    if news.ended:
                        ended[one.job] = news.value
                        running.remove(one)
                        _end(one)
                    yield news
        finally:
            for one in running:
                one.process.terminate()
            for one in running:
                _end(one)


def _start(job: Job) -> _Running:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(sender, job.work), daemon=True)
    with _uninterrupted():
        process.start()
    sender.close()  # the process has its own: when it dies, reading here ends
    return _Running(job, process, receiver)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits: a process that starts meanwhile never sees it, for what is blocked stays so in a child."""
    resource_tracker.ensure_running()  # Python starts it with the first process, and lets Ctrl-C through again then
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _news(running: _Running) -> News:
    try:
        kind, value = running.connection.recv()
    except (EOFError, OSError):
        running.process.join()
        return News(running.job, True, _death(running.process.exitcode))
    return News(running.job, kind != TOLD, value)


def _death(code: int | None) -> PqkError:
    if code is not None and code < 0:
        how = f"by signal {-code} ({signal.Signals(-code).name}), perhaps for want of memory"
        return PqkError(
            f"its process was ended {how}", "the same command goes on from there; fewer --workers need less"
        )
    return PqkError(f"its process ended with code {code}", "what it printed says why")


def _end(running: _Running) -> None:
    running.process.join(PATIENCE)
    if running.process.is_alive():
        running.process.kill()
        running.process.join()
    running.connection.close()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started meanwhile calculate with one thread; numpy and torch read it when they are loaded.

    Two of them are faster than one with two threads, and sums do not depend on how many jobs run at a time.
    """
    name = "OMP_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _main(connection: Connection, work: Work) -> None:
    # Ctrl-C is the parent's; it ends the workers, which then end their emulators.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        try:
            outcome = (DONE, work(lambda value: connection.send((TOLD, value))))
        except PqkError as error:
            outcome = (FAILED, error)
        connection.send(outcome)
    except BrokenPipeError:
        sys.exit()  # the parent is gone
