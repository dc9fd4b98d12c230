"""Another background behind what is marked, in all of a video: into videos, or resumably into folders."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskstream.arrays import LabelMap
from maskstream.background.compositor import CompositeConfig
from maskstream.background.options import BackgroundOptions
from maskstream.errors import InputError
from maskstream.first_mask.box import Box
from maskstream.jobs.adapting import KEPT, JobSegmenters
from maskstream.jobs.checkpoint import AGAIN, Checkpoint, digest, pictures_in, resumable_error
from maskstream.jobs.frames import FrameRange, check_all_came, check_frame_size, check_names
from maskstream.jobs.interrupts import interrupts_wait, retold
from maskstream.jobs.job import Job, JobCancelled, JobResult
from maskstream.jobs.marks import Mark, MaskMark, MaskSource, detected_marks, marks_of, read_marks
from maskstream.jobs.outputs import PathLike, ReplaceOutputs, publish
from maskstream.jobs.progress import OnProgress, Phase
from maskstream.masks.palette import present_ids
from maskstream.masks.read import check_size, read_label_map
from maskstream.matte.config import MatteConfig
from maskstream.replacement.pipeline import pipelined
from maskstream.replacement.replacer import BackgroundReplacer, Found, KeptObjects, Replaced
from maskstream.streaming.options import SegmenterOptions
from maskstream.streaming.segmentation import Segmenter
from maskstream.video.probe import VideoInfo, probe
from maskstream.video.read import VideoFrame, read_video
from maskstream.video.write import ImageSequenceWriter, VideoWriter

logger = logging.getLogger(__name__)

OnReplaced = Callable[[VideoFrame, Replaced], None]
IMAGES_A_SECOND = 24  #: of folders of images, which say nothing of time
SAVE_SECONDS = 20.0


@dataclass(frozen=True)
class ReplaceOptions:
    """All that a replacement depends on. It can be pickled; without arrays in the marks it is plain data.

    Attributes:
        source: video file or folder of images.
        output: video, or folder that gets a PNG for each frame.
        background: what goes behind, and how it fills the frame.
        matte_output: the same of the matte, in grey; None: not wanted.
        marks: what stays, see `marks_of`; empty: the main subject, which is detected.
        label_maps: folder with a label map for every frame, instead of marks.
        keep: ids of the objects that stay; None: all.
        drop: ids of those that don't.
        frames: which frames.
        matte: how edges are made, and which screen is keyed out.
        composite: how object and background are put together.
        encoder: a codec, or FFmpeg's name of an encoder; None: by the file name.
        crf: quality of videos; lower is better.
        threshold_soft: soft edges of masks are meant to be rounded: no word about it.
        largest: of a detected subject only the largest part.
        overwrite: replace outputs that exist.
        segmenter: which networks, and how.
    """

    source: str
    output: str | None
    background: BackgroundOptions
    matte_output: str | None = None
    marks: tuple[Mark, ...] = ()
    label_maps: str | None = None
    keep: tuple[int, ...] | None = None
    drop: tuple[int, ...] = ()
    frames: FrameRange = field(default_factory=FrameRange)
    matte: MatteConfig = field(default_factory=MatteConfig)
    composite: CompositeConfig = field(default_factory=CompositeConfig)
    encoder: str | None = None
    crf: int = 18
    threshold_soft: bool = False
    largest: bool = False
    overwrite: bool = False
    segmenter: SegmenterOptions = field(default_factory=SegmenterOptions)


def replace_background(
    source: PathLike,
    background: PathLike | BackgroundOptions,
    output: PathLike,
    *,
    masks: Mapping[int, MaskSource] | MaskSource | None = None,
    boxes: Mapping[int, Box | Sequence[Box]] | Box | Sequence[Box] | None = None,
    label_maps: PathLike | None = None,
    keep: Sequence[int] | None = None,
    drop: Sequence[int] = (),
    matte: MatteConfig | None = None,
    composite: CompositeConfig | None = None,
    matte_output: PathLike | None = None,
    start: int = 0,
    end: int | None = None,
    largest: bool = False,
    threshold_soft: bool = False,
    encoder: str | None = None,
    crf: int = 18,
    overwrite: bool = False,
    resume: bool = False,
    model: PathLike | SegmenterOptions = "live",
    on_progress: OnProgress | None = None,
    on_frame: OnReplaced | None = None,
) -> JobResult:
    """Replace the background of a video; sound, subtitles and times stay.

    Args:
        source: video file or folder of images.
        background: image, video, folder of images, ``blur``, a colour, ``transparent``, or all options of it.
        output: video, or folder that gets a PNG for each frame.
        masks: who stays, by frame index, or in the first frame: an image file, a folder of one file an
            object, several files, or an array ``(H, W)`` of object ids. Without masks, boxes and label maps
            the main subject is detected.
        boxes: by frame index, or of the first frame: ``(x, y, width, height)`` in pixels, or several.
        label_maps: folder with a label map for every frame, as `segment_video` writes it.
        keep: ids of the objects that stay; None: all.
        drop: ids of those that don't.
        matte: how edges are made, and which screen is keyed out; None: as by default.
        composite: how object and background are put together; None: as by default.
        matte_output: video or folder for the matte.
        start: index of the first frame.
        end: index of the frame to stop before.
        largest: of a detected subject only the largest part.
        threshold_soft: soft edges of masks are meant to be rounded: no word about it.
        encoder: a codec, or FFmpeg's name of an encoder; None: by the file name.
        crf: quality of videos; lower is better.
        overwrite: replace outputs that exist.
        resume: continue an interrupted folder of PNGs where it stopped.
        model: name or exported folder of the network, or all options of the segmenter.
        on_progress: called with the progress so far.
        on_frame: is given each frame with its result, in order.

    Example:
        >>> replace_background("talk.mp4", "beach.jpg", "out.mp4")
        JobResult(frames=124, outputs=(PosixPath('out.mp4'),))

    Raises:
        InputError: something given can't be used; nothing was written.
        OSError: disk full and the like.
        KeyboardInterrupt: after saving where all outputs are folders; elsewhere nothing is left.
    """
    options = ReplaceOptions(
        os.fspath(source),
        None if output is None else os.fspath(output),
        background if isinstance(background, BackgroundOptions) else BackgroundOptions(os.fspath(background)),
        None if matte_output is None else os.fspath(matte_output),
        marks_of(masks, boxes, start),
        None if label_maps is None else os.fspath(label_maps),
        None if keep is None else tuple(keep),
        tuple(drop),
        FrameRange(start, end),
        matte or MatteConfig(),
        composite or CompositeConfig(),
        encoder,
        crf,
        threshold_soft,
        largest,
        overwrite,
        model if isinstance(model, SegmenterOptions) else SegmenterOptions((os.fspath(model),)),
    )
    return ReplaceJob(options, on_progress=on_progress, on_frame=on_frame).run(resume=resume)


@dataclass(frozen=True)
class _Task:
    """The options, checked and read.

    Attributes:
        info: of the input.
        masks: label maps by frame index; empty: the folder of label maps, or a screen, tells all.
        kept: which objects stay.
        outputs: where to, checked.
    """

    info: VideoInfo
    masks: dict[int, LabelMap]
    kept: KeptObjects
    outputs: ReplaceOutputs


class ReplaceJob(Job):
    """One run over one input.

    Where all outputs are folders it can be interrupted and resumed: pictures are written one by one to a
    hidden folder beside the output, together with a snapshot of all that is carried from frame to frame.
    """

    def __init__(
        self,
        options: ReplaceOptions,
        *,
        segmenters: Callable[[], Segmenter] | None = None,
        on_progress: OnProgress | None = None,
        on_frame: OnReplaced | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            options: what to do.
            segmenters: makes fresh segmenters of networks that are loaded already; None: they are loaded as
                the options say.
            on_progress: called with the progress so far, in the job's own thread.
            on_frame: is given each frame with its result, in that thread, in order.
        """
        super().__init__(on_progress)
        self.options = options
        self._segmenters = segmenters
        self.on_frame = on_frame
        self._task: _Task | None = None

    def check(self, *, resume: bool = False) -> None:
        """Refuse what can't be done, before any work; only network and background aren't opened yet.

        Raises:
            InputError: something in the options can't be used.
        """
        options = self.options
        outputs = ReplaceOutputs.of(options.output, options.matte_output)
        if resume and outputs.files:
            raise InputError(
                f"`resume`: {outputs.files[0]} can't be resumed, only folders of PNGs can; leave `resume` out"
            )
        info = probe(options.source)
        options.frames.check(info)
        check_names(info)
        self._check_label_maps()
        outputs.check(self._sources(info), options.overwrite, resume)
        masks = self._read_masks(info)
        kept = KeptObjects.of(options.keep, options.drop)
        if masks:
            kept.check({object_id for label_map in masks.values() for object_id in present_ids(label_map)})
            if min(masks) > options.frames.start:
                logger.info("frames before the first mask (%d) show the background only", min(masks))
        self._task = _Task(info, masks, kept, outputs)

    def run(self, *, resume: bool = False) -> JobResult:
        """Do all of it.

        Args:
            resume: continue an interrupted run of the same options where it stopped.

        Returns:
            How many frames were written, and where to.

        Raises:
            InputError: something can't be used, or there is nothing like this run to resume; nothing is left.
            JobCancelled: after saving where all outputs are folders; elsewhere nothing is left.
            OSError: disk full and the like.
            KeyboardInterrupt: after saving where all outputs are folders; elsewhere nothing is left.
        """
        if self._task is None:
            self.check(resume=resume)
        task, options = self._task, self.options
        assert task is not None
        with ExitStack() as stack:
            background = None
            if not options.background.is_transparent:
                aspect = float(task.info.sample_aspect_ratio)
                background = stack.enter_context(closing(options.background.open(aspect)))
            made = JobSegmenters(self, options.segmenter, task.info, options.frames, task.masks)
            kept = task.outputs.part / KEPT if resume else None
            replacer = BackgroundReplacer(
                (self._segmenters or made.load(kept))() if task.masks else None,
                background,
                kept=task.kept,
                matte=options.matte,
                composite=options.composite,
            )
            count = _ReplaceRun(self, task, replacer, made.keep).run(resume)
        return JobResult(count, tuple(task.outputs.all))

    def _check_label_maps(self) -> None:
        """Refuse what doesn't go together."""
        options = self.options
        if options.largest and (options.marks or options.label_maps or options.matte.key):
            raise InputError(
                "`largest`: is for a subject that is detected; leave it out where one is marked or keyed"
            )
        if options.label_maps is None:
            return
        if options.marks:
            given = "masks" if any(isinstance(mark, MaskMark) for mark in options.marks) else "boxes"
            raise InputError(f"`{given}` and `label_maps`: give one of them")
        if not Path(options.label_maps).is_dir():
            raise InputError(
                f"{options.label_maps}: no such folder; make it with maskstream segment {options.source} "
                "-o FOLDER"
            )

    def _sources(self, info: VideoInfo) -> list[Path]:
        """All that is read, and must not be written over."""
        options = self.options
        sources = [info.path]
        sources += [path for mark in options.marks if isinstance(mark, MaskMark) for path in mark.sources]
        if options.label_maps is not None:
            sources.append(Path(options.label_maps) / "any.png")
        if (behind := options.background.path) is not None:
            sources.append(behind / "any.png" if behind.is_dir() else behind)
        return sources

    def _read_masks(self, info: VideoInfo) -> dict[int, LabelMap]:
        options = self.options
        if options.marks:
            return read_marks(options.marks, info, options.frames, threshold_soft=options.threshold_soft)
        if options.label_maps is not None or options.matte.key is not None:
            return {}
        logger.info("no mask given; detecting the main subject automatically (people first)")
        return detected_marks(info, options.frames, largest=options.largest, on_progress=self.told)


class _ReplaceRun:
    """Frames of a job through the pipeline, and what is saved on the way."""

    def __init__(
        self,
        job: ReplaceJob,
        task: _Task,
        replacer: BackgroundReplacer,
        keep_network: Callable[[Path], None],
    ) -> None:
        options = job.options
        self._job, self._options = job, options
        self._info, self._masks, self._outputs = task.info, task.masks, task.outputs
        self._frames, self._replacer = options.frames, replacer
        self._keep_network = keep_network
        self._label_maps = None if options.label_maps is None else Path(options.label_maps)
        self._saves = not task.outputs.files
        looks = {"background", "matte", "composite", "keep", "drop", "label_maps", "frames"}
        identity = {name: value for name, value in asdict(options).items() if name in looks}
        identity |= options.segmenter.identity()
        self._checkpoint = Checkpoint(task.outputs, digest(task.info, task.masks, identity))

    def run(self, resume: bool) -> int:
        """See `ReplaceJob.run`."""
        try:
            is_done, last, count = self._begin(resume)
        except BaseException:
            self._checkpoint.close()
            raise
        try:
            if not is_done:
                count = self._replace(last, count)
            self._publish(count)
        except InputError:
            self._checkpoint.remove()
            raise
        except BaseException as error:
            if not self._saves:
                self._checkpoint.remove()
            elif isinstance(error, OSError):
                raise resumable_error(error, self._outputs) from error
            raise
        finally:
            self._checkpoint.close()
        return count

    def _begin(self, resume: bool) -> tuple[bool, int | None, int]:
        """Whether all pictures are there, the last frame that was done, and how many were."""
        note = self._checkpoint.begin(self._replacer, resume)
        if note is not None:
            for folder in self._outputs.folders:
                self._checkpoint.check_pictures(self._unfinished(folder), self._counts(note["last"]))
            return note["done"], note["last"], note["count"]
        self._keep_network(self._checkpoint.part)
        if self._outputs.folders:
            try:
                for path in self._outputs.folders:
                    self._unfinished(path).mkdir(parents=True)
                self._save(False, None, 0)
            except OSError:
                self._checkpoint.remove()
                raise
        return False, None, 0

    def _counts(self, last: int | None) -> Callable[[str], bool]:
        """Whether the picture of a name is finished when the run stopped after a frame."""
        indices = {path.stem: index for index, path in enumerate(self._info.images)}
        return lambda name: last is not None and (indices[name] if indices else int(name)) <= last

    def _replace(self, last: int | None, count: int) -> int:
        """Write all frames after the last one that was done."""
        unseen = {index for index in self._masks if last is None or index > last}
        total = self._frames.count(self._info)
        with ExitStack() as stack:
            source = stack.enter_context(closing(self._read(last)))
            results = stack.enter_context(closing(self._results(source, last, count)))
            meter = self._job.meter(Phase.REPLACE, total, count)
            writers: list[OnReplaced] = []
            for frame, replaced in results:
                writers = writers or self._writers(stack, frame.time)
                for write in writers:
                    write(frame, replaced)
                unseen.discard(frame.index)
                last, count = frame.index, count + 1
                meter.tick(frame.index)
            check_all_came(self._info, unseen)
        if self._saves:
            self._save(True, last, count)
        return count

    def _results(
        self, source: Iterator[VideoFrame], last: int | None, count: int
    ) -> Generator[tuple[VideoFrame, Replaced], None, None]:
        """All frames through the pipeline; now and then, when nothing is under way, the state is saved."""
        if not self._saves:
            yield from pipelined(self._unless_cancelled(source), self._find, self._compose)
            if self._job.is_cancelled:
                raise JobCancelled("nothing is left of it")
            return
        is_more = True

        def some(stopped: Callable[[], bool]) -> Generator[VideoFrame, None, None]:
            nonlocal is_more
            start = time.monotonic()
            for frame in source:
                yield frame
                if not self._job.wait(stopped) or stopped() or time.monotonic() - start > SAVE_SECONDS:
                    return
            is_more = False

        while is_more:
            try:
                with interrupts_wait() as stopped:
                    for frame, replaced in pipelined(some(stopped), self._find, self._compose):
                        yield frame, replaced
                        last, count = frame.index, count + 1
                    self._save(False, last, count)
                if is_more and self._job.is_cancelled:
                    raise JobCancelled
            except (KeyboardInterrupt, JobCancelled) as error:
                where = "before the first frame" if last is None else f"after frame {last}"
                raise retold(error, f"stopped {where}; {AGAIN}") from None

    def _unless_cancelled(self, source: Iterator[VideoFrame]) -> Generator[VideoFrame, None, None]:
        for frame in source:
            if not self._job.wait():
                return
            yield frame

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

    def _writers(self, stack: ExitStack, start: Fraction | None) -> list[OnReplaced]:
        """What takes each frame with its result; videos begin at ``start``."""
        writers = [self._picture_writer(stack, start)]
        if (matte := self._outputs.matte) is not None:
            if matte in self._outputs.folders:
                writers.append(self._image_writer(matte, lambda replaced: (replaced.alpha, None)))
            else:
                video = self._video(stack, matte, start, crf=self._options.crf)
                writers.append(
                    lambda frame, replaced: video.write(_grey(replaced.alpha), frame.time, frame.duration)
                )
        if self._job.on_frame is not None:
            writers.append(self._job.on_frame)
        return writers

    def _picture_writer(self, stack: ExitStack, start: Fraction | None) -> OnReplaced:
        path, options = self._outputs.picture, self._options
        has_alpha = options.background.is_transparent
        if path in self._outputs.folders:
            return self._image_writer(
                path, lambda replaced: (replaced.image, replaced.alpha if has_alpha else None)
            )
        video = self._video(
            stack,
            path,
            start,
            codec=options.encoder,
            crf=options.crf,
            alpha=has_alpha,
            keep_from=None if self._info.images else self._info.path,
        )

        def write(frame: VideoFrame, replaced: Replaced) -> None:
            video.write(replaced.image, frame.time, frame.duration, replaced.alpha if has_alpha else None)
            if self._frames.end is not None and frame.time is not None:
                video.end = frame.time + (frame.duration or 0)

        return write

    def _image_writer(
        self,
        folder: Path,
        parts: Callable[[Replaced], tuple[NDArray[np.uint8], NDArray[np.uint8] | None]],
    ) -> OnReplaced:
        """Writes an image, with alpha or without, to where a folder's pictures are until all are there."""
        unfinished = self._unfinished(folder)
        images = ImageSequenceWriter(unfinished)

        def write(frame: VideoFrame, replaced: Replaced) -> None:
            image, alpha = parts(replaced)
            images.write(image, frame.name, alpha)
            self._checkpoint.wrote(unfinished / f"{frame.name}.png")

        return write

    def _video(self, stack: ExitStack, path: Path, start: Fraction | None, **options: Any) -> VideoWriter:
        """A cut starts at zero; the whole keeps its times."""
        start = start if self._frames.start else None
        return stack.enter_context(VideoWriter(path, like=self._info, start=start, **options))

    def _unfinished(self, folder: Path) -> Path:
        """Where the pictures of an output folder are until all are there."""
        return self._checkpoint.part / ("picture" if folder == self._outputs.picture else "matte")

    def _save(self, is_done: bool, last: int | None, count: int) -> None:
        self._checkpoint.save(self._replacer, {"done": is_done, "last": last, "count": count})

    def _publish(self, count: int) -> None:
        """Move pictures to their folders, and remove what is hidden."""
        outputs = self._outputs
        try:
            with interrupts_wait():
                if any(self._unfinished(folder).exists() for folder in outputs.folders):
                    if count == sum(1 for _ in pictures_in(self._unfinished(outputs.folders[0]))):
                        outputs.remove_old()  # nothing has been moved yet
                    for folder in outputs.folders:
                        publish(self._unfinished(folder), folder)
                self._checkpoint.remove()
        except KeyboardInterrupt as interrupt:
            raise retold(interrupt, "but everything had been written") from None


def _grey(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(alpha[..., None], 3, 2)
