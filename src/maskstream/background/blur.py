"""The frame's own background, out of focus, without the object's colours in it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Floats, Frame
from maskstream.background.frames import FrameRing, halved
from maskstream.errors import InputError
from maskstream.matte.matting import Matte

_COARSE = 1.5  # pixels: a blur is computed at the size where its deviation is this, up to twice it
# The object is taken out at a size where the deviation is at least this, after two halvings at most: more
# would widen the rim that is left out.
_FINEST, _MASKED_AT = 0.75, 2
_CLEAN = 0.125  # alpha from which a pixel is too much of the object to tell the background's colour
_RIM = 0.01  # weight of such a pixel: it counts only where there is nothing else
_FAR = 1e-4  # weight of what is further away: it counts only where there is nothing near
_NEAREST = 0.15  # of the blur's strength, at the object's foot, with the full falloff
_FOOT_RATE = 0.1  # of a new frame in the smoothed foot line


class BlurBackground:
    """Blurs the frame behind the object.

    A plain blur would spread the object's colours around it like a glow. So it is a normalised convolution
    (Knutsson and Westin, 1993), ``blur(frame * (1 - alpha)) / blur(1 - alpha)``, computed at a fraction of
    the size. Where nothing of the background is near, a much wider blur fills in.

    With a falloff the blur grows with the distance, taken from the height in the picture: least from the
    object's foot down, most at the top of the frame.

    Args:
        strength: standard deviation of the blur as a fraction of the frame's height, above 0 to 0.5.
        falloff: 0..1, how much weaker the blur is at the object's foot.

    Raises:
        InputError: out of these ranges.
    """

    moves, from_frame = False, True

    def __init__(self, strength: float = 0.03, falloff: float = 0.0) -> None:
        if not 0 < strength <= 0.5:
            raise InputError(f"blur strength {strength:g}: give a fraction of the height above 0, to 0.5")
        if not 0 <= falloff <= 1:
            raise InputError(f"blur falloff {falloff:g}: it goes from 0 (the same everywhere) to 1")
        self._strength, self._falloff = strength, falloff
        self._frames = FrameRing()
        self._foot: float | None = None

    def at(self, frame: Frame, matte: Matte, time: float | None) -> Frame:
        """The blurred background; overwritten two calls later."""
        height, width = frame.shape[:2]
        far = self._strength * height
        near = far * (1 - (1 - _NEAREST) * self._falloff)
        shrinks = min(_MASKED_AT, _halvings(near / _FINEST, height, width))
        alpha = halved(matte.alpha, shrinks)
        weighted = _background_only(halved(frame, shrinks), alpha)
        scale = 2.0**-shrinks
        around = _surroundings(weighted)
        if self._falloff:
            blurred = self._receding(weighted, around, alpha, near * scale, far * scale)
        else:
            blurred = _blurred(weighted, around, far * scale)
        result = self._frames.next(height, width)
        cv2.resize(blurred, (width, height), dst=result, interpolation=cv2.INTER_CUBIC)
        return result

    def close(self) -> None:
        """Nothing is open."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Where the object stood, for the falloff."""
        return {} if self._foot is None else {"foot": np.array(self._foot)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told."""
        self._foot = float(arrays["foot"]) if "foot" in arrays else None

    def _receding(
        self, weighted: Floats, around: Floats, alpha: NDArray[Any], near: float, far: float
    ) -> Frame:
        """Three strengths of blur, mixed row by row."""
        height, width = alpha.shape
        foot = max(1.0, self._smooth_foot(alpha) * height)
        distance = np.clip((foot - np.arange(height, dtype=np.float32)) / foot, 0, 1)
        wanted = near + (far - near) * distance
        levels = (near, math.sqrt(near * far), far)
        mixed = _fill(_blurred(weighted, around, near), height, width)
        for low, high in pairwise(levels):
            share = np.clip((wanted - low) / (high - low), 0, 1).astype(np.float32)
            shares = np.repeat(share[:, None], width, axis=1)
            stronger = _fill(_blurred(weighted, around, high), height, width)
            mixed = np.asarray(cv2.blendLinear(stronger, mixed, shares, 1 - shares), dtype=np.uint8)
        return mixed

    def _smooth_foot(self, alpha: NDArray[Any]) -> float:
        """The object's lowest row as a fraction of the height, slowly following; kept where it is gone."""
        _, solid = cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)
        _, top, _, rows = cv2.boundingRect(solid)
        if rows:
            foot = (top + rows) / len(alpha)
            self._foot = foot if self._foot is None else self._foot + _FOOT_RATE * (foot - self._foot)
        return 1.0 if self._foot is None else self._foot


def _halvings(factor: float, height: int, width: int) -> int:
    """How often an image can be halved before it is smaller than by this factor, or has next to no pixels."""
    return int(math.log2(max(1.0, min(factor, height / 8, width / 8))))


def _background_only(frame: Frame, alpha: NDArray[Any]) -> Floats:
    """``(h, w, 4)`` float32: the colours times their weight, and 255 times the weight; 0 on the object."""
    near = cv2.dilate(alpha, np.ones((3, 3), np.uint8))
    clean = cv2.addWeighted(near, -1 / _CLEAN, near, 0, 255)
    weight = cv2.max(clean, cv2.addWeighted(alpha, -_RIM, alpha, 0, 255 * _RIM))
    with_one = cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA)
    weights = cv2.merge([weight, weight, weight, weight])
    return np.asarray(cv2.multiply(with_one, weights, scale=1 / 255, dtype=cv2.CV_32F), dtype=np.float32)


def _surroundings(weighted: Floats) -> Floats:
    """The same some ten pixels high and blurred, so that almost every place has some background near."""
    small = halved(weighted, _halvings(math.inf, *weighted.shape[:2]))
    around = cv2.GaussianBlur(small, (9, 9), 1.5)
    everywhere = np.array(cv2.mean(weighted)) * _FAR
    everywhere[3] += 1e-20  # so that a frame which is all object gives black, not 0 / 0
    return np.asarray(cv2.add(around, everywhere), dtype=np.float32)


def _blurred(weighted: Floats, around: Floats, sigma: float) -> Frame:
    """``(h', w', 3)`` uint8: the blurred background, at the size that suffices for this blur."""
    shrinks = _halvings(sigma / _COARSE, *weighted.shape[:2])
    small = halved(weighted, shrinks)
    sigma *= 2.0**-shrinks
    side = 2 * math.ceil(2.5 * sigma) + 1
    blurred = cv2.GaussianBlur(small, (side, side), sigma)
    height, width = blurred.shape[:2]
    blurred = cv2.scaleAdd(cv2.resize(around, (width, height)), _FAR, blurred)
    total = cv2.extractChannel(blurred, 3)
    colours = cv2.cvtColor(blurred, cv2.COLOR_RGBA2RGB)
    return np.asarray(
        cv2.divide(colours, cv2.merge([total, total, total]), scale=255, dtype=cv2.CV_8U), dtype=np.uint8
    )


def _fill(image: Frame, height: int, width: int) -> Frame:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
