"""Where the network looks: the whole frame, or a window around the objects that grows and shrinks with them.

A small object fills more of the network's input that way, at no cost: the input keeps its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Floats

_CERTAIN = 0.5  # an object is where its probability is higher
_STRAY = 0.01  # share of an object's pixels that may lie beyond each side of its box
_SMALLEST = 0.2  # side of the smallest window
_LARGEST = 0.85  # a window that would be larger is the whole frame
_STEADY = 0.2  # a window whose side would change by less keeps it


class Window(NamedTuple):
    """A part of a frame with the frame's own aspect ratio, in fractions of the frame's height and width.

    Attributes:
        top: of its upper edge.
        left: of its left edge.
        side: of its height, and of its width.
    """

    top: float = 0.0
    left: float = 0.0
    side: float = 1.0

    def pixels(self, height: int, width: int) -> tuple[slice, slice]:
        """Its rows and columns in a frame."""
        rows, columns = max(1, round(self.side * height)), max(1, round(self.side * width))
        top = min(round(self.top * height), height - rows)
        left = min(round(self.left * width), width - columns)
        return slice(top, top + rows), slice(left, left + columns)


WHOLE = Window()


class Box(NamedTuple):
    """Where nearly all of an object is, in fractions of the frame's height and width."""

    top: float
    left: float
    bottom: float
    right: float


def boxes(planes: Floats | NDArray[np.bool_], window: Window = WHOLE) -> list[Box | None]:
    """Where each object is, but for stray pixels; None if it is nowhere.

    Args:
        planes: ``(N, h, w)`` probabilities, or masks.
        window: what of the frame they show.
    """
    found: list[Box | None] = []
    for plane in planes:
        inside = (plane > _CERTAIN).view(np.uint8)
        if not inside.any():
            found.append(None)
            continue
        top, bottom = _extent(cv2.reduce(inside, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0])
        left, right = _extent(cv2.reduce(inside, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0])
        found.append(
            Box(
                window.top + top * window.side,
                window.left + left * window.side,
                window.top + bottom * window.side,
                window.left + right * window.side,
            )
        )
    return found


def _extent(counts: NDArray[Any]) -> tuple[float, float]:
    """Where the pixels begin and end along an axis, but for stray ones, in fractions of its length."""
    passed = np.cumsum(counts) / counts.sum()
    first, last = np.searchsorted(passed, [_STRAY, 1 - _STRAY])
    return first / len(counts), (last + 1) / len(counts)


def around(found: Sequence[Box], margin: float, last: Window = WHOLE) -> Window:
    """The window around all objects.

    Args:
        found: what they cover, one or more.
        margin: its side over the longer side of what they cover together.
        last: the window before, whose size is kept if it nearly fits.
    """
    top, left = min(box.top for box in found), min(box.left for box in found)
    bottom, right = max(box.bottom for box in found), max(box.right for box in found)
    side = max(_SMALLEST, margin * max(bottom - top, right - left))
    if abs(side / last.side - 1) < _STEADY:
        side = last.side
    if side > _LARGEST:
        return WHOLE
    slack = 1 - side
    centre_y, centre_x = (top + bottom) / 2, (left + right) / 2
    return Window(min(max(centre_y - side / 2, 0.0), slack), min(max(centre_x - side / 2, 0.0), slack), side)


def moved(planes: Floats, source: Window, target: Window) -> Floats:
    """``(N, h, w)`` planes that show one window, as another window of the same frame shows them.

    What the first does not show is zero.
    """
    if source == target:
        return planes
    height, width = planes.shape[1:]
    scale = target.side / source.side
    # Pixel centres: x of the source for x of the target.
    down = (target.top - source.top) / source.side * height + (scale - 1) / 2
    across = (target.left - source.left) / source.side * width + (scale - 1) / 2
    matrix = np.array([[scale, 0, across], [0, scale, down]])
    result = np.empty_like(planes)
    for plane, out in zip(planes, result, strict=True):
        cv2.warpAffine(
            np.ascontiguousarray(plane),
            matrix,
            (width, height),
            dst=out,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
    return result
