"""The object's own colour where alpha is partial, so that the old background does not show.

Blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021): the object's and the
background's colours are blurred in from where they are seen, first from afar, then from nearby, and what the
mixture of both leaves unexplained is the object's. The blurs run on a thumbnail, the last step on the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes, Floats
from maskstream.matte.opencv import cv
from maskstream.matte.tiles import Grid, Place, Shrunk, Tiles, sample

FAR = 0.03  #: radius of the first blur, as a share of the height
NEAR = 1  #: radius of the second blur, in small pixels
_LEAST = 1e-3
_CORE = np.ones((5, 5), np.uint8)  # the object's edge, which the background's light may reach, is taken off
_CHROMA = np.eye(3, dtype=np.float32) - np.float32(1 / 3)  # what is left of a colour without its brightness
_SUM = np.ones((1, 3), np.float32)


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
    own, other, core, place = _blurred(thumbnail, clean, alpha, tiles, place, spill > 0)
    positions = tiles.positions(place)
    own, other = sample(own, positions), sample(other, positions)
    packed, opacity = tiles.gather(frame), tiles.gather(alpha)
    share = cv.multiply(cv.cvtColor(opacity, cv.COLOR_GRAY2RGB), (1 / 255,) * 4, dtype=cv.CV_32F)
    colour = _unmixed(_floats(packed), own, other, share)
    if spill:
        colour = _without_hue(colour, sample(core, positions), other, spill)
        # Where the object is alone there is no mixture to clean.
        colour = np.where(opacity[..., None] == 255, tiles.gather(out), colour)
    tiles.scatter(cv.add(colour, (0.0,) * 4, dtype=cv.CV_8U), out)


def _blurred(
    thumbnail: Bytes, clean: Bytes, alpha: Bytes, tiles: Tiles, place: Place, with_core: bool
) -> tuple[Floats, Floats, Floats, Place]:
    """Colours near the tiles: the object's, the background's, and the object's own away from its edge.

    Returns:
        ``(h, w, 3)`` each, and where they lie.
    """
    far = max(NEAR + 1, round(FAR * thumbnail.shape[0]))
    height, width = thumbnail.shape[:2]
    box = tiles.box
    top, left = max(0, int(box[0].start / place.down) - far), max(0, int(box[1].start / place.across) - far)
    bottom = min(height, int(box[0].stop / place.down) + far + 1)
    right = min(width, int(box[1].stop / place.across) + far + 1)
    part = slice(top, bottom), slice(left, right)
    small = Shrunk(alpha).to((height, width))[part]
    share = cv.multiply(cv.cvtColor(small, cv.COLOR_GRAY2RGB), (1 / 255,) * 4, dtype=cv.CV_32F)
    rest = 1 - share
    object_colour, colour = _floats(clean[part]), _floats(thumbnail[part])
    own, other = _seen_from(object_colour, share, far), _seen_from(colour, rest, far)
    own, other = (
        _seen_from(_valid(_unmixed(object_colour, own, other, share)), share, NEAR),
        _seen_from(_valid(_unmixed(colour, other, own, rest)), rest, NEAR),
    )
    corner = place.top + top * place.down, place.left + left * place.across
    core = own
    if with_core:
        within = cv.erode(share, _CORE)
        core = _seen_from(object_colour, within, 3 * far, _seen_from(object_colour, within, 12 * far))
    return own, other, core, Place(*corner, place.down, place.across)


def _floats(image: Bytes) -> Floats:
    return np.asarray(image, dtype=np.float32)


def _unmixed(colour: Floats, one: Floats, other: Floats, share: Floats) -> Floats:
    """The first of two mixed colours: the guess ``one`` and its share of what the guesses leave unexplained.

    Forte's F + alpha (I - alpha F - (1 - alpha) B).
    """
    expected = cv.add(other, cv.multiply(share, cv.subtract(one, other)))
    unmixed: Floats = cv.add(one, cv.multiply(share, cv.subtract(colour, expected)))
    return unmixed


def _valid(colour: Floats) -> Floats:
    """Within 0..255."""
    valid: Floats = cv.max(cv.min(colour, (255.0,) * 4), (0.0,) * 4)
    return valid


def _seen_from(colour: Floats, share: Floats, radius: int, otherwise: Floats | None = None) -> Floats:
    """The mean colour around each pixel by shares; where there is none, another, or the pixel's own."""
    side = (2 * radius + 1,) * 2
    total = cv.blur(cv.multiply(colour, share), side)
    seen: Floats = cv.divide(
        cv.scaleAdd(colour if otherwise is None else otherwise, _LEAST, total),
        cv.add(cv.blur(share, side), (_LEAST,) * 4),
    )
    return seen


def _without_hue(colour: Floats, core: Floats, other: Floats, amount: float) -> Floats:
    """Colours without what they have more of the background's hue than the object has away from its edge."""
    hue = cv.transform(cv.subtract(other, core), _CHROMA)
    excess = cv.transform(cv.multiply(cv.subtract(colour, core), hue), _SUM)
    strength = cv.add(cv.transform(cv.multiply(hue, hue), _SUM), 1.0)
    share = cv.divide(cv.max(excess, 0.0), strength, scale=amount)
    cleaned: Floats = cv.subtract(colour, cv.multiply(hue, cv.merge((share,) * 3)))
    return cleaned


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
