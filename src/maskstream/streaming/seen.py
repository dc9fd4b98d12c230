"""What was seen of a frame, with its result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from maskstream.arrays import Floats, Frame
from maskstream.streaming.geometry import Geometry
from maskstream.streaming.window import WHOLE, Window


@dataclass(frozen=True)
class SeenFrame:
    """What was seen of a frame, with its result, at inner size; memorized when the next one comes.

    Attributes:
        frame_index: its index.
        frame: ``(h, w, 3)`` RGB.
        ids: of the objects in ``probabilities``.
        probabilities: ``(N, h, w)``.
        window: what of the frame it is.
        given: ids of those whose masks were given for it and are not memorized yet.
        features: what the network made of the frame, if it has been asked.
        is_due: whether it is still to be memorized.
    """

    frame_index: int
    frame: Frame
    ids: tuple[int, ...]
    probabilities: Floats
    window: Window = WHOLE
    given: frozenset[int] = frozenset()
    features: Any = None
    is_due: bool = False

    def of(self, object_ids: Iterable[int]) -> Floats:
        """``(len(object_ids), h, w)`` probabilities, zero for objects that were not known."""
        if (wanted := tuple(object_ids)) == self.ids:
            return self.probabilities  # of large frames a copy is worth avoiding
        planes = np.zeros((len(wanted), *self.frame.shape[:2]), np.float32)
        for plane, object_id in zip(planes, wanted, strict=True):
            if object_id in self.ids:
                plane[:] = self.probabilities[self.ids.index(object_id)]
        return planes

    def without(self, removed: Iterable[int]) -> SeenFrame:
        """The same, with some objects forgotten."""
        removed = frozenset(removed)
        stay = tuple(object_id for object_id in self.ids if object_id not in removed)
        return replace(self, ids=stay, probabilities=self.of(stay), given=self.given - removed)

    def fitted(self, geometry: Geometry) -> SeenFrame:
        """The same at another geometry's inner size."""
        if self.frame.shape[:2] == geometry.inner:
            return self
        return replace(
            self,
            frame=geometry.fit(self.frame),
            probabilities=geometry.fit_planes(self.probabilities),
            features=None,
        )
