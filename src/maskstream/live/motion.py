"""Whether anything moves: a network may rest while nothing does."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SIZE = (64, 36)  #: (width, height) of what is compared
_NOISE = 6.0  #: levels that a small block may differ by without having moved


class MotionGate:
    """Says whether a frame may be treated like the last one that was looked at.

    Frames are compared as small pictures, each pixel the mean of a block, so that a sensor's noise averages
    out, against the frame that was last let through: slow changes add up until they are seen.

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
        self._reference: NDArray[Any] | None = None
        self._looked_at = 0.0

    def moves(self, frame: NDArray[np.uint8], time: float) -> bool:
        """Whether to look at this frame.

        Args:
            frame: ``(H, W, 3)`` uint8 RGB.
            time: seconds at which it was captured.
        """
        small = np.asarray(cv2.resize(frame, _SIZE, interpolation=cv2.INTER_AREA), np.int16)
        reference = self._reference
        still = (
            self._left <= 0
            and reference is not None
            and time - self._looked_at < self._rest_seconds
            and int(np.abs(small - reference).max()) <= _NOISE
        )
        if still:
            return False
        self._left -= 1
        self._reference, self._looked_at = small, time
        return True
