"""The work of ``maskstream segment``: label maps first, resumably; then what is drawn from them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.cli._progress import progress
from maskstream.errors import InputError
from maskstream.masks.draw import mask_colours, overlay
from maskstream.masks.palette import write_label_map
from maskstream.masks.read import check_size, read_label_map, read_object_masks
from maskstream.masks.rle import RleWriter
from maskstream.streaming.segmenter import VideoSegmenter
from maskstream.streaming.snapshot import read_snapshot, write_snapshot
from maskstream.video.probe import VideoInfo
from maskstream.video.read import VideoFrame, read_reversed, read_video
from maskstream.video.write import VideoWriter

logger = logging.getLogger(__name__)

LabelMap = NDArray[np.uint8]
SAVE_SECONDS = 20.0


@dataclass(frozen=True)
class Range:
    """Which frames of the input are segmented."""

    start: int
    end: int | None
    every: int

    def __contains__(self, index: int) -> bool:
        inside = index >= self.start and (self.end is None or index < self.end)
        return inside and (index - self.start) % self.every == 0


@dataclass(frozen=True)
class Outputs:
    """Where results go; None: not wanted."""

    folder: Path | None = None
    rle: Path | None = None
    masks: Path | None = None
    overlay: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The single files among them."""
        return [path for path in (self.rle, self.masks, self.overlay) if path is not None]

    @property
    def part(self) -> Path:
        """Hidden folder, beside the first output, of a run that is not finished."""
        first = next(path for path in (self.folder, self.rle, self.masks, self.overlay) if path is not None)
        return first.with_name(f".{first.name}.part")

    def check(self, overwrite: bool, resume: bool) -> None:
        """Refuse what can't be written, before any work.

        Raises:
            InputError: an output exists (and may not be replaced), or its folder doesn't.
        """
        for path in self.files:
            if not path.parent.is_dir():
                raise InputError(f"{path}: its folder does not exist; make it first")
            if path.is_dir():
                raise InputError(f"{path}: is a folder; name a file")
            if path.exists() and not overwrite:
                raise InputError(f"{path}: exists; give --overwrite to replace it")
        if self.folder is not None:
            self._check_folder(self.folder, overwrite)
        if self.part.exists() and not (resume or overwrite):
            raise InputError(
                f"{self.part}: an interrupted run is here; give --resume to go on, or --overwrite to begin again"
            )

    @staticmethod
    def _check_folder(folder: Path, overwrite: bool) -> None:
        if not folder.parent.is_dir():
            raise InputError(f"{folder}: its parent folder does not exist; make it first")
        if not folder.exists():
            return
        if not folder.is_dir():
            raise InputError(f"{folder}: is a file; name a folder, or a .json, .mp4, .mov, .mkv or .webm file")
        content = list(folder.iterdir())
        if content and not overwrite:
            raise InputError(f"{folder}: is not empty; give --overwrite to replace it, or name another folder")
        if foreign := [path for path in content if path.suffix != ".png" or not path.is_file()]:
            raise InputError(
                f"{folder}: holds {foreign[0].name}, which is no label map, and is not replaced; name another folder"
            )


def read_masks(
    given: Iterable[str],
    info: VideoInfo,
    frames: Range,
    ids: tuple[int, ...] | None,
    threshold_soft: bool,
) -> dict[int, LabelMap]:
    """Label maps by frame index, from ``[FRAME=]PATH`` options.

    Raises:
        InputError: a mask can't be used, or its frame is not segmented.
    """
    paths: dict[int, list[Path]] = {}
    for option in given:
        head, separator, tail = option.partition("=")
        is_framed = bool(separator) and head.isdecimal()
        index, path = (int(head), Path(tail)) if is_framed else (frames.start, Path(option))
        if index not in frames:
            raise InputError(f"--mask {option}: frame {index} is not among the frames that are segmented")
        if info.frame_count is not None and index >= info.frame_count and info.images:
            raise InputError(f"--mask {option}: the input has {info.frame_count} frames only")
        paths.setdefault(index, []).append(path)
    masks = {}
    for index, files in paths.items():
        if len(files) == 1 and not files[0].is_dir():
            read = read_label_map(files[0], threshold_soft)
        else:
            source = files if len(files) > 1 else files[0]
            read = read_object_masks(source, index, threshold_soft)
        label_map = np.asarray(read.label_map, np.uint8)
        check_size(label_map, (info.height, info.width), files[0])
        if ids is not None:
            if missing := [i for i in ids if i not in read.ids]:
                raise InputError(f"{files[0]}: holds no object {missing[0]}; it has {_listed(read.ids)}")
            label_map = np.where(np.isin(label_map, ids), label_map, 0).astype(np.uint8)
        masks[index] = label_map
    return dict(sorted(masks.items()))


class SegmentJob:
    """One run over one input, which can be interrupted and go on.

    Label maps are written one by one to a hidden folder beside the output, together with a snapshot of the
    segmenter. When all are there, the folder is renamed, and everything else is drawn from it.

    Args:
        info: of the input.
        masks: label maps by frame index, at least one.
        frames: which frames.
        outputs: where to.
        backward: also go back from the first mask.
        make_segmenter: gives a fresh segmenter.
        identity: what a resumed run must have in common with the interrupted one.
        quiet: no progress.
    """

    def __init__(
        self,
        info: VideoInfo,
        masks: dict[int, LabelMap],
        frames: Range,
        outputs: Outputs,
        *,
        backward: bool,
        make_segmenter: Any,
        identity: dict[str, Any],
        quiet: bool,
    ) -> None:
        self._info = info
        self._masks = masks
        self._frames = frames
        self._outputs = outputs
        self._first = min(masks)
        self._backward = backward and self._first > frames.start
        self._segmenter: VideoSegmenter = make_segmenter()
        self._make_segmenter = make_segmenter
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode())
        for index, label_map in masks.items():
            digest.update(str(index).encode() + label_map.tobytes())
        self._identity = digest.hexdigest()
        self._quiet = quiet
        self._folder = outputs.part / "masks"
        self._snapshot = outputs.part / "snapshot.npz"

    def run(self, resume: bool) -> int:
        """Do all of it.

        Returns:
            How many frames were segmented.

        Raises:
            InputError: there is nothing like this run to resume, or the input can't be read.
            KeyboardInterrupt: after saving.
        """
        at = self._begin(resume)
        if at["phase"] == "backward":
            self._segment("backward", at["begin"])
            self._segmenter = self._make_segmenter()
            at = {"phase": "forward", "begin": self._first}
            self._save(**at)
        if at["phase"] == "forward":
            self._segment("forward", at["begin"])
            self._save("draw", 0)
        self._draw()
        return self._finish()

    def _begin(self, resume: bool) -> dict[str, Any]:
        """Where to go on."""
        start = {"phase": "forward", "begin": self._frames.start}
        if self._backward:
            start = {"phase": "backward", "begin": self._first}
        if not (resume and self._snapshot.is_file()):
            if resume:
                logger.warning("nothing to resume beside the output; starting at the beginning")
            shutil.rmtree(self._outputs.part, ignore_errors=True)
            self._folder.mkdir(parents=True)
            return start
        note = read_snapshot(self._snapshot, self._segmenter)
        if note["identity"] != self._identity:
            raise InputError(
                f"{self._outputs.part}: was made with other options, masks or input; give the same, or --overwrite"
            )
        return note

    def _segment(self, phase: str, begin: int) -> None:
        """One pass; on the way, and when it is interrupted, everything is saved."""
        saved, after = time.monotonic(), begin
        total, done = self._counts(phase, begin)
        frames = progress(self._read(phase, begin), "segmenting", total, done=done, quiet=self._quiet)
        try:
            for frame in frames:
                self._step(phase, frame)
                after = frame.index + (-1 if phase == "backward" else 1)
                if time.monotonic() - saved > SAVE_SECONDS:
                    self._save(phase, after)
                    saved = time.monotonic()
        except KeyboardInterrupt:
            self._save(phase, after)
            raise KeyboardInterrupt(f"stopped before frame {after}; give --resume to go on") from None

    def _step(self, phase: str, frame: VideoFrame) -> None:
        path = self._folder / f"{frame.name}.png"
        if phase == "forward" and self._backward and frame.index == self._first and path.exists():
            # The backward pass has been here; the forward one only learns the object.
            self._segmenter.step(frame.image, self._masks[frame.index])
            return
        label_map = self._segmenter.step(frame.image, self._masks.get(frame.index)).label_map
        write_label_map(path, label_map)

    def _read(self, phase: str, begin: int) -> Iterator[VideoFrame]:
        path, every = self._info.path, self._frames.every
        if phase == "forward":
            with read_video(path, begin, self._frames.end, every) as reader:
                yield from reader
            return
        if begin >= self._frames.start:
            for frame in read_reversed(path, self._frames.start, begin + 1):
                if frame.index in self._frames:
                    yield frame

    def _counts(self, phase: str, begin: int) -> tuple[int | None, int]:
        """Frames of a pass in all, and those done before."""
        every, start = self._frames.every, self._frames.start
        if phase == "backward":
            total = (self._first - start) // every + 1
            return total, (self._first - begin) // every
        origin = self._first if self._backward else start
        end = min(n for n in (self._info.frame_count, self._frames.end, 2**62) if n is not None)
        total = len(range(origin, end, every)) if end < 2**62 else None
        return total, (begin - origin) // every

    def _save(self, phase: str, begin: int) -> None:
        note = {"identity": self._identity, "phase": phase, "begin": begin}
        write_snapshot(self._snapshot, self._segmenter, note)

    def _draw(self) -> None:
        """Write what is made from frames and label maps together."""
        outputs, info = self._outputs, self._info
        if not outputs.files:
            return
        whole = self._frames == Range(0, None, 1)
        with ExitStack() as stack, read_video(info.path, *self._span) as reader:
            audio = info.path if whole and info.audio else None
            videos = [
                (stack.enter_context(VideoWriter(path, like=info, audio_from=audio)), draw)
                for path, draw in ((outputs.masks, _coloured), (outputs.overlay, overlay))
                if path is not None
            ]
            rle = RleWriter(outputs.rle, (info.height, info.width)) if outputs.rle else None
            if rle is not None:
                stack.enter_context(rle)
            for frame in progress(reader, "drawing", reader.expected, quiet=self._quiet):
                label_map = _read_png(self._folder / f"{frame.name}.png")
                for writer, draw in videos:
                    writer.write(draw(frame.image, label_map), frame.time, frame.duration)
                if rle is not None:
                    rle.write(frame.index, label_map, frame.time)

    @property
    def _span(self) -> tuple[int, int | None, int]:
        return self._frames.start, self._frames.end, self._frames.every

    def _finish(self) -> int:
        """Give the folder its name and remove what is hidden."""
        count = sum(1 for _ in self._folder.iterdir())
        folder = self._outputs.folder
        if folder is not None:
            if folder.exists():
                os.rename(folder, self._outputs.part / "replaced")
            os.rename(self._folder, folder)
        shutil.rmtree(self._outputs.part)
        return count


def _read_png(path: Path) -> LabelMap:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image, np.uint8)


def _coloured(frame: NDArray[np.uint8], label_map: LabelMap) -> NDArray[np.uint8]:
    return mask_colours(label_map)


def _listed(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids))
