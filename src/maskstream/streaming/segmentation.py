"""The result of one step: labels and probabilities at the frame's full size, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstream.arrays import Floats
from maskstream.errors import InputError
from maskstream.streaming.objects import GivenMasks
from maskstream.streaming.resize import resize


class Timing(NamedTuple):
    """Seconds that a step took, as a whole and by the network's calls."""

    encode: float = 0.0
    memorize: float = 0.0
    segment: float = 0.0
    total: float = 0.0


class Planes(Protocol):
    """What is known of the objects of one frame; full-size planes are made one at a time."""

    @property
    def ids(self) -> tuple[int, ...]:
        """Of all objects, ascending."""

    @property
    def low_res(self) -> Floats:
        """``(N, h, w)`` probabilities as small as they are known, of what was seen."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frame."""

    @property
    def seen(self) -> tuple[slice, slice]:
        """Rows and columns of the frame outside of which no object is."""

    def plane(self, position: int) -> Floats:
        """``(H, W)`` probability of one object, by its position in ``ids``."""


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

    def plane(self, position: int) -> Floats:
        """``(H, W)`` probability of one object; the given mask, where there is one."""
        given, object_id = self.given, self.ids[position]
        if given is not None and object_id in given.ids:
            exact: Floats = given.masks[given.ids.index(object_id)].astype(np.float32)
            return exact
        rows, columns = self.seen
        size = rows.stop - rows.start, columns.stop - columns.start
        plane: Floats = resize(self.predicted[position], *size).astype(np.float32, copy=False)
        if size != self.size:
            whole = np.zeros(self.size, np.float32)
            whole[rows, columns] = plane
            plane = whole
        return plane if given is None else plane * (1 - given.claimed)


class Segmentation:
    """Which object is where in one frame.

    Full-size results are computed when first asked for, then kept. Where masks were given for the frame, they
    come back exactly.
    """

    __slots__ = ("_label_map", "_prediction", "_probabilities", "frame_index", "timing")

    def __init__(self, prediction: Planes, frame_index: int, timing: Timing) -> None:
        """Wrap a prediction; segmenters do this."""
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
                self._probabilities[position] = self._prediction.plane(position)
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
        return self._plane(self.ids.index(object_id))

    def _plane(self, position: int) -> Floats:
        if self._probabilities is None:
            return self._prediction.plane(position)
        known: Floats = self._probabilities[position]
        return known

    def _make_label_map(self) -> NDArray[np.uint8] | NDArray[np.int32]:
        labels = np.zeros(self._prediction.size, np.uint8 if max(self.ids, default=0) <= 255 else np.int32)
        if not self.ids:
            return labels
        seen = self._prediction.seen  # no object is elsewhere
        inside, first = labels[seen], self._plane(0)[seen]
        if len(self.ids) == 1:  # likelier than the background, which has the rest
            np.multiply(first > 0.5, self.ids[0], out=inside, casting="unsafe")
            return labels
        best, background = first.copy(), 1 - first
        inside[:] = self.ids[0]
        # One plane at a time: many objects at 4K would take gigabytes at once.
        for position, object_id in enumerate(self.ids[1:], start=1):
            plane = self._plane(position)[seen]
            background -= plane
            np.copyto(inside, object_id, where=plane > best, casting="unsafe")
            np.maximum(best, plane, out=best)
        np.copyto(inside, 0, where=background >= best)
        return labels


class Segmenter(Protocol):
    """What follows objects through a video: a ``VideoSegmenter``, whose calls these are, or an ensemble."""

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of all known objects, ascending."""

    @property
    def memory_bytes(self) -> int:
        """Bytes held from frame to frame."""

    @property
    def size(self) -> int | Literal["native"]:
        """Short side that frames are shrunk to; may be changed at any time, from the next step on."""

    @size.setter
    def size(self, size: int | Literal["native"]) -> None: ...

    def settle(self) -> None:
        """Memorize the last frame now, if it is to be, instead of when the next one comes."""

    def disbelieve(self) -> None:
        """Forget the last result, though not the objects: it is neither memorized nor continued from."""

    def step(
        self, frame: NDArray[np.uint8], masks: ArrayLike | None = None, ids: Sequence[int] | int | None = None
    ) -> Segmentation:
        """Take the next frame; find all known objects in it."""

    def add_reference(
        self, frame: NDArray[np.uint8], masks: ArrayLike, ids: Sequence[int] | int | None = None
    ) -> Segmentation:
        """Show a frame with masks that is not the next one."""

    def remove(self, ids: Iterable[int] | int) -> None:
        """Forget objects and free their memory."""

    def reset(self) -> None:
        """Forget everything."""

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything that is remembered, as plain data and arrays."""

    def restore(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told."""
