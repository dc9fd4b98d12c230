"""What the pixels of a mask file mean, whatever kind of image it is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskstream.arrays import Bytes, LabelMap
from maskstream.errors import InputError
from maskstream.masks.palette import PALETTE, present_ids
from maskstream.masks.solid import flat_values, mixtures, solid_colours

logger = logging.getLogger(__name__)

MOST_IDS = 255
_WHITE = VOID = 255
_LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")  #: kinds of files that may be stored with losses
_MANY_LEVELS = 32  #: of grey, that no drawing has but by smoothing
_FEW_COLOURS = 20  #: an object each; a cut-out picture has more
_SLIGHT = 2.0  #: levels of rounding in a mixed colour


def label_map_of(image: Image.Image, path: Path, threshold_soft: bool) -> LabelMap:
    """The label map ``(H, W)`` uint8 that an image is, possibly empty.

    Args:
        image: loaded and upright.
        path: it came from, for messages.
        threshold_soft: rounding of soft edges is wanted, so no word is said about it.

    Raises:
        InputError: its pixels are no label map.
    """
    return _Reading(image, path, threshold_soft).label_map()


class _Reading:
    """One image on its way to a label map."""

    def __init__(self, image: Image.Image, path: Path, threshold_soft: bool) -> None:
        self._image, self._path = image, path
        self._quiet = threshold_soft
        self._lossy = image.format in _LOSSY

    def label_map(self) -> LabelMap:
        image, mode = self._image, self._image.mode
        if mode == "P":
            label_map = self._from_palette()
        elif mode == "F":
            label_map = self._from_real()
        elif "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
            label_map = self._from_transparent(_rgba(image))
        elif mode == "1":
            label_map = np.asarray(image, dtype=np.uint8)
        elif mode == "L":
            label_map = self._from_grey(np.asarray(image))
        elif mode.startswith("I"):
            label_map = self._from_deep(np.asarray(image))
        else:
            label_map = self._from_colours(np.asarray(image.convert("RGB")))
        return self._without_void(label_map)

    def _from_palette(self) -> LabelMap:
        indices = np.asarray(self._image)
        palette, length = _palette(self._image)
        used = np.flatnonzero(np.bincount(indices.ravel()))
        alpha = _palette_alpha(self._image, length)
        colours = palette[used]
        if alpha is not None and (alpha[used] < 255).any():
            return self._from_transparent_palette(indices, palette, alpha, length)
        if (colours == PALETTE[used]).all():
            if used[0] > 0:
                self._say_no_background()
            return indices.copy()
        if used.tolist() in ([0, _WHITE], [_WHITE]) and (palette[_WHITE] == _WHITE).all():
            return (indices > 0).astype(np.uint8)
        if palette[0].any() and not colours.any(axis=1).all():
            return self._from_colours(palette[indices])  # black is not index 0
        if (colours == colours[:, :1]).all():
            grey = palette[indices][..., 0]
            return self._from_grey(grey) if _is_soft(grey) else indices.copy()
        if self._are_blends(indices, used, colours, few_allowed=False):
            return self._rounded(palette[indices])
        if used[0] > 0:
            self._say_no_background()
        return indices.copy()

    def _from_transparent_palette(
        self, indices: Bytes, palette: Bytes, alpha: Bytes, length: int
    ) -> LabelMap:
        """Transparent is background; the indices are the ids if they can be, else the colours count."""
        opaque = self._opaque(alpha[indices])
        used = np.flatnonzero(np.bincount(indices[opaque], minlength=1))
        as_davis = (palette[used] == PALETTE[used]).all()
        if len(used) > 1 and not as_davis and length > 2 * (len(used) + 1):
            # A palette of many colours that no pixel uses is that of a picture.
            return opaque.astype(np.uint8)
        if len(used) and used[0] > 0 and (as_davis or (alpha[0] < 128 and len(used) == used[-1])):
            return np.where(opaque, indices, 0).astype(np.uint8)
        return self._from_opaque(palette[indices], opaque)

    def _from_deep(self, values: NDArray[Any]) -> LabelMap:
        """Of more than 8 bits."""
        levels = np.unique(values)
        low, high = int(levels[0]), int(levels[-1])
        if low >= 0 and high <= MOST_IDS:
            return self._from_grey(values.astype(np.uint8))
        if levels.tolist() in ([0, 65535], [65535]):
            return (values > 0).astype(np.uint8)
        if low >= 0 and _WHITE * 64 < high <= 65535:
            grey = (values // 257).astype(np.uint8)
            if _is_soft(grey):
                return self._from_grey(grey)
        raise InputError(
            f"{self._path}: ids from {low} to {high}, but at most {MOST_IDS} fit; renumber them from 1"
        )

    def _from_real(self) -> LabelMap:
        """Of real numbers: from 0 to 1 it is one soft object, else they are whole ids."""
        values = np.asarray(self._image)
        low, high = (float(values.min()), float(values.max())) if np.isfinite(values).all() else (-1.0, 0.0)
        if low >= 0 and high <= 1:
            return self._from_grey(np.round(values * _WHITE).astype(np.uint8))
        if low >= 0 and (values == np.round(values)).all():
            return self._from_deep(values.astype(np.int64))
        raise InputError(
            f"{self._path}: real numbers that are neither ids nor from 0 to 1; save the mask as PNG"
        )

    def _from_grey(self, values: Bytes) -> LabelMap:
        levels = present_ids(values)
        if levels in ((), (_WHITE,)):
            label_map = (values > 0).astype(np.uint8)
            self._look_inverted(label_map)
            return label_map
        if not _is_soft(values):
            if values.min() > 0 and (ground := _ground_level(values)) is not None:
                self._say_ground(f"grey level {ground}")
                values = np.where(values == ground, 0, values).astype(np.uint8)
                return (values > 0).astype(np.uint8) if len(levels) == 2 else values
            if values.min() > 0:
                self._say_no_background()
            return values.copy()
        solid = solid_colours(np.dstack([values, values, values]), self._lossy)
        if solid is not None and len(solid.colours) > 2:
            return self._numbered(solid, levels_count=not self._lossy)
        return self._cut_at_half(values)

    def _cut_at_half(self, values: Bytes) -> LabelMap:
        """The soft mask of one object."""
        ground = int(values.min())
        ground = ground if ground < 8 else _border_value(_border(values))[0]
        high = int(values.max())
        least, span = (ground + high) / 2, high - ground
        middle = np.count_nonzero(np.abs(values.astype(np.int16) - least) < 0.3 * span)
        darker = np.count_nonzero(values < ground - 0.1 * span)
        if span < 16 or 3 * middle > values.size or 50 * darker > values.size:
            raise InputError(
                f"{self._path}: {len(present_ids(values))} grey levels, as of a photograph; save a mask with "
                "one flat grey level or colour for each object"
            )
        if ground > 7:
            self._say_ground(f"grey level {ground}")
        label_map = (values >= least).astype(np.uint8)
        self._say_rounded(int(np.count_nonzero((values != ground) & (values != high))))
        self._look_inverted(label_map)
        return label_map

    def _from_transparent(self, rgba: Bytes) -> LabelMap:
        rgb, alpha = rgba[..., :3], np.ascontiguousarray(rgba[..., 3])
        if alpha.min() == alpha.max():
            return self._from_colours(np.ascontiguousarray(rgb)) if alpha.any() else np.zeros_like(alpha)
        return self._from_opaque(rgb, self._opaque(alpha))

    def _opaque(self, alpha: Bytes) -> NDArray[np.bool_]:
        """Where more than half of the brush's strength is."""
        opaque = alpha >= max(1, (int(alpha.max()) + 1) // 2)
        between = (alpha > 0) & (alpha < alpha.max())
        if between.any():
            self._say_rounded(int(np.count_nonzero(between)))
        return np.asarray(opaque)

    def _from_opaque(self, rgb: Bytes, opaque: NDArray[np.bool_]) -> LabelMap:
        """Of colours on transparency: an object each, or one picture that is cut out."""
        colours = _values(rgb, opaque)
        known = [_PALETTE_IDS.get(int(colour)) for colour in colours]
        if len(colours) == 1:
            return np.where(opaque, known[0] or 1, 0).astype(np.uint8)
        if None in known or 0 in known:
            if len(colours) > _FEW_COLOURS or self._is_cut_out(rgb, opaque, colours):
                return opaque.astype(np.uint8)
            free = (i for i in range(1, 256) if i not in known)
            known = [i or next(free) for i in known]
        return np.where(opaque, _ids_of(rgb, known, colours), 0).astype(np.uint8)

    def _is_cut_out(self, rgb: Bytes, opaque: NDArray[np.bool_], colours: NDArray[np.int32]) -> bool:
        """Whether the colours are those of one picture.

        One of them is within the others altogether, or only along edges, then.
        """
        kernel = np.ones((3, 3), dtype=np.uint8)
        outside = cv2.dilate((~opaque).astype(np.uint8), kernel) > 0
        numbers = np.where(opaque, _ids_of(rgb, range(1, len(colours) + 1), colours), 0)
        for number in range(1, len(colours) + 1):
            of_it = numbers == number
            is_thin = not cv2.erode(of_it.astype(np.uint8), kernel).any()
            if is_thin or not (of_it & outside).any():
                logger.warning(
                    "%s: its %d colours are taken as one object, cut out of a picture; give each object a "
                    "mask of its own if they are several",
                    self._path,
                    len(colours),
                )
                return True
        return False

    def _from_colours(self, rgb: Bytes) -> LabelMap:
        values = _values(rgb)
        colours = np.stack([values >> 16, (values >> 8) & 255, values & 255], axis=1).astype(np.uint8)
        if (colours == colours[:, :1]).all() and not all(int(v) in _PALETTE_IDS for v in values):
            return self._from_grey(np.ascontiguousarray(rgb[..., 0]))
        if len(values) > MOST_IDS + 1 or self._are_blends(
            _ids_of(rgb, range(len(values)), values),
            np.arange(len(values)),
            colours,
            few_allowed=all(int(v) in _PALETTE_IDS for v in values),
        ):
            return self._rounded(rgb)
        return self._by_colour(rgb, values)

    def _by_colour(self, rgb: Bytes, values: NDArray[np.int32]) -> LabelMap:
        """An object for each colour but the background's."""
        known = [_PALETTE_IDS.get(int(value)) for value in values]
        if 0 not in known:
            ground, part = _border_value(_packed(_border(rgb)))
            if None in known and part >= 0.5:
                self._say_ground(f"colour {(ground >> 16, (ground >> 8) & 255, ground & 255)}")
                known[values.tolist().index(ground)] = 0
            else:
                self._say_no_background()
        free = (i for i in range(1, 256) if i not in known)
        ids = [next(free, 256) if i is None else i for i in known]
        if max(ids) > MOST_IDS:
            raise InputError(f"{self._path}: more than {MOST_IDS} colours; an object each is too many")
        if None in known:
            named = ((v >> 16, (v >> 8) & 255, v & 255, i) for v, i in zip(values.tolist(), ids, strict=True))
            said = ", ".join(f"({r}, {g}, {b})={i}" for r, g, b, i in named if i)
            logger.info("%s: colours to ids: %s", self._path, said)
        return _ids_of(rgb, ids, values)

    def _rounded(self, rgb: Bytes) -> LabelMap:
        """Of soft or noisy edges."""
        solid = solid_colours(np.ascontiguousarray(rgb), self._lossy)
        if solid is None:
            raise InputError(
                f"{self._path}: {len(_values(rgb))} colours, as of a photograph; save a mask with one "
                "flat colour for each object"
            )
        return self._numbered(solid, levels_count=False)

    def _numbered(self, solid: Any, levels_count: bool) -> LabelMap:
        """A picture of solid colours; ``levels_count``: they are grey, and their levels are the ids."""
        self._say_rounded(solid.rounded)
        colours = np.where(solid.colours.max(1, keepdims=True) <= 40, 0, solid.colours).astype(np.uint8)
        if levels_count:
            return np.asarray(colours[:, 0][solid.index], dtype=np.uint8)
        clean = colours[solid.index]
        return self._by_colour(clean, _values(clean))

    def _are_blends(
        self, index: NDArray[Any], present: NDArray[Any], colours: Bytes, few_allowed: bool
    ) -> bool:
        """Whether most of the colours that only edges have are mixtures of those that fill areas.

        Args:
            index: ``(H, W)``, the number of each pixel's colour.
            present: the numbers that occur, ascending.
            colours: ``(N, 3)`` of these.
            few_allowed: up to four such colours may be thin objects (dark DAVIS colours are mixtures of
                others).
        """
        if self._lossy:
            return True
        flat = np.isin(present, list(flat_values(index.astype(np.uint8))))
        solid, thin = colours[flat], colours[~flat]
        count = int(np.count_nonzero(mixtures(thin, solid, _SLIGHT)))
        return bool(count and 2 * count > len(thin) and not (few_allowed and len(thin) < 5))

    def _without_void(self, label_map: LabelMap) -> LabelMap:
        """Without id 255 where it is the rim between objects and background that PASCAL VOC calls void."""
        if label_map.size == 0 or label_map.max() != VOID or len(present_ids(label_map)) < 2:
            return label_map
        objects = ((label_map > 0) & (label_map != VOID)).astype(np.uint8)
        rim = cv2.dilate(objects, np.ones((3, 3), dtype=np.uint8)) > objects
        if 2 * np.count_nonzero(label_map[rim] == VOID) < np.count_nonzero(rim):
            return label_map
        logger.info("%s: 255 is the void around the objects here, taken as background", self._path)
        return np.where(label_map == VOID, 0, label_map).astype(np.uint8)

    def _say_rounded(self, pixels: int) -> None:
        if pixels and not self._quiet:
            logger.warning(
                "%s: %d pixels of soft or noisy edges are rounded to the nearest object; save as PNG without "
                "anti-aliasing to draw them yourself",
                self._path,
                pixels,
            )

    def _say_ground(self, ground: str) -> None:
        logger.warning(
            "%s: nothing in it is black, 0 or transparent; its border, %s, is taken as background",
            self._path,
            ground,
        )

    def _say_no_background(self) -> None:
        logger.warning("%s: nothing in it is background: every pixel is of an object", self._path)

    def _look_inverted(self, label_map: LabelMap) -> None:
        """Say so if the only object covers the border of the picture."""
        border = _border(label_map)
        if label_map.all():
            self._say_no_background()
        elif np.count_nonzero(border) >= 0.95 * border.size:
            logger.warning(
                "%s: its object is all around the border; invert it if black was meant to be the object",
                self._path,
            )


def _rgba(image: Image.Image) -> Bytes:
    """``(H, W, 4)``; a transparent colour of a picture without alpha has alpha 0."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        grey = (values // 257 if values.max() > _WHITE else values).astype(np.uint8)
        clear = values == image.info.get("transparency")
        return np.dstack([grey, grey, grey, np.where(clear, 0, 255).astype(np.uint8)])
    return np.asarray(image.convert("RGBA"))


def _palette(image: Image.Image) -> tuple[Bytes, int]:
    """``(256, 3)`` colours, black where the file has none, and how many it has."""
    palette = np.zeros((256, 3), dtype=np.uint8)
    given = np.asarray(image.getpalette("RGB") or (), dtype=np.uint8).reshape(-1, 3)[:256]
    palette[: len(given)] = given
    return palette, len(given)


def _palette_alpha(image: Image.Image, length: int) -> Bytes | None:
    """``(256,)`` alpha of the colours of a palette; None where the file says nothing of it.

    An index that has no colour is transparent, then.
    """
    given = image.info.get("transparency")
    if given is None:
        return None
    alpha = np.full(256, 255, dtype=np.uint8)
    if isinstance(given, bytes):
        alpha[: len(given)] = np.frombuffer(given[:256], dtype=np.uint8)
    else:
        alpha[int(given) & 255] = 0
    alpha[length:] = 0
    return alpha


def _packed(rgb: Bytes) -> NDArray[np.int32]:
    packed = rgb[..., 0].astype(np.int32)
    for channel in (1, 2):
        packed <<= 8
        packed |= rgb[..., channel]
    return packed


def _values(rgb: Bytes, where: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
    """The colours that occur, ascending, packed; without sorting all pixels."""
    seen = np.zeros(1 << 24, dtype=bool)
    for i, row in enumerate(rgb):
        seen[_packed(row if where is None else row[where[i]])] = True
    return np.flatnonzero(seen).astype(np.int32)


def _ids_of(rgb: Bytes, ids: Any, values: NDArray[np.int32]) -> Bytes:
    """``(H, W)`` ids of the colours of pixels."""
    table = np.zeros(1 << 24, dtype=np.uint8)
    table[values] = np.asarray(ids, dtype=np.uint8)
    return np.stack([table[_packed(row)] for row in rgb])


_PALETTE_IDS = {int(colour): i for i, colour in enumerate(_packed(PALETTE))}


def _border(values: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _border_value(border: NDArray[Any]) -> tuple[int, float]:
    """The value that most pixels of a border have, and which part of them."""
    found, counts = np.unique(border, return_counts=True)
    return int(found[counts.argmax()]), float(counts.max() / border.size)


def _ground_level(values: Bytes) -> int | None:
    """The background's grey level in a mask without any 0; None where its levels may well be ids."""
    levels = present_ids(values)
    ground, part = _border_value(_border(values))
    two = len(levels) == 2 and levels[1] - levels[0] >= 64
    return ground if part >= 0.5 and (two or (ground == levels[0] >= 10 and len(levels) > 1)) else None


def _is_soft(values: Bytes) -> bool:
    """Whether grey levels are those of soft masks and no ids.

    Most of them occur along edges only, or they are a slope away from the background, then.
    """
    levels = present_ids(values)
    flat = flat_values(values)
    edge = [v for v in levels if v not in flat]
    all_below_white = _WHITE in flat and len(edge) == len(levels) - 1 > 0
    if all_below_white or (len(edge) >= 5 and 2 * len(edge) >= len(levels)):
        return True
    if len(levels) < _MANY_LEVELS:
        return False
    ground = values == values.min()
    beside = cv2.dilate(ground.astype(np.uint8), np.ones((3, 3), dtype=np.uint8)) > ground
    return bool(beside.any() and 4 * (np.median(values[beside]) - values.min()) < int(np.ptp(values)))
