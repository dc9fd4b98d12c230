"""Less flicker, without ghosts: alpha is blended with the one before only where the frame stands still.

And only near what is the object now: what is taken for it by mistake leaves with the mistake, at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes
from maskstream.matte.opencv import cv
from maskstream.matte.tiles import Grid, Place, sample

SHARE = 0.7  #: of the alpha before, where nothing moves
STILL = 3.0  #: difference of colour, in 0..255 at the thumbnail's size, that is noise
MOVING = 9.0  #: difference of colour from which nothing of the alpha before is taken
NEAR = 1 / 30  #: of the short side: what is farther from the object keeps nothing of the alpha before
CUT = 40.0  #: mean difference of two frames that show different scenes

_NEIGHBOURS = np.ones((5, 5), np.uint8)
_SHARES = np.round(255 * SHARE * np.clip((MOVING - np.arange(256)) / (MOVING - STILL), 0, 1)).astype(np.uint8)


class Smoother:
    """Remembers one alpha and one thumbnail."""

    def __init__(self) -> None:
        self._alpha: Bytes | None = None
        self._thumbnail: Bytes | None = None
        self._active: NDArray[np.bool_] | None = None

    def __call__(
        self, thumbnail: Bytes, alpha: Bytes, active: NDArray[np.bool_], grid: Grid
    ) -> NDArray[np.bool_]:
        """Smooth alpha in place; remember it.

        Args:
            thumbnail: ``(h, w, 3)`` the whole frame, small.
            alpha: ``(H, W)``, changed.
            active: tiles in which alpha may be partial.
            grid: of the frame.

        Returns:
            The tiles in which alpha may now be partial.
        """
        if self._alpha is not None and self._thumbnail is not None and self._active is not None:
            difference = cv.absdiff(thumbnail, self._thumbnail)
            if sum(cv.mean(difference)[:3]) / 3 < CUT:
                if self._active.shape != active.shape:
                    self._active = grid.partial(self._alpha)
                # Of a corner of each tile: a whole tile that changed its side is in neither band.
                flipped = alpha[grid.tops][:, grid.lefts] != self._alpha[grid.tops][:, grid.lefts]
                active = active | self._active | flipped
                self._blend(difference, alpha, active, grid)
                active = grid.still_partial(alpha, active)
        self._thumbnail = thumbnail
        self._active = active
        if self._alpha is None:
            self._alpha = alpha.copy()
        else:
            np.copyto(self._alpha, alpha)
        return active

    def _blend(self, difference: Bytes, alpha: Bytes, active: NDArray[np.bool_], grid: Grid) -> None:
        tiles = grid.choose(active)
        if not len(tiles) or self._alpha is None:
            return
        red, green, blue = cv.split(difference)
        motion = cv.blur(cv.max(cv.max(red, green), blue), (3, 3))
        shares = cv.LUT(cv.dilate(motion, _NEIGHBOURS), _SHARES)
        shares = cv.min(shares, _surroundings(alpha, shares.shape))
        place = Place.of(shares.shape[:2], (slice(0, grid.height), slice(0, grid.width)))
        share = sample(shares, tiles.positions(place))
        before, now = tiles.gather(self._alpha), tiles.gather(alpha)
        # One is taken off each step so that rounding cannot hold alpha one short of 0 or 255 for ever.
        up = cv.subtract(cv.multiply(cv.subtract(before, now), share, scale=1 / 255), 1)
        down = cv.subtract(cv.multiply(cv.subtract(now, before), share, scale=1 / 255), 1)
        tiles.scatter(np.asarray(cv.subtract(cv.add(now, up), down)), alpha)

    def reset(self) -> None:
        """Forget."""
        self._alpha = self._thumbnail = self._active = None

    def state(self) -> dict[str, NDArray[Any]]:
        """What is remembered."""
        if self._alpha is None or self._thumbnail is None or self._active is None:
            return {}
        return {
            "alpha": self._alpha.copy(),
            "thumbnail": self._thumbnail.copy(),
            "active": self._active.copy(),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told."""
        self.reset()
        if arrays:
            self._alpha = arrays["alpha"].copy()
            self._thumbnail = arrays["thumbnail"].copy()
            self._active = arrays["active"].copy()


def _surroundings(alpha: Bytes, shape: tuple[int, int]) -> Bytes:
    """255 on and near the object, else 0, at a small size ``shape``."""
    object_ = cv.resize(alpha, shape[::-1], interpolation=cv.INTER_NEAREST)
    side = 2 * round(NEAR * min(shape)) + 1
    near = cv.dilate(object_, np.ones((side, side), np.uint8))
    return np.asarray(cv.threshold(near, 127, 255, cv.THRESH_BINARY)[1])
