"""Masks in: every format people keep label maps in, to one label map; or one line on why not."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

from maskstream.arrays import AnyLabelMap, Mask
from maskstream.errors import InputError
from maskstream.files import check_is_there, path_of
from maskstream.masks.palette import present_ids
from maskstream.masks.pixels import MOST_IDS, label_map_of
from maskstream.pictures import opened_picture

logger = logging.getLogger(__name__)

_MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".gif")


@dataclass(frozen=True)
class ReadMask:
    """A label map that was read.

    Attributes:
        label_map: ``(H, W)`` uint8 object ids, 0 = background.
        ids: the ids in it, ascending, at least one.
    """

    label_map: AnyLabelMap
    ids: tuple[int, ...]


def read_label_map(path: str | os.PathLike[str], threshold_soft: bool = False) -> ReadMask:
    """Read a label map from an image file.

    What the pixels mean, by the kind of file:

    - palette (P): the index is the id (DAVIS, YouTube-VOS, VOC);
    - grey (L, 16-bit): the value is the id; a mask of 0 and 255 only is one object, id 1 (DAVIS-2016);
    - two levels (1): id 1;
    - colour (RGB): black is background; colours of the DAVIS palette are its ids, others take the lowest free
      ids in order of their (R, G, B) values, so that the same colours get the same ids in every file;
    - with transparency (LA, RGBA, or a transparent colour of any other): transparent is background, the rest
      as above; a picture that is cut out is one object in the shape of its opaque part.

    Soft edges, of a brush or of saving as JPEG, are rounded to the nearest object, with a message. Where
    nothing is black, 0 or transparent, the colour of the border is background, with a message too. The
    picture is turned upright by its EXIF orientation, as frames are.

    Args:
        path: image file.
        threshold_soft: soft edges are wanted to be rounded: no word is said about it.

    Raises:
        InputError: missing, not an image, too large, empty, a photograph, or ids above 255.
    """
    path = path_of(path, "a mask")
    label_map = _label_map(path, threshold_soft)
    ids = present_ids(label_map)
    if not ids:
        raise InputError(f"{path}: the mask is empty (no object pixel); mark at least one object")
    return ReadMask(label_map, ids)


def read_object_masks(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    frame: int = 0,
    threshold_soft: bool = False,
) -> ReadMask:
    """Read one frame's label map from one file an object.

    Args:
        source: the files, or a folder of them (the number in a file's name is its id), or a SA-V folder:
            ``<video>/000/00000.png``, the folder's name is the id. Where an id is 0, which is the background
            here, all are counted one up; where names hold no distinct numbers, files are counted from 1 in
            natural order. Where objects overlap, the later id wins, with a warning.
        frame: of a SA-V folder, the number of the frame wanted; an object without that file is absent.
        threshold_soft: as for ``read_label_map``.

    Raises:
        InputError: no masks there, masks of different sizes, all empty, label maps of single
            frames, or what ``read_label_map`` refuses.
    """
    files = _object_files(source, frame)
    label_map: AnyLabelMap | None = None
    overlaps: list[str] = []
    frames = _FramesOfOne(files, frame)
    for object_id, path in sorted(files.items()):
        one = _label_map(path, threshold_soft)
        if label_map is None:
            label_map = np.zeros(one.shape, dtype=np.uint8)
        check_size(one, (len(label_map), label_map.shape[-1]), path, "the first mask")
        frames.check(one)
        mask = one > 0
        if not mask.any():
            logger.warning("%s: is empty; there is no object %d", path, object_id)
        if overlap := int(np.count_nonzero(label_map[mask])):
            overlaps.append(f"{path}: {overlap} pixels overlap earlier objects; object {object_id} wins")
        label_map[mask] = object_id
    assert label_map is not None
    for said in overlaps:
        logger.warning("%s", said)
    ids = present_ids(label_map)
    if not ids:
        raise InputError(
            f"{next(iter(files.values())).parent}: all masks are empty; mark at least one object"
        )
    return ReadMask(label_map, ids)


def check_size(
    label_map: Mask, size: tuple[int, int], path: str | os.PathLike[str], of: str = "the video"
) -> None:
    """Refuse a label map of another size.

    Args:
        label_map: ``(H, W)``.
        size: ``(H, W)`` that it must have.
        path: file it came from, for the message.
        of: whose size that is, for the message.

    Raises:
        InputError: another size, even if of the same shape.
    """
    height, width = label_map.shape
    if (height, width) != tuple(size):
        raise InputError(
            f"{path}: the mask is {width}x{height} but {of} is {size[1]}x{size[0]}; "
            "resize the mask with nearest neighbour, or draw it on a frame of that size"
        )


class _FramesOfOne:
    """Notices a folder whose files are the label maps of one sequence's frames, not one file an object.

    Args:
        files: by object id.
        frame: that a mask is wanted of.
    """

    _COUNT, _ALIKE = 3, 0.3  #: so many files in turn that have so much (IoU) in common with the one before

    def __init__(self, files: dict[int, Path], frame: int) -> None:
        self._files, self._frame = list(files.values()), frame
        self._before: AnyLabelMap | None = None
        self._alike = 0

    def check(self, label_map: AnyLabelMap) -> None:
        """Look at the next file's label map.

        Raises:
            InputError: now it is clear.
        """
        objects = len(present_ids(label_map))
        if len(self._files) > 1 and objects > 1:
            self._refuse(f"with {objects} objects in one of them")
        if self._before is not None:
            both = np.count_nonzero(label_map.astype(bool) & self._before.astype(bool))
            either = np.count_nonzero(label_map.astype(bool) | self._before.astype(bool))
            self._alike = self._alike + 1 if either and both >= self._ALIKE * either else 0
        self._before = label_map
        if self._alike >= self._COUNT - 1:
            self._refuse("all of the same place")

    def _refuse(self, why: str) -> None:
        named = {int(path.stem): path for path in self._files if path.stem.isdecimal()}
        chosen = named.get(self._frame, self._files[0])
        raise InputError(
            f"{self._files[0].parent}: these {len(self._files)} files look like the label maps of single "
            f"frames ({why}), not like one file an object; give that of one frame, as {self._frame}={chosen}"
        )


def _label_map(path: Path, threshold_soft: bool) -> AnyLabelMap:
    """The label map of one file, possibly empty."""
    return label_map_of(_open(path), path, threshold_soft)


def _open(path: Path) -> Image.Image:
    """The upright picture of a file, loaded.

    Raises:
        InputError: that can't be.
    """
    check_is_there(path, "mask file")
    if path.is_dir():
        raise InputError(f"{path}: a folder where one mask file is expected")
    try:
        with opened_picture(path) as image:
            kind, count = image.format, getattr(image, "n_frames", 1)
            if kind == "TIFF" and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                upright = _turned_tiff(path)
            else:
                upright = ImageOps.exif_transpose(image)
            upright.load()
    except InputError:
        raise
    except Exception as error:  # of a damaged file Pillow raises what its code meets with
        raise InputError(f"{path}: not a readable image; save the mask as PNG") from error
    if count > 1:
        logger.warning("%s: holds %d pictures; the first one is the mask", path, count)
    upright.format = kind
    return upright


def _turned_tiff(path: Path) -> Image.Image:
    """A TIFF with an orientation, which Pillow garbles where it isn't compressed."""
    pixels = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV can't read it")
    codes = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return Image.fromarray(cv2.cvtColor(pixels, codes[channels]) if channels > 1 else pixels)


def _object_files(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], frame: int
) -> dict[int, Path]:
    if isinstance(source, Sequence) and not isinstance(source, str | bytes):
        paths = [path_of(path, "a mask") for path in source]
        return _numbered(paths, [path.stem for path in paths], "the list of masks")
    folder = path_of(source, "a folder of masks, or a list of files,")
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder of masks")
    below = sorted(f for f in folder.iterdir() if f.is_dir() and f.name.isdigit())
    if below:
        numbered = _numbered(below, [f.name for f in below], str(folder))
        files = {i: f for i, f in ((i, _frame_file(f, frame)) for i, f in numbered.items()) if f is not None}
        if not files:
            raise InputError(
                f"{folder}: no object has a mask for frame {frame}; choose a frame that has masks"
            )
        return files
    masks = sorted(
        (f for f in folder.iterdir() if f.suffix.lower() in _MASK_SUFFIXES and not f.name.startswith(".")),
        key=lambda f: (len(f.name), f.name),
    )
    return _numbered(masks, [f.stem for f in masks], str(folder))


def _frame_file(folder: Path, frame: int) -> Path | None:
    return next(
        (
            f
            for f in sorted(folder.iterdir())
            if f.suffix.lower() in _MASK_SUFFIXES and f.stem.isdigit() and int(f.stem) == frame
        ),
        None,
    )


def _numbered(paths: Sequence[Path], names: Sequence[str], where: str) -> dict[int, Path]:
    """Object id -> path, by the last number in each name."""
    if not paths:
        raise InputError(f"{where}: no masks here; give one PNG for each object")
    numbers = [re.findall(r"\d+", name) for name in names]
    ids = [int(n[-1]) if n else -1 for n in numbers]
    if -1 in ids or len(set(ids)) < len(ids):
        ids = list(range(1, len(paths) + 1))
        logger.info("%s: objects are counted from 1: %s", where, ", ".join(p.name for p in paths))
    elif 0 in ids:
        ids = [i + 1 for i in ids]
        logger.info("%s: ids are counted one up, since 0 is the background", where)
    if max(ids) > MOST_IDS:
        raise InputError(
            f"{where}: object id {max(ids)}, but at most {MOST_IDS} fit; renumber the objects from 1"
        )
    return dict(zip(ids, paths, strict=True))
