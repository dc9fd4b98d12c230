"""What a camera's picture is as a whole: whether it shows anything, moves, or has changed at a jump."""

from __future__ import annotations

import cv2
import numpy as np

from maskstream.arrays import Floats, Frame

_SIZE = (64, 36)  # (width, height) of what is compared
_BETWEEN = (256, 144)  # and on the way there: pixels are rounded, which would be more than noise in the end
_BLANK = 4.0  # levels by which a picture's blocks differ (standard deviation) that shows nothing
_LIGHT = 1.5  # times that the light must change at a jump
_DARK = 4.0  # levels that are added to both lights, so that a dark picture's noise is no jump
_COLOUR = 0.5  # share of the colour that is left, below which it was lost at a jump
_COLOURFUL = 6.0  # levels of colour that there must be, or have been
_SECONDS = 0.5  # in which the remembered light and colour follow,
_LONG = 5.0  # and the usual light, which nothing follows that is quite different from it


def small_of(frame: Frame) -> Floats:
    """A small picture of a frame ``(H, W, 3)``, ``(36, 64, 3)`` float32: noise averages out in it."""
    between = cv2.resize(frame, _BETWEEN, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(between.astype(np.float32), _SIZE, interpolation=cv2.INTER_AREA), np.float32)


class Light:
    """Notices jumps of brightness and colour, as when a lamp goes out or a camera turns to night mode.

    What changes slowly is followed, as a camera's own exposure does.

    Attributes:
        is_unlike: whether the last picture's brightness is quite different from the usual one.
    """

    def __init__(self) -> None:
        self._light: float | None = None
        self._usual = 0.0
        self._colour = 0.0
        self._at = 0.0
        self.is_unlike = False

    def jumps(self, small: Floats, time: float) -> bool:
        """Whether this picture is lit quite differently from those before it; it counts from now on.

        Args:
            small: see ``small_of``.
            time: seconds at which it was captured.
        """
        light = float(small.mean())
        colour = float((small.max(2) - small.min(2)).mean())
        known, known_colour = self._light, self._colour
        if known is None:
            self._light, self._colour, self._at, self._usual = light, colour, time, light
            return False
        passed = max(0.0, time - self._at)
        self.is_unlike = not _is_like(light, self._usual)
        if not self.is_unlike:
            self._usual += min(1.0, passed / _LONG) * (light - self._usual)
        share = (min(colour, known_colour) + 1) / (max(colour, known_colour) + 1)
        is_other = share < _COLOUR and max(colour, known_colour) > _COLOURFUL
        if is_other or not _is_like(light, known):
            self._light, self._colour, self._at = light, colour, time
            return True
        weight = min(1.0, passed / _SECONDS)
        self._light = known + weight * (light - known)
        self._colour += weight * (colour - self._colour)
        self._at = time
        return False


def is_blank(small: Floats) -> bool:
    """Whether a picture shows nothing: one colour, as a camera's that starts, stops or is covered."""
    return float(small.std(axis=(0, 1)).max()) < _BLANK


def _is_like(light: float, known: float) -> bool:
    return 1 / _LIGHT < (light + _DARK) / (known + _DARK) < _LIGHT
