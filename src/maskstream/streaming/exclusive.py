"""Calls that are refused while another thread is in one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Concatenate, ParamSpec, TypeVar

from maskstream.errors import InputError

Own = TypeVar("Own", bound="Exclusive")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Exclusive:
    """Something that one thread at a time may use; see ``exclusive``."""

    _kind = "object"  #: what messages call it

    def __init__(self) -> None:
        self._in_use = RLock()


def exclusive(
    method: Callable[Concatenate[Own, Parameters], Result],
) -> Callable[Concatenate[Own, Parameters], Result]:
    """A method that is refused while another thread is in one of the same object.

    Raises:
        InputError: another thread is.
    """

    @wraps(method)
    def alone(self: Own, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if not self._in_use.acquire(blocking=False):
            raise InputError(
                f"this {self._kind} is at work in another thread: use one for each stream (they may share a "
                "loaded network), or wait until it has returned"
            )
        try:
            return method(self, *args, **kwargs)
        finally:
            self._in_use.release()

    return alone
