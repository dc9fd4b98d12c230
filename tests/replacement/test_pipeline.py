import threading
import time
from contextlib import closing

import pytest

from maskstream.replacement.pipeline import pipelined


def test_items_come_out_in_order_through_all_stages() -> None:
    assert list(pipelined(range(50), lambda n: n + 1, lambda n: n * 2)) == [(n + 1) * 2 for n in range(50)]


def test_without_stages_the_items_themselves_come() -> None:
    assert list(pipelined("abc")) == ["a", "b", "c"]


def test_nothing_comes_of_nothing() -> None:
    assert list(pipelined([], str)) == []


def test_stages_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)  # breaks unless two stages are inside at once

    def meet(n):
        if 0 < n < 5:
            both.wait()
        return n

    # Item n is in the second stage while n + 1 is in the first.
    def meet_later(n):
        if n < 4:
            both.wait()
        return n

    assert list(pipelined(range(6), meet, meet_later)) == list(range(6))


@pytest.mark.parametrize("depth", [1, 3])
def test_a_slow_end_makes_the_start_wait(depth) -> None:
    drawn = 0

    def items():
        nonlocal drawn
        for n in range(100):
            drawn = n + 1
            yield n

    with closing(pipelined(items(), str, str, depth=depth)) as results:
        next(results)
        time.sleep(0.3)
        # Three queues, and one item in the hands of each of three threads, besides the one that came out.
        assert drawn <= 1 + 3 * depth + 3


@pytest.mark.parametrize("place", ["items", "stage", "last stage"])
def test_an_error_comes_after_what_was_done_before_it(place) -> None:
    def items():
        for n in range(10):
            if place == "items" and n == 4:
                raise OSError("disk")
            yield n

    def failing(where):
        def stage(n):
            if place == where and n == 4:
                raise OSError("disk")
            return n

        return stage

    results = pipelined(items(), failing("stage"), failing("last stage"))
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(OSError, match="disk"):
        next(results)


def test_leaving_early_ends_all_threads_and_closes_the_source() -> None:
    closed = []

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    before = threading.active_count()
    with closing(pipelined(items(), str, str)) as results:
        next(results)
        assert threading.active_count() > before
    assert threading.active_count() == before
    assert closed == [True]


def test_an_error_leaves_no_threads() -> None:
    def failing(n):
        raise ValueError(n)

    before = threading.active_count()
    with pytest.raises(ValueError, match="0"):
        list(pipelined(iter(range(100)), failing, str))
    assert threading.active_count() == before


def test_a_depth_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="depth"):
        next(pipelined([1], depth=0))
