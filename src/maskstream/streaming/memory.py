"""What is remembered of a stream, and its bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Floats
from maskstream.errors import InputError
from maskstream.runtime.protocol import Memory, MemoryEntry, ModelInfo, Tensor, as_numpy, like_numpy

Allocate = Callable[[tuple[int, ...]], Tensor]


@dataclass(frozen=True)
class MemoryPolicy:
    """Which frames are remembered, beside the reference frames.

    Attributes:
        every: every how many frames one is kept; frames 0, every, 2 every, ...
        max_frames: how many of those are kept at most, the oldest dropped first (None: all, without bound).
        previous: whether the previous frame is always read too, as STM does; one memory step a frame more.
        max_references: how many reference frames an object keeps at most, two or more. The first is never
            dropped; of the others the oldest goes (None: all are kept).
    """

    every: int = 5
    max_frames: int | None = 8
    previous: bool = True
    max_references: int | None = 16

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"memory policy: every is {self.every}; give 1 or more")
        if self.max_frames is not None and self.max_frames < 0:
            raise InputError(f"memory policy: max_frames is {self.max_frames}; give 0 or more, or None")
        if self.max_references is not None and self.max_references < 2:
            raise InputError(
                f"memory policy: max_references is {self.max_references}; give 2 or more, or None"
            )

    @classmethod
    def of(cls, info: ModelInfo) -> MemoryPolicy:
        """What a network was made for."""
        return cls(info.memory_every, info.memory_max_frames, info.memory_previous)

    @classmethod
    def stm(cls) -> MemoryPolicy:
        """That of the published STM code: every fifth frame for ever, and the previous one."""
        return cls(every=5, max_frames=None, previous=True, max_references=None)

    def keeps(self, frame_index: int) -> bool:
        """Whether this frame is one of those that are kept."""
        return frame_index % self.every == 0 and self.max_frames != 0


@dataclass(frozen=True)
class Reference:
    """A reference frame as pictures, so that it can be memorized again at another network size.

    Attributes:
        frame: ``(h, w, 3)`` RGB, not padded.
        masks: ``(N, h, w)`` uint8, 255 = certain.
        others: ``(N, h, w)`` uint8, the other objects of the frame.
    """

    frame: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    others: NDArray[np.uint8]

    @classmethod
    def of(cls, frame: NDArray[np.uint8], masks: Floats, others: Floats) -> Reference:
        """From float masks in 0..1."""
        return cls(frame, (masks * 255 + 0.5).astype(np.uint8), (others * 255 + 0.5).astype(np.uint8))

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures."""
        return self.frame.nbytes + self.masks.nbytes + self.others.nbytes

    def select(self, positions: Sequence[int]) -> Reference:
        """Only some of the objects."""
        return Reference(self.frame, self.masks[list(positions)], self.others[list(positions)])


@dataclass(frozen=True)
class _Slot:
    frame_index: int
    reference: Reference | None


class MemoryBank:
    """The memory frames of objects that share all their reference frames.

    All lie side by side in arrays that are made once, so that a read is a view: first the kept frames, then
    the previous one, as in the published STM. Their order is of no meaning to a memory read but for its
    rounding, so a dropped frame's place is simply used again.
    """

    def __init__(self, policy: MemoryPolicy, shared_key: bool, allocate: Allocate) -> None:
        """An empty bank.

        Args:
            policy: its bounds.
            shared_key: whether keys are one for all objects.
            allocate: makes storage, as ``Runtime.empty``.
        """
        self._policy = policy
        self._shared_key = shared_key
        self._allocate = allocate
        self._slots: dict[int, _Slot] = {}  # by place, oldest first
        self._previous: int | None = None
        self._store: Memory | None = None

    @property
    def frames(self) -> tuple[int, ...]:
        """Indices of the frames that are read, ascending."""
        previous = [] if self._previous is None else [self._previous]
        return tuple(sorted([slot.frame_index for slot in self._slots.values()] + previous))

    @property
    def references(self) -> list[tuple[int, Reference]]:
        """The reference frames, with their frame indices, in the order they came in."""
        return [(s.frame_index, s.reference) for s in self._slots.values() if s.reference is not None]

    @property
    def nbytes(self) -> int:
        """Bytes of all storage, used or not."""
        stored = sum(tensor.nbytes for tensor in self._store or () if tensor is not None)
        return stored + sum(reference.nbytes for _, reference in self.references)

    def remember(
        self, frame_index: int, entry: MemoryEntry, keep: bool, reference: Reference | None = None
    ) -> None:
        """Take in the newest frame of the stream.

        Args:
            frame_index: its index.
            entry: what the network made of it.
            keep: whether it stays until the bound drops it; else only until the next call.
            reference: given if the frame is a reference frame of these objects: it stays for good.
        """
        self._previous = None
        if reference is not None or keep:
            self._keep(_Slot(frame_index, reference), entry)
        elif self._policy.previous:
            self._previous = frame_index
            self._write(self._end, entry)

    def add_reference(self, frame_index: int, entry: MemoryEntry, reference: Reference) -> None:
        """Take in a reference frame from outside the stream; the newest frame stays what it is."""
        self._keep(_Slot(frame_index, reference), entry)

    def read(self) -> Memory:
        """All memory frames, without a copy; T is the length of ``frames``."""
        if self._store is None:
            raise RuntimeError("a memory bank is read before anything is kept in it")
        key, shrinkage, value = self._store
        used = self._used
        return Memory(key[:used], None if shrinkage is None else shrinkage[:used], value[:used])

    def select(self, positions: Sequence[int]) -> MemoryBank:
        """A bank of its own for some of the objects, which shares no storage with this one."""
        chosen = MemoryBank(self._policy, self._shared_key, self._allocate)
        chosen._previous = self._previous
        chosen._slots = {
            place: _Slot(slot.frame_index, slot.reference and slot.reference.select(positions))
            for place, slot in self._slots.items()
        }
        if self._store is not None:
            of_keys = slice(None) if self._shared_key else list(positions)
            key, shrinkage, value = self._store
            chosen._store = Memory(
                self._copy(key, of_keys),
                None if shrinkage is None else self._copy(shrinkage, of_keys),
                self._copy(value, list(positions)),
            )
        return chosen

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything in it, as plain data and arrays, for ``restored``."""
        arrays: dict[str, NDArray[Any]] = {}
        slots = []
        for place, slot in self._slots.items():
            slots.append([place, slot.frame_index, slot.reference is not None])
            if slot.reference is not None:
                for field in ("frame", "masks", "others"):
                    arrays[f"{place}.{field}"] = getattr(slot.reference, field)
        for field, tensor in zip(Memory._fields, self._store or (), strict=False):
            if tensor is not None:
                arrays[field] = as_numpy(tensor[: self._used])
        return {"slots": slots, "previous": self._previous}, arrays

    def restored(self, state: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> MemoryBank:
        """This bank, empty until now, with what ``state`` told of another."""
        self._previous = state["previous"]
        for place, frame_index, is_reference in state["slots"]:
            reference = None
            if is_reference:
                reference = Reference(*(arrays[f"{place}.{field}"] for field in ("frame", "masks", "others")))
            self._slots[place] = _Slot(frame_index, reference)
        own = self._allocate((1,))
        tensors = {name: like_numpy(arrays[name], own) for name in Memory._fields if name in arrays}
        for place in range(len(arrays.get("key", ()))):
            shrinkage = tensors["shrinkage"][place] if "shrinkage" in tensors else None
            self._write(place, MemoryEntry(tensors["key"][place], shrinkage, tensors["value"][place]))
        return self

    @property
    def _end(self) -> int:
        return len(self._slots)

    @property
    def _used(self) -> int:
        """Places that are read: the kept frames', and the previous one's."""
        return self._end + (self._previous is not None)

    def _keep(self, slot: _Slot, entry: MemoryEntry) -> None:
        is_reference = slot.reference is not None
        alike = [place for place, s in self._slots.items() if (s.reference is not None) == is_reference]
        bound = self._policy.max_references if is_reference else self._policy.max_frames
        place = self._end
        if bound is not None and len(alike) >= bound:
            place = alike[int(is_reference)]
            del self._slots[place]
        elif self._previous is not None:
            self._write(place + 1, self._at(place))  # make space: the previous frame stays the last
        self._slots[place] = slot
        self._write(place, entry)

    def _at(self, place: int) -> MemoryEntry:
        """A copy of what lies at a place."""
        assert self._store is not None
        key, shrinkage, value = self._store
        return MemoryEntry(
            key[place] + 0, None if shrinkage is None else shrinkage[place] + 0, value[place] + 0
        )

    def _write(self, place: int, entry: MemoryEntry) -> None:
        key, shrinkage, value = self._with_space(place, entry)
        key[place] = entry.key
        value[place] = entry.value
        if shrinkage is not None:
            shrinkage[place] = entry.shrinkage

    def _with_space(self, place: int, entry: MemoryEntry) -> Memory:
        """Storage that reaches to a place: at first for a reference frame and all beside it, then doubled."""
        store = self._store
        if store is not None and place < store.key.shape[0]:
            return store
        bound = self._policy.max_frames
        capacity = int(self._policy.previous) + 1 + (4 if bound is None else bound)
        if store is not None:
            capacity = 2 * store.key.shape[0]
        key = self._grown(store and store.key, capacity, entry.key)
        value = self._grown(store and store.value, capacity, entry.value)
        shrinkage = None
        if entry.shrinkage is not None:
            shrinkage = self._grown(store and store.shrinkage, capacity, entry.shrinkage)
        self._store = Memory(key, shrinkage, value)
        return self._store

    def _grown(self, old: Tensor | None, capacity: int, entry: Tensor) -> Tensor:
        new = self._allocate((capacity, *entry.shape))
        if old is not None:
            new[: old.shape[0]] = old
        return new

    def _copy(self, tensor: Tensor, positions: slice | list[int]) -> Tensor:
        picked = tensor[: self._used, positions]
        copy = self._allocate((tensor.shape[0], *picked.shape[1:]))
        copy[: picked.shape[0]] = picked
        return copy
