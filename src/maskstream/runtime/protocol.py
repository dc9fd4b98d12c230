"""What the streaming core asks of a network, wherever it runs: three calls on numpy arrays.

Sizes: H x W is the network's input, both multiples of the stride; h = H / stride, w = W / stride, P = h * w.
N objects, T memory frames; G = 1 if all objects share one key, else N.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Floats
from maskstream.errors import InputError
from maskstream.plain_data import from_plain, read_json

INFO_FILE = "model.json"


class Tensor(Protocol):
    """What memory is kept in: a numpy array, or a tensor on the runtime's own device."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions."""

    @property
    def nbytes(self) -> int:
        """Bytes it takes."""

    def __getitem__(self, index: Any) -> Any: ...

    def __setitem__(self, index: Any, value: Any) -> None: ...


def as_numpy(tensor: Any) -> NDArray[Any]:
    """A copy in numpy, wherever the tensor is."""
    return np.array(tensor.cpu().numpy() if hasattr(tensor, "cpu") else tensor)


def like_numpy(array: NDArray[Any], tensor: Any) -> Any:
    """An array as whatever ``tensor`` is, on the same device."""
    return array if isinstance(tensor, np.ndarray) else tensor.new_tensor(array)


@dataclass(frozen=True)
class ModelInfo:
    """What is to be known of a network before it is run; ``model.json`` beside exported graphs.

    Attributes:
        name: what messages and model cards call it.
        default_size: short side in pixels that frames are shrunk to, or None for full size.
        stride: input sizes are multiples of it.
        shared_key: one key a frame for all objects (G = 1) instead of one for each object.
        has_shrinkage: keys come with a shrinkage.
        memory_every: every how many frames one is kept in memory.
        memory_max_frames: how many of those are kept at most (None: all).
        memory_previous: whether the previous frame is always read too.
        window: side of the window that the network is shown, over the longer side of the objects in it; 0:
            always the whole frame.
    """

    name: str
    default_size: int | None = None
    stride: int = 16
    shared_key: bool = True
    has_shrinkage: bool = False
    memory_every: int = 5
    memory_max_frames: int | None = 8
    memory_previous: bool = True
    window: float = 0.0

    @classmethod
    def read(cls, folder: str | Path) -> ModelInfo:
        """Read ``model.json`` of an exported network; fields of newer versions are ignored.

        Raises:
            InputError: the file is missing, is not JSON, or names no network.
        """
        path = Path(folder) / INFO_FILE
        if not path.is_file():
            raise InputError(f"{folder}: no {INFO_FILE}; give the folder of an exported network")
        content = read_json(path, "export the network again")
        if not isinstance(content.get("name"), str):
            raise InputError(f"{path}: does not name a network; export the network again")
        known = {field.name for field in fields(cls)}
        info = from_plain(cls, {key: value for key, value in content.items() if key in known}, str(path))
        info._check(path)
        return info

    def _check(self, path: Path) -> None:
        """Refuse numbers that nothing can be run with."""
        least = {"default_size": 1, "stride": 1, "memory_every": 1, "memory_max_frames": 0}
        for name, lowest in least.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise InputError(
                    f"{path}: {name} is {value}; it is {lowest} or more: export the network again"
                )
        if not (self.window == 0 or 1 <= self.window < math.inf):
            raise InputError(f"{path}: window is {self.window:g}; it is 0, or 1 or more: export it again")


class MemoryEntry(NamedTuple):
    """One memory frame.

    Attributes:
        key: ``(G, P, Ck)``.
        shrinkage: ``(G, P, 1)``, or None if the network has none.
        value: ``(N, Cv, P)``.
    """

    key: Tensor
    shrinkage: Tensor | None
    value: Tensor


class Memory(NamedTuple):
    """All memory frames that are read together; their order does not matter.

    Attributes:
        key: ``(T, G, P, Ck)``.
        shrinkage: ``(T, G, P, 1)``, or None if the network has none.
        value: ``(T, N, Cv, P)``.
    """

    key: Tensor
    shrinkage: Tensor | None
    value: Tensor


class Runtime(Protocol):
    """A network that is ready to run. One stream at a time; it keeps nothing between calls."""

    @property
    def info(self) -> ModelInfo:
        """What the network is and how it wants to be used."""

    def encode(self, frame: NDArray[np.uint8]) -> Any:
        """Features of a frame, for the two other calls.

        Args:
            frame: ``(H, W, 3)`` RGB.
        """

    def for_memory(self, features: Any) -> Any:
        """What ``memorize`` needs of features, so that the rest, which may be large, need not be held."""

    def memorize(self, frame: NDArray[np.uint8], features: Any, masks: Floats, others: Floats) -> MemoryEntry:
        """Turn a frame and its masks into a memory frame.

        Args:
            frame: ``(H, W, 3)`` RGB.
            features: what ``encode`` or ``for_memory`` gave for it.
            masks: ``(N, H, W)`` probability of each object, 0..1.
            others: ``(N, H, W)`` sum of the probabilities of all other objects, clamped to 0..1.
        """

    def segment(self, features: Any, memory: Memory, previous_masks: Floats) -> Floats:
        """One logit map for each object.

        Args:
            features: what ``encode`` gave for the frame.
            memory: the memory frames of these N objects.
            previous_masks: ``(N, H, W)`` their probabilities in the frame before; zero where not known.

        Returns:
            ``(N, H, W)``; the object's probability, seen alone, is the sigmoid.
        """

    def aggregate(self, logits: Floats) -> Floats:
        """Soft aggregation: ``(N, H, W)`` logits of all objects of a frame to probabilities that share it.

        A runtime does it itself so that the exact rounding of its own arithmetic is kept.
        """

    def empty(self, shape: tuple[int, ...]) -> Tensor:
        """Storage for memory, not initialised, where the runtime can read it without moving it."""
