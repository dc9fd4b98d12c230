"""How a picture of any size fills a frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from maskstream.arrays import Frame
from maskstream.background.colours import Colour
from maskstream.background.frames import halved
from maskstream.errors import InputError

FITS = ("cover", "contain", "stretch")


@dataclass(frozen=True)
class Fit:
    """Where a picture goes in a frame; ``object-fit`` and ``object-position`` of CSS.

    Attributes:
        mode: ``cover`` fills the frame and crops what is too much, ``contain`` shows the whole picture with
            bars, ``stretch`` gives up its shape.
        position: of the picture in the frame, x and y: 0 is left and top, 1 right and bottom. Says what is
            cropped, or where the bars are.
        fill: colour of the bars.

    Raises:
        InputError: an unknown mode, a position outside 0..1.
    """

    mode: str = "cover"
    position: tuple[float, float] = (0.5, 0.5)
    fill: Colour = (0, 0, 0)

    def __post_init__(self) -> None:
        if self.mode not in FITS:
            raise InputError(f"fit {self.mode}: there is no such way; take one of {', '.join(FITS)}")
        if not all(0 <= part <= 1 for part in self.position):
            x, y = self.position
            raise InputError(f"position {x:g},{y:g}: both parts go from 0 (left, top) to 1 (right, bottom)")

    def __call__(
        self, image: Frame, height: int, width: int, pixel_aspect: float = 1.0, quick: bool = False
    ) -> Frame:
        """The picture at a frame's size.

        Args:
            image: ``(h, w, 3)`` uint8 of any size; not changed. Where it fits already, it is given back.
            height: of the frame.
            width: of the frame.
            pixel_aspect: width / height of a pixel of the picture.
            quick: for a picture that is shown for one frame only; a little less smooth.

        Returns:
            ``(height, width, 3)`` uint8, C-contiguous.
        """
        rows, columns = image.shape[:2]
        x, y = self.position
        scales = width / (columns * pixel_aspect), height / rows
        placed_height, placed_width = height, width
        if self.mode == "cover":
            scale = max(scales)
            kept_rows = _within(height / scale, rows)
            kept_columns = _within(width / (scale * pixel_aspect), columns)
            top, left = round((rows - kept_rows) * y), round((columns - kept_columns) * x)
            image = image[top : top + kept_rows, left : left + kept_columns]
        elif self.mode == "contain":
            scale = min(scales)
            placed_height = _within(rows * scale, height)
            placed_width = _within(columns * pixel_aspect * scale, width)
        image = _resized(image, placed_height, placed_width, quick)
        if (placed_height, placed_width) == (height, width):
            return np.ascontiguousarray(image)
        frame = np.full((height, width, 3), self.fill, dtype=np.uint8)
        top, left = round((height - placed_height) * y), round((width - placed_width) * x)
        frame[top : top + placed_height, left : left + placed_width] = image
        return frame


def _within(size: float, limit: int) -> int:
    return min(max(1, round(size)), limit)


def _resized(image: Frame, height: int, width: int, quick: bool) -> Frame:
    rows, columns = image.shape[:2]
    if quick:
        while rows >= 2 * height and columns >= 2 * width:
            image = halved(image)
            rows, columns = image.shape[:2]
        enlarge = cv2.INTER_LINEAR
    else:
        # OpenCV's area mean is one only where neither side grows.
        smaller = min(rows, height), min(columns, width)
        if smaller != (rows, columns):
            image = np.asarray(cv2.resize(image, smaller[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)
        rows, columns = smaller
        enlarge = cv2.INTER_CUBIC
    if (rows, columns) != (height, width):
        image = np.asarray(cv2.resize(image, (width, height), interpolation=enlarge), dtype=np.uint8)
    return image
