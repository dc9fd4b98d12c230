"""What a user marks in single frames of a video, and the label maps made from it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import Frame, LabelMap
from maskstream.errors import InputError
from maskstream.first_mask.box import Box, from_box
from maskstream.first_mask.subject import Subject
from maskstream.jobs.frames import FrameRange, check_frame_size
from maskstream.jobs.progress import Meter, OnProgress, Phase
from maskstream.masks.palette import present_ids
from maskstream.masks.read import check_size, read_label_map, read_object_masks
from maskstream.video.probe import VideoInfo, probe
from maskstream.video.read import read_video

logger = logging.getLogger(__name__)

MaskFile = str | os.PathLike[str]
#: One frame's mask: a file, a folder of one file an object, several files (an object each), or a label map.
MaskSource = MaskFile | Sequence[MaskFile] | NDArray[Any]
_SEARCHED, _SEARCH_EVERY = 250, 5  # frames in which a subject is looked for, and how often
_MOST_IDS = 255


@dataclass(frozen=True)
class MaskMark:
    """Objects that are marked in one frame by a mask.

    Attributes:
        frame: index of the frame.
        files: the mask: one file or folder, or several files, an object each; empty: ``label_map`` counts.
        label_map: ``(H, W)`` object ids, 0 = background; bool is object 1.
    """

    frame: int
    files: tuple[str, ...] = ()
    label_map: NDArray[Any] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"`masks`: {self.frame}={self.files[0] if self.files else '(array)'}"

    @property
    def sources(self) -> list[Path]:
        """The files that are read."""
        return [Path(file) for file in self.files]

    def read(self, info: VideoInfo, threshold_soft: bool) -> tuple[LabelMap, tuple[int, ...]]:
        """The ``(H, W)`` label map, and the ids in it.

        Raises:
            InputError: it can't be read, is empty, or has another size than the video.
        """
        if self.label_map is not None:
            label_map = _checked(self.label_map, str(self))
            check_size(label_map, (info.height, info.width), str(self))
            return label_map, present_ids(label_map)
        files = self.sources
        if len(files) == 1 and not files[0].is_dir():
            read = read_label_map(files[0], threshold_soft)
        else:
            read = read_object_masks(files if len(files) > 1 else files[0], self.frame, threshold_soft)
        label_map = np.asarray(read.label_map, np.uint8)
        check_size(label_map, (info.height, info.width), files[0])
        return label_map, read.ids


@dataclass(frozen=True)
class BoxMark:
    """One object that is marked in one frame by a box around it.

    Attributes:
        frame: index of the frame.
        box: x, y, width and height in pixels.
        object_id: of the object; None: the next id that is free.
    """

    frame: int
    box: Box
    object_id: int | None = None

    def __str__(self) -> str:
        return f"`boxes`: {self.frame}={','.join(map(str, self.box))}"


Mark = MaskMark | BoxMark  #: clicks will be a third


def marks_of(
    masks: Mapping[int, MaskSource] | MaskSource | None = None,
    boxes: Mapping[int, Box | Sequence[Box]] | Box | Sequence[Box] | None = None,
    first: int = 0,
) -> tuple[Mark, ...]:
    """Marks from what a caller finds natural to write.

    Args:
        masks: by frame index, or of the first frame: an image file, a folder of one file an object, several
            files, or an array ``(H, W)`` of object ids.
        boxes: by frame index, or of the first frame: one ``(x, y, width, height)``, or several.
        first: index of the first frame.

    Example:
        >>> marks_of(boxes={12: (40, 10, 60, 50)})
        (BoxMark(frame=12, box=(40, 10, 60, 50), object_id=None),)

    Raises:
        InputError: something else than these.
    """
    by_frame = masks if isinstance(masks, Mapping) else {} if masks is None else {first: masks}
    marks: list[Mark] = [_mask_mark(frame, source) for frame, source in by_frame.items()]
    boxed = boxes if isinstance(boxes, Mapping) else {} if boxes is None else {first: boxes}
    for frame, given in boxed.items():
        several = given if len(given) and np.ndim(cast(Any, given[0])) else [given]
        marks += [BoxMark(_index(frame, "boxes"), _box(box)) for box in several]
    return tuple(marks)


def _mask_mark(frame: int, source: MaskSource) -> MaskMark:
    frame = _index(frame, "masks")
    if isinstance(source, np.ndarray):
        return MaskMark(frame, (), source)
    files = [source] if isinstance(source, str | os.PathLike) else source
    if isinstance(files, Sequence) and files and all(isinstance(f, str | os.PathLike) for f in files):
        return MaskMark(frame, tuple(os.fspath(file) for file in files))
    raise InputError(f"`masks`: frame {frame}: give a file, a list of files, or a NumPy array of object ids")


def _box(box: Any) -> Box:
    try:
        x, y, width, height = (int(part) for part in box)
    except (TypeError, ValueError):
        raise InputError(f"`boxes`: {box!r}: give x, y, width and height in pixels") from None
    return x, y, width, height


def _index(frame: Any, argument: str) -> int:
    if isinstance(frame, bool) or not isinstance(frame, int | np.integer):
        raise InputError(f"`{argument}`: {frame!r} is no frame index; give whole numbers from 0 on")
    return int(frame)


def _checked(label_map: NDArray[Any], where: str) -> LabelMap:
    """A label map that a caller gives as an array, as uint8.

    Raises:
        InputError: it is no label map, or an id is out of range.
    """
    if label_map.ndim != 2 or label_map.dtype.kind not in "biu":
        raise InputError(
            f"{where}: is a {label_map.dtype} array of shape {label_map.shape}; "
            "give (H, W) whole numbers, 0 = background"
        )
    low, high = int(label_map.min(initial=0)), int(label_map.max(initial=0))
    if low < 0 or high > _MOST_IDS:
        wrong = low if low < 0 else high
        raise InputError(f"{where}: object id {wrong} is not from 1 to {_MOST_IDS}; renumber the objects")
    if not high:
        raise InputError(f"{where}: the mask is empty (no object pixel); mark at least one object")
    return np.ascontiguousarray(label_map, np.uint8)


def read_marks(
    marks: Iterable[Mark],
    info: VideoInfo,
    frames: FrameRange,
    ids: Sequence[int] | None = None,
    *,
    threshold_soft: bool = False,
) -> dict[int, LabelMap]:
    """Label maps by frame index.

    The objects of boxes without an id have the ids after those of all masks, in the order given. Where they
    overlap, masks win over boxes, and later boxes over earlier ones.

    Args:
        marks: what is marked.
        info: of the video.
        frames: that are worked on.
        ids: only these objects; None: all.
        threshold_soft: as for ``read_label_map``.

    Raises:
        InputError: a mark can't be used, its frame is not worked on, or an id is in none of them.
    """
    marks = list(marks)
    for mark in marks:
        _check_index(mark, info, frames)
    reading = _Reading(info, None if ids is None else tuple(ids))
    for mark in sorted((m for m in marks if isinstance(m, MaskMark)), key=lambda mark: mark.frame):
        reading.add_mask(mark, threshold_soft)
    reading.marked = {index: label_map > 0 for index, label_map in reading.masks.items()}
    for mark in (m for m in marks if isinstance(m, BoxMark)):
        reading.add_box(mark)
    if missing := [i for i in ids or () if i not in reading.found]:
        raise InputError(
            f"`ids`: no mask holds object {missing[0]}; they have {_listed(sorted(reading.found))}"
        )
    return dict(sorted(reading.masks.items()))


class _Reading:
    """Label maps while marks are read, one after another."""

    def __init__(self, info: VideoInfo, ids: tuple[int, ...] | None) -> None:
        self._info, self._ids = info, ids
        self.masks: dict[int, LabelMap] = {}
        self.found: set[int] = set()
        self.marked: dict[int, NDArray[np.bool_]] = {}  # by masks, which win

    def add_mask(self, mark: MaskMark, threshold_soft: bool) -> None:
        label_map, present = mark.read(self._info, threshold_soft)
        if self._ids is not None:
            if not set(self._ids) & set(present):
                raise InputError(
                    f"{mark.files[0] if mark.files else mark}: holds none of `ids` {_listed(self._ids)}; "
                    f"it has {_listed(present)}"
                )
            label_map = np.where(np.isin(label_map, self._ids), label_map, 0).astype(np.uint8)
        self.found |= set(present)
        earlier = self.masks.get(mark.frame, np.uint8(0))
        self.masks[mark.frame] = np.where(label_map, label_map, earlier).astype(np.uint8)

    def add_box(self, mark: BoxMark) -> None:
        object_id = mark.object_id or max(self.found, default=0) + 1
        self.found.add(object_id)
        if self._ids is not None and object_id not in self._ids:
            return
        boxed = from_box(frame_at(self._info, mark.frame), mark.box, object_id)
        boxed[self.marked.get(mark.frame, False)] = 0
        if not boxed.any():
            raise InputError(f"{mark}: all of it is in a mask of frame {mark.frame}; leave it out")
        earlier = self.masks.get(mark.frame, np.uint8(0))
        self.masks[mark.frame] = np.where(boxed, boxed, earlier).astype(np.uint8)


def _check_index(mark: Mark, info: VideoInfo, frames: FrameRange) -> None:
    """Refuse what marks a frame that isn't worked on, or isn't there."""
    if mark.frame not in frames:
        raise InputError(f"{mark}: frame {mark.frame} is not segmented; that is frames {frames}")
    if info.frame_count is not None and mark.frame >= info.frame_count:
        message = f"{mark}: the last frame of {info.path} is {info.frame_count - 1}"
        if info.images:
            raise InputError(message)
        logger.warning("%s, by what the file says", message)


def frame_at(info: VideoInfo, index: int) -> Frame:
    """One frame of a video, ``(H, W, 3)`` uint8 RGB.

    Raises:
        InputError: there is no such frame, or it has another size.
    """
    with read_video(info.path, index, index + 1) as reader:
        frame = next(iter(reader), None)
    if frame is None:
        raise InputError(f"{info.path}: has no frame {index}, or it is damaged; mark another one")
    check_frame_size(info, frame)
    return frame.image


class DetectedSubject(NamedTuple):
    """The subject of a video, in the first frame in which it was detected.

    Attributes:
        frame: index of that frame.
        subject: its mask there, and how sure the network is of it.
    """

    frame: int
    subject: Subject


def detect_subject(
    source: str | os.PathLike[str],
    *,
    start: int = 0,
    end: int | None = None,
    every: int = 1,
    largest: bool = False,
    on_progress: OnProgress | None = None,
) -> DetectedSubject | None:
    """Look for who or what a video is of, people first, in the first 250 frames.

    Args:
        source: video file or folder of images.
        start: index of the first frame that is looked at.
        end: index of the frame to stop before; None: the end.
        every: only every so-many-th frame counts.
        largest: only the largest part; otherwise several people are one subject.
        on_progress: is told how far the search is.

    Example:
        >>> detect_subject("talk.mp4")
        DetectedSubject(frame=0, subject=Subject(...))

    Returns:
        The subject, or None: there is none in these frames.

    Raises:
        InputError: the input can't be read, or the network did not come with this package.
    """
    from maskstream.first_mask import subject

    frames = FrameRange(start, end, every)
    info = probe(source)
    frames.check(info)
    finder = subject.SubjectFinder()
    total = frames.count(info)
    meter = Meter(on_progress, Phase.DETECT, None if total is None else min(total, _SEARCHED))
    with read_video(info.path, frames.start, frames.end, frames.every) as reader:
        for number, frame in enumerate(islice(reader, _SEARCHED)):
            if number % _SEARCH_EVERY == 0:
                found = finder(frame.image, largest=largest)
                if found is not None:
                    return DetectedSubject(frame.index, found)
            meter.tick(frame.index)
    return None


def detected_marks(
    info: VideoInfo, frames: FrameRange, *, largest: bool = False, on_progress: OnProgress | None = None
) -> dict[int, LabelMap]:
    """The label map of the first frame in which a subject is detected.

    Raises:
        InputError: there is none, or the network did not come with this package.
    """
    found = detect_subject(
        info.path,
        start=frames.start,
        end=frames.end,
        every=frames.every,
        largest=largest,
        on_progress=on_progress,
    )
    if found is None:
        raise InputError(
            f"{info.path}: no subject detected in the first {_SEARCHED} frames; "
            "give `masks` (first.png) or `boxes` (x,y,w,h)"
        )
    return {found.frame: found.subject.mask}


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))
