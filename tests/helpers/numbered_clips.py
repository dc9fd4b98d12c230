"""Frames without an object, and clips whose pictures tell their numbers."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from maskstream.matte.matting import Matte
from maskstream.video.write import VideoWriter

Array = np.ndarray[Any, Any]
ClipMaker = Callable[..., Path]


def plain(*colour: int, height: int = 48, width: int = 64) -> Array:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def nothing(height: int = 48, width: int = 64) -> Matte:
    """A frame without any object."""
    return Matte(np.zeros((height, width), np.uint8), plain(0, height=height, width=width))


def clip_maker(path: Path) -> ClipMaker:
    """A function that writes a clip whose picture number n is grey of level 20 + 20 n."""

    def make(count: int, fps: int = 10, times: Sequence[Fraction] | None = None, **size: int) -> Path:
        starts = list(times or [Fraction(index, fps) for index in range(count)])
        ends = [*starts[1:], starts[-1] + Fraction(1, fps)]
        with VideoWriter(path, fps=fps) as writer:
            for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
                writer.write(plain(20 + 20 * (index % 11), **size), start, end - start)
        return path

    return make


def number_of(image: Array) -> int:
    """The number that a picture of such a clip tells."""
    return round((float(image[5:-5, 5:-5].mean()) - 20) / 20)
