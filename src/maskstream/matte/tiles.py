"""The few square tiles of a frame where alpha is partial, packed side by side.

Edges cover some hundredths of a frame. What is done at full size is done on these tiles alone, all of them in
one OpenCV call, and costs by the length of the edge, not by the size of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Bytes, Floats
from maskstream.matte.opencv import cv

_SMALLEST = 16


@dataclass(frozen=True)
class Grid:
    """Tiles over a frame; those at the lower and right border are moved inwards to fit.

    Attributes:
        height: of the frame.
        width: of the frame.
        side: of a tile.
    """

    height: int
    width: int
    side: int

    @classmethod
    def of(cls, height: int, width: int, scale: float) -> Grid:
        """For a frame whose probabilities are ``scale`` times smaller.

        A tile is at least as long as one small pixel reaches when it is upsampled: ``around`` relies on it.
        """
        side = _SMALLEST
        while side < 2 * scale:
            side *= 2
        return cls(height, width, side)

    @property
    def tall(self) -> int:
        """Rows of a tile."""
        return min(self.side, self.height)

    @property
    def wide(self) -> int:
        """Columns of a tile."""
        return min(self.side, self.width)

    @cached_property
    def tops(self) -> NDArray[np.int64]:
        """First frame row of each row of tiles."""
        starts = np.arange(-(-self.height // self.side)) * self.side
        return np.minimum(starts, self.height - self.tall)

    @cached_property
    def lefts(self) -> NDArray[np.int64]:
        """First frame column of each column of tiles."""
        starts = np.arange(-(-self.width // self.side)) * self.side
        return np.minimum(starts, self.width - self.wide)

    @property
    def shape(self) -> tuple[int, int]:
        """Tiles (down, across)."""
        return len(self.tops), len(self.lefts)

    def none(self) -> NDArray[np.bool_]:
        """No tile."""
        return np.zeros(self.shape, np.bool_)

    def around(self, where: Bytes, place: Place) -> NDArray[np.bool_]:
        """Tiles of all frame pixels that upsampling mixes from marked small pixels.

        Args:
            where: ``(h, w)``, not 0 where marked.
            place: of the small image in the frame.
        """
        marked = self.none()
        rows, columns = np.divmod(np.flatnonzero(where), where.shape[1])
        first = self._index((rows - 0.5) * place.down + place.top, self.shape[0])
        last = self._index((rows + 1.5) * place.down + place.top, self.shape[0])
        left = self._index((columns - 0.5) * place.across + place.left, self.shape[1])
        right = self._index((columns + 1.5) * place.across + place.left, self.shape[1])
        for y in (first, last):
            for x in (left, right):
                marked[y, x] = True
        return marked

    def _index(self, position: NDArray[Any], count: int) -> NDArray[np.int64]:
        index: NDArray[np.int64] = np.clip(position // self.side, 0, count - 1).astype(np.int64)
        return index

    def partial(self, alpha: Bytes) -> NDArray[np.bool_]:
        """Tiles in which alpha is neither 0 nor 255."""
        down, across = self.shape
        soft = cv.copyMakeBorder(
            cv.inRange(alpha, 1, 254),
            0,
            down * self.side - self.height,
            0,
            across * self.side - self.width,
            cv.BORDER_CONSTANT,
        )
        # Eight pixels at a time.
        strips = np.bitwise_or.reduce(soft.view(np.uint64).reshape(down, self.side, -1), axis=1)
        tiles: NDArray[np.bool_] = strips.reshape(down, across, -1).any(-1)
        return tiles

    def still_partial(self, alpha: Bytes, tiles: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of some tiles in which alpha is neither 0 nor 255."""
        left = tiles.copy()
        soft = cv.inRange(self.choose(tiles).gather(alpha), 1, 254) if tiles.any() else None
        if soft is not None:
            left[tiles] = cv.reduce(soft, 1, cv.REDUCE_MAX)[:, 0] > 0
        return left

    def grown(self, tiles: NDArray[np.bool_], pixels: float) -> NDArray[np.bool_]:
        """These tiles and all within so many pixels of them."""
        reach = int(np.ceil(pixels / self.side))
        if not reach:
            return tiles
        around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        return np.asarray(cv.dilate(tiles.view(np.uint8), around) > 0)

    def fill(self, values: Bytes, out: Bytes) -> None:
        """Give each tile one value.

        Args:
            values: one for each tile.
            out: ``(H, W)``.
        """
        padded = self.shape[1] * self.side, self.shape[0] * self.side
        if padded == (self.width, self.height):
            cv.resize(values, padded, dst=out, interpolation=cv.INTER_NEAREST)
            return
        whole = cv.resize(values, padded, interpolation=cv.INTER_NEAREST)
        np.copyto(out, whole[: self.height, : self.width])

    def choose(self, tiles: NDArray[np.bool_]) -> Tiles:
        """Some of the tiles."""
        down, across = np.nonzero(tiles)
        return Tiles(self, self.tops[down], self.lefts[across])


@dataclass(frozen=True)
class Place:
    """Where a small image lies in a frame.

    Attributes:
        top: frame row of its upper edge.
        left: frame column of its left edge.
        down: frame rows to one of its rows.
        across: frame columns to one of its columns.
    """

    top: float
    left: float
    down: float
    across: float

    @classmethod
    def of(cls, small: tuple[int, int], seen: tuple[slice, slice]) -> Place:
        """Of an image ``(h, w)`` that shows these rows and columns of the frame."""
        rows, columns = seen
        return cls(
            rows.start,
            columns.start,
            (rows.stop - rows.start) / small[0],
            (columns.stop - columns.start) / small[1],
        )


class Tiles:
    """Chosen tiles of a frame; packed, they are ``(N, pixels of a tile, channels)``."""

    def __init__(self, grid: Grid, tops: NDArray[np.int64], lefts: NDArray[np.int64]) -> None:
        self._grid = grid
        self._tops, self._lefts = tops, lefts

    def __len__(self) -> int:
        return len(self._tops)

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that hold all of them; there must be one."""
        return (
            slice(int(self._tops.min()), int(self._tops.max()) + self._grid.tall),
            slice(int(self._lefts.min()), int(self._lefts.max()) + self._grid.wide),
        )

    def gather(self, image: Bytes) -> Bytes:
        """Pack: ``(H, W[, C])`` C-contiguous to ``(N, pixels[, C])``."""
        packed = self._windows(image)[self._tops, self._lefts]
        return packed.view(np.uint8).reshape(len(self), -1, *image.shape[2:])

    def scatter(self, packed: Bytes, image: Bytes) -> None:
        """Unpack into an image."""
        rows = np.ascontiguousarray(packed).reshape(len(self), self._grid.tall, -1)
        windows = self._windows(image)
        windows[self._tops, self._lefts] = rows.view(windows.dtype)[..., 0]

    def _windows(self, image: Bytes) -> NDArray[Any]:
        """``(H', W', rows of a tile)`` of tile rows, each one item: whole rows are copied, not bytes."""
        grid, (row, column) = self._grid, image.strides[:2]
        return np.ndarray(
            (grid.height - grid.tall + 1, grid.width - grid.wide + 1, grid.tall),
            np.dtype((np.void, grid.wide * column)),
            image,
            strides=(row, column, row),
        )

    def positions(self, place: Place) -> tuple[Floats, Floats]:
        """Where each packed pixel is found in a small image: x and y ``(N, pixels)``, for ``sample``."""
        rows = (np.arange(self._grid.tall) + 0.5 - place.top) / place.down - 0.5
        columns = (np.arange(self._grid.wide) + 0.5 - place.left) / place.across - 0.5
        shape = len(self), self._grid.tall, self._grid.wide
        x, y = np.empty(shape, np.float32), np.empty(shape, np.float32)
        x[:] = (self._lefts[:, None] / place.across + columns)[:, None, :]
        y[:] = (self._tops[:, None] / place.down + rows)[:, :, None]
        return x.reshape(len(self), -1), y.reshape(len(self), -1)


def sample(small: NDArray[Any], positions: tuple[Floats, Floats]) -> NDArray[Any]:
    """A small image, upsampled linearly at these positions: ``(N, pixels[, C])``."""
    sampled: NDArray[Any] = cv.remap(small, *positions, cv.INTER_LINEAR, borderMode=cv.BORDER_REPLICATE)
    return sampled


class Shrunk:
    """A frame, or another image of its size, and its halves, quarters and so on, each made once."""

    def __init__(self, image: Bytes) -> None:
        self._levels = [image]

    def to(self, size: tuple[int, int], seen: tuple[slice, slice] | None = None) -> Bytes:
        """The image, or some rows and columns of it, at (height, width).

        Halved as often as it goes, which is fast and leaves nothing out, then resized linearly.
        """
        height, width = self._levels[0].shape[:2]
        rows, columns = seen or (slice(0, height), slice(0, width))
        tall, wide, level = rows.stop - rows.start, columns.stop - columns.start, 0
        while tall >= 2 * size[0] and wide >= 2 * size[1]:
            tall, wide, level = tall // 2, wide // 2, level + 1
        top, left = rows.start >> level, columns.start >> level
        part = self._level(level)[top : top + tall, left : left + wide]
        small: Bytes = cv.resize(part, size[::-1], interpolation=cv.INTER_LINEAR)
        return small

    def _level(self, level: int) -> Bytes:
        while len(self._levels) <= level:
            last = self._levels[-1]
            half = last.shape[0] // 2, last.shape[1] // 2
            even = last[: 2 * half[0], : 2 * half[1]]
            self._levels.append(cv.resize(even, half[::-1], interpolation=cv.INTER_AREA))
        return self._levels[level]
