"""Animated WebP, which FFmpeg reads no more than the first picture of, if any."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from maskstream.arrays import Bytes
from maskstream.errors import InputError, one_line
from maskstream.pictures import opened_picture

logger = logging.getLogger(__name__)

TICK = Fraction(1, 1000)  #: seconds; the unit of its times


@dataclass(frozen=True)
class Animation:
    """What an animated picture is.

    Attributes:
        width: in pixels.
        height: in pixels.
        count: pictures.
        duration: seconds of all of them.
        alpha: whether the first one is transparent somewhere.
    """

    width: int
    height: int
    count: int
    duration: Fraction
    alpha: bool


def is_animation(path: Path) -> bool:
    """Whether a file is a WebP of several pictures (WebP container specification: VP8X, animation flag)."""
    try:
        with open(path, "rb") as file:
            head = file.read(21)
    except OSError:
        return False
    return len(head) == 21 and head[8:16] == b"WEBPVP8X" and head[:4] == b"RIFF" and bool(head[20] & 2)


def look(path: Path) -> Animation:
    """What an animated picture is.

    Raises:
        InputError: it can't be read.
    """
    duration, count, first, size = 0, 0, None, (0, 0)
    for image, ticks, length in _pictures(path):
        size = image.size
        first = np.asarray(image) if first is None else first
        count, duration = count + 1, ticks + length
    if first is None:
        raise InputError(f"{path}: no picture can be decoded from this file; it is damaged or cut short")
    alpha = first.shape[2] == 4 and int(first[..., 3].min()) < 255
    return Animation(*size, count, duration * TICK, alpha)


def pictures(path: Path) -> Generator[tuple[Bytes, int, int], None, None]:
    """The pictures of a file in turn.

    Yields:
        ``(H, W, 3)`` or ``(H, W, 4)`` uint8 RGB, perhaps with straight alpha; its time and how long it is
        shown, in ticks.

    Raises:
        InputError: it can't be opened, or has too many pixels.
    """
    for image, ticks, length in _pictures(path):
        yield np.array(image), ticks, length


def _pictures(path: Path) -> Generator[tuple[Image.Image, int, int], None, None]:
    ticks, index = 0, 0
    try:
        with opened_picture(path) as image:
            count = getattr(image, "n_frames", 1)
            while index < count:
                image.seek(index)
                image.load()
                length = max(1, int(image.info.get("duration") or 0))
                yield image, ticks, length
                ticks, index = ticks + length, index + 1
    except InputError:
        raise
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        if not index:
            raise InputError(f"{path}: not a readable picture ({one_line(error)}); save it again") from error
        logger.warning("%s: reading stops here, the rest is damaged (%s)", path, one_line(error))
