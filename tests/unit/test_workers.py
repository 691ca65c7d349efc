"""Jobs in processes: order, failures, and that none is waited for or left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pqk.errors import DataError, PqkError
from pqk.workers import Job, News, Tell, run


def double(value: int, tell: Tell) -> int:
    tell(value)
    return 2 * value


def refuse(_: Tell) -> None:
    raise DataError("no such clip", "look for it")


def break_down(_: Tell) -> None:
    raise ZeroDivisionError


def threads(_: Tell) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def hears_ctrl_c(_: Tell) -> bool:
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def sleep(tell: Tell) -> None:
    tell(os.getpid())
    time.sleep(600)


def results(news: list[News]) -> dict[str, Any]:
    return {one.job.name: one.value for one in news if one.ended}


def test_jobs_tell_and_return() -> None:
    news = list(run([Job(str(value), partial(double, value)) for value in range(3)], workers=2))
    assert results(news) == {"0": 0, "1": 2, "2": 4}
    assert sorted(one.value for one in news if not one.ended) == [0, 1, 2]


def test_a_job_waits_for_what_it_needs() -> None:
    first = Job("first", partial(double, 1))
    news = [one for one in run([Job("second", partial(double, 2), needs=first), first], workers=2) if one.ended]
    assert [one.job.name for one in news] == ["first", "second"]


def test_failures_end_only_the_jobs_that_need_them(capfd: pytest.CaptureFixture[str]) -> None:
    wrong, broken = Job("wrong", refuse), Job("broken", break_down)
    others = [Job("dependent", partial(double, 1), needs=wrong), Job("last", partial(double, 4))]
    found = results(list(run([wrong, broken, *others], workers=2)))
    assert isinstance(found["wrong"], DataError)
    assert (found["wrong"].message, found["wrong"].hint) == ("no such clip", "look for it")
    assert found["dependent"] is found["wrong"]
    assert "ended with code 1" in found["broken"].message
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert found["last"] == 8


def test_a_killed_process_ends_its_own_job_only() -> None:
    news = []
    for one in run([Job("victim", sleep), Job("other", partial(double, 1))], workers=2):
        news.append(one)
        if one.job.name == "victim" and not one.ended:
            os.kill(one.value, signal.SIGKILL)
    found = results(news)
    assert isinstance(found["victim"], PqkError)
    assert "SIGKILL" in found["victim"].message
    assert found["other"] == 2


def test_no_process_hears_ctrl_c_not_even_the_first_of_a_program() -> None:
    program = (
        "from pqk.workers import Job, run\n"
        "from unit.test_workers import hears_ctrl_c\n"
        "print([news.value for news in run([Job('first', hears_ctrl_c), Job('second', hears_ctrl_c)], 1)])\n"
    )
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(tests)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[False, False]\n"


def test_stopping_ends_all_processes() -> None:
    news = run([Job("a", sleep), Job("b", sleep)], workers=2)
    assert not next(news).ended
    news.close()
    assert multiprocessing.active_children() == []


def test_processes_have_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of workers: torch sums in another order with another number of threads."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (news,) = run([Job("threads", threads)], workers=1)
    assert news.value == "1"
    assert "OMP_NUM_THREADS" not in os.environ
