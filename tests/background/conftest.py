from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maskstream.matte.matting import Matte

from maskstream.video.write import VideoWriter

Array = np.ndarray[Any, Any]


def plain(*colour: int, height: int = 48, width: int = 64) -> Array:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def nothing(height: int = 48, width: int = 64) -> Matte:
    """A frame without any object."""
    return Matte(np.zeros((height, width), np.uint8), plain(0, height=height, width=width))


@pytest.fixture
def numbered_clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip whose picture number n is grey of level 20 + 20 n."""

    def make(
        count: int,
        fps: int = 10,
        times: Sequence[Fraction] | None = None,
        name: str = "clip.mp4",
        **size: int,
    ) -> Path:
        path = tmp_path / name
        with VideoWriter(path, fps=fps) as writer:
            for index in range(count):
                time = times[index] if times else Fraction(index, fps)
                duration = times[index + 1] - time if times and index + 1 < count else Fraction(1, fps)
                writer.write(plain(20 + 20 * (index % 11), **size), time, duration)
        return path

    return make


def number_of(image: Array) -> int:
    """The number that a picture of a numbered clip tells."""
    return round((float(image[5:-5, 5:-5].mean()) - 20) / 20)
