"""Masks in: every format people keep label maps in, to one label map; or one line on why not."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from maskstream.arrays import AnyLabelMap, Bytes, Mask
from maskstream.errors import InputError
from maskstream.masks.palette import PALETTE, present_ids

logger = logging.getLogger(__name__)

_MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".webp", ".jpg", ".jpeg")
_MOST_IDS = 255
_WHITE = 255


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
    - with transparency (LA, RGBA): transparent is background, the rest as above; a cut-out photograph is one
      object in the shape of its opaque part.

    Args:
        path: image file.
        threshold_soft: cut the soft mask of a single object (grey levels) at half instead of refusing it.

    Raises:
        InputError: missing, not an image, empty, anti-aliased, or ids above 255.
    """
    label_map = _label_map(Path(path), threshold_soft)
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
        InputError: no masks there, masks of different sizes, all empty, or what ``read_label_map`` refuses.
    """
    files = _object_files(source, frame)
    label_map: AnyLabelMap | None = None
    for object_id, path in sorted(files.items()):
        mask = _label_map(path, threshold_soft) > 0
        if label_map is None:
            label_map = np.zeros(mask.shape, dtype=np.uint8)
        check_size(mask, (label_map.shape[0], label_map.shape[1]), path, "the first mask")
        overlap = int(np.count_nonzero(label_map[mask]))
        if overlap:
            logger.warning("%s: %d pixels overlap earlier objects; object %d wins", path, overlap, object_id)
        label_map[mask] = object_id
    assert label_map is not None
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


def _label_map(path: Path, threshold_soft: bool) -> AnyLabelMap:
    """The label map of one file, possibly empty."""
    image = _open(path)
    mode = image.mode
    if mode == "P":
        return _from_palette(image, path, threshold_soft)
    if mode == "1":
        return np.asarray(image, dtype=np.uint8)
    if mode == "L":
        return _from_grey(np.asarray(image), path, threshold_soft)
    if mode.startswith("I"):
        return _from_deep(np.asarray(image), path, threshold_soft)
    if mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return _from_transparent(np.asarray(image.convert("RGBA")), path, threshold_soft)
    return _from_colours(np.asarray(image.convert("RGB")), path, threshold_soft)


def _open(path: Path) -> Image.Image:
    if path.is_dir():
        raise InputError(f"{path}: a folder where one mask file is expected")
    if not path.exists():
        raise InputError(f"{path}: no such mask file")
    try:
        image = Image.open(path)
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image; save the mask as PNG") from error
    return image


def _from_palette(image: Image.Image, path: Path, threshold_soft: bool) -> AnyLabelMap:
    indices = np.asarray(image)
    palette = np.zeros((256, 3), dtype=np.uint8)
    given = np.asarray(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    palette[: len(given)] = given
    used = np.flatnonzero(np.bincount(indices.ravel()))
    colours = palette[used]
    if (colours == PALETTE[used]).all():
        return indices.copy()
    if used.tolist() in ([0, _WHITE], [_WHITE]) and (palette[_WHITE] == _WHITE).all():
        return (indices > 0).astype(np.uint8)
    if palette[0].any() and not colours.any(axis=1).all():
        return _from_colours(palette[indices], path, threshold_soft)  # black is not index 0
    if (colours == colours[:, :1]).all():
        grey = palette[indices][..., 0]
        return _from_grey(grey, path, threshold_soft) if _is_soft(grey) else indices.copy()
    _refuse_blends(indices, colours, path, few_allowed=False)
    return indices.copy()


def _from_deep(values: np.ndarray[Any, Any], path: Path, threshold_soft: bool) -> AnyLabelMap:
    levels = np.unique(values)
    if levels[0] >= 0 and levels[-1] <= _MOST_IDS:
        return _from_grey(values.astype(np.uint8), path, threshold_soft)
    if levels.tolist() in ([0, 65535], [65535]):
        return (values > 0).astype(np.uint8)
    raise InputError(
        f"{path}: ids from {levels[0]} to {levels[-1]}, but at most {_MOST_IDS} fit; renumber them from 1"
    )


def _from_grey(values: Bytes, path: Path, threshold_soft: bool) -> AnyLabelMap:
    if present_ids(values) in ((), (_WHITE,)):
        return (values > 0).astype(np.uint8)
    if not _is_soft(values):
        return values.copy()
    if threshold_soft:
        return (values >= 128).astype(np.uint8)
    raise InputError(
        f"{path}: the mask is soft ({len(present_ids(values))} grey levels, most of them along edges only); "
        "save it without anti-aliasing, or have it cut at half (--threshold-soft, threshold_soft=True)"
    )


def _from_transparent(rgba: Bytes, path: Path, threshold_soft: bool) -> AnyLabelMap:
    rgb, alpha = rgba[..., :3], np.ascontiguousarray(rgba[..., 3])
    if alpha.min() == alpha.max():
        return _from_colours(rgb, path, threshold_soft) if alpha.any() else np.zeros_like(alpha)
    opaque = _from_grey(alpha, path, threshold_soft) > 0
    colours = np.unique(_packed(rgb)[opaque])
    if len(colours) > _MOST_IDS + 1:  # a photograph cut out
        return opaque.astype(np.uint8)
    if len(colours) == 1:
        return np.where(opaque, _PALETTE_IDS.get(int(colours[0])) or 1, 0).astype(np.uint8)
    return _from_colours(np.where(opaque[..., None], rgb, 0).astype(np.uint8), path, threshold_soft)


def _from_colours(rgb: Bytes, path: Path, threshold_soft: bool) -> AnyLabelMap:
    packed = _packed(rgb)
    values, inverse = np.unique(packed, return_inverse=True)
    colours = np.stack([values >> 16, (values >> 8) & 255, values & 255], axis=1).astype(np.uint8)
    known = [_PALETTE_IDS.get(int(value)) for value in values]
    if None in known and (colours == colours[:, :1]).all():
        return _from_grey(np.ascontiguousarray(rgb[..., 0]), path, threshold_soft)
    index = inverse.reshape(packed.shape)
    _refuse_blends(index, colours, path, few_allowed=None not in known)
    free = (i for i in range(1, 256) if i not in known)
    ids = [next(free) if i is None else i for i in known]
    if None in known:
        named = (f"{tuple(colour)}={i}" for colour, i in zip(colours.tolist(), ids, strict=True) if i)
        logger.info("%s: colours to ids: %s", path, ", ".join(named))
    label_map: Bytes = np.asarray(ids, dtype=np.uint8)[index]
    return label_map


def _packed(rgb: Bytes) -> np.ndarray[Any, np.dtype[np.int32]]:
    wide = rgb.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


_PALETTE_IDS = {int(colour): i for i, colour in enumerate(_packed(PALETTE))}


def _flat_values(values: Bytes) -> set[int]:
    """The values that fill at least one 3 x 3 square; a level that only edges have fills none."""
    kernel = np.ones((3, 3), dtype=np.uint8)
    uniform = np.asarray(cv2.erode(values, kernel)) == np.asarray(cv2.dilate(values, kernel))
    uniform[[0, -1], :] = uniform[:, [0, -1]] = False
    return set(np.unique(values[uniform]).tolist())


def _is_soft(values: Bytes) -> bool:
    """Whether grey levels are those of one soft mask and no ids: most occur along edges only."""
    levels = present_ids(values)
    flat = _flat_values(values)
    edge = [v for v in levels if v not in flat]
    all_below_white = _WHITE in flat and len(edge) == len(levels) - 1 > 0
    return all_below_white or (len(edge) >= 5 and 2 * len(edge) >= len(levels))


def _refuse_blends(index: np.ndarray[Any, Any], colours: Bytes, path: Path, few_allowed: bool) -> None:
    """Refuse a mask most of whose thin colours are mixtures of its flat ones: it is anti-aliased.

    Args:
        index: ``(H, W)``, the number of each pixel's colour.
        colours: ``(N, 3)``, in ascending order of the numbers that occur.
        path: for the message.
        few_allowed: up to four such colours may be thin objects (dark DAVIS colours are mixtures of others).
    """
    if np.count_nonzero(colours.any(axis=1)) <= _MOST_IDS:
        present = np.unique(index)
        flat = np.isin(present, list(_flat_values(index.astype(np.uint8))))
        solid, thin = colours[flat].astype(np.float64), colours[~flat].astype(np.float64)
        mixtures = sum(_is_mixture(colour, solid) for colour in thin)
        if not mixtures or 2 * mixtures <= len(thin) or (few_allowed and len(thin) < 5):
            return
    raise InputError(
        f"{path}: {len(colours)} colours, many of them only along edges; save the mask as PNG with "
        "one flat colour an object, without anti-aliasing"
    )


def _is_mixture(colour: np.ndarray[Any, Any], solid: np.ndarray[Any, Any]) -> bool:
    """Whether a colour lies on the line between two of the solid ones, within rounding."""
    for i, a in enumerate(solid):
        for b in solid[i + 1 :]:
            direction = b - a
            t = float((colour - a) @ direction / (direction @ direction))
            if 0 < t < 1 and float(np.abs(a + t * direction - colour).max()) <= 2:
                return True
    return False


def _object_files(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], frame: int
) -> dict[int, Path]:
    if not isinstance(source, (str, os.PathLike)):
        return _numbered([Path(p) for p in source], [Path(p).stem for p in source], "the list of masks")
    folder = Path(source)
    if not folder.is_dir():
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
    if max(ids) > _MOST_IDS:
        raise InputError(
            f"{where}: object id {max(ids)}, but at most {_MOST_IDS} fit; renumber the objects from 1"
        )
    return dict(zip(ids, paths, strict=True))
