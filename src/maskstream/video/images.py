"""Folders of images as a video: which files, in which order, and their pixels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags

from maskstream.arrays import Frame
from maskstream.errors import InputError, one_line
from maskstream.pictures import opened_picture

_DEEP, _FOLDERS = 4, 300  #: levels of folders, and folders, that are looked through for images
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts ``frame2`` before ``frame10``."""
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]


def list_images(folder: Path) -> list[Path]:
    """The images of a folder (a DAVIS sequence: ``JPEGImages/480p/bear``), sorted naturally, at least one.

    Raises:
        InputError: the folder holds no image; a sequence below it is named where there is one.
    """
    try:
        files = list(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: can't be looked into ({one_line(error)})") from error
    images = sorted(
        (f for f in files if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")),
        key=lambda f: natural_key(f.name),
    )
    if images:
        return images
    below = next(_folders_of_images(folder), None)
    if below is not None:
        raise InputError(f"{folder}: no images here, but below it; name one sequence, e.g. {below}")
    raise InputError(f"{folder}: no images in this folder ({', '.join(s[1:] for s in IMAGE_SUFFIXES)})")


def _folders_of_images(folder: Path) -> Iterator[Path]:
    """Folders below one that hold images, as far as can be looked through in an instant."""
    depth = len(folder.parts) + _DEEP
    for seen, (here, folders, files) in enumerate(os.walk(folder)):
        if seen > _FOLDERS:
            return
        folders[:] = sorted(folders) if len(Path(here).parts) < depth else []
        if any(Path(name).suffix.lower() in IMAGE_SUFFIXES for name in files):
            yield Path(here)


def read_image(path: Path) -> Frame | None:
    """``(H, W, 3)`` uint8 RGB, upright by its EXIF orientation; None where the file is no image.

    Raises:
        InputError: it has too many pixels.
    """
    try:
        with opened_picture(path):
            pass
        image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, TypeError, cv2.error):
        return None
    if image is None:
        return None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def has_alpha(path: Path) -> bool:
    """Whether an image that can be read is transparent somewhere."""
    try:
        with opened_picture(path) as image:
            if "A" not in image.getbands() and "transparency" not in image.info:
                return False
            return int(np.asarray(image.convert("RGBA"))[..., 3].min()) < 255
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError):
        return False


def exif_orientation(path: Path) -> int:
    """How an image is stored, by EXIF 2.3, tag 0x0112: 1, upright, to 8; 1 where nothing says so."""
    try:
        with opened_picture(path) as image:
            return int(image.getexif().get(ExifTags.Base.Orientation) or 1)
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, TypeError):
        return 1
