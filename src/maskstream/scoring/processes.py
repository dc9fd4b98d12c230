"""Work that is shared between processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from maskstream.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Generator[Result, None, None]:
    """Do the work on each item, in so many processes; one of them is this process itself.

    What goes to and fro is pickled. Each process has one thread of OpenCV. If the loop is left early, by an
    error or Ctrl-C, the processes are stopped at once.

    Args:
        work: a function that can be pickled.
        items: the longest first, for an even load.
        workers: 1 or more.

    Yields:
        Results, in the order in which they come.

    Raises:
        InputError: there are to be no workers.
        OSError: a process was killed.
    """
    if workers < 1:
        raise InputError(f"`workers` is {workers}; give 1 or more")
    workers = min(workers, len(items))
    if workers < 2:
        yield from map(work, items)
        return
    # No plain fork: libraries that have threads don't survive it.
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([work.__module__] if hasattr(work, "__module__") else [__name__])
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _begin)
    try:
        for done in as_completed([pool.submit(work, item) for item in items]):
            yield done.result()
    except BrokenProcessPool as error:
        raise OSError(
            "a worker process was killed, perhaps for lack of memory; try fewer `workers`"
        ) from error
    finally:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent stops us
    cv2.setNumThreads(1)
