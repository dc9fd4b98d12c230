"""Whether a folder of images is a video at all."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.jobs.frames import FrameRange
from maskstream.video.images import read_image
from maskstream.video.probe import VideoInfo

logger = logging.getLogger(__name__)

_PAIRS = 8  #: of neighbouring images that are looked at, spread over the folder
_SIDE = 32  #: pixels that an image is shrunk to
#: Correlation below which two neighbours have little in common. Of 112 videos the median of such correlations
#: is never below 0.28; of 80 drawings of 6 photos it was above 0.2 in two.
_ALIKE = 0.2


def tell_of_photos(info: VideoInfo, frames: FrameRange) -> None:
    """Say in a line if the images of a folder look like separate photos instead of consecutive frames."""
    images = info.images[frames.start : frames.end]
    if len(images) > 1 and are_photos(images):
        logger.warning(
            "%s: its images look like separate photos, not like consecutive frames; objects are followed "
            "from image to image all the same. Put each photo into a folder of its own to segment it alone",
            info.path,
        )


def are_photos(images: tuple[Path, ...]) -> bool:
    """Whether neighbouring images have little in common: most of some pairs of them aren't alike.

    Args:
        images: in order, two or more.
    """
    pairs = list(pairwise(images))
    chosen = [pairs[i] for i in np.unique(np.linspace(0, len(pairs) - 1, _PAIRS).round().astype(int))]
    alike = [likeness(*pair) for pair in chosen]
    return float(np.median([value for value in alike if value is not None] or [1.0])) < _ALIKE


def likeness(one: Path, other: Path) -> float | None:
    """The correlation of two images, small and in colour, -1 to 1; None where one can't be read.

    Photos of different sizes have nothing in common (0).
    """
    first, second = read_image(one), read_image(other)
    if first is None or second is None:
        return None
    if first.shape != second.shape:
        return 0.0
    a, b = _small(first), _small(second)
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else 1.0


def _small(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """An image shrunk to a few numbers whose mean is 0."""
    small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    return np.asarray(small - small.mean())
