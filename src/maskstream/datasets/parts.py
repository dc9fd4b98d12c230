"""Connected parts of label maps whose ids are classes, so that each thing is an object of its own."""

from __future__ import annotations

import numpy as np

from maskstream.arrays import LabelMap
from maskstream.datasets.readers import VOID, Load, Pair

MOST_PARTS = 100
LEAST_SHARE = (
    1e-3  #: of a picture; what is smaller is void: too little to be an object, too much for background
)


def connected_parts(labels: LabelMap) -> LabelMap:
    """Numbers the connected parts of each id anew, the largest first.

    Pixels are connected to those above, below and beside them that have the same id.

    Args:
        labels: ids, 0 = background, 255 = void.

    Returns:
        Ids from 1; void where it was, and for parts that are too small.
    """
    changes = np.ones(labels.shape, bool)
    changes[:, 1:] = labels[:, 1:] != labels[:, :-1]
    runs = changes.ravel().cumsum().reshape(labels.shape) - 1  # one number for each piece of a row
    alike = labels[1:] == labels[:-1]
    above, below = runs[:-1][alike], runs[1:][alike]
    # A pair of pieces meets at many pixels, one after another.
    fresh = np.ones(len(above), bool)
    fresh[1:] = (above[1:] != above[:-1]) | (below[1:] != below[:-1])
    root = _joined(int(runs[-1, -1]) + 1, above[fresh].tolist(), below[fresh].tolist())
    part = root[runs]
    things = part[(labels > 0) & (labels < VOID)]
    found, sizes = np.unique(things, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    kept = [number for number in order if sizes[number] >= LEAST_SHARE * labels.size][:MOST_PARTS]
    numbers = np.zeros(len(root), np.uint8)
    numbers[found] = VOID
    numbers[found[kept]] = np.arange(1, len(kept) + 1)
    return np.where(labels == VOID, VOID, numbers[part]).astype(np.uint8)


def parts_loader(load: Load) -> Load:
    """A loader of the same picture with connected parts for ids."""

    def split() -> Pair:
        image, labels = load()
        return image, connected_parts(labels)

    return split


def _joined(count: int, first: list[int], second: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """``(count,)`` the least number of those that pairs connect each number to, by union and find."""
    parent = list(range(count))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for a, b in zip(first, second, strict=True):
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(number) for number in range(count)], np.int64)
