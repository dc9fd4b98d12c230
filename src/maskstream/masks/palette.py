"""The colour map of PASCAL VOC and DAVIS, and label maps as palette PNG files in it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image

from maskstream.arrays import AnyLabelMap
from maskstream.errors import InputError
from maskstream.files import path_of, written_beside


def davis_palette() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """``(256, 3)`` uint8 RGB: id -> colour, by bit reversal (PASCAL VOC, ``VOClabelcolormap``).

    Bit ``3 j + c`` of the id becomes bit ``7 - j`` of channel ``c``.
    """
    ids = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for j in range(8):
        for channel in range(3):
            bit = (ids >> (3 * j + channel)) & 1
            colours[:, channel] |= (bit << (7 - j)).astype(np.uint8)
    return colours


PALETTE = davis_palette()
_PALETTE_BYTES = PALETTE.tobytes()


def present_ids(label_map: AnyLabelMap) -> tuple[int, ...]:
    """The object ids in a label map, ascending, without 0."""
    if label_map.dtype == np.uint8:
        found = np.flatnonzero(np.bincount(label_map.ravel(), minlength=1))
    else:
        found = np.unique(label_map)
    return tuple(int(i) for i in found if i)


def checked_label_map(label_map: Any, where: str) -> AnyLabelMap:
    """What a caller gives for a label map, if it is one.

    Args:
        label_map: ``(H, W)`` whole numbers or bool.
        where: it is for, for the message.

    Raises:
        InputError: it is something else.
    """
    if not isinstance(label_map, np.ndarray):
        raise InputError(
            f"{where}: a {type(label_map).__name__} is no label map; give an (H, W) NumPy array of object ids"
        )
    if label_map.ndim != 2 or label_map.dtype.kind not in "iub":
        raise InputError(
            f"{where}: an array of shape {label_map.shape} and type {label_map.dtype} is no label map; "
            "give (H, W) whole numbers, 0 = background"
        )
    return label_map


def write_label_map(path: str | os.PathLike[str], label_map: AnyLabelMap) -> None:
    """Write a label map as a palette PNG, the file DAVIS and YouTube-VOS use; pixel value = object id.

    The file is written beside and renamed, one of many (``files.Unfinished``). The fastest compression that
    still finds flat regions is used: 1.5 ms and a few kilobytes at 720p.

    Args:
        path: file to write, ``.png``.
        label_map: ``(H, W)`` integer ids, 0 = background, at most 255.

    Raises:
        InputError: an id is negative or above 255, or it is no label map.
    """
    path = path_of(path, "a .png file")
    label_map = checked_label_map(label_map, str(path))
    if label_map.dtype.kind != "b" and label_map.dtype != np.uint8:
        low, high = int(label_map.min(initial=0)), int(label_map.max(initial=0))
        if low < 0 or high > 255:
            raise InputError(
                f"{path}: object id {high if high > 255 else low} does not fit a palette PNG (1 to 255); "
                "renumber the objects"
            )
    image = Image.fromarray(np.ascontiguousarray(label_map, dtype=np.uint8))
    image.putpalette(_PALETTE_BYTES)
    with written_beside(path, one_of_many=True) as part:
        image.save(part, format="PNG", compress_level=1)
