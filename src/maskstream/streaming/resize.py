"""Frames and planes at another size."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Floats


def resize(image: NDArray[np.generic], height: int, width: int) -> NDArray[np.generic]:
    """Resize ``(H, W)`` or ``(H, W, 3)``: by area where both sides shrink, else bilinearly; same type."""
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    source: Any = np.ascontiguousarray(image)
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: NDArray[np.generic] = cv2.resize(source, (width, height), interpolation=interpolation)
    return resized


def resize_planes(planes: Floats, height: int, width: int) -> Floats:
    """Resize each plane of ``(N, H, W)``: by area where it shrinks, else bilinearly."""
    if planes.shape[1:] == (height, width):
        return planes
    resized = np.empty((len(planes), height, width), np.float32)
    for position, plane in enumerate(planes):
        resized[position] = resize(plane, height, width)
    return resized
