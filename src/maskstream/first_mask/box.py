"""The object in a box, in a tenth of a second and without a network.

Plain GrabCut (Rother, Kolmogorov and Blake 2004) begins with everything in the box as the object, forgets the
box at its first step and often ends with next to nothing. Here a map of probability is found first: how
likely each place in a box is the object, which is kept to the end, the colours on both sides, learnt again
in each round, and an average over the neighbourhood that stops at edges (He, Sun and Tang 2013), as in the
mean-field solution of a dense conditional random field (Krähenbühl and Koltun 2011). GrabCut then only has to
place the outline within a narrow band. ``benchmarks/first_mask.py`` measures both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Floats, Frame, LabelMap
from maskstream.errors import InputError
from maskstream.first_mask.guided_filter import EdgeAverage
from maskstream.first_mask.parts import largest_parts, without_holes
from maskstream.matte.config import MatteConfig
from maskstream.matte.matting import Matting
from maskstream.matte.opencv import cv

Box = tuple[int, int, int, int]  #: x and y of the upper left corner, width, height, in pixels

AREA = 16_000  #: pixels of the small picture that is worked on
MARGIN = 0.3  #: of the box's sides: how much of the surroundings is looked at
ROUNDS, STEPS = 5, 3  #: colours are learnt so often; steps of the average in each round
PLACE, COLOUR, NEIGHBOURS = 0.8, 0.8, 2.0  #: weights of what speaks for the object
MOST = 4.0  #: log odds that colours alone can give
BINS, SPREAD = 48, 0.8  #: of the colour histograms, and how far a sample reaches, in bins
BAND, CUT_ROUNDS = (
    0.06,
    2,
)  #: half the band's width, in sides of a square of the mask's area; GrabCut's rounds
LEAST = 0.04  #: of the box: a mask that is smaller has failed
SPECK, HOLE = 0.1, 0.01  #: shares of the mask
SMALLEST = 6  #: sides of a box, in small pixels, that has room for an outline

#: Percent of objects that cover a place of their box, mirrored: upper row first, left edge to the middle. Of
#: 117 boxes, drawn loosely, around the largest object of images of 14 sets and the development sequences.
_PLACES = (
    (7, 16, 27, 38),
    (18, 44, 63, 74),
    (30, 63, 81, 88),
    (34, 70, 87, 91),
    (34, 68, 86, 91),
    (33, 63, 78, 83),
    (26, 55, 65, 68),
    (16, 34, 37, 39),
)


class _View(NamedTuple):
    """The part of a frame around a box, made small."""

    small: Frame
    rows: slice  #: of the frame
    columns: slice
    box: tuple[slice, slice]  #: rows and columns of ``small`` in the box


def from_box(frame: Frame, box: Box, object_id: int = 1) -> LabelMap:
    """The object that fills a box, drawn loosely or cut by the frame's border.

    Args:
        frame: ``(H, W, 3)`` uint8 RGB.
        box: x and y of the upper left corner, width and height, in pixels; what is beyond the frame is
            ignored.
        object_id: 1 to 255.

    Returns:
        ``(H, W)`` uint8 label map, never empty, 0 outside the box: an ellipse where next to nothing
            is found.

    Raises:
        InputError: the box has no area, or none within the frame, or the id doesn't fit.
    """
    if not 1 <= object_id <= 255:
        raise InputError(f"object id {object_id} doesn't fit a label map; give one from 1 to 255")
    x, y, width, height = clipped(box, (frame.shape[0], frame.shape[1]))
    inner = slice(y, y + height), slice(x, x + width)
    view = _view(frame, (x, y, width, height))
    label_map = np.zeros(frame.shape[:2], np.uint8)
    found = np.zeros((height, width), np.uint8)
    if min(side.stop - side.start for side in view.box) >= SMALLEST:
        small = _cut(view, _probability(view))
        small = without_holes(largest_parts(small, SPECK), HOLE)
        soft = np.asarray(cv.GaussianBlur(small.astype(np.float32), (3, 3), 0))
        matting = Matting(MatteConfig(smooth=False, foreground="none"))
        alpha = matting(frame, soft, (view.rows, view.columns)).alpha
        found = largest_parts(alpha[inner] > 127, SPECK)
    if int(found.sum()) < LEAST * width * height:
        found = _ellipse(width, height)
    label_map[inner] = found * np.uint8(object_id)
    return label_map


def clipped(box: Box, shape: tuple[int, int]) -> Box:
    """The part of a box that lies in a frame.

    Args:
        box: x, y, width, height.
        shape: height and width of the frame.

    Raises:
        InputError: there is none.
    """
    x, y, width, height = (int(value) for value in box)
    text = ",".join(str(value) for value in (x, y, width, height))
    if width <= 0 or height <= 0:
        raise InputError(f"box {text}: has no area; give x,y,width,height in pixels")
    left, top = max(0, x), max(0, y)
    right, bottom = min(shape[1], x + width), min(shape[0], y + height)
    if right <= left or bottom <= top:
        raise InputError(f"box {text}: lies outside the frame of {shape[1]}x{shape[0]} pixels")
    return left, top, right - left, bottom - top


def _view(frame: Frame, box: Box) -> _View:
    x, y, width, height = box
    across, down = max(8, round(MARGIN * width)), max(8, round(MARGIN * height))
    rows = slice(max(0, y - down), min(frame.shape[0], y + height + down))
    columns = slice(max(0, x - across), min(frame.shape[1], x + width + across))
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    scale = min(1.0, (AREA / (tall * wide)) ** 0.5)
    size = max(1, round(wide * scale)), max(1, round(tall * scale))
    small = np.asarray(cv.resize(frame[rows, columns], size, interpolation=cv.INTER_AREA), np.uint8)
    inside = (
        _shrunk(y - rows.start, height, size[1] / tall),
        _shrunk(x - columns.start, width, size[0] / wide),
    )
    return _View(small, rows, columns, inside)


def _shrunk(start: int, length: int, scale: float) -> slice:
    first = int(start * scale)
    return slice(first, max(first + 1, round((start + length) * scale)))


def _probability(view: _View) -> Floats:
    """That a pixel of the small picture is of the object; 0 outside the box."""
    small, inner = view.small, view.box
    rows, columns = inner
    half = np.array(_PLACES, np.float32) / 100
    place = np.zeros(small.shape[:2], np.float32)
    size = columns.stop - columns.start, rows.stop - rows.start
    place[inner] = cv.resize(np.hstack((half, half[:, ::-1])), size).clip(0.02, 0.98)
    inside = (place > 0).astype(np.float32)
    odds = np.zeros_like(place)
    odds[inner] = np.log(place[inner] / (1 - place[inner]))
    bins = _bins(small)
    average = EdgeAverage(small)
    probability = place
    for _ in range(ROUNDS):
        for_object = COLOUR * (_density(bins, probability) - _density(bins, 1 - probability))
        wanted = PLACE * odds + for_object.clip(-COLOUR * MOST, COLOUR * MOST)
        for _ in range(STEPS):
            evidence = wanted + NEIGHBOURS * average(2 * probability - 1)
            probability = inside / (1 + np.exp(-evidence.clip(-20, 20)))
    return probability


def _bins(small: Frame) -> NDArray[np.intp]:
    """The colour bin of each pixel; lightness, which light changes, has wider ones."""
    lab = np.asarray(cv.cvtColor(small, cv.COLOR_RGB2LAB), np.int64)
    lightness, *hue = (lab[..., i] * (BINS // 2 if i == 0 else BINS) >> 8 for i in range(3))
    return np.asarray((lightness * BINS + hue[0]) * BINS + hue[1], np.intp)


def _density(bins: NDArray[np.intp], weights: Floats) -> Floats:
    """The logarithm of how frequent the colour of each pixel is among the weighted pixels."""
    shape = (BINS // 2, BINS, BINS)
    counts = np.bincount(bins.ravel(), weights.ravel(), shape[0] * BINS**2).astype(np.float32)
    total = float(counts.sum())
    for _ in shape:  # the first axis goes last each time
        counts = counts.reshape(shape[0], -1)
        counts = np.asarray(cv.GaussianBlur(counts.T, (5, 1), SPREAD, borderType=cv.BORDER_CONSTANT))
        shape = (*shape[1:], shape[0])
    frequency = counts.ravel()[bins] / max(total, 1e-6)
    return np.asarray(np.log(frequency + 0.01 / bins.size), np.float32)


def _cut(view: _View, probability: Floats) -> NDArray[np.uint8]:
    """The outline where GrabCut puts it, near that of the probability."""
    mask = (probability > 0.5).astype(np.uint8)
    width = 2 * max(2, round(BAND * float(mask.sum()) ** 0.5)) + 1
    kernel = cv.getStructuringElement(cv.MORPH_ELLIPSE, (width, width))
    hints = np.where(mask, cv.GC_PR_FGD, cv.GC_PR_BGD).astype(np.uint8)
    hints[cv.dilate(mask, kernel) == 0] = cv.GC_BGD
    hints[cv.erode(mask, kernel, borderValue=1) > 0] = cv.GC_FGD
    outside = np.ones(mask.shape, np.bool_)
    outside[view.box] = False
    hints[outside] = cv.GC_BGD
    object_side = hints & 1
    if not object_side.any() or object_side.all():
        return mask
    cv.setRNGSeed(0)  # the same box gives the same mask
    models: list[Any] = [np.zeros((1, 65)), np.zeros((1, 65))]
    bgr = np.ascontiguousarray(view.small[..., ::-1])
    cv.grabCut(bgr, hints, None, *models, CUT_ROUNDS, cv.GC_INIT_WITH_MASK)
    return np.asarray(hints & 1, np.uint8)


def _ellipse(width: int, height: int) -> NDArray[np.uint8]:
    """The ellipse that fills a box; where it is too small for one, the box."""
    rows = (np.arange(height)[:, None] + 0.5) / height * 2 - 1
    columns = (np.arange(width)[None] + 0.5) / width * 2 - 1
    return (rows**2 + columns**2 <= 1).astype(np.uint8)
