"""The subject of the last session, for ``VideoSegmenter.add_reference`` at the next start.

What is kept is **a picture of somebody's room**, on the disk, until it is forgotten. So nothing is kept
unless the user asked for it; only the owner may read the file (mode 0600, where there are such modes); it is
small, there is one for each source, and ``forget`` removes it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from maskstream.arrays import Frame, LabelMap
from maskstream.errors import InputError
from maskstream.files import written_beside

LONGEST = 640  #: of the kept picture's sides, in pixels
_PREFIX = "subject-"


class Remembered(NamedTuple):
    """A reference frame.

    Attributes:
        frame: ``(h, w, 3)`` uint8 RGB, its longer side at most ``LONGEST``.
        label_map: ``(h, w)`` uint8.
    """

    frame: Frame
    label_map: LabelMap


def cache_folder() -> Path:
    """Where the platform keeps what a program can do without: of maskstream."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
        default = Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base, default = "", Path.home() / "Library" / "Caches"
    else:
        base, default = os.environ.get("XDG_CACHE_HOME", ""), Path.home() / ".cache"
    root = Path(base)
    return (root if root.is_absolute() else default) / "maskstream"  # a relative one is to be ignored


def remember(folder: Path | None, key: str, frame: Frame, label_map: LabelMap) -> Path:
    """Keep a frame and its objects, in place of what was kept for this source. Ask the user first.

    Args:
        folder: where to; None: the user's cache folder.
        key: names the source, as ``camera:0``; only its checksum is kept.
        frame: ``(H, W, 3)`` uint8 RGB.
        label_map: ``(H, W)`` uint8, not all 0.

    Returns:
        The file.

    Raises:
        InputError: the label map is empty, of another size, or the folder can't be written.
    """
    if label_map.shape != frame.shape[:2]:
        raise InputError(f"the label map is {label_map.shape}, but the frame is {frame.shape[:2]}")
    if not label_map.any():
        raise InputError("an empty label map can't be remembered; mark at least one object")
    height, width = label_map.shape
    scale = min(1.0, LONGEST / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    labels = cv2.resize(label_map, size, interpolation=cv2.INTER_NEAREST)
    path = _path(folder, key)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with written_beside(path) as beside:
            beside.unlink(missing_ok=True)
            # Created for the owner alone: nobody can open it before a later chmod.
            number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            with os.fdopen(number, "wb") as file:
                Image.fromarray(np.dstack((small, labels)), "RGBA").save(file, "PNG")
    except OSError as error:
        raise InputError(f"{path.parent}: can't be written ({error.strerror or error})") from error
    return path


def recall(folder: Path | None, key: str) -> Remembered | None:
    """What was kept for a source; None: nothing, or nothing that can be read.

    Args:
        folder: None: the user's cache folder.
        key: names the source.
    """
    try:
        with Image.open(_path(folder, key)) as image:
            if image.mode != "RGBA" or max(image.size) > LONGEST:
                return None
            pixels = np.asarray(image, np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    label_map = np.ascontiguousarray(pixels[..., 3])
    return Remembered(np.ascontiguousarray(pixels[..., :3]), label_map) if label_map.any() else None


def forget(folder: Path | None = None, key: str | None = None) -> int:
    """Remove what was kept.

    Args:
        folder: None: the user's cache folder.
        key: of this source; None: of all.

    Returns:
        How many pictures were removed.
    """
    count = 0
    for path in [_path(folder, key)] if key is not None else list(_all(folder)):
        if path.exists():
            path.unlink()
            count += 1
    return count


def _all(folder: Path | None) -> Iterator[Path]:
    # What a killed process left half written too.
    return (cache_folder() if folder is None else folder).glob(f"*{_PREFIX}*.png*")


def _path(folder: Path | None, key: str) -> Path:
    name = hashlib.sha256(key.encode()).hexdigest()[:20]
    return (cache_folder() if folder is None else folder) / f"{_PREFIX}{name}.png"
