"""The object's own colour where alpha is partial, so that the old background does not show.

Blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021): the object's and the
background's colours are blurred in from where they are seen, first from afar, then from nearby, and what the
mixture of both leaves unexplained is the object's. The blurs run on a thumbnail, the last step on the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskstream.matte.opencv import cv
from maskstream.matte.tiles import Bytes, Floats, Grid, Place, Tiles, sample

FAR = 0.125  #: radius of the first blur, as a share of the thumbnail's height
NEAR = 2  #: radius of the second blur, in pixels of the thumbnail
_LEAST = 1e-4


def fast_foreground(
    frame: Bytes,
    thumbnail: Bytes,
    clean: Bytes,
    alpha: Bytes,
    active: NDArray[np.bool_],
    grid: Grid,
    spill: float,
    out: Bytes,
) -> None:
    """Write the object's colour into the active tiles.

    Args:
        frame: ``(H, W, 3)``.
        thumbnail: ``(h, w, 3)`` the whole frame, small.
        clean: the same without a screen's light on the object; the thumbnail, where there is no screen.
        alpha: ``(H, W)``.
        active: tiles in which alpha may be partial, at least one.
        grid: of the frame.
        spill: 0..1, how much of the old background's hue is taken off.
        out: ``(H, W, 3)``, which holds the frame.
    """
    tiles = grid.choose(active)
    place = Place.of(thumbnail.shape[:2], (slice(0, grid.height), slice(0, grid.width)))
    own, other, place = _blurred(thumbnail, clean, alpha, tiles, place)
    positions = tiles.positions(place)
    own, other = sample(own, positions), sample(other, positions)
    packed, opacity = tiles.gather(frame), tiles.gather(alpha)
    mixed = cv.multiply(cv.cvtColor(opacity, cv.COLOR_GRAY2RGB), (1 / 255,) * 4, dtype=cv.CV_32F)
    # F + alpha (I - alpha F - (1 - alpha) B): Forte's equation 6.
    expected = cv.add(other, cv.multiply(mixed, cv.subtract(own, other)))
    left = cv.multiply(cv.subtract(packed, expected, dtype=cv.CV_32F), mixed)
    if spill:
        colour = _without_hue(cv.add(own, left), own, other, spill)
        # Where the object is alone there is no mixture to clean.
        colour = np.where(opacity[..., None] == 255, packed, colour)
        tiles.scatter(np.asarray(cv.add(colour, 0, dtype=cv.CV_8U)), out)
    else:
        tiles.scatter(np.asarray(cv.add(own, left, dtype=cv.CV_8U)), out)


def _blurred(
    thumbnail: Bytes, clean: Bytes, alpha: Bytes, tiles: Tiles, place: Place
) -> tuple[Floats, Floats, Place]:
    """The object's and the background's colours near the tiles, as ``(h, w, 3)`` each, and where they lie."""
    far = max(NEAR + 1, round(FAR * thumbnail.shape[0]))
    height, width = thumbnail.shape[:2]
    box = tiles.box
    top, left = max(0, int(box[0].start / place.down) - far), max(0, int(box[1].start / place.across) - far)
    bottom = min(height, int(box[0].stop / place.down) + far + 1)
    right = min(width, int(box[1].stop / place.across) + far + 1)
    part = slice(top, bottom), slice(left, right)
    small = cv.resize(alpha, (width, height), interpolation=cv.INTER_AREA)[part]
    share = cv.multiply(small, 1 / 255, dtype=cv.CV_32F)
    rest = cv.subtract(1.0, share)
    own = _seen_from(_seen_from(_floats(clean[part]), share, far), share, NEAR)
    other = _seen_from(_seen_from(_floats(thumbnail[part]), rest, far), rest, NEAR)
    corner = place.top + top * place.down, place.left + left * place.across
    return own, other, Place(*corner, place.down, place.across)


def _floats(image: Bytes) -> Floats:
    return np.asarray(image, dtype=np.float32)


def _seen_from(colour: Floats, weight: Floats, radius: int) -> Floats:
    """The weighted mean colour around each pixel."""
    weights = cv.merge((weight,) * 3)
    side = (2 * radius + 1,) * 2
    total = cv.blur(cv.multiply(colour, weights), side)
    return np.asarray(cv.divide(total, cv.add(cv.blur(weights, side), (_LEAST,) * 4)))


def _without_hue(colour: Floats, own: Floats, other: Floats, amount: float) -> Floats:
    """Colours without what they have more of the background's hue than the object nearby."""
    hue = other - own
    hue -= hue.mean(-1, keepdims=True)
    hue /= np.linalg.norm(hue, axis=-1, keepdims=True) + 1
    excess = np.maximum(((colour - own) * hue).sum(-1, keepdims=True), 0)
    return np.asarray(colour - amount * excess * hue, dtype=np.float32)


def best_foreground(frame: Bytes, alpha: Bytes, active: NDArray[np.bool_], grid: Grid, out: Bytes) -> None:
    """The same by multi-level estimation (Germer et al. 2020), much slower; needs the matting extra."""
    from pymatting import estimate_foreground_ml

    tiles = grid.choose(active)
    rows, columns = tiles.box
    colour = estimate_foreground_ml(
        frame[rows, columns].astype(np.float64) / 255, alpha[rows, columns].astype(np.float64) / 255
    )
    whole = out.copy()
    whole[rows, columns] = np.clip(np.round(colour * 255), 0, 255).astype(np.uint8)
    tiles.scatter(tiles.gather(whole), out)
