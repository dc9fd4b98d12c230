"""The work of ``maskstream segment``: label maps first, resumably; then what is drawn from them."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskstream.cli._interrupt import interrupts_wait
from maskstream.cli._outputs import SNAPSHOT, SegmentOutputs, publish
from maskstream.cli._progress import progress
from maskstream.cli._resume import GO_ON, begin, kept
from maskstream.errors import InputError
from maskstream.first_mask.box import Box, from_box
from maskstream.masks.draw import mask_colours, overlay
from maskstream.masks.palette import present_ids, write_label_map
from maskstream.masks.read import check_size, read_label_map, read_object_masks
from maskstream.masks.rle import RleWriter
from maskstream.streaming.segmentation import Segmenter
from maskstream.streaming.snapshot import write_snapshot
from maskstream.video.probe import VideoInfo
from maskstream.video.read import VideoFrame, read_reversed, read_video
from maskstream.video.write import VideoWriter

logger = logging.getLogger(__name__)

Frame = NDArray[np.uint8]
LabelMap = NDArray[np.uint8]
Sink = Callable[[VideoFrame, LabelMap], None]
SAVE_SECONDS = 20.0
_SEARCHED, _SEARCH_EVERY = 250, 5  # frames in which a subject is looked for, and how often


@dataclass(frozen=True)
class Range:
    """Which frames of the input are segmented: every ``every``-th from ``start`` on, before ``end``."""

    start: int
    end: int | None
    every: int

    def __contains__(self, index: int) -> bool:
        inside = index >= self.start and (self.end is None or index < self.end)
        return inside and (index - self.start) % self.every == 0

    def check(self, info: VideoInfo) -> None:
        """Refuse a range without frames.

        Raises:
            InputError: that.
        """
        if self.every < 1:
            raise InputError(f"--every is {self.every}; give 1 or more")
        if self.start < 0:
            raise InputError(f"--start is {self.start}; give 0 or more")
        if self.end is not None and self.end <= self.start:
            raise InputError(f"--end {self.end} is not after --start {self.start}; no frame would be left")
        if info.images and self.start >= len(info.images):
            raise InputError(f"--start is {self.start}, but {info.path} has {len(info.images)} images only")

    def __str__(self) -> str:
        end = "the end" if self.end is None else f"before {self.end}"
        return f"from {self.start} to {end}" + (f", every {self.every}" if self.every > 1 else "")


def framed(option: str, start: int) -> tuple[int, Path]:
    """Frame index and path of ``[FRAME=]PATH``; without a frame it is the first one, ``start``."""
    head, separator, tail = option.partition("=")
    if separator and head.isdecimal():
        return int(head), Path(tail).expanduser()  # which no shell does behind the sign
    return start, Path(option)


def framed_box(option: str, start: int) -> tuple[int, Box]:
    """Frame index and box of ``[FRAME=]x,y,w,h``; without a frame it is the first one, ``start``.

    Raises:
        InputError: it isn't that.
    """
    head, separator, tail = option.rpartition("=")
    try:
        x, y, width, height = (int(part) for part in tail.split(","))
        return int(head) if separator else start, (x, y, width, height)
    except ValueError:
        raise InputError(
            f"--box {option}: give x,y,width,height in pixels, as 120,40,300,420, or FRAME= before it"
        ) from None


def read_masks(
    given: Iterable[str],
    info: VideoInfo,
    frames: Range,
    ids: tuple[int, ...] | None,
    threshold_soft: bool,
    boxes: Iterable[str] = (),
) -> dict[int, LabelMap]:
    """Label maps by frame index, from ``[FRAME=]PATH`` options and from boxes.

    The objects of boxes have the ids after those of all masks, in the order given. Where they overlap, masks
    win over boxes, and later boxes over earlier ones.

    Raises:
        InputError: a mask or box can't be used, its frame is not segmented, or an id is in none of them.
    """
    paths: dict[int, list[Path]] = {}
    for option in given:
        index, path = framed(option, frames.start)
        _check_index(f"--mask {option}", index, info, frames)
        paths.setdefault(index, []).append(path)
    masks, found = {}, set[int]()
    for index, files in sorted(paths.items()):
        if len(files) == 1 and not files[0].is_dir():
            read = read_label_map(files[0], threshold_soft)
        else:
            read = read_object_masks(files if len(files) > 1 else files[0], index, threshold_soft)
        label_map = np.asarray(read.label_map, np.uint8)
        check_size(label_map, (info.height, info.width), files[0])
        if ids is not None:
            if not set(ids) & set(read.ids):
                raise InputError(
                    f"{files[0]}: holds none of --ids {_listed(ids)}; it has {_listed(read.ids)}"
                )
            label_map = np.where(np.isin(label_map, ids), label_map, 0).astype(np.uint8)
        found |= set(read.ids)
        masks[index] = label_map
    marked = {index: label_map > 0 for index, label_map in masks.items()}
    for object_id, option in enumerate(boxes, max(found, default=0) + 1):
        index, box = framed_box(option, frames.start)
        _check_index(f"--box {option}", index, info, frames)
        found.add(object_id)
        if ids is not None and object_id not in ids:
            continue
        boxed = from_box(_frame_at(info, index), box, object_id)
        boxed[marked.get(index, False)] = 0
        if not boxed.any():
            raise InputError(f"--box {option}: all of it is in a mask of frame {index}; leave it out")
        masks[index] = np.where(boxed, boxed, masks.get(index, np.uint8(0))).astype(np.uint8)
    if missing := [i for i in ids or () if i not in found]:
        raise InputError(f"--ids: no mask holds object {missing[0]}; they have {_listed(sorted(found))}")
    return dict(sorted(masks.items()))


def find_subject_of(info: VideoInfo, frames: Range) -> dict[int, LabelMap]:
    """The label map of the first frame in which a subject is found by itself.

    Raises:
        InputError: nobody is there, or the network for it did not come with this package.
    """
    from maskstream.first_mask.subject import SubjectFinder

    finder = SubjectFinder()
    with read_video(info.path, frames.start, frames.end, frames.every) as reader:
        for number, frame in enumerate(islice(reader, _SEARCHED)):
            if number % _SEARCH_EVERY == 0 and (subject := finder(frame.image)) is not None:
                return {frame.index: subject.mask}
    raise InputError(
        f"{info.path}: nobody is found by itself in the first {_SEARCHED} frames; "
        "give --mask first.png or --box x,y,w,h"
    )


def _check_index(option: str, index: int, info: VideoInfo, frames: Range) -> None:
    """Refuse what marks a frame that isn't segmented, or isn't there."""
    if index not in frames:
        raise InputError(f"{option}: frame {index} is not segmented; that is frames {frames}")
    if info.frame_count is not None and index >= info.frame_count:
        message = f"{option}: the last frame of {info.path} is {info.frame_count - 1}"
        if info.images:
            raise InputError(message)
        logger.warning("%s, by what the file says", message)


def _frame_at(info: VideoInfo, index: int) -> Frame:
    """One frame."""
    with read_video(info.path, index, index + 1) as reader:
        frame = next(iter(reader), None)
    if frame is None:
        raise InputError(f"{info.path}: has no frame {index}, or it is damaged; mark another one")
    check_frame_size(info, frame)
    return frame.image


def check_names(info: VideoInfo) -> None:
    """Refuse images whose outputs would have the same name.

    Raises:
        InputError: that.
    """
    seen: dict[str, Path] = {}
    for path in info.images:
        if (other := seen.setdefault(path.stem, path)) is not path:
            raise InputError(
                f"{info.path}: {other.name} and {path.name} would both give {path.stem}.png; "
                "remove one of them"
            )


def check_frame_size(info: VideoInfo, frame: VideoFrame) -> None:
    """Refuse a frame of another size than the first.

    Raises:
        InputError: that.
    """
    height, width = frame.image.shape[:2]
    if (width, height) != info.size:
        raise InputError(
            f"{info.path}: at frame {frame.index} the picture changes from {info.width}x"
            f"{info.height} to {width}x{height}; stop there with --end {frame.index}, "
            "or convert it to one size first"
        )


def check_all_came(info: VideoInfo, unseen: Collection[int], done: int, total: int | None) -> None:
    """Refuse masks whose frames never came, and say so if fewer frames came than were to be expected.

    Args:
        info: of the input.
        unseen: frames that have a mask and didn't come.
        done: how many frames came.
        total: how many were to be expected, if that is known.

    Raises:
        InputError: a frame that has a mask never came.
    """
    if unseen:
        raise InputError(
            f"{info.path}: frame {min(unseen)} has a mask, but the video has no such frame, "
            "or it is damaged; mark another one"
        )
    if total is not None and done < 0.95 * total - 1:  # what a header says may be a little off
        logger.warning(
            "%s: %d frames came where its header speaks of %d; it may be cut short", info.path, done, total
        )


class SegmentJob:
    """One run over one input, which can be interrupted and go on.

    Label maps are written one by one to a hidden folder beside the output, together with a snapshot of the
    segmenter. When all are there, everything else is drawn from them, and they move to their place.

    Backwards, each object goes from the first mask that it has to the start; where both passes tell of a
    pixel, the forward one is right.

    Args:
        info: of the input.
        masks: label maps by frame index, at least one.
        frames: which frames.
        outputs: where to, checked.
        backward: also go back from the first mask of each object.
        make_segmenter: gives a fresh segmenter.
        identity: what a resumed run must have in common with the interrupted one, as plain data.
        quiet: no progress.
    """

    def __init__(
        self,
        info: VideoInfo,
        masks: dict[int, LabelMap],
        frames: Range,
        outputs: SegmentOutputs,
        *,
        backward: bool,
        make_segmenter: Callable[[], Segmenter],
        identity: dict[str, Any],
        quiet: bool,
    ) -> None:
        self._info = info
        self._frames = frames
        self._outputs = outputs
        first_masks = _first_masks(masks)
        self._masks = {"forward": masks, "backward": first_masks}
        self._turn = max(first_masks)
        self._backward = backward and self._turn > frames.start
        self._first = min(masks) if self._backward else frames.start
        self._make_segmenter = make_segmenter
        self._segmenter = make_segmenter()
        self._quiet = quiet
        self._folder = outputs.part / "masks"
        self._identity = digest(info, masks, {**identity, "frames": asdict(frames), "backward": backward})

    def run(self, resume: bool) -> int:
        """Do all of it.

        Returns:
            How many frames were segmented.

        Raises:
            InputError: there is nothing like this run to resume, or the input can't be read; nothing is left.
            OSError: disk full and the like; what was done is kept.
            KeyboardInterrupt: after saving.
        """
        phase, last = self._begin(resume)
        try:
            if phase == "backward":
                self._segment(phase, last)
                self._segmenter = self._make_segmenter()
                phase, last = "forward", None
                self._save(phase, last)
            if phase == "forward":
                self._segment(phase, last)
                phase = "draw"
                self._save(phase, None)
            if phase == "draw":
                self._draw()
            return self._publish(phase)
        except InputError:
            shutil.rmtree(self._outputs.part)
            raise
        except OSError as error:
            raise kept(error, self._outputs) from error

    def _begin(self, resume: bool) -> tuple[str, int | None]:
        """The phase, and its last frame that is done."""
        if (note := begin(self._outputs, self._segmenter, self._identity, resume)) is not None:
            return note["phase"], note["last"]
        phase = "backward" if self._backward else "forward"
        try:
            self._folder.mkdir(parents=True)
            self._save(phase, None)
        except OSError:
            shutil.rmtree(self._outputs.part, ignore_errors=True)
            raise
        return phase, None

    def _segment(self, phase: str, last: int | None) -> None:
        """One pass; on the way, and when it is interrupted, everything is saved."""
        saved = time.monotonic()
        total, done = self._counts(phase, last)
        step = 1 if phase == "forward" else -1
        unseen = {i for i in self._masks[phase] if last is None or step * (i - last) > 0}
        frames = progress(self._read(phase, last), "segmenting", total, done=done, quiet=self._quiet)
        try:
            with closing(frames):
                for frame in frames:
                    with interrupts_wait():
                        self._step(phase, frame)
                        unseen.discard(frame.index)
                        last, done = frame.index, done + 1
                        if time.monotonic() - saved > SAVE_SECONDS:
                            self._save(phase, last)
                            saved = time.monotonic()
        except KeyboardInterrupt:
            with interrupts_wait():
                self._save(phase, last)
            where = "before the first frame" if last is None else f"after frame {last}"
            raise KeyboardInterrupt(f"stopped {where}; {GO_ON}") from None
        check_all_came(self._info, unseen, done, total)

    def _step(self, phase: str, frame: VideoFrame) -> None:
        check_frame_size(self._info, frame)
        label_map = self._segmenter.step(frame.image, self._masks[phase].get(frame.index)).label_map
        path = self._folder / f"{frame.name}.png"
        if phase == "forward" and self._backward and frame.index < self._turn and path.exists():
            label_map = np.where(label_map, label_map, _read_png(path))
        write_label_map(path, label_map)

    def _read(self, phase: str, last: int | None) -> Iterator[VideoFrame]:
        """The frames of a pass that come after its last one."""
        path, frames = self._info.path, self._frames
        if phase == "backward":
            end = self._turn + 1 if last is None else last
            if end > frames.start:
                with closing(read_reversed(path, frames.start, end)) as back:
                    yield from (frame for frame in back if frame.index in frames)
            return
        # From the last frame on, which is known to be there: perhaps there is no other.
        with read_video(path, self._first if last is None else last, frames.end, frames.every) as reader:
            yield from (frame for frame in reader if last is None or frame.index > last)

    def _counts(self, phase: str, last: int | None) -> tuple[int | None, int]:
        """Frames of a pass in all, and those that are done."""
        frames = self._frames
        if phase == "backward":
            indices = range(self._turn, frames.start - 1, -frames.every)
        else:
            ends = [n for n in (self._info.frame_count, frames.end) if n is not None]
            indices = range(self._first, min(ends, default=self._first), frames.every)
        done = 0 if last is None else abs(last - indices.start) // frames.every + 1
        return len(indices) or None, done

    def _save(self, phase: str, last: int | None) -> None:
        note = {"identity": self._identity, "phase": phase, "last": last}
        write_snapshot(self._outputs.part / SNAPSHOT, self._segmenter, note)

    def _draw(self) -> None:
        """Write what is made from frames and label maps together."""
        frames = self._frames
        if not self._outputs.files:
            return
        try:
            with ExitStack() as stack:
                reader = stack.enter_context(
                    read_video(self._info.path, frames.start, frames.end, frames.every)
                )
                shown = progress(reader, "drawing", reader.expected, quiet=self._quiet)
                sinks = None
                for frame in stack.enter_context(closing(shown)):
                    sinks = sinks or self._sinks(stack, frame.time)
                    label_map = _read_png(self._folder / f"{frame.name}.png")
                    for sink in sinks:
                        sink(frame, label_map)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped while drawing; {GO_ON}") from None

    def _sinks(self, stack: ExitStack, time: Fraction | None) -> list[Sink]:
        """What takes each frame with its label map; all of it begins at ``time``."""
        outputs, info = self._outputs, self._info
        sinks: list[Sink] = []
        # Sound and all else is for the whole only, and a cut starts at zero.
        kept = info.path if self._frames == Range(0, None, 1) else None
        start = time if self._frames.start else None
        for path, draw in ((outputs.masks, _coloured), (outputs.overlay, overlay)):
            if path is not None:
                writer = stack.enter_context(VideoWriter(path, like=info, keep_from=kept, start=start))
                sinks.append(_drawing_sink(writer, draw))
        if outputs.rle is not None:
            rle = stack.enter_context(RleWriter(outputs.rle, (info.height, info.width)))
            sinks.append(lambda frame, label_map: rle.write(frame.index, label_map, frame.time))
        return sinks

    def _publish(self, phase: str) -> int:
        """Move the label maps to their place if they are wanted, and remove what is hidden."""
        outputs, label_maps = self._outputs, self._folder
        try:
            with interrupts_wait():
                if outputs.folder is not None:
                    if phase != "publish":
                        outputs.remove_old()
                        self._save("publish", None)  # from here on, what is in the folder is new
                    publish(label_maps, outputs.folder)
                    label_maps = outputs.folder
                count = sum(1 for path in label_maps.iterdir() if path.suffix == ".png")
                shutil.rmtree(outputs.part)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("but everything had been written") from None
        return count


def _drawing_sink(writer: VideoWriter, draw: Callable[[Frame, LabelMap], Frame]) -> Sink:
    return lambda frame, label_map: writer.write(draw(frame.image, label_map), frame.time, frame.duration)


def _coloured(frame: Frame, label_map: LabelMap) -> Frame:
    return mask_colours(label_map)


def _read_png(path: Path) -> LabelMap:
    with Image.open(path) as image:
        return np.asarray(image, np.uint8)


def _first_masks(masks: dict[int, LabelMap]) -> dict[int, LabelMap]:
    """Of each object only the first mask."""
    known: list[int] = []
    first_masks = {}
    for index, label_map in sorted(masks.items()):
        new = np.where(np.isin(label_map, known), 0, label_map).astype(np.uint8)
        if new.any():
            first_masks[index] = new
            known += present_ids(new)
    return first_masks


def digest(info: VideoInfo, masks: dict[int, LabelMap], identity: dict[str, Any]) -> str:
    """A checksum of all that results depend on."""
    text = json.dumps([identity, stamps(info.images or [info.path])], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for index, label_map in masks.items():
        digest.update(str(index).encode() + label_map.tobytes())
    return digest.hexdigest()


def stamps(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """What tells whether files have changed."""
    return [(str(path.resolve()), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in paths]


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))
