"""Mark objects once, get them in every later frame: one frame in, one result out, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskstream.arrays import Floats, Frame
from maskstream.errors import InputError
from maskstream.runtime.load import load_model
from maskstream.runtime.protocol import MemoryEntry, Runtime
from maskstream.streaming.blank import is_blank
from maskstream.streaming.exclusive import Exclusive, exclusive
from maskstream.streaming.geometry import Geometry
from maskstream.streaming.groups import Group, Groups
from maskstream.streaming.memory import MemoryBank, MemoryPolicy, Reference
from maskstream.streaming.objects import GivenMasks, let_given_win, parse_masks, sum_of_others
from maskstream.streaming.seen import SeenFrame
from maskstream.streaming.segmentation import Prediction, Segmentation
from maskstream.streaming.state import StreamState
from maskstream.streaming.step_clock import StepClock
from maskstream.streaming.window import WHOLE, Window, around, boxes, moved

if TYPE_CHECKING:
    from maskstream.adaptation.adapt import Adapted, Stage
    from maskstream.adaptation.dreams import Marked

_MOST_MARKED = 8  # frames that a network is adapted to, the first one and the latest
_SEARCH_EVERY = 5  # frames; how often the whole frame is searched for an object that is lost


class VideoSegmenter(Exclusive):
    """Follows any number of objects through a video, frame by frame.

    Object ids are any positive integers. Masks may be given at any frame: they add objects, or correct known
    ones, while the others are predicted; every frame with a given mask is a reference frame of its objects,
    and stays in memory. Memory is bounded by the policy.

    A frame of another size than the one before is welcome. Where the network's input stays the same, nothing
    is lost; otherwise the reference frames and the last frame are resized and memorized again, and other
    memory frames are dropped. The same happens when ``size`` is changed.

    In a frame that shows nothing (all black, white or blue) there is no object, and none of it is remembered;
    in the next frame the objects are looked for again.

    Example:
        >>> segmenter = VideoSegmenter("live")
        >>> segmentation = segmenter.step(first_frame, first_label_map)
        >>> segmentation = segmenter.step(next_frame)
        >>> segmentation.ids, segmentation.label_map.shape, segmentation.probabilities.shape
        ((1, 2), (64, 96), (2, 64, 96))
    """

    _kind = "segmenter"

    def __init__(
        self,
        model: Runtime | str | Path = "live",
        *,
        size: int | Literal["native"] | None = None,
        policy: MemoryPolicy | None = None,
        window: float | None = None,
    ) -> None:
        """Start with no objects.

        Args:
            model: a loaded network, or what ``load_model`` takes.
            size: short side in pixels that frames are shrunk to for the network (smaller frames keep their
                size); ``"native"``: full size; None: the network's default.
            policy: what is remembered; None: what the network was made for.
            window: show the network a window around the objects, this many times as large as they are, where
                that is less than the frame; 0: always the whole frame; None: the network's default. Lost
                objects are searched for in the whole frame. At size ``"native"`` there is no window.

        Raises:
            InputError: the network cannot be loaded, the size is too small, or the window is.
        """
        super().__init__()
        self._runtime = load_model(model) if isinstance(model, str | Path) else model
        if not hasattr(self._runtime, "encode"):
            kind = type(model).__name__
            raise InputError(f"a model of {kind}: give its name, its folder, or what load_model returns")
        self._policy = policy or MemoryPolicy.of(self._runtime.info)
        self._groups = Groups()
        self._last: SeenFrame | None = None
        self._marked: list[Marked] = []
        self._geometry: Geometry | None = None
        self._frame_index = -1
        self._clock = StepClock()
        self._margin = self._runtime.info.window if window is None else window
        if self._margin and not 1 <= self._margin <= 100:
            raise InputError(f"window is {window}; give 1 to 100 times the objects' size, or 0 for none")
        self.size = size

    @property
    def model(self) -> Runtime:
        """The network."""
        return self._runtime

    @property
    def policy(self) -> MemoryPolicy:
        """What is remembered."""
        return self._policy

    @property
    def size(self) -> int | Literal["native"]:
        """Short side that frames are shrunk to; may be changed at any time, from the next step on."""
        return self._size or "native"

    @size.setter
    def size(self, size: int | Literal["native"] | None) -> None:
        info = self._runtime.info
        if size is None:
            size = info.default_size or "native"
        if size != "native" and (not isinstance(size, int) or size < info.stride):
            raise InputError(f"size is {size!r}; give at least {info.stride} pixels, or 'native'")
        self._size = None if size == "native" else size

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of all known objects, ascending."""
        return self._groups.ids

    @property
    def memory_frames(self) -> dict[int, tuple[int, ...]]:
        """For each object the indices of its memory frames; -1 is a reference before the start."""
        return self._groups.memory_frames

    @property
    def memory_bytes(self) -> int:
        """Bytes held from frame to frame: memory frames, reference frames and the last frame."""
        held = self._groups.nbytes
        if self._last is not None:
            held += self._last.frame.nbytes + self._last.probabilities.nbytes
        return held

    @exclusive
    def step(
        self, frame: Frame, masks: ArrayLike | None = None, ids: Sequence[int] | int | None = None
    ) -> Segmentation:
        """Take the next frame; find all known objects in it.

        Args:
            frame: ``(H, W, 3)`` RGB uint8.
            masks: of objects that are new, or wrong without it, in this frame: a label map ``(H, W)`` of
                integers (0 = background; objects that are not in it are left alone), one bool mask
                ``(H, W)``, or several masks ``(N, H, W)`` of bool or floats in 0..1. They win over all
                predictions.
            ids: the objects that the masks are of. May be left out for a label map (all in it).

        Returns:
            Labels and probabilities of all known objects; of none, while nothing was marked yet.

        Raises:
            InputError: the frame or the masks have another type or size than these, an id is below 1 or
                given twice, or an object's first mask is empty.
        """
        self._clock.start()
        given = self._parse(frame, masks, ids)
        self._enter(frame, given)
        assert self._geometry is not None
        frame_index = self._frame_index + 1
        if given is None and is_blank(frame):
            return self._nothing(self._geometry)
        seen, groups, prediction = self._look(frame, frame_index, given, self._geometry, self._last)
        is_due = self._policy.previous or self._policy.keeps(frame_index) or bool(seen.given)
        is_known = is_due and seen.features is not None
        features = self._runtime.for_memory(seen.features) if is_known else None
        seen = replace(seen, is_due=is_due, features=features)
        # Nothing above has changed the objects: a step that fails may be tried again.
        self._groups, self._frame_index = groups, frame_index
        self._last = seen if seen.ids else None
        return Segmentation(prediction, frame_index, self._clock.timing())

    @exclusive
    def add_reference(
        self, frame: Frame, masks: ArrayLike, ids: Sequence[int] | int | None = None
    ) -> Segmentation:
        """Show a frame with masks that is not the next one: from before, from later, or another picture.

        It adds or corrects objects as ``step`` does and stays in memory, but takes no place in time: the next
        ``step`` continues from the last one. Give as many as there are before the first step.

        Args:
            frame: ``(H, W, 3)`` RGB uint8.
            masks: as in ``step``.
            ids: as in ``step``.

        Raises:
            InputError: as in ``step``.
        """
        self._clock.start()
        given = self._parse(frame, masks, ids)
        if self._geometry is None or not self._groups:
            self._enter(frame, given)
        assert self._geometry is not None
        self._memorize_last()
        # The stream's geometry stays: a picture of another shape is squeezed into it.
        geometry = replace(self._geometry, frame=(frame.shape[0], frame.shape[1]))
        geometry = geometry.through(self._window(given, None))
        seen, groups, prediction = self._look(frame, self._frame_index, given, geometry, None)
        for group, entry, reference in self._entries(seen, groups.among(seen.given), geometry):
            if reference is not None:
                group.bank.add_reference(seen.frame_index, entry, reference)
        self._groups = groups
        return Segmentation(prediction, self._frame_index, self._clock.timing())

    @exclusive
    def adapt(
        self,
        frame: Frame,
        masks: ArrayLike,
        ids: Sequence[int] | int | None = None,
        *,
        seconds: float = 30.0,
        way: Sequence[Frame] = (),
        on_progress: Callable[[Stage], None] | None = None,
    ) -> Adapted:
        """Fine-tune the network on a frame with masks, and on those of earlier calls; needs the train extra.

        The frame takes no place in time, and its masks become no reference: give them to ``step`` or
        ``add_reference`` as well. What is remembered is memorized again by the adapted network, from the
        reference frames and the last one. If nothing is gained, the network stays what it was.

        Args:
            frame: ``(H, W, 3)`` RGB uint8.
            masks: as in ``step``.
            ids: as in ``step``.
            seconds: of training; a few more are needed to judge what it brought.
            way: some ten frames of the clip in order, from the first call's on: weights that lose the objects
                on the way there and back are not kept.
            on_progress: told after each training step.

        Returns:
            What was gained, and the network (``maskstream.network.checkpoints.save`` writes it).

        Raises:
            InputError: as in ``step``; nothing is marked; the train extra is not installed, or the network
                comes without weights that can be trained.
        """
        from maskstream.adaptation.needs import check_installed

        check_installed()
        from maskstream.adaptation.config import AdaptConfig
        from maskstream.adaptation.dreams import Marked
        from maskstream.adaptation.runtimes import adapt_runtime

        given = self._parse(frame, masks, ids)
        assert given is not None
        marked = [*self._marked, Marked(frame.copy(), given.label_map)]
        marked = marked[:1] + marked[1:][1 - _MOST_MARKED :]
        runtime, adapted = adapt_runtime(
            self._runtime, marked, AdaptConfig(seconds), way=way, on_progress=on_progress
        )
        self._marked = marked
        if adapted.kept:
            self._runtime = runtime
            if self._groups and self._geometry is not None:
                self._memorize_anew(self._geometry)
        return adapted

    @exclusive
    def remove(self, ids: Iterable[int] | int) -> None:
        """Forget objects and free their memory. An id may be given again later, as a new object.

        Raises:
            InputError: an id is not known.
        """
        try:
            removed = {ids} if isinstance(ids, int) else set(ids)
        except TypeError:
            raise InputError(f"ids are {ids!r}: give one id, or several in a list") from None
        if unknown := sorted(removed - set(self.ids), key=str):
            known = ", ".join(map(str, self.ids)) or "none"
            raise InputError(f"object {unknown[0]} cannot be removed: it is not known; known: {known}")
        self._groups = self._groups.without(removed)
        if self._last is not None:
            self._last = self._last.without(removed) if self._groups else None

    @exclusive
    def settle(self) -> None:
        """Memorize the last frame now, if it is to be, instead of when the next one comes.

        Results are the same. Between two frames of a live stream there is time for it, and the next result
        comes sooner.
        """
        self._memorize_last()

    @exclusive
    def disbelieve(self) -> None:
        """Forget the last result, though not the objects: it is neither memorized nor continued from.

        For results that something else has shown to be wrong; the next frame is searched whole. Masks that
        were given with the last frame are memorized all the same.
        """
        if self._last is not None and not self._last.given:
            self._last = None

    @exclusive
    def reset(self) -> None:
        """Forget everything, as if no frame had been seen; an adapted network stays."""
        self._groups = Groups()
        self._marked = []
        self._last = None
        self._geometry = None
        self._frame_index = -1

    @exclusive
    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Everything that is remembered, as plain data and arrays; see ``maskstream.streaming.snapshot``."""
        frame = None if self._geometry is None else self._geometry.frame
        state, arrays = StreamState(self._groups, self._last, frame, self._frame_index).as_plain()
        return {"network": self._runtime.info.name, **state}, arrays

    @exclusive
    def restore(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take on what ``state`` told of a segmenter of the same network and settings.

        Raises:
            InputError: it was another network.
        """
        info = self._runtime.info
        if state["network"] != info.name:
            raise InputError(f"the saved state is of network {state['network']!r}, not {info.name!r}")
        remembered = StreamState.of_plain(state, arrays, self._new_bank)
        self.reset()
        self._groups, self._last = remembered.groups, remembered.last
        if remembered.frame is not None:
            self._geometry = Geometry.of(*remembered.frame, self._size, info.stride)
        self._frame_index = remembered.frame_index

    def _parse(
        self, frame: Frame, masks: ArrayLike | None, ids: Sequence[int] | int | None
    ) -> GivenMasks | None:
        """Check a frame and its masks."""
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8:
            kind = getattr(frame, "dtype", type(frame).__name__)
            raise InputError(f"a frame of {kind}: give RGB uint8 of shape (H, W, 3)")
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
            raise InputError(f"a frame of shape {frame.shape}: give RGB uint8 of shape (H, W, 3)")
        if masks is not None:
            return parse_masks(masks, ids, frame.shape[0], frame.shape[1], self.ids)
        if ids is not None:
            raise InputError("ids without masks: give the masks that they name")
        return None

    def _enter(self, frame: Frame, given: GivenMasks | None) -> None:
        """Memorize the last frame, and take on the geometry of this one."""
        info = self._runtime.info
        geometry = Geometry.of(frame.shape[0], frame.shape[1], self._size, info.stride)
        if self._groups and self._geometry is not None and geometry.network != self._geometry.network:
            self._memorize_anew(geometry)
        else:
            self._memorize_last()
        if self._last is not None:
            self._last = self._last.fitted(geometry)
        self._geometry = geometry.through(self._window(given, self._last))

    def _nothing(self, geometry: Geometry) -> Segmentation:
        """The result of a frame that shows nothing; the objects are looked for again from where they were."""
        self._frame_index += 1
        empty = np.zeros((len(self.ids), *geometry.inner), np.float32)
        empty.flags.writeable = False
        prediction = Prediction(self.ids, empty, empty, None, geometry.frame, geometry.seen)
        return Segmentation(prediction, self._frame_index, self._clock.timing())

    def _window(self, given: GivenMasks | None, last: SeenFrame | None) -> Window:
        """What to look at in a frame: the surroundings of what was last found, and of what is given."""
        if not self._margin or self._size is None:
            return WHOLE
        if last is not None and last.frame_index < self._frame_index:
            return WHOLE  # nothing was to be seen since then
        found = boxes(given.masks) if given else []
        if last is not None:
            found += boxes(last.probabilities, last.window)
        places = [box for box in found if box is not None]
        is_searching = len(places) < len(found) and self._frame_index % _SEARCH_EVERY == 0
        if not places or is_searching:
            return WHOLE
        return around(places, self._margin, WHOLE if last is None else last.window)

    def _look(
        self,
        frame: Frame,
        frame_index: int,
        given: GivenMasks | None,
        geometry: Geometry,
        previous: SeenFrame | None,
    ) -> tuple[SeenFrame, Groups, Prediction]:
        """Find all objects in a frame, without changing anything.

        Returns:
            The frame with its result, the objects with those that are new, and the result for the user.
        """
        given_ids = frozenset(given.ids if given else ())
        groups = self._groups.parted(given_ids).joined_by(given_ids, self._new_bank)
        ids = groups.ids

        small = geometry.shrink(frame)
        features = None
        if predicted := groups.not_among(given_ids):
            features = self._encode(small, geometry)
            probabilities = self._predicted(features, predicted, ids, geometry, previous)
        else:
            probabilities = np.zeros((len(ids), *geometry.inner), np.float32)
        result = probabilities
        if given is not None:
            positions = [ids.index(object_id) for object_id in given.ids]
            planes = given.resized(*geometry.inner, geometry.seen)
            result = let_given_win(probabilities, positions, planes)
        result.flags.writeable = False
        seen = SeenFrame(frame_index, small, ids, result, geometry.window, given_ids, features)
        prediction = Prediction(ids, result, probabilities, given, geometry.frame, geometry.seen)
        return seen, groups, prediction

    def _predicted(
        self,
        features: Any,
        groups: Groups,
        ids: tuple[int, ...],
        geometry: Geometry,
        previous: SeenFrame | None,
    ) -> Floats:
        """Probabilities of all objects at inner size; zero for those of other groups."""
        logits = [self._segment(features, group, geometry, previous) for group in groups]
        joined = logits.pop() if len(logits) == 1 else np.concatenate(logits)
        del logits  # of large frames each of these is large
        shares = self._runtime.aggregate(joined)
        positions = groups.positions_in(ids)
        if positions == list(range(len(ids))):
            return shares
        probabilities = np.zeros((len(ids), *geometry.inner), np.float32)
        probabilities[positions] = shares
        return probabilities

    def _segment(self, features: Any, group: Group, geometry: Geometry, previous: SeenFrame | None) -> Floats:
        """Logits of a group's objects at inner size."""
        if previous is None:
            masks = np.zeros((len(group.ids), *geometry.network), np.float32)
        else:
            masks = geometry.pad(moved(previous.of(group.ids), previous.window, geometry.window))
        return geometry.crop(
            self._clock.timed("segment", self._runtime.segment, features, group.bank.read(), masks)
        )

    def _memorize_last(self) -> None:
        """Memorize the last frame if that is due and has not been done."""
        last = self._last
        if last is None or not last.is_due or self._geometry is None:
            return
        keep = self._policy.keeps(last.frame_index)
        every = keep or self._policy.previous
        self._remember(last, self._groups if every else self._groups.among(last.given), self._geometry, keep)

    def _memorize_anew(self, geometry: Geometry) -> None:
        """Start the memory again, at another network size, from the reference frames and the last one."""
        groups = self._groups.emptied(self._new_bank)
        features: dict[int, Any] = {}  # groups may share the frames
        for old, new in zip(self._groups, groups, strict=True):
            for frame_index, reference in old.bank.references:
                small = geometry.fit(reference.frame)
                if id(reference.frame) not in features:
                    features[id(reference.frame)] = self._encode(small, geometry)
                masks, others = (
                    geometry.fit_planes(planes.astype(np.float32) / np.float32(255))
                    for planes in (reference.masks, reference.others)
                )
                entry = self._memorize(small, features[id(reference.frame)], masks, others, geometry)
                new.bank.add_reference(frame_index, entry, reference)
        if self._last is not None:
            self._last = self._last.fitted(geometry)
            self._remember(self._last, groups, geometry, keep=self._policy.max_frames != 0)
        self._groups = groups

    def _remember(self, seen: SeenFrame, groups: Groups, geometry: Geometry, keep: bool) -> None:
        """Put the last frame into the banks of these groups, as far as it shows their objects."""
        for group, entry, reference in self._entries(seen, groups.among(seen.ids), geometry):
            group.bank.remember(seen.frame_index, entry, keep, reference)
        self._last = replace(seen, given=frozenset(), features=None, is_due=False)

    def _entries(
        self, seen: SeenFrame, groups: Groups, geometry: Geometry
    ) -> list[tuple[Group, MemoryEntry, Reference | None]]:
        """What each group is to remember of a frame; all are memorized in one call."""
        if not groups:
            return []
        positions = groups.positions_in(seen.ids)
        masks, others = seen.probabilities, sum_of_others(seen.probabilities)
        if positions != list(range(len(seen.ids))):
            masks, others = masks[positions], others[positions]
        features = self._encode(seen.frame, geometry) if seen.features is None else seen.features
        entry = self._memorize(seen.frame, features, masks, others, geometry)

        def reference(group: Group, part: slice) -> Reference | None:
            is_given = group.is_among(seen.given)
            return Reference.of(seen.frame, masks[part], others[part]) if is_given else None

        shares = groups.shares_of(entry, self._runtime.info.shared_key)
        return [(group, share, reference(group, part)) for group, part, share in shares]

    def _encode(self, frame: Frame, geometry: Geometry) -> Any:
        return self._clock.timed("encode", self._runtime.encode, geometry.pad_frame(frame))

    def _memorize(
        self, frame: Frame, features: Any, masks: Floats, others: Floats, geometry: Geometry
    ) -> MemoryEntry:
        padded = geometry.pad_frame(frame), features, geometry.pad(masks), geometry.pad(others)
        return self._clock.timed("memorize", self._runtime.memorize, *padded)

    def _new_bank(self) -> MemoryBank:
        return MemoryBank(self._policy, self._runtime.info.shared_key, self._runtime.empty)
