"""Folders of PNGs out, grey, RGB or with alpha, each file whole or not there."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from maskstream.arrays import Bytes
from maskstream.errors import InputError
from maskstream.files import written_beside

#: Of zlib; more takes longer and saves little on photographs.
_COMPRESSION = 1


class ImageSequenceWriter:
    """Writes each frame as ``NAME.png`` of a folder, in 8 bits without loss; alpha is straight.

    It may be used as a context manager like ``VideoWriter``. What has been written stays: each file is
    written under a temporary name and renamed, so that an interrupted sequence can be resumed.

    Example:
        >>> with ImageSequenceWriter("cut-out") as writer:
        ...     writer.write(first_frame, "00000", first_label_map * 255)
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Check the folder; the first ``write`` makes it.

        Raises:
            InputError: it is a file, or its parent folder does not exist.
        """
        self._folder = Path(folder)
        if self._folder.exists() and not self._folder.is_dir():
            raise InputError(f"{folder}: is a file; name a folder for the images")
        if not self._folder.parent.is_dir():
            raise InputError(f"{folder}: its parent folder does not exist; make it first")

    def __enter__(self) -> ImageSequenceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def write(self, image: Bytes, name: str, alpha: Bytes | None = None) -> None:
        """Write one frame.

        Args:
            image: ``(H, W, 3)`` uint8 RGB, or ``(H, W)`` uint8 grey (a matte).
            name: of the file, without ``.png``.
            alpha: ``(H, W)`` uint8, 255 = opaque, straight; for RGB only.

        Raises:
            ValueError: an array has another shape or type.
            OSError: the file can't be written, as on a full disk; nothing is left of it.
        """
        grey = image.ndim == 2 and alpha is None
        if image.dtype != np.uint8 or not (grey or (image.ndim == 3 and image.shape[2] == 3)):
            raise ValueError(f"expected an H x W x 3 or H x W uint8 image, got {image.shape} {image.dtype}")
        if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != image.shape[:2]):
            raise ValueError(f"expected an alpha like {image.shape[:2]}, got {alpha.shape} {alpha.dtype}")
        if alpha is not None:
            stored = cv2.merge((image[..., 2], image[..., 1], image[..., 0], alpha))
        else:
            stored = image if grey else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
        self._folder.mkdir(exist_ok=True)
        with written_beside(self._folder / f"{name}.png", one_of_many=True) as part:
            part.write_bytes(data.data)
