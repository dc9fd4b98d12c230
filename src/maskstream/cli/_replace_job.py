"""The work of ``maskstream replace``: frames through a pipeline into videos, or into folders, resumably."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.cli._interrupt import interrupts_wait
from maskstream.cli._outputs import SNAPSHOT, ReplaceOutputs, publish
from maskstream.cli._progress import progress
from maskstream.cli._resume import GO_ON, begin, kept
from maskstream.cli._segment_job import SAVE_SECONDS, Range, check_all_came, check_frame_size, digest
from maskstream.errors import InputError
from maskstream.masks.read import check_size, read_label_map
from maskstream.replacement.pipeline import pipelined
from maskstream.replacement.replacer import BackgroundReplacer, Found, Replaced
from maskstream.streaming.snapshot import write_snapshot
from maskstream.video.probe import VideoInfo
from maskstream.video.read import VideoFrame, read_video
from maskstream.video.write import ImageSequenceWriter, VideoWriter

logger = logging.getLogger(__name__)

LabelMap = NDArray[np.uint8]
IMAGES_A_SECOND = 24  #: of folders of images, which say nothing of time


@dataclass(frozen=True)
class Encoding:
    """How videos are written.

    Attributes:
        encoder: a codec, or FFmpeg's name of an encoder; None: by the file name.
        crf: quality; lower is better.
        alpha: whether the picture keeps its alpha.
    """

    encoder: str | None
    crf: int
    alpha: bool


class ReplaceJob:
    """One run over one input.

    Where all outputs are folders it can be interrupted and go on: pictures are written one by one to a hidden
    folder beside the output, together with a snapshot of all that goes on from frame to frame.

    Args:
        info: of the input.
        frames: which frames.
        replacer: fresh.
        masks: label maps by frame index; or the folder that has one for every frame.
        outputs: where to, checked.
        encoding: of videos.
        identity: what a resumed run must have in common with the interrupted one, as plain data.
        quiet: no progress.
    """

    def __init__(
        self,
        info: VideoInfo,
        frames: Range,
        replacer: BackgroundReplacer,
        masks: dict[int, LabelMap] | Path,
        outputs: ReplaceOutputs,
        encoding: Encoding,
        *,
        identity: dict[str, Any],
        quiet: bool,
    ) -> None:
        self._info = info
        self._frames = frames
        self._replacer = replacer
        self._outputs = outputs
        self._encoding = encoding
        self._quiet = quiet
        self._label_maps = masks if isinstance(masks, Path) else None
        self._masks = {} if isinstance(masks, Path) else masks
        self._saves = not outputs.files
        self._identity = digest(info, self._masks, {**identity, "frames": asdict(frames)})

    def run(self, resume: bool) -> int:
        """Do all of it.

        Returns:
            How many frames were written.

        Raises:
            InputError: there is nothing like this run to resume, or the input can't be read; nothing is left.
            OSError: disk full and the like.
            KeyboardInterrupt: after saving where all outputs are folders; elsewhere nothing is left.
        """
        is_done, last, count = self._begin(resume)
        part = self._outputs.part
        try:
            if not is_done:
                count = self._replace(last, count)
            self._publish(count)
        except InputError:
            shutil.rmtree(part, ignore_errors=True)
            raise
        except BaseException as error:
            if not self._saves:
                shutil.rmtree(part, ignore_errors=True)
            elif isinstance(error, OSError):
                raise kept(error, self._outputs) from error
            raise
        return count

    def _begin(self, resume: bool) -> tuple[bool, int | None, int]:
        """Whether all pictures are there, the last frame that was done, and how many were."""
        if resume and not self._saves:
            raise InputError(
                f"--resume: {self._outputs.files[0]} can't go on, only folders of PNGs can; "
                "leave --resume out"
            )
        if (note := begin(self._outputs, self._replacer, self._identity, resume)) is not None:
            return note["done"], note["last"], note["count"]
        if self._outputs.folders:
            for path in self._outputs.folders:
                self._unfinished(path).mkdir(parents=True)
            self._save(False, None, 0)
        return False, None, 0

    def _replace(self, last: int | None, count: int) -> int:
        """Write all frames after the last one that was done."""
        unseen = {index for index in self._masks if last is None or index > last}
        total = self._expected()
        with ExitStack() as stack:
            source = stack.enter_context(closing(self._read(last)))
            results = stack.enter_context(closing(self._results(source, last, count)))
            shown = progress(results, "replacing", total, done=count, quiet=self._quiet)
            writers: list[Callable[[VideoFrame, Replaced], None]] = []
            for frame, replaced in stack.enter_context(closing(shown)):
                writers = writers or self._writers(stack, frame.time)
                for write in writers:
                    write(frame, replaced)
                unseen.discard(frame.index)
                last, count = frame.index, count + 1
            check_all_came(self._info, unseen, count, total)
        if self._saves:
            self._save(True, last, count)
        return count

    def _results(
        self, source: Iterator[VideoFrame], last: int | None, count: int
    ) -> Generator[tuple[VideoFrame, Replaced], None, None]:
        """All frames through the pipeline; now and then, when nothing is under way, the state is saved."""
        if not self._saves:
            yield from pipelined(source, self._find, self._compose)
            return
        is_more = True

        def some(stopped: Callable[[], bool]) -> Generator[VideoFrame, None, None]:
            nonlocal is_more
            start = time.monotonic()
            for frame in source:
                yield frame
                if stopped() or time.monotonic() - start > SAVE_SECONDS:
                    return
            is_more = False

        while is_more:
            try:
                with interrupts_wait() as stopped:
                    for frame, replaced in pipelined(some(stopped), self._find, self._compose):
                        yield frame, replaced
                        last, count = frame.index, count + 1
                    self._save(False, last, count)
            except KeyboardInterrupt:
                where = "before the first frame" if last is None else f"after frame {last}"
                raise KeyboardInterrupt(f"stopped {where}; {GO_ON}") from None

    def _find(self, frame: VideoFrame) -> tuple[VideoFrame, Found]:
        check_frame_size(self._info, frame)
        masks = self._masks.get(frame.index)
        if self._label_maps is not None:
            path = self._label_maps / f"{frame.name}.png"
            if not path.is_file():
                raise InputError(f"{path}: missing; every frame needs its label map")
            masks = np.asarray(read_label_map(path).label_map, np.uint8)
            check_size(masks, (self._info.height, self._info.width), path)
        return frame, self._replacer.find(frame.image, masks)

    def _compose(self, item: tuple[VideoFrame, Found]) -> tuple[VideoFrame, Replaced]:
        frame, found = item
        shown = Fraction(frame.index, IMAGES_A_SECOND) if frame.time is None else frame.time
        start = self._info.start_time or Fraction(0)
        return frame, self._replacer.compose(frame.image, found, float(shown - start))

    def _read(self, last: int | None) -> Generator[VideoFrame, None, None]:
        """The frames after the last one that was done."""
        frames = self._frames
        # From the last frame on, which is known to be there: perhaps there is no other.
        start = frames.start if last is None else last
        with read_video(self._info.path, start, frames.end, frames.every) as reader:
            yield from (frame for frame in reader if last is None or frame.index > last)

    def _expected(self) -> int | None:
        ends = [n for n in (self._info.frame_count, self._frames.end) if n is not None]
        return len(range(self._frames.start, min(ends), self._frames.every)) if ends else None

    def _writers(
        self, stack: ExitStack, start: Fraction | None
    ) -> list[Callable[[VideoFrame, Replaced], None]]:
        """What takes each frame with its result; videos begin at ``start``."""
        outputs, encoding = self._outputs, self._encoding
        writers = [self._picture_writer(stack, start)]
        if outputs.matte is not None:
            if outputs.matte in outputs.folders:
                grey = ImageSequenceWriter(self._unfinished(outputs.matte))
                writers.append(lambda frame, replaced: grey.write(replaced.alpha, frame.name))
            else:
                video = self._video(stack, outputs.matte, start, crf=encoding.crf)
                writers.append(
                    lambda frame, replaced: video.write(_grey(replaced.alpha), frame.time, frame.duration)
                )
        return writers

    def _picture_writer(
        self, stack: ExitStack, start: Fraction | None
    ) -> Callable[[VideoFrame, Replaced], None]:
        path, encoding = self._outputs.picture, self._encoding
        if path in self._outputs.folders:
            images = ImageSequenceWriter(self._unfinished(path))
            return lambda frame, replaced: images.write(
                replaced.image, frame.name, replaced.alpha if encoding.alpha else None
            )
        whole = self._info.path
        video = self._video(
            stack,
            path,
            start,
            codec=encoding.encoder,
            crf=encoding.crf,
            alpha=encoding.alpha,
            keep_from=None if self._info.images else whole,
        )

        def write(frame: VideoFrame, replaced: Replaced) -> None:
            alpha = replaced.alpha if encoding.alpha else None
            video.write(replaced.image, frame.time, frame.duration, alpha)
            if self._frames.end is not None and frame.time is not None:
                video.end = frame.time + (frame.duration or 0)

        return write

    def _video(self, stack: ExitStack, path: Path, start: Fraction | None, **options: Any) -> VideoWriter:
        """A cut starts at zero; the whole keeps its times."""
        start = start if self._frames.start else None
        return stack.enter_context(VideoWriter(path, like=self._info, start=start, **options))

    def _unfinished(self, folder: Path) -> Path:
        """Where the pictures of an output folder are until all are there."""
        return self._outputs.part / ("picture" if folder == self._outputs.picture else "matte")

    def _save(self, is_done: bool, last: int | None, count: int) -> None:
        note = {"identity": self._identity, "done": is_done, "last": last, "count": count}
        write_snapshot(self._outputs.part / SNAPSHOT, self._replacer, note)

    def _publish(self, count: int) -> None:
        """Move pictures to their folders, and remove what is hidden."""
        outputs = self._outputs
        if not outputs.folders:
            return
        try:
            with interrupts_wait():
                if any(self._unfinished(folder).exists() for folder in outputs.folders):
                    if count == sum(1 for _ in self._unfinished(outputs.folders[0]).glob("*.png")):
                        outputs.remove_old()  # nothing has been moved yet
                    for folder in outputs.folders:
                        publish(self._unfinished(folder), folder)
                shutil.rmtree(outputs.part)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("but everything had been written") from None


def _grey(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(alpha[..., None], 3, 2)
