"""From a frame and its probabilities to alpha and the object's own colours, frame after frame."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes, Floats
from maskstream.errors import InputError
from maskstream.matte.chroma import Keyer
from maskstream.matte.config import MatteConfig
from maskstream.matte.edges import shifted, softened
from maskstream.matte.foreground import best_foreground, fast_foreground
from maskstream.matte.opencv import cv
from maskstream.matte.refine import refined
from maskstream.matte.smooth import Smoother
from maskstream.matte.tiles import Grid, Shrunk

_LINES = 240  #: of the thumbnail
_FOREGROUND_LINES = 120  #: of the smaller one that the object's colours are blurred on
_SMOOTHER = "smoother."
_KEY_COLOUR = "key_colour"


class Matte(NamedTuple):
    """What of a frame is the object.

    Attributes:
        alpha: ``(H, W)`` uint8, 255 = object.
        foreground: ``(H, W, 3)`` uint8 RGB, the frame with the object's own colour where alpha is partial. It
            may be the frame itself: read only.
    """

    alpha: Bytes
    foreground: Bytes


class Matting:
    """Mattes of one video, in the order of its frames; for one thread at a time.

    Its mattes' arrays are its own and are overwritten two calls later.
    """

    def __init__(self, config: MatteConfig = MatteConfig()) -> None:  # noqa: B008 - frozen
        self._config = config
        self._smoother = Smoother()
        self._keyer = None if config.key is None else Keyer(config.key)
        self._buffers: list[_Buffers] = []
        self._turn = 0
        self._grid = Grid(0, 0, 1)

    def __call__(
        self, frame: Bytes, probability: Floats | None, seen: tuple[slice, slice] | None = None
    ) -> Matte:
        """The matte of the next frame.

        Args:
            frame: ``(H, W, 3)`` uint8 RGB.
            probability: ``(h, w)`` 0..1 that a pixel is of something kept, at the network's size; None: no
                object is tracked and the key alone decides.
            seen: rows and columns of the frame that the probability is of; it is 0 elsewhere. None: all.

        Raises:
            InputError: there is neither a probability nor a key, or no screen is found.
        """
        if probability is None and self._keyer is None:
            raise InputError(
                "no object is followed and no key colour is set; give a first mask or a chroma key"
            )
        frame = np.ascontiguousarray(frame)
        height, width = frame.shape[:2]
        if not self._buffers or self._buffers[0].alpha.shape != (height, width):
            self._smoother.reset()
            self._buffers = [_Buffers(height, width) for _ in range(2)]
        self._turn = 1 - self._turn
        buffers = self._buffers[self._turn]
        rows, columns = seen or (slice(0, height), slice(0, width))
        seen = slice(*rows.indices(height)[:2]), slice(*columns.indices(width)[:2])
        shrunk = Shrunk(frame)
        thumbnail = shrunk.to(_small(height, width, _LINES))
        clean = thumbnail
        if self._keyer is not None:
            np.copyto(buffers.foreground, frame)
            followed = None if probability is None else _on_thumbnail(probability, seen, thumbnail, frame)
            clean = self._keyer(frame, thumbnail, followed, buffers.alpha, buffers.foreground)
            grid = self._on(Grid.of(height, width, height / thumbnail.shape[0]))
            active = grid.partial(buffers.alpha)
        else:
            assert probability is not None
            scale = max(
                (part.stop - part.start) / length
                for part, length in zip(seen, probability.shape, strict=True)
            )
            grid = self._on(Grid.of(height, width, scale))
            active = refined(frame, shrunk, probability, seen, grid, buffers.alpha, self._config.refine)
            active = grid.still_partial(buffers.alpha, active)
        if self._config.smooth:
            active = self._smoother(thumbnail, buffers.alpha, active, grid)
        alpha, active = self._edges(buffers.alpha, active, grid)
        if self._config.foreground != "none" and active.any():
            size = _small(height, width, _FOREGROUND_LINES)
            smaller = shrunk.to(size)
            clean = smaller if clean is thumbnail else Shrunk(clean).to(size)
            self._separate(frame, smaller, clean, alpha, active, grid, buffers.foreground)
        elif self._keyer is None:
            return Matte(alpha, frame)
        return Matte(alpha, buffers.foreground)

    def _on(self, grid: Grid) -> Grid:
        """The grid, and the same one as long as it is equal: it remembers where its tiles are."""
        if self._grid != grid:
            self._grid = grid
        return self._grid

    def _edges(self, alpha: Bytes, active: NDArray[np.bool_], grid: Grid) -> tuple[Bytes, NDArray[np.bool_]]:
        config = self._config
        if config.shift:
            alpha = shifted(alpha, config.shift)
        if config.softness:
            alpha = softened(alpha, config.softness)
        return alpha, grid.grown(active, abs(config.shift) + 4 * config.softness)

    def _separate(
        self,
        frame: Bytes,
        thumbnail: Bytes,
        clean: Bytes,
        alpha: Bytes,
        active: NDArray[np.bool_],
        grid: Grid,
        out: Bytes,
    ) -> None:
        config = self._config
        if config.key is None:
            np.copyto(out, frame)
        if config.foreground == "best":
            best_foreground(frame, alpha, active, grid, out)
        else:
            spill = max(config.spill, config.key.spill if config.key is not None else 0)
            fast_foreground(frame, thumbnail, clean, alpha, active, grid, spill, out)

    def reset(self) -> None:
        """Begin a new scene of the same video."""
        self._smoother.reset()

    def state(self) -> dict[str, NDArray[Any]]:
        """What the next matte depends on, so that an interrupted job resumes with equal results."""
        arrays = {_SMOOTHER + name: array for name, array in self._smoother.state().items()}
        if self._keyer is not None and self._keyer.colour is not None:
            arrays[_KEY_COLOUR] = np.array(self._keyer.colour, np.uint8)
        return arrays

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told, of a matting of the same settings."""
        self._smoother.restore(
            {name.removeprefix(_SMOOTHER): a for name, a in arrays.items() if name.startswith(_SMOOTHER)}
        )
        self._buffers = []
        if "smoother.alpha" in arrays:
            self._buffers = [_Buffers(*arrays["smoother.alpha"].shape) for _ in range(2)]
        if self._keyer is not None and _KEY_COLOUR in arrays:
            red, green, blue = (int(value) for value in arrays[_KEY_COLOUR])
            self._keyer.use((red, green, blue))


class _Buffers:
    """What one matte is written into."""

    def __init__(self, height: int, width: int) -> None:
        self.alpha: Bytes = np.zeros((height, width), np.uint8)
        self.foreground: Bytes = np.zeros((height, width, 3), np.uint8)


def _small(height: int, width: int, lines: int) -> tuple[int, int]:
    """(height, width) of a small frame: its short side has so many pixels, or the frame's own."""
    scale = min(1.0, lines / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _on_thumbnail(probability: Floats, seen: tuple[slice, slice], thumbnail: Bytes, frame: Bytes) -> Floats:
    """A probability of what was seen, as one of the whole frame at the thumbnail's size."""
    whole = np.zeros(thumbnail.shape[:2], np.float32)
    across = thumbnail.shape[1] / frame.shape[1]
    down = thumbnail.shape[0] / frame.shape[0]
    top, left = round(seen[0].start * down), round(seen[1].start * across)
    bottom = max(top + 1, round(seen[0].stop * down))
    right = max(left + 1, round(seen[1].stop * across))
    part = whole[top:bottom, left:right]
    small = np.ascontiguousarray(probability, np.float32)
    part[:] = cv.resize(small, part.shape[::-1], interpolation=cv.INTER_LINEAR)
    return whole
