"""Whether anything moves: a network may rest while nothing does."""

from __future__ import annotations

import numpy as np

from maskstream.arrays import Floats

_NOISE = 8.0  #: standard deviations of its noise that a block of a still picture may differ by,
_LEAST, _MOST = 0.8, 6.0  #: and levels, at least and at most, whatever the noise
_LOWER_HALF = 0.3246  # standard deviations that the smaller half of all noise is in the mean


class MotionGate:
    """Says whether a frame may be treated like the last one that was looked at.

    Small pictures are compared, each pixel the mean of a block, against the frame that was last let through:
    slow changes add up until they are seen. How much is noise, most of the blocks tell: in dim light a
    subject that moves changes few of them, and by little. That counts for brightness;
    colours, which codecs are careless of, have to differ by the most.

    Args:
        rest_seconds: after this long without a look, one is taken all the same.
        first: frames that are all looked at, at the beginning and after ``reset``.
    """

    def __init__(self, rest_seconds: float = 1.0, first: int = 10) -> None:
        self._rest_seconds = rest_seconds
        self._first = first
        self.reset()

    def reset(self) -> None:
        """Look at the next frames: another subject, background or size."""
        self._left = self._first
        self._reference: Floats | None = None
        self._looked_at = 0.0

    def moves(self, small: Floats, time: float) -> bool:
        """Whether to look at this frame.

        Args:
            small: of the frame, see ``scene.small_of``.
            time: seconds at which it was captured.
        """
        still = (
            self._left <= 0
            and self._reference is not None
            and time - self._looked_at < self._rest_seconds
            and _is_noise(small - self._reference)
        )
        if still:
            return False
        self._left -= 1
        self._reference, self._looked_at = small, time
        return True


def _is_noise(difference: Floats) -> bool:
    if float(np.abs(difference).max()) > _MOST:
        return False
    brightness = np.abs(difference.mean(2))
    half = brightness.size // 2
    usual = float(np.partition(brightness, half, axis=None)[:half].mean()) / _LOWER_HALF
    return float(brightness.max()) <= max(_LEAST, _NOISE * usual)
