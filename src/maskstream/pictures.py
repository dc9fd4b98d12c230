"""Image files, opened only as far as their header until it is known that they fit into memory."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from PIL import Image

from maskstream.errors import InputError

#: Megapixels that a picture may have at most: an environment variable, for those who need more (or less).
LIMIT_VARIABLE = "MASKSTREAM_MEGAPIXELS"
_MEGAPIXELS = 100.0
_pillow = Lock()  # guards Pillow's own limit, which is one for the whole process


def most_pixels() -> int:
    """How many pixels a picture may have: 100 million, or as many as the environment says.

    Raises:
        InputError: the environment says no number above 0.
    """
    text = os.environ.get(LIMIT_VARIABLE)
    try:
        megapixels = float(text) if text else _MEGAPIXELS
    except ValueError:
        megapixels = 0.0
    if not 0 < megapixels < 1e6:
        raise InputError(f"{LIMIT_VARIABLE}={text}: give millions of pixels, as 100")
    return round(megapixels * 1e6)


def check_pixels(path: str | os.PathLike[str], width: int, height: int) -> None:
    """Refuse a picture that is too large, before it is decoded.

    Raises:
        InputError: that.
    """
    if width * height > most_pixels():
        raise InputError(
            f"{path}: {width}x{height} pixels are more than {most_pixels() / 1e6:g} million; make it "
            f"smaller, or set {LIMIT_VARIABLE} to more"
        )


@contextmanager
def opened_picture(path: Path) -> Iterator[Image.Image]:
    """An image file of which only the header has been read.

    Raises:
        InputError: it has too many pixels.
        OSError: it is no image that Pillow knows, or can't be opened. (So do ``SyntaxError`` and
            ``ValueError`` of a damaged header.)
    """
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # ours is looked at next
        try:
            image = Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    with image:
        check_pixels(path, *image.size)
        yield image
