"""Less work when the machine can't keep up, more when it can: rungs, with hysteresis."""

from __future__ import annotations

from dataclasses import dataclass

from maskstream.errors import InputError

_RATE = 0.1  # of a new frame in the mean
_SETTLE = 10  # frames until a rung is judged
_ROOM = 0.8  # part of the budget that the rung above may be expected to take
_WAIT, _LONGEST = 3.0, 60.0  # seconds until a rung above is tried, at first and after failures
_QUICK = 10.0  # seconds: one that is left sooner was climbed too soon


@dataclass(frozen=True)
class Rung:
    """How much is done.

    Attributes:
        size: short side that the network sees, in pixels.
        every: the network looks at every n-th frame of the output's clock; the others are repeated.
    """

    size: int
    every: int = 1

    def __str__(self) -> str:
        return f"{self.size} lines" + (f", every {self.every}." if self.every > 1 else "")


#: Of the shipped network: its own size, smaller ones, then half and a third of the frames.
RUNGS = (Rung(240), Rung(208), Rung(176), Rung(144), Rung(144, 2), Rung(144, 3))


class Ladder:
    """Chooses a rung by how long frames take.

    One step down when the mean of some frames is over the budget; one up when, by what the rung above cost
    when it was last stood on (or is to be expected to by its size), there would be room to spare, and only
    after a while: what has just failed is not tried again at once, and each failure doubles the wait.

    Args:
        budget: seconds a frame may take.
        rungs: from the best down.
    """

    def __init__(self, budget: float, rungs: tuple[Rung, ...] = RUNGS) -> None:
        if not rungs:
            raise InputError("a ladder needs one rung at least")
        self._budget = budget
        self._rungs = rungs
        self._position = 0
        self._mean: float | None = None
        self._frames = 0
        self._waits = [_WAIT] * len(rungs)
        self._since = 0.0

    @property
    def rung(self) -> Rung:
        """The one that is stood on."""
        return self._rungs[self._position]

    @property
    def position(self) -> int:
        """0 for the best."""
        return self._position

    def took(self, seconds: float, now: float) -> bool:
        """Tell how long a frame took.

        Args:
            seconds: for all that is done for a frame.
            now: monotonic seconds.

        Returns:
            Whether the rung has changed.
        """
        self._mean = seconds if self._mean is None else self._mean + _RATE * (seconds - self._mean)
        self._frames += 1
        if self._frames == 1:
            self._since = now
        if self._frames < _SETTLE:
            return False
        if self._mean > self._budget * self.rung.every and self._position + 1 < len(self._rungs):
            if now - self._since < _QUICK:  # it was climbed too soon
                self._waits[self._position] = min(2 * self._waits[self._position], _LONGEST)
            return self._step(1, now)
        if self._position == 0 or now - self._since < self._waits[self._position - 1]:
            return False
        above = self._rungs[self._position - 1]
        # Work grows with the number of pixels.
        expected = self._mean * (above.size / self.rung.size) ** 2
        if expected < _ROOM * self._budget * above.every:
            return self._step(-1, now)
        return False

    def _step(self, by: int, now: float) -> bool:
        self._position += by
        self._mean, self._frames, self._since = None, 0, now
        return True
