"""How long the parts of a step take."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

from maskstream.streaming.segmentation import Timing

Result = TypeVar("Result")


class StepClock:
    """Adds up the seconds of a network's three calls, from one ``start`` to the next."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin a step."""
        self._seconds = {"encode": 0.0, "memorize": 0.0, "segment": 0.0}
        self._begun = perf_counter()

    def timed(self, name: str, call: Callable[..., Result], *args: Any) -> Result:
        """Call something, and count its time as that of ``encode``, ``memorize`` or ``segment``."""
        start = perf_counter()
        try:
            return call(*args)
        finally:
            self._seconds[name] += perf_counter() - start

    def timing(self) -> Timing:
        """The times since the step began."""
        return Timing(**self._seconds, total=perf_counter() - self._begun)
