"""What the training loop does besides training."""

import threading
from collections.abc import Iterator

import pytest

from pqk.train.loop import ahead


def test_batches_are_made_in_a_thread_while_others_are_used() -> None:
    """Never more than one ahead, or memory would not suffice."""
    made: list[int] = []
    started = [threading.Event() for _ in range(5)]

    def items() -> Iterator[int]:
        for number in range(5):
            started[number].set()
            assert threading.current_thread() is not threading.main_thread()
            made.append(number)
            yield number

    for number in ahead(items()):
        if number < 4:
            assert started[number + 1].wait(10)  # while this one is in use
        assert len(made) <= number + 2
    assert made == [0, 1, 2, 3, 4]


def test_what_goes_wrong_there_is_told_here() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise RuntimeError("broken")

    found = []
    with pytest.raises(RuntimeError, match="broken"):
        found.extend(ahead(items()))
    assert found == [1]


def test_nothing_is_left_running_after_an_interruption() -> None:
    before = threading.active_count()
    items = ahead(iter(range(10)))
    assert next(items) == 0
    items.close()
    assert threading.active_count() == before
