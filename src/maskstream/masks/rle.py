"""Run-length codes of masks as COCO has them, and a JSON file of them for a whole video.

A mask is read column by column; the counts are the lengths of the runs of 0 and 1 in turn, beginning with 0.
The compressed form writes each count as its difference to the one two before it, five bits a character from
``0`` on, least first, with a continuation bit (pycocotools, ``common/maskApi.c``).
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, TypedDict

import cv2
import numpy as np

from maskstream.arrays import AnyLabelMap
from maskstream.errors import InputError
from maskstream.files import written_beside
from maskstream.masks.palette import present_ids
from maskstream.pictures import check_pixels


class Rle(TypedDict):
    """A mask as COCO writes it: ``size`` is ``[H, W]``, ``counts`` the compressed string or a list."""

    size: list[int]
    counts: str | list[int]


def encode(mask: AnyLabelMap, compressed: bool = True) -> Rle:
    """The run-length code of a mask.

    Args:
        mask: ``(H, W)``, 0 = outside, anything else inside.
        compressed: counts as COCO's string, else as a list of integers.
    """
    height, width = mask.shape
    counts = _counts(mask)
    return {"size": [height, width], "counts": counts_to_string(counts) if compressed else counts}


def decode(rle: Rle) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The ``(H, W)`` uint8 mask (0 or 1) of a run-length code, of either form.

    Raises:
        InputError: it is no run-length code, or the runs don't add up to the size, which has too many pixels.
    """
    height, width, counts = _checked(rle)
    check_pixels("run-length code", width, height)
    if sum(counts) != height * width:
        raise InputError(
            f"run-length code of {sum(counts)} pixels for a mask of {width}x{height}; it is damaged"
        )
    values = (np.arange(len(counts)) & 1).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)


def _checked(rle: Any) -> tuple[int, int, list[int]]:
    """Height, width and runs of a code.

    Raises:
        InputError: it is none.
    """
    try:
        height, width = (operator.index(side) for side in rle["size"])
        given = rle["counts"]
        runs = string_to_counts(given) if isinstance(given, str | bytes) else given
        counts = [operator.index(run) for run in runs]
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise InputError(
            'not a run-length code; it is {"size": [height, width], "counts": ...}, as in COCO'
        ) from error
    if min(height, width, *counts, 0) < 0:
        raise InputError("run-length code with a run or a size below 0; it is damaged")
    return height, width, counts


def counts_to_string(counts: Sequence[int]) -> str:
    """COCO's compressed string of the counts."""
    characters = bytearray()
    for i, count in enumerate(counts):
        rest = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if bits & 0x10 else 0)
            characters.append((bits | (0x20 if more else 0)) + 48)
    return characters.decode("ascii")


def string_to_counts(string: str | bytes) -> list[int]:
    """The counts of COCO's compressed string."""
    counts: list[int] = []
    value = shift = 0
    for character in string.encode("ascii") if isinstance(string, str) else string:
        bits = character - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    return counts


def _counts(mask: AnyLabelMap) -> list[int]:
    columns = np.ascontiguousarray(np.asarray(mask).T != 0).ravel()
    changes = np.flatnonzero(columns[1:] != columns[:-1]) + 1
    bounds = np.concatenate(([0], changes, [columns.size]))
    counts: list[int] = np.diff(bounds).tolist()
    return [0, *counts] if columns.size and columns[0] else counts


class RleWriter:
    """Writes the masks of a video to one JSON file, a frame at a time, in constant memory.

    The file is ``{"size": [H, W], "frames": [{"frame": 0, "time": 0.0, "objects": [{"id": 1, "rle": {...},
    "bbox": [x, y, w, h], "area": n}, ...]}, ...]}``, one line for each frame; ``time`` is in seconds and left
    out where unknown. It is written beside and renamed when the ``with`` block ends well; when that ends with
    an exception nothing is left.

    Example:
        >>> with RleWriter("masks.json", size=(64, 96)) as writer:
        ...     writer.write(0, first_label_map)
    """

    def __init__(self, path: str | os.PathLike[str], size: tuple[int, int]) -> None:
        """Name the file; it is begun by ``with``.

        Args:
            path: file to write.
            size: ``(H, W)`` of every label map.

        Raises:
            InputError: the folder of the file does not exist.
        """
        self._path = Path(path)
        self._size = size
        self._first = True
        self._stack = ExitStack()
        self._file: TextIO
        if not Path(path).parent.is_dir():
            raise InputError(f"{path}: its folder does not exist; make it first")

    def __enter__(self) -> RleWriter:
        part = self._stack.enter_context(written_beside(self._path))
        self._file = self._stack.enter_context(part.open("w", encoding="ascii"))
        self._file.write(f'{{"size": [{self._size[0]}, {self._size[1]}], "frames": [')
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.write("\n]}\n")
        self._stack.__exit__(kind, error, trace)

    def write(self, frame: int, label_map: AnyLabelMap, time: Fraction | float | None = None) -> None:
        """Append one frame.

        Args:
            frame: index of the frame.
            label_map: ``(H, W)`` integer ids, 0 = background; any ids.
            time: seconds in the video.

        Raises:
            ValueError: a label map of another size.
        """
        if label_map.shape != tuple(self._size):
            raise ValueError(f"expected a label map of {self._size}, got {label_map.shape}")
        record: dict[str, Any] = {"frame": frame}
        if time is not None:
            record["time"] = float(time)
        record["objects"] = [self._object(label_map, i) for i in present_ids(label_map)]
        self._file.write(("" if self._first else ",") + "\n" + json.dumps(record))
        self._first = False

    @staticmethod
    def _object(label_map: AnyLabelMap, object_id: int) -> dict[str, Any]:
        mask = (label_map == object_id).view(np.uint8)
        return {
            "id": object_id,
            "rle": encode(mask),
            "bbox": list(cv2.boundingRect(mask)),
            "area": int(np.count_nonzero(mask)),
        }
