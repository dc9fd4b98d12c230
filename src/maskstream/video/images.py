"""Folders of images as a video: which files, in which order, and their pixels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskstream.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts ``frame2`` before ``frame10``."""
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]


def list_images(folder: Path) -> list[Path]:
    """The images of a folder (a DAVIS sequence: ``JPEGImages/480p/bear``), sorted naturally, at least one.

    Raises:
        InputError: the folder holds no image; a sequence below it is named where there is one.
    """
    images = sorted(
        (f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith(".")),
        key=lambda f: natural_key(f.name),
    )
    if images:
        return images
    for below in sorted(folder.rglob("*")):
        if below.suffix.lower() in IMAGE_SUFFIXES:
            raise InputError(
                f"{folder}: no images here, but below it; name one sequence, e.g. {below.parent}"
            )
    raise InputError(f"{folder}: no images in this folder ({', '.join(s[1:] for s in IMAGE_SUFFIXES)})")


def read_image(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    """``(H, W, 3)`` uint8 RGB, upright by its EXIF orientation; None where the file is no image."""
    data = np.fromfile(path, dtype=np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        return None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
