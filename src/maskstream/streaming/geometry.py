"""From a frame's size to the network's and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Floats
from maskstream.streaming.resize import resize, resize_planes
from maskstream.streaming.window import WHOLE, Window


@dataclass(frozen=True)
class Geometry:
    """How frames of one size enter the network.

    The frame, or a window of it, is resized to ``inner`` and zero-padded to ``network``. At a chosen short
    side there is no padding: the frame goes straight to multiples of the stride. At native size there is no
    resizing, and the padding is split as STM's ``pad_divide_by`` does it, so that its results are met
    exactly.

    Attributes:
        frame: (height, width) of the frame.
        inner: (height, width) of its picture in the network's input.
        network: (height, width) of the network's input, multiples of the stride.
        window: what of the frame the network sees.
    """

    frame: tuple[int, int]
    inner: tuple[int, int]
    network: tuple[int, int]
    window: Window = WHOLE

    @classmethod
    def of(cls, height: int, width: int, size: int | None, stride: int) -> Geometry:
        """The geometry of frames of ``height`` x ``width``.

        Args:
            height: of the frame.
            width: of the frame.
            size: short side to shrink to (frames that are smaller keep their size), or None for native size.
            stride: of the network.
        """
        if size is None:
            padded = (-(-height // stride) * stride, -(-width // stride) * stride)
            return cls((height, width), (height, width), padded)
        scale = min(1.0, size / min(height, width))
        fitted = (_nearest(height * scale, stride), _nearest(width * scale, stride))
        return cls((height, width), fitted, fitted)

    def through(self, window: Window) -> Geometry:
        """The same, seeing another part of the frame."""
        return replace(self, window=window)

    @property
    def seen(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that the network sees."""
        return self.window.pixels(*self.frame)

    @property
    def place(self) -> tuple[slice, slice]:
        """Where the picture lies in the network's input."""
        top, left = ((n - i) // 2 for n, i in zip(self.network, self.inner, strict=True))
        return slice(top, top + self.inner[0]), slice(left, left + self.inner[1])

    def shrink(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What is seen of the frame ``(H, W, 3)``, at inner size, never the caller's own memory."""
        seen = frame[self.seen]
        return seen.copy() if seen.shape[:2] == self.inner else self.fit(seen)

    def fit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture ``(H, W, 3)`` at inner size."""
        return resize(picture, *self.inner).astype(np.uint8, copy=False)

    def fit_planes(self, planes: Floats) -> Floats:
        """``(N, H, W)`` planes at inner size."""
        return resize_planes(planes, *self.inner)

    def pad_frame(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """``(h, w, 3)`` at inner size to the network's input."""
        if self.inner == self.network:
            return frame
        padded = np.zeros((*self.network, frame.shape[2]), np.uint8)
        padded[self.place] = frame
        return padded

    def pad(self, planes: Floats) -> Floats:
        """``(N, h, w)`` at inner size to the network's input."""
        if self.inner == self.network:
            return planes
        padded = np.zeros((len(planes), *self.network), np.float32)
        padded[:, *self.place] = planes
        return padded

    def crop(self, planes: Floats) -> Floats:
        """``(N, H, W)`` at the network's size to inner size."""
        return planes[:, *self.place]


def _nearest(length: float, stride: int) -> int:
    return max(1, round(length / stride)) * stride
