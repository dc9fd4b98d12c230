"""A room and a figure, drawn: for tests and measurements where no camera is. No codec takes part in it.

Each frame carries its index as a strip of black and white squares along its bottom, that survives a moderate
change of size, so that a test can tell which frame a picture was made of.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Frame

ROOM = (175, 150, 40)  #: RGB of the room, that shades a little from side to side; no chroma screen's colour
FIGURE = (220, 60, 50)  #: RGB of the figure's body
HEAD = (235, 190, 160)  #: and of its head
BITS = 24  #: of the index in the strip, the highest first
WALK = 12.0  #: seconds of a walk through the room, out of it, and back
AWAY = 2.0  #: of these without the figure


class _Ellipse(NamedTuple):
    centre: tuple[int, int]
    axes: tuple[int, int]
    colour: tuple[int, int, int]


class DrawnRoomFeed:
    """The drawn room as a source: frames at their times, those that come too late are left out.

    Args:
        width: in pixels, 64 or more.
        height: in pixels, 64 or more.
        fps: frames a second.
    """

    sound = False
    pixel_aspect = 1.0

    def __init__(self, width: int, height: int, fps: float) -> None:
        self.frame_rate: float | None = fps
        self._fps = fps
        self._room = draw_room(width, height)
        self._start: float | None = None
        self._index = -1

    def grab(self) -> float:
        """When the next frame is due; as a camera would, it leaves out what nobody took in time."""
        now = time.monotonic()
        if self._start is None:
            self._start = now
        self._index = max(self._index + 1, int((now - self._start) * self._fps))
        return self._start + self._index / self._fps

    def picture(self) -> Frame:
        """The frame of that time."""
        return draw_frame(self._room, self._index, self._fps)

    def close(self) -> None:
        """Nothing is held."""


def draw_room(width: int, height: int) -> Frame:
    """The empty room, ``(height, width, 3)`` uint8 RGB: nowhere a colour of the figure's."""
    shade = np.linspace(0.8, 1.2, width, dtype=np.float32)[None, :, None]
    room = np.broadcast_to(np.array(ROOM, np.float32) * shade, (height, width, 3)).astype(np.uint8)
    room[int(height * 0.75) :] //= 2  # the floor
    return np.ascontiguousarray(room)


def draw_frame(room: Frame, index: int, fps: float = 30.0) -> Frame:
    """One frame.

    Args:
        room: ``(H, W, 3)`` uint8 RGB, the empty one; not changed.
        index: of the frame, from 0; the strip shows it.
        fps: frames a second, for the pace of the figure.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    frame = room.copy()
    for centre, axes, colour in _figure(room.shape[1], room.shape[0], index / fps):
        cv2.ellipse(frame, centre, axes, 0, 0, 360, colour, -1)
    for box, bit in _strip(room.shape[1], room.shape[0], index):
        frame[box] = 255 if bit else 0
    return frame


def figure_mask(width: int, height: int, index: int, fps: float = 30.0) -> NDArray[np.uint8]:
    """Where the figure is in a frame, ``(height, width)`` uint8: 1 in it, else 0; the strip covers it."""
    mask = np.zeros((height, width), np.uint8)
    for centre, axes, _ in _figure(width, height, index / fps):
        cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1)
    for box, _ in _strip(width, height, index):
        mask[box] = 0
    return mask


def read_index(frame: Frame) -> int:
    """The index that a frame's strip shows.

    Args:
        frame: ``(H, W, 3)`` uint8, of any size that the whole frame was brought to.
    """
    height, width = frame.shape[:2]
    index = 0
    for rows, columns in (box for box, _ in _strip(width, height, 0)):
        y, x = (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2
        index = index * 2 + int(frame[y, x].mean() > 127)
    return index


def _strip(width: int, height: int, index: int) -> Iterator[tuple[tuple[slice, slice], int]]:
    top = height - max(4, height // 32)
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        yield (slice(top, height), slice(left, right)), index >> (BITS - 1 - bit) & 1


def _figure(width: int, height: int, seconds: float) -> list[_Ellipse]:
    """It begins in the middle and leaves on the right; after a while it comes in from the left."""
    seconds %= WALK
    way = (WALK - AWAY) / 2
    if way <= seconds < way + AWAY:
        return []
    reach = width / 2 + 0.4 * height
    x = round(width / 2 + (seconds if seconds < way else seconds - WALK) / way * reach)
    bob = 0.01 * height * np.sin(6 * seconds)
    return [
        _Ellipse((x, round(0.72 * height + bob)), (round(0.16 * height), round(0.34 * height)), FIGURE),
        _Ellipse((x, round(0.3 * height + bob)), (round(0.09 * height), round(0.12 * height)), HEAD),
    ]
