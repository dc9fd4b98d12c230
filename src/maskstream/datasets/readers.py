"""What every data-set reader yields: names and loaders, so that nothing is decoded before it is wanted.

A label map file becomes ids by one rule, whatever the data set:

* palette, grey and 1-bit images hold ids as they are, 0 = background and 255 = void;
* if 255 is the only non-zero value of the whole file, it is a binary mask and 255 means the object (id 1);
* a grey file with values from 128 to 254 is an anti-aliased binary mask, cut at one half: no set numbers its
  objects so high;
* colour images are taken when their channels agree (as some masks of DAVIS 2016 do), and refused otherwise.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskstream.arrays import Alpha, Bytes, Frame, LabelMap
from maskstream.datasets.file_index import FileRef
from maskstream.errors import InputError

logger = logging.getLogger(__name__)

VOID = 255  #: label of pixels whose truth is unknown: ignored by losses, never pasted

Pair = tuple[Frame, LabelMap]
Load = Callable[[], Pair]


@dataclass(frozen=True)
class LabelledImage:
    """A still image with its label map.

    Attributes:
        name: unique in its data set, like ``ecssd/00012``; the part before the slash is the set.
        load: decodes it; raises :class:`InputError` when it is broken.
        paste_only: the surroundings are meaningless, so only the object may be shown.
        stamp: differs when other pixels would be loaded under this name (sizes of the files, options); it
            keeps caches from going stale.
    """

    name: str
    load: Load
    paste_only: bool = False
    stamp: str = ""


@dataclass(frozen=True)
class LabelledFrame:
    """One labelled frame of a video; see :class:`LabelledImage`."""

    name: str
    load: Load
    stamp: str = ""


@dataclass(frozen=True)
class LabelledVideo:
    """A video's labelled frames in order.

    Attributes:
        name: of the sequence.
        step: source frames between two labelled frames.
        frames: all of one size.
        weight: how often it is drawn in training, beside one like it of weight 1.
    """

    name: str
    step: int
    frames: tuple[LabelledFrame, ...]
    weight: float = 1.0


@dataclass
class ReadingReport:
    """What was left out while reading, each thing named in a warning."""

    problems: list[tuple[str, str]] = field(default_factory=list)  #: (name, reason)

    @property
    def skipped(self) -> int:
        """How many items were left out."""
        return len(self.problems)

    def skip(self, name: str, reason: str) -> None:
        """Notes that an item is left out."""
        self.problems.append((name, reason))
        logger.warning("skipped %s: %s", name, reason)


def read_rgb(file: FileRef, name: str) -> Frame:
    """Decodes an image.

    Returns:
        ``(H, W, 3)`` uint8 RGB.

    Raises:
        InputError: the file cannot be decoded.
    """
    return np.asarray(_decode(file, name).convert("RGB"))


def read_labels(file: FileRef, name: str) -> LabelMap:
    """Decodes a label map by the rule at the top of this module.

    Returns:
        ``(H, W)`` uint8 ids, 0 = background, 255 = void.

    Raises:
        InputError: the file cannot be decoded, or holds colours or ids above 255.
    """
    image = _decode(file, name)
    labels = _values(image, name)
    present = np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256)[1:]) + 1
    if present.tolist() == [VOID]:
        return np.asarray(labels == VOID, np.uint8)
    if image.mode != "P" and ((present >= 128) & (present < VOID)).any():
        return np.asarray(labels >= 128, np.uint8)
    return labels


def read_ids(file: FileRef, name: str) -> LabelMap:
    """Decodes a label map as the DAVIS tools do: whatever number a pixel holds is its id.

    Returns:
        ``(H, W)`` uint8.

    Raises:
        InputError: as for :func:`read_labels`.
    """
    return _values(_decode(file, name), name)


def read_alpha(file: FileRef, name: str) -> Alpha:
    """Turns a soft matte into labels: object from 0.9 up, background up to 0.1, void between.

    Returns:
        ``(H, W)`` uint8 of 0, 1 and 255.

    Raises:
        InputError: the file cannot be decoded.
    """
    alpha = np.asarray(_decode(file, name).convert("L"), dtype=np.float32) / 255
    return np.where(alpha >= 0.9, 1, np.where(alpha > 0.1, VOID, 0)).astype(np.uint8)


def pair_loader(
    image: FileRef,
    mask: FileRef,
    name: str,
    *,
    one_object: bool = False,
    read_mask: Callable[[FileRef, str], Bytes] = read_labels,
) -> Load:
    """A loader for an image file and its mask file.

    Args:
        image: file of the image.
        mask: file of the label map.
        name: for messages.
        one_object: all ids become 1, as in DAVIS 2016.
        read_mask: decodes the mask.
    """

    def load() -> Pair:
        rgb, labels = read_rgb(image, name), read_mask(mask, name)
        if rgb.shape[:2] != labels.shape:
            (height, width), (mask_height, mask_width) = rgb.shape[:2], labels.shape
            raise InputError(f"{name}: the image is {width}x{height}, its mask {mask_width}x{mask_height}")
        if one_object:
            labels = np.where(labels == VOID, labels, labels > 0).astype(np.uint8)
        return rgb, labels

    return load


def _values(image: Image.Image, name: str) -> Bytes:
    values: NDArray[Any] = np.asarray(image)
    if values.ndim == 3:
        colours = values[..., : 1 if image.mode == "LA" else 3]
        if (colours != colours[..., :1]).any():
            raise InputError(f"{name}: the mask is a colour picture; save it as palette or grey ids")
        values = colours[..., 0]
    if values.dtype == np.uint8:
        return values
    if values.min() < 0 or values.max() > VOID:
        raise InputError(f"{name}: the mask has ids above 255; renumber its objects")
    return values.astype(np.uint8)


def _decode(file: FileRef, name: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(file.read()))
        image.load()
    except Exception as error:  # Pillow's decoders raise whatever their parsers raise
        raise InputError(f"{name}: cannot be decoded ({error})") from error
    return image
