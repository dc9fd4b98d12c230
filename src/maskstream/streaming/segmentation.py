"""The result of one step: labels and probabilities at the frame's full size, made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskstream.errors import InputError
from maskstream.runtime.protocol import Floats
from maskstream.streaming.objects import GivenMasks, resize


class Timing(NamedTuple):
    """Seconds that a step took, as a whole and by the network's calls."""

    encode: float = 0.0
    memorize: float = 0.0
    segment: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network says of a frame, and what a user has said of it.

    Attributes:
        ids: of all objects, ascending.
        low_res: ``(N, h, w)`` probabilities at network size, without padding, where given masks have won.
        predicted: the same before they won; equal to ``low_res`` where none were given.
        given: masks at full size, or None.
        size: (height, width) of the frame.
        seen: rows and columns of the frame that these probabilities are of; the objects are nowhere else.
    """

    ids: tuple[int, ...]
    low_res: Floats
    predicted: Floats
    given: GivenMasks | None
    size: tuple[int, int]
    seen: tuple[slice, slice]


class Segmentation:
    """Which object is where in one frame.

    Full-size results are computed when first asked for, then kept. Where masks were given for the frame, they
    come back exactly.
    """

    __slots__ = ("_label_map", "_prediction", "_probabilities", "frame_index", "timing")

    def __init__(self, prediction: Prediction, frame_index: int, timing: Timing) -> None:
        """Wrap a prediction; ``VideoSegmenter`` does this."""
        self._prediction = prediction
        self._label_map: NDArray[np.uint8] | NDArray[np.int32] | None = None
        self._probabilities: Floats | None = None
        self.frame_index = frame_index
        self.timing = timing

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of all known objects, ascending, whether they are in the frame or not."""
        return self._prediction.ids

    @property
    def label_map(self) -> NDArray[np.uint8] | NDArray[np.int32]:
        """``(H, W)`` the id of the likeliest object, 0 = background; uint8, or int32 where an id needs it."""
        if self._label_map is None:
            self._label_map = self._make_label_map()
        return self._label_map

    @property
    def probabilities(self) -> Floats:
        """``(N, H, W)`` probability of each object, in the order of ``ids``; the background has the rest."""
        if self._probabilities is None:
            size = self._prediction.size
            self._probabilities = np.empty((len(self.ids), *size), np.float32)
            for position in range(len(self.ids)):
                self._probabilities[position] = self._plane(position)
        return self._probabilities

    @property
    def low_res(self) -> Floats:
        """``(N, h, w)`` the same probabilities at the network's size, of what it saw; read-only."""
        return self._prediction.low_res

    @property
    def seen(self) -> tuple[slice, slice]:
        """Rows and columns of the frame that the network saw; the objects are nowhere else."""
        return self._prediction.seen

    def probability(self, object_id: int) -> Floats:
        """``(H, W)`` probability of one object; cheaper than all.

        Raises:
            InputError: there is no such object.
        """
        if object_id not in self.ids:
            known = ", ".join(map(str, self.ids)) or "none"
            raise InputError(f"frame {self.frame_index}: object {object_id} is not known; known: {known}")
        position = self.ids.index(object_id)
        return self._plane(position) if self._probabilities is None else self._probabilities[position]

    def _plane(self, position: int) -> Floats:
        """One object at full size."""
        prediction, given = self._prediction, self._prediction.given
        object_id = prediction.ids[position]
        if given is not None and object_id in given.ids:
            exact: Floats = given.masks[given.ids.index(object_id)].astype(np.float32)
            return exact
        rows, columns = prediction.seen
        size = rows.stop - rows.start, columns.stop - columns.start
        plane: Floats = resize(prediction.predicted[position], *size).astype(np.float32)
        if size != prediction.size:
            whole = np.zeros(prediction.size, np.float32)
            whole[rows, columns] = plane
            plane = whole
        return plane if given is None else plane * (1 - given.claimed)

    def _make_label_map(self) -> NDArray[np.uint8] | NDArray[np.int32]:
        labels = np.zeros(self._prediction.size, np.uint8 if max(self.ids, default=0) <= 255 else np.int32)
        best = np.full(self._prediction.size, -1, np.float32)
        background = np.ones(self._prediction.size, np.float32)
        # One plane at a time: many objects at 4K would take gigabytes at once.
        for position, object_id in enumerate(self.ids):
            plane = self._plane(position) if self._probabilities is None else self._probabilities[position]
            background -= plane
            wins = plane > best
            np.copyto(best, plane, where=wins)
            np.copyto(labels, object_id, where=wins, casting="unsafe")
        labels[background >= best] = 0
        return labels
