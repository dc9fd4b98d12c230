"""Stages of work on a stream of items, each in a thread of its own, with bounded queues between them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

_POLL_SECONDS = 0.1  #: how soon a waiting stage notices that the work was given up
_END = object()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def pipelined(
    items: Iterable[Any], *stages: Callable[[Any], Any], depth: int = 2
) -> Generator[Any, None, None]:
    """Put items through stages, one after another, in order; each stage works on another item meanwhile.

    The items too are drawn in a thread of their own. A queue that is full makes the stage before it wait, so
    at most ``depth`` items stand between two stages, however many come and whichever stage is slowest.

    Use it with ``contextlib.closing`` where the loop may be left early: all threads have ended then, and an
    ``items`` that is a generator is closed.

    Args:
        items: where they come from.
        stages: called with what the one before returned; each in one thread only.
        depth: items that wait between two stages.

    Yields:
        What the last stage returns.

    Raises:
        BaseException: the first one of ``items`` or of any stage, after all that came before it.
    """
    if depth < 1:
        raise ValueError(f"a depth of {depth} lets nothing through; give 1 or more")
    given_up = Event()
    queues: list[Queue[Any]] = [Queue(depth) for _ in range(len(stages) + 1)]
    threads = [Thread(target=_draw, args=(items, queues[0], given_up), name="items", daemon=True)]
    for number, stage in enumerate(stages):
        name = getattr(stage, "__name__", f"stage {number}")
        work = (stage, queues[number], queues[number + 1], given_up)
        threads.append(Thread(target=_work, args=work, name=name, daemon=True))
    try:
        for thread in threads:
            thread.start()
        while (result := queues[-1].get()) is not _END:
            if isinstance(result, _Failure):
                raise result.error
            yield result
    finally:
        given_up.set()
        for thread in threads:
            if thread.ident is not None:  # it has been started
                thread.join()


def _draw(items: Iterable[Any], output: Queue[Any], given_up: Event) -> None:
    try:
        for item in items:
            if not _put(output, item, given_up):
                break
        last: Any = _END
    except BaseException as error:
        last = _Failure(error)
    if isinstance(items, Generator):
        items.close()
    _put(output, last, given_up)


def _work(stage: Callable[[Any], Any], source: Queue[Any], output: Queue[Any], given_up: Event) -> None:
    while not given_up.is_set():
        try:
            item = source.get(timeout=_POLL_SECONDS)
        except Empty:
            continue
        if item is not _END and not isinstance(item, _Failure):
            try:
                item = stage(item)
            except BaseException as error:
                item = _Failure(error)
        _put(output, item, given_up)
        if item is _END or isinstance(item, _Failure):
            return


def _put(output: Queue[Any], item: Any, given_up: Event) -> bool:
    """Whether the item has found room before the work was given up."""
    while not given_up.is_set():
        try:
            output.put(item, timeout=_POLL_SECONDS)
        except Full:
            continue
        return True
    return False
