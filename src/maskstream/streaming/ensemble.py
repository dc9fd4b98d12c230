"""Several segmenters on one stream, whose probabilities are averaged: scales, mirrored frames, networks.

The published STM family scores its best that way (multi-scale, flip and model ensemble at test time). Each
member runs as if it were alone, with its own memory; what is averaged, with equal weights and at the frame's
original size, are the soft-aggregated probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstream.arrays import Floats, Frame
from maskstream.errors import InputError
from maskstream.runtime.load import load_model
from maskstream.runtime.protocol import Runtime
from maskstream.streaming.exclusive import Exclusive, exclusive
from maskstream.streaming.memory import MemoryPolicy
from maskstream.streaming.segmentation import Segmentation, Segmenter, Timing
from maskstream.streaming.segmenter import VideoSegmenter


@dataclass(frozen=True)
class Member:
    """One of an ensemble.

    Attributes:
        segmenter: with no objects yet, and of no other member.
        flip: show it the frames mirrored, left to right.
    """

    segmenter: Segmenter
    flip: bool = False

    def seen_by(self, picture: Any) -> Any:
        """A frame ``(H, W, 3)``, which is told from masks by its size, as the member sees it."""
        return picture[:, ::-1].copy() if self.flip and np.ndim(picture) == 3 else picture

    def masks_for(self, masks: ArrayLike | None) -> ArrayLike | None:
        """Masks ``(..., H, W)`` as the member sees them."""
        if not self.flip or masks is None or np.ndim(masks) < 2:
            return masks
        return np.asarray(masks)[..., ::-1]


@dataclass(frozen=True, slots=True)
class _Mean:
    """The mean of what members say of a frame; see ``segmentation.Planes``.

    Only their small results are kept; a full-size plane of each exists for as long as it is added.

    Attributes:
        parts: what each member says, and whether it says it of the mirrored frame.
        size: (height, width) of the frame.
    """

    parts: tuple[tuple[Segmentation, bool], ...]
    size: tuple[int, int]

    @property
    def ids(self) -> tuple[int, ...]:
        return self.parts[0][0].ids

    @property
    def seen(self) -> tuple[slice, slice]:
        """The smallest part of the frame that holds what any member has seen."""
        rows = [part.seen[0] for part, _ in self.parts]
        columns = [self._unflipped(part.seen[1]) if flip else part.seen[1] for part, flip in self.parts]
        return _hull(rows), _hull(columns)

    @property
    def low_res(self) -> Floats:
        """At the frame's own scale, since members differ in theirs."""
        rows, columns = self.seen
        planes = np.empty((len(self.ids), rows.stop - rows.start, columns.stop - columns.start), np.float32)
        for position, plane in enumerate(planes):
            plane[:] = self.plane(position)[rows, columns]
        planes.flags.writeable = False
        return planes

    def plane(self, position: int) -> Floats:
        mean = np.zeros(self.size, np.float32)
        for count, (part, flip) in enumerate(self.parts, start=1):
            plane = part.probability(self.ids[position])
            difference = (plane[:, ::-1] if flip else plane) - mean
            # A running mean leaves what all members agree on, such as given masks, exactly as it is.
            mean += np.divide(difference, count, out=difference)
        return mean

    def _unflipped(self, columns: slice) -> slice:
        return slice(self.size[1] - columns.stop, self.size[1] - columns.start)


class EnsembleSegmenter(Exclusive):
    """Follows objects as ``VideoSegmenter`` does, by the mean of several independent segmenters.

    Time and memory are the sum of the members'; no member's memory grows beyond its own bound.

    Example:
        >>> segmenter = EnsembleSegmenter.of(["live"], scales=[1, 1.5], flip=True)  # four members
        >>> segmentation = segmenter.step(first_frame, first_label_map)
        >>> segmentation = segmenter.step(next_frame)  # the mean of all four
    """

    _kind = "ensemble"

    def __init__(self, members: Iterable[Member | Segmenter]) -> None:
        """Start with no objects.

        Args:
            members: one or more, each with a segmenter of its own; segmenters may share a loaded network.

        Raises:
            InputError: there are none, two are one segmenter, or one knows objects already.
        """
        super().__init__()
        self._members = tuple(m if isinstance(m, Member) else Member(m) for m in members)
        if not self._members:
            raise InputError("an ensemble of no members: give one or more")
        segmenters = [member.segmenter for member in self._members]
        if len({id(segmenter) for segmenter in segmenters}) < len(segmenters):
            raise InputError("an ensemble has the same segmenter twice: give each member its own")
        if any(segmenter.ids for segmenter in segmenters):
            raise InputError("a member of an ensemble knows objects already: reset it first")

    @classmethod
    def of(
        cls,
        models: Iterable[Runtime | str | Path] = ("live",),
        *,
        scales: Iterable[float] = (1.0,),
        flip: bool = False,
        size: int | Literal["native"] | None = None,
        policy: MemoryPolicy | None = None,
        window: float | None = None,
    ) -> EnsembleSegmenter:
        """Every network at every scale, and with ``flip`` each of these on mirrored frames too.

        Each network is loaded once, however many members use it.

        Args:
            models: loaded networks, or what ``load_model`` takes.
            scales: multiples of ``size``. Frames are never enlarged: a scale beyond a frame's own short side
                is its own size.
            flip: whether half of the members see mirrored frames.
            size: as for ``VideoSegmenter``; None: the default of each network.
            policy: as for ``VideoSegmenter``.
            window: as for ``VideoSegmenter``.

        Raises:
            InputError: there is no network or scale, one is given twice or cannot be used, or there are
                several scales of native size.
        """
        scales = list(scales)
        _check_scales(scales)
        given = list(models)
        if not given:
            raise InputError("an ensemble of no networks: give one or more")
        for position, model in enumerate(given):
            if model in given[:position]:
                raise InputError(f"network {_name(model)} is given twice to an ensemble: give it once")
        runtimes = [load_model(model) if isinstance(model, str | Path) else model for model in given]
        members = []
        for runtime in runtimes:
            for scaled in _sizes(size or runtime.info.default_size or "native", scales, runtime):
                for mirrored in (False, True) if flip else (False,):
                    members.append(
                        Member(VideoSegmenter(runtime, size=scaled, policy=policy, window=window), mirrored)
                    )
        return cls(members)

    @property
    def members(self) -> tuple[Member, ...]:
        """Its members; steps of theirs are the ensemble's to take."""
        return self._members

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of all known objects, ascending."""
        return self._members[0].segmenter.ids

    @property
    def memory_bytes(self) -> int:
        """Bytes that all members hold from frame to frame."""
        return sum(member.segmenter.memory_bytes for member in self._members)

    @property
    def size(self) -> int | Literal["native"]:
        """That of its first member; when it is changed, the others keep their ratios to it."""
        return self._members[0].segmenter.size

    @size.setter
    def size(self, size: int | Literal["native"]) -> None:
        first = self.size
        for member in self._members:
            own = member.segmenter.size
            if isinstance(size, int) and isinstance(own, int) and isinstance(first, int):
                member.segmenter.size = round(own * size / first)
            else:
                member.segmenter.size = size

    @exclusive
    def settle(self) -> None:
        """Memorize the last frame now; see ``VideoSegmenter.settle``."""
        for member in self._members:
            member.segmenter.settle()

    def disbelieve(self) -> None:
        """Forget the last result; see ``VideoSegmenter.disbelieve``."""
        for member in self._members:
            member.segmenter.disbelieve()

    @exclusive
    def step(
        self, frame: Frame, masks: ArrayLike | None = None, ids: Sequence[int] | int | None = None
    ) -> Segmentation:
        """Take the next frame; see ``VideoSegmenter.step``.

        The result's ``low_res`` is at the frame's own scale, since members differ in theirs.
        """
        return self._mean(frame, lambda m: m.segmenter.step(m.seen_by(frame), m.masks_for(masks), ids))

    @exclusive
    def add_reference(
        self, frame: Frame, masks: ArrayLike, ids: Sequence[int] | int | None = None
    ) -> Segmentation:
        """Show a frame with masks that is not the next one; see ``VideoSegmenter.add_reference``."""

        def show(member: Member) -> Segmentation:
            flipped = member.masks_for(masks)
            assert flipped is not None
            return member.segmenter.add_reference(member.seen_by(frame), flipped, ids)

        return self._mean(frame, show)

    @exclusive
    def remove(self, ids: Iterable[int] | int) -> None:
        """Forget objects and free their memory; see ``VideoSegmenter.remove``."""
        removed = ids if isinstance(ids, int) else list(ids)
        for member in self._members:
            member.segmenter.remove(removed)

    @exclusive
    def reset(self) -> None:
        """Forget everything, as if no frame had been seen."""
        for member in self._members:
            member.segmenter.reset()

    @exclusive
    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything that is remembered; see ``VideoSegmenter.state``."""
        members = []
        arrays: dict[str, NDArray[Any]] = {}
        for number, member in enumerate(self._members):
            state, own = member.segmenter.state()
            members.append({"flip": member.flip, "state": state})
            arrays |= {f"member{number}/{name}": array for name, array in own.items()}
        return {"network": self._name, "members": members}, arrays

    @exclusive
    def restore(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told of an ensemble of the same networks and settings.

        Raises:
            InputError: it was another ensemble, or none.
        """
        members = state.get("members", [])
        if [member["flip"] for member in members] != [member.flip for member in self._members]:
            raise InputError(f"the saved state is of {state['network']!r}, not {self._name!r}")
        for number, (member, saved) in enumerate(zip(self._members, members, strict=True)):
            prefix = f"member{number}/"
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            member.segmenter.restore(saved["state"], own)

    @property
    def _name(self) -> str:
        flipped = sum(member.flip for member in self._members)
        return f"an ensemble of {len(self._members)}, {flipped} flipped"

    def _mean(self, frame: Frame, show: Callable[[Member], Segmentation]) -> Segmentation:
        """Show something to all members, and average what they say of it."""
        start = perf_counter()
        # What is wrong with a frame or its masks, the first member says, before any has changed.
        results = [show(member) for member in self._members]
        if len({(result.ids, result.frame_index) for result in results}) > 1:
            raise RuntimeError("an earlier error has left the members out of step: reset them, or restore")
        encode, memorize, segment, _ = map(sum, zip(*(result.timing for result in results), strict=True))
        timing = Timing(encode, memorize, segment, perf_counter() - start)
        parts = zip(results, (member.flip for member in self._members), strict=True)
        mean = _Mean(tuple(parts), (frame.shape[0], frame.shape[1]))
        return Segmentation(mean, results[0].frame_index, timing)


def _check_scales(scales: list[float]) -> None:
    if not scales:
        raise InputError("an ensemble of no scales: give one or more, as 1.0, 1.25, 1.5")
    for scale in scales:
        if not (isfinite(scale) and scale > 0):
            raise InputError(f"scale {scale:g} is not above 0: give multiples of the size, as 1.0, 1.25, 1.5")


def _sizes(
    size: int | Literal["native"], scales: list[float], runtime: Runtime
) -> list[int | Literal["native"]]:
    """The short side at each scale."""
    if scales == [1]:
        return [size]
    if size == "native":
        raise InputError(
            f"scales of {runtime.info.name} at native size: give a size in lines, which they multiply"
        )
    sizes: dict[int, float] = {}
    for scale in scales:
        lines = round(scale * size)
        if lines in sizes:
            raise InputError(
                f"scales {sizes[lines]:g} and {scale:g} are both {lines} lines: give one of them"
            )
        sizes[lines] = scale
    return list(sizes)


def _hull(slices: list[slice]) -> slice:
    return slice(min(part.start for part in slices), max(part.stop for part in slices))


def _name(model: Runtime | str | Path) -> str:
    return str(model) if isinstance(model, str | Path) else model.info.name
