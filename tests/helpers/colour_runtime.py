"""A network of the simplest kind, in numpy: an object is where the colours are that it had in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskstream.arrays import Floats
from maskstream.runtime.aggregation import soft_aggregate
from maskstream.runtime.protocol import Memory, MemoryEntry, ModelInfo

STRIDE = 16
SHARPNESS = 0.001


def cells(planes: Floats) -> Floats:
    """``(N, H, W)`` to the means of each cell, ``(N, P)``."""
    n, height, width = planes.shape
    blocks = planes.reshape(n, height // STRIDE, STRIDE, width // STRIDE, STRIDE)
    return blocks.mean((2, 4), dtype=np.float32).reshape(n, -1)


class ColourRuntime:
    """Keys are mean colours, values mean masks; keeps a record of its calls."""

    def __init__(self, shared_key: bool = True, has_shrinkage: bool = False) -> None:
        self.info = ModelInfo(
            "colours",
            default_size=64,
            shared_key=shared_key,
            has_shrinkage=has_shrinkage,
            memory_max_frames=3,
        )
        self.calls: list[tuple[str, Any]] = []
        self.allocated = 0

    def encode(self, frame: np.ndarray) -> Floats:
        assert frame.dtype == np.uint8
        assert frame.shape[0] % STRIDE == frame.shape[1] % STRIDE == 0
        self.calls.append(("encode", frame.shape))
        return cells(frame.transpose(2, 0, 1).astype(np.float32))

    def for_memory(self, features: Floats) -> Floats:
        return features

    def memorize(self, frame: np.ndarray, features: Floats, masks: Floats, others: Floats) -> MemoryEntry:
        self.calls.append(("memorize", (masks.copy(), others.copy())))
        key = features.T[None] if self.info.shared_key else np.repeat(features.T[None], len(masks), 0)
        shrinkage = np.ones((*key.shape[:2], 1), np.float32) if self.info.has_shrinkage else None
        return MemoryEntry(key, shrinkage, cells(masks)[:, None])

    def segment(self, features: Floats, memory: Memory, previous_masks: Floats) -> Floats:
        self.calls.append(("segment", (memory.key.shape, memory.value.shape, previous_masks.copy())))
        value = np.asarray(memory.value)
        keys = np.repeat(memory.key, value.shape[1], 1) if self.info.shared_key else np.asarray(memory.key)
        logits = np.empty_like(previous_masks)
        for n in range(len(logits)):
            distance = ((keys[:, n].reshape(-1, 1, 3) - features.T[None]) ** 2).sum(-1)
            weights = np.exp(-SHARPNESS * (distance - distance.min(0)))
            p = (value[:, n].reshape(1, -1) @ (weights / weights.sum(0))).clip(1e-6, 1 - 1e-6)
            plane = np.log(p / (1 - p)).reshape(logits.shape[1] // STRIDE, -1)
            logits[n] = plane.repeat(STRIDE, 0).repeat(STRIDE, 1)
        return logits

    def aggregate(self, logits: Floats) -> Floats:
        return soft_aggregate(logits)

    def empty(self, shape: tuple[int, ...]) -> Floats:
        self.allocated += 1
        return np.full(shape, np.nan, np.float32)

    def count(self, name: str) -> int:
        return sum(call == name for call, _ in self.calls)


COLOURS = {1: (220, 30, 30), 2: (30, 220, 30), 7: (30, 30, 220), 300: (220, 220, 30)}


def scene(
    objects: dict[int, tuple[int, int]], height: int = 64, width: int = 96, cell: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """A grey frame with a square of its own colour for each object, at (row, column) in cells; its labels."""
    frame = np.full((height, width, 3), 128, np.uint8)
    labels = np.zeros((height, width), np.int32)
    for object_id, (row, column) in objects.items():
        square = np.s_[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
        frame[square] = COLOURS[object_id]
        labels[square] = object_id
    return frame, labels
