"""The arrays that this package works on, and buffers that are used in turn."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Frame


class FrameRing:
    """Frames that are written in turn, so that one given out stays as it is for a while.

    Args:
        count: frames held; one given out is written again ``count`` calls later.
    """

    def __init__(self, count: int = 2) -> None:
        self._count = count
        self._frames: list[Frame] = []
        self._turn = 0

    def next(self, height: int, width: int) -> Frame:
        """The frame to write now, ``(height, width, 3)``; its content is left from before."""
        if not self._frames or self._frames[0].shape[:2] != (height, width):
            self._frames = [np.empty((height, width, 3), dtype=np.uint8) for _ in range(self._count)]
        self._turn = (self._turn + 1) % self._count
        return self._frames[self._turn]


def halved(image: NDArray[Any], times: int = 1) -> NDArray[Any]:
    """An image at half its size, some times over; no side gets below one pixel.

    OpenCV takes the plain mean of 2 x 2 pixels here, several times faster than any other reduction.
    """
    for _ in range(times):
        height, width = image.shape[:2]
        size = (max(1, width // 2), max(1, height // 2))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR))
    return image
