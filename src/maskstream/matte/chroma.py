"""Chroma key: alpha from the screen's colour.

A pixel's strength is how far its colour reaches towards the screen's hue, less what it lies beside that hue:
the colour difference of Vlahos's travelling matte, for any hue. It is linear in the mixture of object and
screen, so its ratio to the bare screen's own, measured around each place, is the screen's share of the pixel.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes, Floats
from maskstream.errors import InputError
from maskstream.matte.config import KeyConfig
from maskstream.matte.opencv import cv
from maskstream.matte.screen import find_key

_FULL = 192  #: strength of the screen's own colour, in 8 bits
_MOST_GAIN = 6.0
_WEAKEST = 0.55  #: share of the full strength from which a pixel of the thumbnail is bare screen
_FAR = 0.12  #: how far the bare screen is measured around a place, as a share of the frame's height
_SKIN = (0.0, 75.0)  #: hues that are too near to skin for the wide angle
_WIDE, _NARROW = 45.0, 20.0
_NOISE, _MOST_NOISE = 12.0, 0.4  #: chroma, 0..255, that noise may be, and its largest share of a screen's
_PALEST = 8.0  #: chroma, 0..255, that a key colour must have
_INSIDE, _OBJECT = 0.95, 0.5  #: probabilities: surely the object, likely the object
_KEPT_AWAY = 2  #: thumbnail pixels within the object's edge where the key still decides


class Keyer:
    """One screen."""

    def __init__(self, config: KeyConfig) -> None:
        self._config = config
        self._forms: tuple[_Form, _Form] | None = None
        self._ramp: Bytes = np.zeros(256, np.uint8)
        self._towards = np.zeros(3)
        self.colour = config.colour
        if self.colour is not None:
            self.use(self.colour)

    def use(self, colour: tuple[int, int, int]) -> None:
        """Key this colour.

        Raises:
            InputError: it is grey.
        """
        chroma = np.array(colour, np.float64)
        chroma -= chroma.mean()
        strength = float(np.linalg.norm(chroma))
        if strength < _PALEST:
            raise InputError(
                f"key colour {colour} has no hue; give the colour of a green, blue or other screen"
            )
        hue = 360 * colorsys.rgb_to_hsv(*colour)[0]
        angle = self._config.angle or (_NARROW if _SKIN[0] <= hue <= _SKIN[1] else _WIDE)
        towards = chroma / strength
        beside = np.cross(towards, np.full(3, 1 / math.sqrt(3))) / math.tan(math.radians(angle))
        gain = min(_FULL / strength, _MOST_GAIN)
        self._forms = _Form(gain * (towards - beside)), _Form(gain * (towards + beside))
        self._towards = towards / gain
        self._ramp = self._to_alpha(min(_MOST_NOISE, _NOISE / strength))
        self._full = gain * strength
        self.colour = colour

    def _to_alpha(self, noise: float) -> Bytes:
        """Alpha by the screen's share of a pixel, 0..255 both; there is room for noise at both ends."""
        config = self._config
        bare = 1 - max(config.tolerance, noise)
        opaque = bare - config.softness * max(0.0, bare - max(config.floor, noise))
        share = np.arange(256) / 255
        ramp: Bytes = np.round(255 * np.clip((bare - share) / max(bare - opaque, 1e-3), 0, 1)).astype(
            np.uint8
        )
        return ramp

    def __call__(
        self,
        frame: Bytes,
        thumbnail: Bytes,
        probability: Floats | None,
        alpha: Bytes,
        clean: Bytes,
    ) -> Bytes:
        """Write alpha, and the frame without the screen's light.

        Args:
            frame: ``(H, W, 3)`` RGB.
            thumbnail: ``(h, w, 3)`` the same, small.
            probability: ``(h, w)`` at the thumbnail's size that a pixel is of the object; None: the key alone
                decides.
            alpha: ``(H, W)``, written.
            clean: ``(H, W, 3)``, which holds the frame; written where spill is taken off.

        Returns:
            ``clean`` at the thumbnail's size.

        Raises:
            InputError: the screen's colour is not given, and not found.
        """
        if self._forms is None:
            found = find_key(frame)
            if found is None or found.colour is None:
                raise InputError(
                    "no screen of one colour is seen on the border of the first frame; "
                    "give its colour as the key colour, or leave the key out"
                )
            self.use(found.colour)
        height = frame.shape[0]
        small_planes = cv.split(thumbnail)
        small = self._strength(small_planes)
        near, inside, object_mask = self._garbage(probability, small.shape)
        local = self._bare(small, object_mask)
        box = _frame_box(near, frame.shape[:2])
        planes = cv.split(frame[box])
        size = planes[0].shape[::-1]
        strength = self._strength(planes)
        bare = cv.resize(local, frame.shape[1::-1])[box]
        key = cv.LUT(cv.divide(strength, bare, scale=255), self._ramp)
        if box[0].stop - box[0].start < height or size[0] < frame.shape[1]:
            alpha[:] = 0
        if near is None or inside is None:
            np.copyto(alpha[box], key)
        else:
            kept, nearby = (cv.resize(part, frame.shape[1::-1])[box] for part in (inside, near))
            np.copyto(alpha[box], cv.max(kept, cv.min(nearby, key)))
        if self._config.spill:
            self._despill(planes, strength, key, clean[box])
            small_key = cv.LUT(cv.divide(small, local, scale=255), self._ramp)
            small_clean = thumbnail.copy()
            self._despill(small_planes, small, small_key, small_clean)
            return small_clean
        return thumbnail

    def _strength(self, planes: Sequence[Bytes]) -> Bytes:
        """How much of the screen's hue there is in each pixel; ``_full`` is the screen itself."""
        assert self._forms is not None
        one, other = self._forms
        return np.asarray(cv.min(one(planes), other(planes)), dtype=np.uint8)

    def _bare(self, strength: Bytes, object_mask: Bytes | None) -> Bytes:
        """The strength of the bare screen around each place, at the thumbnail's size; at least 1."""
        bare = cv.compare(strength, _WEAKEST * self._full, cv.CMP_GT)
        if object_mask is not None:
            bare = cv.subtract(bare, object_mask)
        # Pixels that are mixed with the object would make the screen look weaker than it is.
        bare = cv.erode(bare, np.ones((3, 3), np.uint8))
        radius = max(2, round(_FAR * strength.shape[0]))
        side = (2 * radius + 1,) * 2
        weight = cv.blur(cv.multiply(bare, 1 / 255, dtype=cv.CV_32F), side)
        total = cv.blur(cv.multiply(strength, bare, scale=1 / 255, dtype=cv.CV_32F), side)
        known = 1e-3
        local = cv.divide(cv.add(total, (known * self._full,)), cv.add(weight, (known,)))
        return np.asarray(cv.add(local, (0,), dtype=cv.CV_8U), dtype=np.uint8)

    def _garbage(
        self, probability: Floats | None, size: tuple[int, ...]
    ) -> tuple[Bytes | None, Bytes | None, Bytes | None]:
        """Near the object, surely inside it, likely it: 255 there, at the thumbnail's size.

        Inside is what the network is sure of, and what is well within the object's outline, sure or not: a
        key eats holes into an object of the screen's colour.
        """
        if probability is None:
            return None, None, None
        likely = (probability > _OBJECT).view(np.uint8) * np.uint8(255)
        surely = (probability > _INSIDE).view(np.uint8) * np.uint8(255)
        reach = max(1, round(self._config.margin * size[0]))
        near = cv.dilate(likely, cv.getStructuringElement(cv.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
        inside = cv.erode(surely, np.ones((2 * _KEPT_AWAY + 1,) * 2, np.uint8))
        within = cv.erode(likely, np.ones((2 * (reach // 2) + 1,) * 2, np.uint8))
        return np.asarray(near, np.uint8), np.asarray(cv.max(inside, within), np.uint8), likely

    def _despill(self, planes: Sequence[Bytes], strength: Bytes, key: Bytes, out: Bytes) -> None:
        """Take the screen's hue off what the key leaves; the object's own green, all screen to it, stays."""
        amount = cv.multiply(strength, key, scale=self._config.spill / 255)
        mended = [
            cv.addWeighted(plane, 1, amount, -float(part), 0)
            for plane, part in zip(planes, self._towards, strict=True)
        ]
        np.copyto(out, cv.merge(mended))


class _Form:
    """A weighted sum of red, green and blue whose weights sum to 0, on 8-bit planes; negative sums are 0."""

    def __init__(self, weights: NDArray[np.float64]) -> None:
        # Two weights have one sign and one the other: a mean of two planes, less a plane, or the reverse.
        single = int(np.argmax(np.abs(weights)))
        self._single = single
        self._pair = [channel for channel in range(3) if channel != single]
        self._gain = float(abs(weights[single]))
        self._share = float(abs(weights[self._pair[0]])) / self._gain
        self._pair_first = weights[single] < 0

    def __call__(self, planes: Sequence[Bytes]) -> Bytes:
        one, other = (planes[channel] for channel in self._pair)
        if self._share > 0.999:
            mean = one
        elif self._share < 0.001:
            mean = other
        else:
            mean = np.asarray(cv.addWeighted(one, self._share, other, 1 - self._share, 0), dtype=np.uint8)
        single = planes[self._single]
        difference = cv.subtract(mean, single) if self._pair_first else cv.subtract(single, mean)
        return np.asarray(cv.convertScaleAbs(difference, alpha=self._gain), dtype=np.uint8)


def _frame_box(near: Bytes | None, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the frame that hold what is near the object."""
    height, width = shape
    if near is None:
        return slice(0, height), slice(0, width)
    x, y, wide, tall = cv.boundingRect(near)
    if not wide:
        return slice(0, 1), slice(0, 1)
    down, across = height / near.shape[0], width / near.shape[1]
    return (
        slice(max(0, int((y - 1) * down)), min(height, math.ceil((y + tall + 1) * down))),
        slice(max(0, int((x - 1) * across)), min(width, math.ceil((x + wide + 1) * across))),
    )
