"""An average over the neighbourhood that stops at the edges of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Floats
from maskstream.matte.opencv import cv

RADIUS = 12  #: of the neighbourhood, in pixels
SMOOTHNESS = 1e-3  #: variance of colours 0..1 that is no edge


class EdgeAverage:
    """The guided filter of He, Sun and Tang 2013 in its colour form, many times over one picture.

    What depends on the picture alone is computed once.

    Args:
        picture: ``(h, w, 3)`` uint8 RGB.
        radius: in pixels.
        smoothness: He's epsilon, on colours 0..1.
    """

    def __init__(
        self, picture: NDArray[np.uint8], radius: int = RADIUS, smoothness: float = SMOOTHNESS
    ) -> None:
        self._window = (2 * radius + 1, 2 * radius + 1)
        self._colour: Floats = picture.astype(np.float32) / np.float32(255)
        self._mean = self._blur(self._colour)
        r, g, b = np.moveaxis(self._colour, 2, 0)
        products = (
            self._blur(np.stack((r * r, g * g, b * b, r * g), 2)),
            self._blur(np.stack((r * b, g * b), 2)),
        )
        mr, mg, mb = np.moveaxis(self._mean, 2, 0)
        rr, gg, bb, rg = np.moveaxis(products[0], 2, 0)
        rb, gb = np.moveaxis(products[1], 2, 0)
        rr, gg, bb = (rr - mr * mr + smoothness, gg - mg * mg + smoothness, bb - mb * mb + smoothness)
        rg, rb, gb = rg - mr * mg, rb - mr * mb, gb - mg * mb
        # The inverse of the symmetric 3 x 3 covariance by its cofactors.
        irr, irg, irb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
        igg, igb, ibb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
        scale = 1 / (irr * rr + irg * rg + irb * rb)
        self._inverse = [
            np.stack(row, 2) * scale[..., None] for row in ((irr, irg, irb), (irg, igg, igb), (irb, igb, ibb))
        ]

    def __call__(self, values: Floats) -> Floats:
        """The average of ``(h, w)`` float32 values."""
        mean = self._blur(values)
        shared = self._blur(self._colour * values[..., None]) - self._mean * mean[..., None]
        slopes = cv.merge([_summed(row * shared) for row in self._inverse])
        offset = mean - _summed(slopes * self._mean)
        return _summed(self._blur(slopes) * self._colour) + self._blur(offset)

    def _blur(self, image: Floats) -> Floats:
        return np.asarray(cv.blur(image, self._window), np.float32)


def _summed(channels: Floats) -> Floats:
    """``(h, w, 3)`` to ``(h, w)``; many times faster than NumPy along so short an axis."""
    return np.asarray(cv.transform(channels, np.ones((1, 3), np.float32)), np.float32)
