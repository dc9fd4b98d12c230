"""Is there a coloured screen behind the object, and of what colour?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes
from maskstream.matte.config import KeyConfig
from maskstream.matte.opencv import cv

_WIDTH = 160  # of the picture that is looked at
_RIM = 0.08  # its border, as a share of its shorter side
_DARKEST, _PALEST = 30, 0.14  # value 0..255 and saturation 0..1 from which a pixel has a hue
_NEARBY = 18.0  # degrees from the screen's hue
_COLD = (80.0, 260.0)  # hues from green to blue, which walls and wood seldom have
_WARM_PALEST, _DIMMEST = 0.4, 50.0  # saturation of a screen of another hue, brightness of any screen
_COVERED = 0.6  # share of the border that must be screen
_SIDES = 2  # of left, right and top that must be mostly screen
_EVEN = 0.035  # largest spread of the screen's colour share (chromaticity)
_SMOOTH = 2.5  # largest mean difference to the neighbouring pixel, 0..255


def find_key(frame: Bytes) -> KeyConfig | None:
    """Look for a screen on the border of a frame.

    A screen is most of the border (the lower one left out: there the person is cut off), has one hue and
    one saturation whatever the light does to its brightness, and no texture.

    Args:
        frame: ``(H, W, 3)`` uint8 RGB.

    Returns:
        A key with the screen's colour; None if there is none.
    """
    height, width = frame.shape[:2]
    scale = min(1.0, _WIDTH / width)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = np.asarray(cv.resize(frame, size, interpolation=cv.INTER_AREA), dtype=np.uint8)
    rim = max(2, round(_RIM * min(size)))
    lower = round(0.75 * size[1])
    sides = [small[:rim, :], small[:lower, :rim], small[:lower, -rim:]]
    border = np.concatenate([side.reshape(-1, 3) for side in sides])
    hue, hued = _hues(border)
    if hued.mean() < _COVERED:
        return None
    counts = np.bincount((hue[hued] / 6).astype(np.int64) % 60, minlength=60)
    circular = np.concatenate((counts[-2:], counts, counts[:2]))
    peak = float(np.argmax(np.convolve(circular, np.ones(5), "valid"))) * 6 + 3
    screen = hued & (_apart(hue, peak) < _NEARBY)
    if screen.mean() < _COVERED:
        return None
    ends = np.cumsum([side.shape[0] * side.shape[1] for side in sides])[:-1]
    if sum(part.mean() > _COVERED for part in np.split(screen, ends)) < _SIDES:
        return None
    colours = border[screen].astype(np.float32)
    shares = colours / colours.sum(1, keepdims=True)
    if np.median(np.abs(shares - np.median(shares, 0)), 0).max() * 1.48 > _EVEN or _texture(sides) > _SMOOTH:
        return None
    colour = np.median(colours, 0)
    warm_and_pale = not _COLD[0] <= peak <= _COLD[1] and colour.min() > (1 - _WARM_PALEST) * colour.max()
    if colour.max() < _DIMMEST or warm_and_pale:
        return None
    red, green, blue = (int(value) for value in colour)
    return KeyConfig(colour=(red, green, blue))


def _hues(colours: Bytes) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Hue in degrees, and whether there is one, of ``(N, 3)`` colours."""
    hsv = np.asarray(cv.cvtColor(colours[None].astype(np.float32) / 255, cv.COLOR_RGB2HSV))[0]
    return hsv[:, 0], (hsv[:, 2] * 255 >= _DARKEST) & (hsv[:, 1] >= _PALEST)


def _apart(hue: NDArray[np.float32], other: float) -> NDArray[np.float32]:
    """Degrees between hues."""
    apart: NDArray[np.float32] = np.abs((hue - other + 180) % 360 - 180)
    return apart


def _texture(sides: list[Bytes]) -> float:
    """The median over the sides of the mean difference between neighbouring pixels."""
    return float(
        np.median(
            [
                np.mean(cv.absdiff(np.ascontiguousarray(a[:, 1:]), np.ascontiguousarray(a[:, :-1])))
                for a in sides
            ]
        )
    )
