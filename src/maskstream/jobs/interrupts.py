"""Ctrl-C, and requests to terminate, at moments when everything is in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

#: What ends a process from outside, where the system knows it: Ctrl-C, ``kill``, a terminal that is closed.
ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


class Terminated(KeyboardInterrupt):
    """A request to end that was no Ctrl-C.

    Attributes:
        number: of the signal.
    """

    number = int(signal.SIGTERM)


def end_as_ctrl_c_does(number: int, frame: FrameType | None) -> None:
    """A signal handler: raise `Terminated`, which jobs treat as Ctrl-C."""
    error = Terminated()
    error.number = number
    raise error


@contextmanager
def interrupts_wait() -> Iterator[Callable[[], bool]]:
    """Hold back what raises ``KeyboardInterrupt`` until the block has ended: Ctrl-C and `end_as_ctrl_c_does`.

    Elsewhere than in the main thread, and where a signal is ignored or handled by someone else, it does
    nothing.

    Yields:
        What tells whether one came, so that a long block can end early.
    """
    held: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in ENDING}
        ours = (signal.default_int_handler, end_as_ctrl_c_does)
        held = {number: handler for number, handler in handlers.items() if handler in ours}
    came: list[int] = []
    for number in held:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
    if came:
        held[came[0]](came[0], None)


Stop = TypeVar("Stop", bound=BaseException)


def retold(error: Stop, message: str) -> Stop:
    """The same interruption with a line that says where the work stopped."""
    error.args = (message,)
    return error
