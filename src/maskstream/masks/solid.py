"""Masks whose edges are soft or noisy, brought back to the few solid colours that they were painted with.

A soft brush, anti-aliasing and JPEG leave colours along edges that no object has. What is solid fills at
least one square of 3 x 3 pixels; every other pixel goes to the solid colour nearby that it is most like.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes, Floats

_NOISE = 24  #: levels by which the pixels of one colour differ in a lossy file
_SAME = 40.0  #: distance of two colours that are one, in a picture with soft or noisy edges
_EVEN, _MOSTLY = 16.0, 0.7  #: distance of a solid colour's pixels from it, and how many keep it
_MIXED = 30.0  #: distance from the line between two solid colours within which a colour is a mixture
_MOST = 32  #: solid colours; a picture of more is no mask
_UNEXPLAINED = 0.25  #: part of the soft pixels that may be no mixture: chroma is coarse in a JPEG
_NONE = 255  #: stands for no colour among their numbers
_BINS = 64  #: of each channel
_BAND_PIXELS = 2_000_000  #: that are worked on at once
_REACH = 128  #: rows beyond these that are looked at for solid colours
_SAMPLED = 20_000  #: soft pixels that are looked at
_SQUARE = np.ones((3, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Solid:
    """A picture as a few solid colours.

    Attributes:
        index: ``(H, W)`` uint8, which of the colours each pixel is of.
        colours: ``(N, 3)`` uint8.
        rounded: pixels that had another colour.
    """

    index: Bytes
    colours: Bytes
    rounded: int


def flat_values(values: Bytes) -> set[int]:
    """The values of an ``(H, W)`` picture that fill at least one 3 x 3 square, as those of edges don't."""
    uniform = _range(values) == 0
    uniform[[0, -1], :] = uniform[:, [0, -1]] = False
    return set(np.flatnonzero(np.bincount(values[uniform], minlength=1)).tolist())


def mixtures(colours: NDArray[Any], solid: NDArray[Any], within: float) -> NDArray[np.bool_]:
    """Which of ``(N, 3)`` colours lie on a line between two of the ``(M, 3)`` solid ones.

    Args:
        colours: to be looked at.
        solid: that they may be mixed of.
        within: distance from the line, in levels.
    """
    colours, solid = colours.astype(np.float64), solid.astype(np.float64)
    found = np.zeros(len(colours), dtype=bool)
    for i, a in enumerate(solid[:-1]):
        directions = solid[i + 1 :] - a
        lengths = np.maximum((directions**2).sum(1), 1e-9)
        for chunk in range(0, len(colours), 4096):
            offset = colours[chunk : chunk + 4096] - a
            along = offset @ directions.T / lengths
            away = np.abs(offset[:, None] - along[..., None] * directions).max(2)
            found[chunk : chunk + 4096] |= ((along > 0) & (along < 1) & (away <= within)).any(1)
    return found


def solid_colours(rgb: Bytes, lossy: bool) -> Solid | None:
    """A picture with soft or noisy edges as its solid colours.

    Args:
        rgb: ``(H, W, 3)`` uint8.
        lossy: whether it was stored with losses, which leave noise within one colour.

    Returns:
        None: it is no painted mask (a photograph), for its colours are neither solid nor mixed of solid ones.
    """
    seeds = np.full(rgb.shape[:2], _NONE, dtype=np.uint8)  # 0 where flat, at first
    counts = np.zeros(_BINS**3, dtype=np.int64)
    for rows, inner in _bands(rgb.shape, margin=1):
        flat = _range(rgb[rows]).max(2) <= (_NOISE if lossy else 0)
        flat[[0, -1], :] = flat[:, [0, -1]] = False
        seeds[rows][inner][flat[inner]] = 0
        counts += np.bincount(_bin_of(rgb[rows][inner][flat[inner]]), minlength=len(counts))
    centres = _clusters(counts)
    if not 2 <= len(centres) <= _MOST:
        return None
    number, distance = _nearest(_bin_colours(np.arange(len(counts))), centres)
    table = np.where(distance <= _SAME, number, _NONE).astype(np.uint8)
    for rows, _ in _bands(rgb.shape):
        seeds[rows] = np.where(seeds[rows] == 0, table[_bin_of(rgb[rows])], _NONE)
    seeds, colours = _without_bands(seeds, _exact_colours(rgb, seeds, len(centres)))
    if len(colours) < 2 or not (_are_even(rgb, colours, seeds) and _is_explained(rgb, colours, seeds)):
        return None
    index, rounded = np.empty_like(seeds), 0
    for rows, inner in _bands(rgb.shape, margin=_REACH):
        index[rows][inner] = of_band = _assigned(rgb[rows], colours, seeds[rows])[inner]
        rounded += int(np.count_nonzero((rgb[rows][inner] != colours[of_band]).any(2)))
    return Solid(index, colours, rounded)


def _bands(shape: tuple[int, ...], margin: int = 0) -> Iterator[tuple[slice, slice]]:
    """Rows of a picture in pieces, so that what is made of them on the way stays small.

    Args:
        shape: of the picture.
        margin: rows around each piece that are seen besides.

    Yields:
        The rows that are seen, and which of these the piece is.
    """
    height = max(16, _BAND_PIXELS // max(1, shape[1]))
    for top in range(0, shape[0], height):
        first = max(0, top - margin)
        yield slice(first, top + height + margin), slice(top - first, top - first + height)


def _range(values: Bytes) -> Bytes:
    """Of each pixel's 3 x 3 square: the largest value less the smallest, channel by channel."""
    return np.asarray(cv2.dilate(values, _SQUARE) - cv2.erode(values, _SQUARE), dtype=np.uint8)


def _bin_of(pixels: Bytes) -> NDArray[np.int32]:
    """The number of the colour's bin, of each of ``(..., 3)`` pixels."""
    wide = pixels.astype(np.int32) >> 2
    return (wide[..., 0] << 12) | (wide[..., 1] << 6) | wide[..., 2]


def _bin_colours(bins: NDArray[Any]) -> Bytes:
    """``(N, 3)`` colours in the middle of bins."""
    parts = np.stack([bins >> 12, (bins >> 6) & 63, bins & 63], axis=-1)
    return (parts * 4 + 2).astype(np.uint8)


def _clusters(counts: NDArray[np.int64]) -> Bytes:
    """The colours that pixels gather around, the most frequent one first.

    Args:
        counts: of the pixels in each bin.
    """
    bins = np.flatnonzero(counts)
    bins = bins[np.argsort(-counts[bins], kind="stable")]
    left, sizes = _bin_colours(bins), counts[bins]
    least = max(9, int(counts.sum()) // 20_000)
    centres: list[Bytes] = []
    while len(left) and len(centres) <= _MOST:
        near = _distance(left, left[0]) <= _SAME
        if sizes[near].sum() >= least:
            centres.append(left[0])
        left, sizes = left[~near], sizes[~near]
    return np.asarray(centres, dtype=np.uint8).reshape(-1, 3)


def _exact_colours(rgb: Bytes, seeds: Bytes, count: int) -> Bytes:
    """``(count, 3)`` most frequent colours of the pixels of each number."""
    colours = []
    for i in range(count):
        pixels = rgb[seeds == i]
        if not len(pixels):  # its pixels are nearer to the others
            colours.append(np.zeros(3, dtype=np.uint8))
            continue
        wide = pixels[:: max(1, len(pixels) // _SAMPLED)].astype(np.int32)
        values, counts = np.unique((wide[:, 0] << 16) | (wide[:, 1] << 8) | wide[:, 2], return_counts=True)
        value = int(values[counts.argmax()])
        colours.append(np.asarray([value >> 16, (value >> 8) & 255, value & 255], dtype=np.uint8))
    return np.asarray(colours)


def _nearest(pixels: Bytes, colours: Bytes) -> tuple[Bytes, Floats]:
    """Of pixels ``(N, 3)``: the nearest colour's number, and how far it is."""
    best = np.full(len(pixels), np.inf, dtype=np.float32)
    number = np.zeros(len(pixels), dtype=np.uint8)
    for i, colour in enumerate(colours):
        distance = _distance(pixels, colour)
        closer = distance < best
        best[closer], number[closer] = distance[closer], i
    return number, best


def _distance(pixels: Bytes, colour: Bytes) -> Floats:
    return np.asarray(np.linalg.norm(pixels.astype(np.float32) - colour.astype(np.float32), axis=-1))


def _without_bands(seeds: Bytes, colours: Bytes) -> tuple[Bytes, Bytes]:
    """Without the bands of a soft brush: mixed colours that fill no square of 7 x 7 pixels."""
    square = np.ones((7, 7), dtype=np.uint8)
    kept = []
    for i, colour in enumerate(colours):
        of_it = (seeds == i).astype(np.uint8)
        mixed = mixtures(colour[None], np.delete(colours, i, axis=0), _MIXED)[0]
        if cv2.erode(of_it, square).any() or (of_it.any() and not mixed):
            kept.append(i)
    table = np.full(256, _NONE, dtype=np.uint8)
    table[kept] = np.arange(len(kept), dtype=np.uint8)
    return table[seeds], colours[kept]


def _are_even(rgb: Bytes, colours: Bytes, seeds: Bytes) -> bool:
    """Whether solid pixels have nearly their colour itself, as paint has and photographs don't."""
    solid = seeds != _NONE
    step = max(1, int(np.count_nonzero(solid)) // _SAMPLED)
    pixels, numbers = rgb[solid][::step], seeds[solid][::step]
    even = np.linalg.norm(pixels.astype(np.float32) - colours[numbers], axis=1) <= _EVEN
    sizes = np.bincount(numbers, minlength=len(colours))
    kept = np.bincount(numbers[even], minlength=len(colours))
    return bool((kept >= _MOSTLY * sizes).all())


def _is_explained(rgb: Bytes, colours: Bytes, seeds: Bytes) -> bool:
    """Whether the pixels that are not solid are mixtures of solid ones."""
    soft = rgb[seeds == _NONE]
    if not len(soft):
        return True
    sample = soft[:: max(1, len(soft) // _SAMPLED)]
    far = sample[_nearest(sample, colours)[1] > _MIXED]
    mixed = int(np.count_nonzero(mixtures(far, colours, _MIXED)))
    return len(far) - mixed <= _UNEXPLAINED * len(sample)


def _assigned(rgb: Bytes, colours: Bytes, seeds: Bytes) -> Bytes:
    """Each pixel's colour: the solid one nearby that it is most like; of all, where none is near."""
    index = seeds.copy()
    soft = seeds == _NONE
    if not soft.any():
        return index
    pixels = rgb[soft]
    nearest, _ = _nearest(pixels, colours)
    if not soft.all():
        reach = 2 * _distance_to(~soft)[soft] + 4
        best = np.full(len(pixels), np.inf, dtype=np.float32)
        for i, colour in enumerate(colours):
            of_it = seeds == i
            if not of_it.any():
                continue
            near = _distance_to(of_it)[soft] <= reach
            distance = np.where(near, _distance(pixels, colour), np.inf)
            closer = distance < best
            best[closer], nearest[closer] = distance[closer], i
    index[soft] = nearest
    return index


def _distance_to(mask: NDArray[np.bool_]) -> Floats:
    """Pixels from the nearest one that is set."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), dtype=np.float32)
