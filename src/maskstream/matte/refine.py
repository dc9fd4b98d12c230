"""Alpha at full size from small probabilities, led by the frame: the fast guided filter.

He and Sun 2015 (fast guided filter), He, Sun and Tang 2013 (its colour form): alpha is taken to be a linear
function of the pixel's colour within each small window. The function is fitted at the probability's size,
where that is cheap, and applied to the frame's own pixels, whose edges are sharp.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes, Floats
from maskstream.matte.opencv import cv
from maskstream.matte.tiles import Grid, Place, Shrunk, sample

CERTAIN = 0.95  #: inside from here on, outside from one minus this on
RADIUS = 4  #: of the window, in pixels of the network
SMOOTHNESS = 5e-5  #: He's epsilon, on colours 0..1: variance that counts as noise
GUIDE_BLUR = 0.7  #: sigma: the guide is made about as soft as the network's own edges
STRETCH = 0.04  #: of alpha at both ends that is cut off: a linear fit leaves a haze there
DOUBT = 0.1  #: as far from 0 and 1 a probability may be without being doubtful
WIDE = 5  #: pixels of the network from which on a doubtful place is wide
NEIGHBOURS = 9  #: pixels of the network around one, among which it is decided
SPLIT = 0.1  #: about one half, where doubt stays doubt, so that nothing flips between two frames
_EXACT = 1 - 0.5 / 255  # certain enough to be 255 by rounding


def refined(
    frame: Bytes,
    shrunk: Shrunk,
    probability: Floats,
    seen: tuple[slice, slice],
    grid: Grid,
    out: Bytes,
    follow_frame: bool = True,
) -> NDArray[np.bool_]:
    """Write alpha at full size.

    What the network is sure of, and a pixel of its size away from anything else, becomes exactly 255 or 0.

    Args:
        frame: ``(H, W, 3)`` RGB.
        shrunk: the frame.
        probability: ``(h, w)`` 0..1.
        seen: rows and columns of the frame that it is of.
        grid: of the frame.
        out: ``(H, W)``, for alpha.
        follow_frame: False: plain linear upsampling.

    Returns:
        The tiles in which alpha may be partial.
    """
    place = Place.of(probability.shape, seen)
    probability = _closed(probability, seen, grid)
    if follow_frame:
        probability = decided(probability)
    sure = CERTAIN if follow_frame else _EXACT
    inside, outside = (_core(part) for part in (probability >= sure, probability <= 1 - sure))
    band = cv.bitwise_not(cv.bitwise_or(inside, outside))
    active = grid.around(band, place)
    grid.fill(_at_centres(inside, grid, place), out)
    tiles = grid.choose(active)
    if not len(tiles):
        return active
    if follow_frame:
        weights = _fit(shrunk.to(probability.shape, seen), probability, band, inside)
        _open_border(weights, seen, grid)
        colours = np.asarray(cv.cvtColor(tiles.gather(frame), cv.COLOR_RGB2RGBA))  # the last channel is 255
        terms = cv.multiply(sample(weights, tiles.positions(place)), colours, dtype=cv.CV_32F)
        alpha = cv.transform(terms, np.ones((1, 4), np.float32))
        gain = 1 / (1 - 2 * STRETCH)
    else:
        alpha = sample(probability, tiles.positions(place))
        gain = 255.0
    shift = -STRETCH * 255 * gain if follow_frame else 0.0
    tiles.scatter(np.asarray(cv.addWeighted(alpha, gain, alpha, 0, shift, dtype=cv.CV_8U)), out)
    return active


def decided(probability: Floats) -> Floats:
    """The same without wide doubt of the object: a leg that is one with 0.7 isn't to be seen through.

    Around each pixel of a doubtful place, the most certain one becomes 1 if it speaks for the object, and
    the others rise with it. Narrow places, which edges are, and places that are rather background, which
    may be hair, stay as they are.

    Args:
        probability: ``(h, w)`` 0..1.
    """
    doubtful = cv.inRange(probability, DOUBT, 1 - DOUBT)
    wide = cv.erode(doubtful, np.ones((WIDE, WIDE), np.uint8))
    if not wide.any():
        return probability
    place = _around(wide, 2 * NEIGHBOURS)
    local = probability[place]
    window = np.ones((NEIGHBOURS, NEIGHBOURS), np.uint8)
    high = cv.dilate(local, window)
    is_object = np.clip((high - (0.5 - SPLIT)) / (2 * SPLIT), 0, 1)
    sure = np.minimum(local / (1 - (1 - high) * is_object), 1)
    share = cv.blur(cv.dilate(wide[place], window), (WIDE, WIDE)) * np.float32(1 / 255)
    result = probability.copy()
    result[place] += share * (sure - local)
    return result


def _core(part: NDArray[np.bool_]) -> Bytes:
    """255 where the eight neighbours are of the part too."""
    return np.asarray(cv.erode(part.view(np.uint8) * np.uint8(255), np.ones((3, 3), np.uint8)))


def _inner_sides(seen: tuple[slice, slice], grid: Grid) -> list[tuple[slice | int, slice | int]]:
    """The outermost rows and columns that are not at the frame's own border."""
    rows, columns = seen
    sides: list[tuple[slice | int, slice | int]] = []
    if rows.start > 0:
        sides.append((0, slice(None)))
    if rows.stop < grid.height:
        sides.append((-1, slice(None)))
    if columns.start > 0:
        sides.append((slice(None), 0))
    if columns.stop < grid.width:
        sides.append((slice(None), -1))
    return sides


def _closed(probability: Floats, seen: tuple[slice, slice], grid: Grid) -> Floats:
    """The same, with 0 where what was seen ends within the frame, so that nothing is upsampled beyond."""
    sides = _inner_sides(seen, grid)
    if not sides:
        return np.ascontiguousarray(probability, np.float32)
    probability = np.array(probability, np.float32)
    for side in sides:
        probability[side] = 0
    return probability


def _open_border(weights: Floats, seen: tuple[slice, slice], grid: Grid) -> None:
    for side in _inner_sides(seen, grid):
        weights[side] = 0


def _at_centres(inside: Bytes, grid: Grid, place: Place) -> Bytes:
    """``inside`` at the centre of each tile; 0 beyond what was seen."""
    rows = np.floor((grid.tops + grid.tall / 2 - place.top) / place.down).astype(np.int64)
    columns = np.floor((grid.lefts + grid.wide / 2 - place.left) / place.across).astype(np.int64)
    values: Bytes = inside.take(rows, 0, mode="clip").take(columns, 1, mode="clip")
    values[(rows < 0) | (rows >= inside.shape[0])] = 0
    values[:, (columns < 0) | (columns >= inside.shape[1])] = 0
    return values


def _fit(guide: Bytes, probability: Floats, band: Bytes, inside: Bytes) -> Floats:
    """Weights of red, green, blue and 255 in alpha 0..255, for each small pixel.

    Args:
        guide: ``(h, w, 3)`` the frame at the probability's size.
        probability: ``(h, w)``.
        band: ``(h, w)``, not 0 where alpha follows the frame.
        inside: ``(h, w)``, 255 where it is constantly 255.

    Returns:
        ``(h, w, 4)``.
    """
    window = (2 * RADIUS + 1, 2 * RADIUS + 1)
    box = _around(band, 2 * RADIUS + 1)
    band, p = np.ascontiguousarray(band[box]), np.ascontiguousarray(probability[box])
    colour = cv.multiply(guide[box], (1 / 255,) * 4, dtype=cv.CV_32F)
    colour = cv.GaussianBlur(colour, (5, 5), GUIDE_BLUR)
    r, g, b = cv.split(colour)
    firsts = cv.merge((r, g, b, p))
    seconds = cv.merge((cv.multiply(r, r), cv.multiply(g, g), cv.multiply(b, b), cv.multiply(r, g)))
    mixed = cv.merge((cv.multiply(r, b), cv.multiply(g, b)))
    with_p = cv.multiply(colour, cv.merge((p, p, p)))
    # Only windows that reach the band are fitted.
    near = np.flatnonzero(cv.dilate(band, np.ones(window, np.uint8)))
    means = [
        np.ascontiguousarray(cv.blur(image, window).reshape(-1, image.shape[2]).take(near, 0).T)
        for image in (firsts, seconds, mixed, with_p)
    ]
    fitted = cv.merge((np.zeros_like(p), np.zeros_like(p), np.zeros_like(p), p))
    fitted.reshape(-1, 4)[near] = _solve(*means).T
    fitted = cv.blur(fitted, window)
    sure = np.zeros_like(p)
    local = cv.merge((sure, sure, sure, cv.multiply(inside[box], 1 / 255, dtype=cv.CV_32F)))
    chosen = np.flatnonzero(band)
    local.reshape(-1, 4)[chosen] = fitted.reshape(-1, 4).take(chosen, 0)
    weights = np.zeros((*probability.shape, 4), np.float32)
    weights[box] = local
    return weights


def _solve(firsts: Floats, seconds: Floats, mixed: Floats, with_p: Floats) -> Floats:
    """The linear fit of each window from its means ``(channels, N)``: ``(4, N)`` weights of r, g, b and 1."""
    mr, mg, mb, mp = firsts
    rr = seconds[0] - mr * mr + SMOOTHNESS
    gg = seconds[1] - mg * mg + SMOOTHNESS
    bb = seconds[2] - mb * mb + SMOOTHNESS
    rg = seconds[3] - mr * mg
    rb = mixed[0] - mr * mb
    gb = mixed[1] - mg * mb
    cr, cg, cb = with_p - firsts[:3] * mp
    # The inverse of the symmetric 3 x 3 covariance by its cofactors.
    irr, irg, irb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    igg, igb, ibb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / np.maximum(irr * rr + irg * rg + irb * rb, SMOOTHNESS**3)
    ar = (irr * cr + irg * cg + irb * cb) * scale
    ag = (irg * cr + igg * cg + igb * cb) * scale
    ab = (irb * cr + igb * cg + ibb * cb) * scale
    return np.stack((ar, ag, ab, mp - ar * mr - ag * mg - ab * mb))


def _around(band: Bytes, margin: int) -> tuple[slice, slice]:
    """The bounding box of the band and some pixels more."""
    x, y, width, height = cv.boundingRect(band)
    return (
        slice(max(0, y - margin), min(band.shape[0], y + height + margin)),
        slice(max(0, x - margin), min(band.shape[1], x + width + margin)),
    )
