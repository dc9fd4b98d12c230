"""What ties an object to its new background: the background's light on its edge, and colours that match."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Frame
from maskstream.background.frames import halved
from maskstream.matte.matting import Matte

_WRAP_WIDTH = 0.012  # standard deviation of the light's way over the edge, as a fraction of the height
_STATISTICS_AT = 3  # halvings
_RATE = 0.05  # of a new frame in the smoothed statistics: a change is followed within about a second
_SOLID = 200  # alpha from which a pixel counts as the object's own
_FEWEST = 16  # pixels of the object at the small size, to say anything about its colours
# At full strength the object goes half the way, within these factors of exposure and of contrast (less looks
# like fog), and takes on at most this share of the background's tint.
_SHARE, _EXPOSURES, _CONTRASTS, _TINT = 0.5, (0.75, 1.15), (0.9, 1.2), 0.4
_WHITE = 250.0  # brightness that highlights, two deviations above the mean, are not lifted over
_MOST_TINT = 10.0  # levels of either colour difference
_NEUTRAL = 128.0
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # BT.601, as OpenCV's YCrCb
_FROM_CHROMA = np.array([[1.403, 0.0], [-0.714, -0.344], [0.0, 1.773]], dtype=np.float32)  # Cr, Cb to R, G, B


def wrapped_light(matte: Matte, background: Frame) -> Frame:
    """``(h, w, 3)`` uint8, at a quarter of the size: the light of the background that reaches over the edge.

    That is the background where it is seen, blurred: on the edge about half of it, well inside none.
    """
    alpha, light = halved(matte.alpha, 2), halved(background, 2)
    seen = cv2.bitwise_not(alpha)
    light = np.asarray(cv2.multiply(light, cv2.merge([seen, seen, seen]), scale=1 / 255), dtype=np.uint8)
    sigma = max(0.5, _WRAP_WIDTH * alpha.shape[0])
    return np.asarray(cv2.GaussianBlur(light, (0, 0), sigma), dtype=np.uint8)


class ColourMatch:
    """Shifts the object's exposure, contrast and tint gently towards the background's, in YCbCr.

    The object's own colour is no tint: a green coat in front of a grey wall stays as it is, since the wall
    has no tint to give; only in front of a bright red one does it get a touch of red.

    The means and spreads that it goes by (Reinhard et al., Color transfer between images, 2001) are smoothed
    over the frames, so that nothing flickers. The whole is affine in RGB: one call of OpenCV applies it.

    Args:
        strength: 0..1.
    """

    def __init__(self, strength: float) -> None:
        self._strength = strength
        #: Means and deviations of Y, Cr, Cb: of the object, then of the background; smoothed. None: none yet.
        self.statistics: NDArray[np.float64] | None = None

    def __call__(self, matte: Matte, background: Frame) -> NDArray[np.float32]:
        """``(3, 4)`` matrix for ``cv2.transform`` of the object's RGB."""
        latest = _statistics(matte, background)
        if latest is not None:
            known = self.statistics
            self.statistics = latest if known is None else known + _RATE * (latest - known)
        if self.statistics is None:
            return np.eye(3, 4, dtype=np.float32)
        mean, spread, other_mean, other_spread = self.statistics
        darkest, brightest = _EXPOSURES
        brightest = max(1.0, min(brightest, _WHITE / max(mean[0] + 2 * spread[0], 1.0)))
        exposure = self._factor(1 + _SHARE * (other_mean[0] / max(mean[0], 1.0) - 1), (darkest, brightest))
        contrast = self._factor(other_spread[0] / max(spread[0], 1.0), _CONTRASTS)
        given = _TINT * (other_mean[1:] - _NEUTRAL)
        tint = np.clip(_SHARE * (other_mean - mean)[1:], np.minimum(given, 0), np.maximum(given, 0))
        tint = self._strength * np.clip(tint, -_MOST_TINT, _MOST_TINT)
        matrix = np.eye(3, 4, dtype=np.float32)
        matrix[:, :3] += (contrast - 1) * _LUMA
        matrix[:, 3] = (1 - contrast) * mean[0]
        matrix *= exposure
        matrix[:, 3] += _FROM_CHROMA @ tint
        return matrix

    def _factor(self, wanted: float, limits: tuple[float, float]) -> float:
        return 1 + self._strength * (min(max(wanted, limits[0]), limits[1]) - 1)


def _statistics(matte: Matte, background: Frame) -> NDArray[np.float64] | None:
    """``(4, 3)``: mean and deviation of Y, Cr, Cb: of the object, of the background. None without object."""
    alpha = halved(matte.alpha, _STATISTICS_AT)
    _, solid = cv2.threshold(alpha, _SOLID, 255, cv2.THRESH_BINARY)
    if cv2.countNonZero(solid) < min(_FEWEST, solid.size):
        return None
    object_ = cv2.cvtColor(halved(matte.foreground, _STATISTICS_AT), cv2.COLOR_RGB2YCrCb)
    behind = cv2.cvtColor(halved(background, _STATISTICS_AT), cv2.COLOR_RGB2YCrCb)
    rows = [*cv2.meanStdDev(object_, mask=solid), *cv2.meanStdDev(behind)]
    return np.array(rows, dtype=np.float64).reshape(4, 3)
