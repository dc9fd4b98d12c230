"""Whoever stands before a room that was seen empty: step out for a second, come back, and you are marked.

Brightness and colour are told apart as Horprasert, Harwood and Davis 1999 do: a shadow changes the brightness
of a place, not its colour. The camera's exposure and white balance may drift meanwhile: each frame is first
brought to the gain at which most of it equals the empty room. The room is frozen once it is learnt: one that
goes on learning would take whoever sits still for furniture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskstream.arrays import Floats, Frame, LabelMap
from maskstream.errors import InputError
from maskstream.first_mask.guided_filter import EdgeAverage
from maskstream.first_mask.parts import largest_parts, without_holes
from maskstream.matte.config import MatteConfig
from maskstream.matte.matting import Matting
from maskstream.matte.opencv import cv

AREA = 240 * 135  #: pixels of the small picture that is compared
NOISE = 3.0  #: levels of 255: no camera is trusted to have less
SURE = 6.0  #: a difference of so many times the noise is even odds
SHADOW, SHINE = 0.55, 1.3  #: brightness, as a share of the empty room's, within which only colour counts
LEAST = 0.01  #: of the frame: what is smaller does not count
SPECK, HOLE = 0.15, 0.05  #: shares of the largest part, and of all parts
NEAR = 4  #: radius, in small pixels, of the average that stops at edges
_STEP, _REACH = 0.02, 1.2  #: of the histogram of log gains


class CleanPlate:
    """A room without anybody in it.

    Attributes:
        frames: how many were learnt.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._shape: tuple[int, ...] = ()
        self._mean: Floats = np.zeros(0, np.float32)
        self._spread: Floats = np.zeros(0, np.float32)  # sums of squared differences to the mean

    def learn(self, frame: Frame) -> None:
        """Take in a frame of the empty room; a second of them is plenty, one will do.

        Args:
            frame: ``(H, W, 3)`` uint8 RGB.

        Raises:
            InputError: it has another size than those before.
        """
        if not self.frames:
            self._shape = frame.shape
        self._check(frame)
        small = _small(frame)
        if not self.frames:
            self._mean, self._spread = small, np.zeros_like(small)
        else:
            small = small / _gain(small, self._mean)
            away = small - self._mean
            self._mean = self._mean + away / np.float32(self.frames + 1)
            self._spread = self._spread + away * (small - self._mean)
        self.frames += 1

    def find(self, frame: Frame, object_id: int = 1) -> LabelMap | None:
        """Mark what was not in the empty room.

        Args:
            frame: ``(H, W, 3)`` uint8 RGB.
            object_id: 1 to 255.

        Returns:
            ``(H, W)`` uint8 label map; None: the room is empty.

        Raises:
            InputError: no empty room was learnt, or one of another size.
        """
        if not self.frames:
            raise InputError("no empty room was learnt yet; step out of the picture for a second")
        changed = self.changed(frame)
        average = EdgeAverage(np.asarray(_small(frame).clip(0, 255), np.uint8), NEAR)
        probability = average(changed)
        mask = without_holes(largest_parts(probability > 0.5, SPECK), HOLE)
        mask = np.asarray(cv.morphologyEx(mask, cv.MORPH_OPEN, np.ones((3, 3), np.uint8)))
        mask = largest_parts(mask, SPECK)
        if int(mask.sum()) < LEAST * mask.size:
            return None
        soft = np.asarray(cv.GaussianBlur(mask.astype(np.float32), (3, 3), 0))
        alpha = Matting(MatteConfig(smooth=False, foreground="none"))(frame, soft).alpha
        return largest_parts(alpha > 127, SPECK) * np.uint8(object_id)

    def changed(self, frame: Frame) -> Floats:
        """How little each place looks like the empty room.

        Args:
            frame: ``(H, W, 3)`` uint8 RGB, of the size of those that were learnt.

        Returns:
            ``(h, w)`` float32, small; 0 is as it was, 0.5 even odds, 1 something else.

        Raises:
            InputError: it has another size.
        """
        self._check(frame)
        small = _small(frame)
        noise = np.sqrt(self._spread / max(1, self.frames - 1) + np.float32(NOISE**2))
        away = self._away(small / _gain(small, self._mean), noise)
        return np.asarray(np.minimum(away / (2 * SURE), 1), np.float32)

    def _away(self, small: Floats, noise: Floats) -> Floats:
        """By how many times its noise each place differs, but for a shadow's or a light's doing."""
        expected = self._mean / noise
        seen = small / noise
        length = _dot(expected, expected) + 1
        brightness = _dot(seen, expected) / length
        allowed = brightness.clip(SHADOW, SHINE)
        away = seen - expected * allowed[..., None]
        return np.sqrt(_dot(away, away))

    def _check(self, frame: Frame) -> None:
        if frame.shape != self._shape:
            raise InputError(
                f"the frame is {frame.shape[1]}x{frame.shape[0]} but the empty room was "
                f"{self._shape[1]}x{self._shape[0]}; learn it again"
            )


def _small(frame: Frame) -> Floats:
    height, width = frame.shape[:2]
    scale = min(1.0, (AREA / (height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv.resize(frame, size, interpolation=cv.INTER_AREA), np.float32)


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray(cv.transform(a * b, np.ones((1, 3), np.float32)), np.float32)


def _gain(small: Floats, mean: Floats) -> Floats:
    """(3,) the gain of each channel at which most places equal the empty room: the peak of all gains."""
    usable = (mean.min(2) > 16) & (small.min(2) > 4) & (small.max(2) < 250)
    if np.count_nonzero(usable) < 0.05 * usable.size:
        return np.ones(3, np.float32)
    gains = np.log(small[usable] / mean[usable])
    return np.asarray([np.exp(_peak(channel)) for channel in gains.T], np.float32)


def _peak(values: Sequence[float] | Floats) -> float:
    """Where values lie densest."""
    values = np.asarray(values, np.float32)
    counts, edges = np.histogram(values, round(2 * _REACH / _STEP), (-_REACH, _REACH))
    smooth = np.convolve(counts, (1, 2, 3, 2, 1), "same")
    centre = float(edges[int(smooth.argmax())]) + _STEP / 2
    near = values[np.abs(values - centre) < 2.5 * _STEP]
    return float(np.median(near)) if len(near) else 0.0
